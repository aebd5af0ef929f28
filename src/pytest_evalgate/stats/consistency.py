"""Does a judge agree with itself: over repeats, and whichever answer it is shown first?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from pytest_evalgate.stats.checks import Numbers, as_finite, check_same_length
from pytest_evalgate.stats.numeric import at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

Winner = Literal["X", "Y", "tie"]
"""Which of the answers X and Y a judge prefers."""


@dataclass(frozen=True, slots=True)
class JudgeSelfConsistency:
    """The chance that two verdicts on one item differ, and the share of items whose verdicts are all the same."""

    flip_rate: float
    unanimous: float


@dataclass(frozen=True, slots=True)
class PositionBias:
    """What the order of showing does to a pairwise judge.

    ``consistency`` is the share of pairs with the same winner in both orders; ``inconsistent_first`` counts those
    where the answer shown first won both times, ``inconsistent_second`` the reverse. ``p_two_sided`` is small where
    one of the places is preferred.
    """

    consistency: float
    inconsistent_first: int
    inconsistent_second: int
    p_two_sided: float


def judge_self_consistency(verdicts: Sequence[Numbers]) -> JudgeSelfConsistency:
    """Measure how often a judge changes its mind over N items, each with two or more verdicts or grades.

    ``flip_rate`` is the mean over items of the share of unequal pairs of verdicts; above 0.05 take the majority of
    three. Shape: N rows of two or more.

    Raises:
        ValueError: no item, an item with fewer than two verdicts, or a verdict that is NaN or infinite.

    """
    if len(verdicts) == 0:
        raise ValueError("verdicts must hold one or more items, got none")
    rows = [as_finite(f"verdicts[{item}]", row, 2).tolist() for item, row in enumerate(verdicts)]
    flips = [_unequal_share(row) for row in rows]
    return JudgeSelfConsistency(flip_rate=float(np.mean(flips)), unanimous=flips.count(0.0) / len(flips))


def position_bias(winner_x_shown_first: Sequence[Winner], winner_y_shown_first: Sequence[Winner]) -> PositionBias:
    """Test whether a pairwise judge, asked in both orders about n pairs of answers, prefers a place.

    Exact two-sided binomial test of "the first one wins" among the pairs whose winner changes with the order, ties
    left out; 1 without any. Shapes: (n,), (n,).

    Raises:
        ValueError: no pair, unequal lengths, or a winner other than "X", "Y" and "tie".

    """
    check_same_length(winner_x_shown_first=winner_x_shown_first, winner_y_shown_first=winner_y_shown_first)
    _check_winners("winner_x_shown_first", winner_x_shown_first)
    _check_winners("winner_y_shown_first", winner_y_shown_first)
    pairs = list(zip(winner_x_shown_first, winner_y_shown_first, strict=True))
    first, second = pairs.count(("X", "Y")), pairs.count(("Y", "X"))
    return PositionBias(
        consistency=sum(one == other for one, other in pairs) / len(pairs),
        inconsistent_first=first,
        inconsistent_second=second,
        p_two_sided=min(1.0, 2 * float(at_least(max(first, second), first + second, 0.5))),
    )


def _unequal_share(verdicts: list[float]) -> float:
    k = len(verdicts)
    return (k * k - sum(count * count for count in Counter(verdicts).values())) / (k * (k - 1))


def _check_winners(name: str, winners: Sequence[Winner]) -> None:
    if len(winners) == 0:
        raise ValueError(f"{name} must hold one or more winners, got none")
    for at, winner in enumerate(winners):
        if winner not in get_args(Winner):
            raise ValueError(f'{name}[{at}] must be "X", "Y" or "tie", got {winner!r}')
