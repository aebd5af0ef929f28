from __future__ import annotations

import pytest

from pytest_evalgate.engine.estimate import RouteLoad, slowest_pace
from pytest_evalgate.engine.limiter import Limits


def _seconds(limits: Limits, *route_loads: RouteLoad) -> float | None:
    pace = slowest_pace(route_loads, {"a": limits})
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


def test_targets_and_judges_of_one_route_share_its_slots() -> None:
    assert _seconds(Limits(10), RouteLoad("a", 100, 0, 1.0), RouteLoad("a", 50, 0, 2.0)) == pytest.approx(20.0)


def test_routes_go_side_by_side_and_the_slowest_counts() -> None:
    limits = {"fast": Limits(10), "slow": Limits(2, 30.0, 900.0)}
    pace = slowest_pace([RouteLoad("fast", 100, 0, 1.0), RouteLoad("slow", 10, 0, 5.0)], limits)
    assert pace is not None
    assert (pace.in_parallel, pace.requests_per_minute, pace.tokens_per_minute) == (2, 30, 900)
    assert pace.seconds == pytest.approx(25.0)


def test_an_unknown_latency_makes_the_time_unknown() -> None:
    limits = {"a": Limits(1), "b": Limits(3)}
    pace = slowest_pace([RouteLoad("a", 1_000, 0, 9.0), RouteLoad("b", 1, 0, None)], limits)
    assert pace is not None
    assert (pace.in_parallel, pace.seconds) == (3, None)


def test_nothing_to_send_has_no_pace() -> None:
    assert slowest_pace([], {}) is None
