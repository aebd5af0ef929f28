from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_evalgate.stats.differences import (
    LabelledDifferences,
    LabelledVerdicts,
    allocate_labels,
    error_rate_changes,
    ppi_difference,
)

_VALUES = st.sampled_from([-1.0, 0.0, 1.0])


def test_labels_of_all_pairs_are_the_paired_t_test() -> None:
    human = [-1.0] * 12 + [1.0] * 3 + [0.0] * 85
    found = ppi_difference([0.0] * 100, [LabelledDifferences(100, human, [0.0] * 100)])
    values = np.array(human)
    assert found.value == pytest.approx(-0.09)
    assert found.se == pytest.approx(values.std() / 10)
    assert found.p_drop() == pytest.approx(stats.t.cdf(-0.09 / (values.std() / 10), found.df))


def test_a_sample_by_hand() -> None:
    """Two strata of 60 and 40 pairs, 6 and 4 labelled; the judge has one verdict in each, so its weight is 0."""
    first = LabelledDifferences(60, [0.0, 0.0, 0.0, 0.0, 0.0, -1.0], [0.0] * 6)
    second = LabelledDifferences(40, [-1.0, -1.0, 0.0, -1.0], [-1.0] * 4)
    found = ppi_difference([0.0] * 60 + [-1.0] * 40, [first, second])
    assert found.weight == 0
    assert found.value == pytest.approx(0.6 * -1 / 6 + 0.4 * -3 / 4)
    spreads = [1 / 6, 1 / 4]  # more than with 0.02 pseudo-labels of +1 and of -1
    design = 0.6**2 * 0.9 * spreads[0] / 6 + 0.4**2 * 0.9 * spreads[1] / 4
    between = 0.6 * (spreads[0] + 1 / 36) + 0.4 * (spreads[1] + 9 / 16) - found.value**2
    assert found.se**2 == pytest.approx(design + between / 100)


def test_a_stratum_without_a_difference_has_a_variance() -> None:
    """Of 80 pairs in one stratum 16 are labelled, all alike; 0.02 pseudo-labels of +1 and of -1 are added."""
    found = ppi_difference([0.0] * 100, [_equal(80, 16), _equal(20, 20)])
    spread = 0.04 / 16.04
    assert found.value == 0
    assert found.se**2 == pytest.approx(0.8**2 * (1 - 16 / 80) * spread / 16 + 0.8 * spread / 100)


def _equal(pairs: int, labels: int) -> LabelledDifferences:
    return LabelledDifferences(pairs, [0.0] * labels, [0.0] * labels)


def test_the_weight_of_a_judge_is_the_slope_of_people_on_it() -> None:
    judge = [-1.0, -0.5, 0.0, 0.5, 1.0] * 4
    human = [0.5 * value for value in judge]
    rest = [-1.0, 1.0] * 40
    found = ppi_difference([*judge, *rest], [LabelledDifferences(100, human, judge)])
    assert found.weight == pytest.approx(0.5)
    assert found.value == pytest.approx(0.5 * np.mean([*judge, *rest]))


@given(st.lists(st.lists(_VALUES, min_size=1, max_size=6), min_size=1, max_size=4), st.integers(0, 20))
def test_an_estimate_is_a_weighted_mean_and_mirrors(strata: list[list[float]], more: int) -> None:
    found, mirrored = (
        ppi_difference(
            np.zeros(sum(len(values) + more for values in strata)),
            [LabelledDifferences(len(one) + more, [sign * x for x in one], [0.0] * len(one)) for one in strata],
        )
        for sign in (1, -1)
    )
    total = sum(len(one) + more for one in strata)
    assert found.value == pytest.approx(sum((len(one) + more) * np.mean(one) for one in strata) / total)
    assert [mirrored.value, mirrored.se] == pytest.approx([-found.value, found.se])
    assert found.df >= 1


