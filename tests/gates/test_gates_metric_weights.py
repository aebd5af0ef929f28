"""Metrics of cases with weights: equal to scikit-learn's ``sample_weight``, with bounds of the effective number."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.builders import baseline_of, planned, suite_of
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import (
    ClassificationMetric,
    ConfidenceMetric,
    Metric,
    MetricGate,
    RankingMetric,
    RegressionMetric,
    SpansMetric,
)
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.records.results import Output, Reading, Trial
from pytest_evalgate.records.verdicts import BaselineCase
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided
from pytest_evalgate.stats.weights import kish_n

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_evalgate.records.measured import Figure, MetricResult
    from pytest_evalgate.records.results import SuiteRun
    from pytest_evalgate.records.verdicts import SuiteVerdict

    Values = tuple[str | float | None, ...]
    Numbers = npt.NDArray[np.float64]

CLASSES = ClassificationMetric(kind="classification")
NUMBERS = RegressionMetric(kind="regression")
STATED = ConfidenceMetric(kind="confidence", confidence="output.confidence")


def _suite(
    metric: Metric,
    cases: Sequence[Sequence[Values]],
    weights: Sequence[float] | Numbers,
    *,
    passed: Sequence[float] | Numbers | None = None,
    clusters: Sequence[str] | None = None,
) -> SuiteRun:
    return suite_of(
        combine_trials(
            planned(f"c{at}", at + 1, weight=float(weight), cluster=None if clusters is None else clusters[at]),
            [
                Trial(
                    index,
                    1.0 if passed is None else float(passed[at]),
                    Output("x"),
                    reason="r",
                    readings=(Reading(metric.key, values),),
                )
                for index, values in enumerate(trials)
            ],
        )
        for at, (trials, weight) in enumerate(zip(cases, weights, strict=True))
    )


def _decide(
    suite: SuiteRun, metric: Metric, *gates: MetricGate, before: Sequence[Sequence[Values]] = ()
) -> SuiteVerdict:
    held = {
        f"c{at}": BaselineCase("f", (1.0,) * len(trials), readings={metric.key: tuple(trials)})
        for at, trials in enumerate(before)
    }
    origin = replace(baseline_of({"c": (1.0,)}).provenance, scorers_sha256="s" * 64)
    baseline = baseline_of(held, provenance=origin) if before else None
    return decide_suite(suite, SuiteRules(gates, baseline, metrics=(metric,)))


def _measured(suite: SuiteRun, metric: Metric) -> MetricResult:
    return _decide(suite, metric).metrics[0]


def _figure(metric: MetricResult, name: str, of: str = "") -> Figure:
    return next(one for one in metric.figures if (one.name, one.of) == (name, of))


def _drawn(rng: np.random.Generator) -> tuple[list[str], list[str], Numbers]:
    """Return labels, predictions and weights of some cases of up to six classes."""
    n, names = int(rng.integers(8, 80)), list("abcdef")[: int(rng.integers(2, 7))]
    label = rng.choice(names, n)
    predicted = np.where(rng.random(n) < rng.uniform(0.3, 1), label, rng.choice(names, n))
    return label.tolist(), predicted.tolist(), rng.lognormal(0, 1, n)


@pytest.mark.parametrize("seed", range(40))
def test_every_figure_of_classes_is_that_of_scikit_learn_with_sample_weight(seed: int) -> None:
    from sklearn import metrics  # noqa: PLC0415 - dev only, 1 s

    label, predicted, weights = _drawn(np.random.default_rng(seed))
    found = _measured(_suite(CLASSES, [[pair] for pair in zip(label, predicted, strict=True)], weights), CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns about undefined values
        wanted = {
            "accuracy": metrics.accuracy_score(label, predicted, sample_weight=weights),
            "balanced-accuracy": metrics.balanced_accuracy_score(label, predicted, sample_weight=weights),
            "macro-f1": metrics.f1_score(label, predicted, average="macro", sample_weight=weights, zero_division=0),
            "weighted-f1": metrics.f1_score(
                label, predicted, average="weighted", sample_weight=weights, zero_division=0
            ),
            "mcc": metrics.matthews_corrcoef(label, predicted, sample_weight=weights),
        }
        occurring = sorted({*label, *predicted})
        columns = metrics.precision_recall_fscore_support(
            label, predicted, labels=occurring, sample_weight=weights, zero_division=np.nan
        )
    got = {name: _figure(found, name).value for name in wanted}
    assert got == pytest.approx(wanted, abs=1e-9)
    for name, column in zip(("precision", "recall"), columns, strict=False):
        for of, value in zip(occurring, column, strict=True):
            one = _figure(found, name, of).value
            assert (one is None and np.isnan(value)) or one == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_every_figure_of_numbers_is_that_of_scikit_learn_with_sample_weight(seed: int) -> None:
    from scipy import stats  # noqa: PLC0415 - 1 s
    from sklearn import metrics  # noqa: PLC0415 - dev only, 1 s

    rng = np.random.default_rng(seed)
    truth = np.round(rng.normal(20, 5, 60), 1)
    predicted = np.round(truth + rng.normal(0, 3, 60), 0)
    weights = rng.integers(1, 5, 60).astype(np.float64)
    found = _measured(_suite(NUMBERS, [[pair] for pair in zip(truth, predicted, strict=True)], weights), NUMBERS)
    # scipy has no weights: a case of weight 3 is the same as three cases
    rows = np.repeat(np.arange(60), weights.astype(np.int64))
    wanted = {
        "mae": metrics.mean_absolute_error(truth, predicted, sample_weight=weights),
        "rmse": metrics.root_mean_squared_error(truth, predicted, sample_weight=weights),
        "r2": metrics.r2_score(truth, predicted, sample_weight=weights),
        "pearson": stats.pearsonr(truth[rows], predicted[rows]).statistic,
        "spearman": stats.spearmanr(truth[rows], predicted[rows]).statistic,
    }
    assert {name: _figure(found, name).value for name in wanted} == pytest.approx(wanted, rel=1e-9)


def test_the_brier_score_and_the_reliability_diagram_are_weighted() -> None:
    from sklearn import metrics  # noqa: PLC0415 - dev only, 1 s

    rng = np.random.default_rng(4)
    stated, weights = np.round(rng.random(200), 2), rng.lognormal(0, 1, 200)
    passed = (rng.random(200) < stated).astype(np.float64)
    found = _measured(_suite(STATED, [[(float(one),)] for one in stated], weights, passed=passed), STATED)
    brier = metrics.brier_score_loss(passed, stated, sample_weight=weights)
    assert _figure(found, "brier").value == pytest.approx(brier)
    assert sum(one.n for one in found.bins) == 200
    edges = np.cumsum([one.n for one in found.bins])[:-1]
    mass = [part.sum() / weights.sum() for part in np.split(weights[np.argsort(stated, kind="stable")], edges)]
    gaps = sum(share * abs(one.confidence - one.accuracy) for share, one in zip(mass, found.bins, strict=True))
    assert _figure(found, "ece").value == pytest.approx(gaps)


def test_rankings_and_spans_are_weighted() -> None:
    ranked = RankingMetric(kind="ranking", k=3)
    found = _measured(_suite(ranked, [[(1.0,) * 4], [(0.0,) * 4], [()]], [3, 1, 9]), ranked)
    assert _figure(found, "mrr").value == pytest.approx(0.75)
    spans = SpansMetric(kind="spans")
    found = _measured(_suite(spans, [[("name", 1, 1, 1, 1, 1)], [("name", 1, 1, 0, 0, 0)]], [4, 1]), spans)
    assert _figure(found, "exact-f1").value == pytest.approx(0.8)
    assert _figure(found, "exact-recall", "name").n == 2


def test_counts_stay_counts_and_a_note_says_so() -> None:
    suite = _suite(CLASSES, [[("a", "a")], [("a", "b")], [("b", "b")]], [6, 1, 1])
    found = _measured(suite, CLASSES)
    assert found.matrix is not None
    assert found.matrix.counts == ((1, 1), (0, 1))
    assert (found.n, _figure(found, "recall", "a").n) == (3, 2)
    assert _figure(found, "accuracy").value == pytest.approx(7 / 8)
    assert found.notes == ("weighted, equivalent to 1.7 cases of equal weight: n and the matrix are counts",)


def test_equal_weights_of_any_size_change_nothing() -> None:
    cases: list[list[Values]] = [[("ab"[at % 2], "ab"[at % 3 % 2])] for at in range(60)]
    plain, heavy = (_measured(_suite(CLASSES, cases, [weight] * 60), CLASSES) for weight in (1.0, 2.5))
    assert heavy == plain


def test_trials_of_a_case_share_its_weight() -> None:
    cases: list[list[Values]] = [[("a", "a"), ("a", "b")], [("a", "a"), ("a", "a")]]
    found = _measured(_suite(CLASSES, cases, [3, 1]), CLASSES)
    assert _figure(found, "accuracy").value == pytest.approx(0.5 * 0.75 + 0.25)


def test_the_bound_of_correct_cases_is_about_that_of_their_effective_number() -> None:
    weights = np.random.default_rng(5).lognormal(0, 0.8, 200)
    suite = _suite(CLASSES, [[("ab"[at % 2],) * 2] for at in range(200)], weights)
    [gate] = _decide(suite, CLASSES, MetricGate(kind="metric", name="accuracy", min=0.5)).gates
    n_eff = kish_n(weights)
    assert gate.bound == pytest.approx(clopper_pearson_lower_one_sided(n_eff, n_eff), abs=0.02)


def test_a_heavy_case_decides_the_change_of_a_figure() -> None:
    before: list[list[Values]] = [[("a", "a")] for _ in range(20)]
    now: list[list[Values]] = [[("a", "a" if at else "b")] for at in range(20)]
    found = _decide(_suite(CLASSES, now, [20, *[1] * 19]), CLASSES, before=before).metrics[0]
    change = _figure(found, "accuracy").change
    assert change is not None
    assert (change.before, change.delta) == pytest.approx((1.0, -20 / 39))


def test_clusters_of_weighted_cases_are_one_unit() -> None:
    rng = np.random.default_rng(2)
    label = rng.choice(["a", "b"], 120)
    cases: list[list[Values]] = [[(one, one if at % 40 else "a")] for at, one in enumerate(label.tolist())]
    weights, clusters = rng.lognormal(0, 0.5, 120), [f"d{at // 10}" for at in range(120)]
    alone, together = (_measured(_suite(CLASSES, cases, weights, clusters=one), CLASSES) for one in (None, clusters))
    assert _figure(alone, "accuracy").value == _figure(together, "accuracy").value
    assert _figure(alone, "accuracy").interval != _figure(together, "accuracy").interval


def test_a_weighted_sample_estimates_the_figure_of_its_population() -> None:
    """The benchmark ``suite_metrics`` has 2,000 builds of several designs."""
    rng = np.random.default_rng(11)
    label = np.where(rng.random(20_000) < 0.2, "b", "a")
    got = np.where(rng.random(20_000) < np.where(label == "b", 0.6, 0.9), label, np.where(label == "a", "b", "a"))
    size = np.where(label == "b", 3.0, 1.0)  # the rare class is drawn three times as often
    truth, covered, builds = float((label == got).mean()), 0, 120
    for _ in range(builds):
        drawn = rng.choice(20_000, 150, p=size / size.sum())
        pairs: list[list[Values]] = [[(str(label[at]), str(got[at]))] for at in drawn]
        low, high = _figure(_measured(_suite(CLASSES, pairs, 1 / size[drawn]), CLASSES), "accuracy").interval or (1, 0)
        covered += low <= truth <= high
    assert covered >= 0.89 * builds  # 95 % expected; 106 of 120 or fewer have a probability of 0.3 %
