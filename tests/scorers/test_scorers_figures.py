from __future__ import annotations

import asyncio

import pytest

from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build


def _score(kind: str, most: float, output: Output) -> tuple[float | None, str]:
    score = asyncio.run(build({"kind": kind, "max": most}, context=Context()).score(Case("c"), output))
    return score.value, score.reason


@pytest.mark.parametrize(("latency_s", "value"), [(0.5, 1.0), (1.5, 1.0), (1.51, 0.0), (None, None)])
def test_the_latency_of_an_output_is_bounded(latency_s: float | None, value: float | None) -> None:
    assert _score("latency", 1.5, Output("a", latency_s=latency_s))[0] == value


def test_the_cost_of_an_output_is_bounded() -> None:
    call = CallRecord("target", "m", 1, cost_usd=0.002)
    assert _score("cost", 0.002, Output("a", call=call))[0] == 1
    assert _score("cost", 0.001, Output("a", call=call)) == (0, "cost US$0.002000, at most US$0.001")
    assert _score("not-cost", 0.001, Output("a", call=call))[0] == 1


def test_a_cost_without_a_price_is_unknown() -> None:
    for output in (Output("a"), Output("a", call=CallRecord("target", "m", 1))):
        assert _score("cost", 1, output) == (None, "the cost of the output is unknown: add a price to the model")


@pytest.mark.parametrize(
    ("of", "most", "value", "reason"),
    [
        ("total", 30, 1.0, "used 30 tokens, at most 30"),
        ("total", 29, 0.0, "used 30 tokens, at most 29"),
        ("in", 20, 1.0, "used 20 tokens in, at most 20"),
        ("out", 9, 0.0, "used 10 tokens out, at most 9"),
    ],
)
def test_the_tokens_of_an_output_are_bounded(of: str, most: int, value: float, reason: str) -> None:
    output = Output("a", call=CallRecord("target", "m", 1, 20, 10))
    scorer = build({"kind": "tokens", "max": most, "of": of}, context=Context())
    score = asyncio.run(scorer.score(Case("c"), output))
    assert (score.value, score.reason) == (value, reason)
    opposite = build({"kind": "not-tokens", "max": most, "of": of}, context=Context())
    assert asyncio.run(opposite.score(Case("c"), output)).value == 1 - value


def test_tokens_that_were_not_counted_are_unknown() -> None:
    for output in (Output("a"), Output("a", call=CallRecord("target", "m", 1, tokens_in=5))):
        value, reason = _score("tokens", 9, output)
        assert (value, reason) == (None, "the tokens of the output are unknown: its call did not count them")
