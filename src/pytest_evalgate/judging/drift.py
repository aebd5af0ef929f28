"""Drift: does a judge still say of its anchors what it said when they were recorded?

Anchors are outputs that people labelled, and that the judge graded several times. They are judged again, and what
differs from the majority of the stored verdicts is a flip. More flips than the stored verdicts had among themselves
are drift: the model behind the name changed. People's fails and passes are tested apart, since a judge that turns
lenient flips the one, and one that turns harsh the other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from pytest_evalgate.stats.consistency import judge_self_consistency
from pytest_evalgate.stats.distributions import js_divergence, ks_statistic
from pytest_evalgate.stats.families import holm_adjusted
from pytest_evalgate.stats.numeric import at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

Label = Literal["pass", "fail"]
"""What people said of an anchor."""

Finding = Literal["steady", "drifted", "incomplete"]
"""``incomplete``: it depends on anchors without a verdict."""

ALPHA: Final = 0.01
FEWEST: Final = 100
"""Anchors of each label: at a flip rate of 2 %, one verdict in ten that turns is found in 95 % of the checks with 100
of them, and in 70 % with 50 (`chance_to_detect`)."""

SHARES: Final = (0.05, 0.1, 0.2)
"""Shares of verdicts that turn, for which the chance to find that out is shown."""

_LEAST_FLIP_RATE: Final = 0.01  # no judge is steadier than its stored verdicts can show
_GRADES: Final = 5


@dataclass(frozen=True, slots=True)
class Rejudged:
    """An anchor: its label, the verdicts that were stored (two or more), and the new one, None where there is none."""

    label: Label
    stored: tuple[bool, ...]
    now: bool | None


@dataclass(frozen=True, slots=True)
class Detection:
    """The chance, at least, that ``share`` of the verdicts turning would be found out."""

    share: float
    chance: float


@dataclass(frozen=True, slots=True)
class ClassDrift:
    """The anchors of one label.

    Of ``anchors`` the new verdict of ``flips`` differs from the stored majority, and ``to_pass`` of these pass now;
    ``unanswered`` have no new verdict. ``flip_rate`` is that of the stored verdicts among themselves. ``p`` is the
    probability of so many flips at that rate, adjusted for the two tests; ``p_worst`` takes the unanswered as flips.
    """

    label: Label
    anchors: int
    flips: int
    to_pass: int
    unanswered: int
    flip_rate: float
    p: float
    p_worst: float
    detections: tuple[Detection, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """What the anchors say: drift is tested at 0.01 over both labels together."""

    finding: Finding
    classes: tuple[ClassDrift, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the grades then and now lie apart: a description, not a test.

    ``ks`` is the largest distance of the distribution functions and ``p`` its conservative p, ``js_bits`` the
    Jensen-Shannon divergence of the histograms over five bins.
    """

    ks: float
    p: float
    js_bits: float


def drift(anchors: Sequence[Rejudged]) -> Drift:
    """Test whether anchors flip more often than the stored verdicts did among themselves.

    For each label ``P(X >= flips)`` for ``X ~ Binomial(anchors, max(flip rate, 0.01))``, adjusted by Holm's method.
    In simulations of judges that did not change, with 100 and 200 anchors of each label and three or five stored
    verdicts, at most 0.5 % of the checks found drift.

    Raises:
        ValueError: a label has no anchor, or an anchor fewer than two stored verdicts.

    """
    counts = [_counted(label, anchors) for label in get_args(Label)]
    p = holm_adjusted([_p(count, count.flips) for count in counts])
    p_worst = holm_adjusted([_p(count, count.flips + count.unanswered) for count in counts])
    return Drift(
        finding="drifted" if min(p) <= ALPHA else "incomplete" if min(p_worst) <= ALPHA else "steady",
        classes=tuple(_with_p(*each) for each in zip(counts, p, p_worst, strict=True)),
    )


def chance_to_detect(share: float, anchors: int, flip_rate: float) -> float:
    """Return the chance that a label's test finds drift where ``share`` of its verdicts turn, beside the usual flips.

    That is a lower bound: the test at the stricter level of Holm's two.
    """
    least = max(flip_rate, _LEAST_FLIP_RATE)
    p = at_least(np.arange(anchors + 1), anchors, least)
    needed = int(np.argmax(p <= ALPHA / 2)) if (p <= ALPHA / 2).any() else anchors + 1
    return float(at_least(needed, anchors, flip_rate + share * (1 - 2 * flip_rate)))


def majority(verdicts: Sequence[bool]) -> bool:
    """Return what most of the verdicts say; a tie fails."""
    return 2 * sum(verdicts) > len(verdicts)


def shift(stored: Sequence[float], now: Sequence[float]) -> Shift:
    """Describe how far grades in [0, 1] moved, shapes (n,) and (m,).

    Raises:
        ValueError: one of them is empty, or a grade is not finite.

    """
    moved = ks_statistic(stored, now)
    bins = [np.histogram(grades, bins=_GRADES, range=(0.0, 1.0))[0] for grades in (stored, now)]
    return Shift(moved.D, moved.p, js_divergence(*bins).divergence_bits)


@dataclass(frozen=True, slots=True)
class _Counts:
    label: Label
    anchors: int
    flips: int
    to_pass: int
    unanswered: int
    flip_rate: float


def _counted(label: Label, anchors: Sequence[Rejudged]) -> _Counts:
    group = [anchor for anchor in anchors if anchor.label == label]
    flipped = [anchor.now for anchor in group if anchor.now is not None and anchor.now != majority(anchor.stored)]
    return _Counts(
        label=label,
        anchors=len(group),
        flips=len(flipped),
        to_pass=sum(flipped),
        unanswered=sum(anchor.now is None for anchor in group),
        flip_rate=judge_self_consistency([anchor.stored for anchor in group]).flip_rate,
    )


def _p(counts: _Counts, flips: int) -> float:
    return float(at_least(flips, counts.anchors, max(counts.flip_rate, _LEAST_FLIP_RATE)))


def _with_p(counts: _Counts, p: float, p_worst: float) -> ClassDrift:
    chances = (Detection(share, chance_to_detect(share, counts.anchors, counts.flip_rate)) for share in SHARES)
    return ClassDrift(**asdict(counts), p=p, p_worst=p_worst, detections=tuple(chances))
