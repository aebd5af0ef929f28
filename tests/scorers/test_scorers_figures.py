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
