from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import BudgetGate, load
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.budget import decide_budget
from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, Output, PlannedCase, SuiteRun, Trial
from pytest_evalgate.text.wording import seconds, usd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.gates.conftest import Build

    from pytest_evalgate.records.verdicts import GateResult

_CASE = PlannedCase("c", Place("g.jsonl", 1), "f")
_FREE = CallRecord("target", "m", 0, 9, 9, 0.0)


def _gate(**limits: float) -> BudgetGate:
    return BudgetGate(kind="budget", **limits)


def _paid(usd: float | None, attempts: int = 1, model: str = "m") -> CallRecord:
    return CallRecord("target", model, attempts, 9, 9, usd)


def _cost(limit: float, *calls: CallRecord) -> GateResult:
    return decide_budget(
        _gate(max_cost_usd=limit), [CaseResult(_CASE, "passed", (Trial(0, 1.0, calls=calls),))], "worst"
    )


def _answers(*latencies: float | None, value: float | None = 1.0) -> list[CaseResult]:
    return [combine_trials(_CASE, [Trial(0, value, Output("x", latency_s=latency))]) for latency in latencies]


def _latency(limit: float, results: Sequence[CaseResult], completion: Any = "worst") -> GateResult:
    return decide_budget(_gate(p95_latency_s=limit), results, completion)


@pytest.mark.parametrize(
    ("calls", "limit", "result", "value", "message"),
    [
        ([_paid(0.5), _paid(0.25)], 1.0, "pass", 0.75, "cost US$0.75 for 2 calls, at most US$1.00 allowed"),
        ([_paid(0.5), _paid(0.5)], 1.0, "pass", 1.0, "cost US$1.00 for 2 calls, at most US$1.00 allowed"),
        ([_paid(0.1)] * 3, 0.3, "pass", 0.3, "cost US$0.30 for 3 calls, at most US$0.30 allowed"),
        ([_paid(1.5)], 1.0, "fail", 1.5, "cost US$1.50, at most US$1.00 allowed"),
        ([_paid(1.0004)], 1.0, "fail", 1.0004, "cost US$1.000400, at most US$1.00 allowed"),
        ([_paid(0.5), _FREE], 0.5, "pass", 0.5, "cost US$0.50 for 1 call, at most US$0.50 allowed"),
        ([_FREE], 0.0, "pass", 0.0, "cost US$0.00 for 0 calls, at most US$0.00 allowed"),
        ([_paid(0.0012)], 0.001, "fail", 0.0012, "cost US$0.0012, at most US$0.0010 allowed"),
    ],
)
def test_the_cost_of_sent_calls_is_compared_with_the_limit(
    calls: list[CallRecord], limit: float, result: str, value: float, message: str
) -> None:
    decided = _cost(limit, *calls)
    assert (decided.kind, decided.result, decided.value, decided.bound, decided.required) == (
        "budget",
        result,
        value,
        None,
        limit,
    )
    assert decided.message == message


def test_calls_in_vain_cost_too() -> None:
    failed = CaseResult(_CASE, "errored", (Trial(0, None, calls=(_paid(2.0, attempts=5),)),))
    assert decide_budget(_gate(max_cost_usd=1.0), [failed], "best").result == "fail"


def test_an_unknown_price_makes_the_gate_invalid_and_names_the_models() -> None:
    decided = _cost(9.0, _paid(0.1), _paid(None, model="local"), _paid(None, model="app"), _paid(None, model="local"))
    assert (decided.result, decided.value, decided.required) == ("invalid", None, 9.0)
    assert decided.message.startswith("the cost of 3 calls to app, local is unknown. Give the model a price = {")


def test_a_cached_call_of_unknown_price_costs_nothing() -> None:
    assert _cost(1.0, _paid(None, attempts=0)).result == "pass"


def test_without_calls_the_message_says_so() -> None:
    decided = _cost(1.0)
    assert (decided.result, decided.value) == ("pass", 0.0)
    assert decided.message == "cost US$0.00: no calls were counted, at most US$1.00 allowed"


@pytest.mark.parametrize(("slow", "result", "value"), [(0, "pass", 1.0), (1, "pass", 1.0), (2, "fail", 9.0)])
def test_nineteen_of_twenty_outputs_are_in_time(slow: int, result: str, value: float) -> None:
    decided = _latency(2.0, _answers(*[1.0] * (20 - slow), *[9.0] * slow))
    assert (decided.result, decided.value, decided.required) == (result, value, 2.0)


def test_the_limit_itself_is_in_time() -> None:
    decided = _latency(2.0, _answers(2.0))
    assert (decided.result, decided.message) == ("pass", "95% of 1 output arrived within 2 s, 2 s allowed")


def test_a_late_output_is_never_formatted_as_in_time() -> None:
    decided = _latency(2.0, _answers(2.0004))
    assert (decided.result, decided.message) == ("fail", "95% of 1 output arrived within 2.000400 s, 2 s allowed")


def test_every_trial_has_a_latency() -> None:
    trials = [Trial(index, 1.0, Output("x", latency_s=float(index))) for index in range(4)]
    assert _latency(2.0, [combine_trials(_CASE, trials)]).value == 3.0


