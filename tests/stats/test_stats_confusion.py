"""Figures of confusion matrices: equal to scikit-learn's on random matrices, and to those of a plain bootstrap."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from benchmarks.suite_metrics import Pairs

from pytest_evalgate.stats import resampling
from pytest_evalgate.stats.confusion import (
    NO_CLASS,
    Predictions,
    confusion_counts,
    confusion_groups,
    confusion_sample,
    overall_figures,
)
from pytest_evalgate.stats.resampling import bootstrap, paired_bootstrap

if TYPE_CHECKING:
    import numpy.typing as npt

    from pytest_evalgate.stats.resampling import Bounds, Key

    Indices = npt.NDArray[np.intp]

NO_ERRORS: frozenset[str] = frozenset()


def _predictions(label: Indices, predicted: Indices) -> Predictions:
    n = len(label)
    return Predictions(label, predicted, np.arange(n, dtype=np.intp), np.ones(n))


def _random(rng: np.random.Generator) -> tuple[int, Indices, Indices]:
    classes = int(rng.integers(2, 9))
    n = int(rng.integers(5, 200))
    label = rng.integers(0, classes, n)
    predicted = np.where(rng.random(n) < rng.uniform(0.2, 1), label, rng.integers(0, classes, n))
    return classes, label.astype(np.intp), predicted.astype(np.intp)


def _figures(classes: int, label: Indices, predicted: Indices) -> dict[Key, Bounds]:
    trials = _predictions(label, predicted)
    names = tuple(str(at) for at in range(classes))
    groups = confusion_groups(names, np.bincount(label, minlength=classes).astype(np.float64))
    return bootstrap(confusion_sample((trials,), classes), groups, "seed")


@pytest.mark.parametrize("seed", range(200))
def test_every_figure_is_that_of_scikit_learn(seed: int) -> None:
    from sklearn import metrics  # noqa: PLC0415 - dev only, 1 s

    classes, label, predicted = _random(np.random.default_rng(seed))
    occurring = sorted({*label.tolist(), *predicted.tolist()})
    trials = _predictions(label, predicted)
    cells = confusion_counts(trials, classes)
    assert cells[:, :-1].tolist() == metrics.confusion_matrix(label, predicted, labels=range(classes)).tolist()
    sums = cells[:, :-1]
    found = overall_figures(*(one.astype(np.float64) for one in (sums.diagonal(), sums.sum(axis=0), sums.sum(axis=1))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns about undefined values
        wanted = {
            "accuracy": metrics.accuracy_score(label, predicted),
            "balanced-accuracy": metrics.balanced_accuracy_score(label, predicted),
            "macro-f1": metrics.f1_score(label, predicted, average="macro", zero_division=0),
            "weighted-f1": metrics.f1_score(label, predicted, average="weighted", zero_division=0),
            "mcc": metrics.matthews_corrcoef(label, predicted),
        }
        each = metrics.precision_recall_fscore_support(label, predicted, labels=occurring, zero_division=np.nan)
    assert {name: float(value) for name, value in found.items()} == pytest.approx(wanted, abs=1e-12)
    if seed < 20:
        bounds = _figures(classes, label, predicted)
        for name, column in zip(("precision", "recall"), each, strict=False):
            for at, value in zip(occurring, column, strict=True):
                got = bounds[name, str(at)].value
                assert (got is None and np.isnan(value)) or got == pytest.approx(value, abs=1e-12)


def test_f1_of_a_class_is_that_of_scikit_learn() -> None:
    from sklearn import metrics  # noqa: PLC0415 - dev only

    classes, label, predicted = _random(np.random.default_rng(5))
    wanted = metrics.f1_score(label, predicted, average=None, labels=range(classes), zero_division=0)
    bounds = _figures(classes, label, predicted)
    assert [bounds["f1", str(at)].value for at in range(classes)] == pytest.approx(list(wanted), abs=1e-12)


def test_an_unreadable_prediction_is_wrong_and_belongs_to_no_class() -> None:
    label = np.array([0, 0, 1, 1], dtype=np.intp)
    found = _figures(2, label, np.array([0, NO_CLASS, 1, 1], dtype=np.intp))
    assert found["accuracy", ""].value == 0.75
    assert found["recall", "0"].value == 0.5
    assert found["precision", "0"].value == 1
    assert found["macro-f1", ""].value == pytest.approx((2 / 3 + 1) / 2)


def test_the_interval_of_accuracy_is_that_of_a_plain_bootstrap_and_of_clopper_pearson() -> None:
    rng = np.random.default_rng(3)
    label = rng.integers(0, 3, 400).astype(np.intp)
    predicted = np.where(rng.random(400) < 0.85, label, (label + 1) % 3).astype(np.intp)
    found = _figures(3, label, predicted)["accuracy", ""]
    right = (label == predicted).astype(float)
    plain = np.quantile([rng.choice(right, 400).mean() for _ in range(4000)], [0.025, 0.975])
    assert found.interval == pytest.approx(tuple(plain), abs=0.006)


@pytest.mark.parametrize(("n", "exact"), [(10, 0.741), (30, 0.905), (100, 0.970)])
def test_cases_that_are_all_right_do_not_have_a_bound_of_one(n: int, exact: float) -> None:
    """The exact one-sided bound of n of n passes is 0.05 ** (1 / n); a plain bootstrap returns 1."""
    label = (np.arange(n) % 2).astype(np.intp)
    lower = _figures(2, label, label)["accuracy", ""].lower
    assert lower == pytest.approx(exact, abs=0.03)


def test_equal_seeds_give_equal_bounds_in_any_order_of_cases() -> None:
    _, label, predicted = _random(np.random.default_rng(8))
    order = np.random.default_rng(1).permutation(len(label))
    assert _figures(9, label, predicted) == _figures(9, label[order], predicted[order])


def test_clusters_widen_the_interval() -> None:
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(40), 10)
    label = rng.integers(0, 2, 400).astype(np.intp)
    right = np.repeat(rng.random(40) < 0.8, 10)  # all cases of a cluster are right, or none
    trials = _predictions(label, np.where(right, label, 1 - label).astype(np.intp))
    groups = confusion_groups(("a", "b"), np.bincount(label).astype(np.float64))
    widths = []
    for units in (None, clusters):
        low, high = bootstrap(confusion_sample((trials,), 2, units), groups, "s")["accuracy", ""].interval or (0, 0)
        widths.append(high - low)
    assert widths[1] > 2.5 * widths[0]  # the root of the design effect of 10 is 3.2


def test_several_trials_of_a_case_count_as_one_case() -> None:
    label = np.array([0, 0, 0, 1, 1, 1], dtype=np.intp)
    predicted = np.array([0, 0, 1, 1, 1, 1], dtype=np.intp)
    trials = Predictions(label, predicted, np.array([0, 0, 0, 1, 1, 1]), np.full(6, 1 / 3))
    sample = confusion_sample((trials,), 2)
    assert sample.units == 2
    assert sample.sums == pytest.approx([2, 2 / 3, 1, 2 / 3, 4 / 3, 1, 1])


def test_the_paired_change_of_equal_runs_is_zero() -> None:
    classes, label, predicted = _random(np.random.default_rng(4))
    trials = _predictions(label, predicted)
    groups = confusion_groups(tuple(map(str, range(classes))), np.bincount(label, minlength=classes).astype(float))
    found = paired_bootstrap(confusion_sample((trials, trials), classes), groups, "s", NO_ERRORS)
    assert found["macro-f1", ""].delta == 0
    assert found["macro-f1", ""].p_worse() > 0.5


def _population(drop: float) -> npt.NDArray[np.float64]:
    """Return the probability of each (label, before, now) of three unequal classes, shape (3, 3, 3)."""
    right = np.full((3, 3), 0.075) + np.eye(3) * 0.775
    worse = right + drop * (0.5 - 1.5 * np.eye(3))
    again = 0.3 * worse[:, None, :] + 0.7 * np.eye(3)[None]  # 30 % of the predictions are drawn again
    return np.array([0.6, 0.3, 0.1])[:, None, None] * right[:, :, None] * again


def _macro_f1(cells: npt.NDArray[np.float64]) -> float:
    return float((2 * cells.diagonal() / (cells.sum(axis=0) + cells.sum(axis=1))).mean())


def test_the_interval_contains_the_true_change_and_chance_is_not_a_drop() -> None:
    """benchmarks/suite_metrics.py does the same with 2,000 builds."""
    builds = 20
    for drop, fewest, most in ((0.0, 0, 4), (0.3, 17, builds)):
        cells = _population(drop)
        true = _macro_f1(cells.sum(axis=1)) - _macro_f1(cells.sum(axis=2))
        rng = np.random.default_rng(round(100 * drop))
        covered = failed = 0
        for build in range(builds):
            drawn = np.unravel_index(rng.choice(27, 300, p=cells.ravel()), cells.shape)
            label, before, now = (part.astype(np.intp) for part in drawn)
            groups = confusion_groups(("a", "b", "c"), np.bincount(label, minlength=3).astype(np.float64))
            runs = _predictions(label, now), _predictions(label, before)
            found = paired_bootstrap(confusion_sample(runs, 3), groups[:1], build, NO_ERRORS)["macro-f1", ""]
            covered += found.interval[0] <= true <= found.interval[1]
            failed += found.p_worse() <= 0.05
        assert covered >= 17
        assert fewest <= failed <= most


def test_the_interval_of_few_changed_pairs_covers_whichever_way_they_go() -> None:
    """Exact: all outcomes of 100 pairs of which 2.55 are expected to change; Tango's interval is the reference."""
    pairs = Pairs(2.55)
    for losing in (0.5, 0.9):
        assert pairs.covered(pairs.bootstrap, losing) >= 0.97
        assert pairs.covered(pairs.tango, losing) == pytest.approx(0.976, abs=0.002)


def test_many_different_rows_have_the_same_sums_as_a_sparse_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    label, predicted = (rng.integers(0, 9, 60).astype(np.intp) for _ in range(2))
    trials = Predictions(label, predicted, np.arange(60, dtype=np.intp), rng.lognormal(0, 1, 60))
    sample = confusion_sample((trials,), 9)
    dense = resampling.resample(sample, "seed", 50).sums
    monkeypatch.setattr(resampling, "_MANY", 50)
    assert resampling.resample(sample, "seed", 50).sums == pytest.approx(dense)
