"""Top-up of a sample of labels: how many further outputs of each stratum give TPR and TNR a wanted width."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.label_sample import UNJUDGED
from pytest_evalgate.judges.rates import WeightedRow, rates_of
from pytest_evalgate.stats.label_numbers import labels_for_width, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.judges.label_sample import Candidate
    from pytest_evalgate.judges.labels import Labelled
    from pytest_evalgate.stats.design import BoundedEstimate


@dataclass(frozen=True, slots=True)
class RateWidth:
    """The widths of the 95 % interval of a rate, now and with the added labels."""

    now: float
    then: float


@dataclass(frozen=True, slots=True)
class LabelTopUp:
    """The outputs to ``add`` of each stratum, and the widths of both rates."""

    add: Mapping[str, int]
    tpr: RateWidth
    tnr: RateWidth


def plan_top_up(candidates: Sequence[Candidate], labelled: Sequence[Labelled], width: float) -> LabelTopUp:
    """Plan the labels with which the intervals of TPR and TNR are at most ``width`` wide.

    ``labelled`` are the rows of the sample; rows that were not drawn are ignored.

    Raises:
        SettingsError: the strata are no verdicts, a stratum has no label, no label passes or none fails, or even all
            outputs are too few.
    """
    sizes = Counter(one.stratum for one in candidates)
    if UNJUDGED in sizes:
        raise SettingsError("--width needs verdicts to measure: add a judge to the suite and run it, or use --more N")
    stratum_of = {one.id: one.stratum for one in candidates}
    rows = [(stratum_of[row.case.id], row) for row in labelled if row.drawn_from is not None]
    numbers = Counter(stratum for stratum, row in rows if row.passed is not None)
    if lacking := [stratum for stratum in sizes if numbers[stratum] == 0]:
        raise SettingsError(f"no output of the stratum {lacking[0]} has a label yet: use --more N instead of --width")
    clustered = any(row.cluster is not None for _, row in rows)
    weighted = {
        stratum: [
            _weighted(row, stratum, sizes[stratum], clustered=clustered)
            for name, row in rows
            if name == stratum and row.passed is not None
        ]
        for stratum in sizes
    }
    found = rates_of([row for members in weighted.values() for row in members])
    assert found.design is not None  # noqa: S101 - rows with a stratum always have a design
    for rate, word in ((found.tpr, "passes"), (found.tnr, "fails")):
        if rate is None:
            raise SettingsError(f"no label {word} yet, so its rate is unknown: use --more N instead of --width")
    plan = labels_for_width(found.design, width)
    now = (found.design.tpr(), found.design.tnr())
    if not plan.reached:
        widest = 100 * max(width_of(plan.tpr), width_of(plan.tnr))
        raise SettingsError(
            f"labels for all {sizes.total():,} outputs would leave an interval of {widest:.1f} points: label a run "
            "with more cases, or ask for a wider interval"
        )
    add = {
        stratum: min(sizes[stratum] - numbers[stratum], math.ceil((labels / one.labels - 1) * numbers[stratum] - 1e-9))
        for stratum, labels, one in zip(weighted, plan.labels, found.design.strata, strict=True)
    }
    return LabelTopUp(add, _widths(now[0], plan.tpr), _widths(now[1], plan.tnr))


def _weighted(row: Labelled, stratum: str, outputs: int, *, clustered: bool) -> WeightedRow:
    return WeightedRow(
        human=bool(row.passed),
        judge=stratum.startswith("pass"),
        weight=row.weight,
        cluster=(row.cluster or row.case.id) if clustered else None,
        stratum=(stratum, outputs),
    )


def _widths(now: BoundedEstimate, then: BoundedEstimate) -> RateWidth:
    return RateWidth(width_of(now), width_of(then))
