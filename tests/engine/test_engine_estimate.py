from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.config import Model, Price
from pytest_evalgate.engine.estimate import (
    FEWEST_USAGES,
    EstimateInputs,
    PlannedCalls,
    RouteLoad,
    Usage,
    estimate,
    slowest_pace,
)
from pytest_evalgate.engine.limiter import Limits
from pytest_evalgate.engine.spend import Prices, Tokens
from pytest_evalgate.records.calls import Call, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_evalgate.runs.estimate import Estimate

_PRICES = Prices({"candidate": Model(model="m", price=Price(input_per_mtok=1_000, output_per_mtok=10_000))})
_LIMITS = {"candidate": Limits(8), "critic": Limits(2), "app": Limits(4)}


def _call(number: int, *, route: str = "candidate", purpose: str = "target", **fields: Any) -> Call:
    payload = {"prompt": "x" * 36, "max_tokens": 5}
    values: dict[str, Any] = {"kind": "chat", "endpoint": "e", "model": "m", "payload": payload, **fields}
    return Call(trial=number, route=route, purpose=purpose, **values)


def _calls(number: int, **fields: Any) -> list[Call]:
    return [_call(index, **fields) for index in range(number)]


def _estimate(
    *suites: tuple[str, Iterable[Call]],
    replies: Mapping[int, Reply] | None = None,
    history: Mapping[tuple[str, str, str], Sequence[Usage]] | None = None,
    prices: Prices = _PRICES,
) -> Estimate:
    planned = [PlannedCalls(name, 10, calls) for name, calls in suites]
    return estimate(
        planned, EstimateInputs(lambda call: (replies or {}).get(call.trial), prices, _LIMITS, history or {})
    )


def _reply(read: int, written: int, latency_s: float = 1.0) -> Reply:
    return Reply("x", tokens_in=read, tokens_out=written, latency_s=latency_s, attempts=0, cost_usd=0.0)


def test_without_history_the_estimate_comes_from_the_text_and_names_its_error() -> None:
    [suite] = _estimate(("faq", _calls(3))).suites
    assert (suite.cases, suite.calls, suite.cached, suite.to_send) == (10, 3, 0, 3)
    assert (suite.tokens_in, suite.tokens_out) == (27, 15)
    assert suite.usd == pytest.approx(3 * (9 * 0.001 + 5 * 0.01))
    assert suite.at_most_usd == pytest.approx(3 * (13 * 0.001 + 7 * 0.01))
    assert suite.basis == "chars/4, no history: +-40%"


def test_calls_may_be_an_iterator() -> None:
    assert _estimate(("faq", iter(_calls(3)))).to_send == 3


def test_with_enough_history_the_estimate_is_its_median_and_95th_percentile() -> None:
    replies = {index: _reply(100, 10 if index < 18 else 50) for index in range(FEWEST_USAGES)}
    [suite] = _estimate(("faq", _calls(FEWEST_USAGES + 4)), replies=replies).suites
    assert (suite.cached, suite.to_send) == (20, 4)
    assert (suite.tokens_in, suite.tokens_out) == (400, 40)
    assert suite.usd == pytest.approx(4 * (100 * 0.001 + 10 * 0.01))
    assert suite.at_most_usd == pytest.approx(4 * (100 * 0.001 + 50 * 0.01))
    assert suite.basis == "median of 20 cached usages"


def test_with_too_little_history_the_estimate_comes_from_the_text() -> None:
    replies = {index: _reply(100, 10) for index in range(FEWEST_USAGES - 1)}
    [suite] = _estimate(("faq", _calls(FEWEST_USAGES)), replies=replies).suites
    assert (suite.tokens_in, suite.basis) == (9, "chars/4, 19 cached usages: +-40%")


def test_replies_without_usage_are_no_history() -> None:
    replies = {index: Reply("x", attempts=0) for index in range(FEWEST_USAGES)}
    estimated = _estimate(("faq", _calls(FEWEST_USAGES + 1)), replies=replies)
    assert estimated.suites[0].basis == "chars/4, no history: +-40%"
    assert estimated.suites[0].cached == FEWEST_USAGES
    assert estimated.pace is not None
    assert estimated.pace.seconds is None


def test_calls_that_have_changed_since_are_history() -> None:
    history = {("faq", "candidate", "target"): [Usage(Tokens(50, 5), 2.0)] * FEWEST_USAGES}
    faq, other = _estimate(("faq", _calls(2)), ("other", _calls(2)), history=history).suites
    assert (faq.tokens_in, faq.basis) == (100, "median of 20 cached usages")
    assert other.basis == "chars/4, no history: +-40%"


