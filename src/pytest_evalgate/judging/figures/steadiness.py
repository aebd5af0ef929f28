"""Does a judge agree with itself: when it is asked again, and when two answers change places?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.judging.figures.figure import Figure, figure
from pytest_evalgate.judging.figures.rates import rate_of
from pytest_evalgate.stats.consistency import judge_self_consistency, position_bias

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pytest_evalgate.judging.figures.figure import Bootstrap
    from pytest_evalgate.stats.consistency import Winner

_TWO = 2


@dataclass(frozen=True, slots=True)
class Repeats:
    """How steady a judge is over ``items`` that it was asked about several times.

    ``flip_rate`` is the chance that two of its verdicts on one item differ, ``unanimous`` the share of items without a
    flip.
    """

    items: int
    flip_rate: Figure
    unanimous: Figure


@dataclass(frozen=True, slots=True)
class Position:
    """What the order of showing does to a judge of pairs; counts of ``pairs``.

    ``right_first`` and ``right_swapped`` agree with people in one order and in the other, ``right_both`` in both.
    ``agree`` have the same winner in both orders, which is the share ``consistency``. Of those whose winner changes
    with the order, ``first_wins`` went to the answer shown first both times, ``second_wins`` to the other; ``p`` is
    small where one place is preferred.
    """

    pairs: int
    right_first: int
    right_swapped: int
    right_both: int
    agree: int
    consistency: Figure
    first_wins: int
    second_wins: int
    p: float


def repeats_of(
    verdicts: Sequence[Sequence[float]], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> Repeats | None:
    """Measure how often a judge changes its mind; items with a single verdict do not count, None without any other.

    Shapes: n rows of verdicts or grades, (n,).
    """
    repeated = [(row, cluster) for row, cluster in zip(verdicts, clusters, strict=True) if len(row) >= _TWO]
    if not repeated:
        return None
    flips = np.array([judge_self_consistency([row]).flip_rate for row, _ in repeated])
    drawn = [float(flips[rows].mean()) for rows in bootstrap.samples([cluster for _, cluster in repeated])]
    unanimous = rate_of([flip == 0 for flip in flips.tolist()], clusters=[cluster for _, cluster in repeated])
    return Repeats(len(repeated), figure(float(flips.mean()), drawn), unanimous.figure)


def position_of(
    human: Sequence[bool], first: Sequence[bool | None], swapped: Sequence[bool | None]
) -> Position | None:
    """Measure what a change of places does; None without a pair.

    A verdict says whether the answer that people may have passed wins, in the one order and in the other; None is a
    tie, or an answer that could not be read. Shapes: (n,) each.
    """
    if not human:
        return None
    found = position_bias([_winner(one) for one in first], [_winner(one) for one in swapped])
    right = [(one == passed, other == passed) for passed, one, other in zip(human, first, swapped, strict=True)]
    agree = [one == other for one, other in zip(first, swapped, strict=True)]
    return Position(
        pairs=len(human),
        right_first=sum(one for one, _ in right),
        right_swapped=sum(other for _, other in right),
        right_both=sum(one and other for one, other in right),
        agree=sum(agree),
        consistency=rate_of(agree).figure,
        first_wins=found.inconsistent_first,
        second_wins=found.inconsistent_second,
        p=found.p_two_sided,
    )


def _winner(passed: bool | None) -> Winner:  # noqa: FBT001 - three values in, three words out
    return "tie" if passed is None else "X" if passed else "Y"
