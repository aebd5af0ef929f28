from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.engine.limiter import TokenBucket


def _sent(bucket: TokenBucket, amounts: list[float], seconds: float) -> list[float]:
    """Take each amount as soon as it may be; the times at which that was, until the time is over."""
    now, times = 0.0, []
    for amount in amounts:
        while wait := bucket.wait_s(amount, now):
            now += wait
        if now > seconds:
            break
        bucket.take(amount)
        times.append(now)
    return times


def test_one_a_second_follow_each_other_by_a_second() -> None:
    assert _sent(TokenBucket(60), [1] * 4, 10) == pytest.approx([0, 1, 2, 3])


def test_a_fast_rate_starts_with_a_small_burst() -> None:
    times = _sent(TokenBucket(2400), [1] * 20, 10)
    assert times[:10] == [0] * 10
    assert times[10] == pytest.approx(1 / 40)


def test_what_is_larger_than_the_bucket_goes_out_and_is_waited_for_afterwards() -> None:
    assert _sent(TokenBucket(60), [30, 1, 1], 100) == pytest.approx([0, 30, 31])


def test_what_is_given_back_is_there_at_once_but_no_more_than_fits() -> None:
    bucket = TokenBucket(60)
    bucket.take(1)
    bucket.take(-5)
    assert bucket.wait_s(1, 0.0) == 0
    bucket.take(1)
    assert bucket.wait_s(1, 0.0) == pytest.approx(1)


@given(st.floats(1, 100_000), st.integers(1, 300))
def test_no_minute_holds_more_than_its_limit_and_the_small_burst(per_minute: float, wanted: int) -> None:
    times = _sent(TokenBucket(per_minute), [1] * wanted, 60)
    assert len(times) <= per_minute * 60.25 / 60 + 1 + 1e-6
    assert len(times) == wanted or len(times) >= int(per_minute)
