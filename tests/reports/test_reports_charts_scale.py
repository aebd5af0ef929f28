from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.reports.charts.svg import Axis

_SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("shares", "ends"),
    [
        ([0.93], (80, 100)),
        ([1.0], (80, 100)),
        ([0.0], (0, 20)),
        ([0.35, 0.92], (30, 100)),
        ([0.5, 0.5], (30, 50)),
        ([0.02, 0.99], (0, 100)),
    ],
)
def test_a_scale_spans_whole_tenths_and_at_least_two(shares: list[float], ends: tuple[int, int]) -> None:
    found = Axis.around(shares, 0, 100)
    assert (found.low, found.high) == ends


@given(_SHARES)
def test_whatever_is_drawn_lies_within_and_in_order(shares: list[float]) -> None:
    scale = Axis.around(shares, 300, 100)
    spots = [scale.at(share) for share in sorted(shares)]
    assert spots == sorted(spots, reverse=True)
    assert all(100 <= spot <= 300 for spot in spots)


@given(_SHARES)
def test_every_scale_has_a_few_ticks_at_round_percents(shares: list[float]) -> None:
    ticks = Axis.around(shares, 0, 100).ticks
    assert 3 <= len(ticks) <= 6
    assert all(int(words.removesuffix("%")) % 5 == 0 for words, _ in ticks)


def test_ticks_lie_where_their_shares_do() -> None:
    assert Axis(80, 100, 0, 200).ticks == (("80%", 0), ("85%", 50), ("90%", 100), ("95%", 150), ("100%", 200))


def test_a_share_beyond_an_end_lies_at_that_end() -> None:
    scale = Axis(50, 100, 0, 100)
    assert (scale.at(0.2), scale.at(1.5)) == (0, 100)
