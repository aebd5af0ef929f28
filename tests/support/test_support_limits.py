from __future__ import annotations

import pytest
from tests.support.server import Admission, Limits


def test_without_limits_everything_is_taken_on() -> None:
    assert Admission(Limits()).admits(10**6, 0.0)


@pytest.mark.parametrize(("in_flight", "admitted"), [(0, True), (1, True), (2, False), (3, False)])
def test_no_more_than_the_capacity_is_worked_on(in_flight: int, *, admitted: bool) -> None:
    assert Admission(Limits(capacity=2)).admits(in_flight, 0.0) is admitted


def test_a_burst_goes_through_and_then_the_rate_holds() -> None:
    admission = Admission(Limits(requests_per_second=10, burst=3))
    assert [admission.admits(0, 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [admission.admits(0, 0.25) for _ in range(3)] == [True, True, False]
    assert [admission.admits(0, 0.375) for _ in range(2)] == [True, False]


def test_a_long_pause_fills_the_bucket_and_no_more() -> None:
    admission = Admission(Limits(requests_per_second=10, burst=2))
    assert admission.admits(0, 0.0)
    assert [admission.admits(0, 1000.0) for _ in range(3)] == [True, True, False]


def test_what_the_capacity_refuses_costs_no_token() -> None:
    admission = Admission(Limits(capacity=1, requests_per_second=1, burst=1))
    assert not admission.admits(1, 0.0)
    assert admission.admits(0, 0.0)
