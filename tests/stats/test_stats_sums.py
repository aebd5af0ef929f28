"""Figures of numbers, confidences, rankings and spans: equal to scikit-learn, scipy and hand-worked values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_evalgate.stats import sums
from pytest_evalgate.stats.resampling import Ranked, Sample, bootstrap, paired_bootstrap

ERRORS = frozenset({"mae", "rmse", "brier", "ece"})


def _regression_sample(truth: np.ndarray, *predicted: np.ndarray) -> Sample:
    centre = float(truth.mean())
    case = np.arange(len(truth), dtype=np.intp)
    keys = (("spearman", ""), ("spearman", "before"))
    ranked = [Ranked(key, truth, one, case, np.ones(len(truth))) for key, one in zip(keys, predicted, strict=False)]
    rows = np.hstack([sums.regression_rows(truth, one, centre) for one in predicted])
    return Sample.of(rows, None, ranked)


@pytest.mark.parametrize("seed", range(50))
def test_every_figure_of_numbers_is_that_of_scikit_learn_and_scipy(seed: int) -> None:
    from sklearn import metrics  # noqa: PLC0415 - dev only, 1 s

    rng = np.random.default_rng(seed)
    truth = np.round(rng.normal(rng.uniform(-1e4, 1e4), rng.uniform(0.1, 50), int(rng.integers(5, 80))), 1)
    predicted = np.round(truth + rng.normal(0, rng.uniform(0.1, 20), len(truth)), 0)
    found = bootstrap(_regression_sample(truth, predicted), sums.regression_groups(0.0), seed)
    wanted = {
        "mae": metrics.mean_absolute_error(truth, predicted),
        "rmse": metrics.root_mean_squared_error(truth, predicted),
        "r2": metrics.r2_score(truth, predicted),
        "pearson": stats.pearsonr(truth, predicted).statistic,
        "spearman": stats.spearmanr(truth, predicted).statistic,
    }
    assert {name: found[name, ""].value for name in wanted} == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_the_intervals_of_numbers_are_those_of_a_plain_bootstrap() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=200)
    predicted = np.round(truth + rng.normal(0, 0.7, 200), 1)
    found = bootstrap(_regression_sample(truth, predicted), sums.regression_groups(0.0), "s")
    drawn = [rng.integers(0, 200, 200) for _ in range(2000)]
    for name, function in (("spearman", stats.spearmanr), ("pearson", stats.pearsonr)):
        plain = np.quantile([function(truth[one], predicted[one]).statistic for one in drawn], [0.025, 0.975])
        assert found[name, ""].interval == pytest.approx(tuple(plain), abs=0.02)


def test_equal_errors_still_have_an_interval_by_an_imaginary_case() -> None:
    truth = np.arange(30.0)
    found = bootstrap(_regression_sample(truth, truth), sums.regression_groups(10.0), "s")
    assert found["mae", ""].value == 0
    assert (found["mae", ""].upper or 0) > 0.5


def test_an_error_that_grows_is_a_change_for_the_worse() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=300)
    near, far = truth + rng.normal(0, 0.5, 300), truth + rng.normal(0, 0.8, 300)
    worse = paired_bootstrap(_regression_sample(truth, far, near), sums.regression_groups(0.0), "s", ERRORS)
    assert worse["mae", ""].delta > 0
    assert worse["mae", ""].p_worse() < 0.01
    assert worse["mae", ""].p_worse(0.5) > 0.5
    assert worse["spearman", ""].delta < 0
    assert worse["spearman", ""].p_worse() < 0.01
    better = paired_bootstrap(_regression_sample(truth, near, far), sums.regression_groups(0.0), "s", ERRORS)
    assert better["mae", ""].p_worse() > 0.99


def test_brier_and_calibration_error_of_a_hand_worked_example() -> None:
    confidence = np.array([0.1, 0.1, 0.9, 0.9])
    passed = np.array([0.0, 1.0, 1.0, 1.0])
    edges = sums.equal_mass_edges(confidence, 2)
    assert edges.tolist() == [0.9]
    found = bootstrap(
        Sample.of(sums.confidence_rows(confidence, passed, edges)), sums.confidence_groups(3 + len(edges) + 1), "s"
    )
    assert found["brier", ""].value == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    assert found["ece", ""].value == pytest.approx((abs(0.2 - 1) + abs(1.8 - 2)) / 4)


def test_the_calibration_error_is_that_of_bins_of_equal_size() -> None:
    rng = np.random.default_rng(4)
    confidence = rng.random(1000)
    passed = (rng.random(1000) < confidence**2).astype(float)
    edges = sums.equal_mass_edges(confidence, 10)
    rows = sums.confidence_rows(confidence, passed, edges)
    found = bootstrap(Sample.of(rows), sums.confidence_groups(rows.shape[1]), "s")
    order = np.argsort(confidence)
    parts = np.array_split(order, 10)
    wanted = sum(abs(confidence[one].mean() - passed[one].mean()) * len(one) for one in parts) / 1000
    assert found["ece", ""].value == pytest.approx(wanted, abs=0.002)


def test_an_unreadable_confidence_counts_as_an_error_of_one() -> None:
    confidence, passed = np.array([np.nan, 1.0]), np.array([1.0, 1.0])
    rows = sums.confidence_rows(confidence, passed, np.array([]))
    found = bootstrap(Sample.of(rows), sums.confidence_groups(rows.shape[1]), "s")
    assert (found["brier", ""].value, found["ece", ""].value) == (0.5, 0.5)


def test_spans_of_a_hand_worked_example() -> None:
    #                 n  gold pred exact met(gold) met(pred)  for "email", then for "name"
    rows = np.array([[1, 2, 2, 1, 2, 2, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1]], dtype=float)
    found = bootstrap(Sample.of(rows), sums.span_groups(("email", "name")), "s")
    values = {key: bound.value for key, bound in found.items()}
    assert values["exact-precision", ""] == 2 / 4
    assert values["exact-recall", ""] == 2 / 4
    assert values["exact-f1", "email"] == pytest.approx(2 / 5)
    assert values["partial-recall", "email"] == pytest.approx(2 / 3)
    assert values["partial-precision", "email"] == 1
    assert values["partial-f1", "email"] == pytest.approx(0.8)


def test_a_label_that_is_never_found_has_no_precision_and_an_f1_of_zero() -> None:
    rows = np.array([[1, 2, 0, 0, 0, 0]], dtype=float).repeat(5, axis=0)
    values = {key: bound.value for key, bound in bootstrap(Sample.of(rows), sums.span_groups(("email",)), "s").items()}
    assert values["exact-precision", "email"] is None
    assert (values["exact-f1", "email"], values["partial-f1", "email"]) == (0, 0)


def test_a_single_unit_has_no_interval() -> None:
    rows = np.array([[1.0, 0.5]])
    found = bootstrap(Sample.of(rows), sums.mean_groups(["mrr"]), "s")
    assert found["mrr", ""].value == 0.5
    assert found["mrr", ""].interval is None
    with pytest.raises(ValueError, match="units"):
        paired_bootstrap(Sample.of(np.hstack([rows, rows])), sums.mean_groups(["mrr"]), "s", ERRORS)


def test_equal_predictions_have_no_correlation() -> None:
    truth = np.arange(20.0) + 1e6
    found = bootstrap(_regression_sample(truth, np.full(20, 0.1)), sums.regression_groups(0.0), "s")
    assert (found["pearson", ""].value, found["spearman", ""].value) == (None, None)
    equal = bootstrap(_regression_sample(np.full(20, 0.1), truth), sums.regression_groups(0.0), "s")
    assert equal["r2", ""].value is None


def test_few_changed_cases_prove_nothing() -> None:
    """Three cases that got worse are drawn in 95 % of the draws; an exact sign test has a mid-p of 0.0625."""
    truth = np.random.default_rng(1).normal(size=300)
    for changed, proven in ((3, False), (6, True)):
        now = truth + np.where(np.arange(300) < changed, 5.0, 0.0)
        found = paired_bootstrap(_regression_sample(truth, now, truth), sums.regression_groups(0.0), "s", ERRORS)
        assert (found["mae", ""].p_worse() <= 0.05) is proven