@pytest.mark.parametrize("latencies", [(None,), (1.0, None)])
def test_unknown_latencies_make_the_gate_invalid(latencies: tuple[float | None, ...]) -> None:
    decided = _latency(2.0, _answers(*latencies))
    assert (decided.result, decided.value) == ("invalid", None)
    assert decided.message.startswith(f"the latency of 1 of {len(latencies)} output")


def test_a_failure_of_the_target_is_not_in_time() -> None:
    failed = combine_trials(_CASE, [Trial(0, 0.0, reason="ValueError")])
    for completion in ("worst", "best"):
        decided = _latency(2.0, [*_answers(1.0), failed], completion)
        assert (decided.result, decided.value) == ("fail", None)
        assert decided.message == "1 of 2 outputs are missing, 95% within 2 s required"


@pytest.mark.parametrize(
    "missing", [combine_trials(_CASE, [Trial(0, None, reason="429")]), CaseResult(_CASE, "errored")]
)
def test_a_missing_output_is_late_at_worst_and_in_time_at_best(missing: CaseResult) -> None:
    results = [*_answers(1.0), missing]
    assert _latency(2.0, results, "worst").result == "fail"
    assert _latency(2.0, results, "best").result == "pass"


def test_an_ungraded_output_has_a_latency() -> None:
    decided = _latency(2.0, _answers(1.0, value=None))
    assert (decided.result, decided.value) == ("pass", 1.0)


@pytest.mark.parametrize(
    ("usd", "latency", "result", "required", "first"),
    [
        (1.0, 1.0, "pass", 2.0, "cost"),
        (3.0, 1.0, "fail", 2.0, "cost"),
        (1.0, 9.0, "fail", 8.0, "95%"),
        (3.0, 9.0, "fail", 2.0, "cost"),
        (3.0, None, "invalid", 8.0, "the latency of"),
    ],
)
def test_of_two_limits_the_worse_one_decides(
    usd: float, latency: float | None, result: str, required: float, first: str
) -> None:
    trial = Trial(0, 1.0, Output("x", latency_s=latency), calls=(_paid(usd),))
    decided = decide_budget(_gate(max_cost_usd=2.0, p95_latency_s=8.0), [combine_trials(_CASE, [trial])], "worst")
    assert (decided.result, decided.required) == (result, required)
    assert decided.message.startswith(first)
    assert decided.message.count("; ") == 1


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "US$0.00"),
        (12_345.678, "US$12,345.68"),
        (0.83, "US$0.83"),
        (0.006, "US$0.01"),
        (0.0012, "US$0.0012"),
        (0.00003, "US$0.000030"),
        (1e-12, "US$0.000001"),
    ],
)
def test_money_is_written_in_cents_and_small_amounts_never_as_nothing(amount: float, text: str) -> None:
    assert usd(amount) == text


@pytest.mark.parametrize(("duration", "text"), [(0.8341, "0.834 s"), (12.34, "12.3 s"), (12_345.6, "12,346 s")])
def test_latencies_are_written_with_three_digits(duration: float, text: str) -> None:
    assert seconds(duration) == text


def _decided(build: Build, letters: str, gate: BudgetGate, latency_s: float = 1.0) -> GateResult:
    suite = build.suite(letters)
    results = tuple(
        replace(
            result,
            trials=tuple(
                replace(t, output=Output("x", latency_s=latency_s) if t.value else None) for t in result.trials
            ),
        )
        for result in suite.results
    )
    [decided] = decide_suite(SuiteRun(suite.plan, results), SuiteRules(gates=(gate,), max_error_rate=1.0)).gates
    return decided


@pytest.mark.parametrize(
    ("letters", "result"),
    [("PPP", "pass"), ("PP?", "incomplete"), ("P" * 19 + "?", "pass"), ("PPS", "pass"), ("PP-", "not_evaluated")],
)
def test_the_gate_in_its_suite(build: Build, letters: str, result: str) -> None:
    assert _decided(build, letters, _gate(p95_latency_s=2.0)).result == result


def test_missing_outputs_do_not_pass_a_slow_suite(build: Build) -> None:
    assert _decided(build, "PP?", _gate(p95_latency_s=2.0), latency_s=9.0).result == "fail"


def test_the_gate_is_configured(tmp_path: Path) -> None:
    gate = '[suites.faq]\ngolden = "g.jsonl"\ngates = [{ kind = "budget", max_cost_usd = 2.0, p95_latency_s = 8.0 }]\n'
    (tmp_path / "evalgate.toml").write_text(gate, "utf-8")
    assert load(tmp_path).suites["faq"].gates == (_gate(max_cost_usd=2.0, p95_latency_s=8.0),)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", "suites.faq.gates[0]: a budget gate needs max_cost_usd, p95_latency_s, or both"),
        (", max_cost = 2.0", 'suites.faq.gates[0].max_cost: unknown key; did you mean "max_cost_usd"?'),
        (", max_cost_usd = -1.0", "suites.faq.gates[0].max_cost_usd: must be at least 0"),
        (", p95_latency_s = 0.0", "suites.faq.gates[0].p95_latency_s: must be greater than 0"),
    ],
)
def test_problems_of_a_budget_gate_are_reported(tmp_path: Path, table: str, expected: str) -> None:
    text = f'[suites.faq]\ngolden = "g.jsonl"\ngates = [{{ kind = "budget"{table} }}]\n'
    (tmp_path / "evalgate.toml").write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        load(tmp_path)
    assert expected in str(caught.value)