def test_target_and_judge_have_separate_histories() -> None:
    history = {("faq", "candidate", "judge:tone"): [Usage(Tokens(50, 5), 2.0)] * FEWEST_USAGES}
    calls = [*_calls(1), *_calls(1, purpose="judge:tone")]
    [suite] = _estimate(("faq", calls), history=history).suites
    assert suite.tokens_in == 9 + 50
    assert suite.basis == "chars/4, no history: +-40%; median of 20 cached usages"


def test_a_suite_whose_calls_are_all_cached_costs_nothing() -> None:
    estimated = _estimate(("faq", _calls(2)), replies={0: _reply(1, 1), 1: _reply(1, 1)})
    [suite] = estimated.suites
    assert (suite.to_send, suite.tokens_in, suite.usd, suite.at_most_usd) == (0, 0, 0, 0)
    assert suite.basis == "all cached"
    assert (estimated.pace, estimated.unpriced, estimated.sources) == (None, (), ())


def test_a_suite_without_calls() -> None:
    [suite] = _estimate(("faq", [])).suites
    assert (suite.calls, suite.usd, suite.basis) == (0, 0, "no calls")


def test_unknown_prices_are_named_and_not_in_the_total() -> None:
    calls = [*_calls(2), *_calls(3, route="critic", purpose="judge:tone")]
    estimated = _estimate(("faq", calls), ("tone", _calls(4, route="critic")))
    faq, tone = estimated.suites
    assert estimated.unpriced == (("critic", 7),)
    assert faq.usd == pytest.approx(2 * (9 * 0.001 + 5 * 0.01))
    assert (tone.usd, tone.at_most_usd) == (None, None)
    assert estimated.usd == faq.usd
    assert estimated.at_most_usd == faq.at_most_usd
    assert estimated.sources == ("config",)


def test_an_application_has_calls_but_no_tokens() -> None:
    [suite] = _estimate(("app", _calls(2, kind="http", route="app"))).suites
    assert (suite.to_send, suite.tokens_in, suite.tokens_out, suite.usd) == (2, 0, 0, None)
    assert suite.basis == "no model: no tokens"


def test_the_totals_are_the_sums_of_the_suites() -> None:
    estimated = _estimate(("faq", _calls(3)), ("tone", _calls(2)), replies={0: _reply(1, 1)})
    assert (estimated.calls, estimated.to_send) == (5, 3)
    assert estimated.usd == pytest.approx(sum(suite.usd or 0 for suite in estimated.suites))


def test_the_duration_comes_from_the_median_latency_and_the_concurrency() -> None:
    replies = {0: _reply(1, 1, 0.5), 1: _reply(1, 1, 2.0), 2: _reply(1, 1, 9.0)}
    estimated = _estimate(("faq", _calls(43)), replies=replies)
    assert estimated.pace is not None
    assert (estimated.pace.in_parallel, estimated.pace.seconds) == (8, 10.0)  # 40 calls of 2 s, 8 at a time


# --- pace -----------------------------------------------------------------------------------------------------------


def _seconds(limits: Limits, *loads: RouteLoad) -> float | None:
    pace = slowest_pace(loads, {"a": limits})
    assert pace is not None
    return pace.seconds


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        (Limits(8), 12.5),
        (Limits(1000), 1.0),
        (Limits(8, requests_per_minute=100), 60.0),
        (Limits(8, tokens_per_minute=2_500), 120.0),
        (Limits(8, requests_per_minute=100, tokens_per_minute=2_500), 120.0),
        (Limits(8, requests_per_minute=10_000), 12.5),
    ],
)
def test_the_tightest_limit_counts(limits: Limits, seconds: float) -> None:
    assert _seconds(limits, RouteLoad("a", 100, 5_000, 1.0)) == pytest.approx(seconds)


def test_target_and_judge_of_one_route_share_its_slots() -> None:
    assert _seconds(Limits(10), RouteLoad("a", 100, 0, 1.0), RouteLoad("a", 50, 0, 2.0)) == pytest.approx(20.0)


def test_routes_run_side_by_side_and_the_slowest_counts() -> None:
    limits = {"fast": Limits(10), "slow": Limits(2, 30.0, 900.0)}
    pace = slowest_pace([RouteLoad("fast", 100, 0, 1.0), RouteLoad("slow", 10, 0, 5.0)], limits)
    assert pace is not None
    assert (pace.in_parallel, pace.requests_per_minute, pace.tokens_per_minute) == (2, 30, 900)
    assert pace.seconds == pytest.approx(25.0)


def test_an_unknown_latency_makes_the_duration_unknown() -> None:
    limits = {"a": Limits(1), "b": Limits(3)}
    pace = slowest_pace([RouteLoad("a", 1_000, 0, 9.0), RouteLoad("b", 1, 0, None)], limits)
    assert pace is not None
    assert (pace.in_parallel, pace.seconds) == (3, None)


def test_without_calls_there_is_no_pace() -> None:
    assert slowest_pace([], {}) is None
