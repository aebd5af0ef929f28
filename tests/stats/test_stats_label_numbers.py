"""Number of labels for a wanted width: the plan against simulated labels, and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_evalgate.stats.design import BoundedEstimate, LabelDesign, LabelStratum
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.label_numbers import labels_for_width, width_of


class _Run:
    """Outputs of a run by the judge's verdict: whether people pass them, in a random order."""

    def __init__(self, seed: int, outputs: int = 3000) -> None:
        random = np.random.default_rng(seed)
        good = random.random(outputs) < 0.75
        judge = np.where(good, random.random(outputs) < 0.9, random.random(outputs) < 0.2)
        self._passed, self._failed = good[judge], good[~judge]

    def labelled(self, passed: int, failed: int) -> LabelDesign:
        good, lost = int(self._passed[:passed].sum()), int(self._failed[:failed].sum())
        return LabelDesign(
            (
                LabelStratum(len(self._passed), good, 0, passed - good, 0),
                LabelStratum(len(self._failed), 0, lost, 0, failed - lost),
            )
        )


def test_the_planned_labels_give_the_wanted_width() -> None:
    reached = []
    for seed in range(120):
        run = _Run(seed)
        before = run.labelled(50, 50)
        plan = labels_for_width(before, 0.12)
        assert plan.reached
        assert (
            max(width_of(plan.tpr), width_of(plan.tnr)) <= 0.12 < max(width_of(before.tpr()), width_of(before.tnr()))
        )
        after = run.labelled(*map(round, plan.labels))
        reached.append(max(width_of(after.tpr()), width_of(after.tnr())))
    assert np.median(reached) == pytest.approx(0.12, rel=0.05)
    assert np.percentile(reached, 90) < 1.33 * 0.12


def test_the_plan_needs_fewer_labels_than_equal_shares_and_than_shares_in_proportion() -> None:
    saved = []
    for seed in range(10):
        run = _Run(seed)
        planned = sum(labels_for_width(run.labelled(50, 50), 0.1).labels)
        for share in (0.5, 0.72):
            alike = next(
                n
                for n in range(100, 3000, 10)
                if max(width_of(one) for one in _rates(run.labelled(50, 50), n, share)) <= 0.1
            )
            saved.append(planned / alike)
    assert max(saved) <= 1.05
    assert np.mean(saved) < 0.99


def _rates(design: LabelDesign, n: int, share: float) -> list[BoundedEstimate]:
    strata = [
        LabelStratum(
            one.outputs, *(size / one.labels * count for count in (one.both, one.human, one.judge, one.neither))
        )
        for one, size in zip(design.strata, (n * share, n * (1 - share)), strict=True)
    ]
    grown = LabelDesign(tuple(strata))
    return [grown.tpr(), grown.tnr()]


def test_a_width_that_is_reached_needs_no_label_and_one_that_all_outputs_miss_is_named() -> None:
    design = LabelDesign((LabelStratum(60, 30, 0, 10, 0), LabelStratum(40, 0, 5, 0, 35)))
    assert labels_for_width(design, 0.5).labels == (40, 40)
    short = labels_for_width(design, 0.05)
    assert not short.reached
    assert short.labels == pytest.approx((60, 40))
    assert width_of(short.tnr) > 0.05


def test_a_perfect_judge_needs_the_labels_of_wilsons_interval() -> None:
    design = LabelDesign((LabelStratum(5000, 40, 0, 0, 0), LabelStratum(5000, 0, 0, 0, 40)))
    passed, failed = labels_for_width(design, 0.04).labels
    for n in (passed, failed):
        bounds = wilson_interval(n, n)
        assert bounds.upper - bounds.lower == pytest.approx(0.04, rel=0.35)


@pytest.mark.parametrize("width", [0, 1, float("nan")])
def test_a_width_outside_of_0_to_1_is_refused(width: float) -> None:
    design = LabelDesign((LabelStratum(60, 30, 1, 10, 3),))
    with pytest.raises(ValueError, match="width"):
        labels_for_width(design, width)


def test_labels_of_one_class_are_refused() -> None:
    with pytest.raises(ValueError, match="a label that passes and one that fails"):
        labels_for_width(LabelDesign((LabelStratum(60, 30, 1, 0, 0),)), 0.1)
