from __future__ import annotations

import pytest

from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.engine.retry import CircuitBreaker
from pytest_evalgate.engine.stop import StopSignal


def _after(outcomes: str) -> str | None:
    """Play calls that were answered (+) or failed (-); why the run stopped."""
    halt = StopSignal()
    breaker = CircuitBreaker("http://there/v1", halt)
    for outcome in outcomes:
        if outcome == "+":
            breaker.record_success()
        else:
            breaker.record_failure(CallFault("connection", "nobody there"))
    return halt.reason


@pytest.mark.parametrize(
    "outcomes", ["-" * 9, "+" + "-" * 10, "-" * 9 + "+", "+-" * 30, "+" * 100 + "-" * 10, "+" * 1000]
)
def test_a_run_goes_on_while_half_of_the_calls_are_answered(outcomes: str) -> None:
    assert _after(outcomes) is None


@pytest.mark.parametrize("outcomes", ["-" * 10, "+" * 9 + "-" * 11, "+" * 100 + "-" * 11, "-" * 9 + "+" + "-" * 10])
def test_a_run_stops_when_none_of_the_first_or_few_of_the_last_are(outcomes: str) -> None:
    assert _after(outcomes) is not None
    assert _after(outcomes[:-1]) is None


def test_the_reason_names_the_endpoint_the_kinds_and_the_counts() -> None:
    halt = StopSignal()
    breaker = CircuitBreaker("http://there/v1", halt)
    for number in range(10):
        breaker.record_failure(CallFault("timeout" if number % 3 else "connection", f"fault {number}"))
    assert halt.reason == (
        "10 of the last 10 calls to http://there/v1 failed (6 x timeout, 4 x no connection); the last one: fault 9. "
        "Fix this and run again (replies received so far are cached)"
    )