def test_equal_outputs_need_no_label_and_make_the_interval_narrower() -> None:
    labelled = [-1.0] * 5 + [0.0] * 15
    drawn = LabelledDifferences(50, labelled, [0.0] * 20)
    alone = ppi_difference([0.0] * 50, [drawn])
    with_equal = ppi_difference([0.0] * 100, [drawn, LabelledDifferences(50, [0.0] * 50, [0.0] * 50)])
    assert with_equal.value == pytest.approx(alone.value / 2)
    assert with_equal.se < alone.se


@pytest.mark.parametrize(
    ("judged", "stratum", "message"),
    [
        ([0.0] * 4, LabelledDifferences(5, [0.0], [0.0]), "the strata contain 5 pairs, but the judge decided 4"),
        ([0.0], LabelledDifferences(1, [0.0, 0.0], [0.0, 0.0]), "pairs"),
        ([0.0], LabelledDifferences(1, [], []), "human"),
        ([0.0], LabelledDifferences(1, [2.0], [0.0]), "human"),
        ([0.0], LabelledDifferences(1, [float("nan")], [0.0]), "human"),
        ([0.0], LabelledDifferences(1, [0.0], [0.0, 1.0]), "judge"),
    ],
)
def test_what_cannot_be_estimated(judged: list[float], stratum: LabelledDifferences, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ppi_difference(judged, [stratum])


def test_no_difference_and_all_labelled_has_no_error() -> None:
    found = ppi_difference([0.0] * 5, [LabelledDifferences(5, [0.0] * 5, [0.0] * 5)])
    assert (found.value, found.se, found.p_drop()) == (0.0, 0.0, 1.0)


# -- the judge's error rates on the two sides


def test_error_rates_of_one_stratum_by_hand() -> None:
    rows = LabelledVerdicts(
        8, [1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 1], [1] * 4 + [0] * 4, [1, 1, 0, 0] + [0] * 4
    )
    tpr, tnr = error_rate_changes([rows])
    assert tpr is not None
    assert tnr is not None
    assert (tpr.before, tpr.now) == (1.0, 0.5)
    assert (tnr.before, tnr.now) == (0.75, 1.0)
    assert tpr.p < tnr.p


def test_a_class_without_labels_has_no_rate() -> None:
    tpr, tnr = error_rate_changes([LabelledVerdicts(3, [1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 0])])
    assert tpr is not None
    assert [tpr.before, tpr.p] == pytest.approx([2 / 3, 1.0])
    assert tnr is None


@pytest.mark.parametrize(("judge", "share"), [((0.9, 0.8), (0.0, 0.08)), ((0.7, 0.8), (0.8, 1.0))])
def test_a_judge_that_errs_alike_is_seldom_accused(judge: tuple[float, float], share: tuple[float, float]) -> None:
    random = np.random.default_rng(5)
    accused = 0
    for _ in range(200):
        good = random.random((2, 400)) < 0.7
        seen = [
            np.where(side, random.random(400) < rates[0], random.random(400) >= rates[1])
            for side, rates in zip(good, ((0.9, 0.8), judge), strict=True)
        ]
        strata = []
        for name in range(4):
            members = np.flatnonzero(2 * seen[0] + seen[1] == name)
            drawn = random.permutation(members)[:60]
            strata.append(
                LabelledVerdicts(len(members), good[0][drawn], seen[0][drawn], good[1][drawn], seen[1][drawn])
            )
        tpr, _ = error_rate_changes(strata)
        assert tpr is not None
        accused += tpr.p <= 0.05
    assert share[0] <= accused / 200 <= share[1]


# -- allocation


def test_labels_go_where_they_help_most() -> None:
    assert allocate_labels([100, 100], [0.1, 0.4], 50, [0, 0], 5) == [10, 40]
    assert allocate_labels([100, 8], [0.1, 0.4], 50, [0, 0], 10) == [42, 8]
    assert allocate_labels([3, 2], [0.1, 0.4], 50, [0, 0], 10) == [3, 2]
    assert allocate_labels([100, 100], [0.1, 0.4], 60, [30, 0], 5)[0] == 30
