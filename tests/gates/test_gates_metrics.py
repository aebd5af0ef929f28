"""Metric gates: limits by bounds, changes by the paired bootstrap, and what cannot be decided."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.builders import baseline_of, planned, suite_of
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import (
    ClassificationMetric,
    ConfidenceMetric,
    Metric,
    MetricGate,
    NoRegressionGate,
    RankingMetric,
    RegressionMetric,
    SpansMetric,
)
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import CaseResult, Output, Reading, Run, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline, BaselineCase
from pytest_evalgate.scorers.readings import MetricReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.config import Gate
    from pytest_evalgate.records.measured import Figure, MetricResult
    from pytest_evalgate.records.verdicts import GateResult, SuiteVerdict

    Values = tuple[str | float | None, ...]

CLASSES = ClassificationMetric(kind="classification")
NUMBERS = RegressionMetric(kind="regression")
STATED = ConfidenceMetric(kind="confidence", confidence="output.confidence")
RANKED = RankingMetric(kind="ranking", k=3)
SPANS = SpansMetric(kind="spans")


def _gate(name: str, **keys: Any) -> MetricGate:
    return MetricGate(kind="metric", name=name, **keys)


def _trial(index: int, metric: Metric, values: Values | None, passed: float | None = 1.0) -> Trial:
    """Return a trial; one without values has no output."""
    output = None if values is None or passed is None else Output("x")
    readings = () if values is None else (Reading(metric.key, values),)
    return Trial(index, passed, output, reason="" if passed else "r", readings=readings)


def _suite(metric: Metric, cases: Sequence[Sequence[Values]], clusters: Sequence[str] | None = None) -> SuiteRun:
    """Return a suite with the values of each trial of each case."""
    return suite_of(
        combine_trials(
            planned(f"c{at}", at + 1, cluster=None if clusters is None else clusters[at]),
            [_trial(index, metric, values) for index, values in enumerate(trials)],
        )
        for at, trials in enumerate(cases)
    )


def _baseline(metric: Metric, cases: Sequence[Sequence[Values]]) -> Baseline:
    return baseline_of(
        {
            f"c{at}": BaselineCase("f", (1.0,) * len(trials), readings={metric.key: tuple(trials)})
            for at, trials in enumerate(cases)
        },
        provenance=replace(baseline_of({"c": (1.0,)}).provenance, scorers_sha256="s" * 64),
    )


def _decide(suite: SuiteRun, metric: Metric, *gates: Gate, baseline: Baseline | None = None) -> SuiteVerdict:
    return decide_suite(suite, SuiteRules(gates, baseline, metrics=(metric,), max_error_rate=0.5))


def _classes(n: int, wrong: int = 0, rng: np.random.Generator | None = None) -> list[list[Values]]:
    """Return one trial each of ``n`` cases of three classes, of which the last ``wrong`` are wrong."""
    labels = [("a", "b", "c")[at % 3] for at in range(n)]
    if rng is not None:
        labels = list(rng.choice(["a", "b", "c"], n))
    got = [label if at < n - wrong else "abc"["abc".index(label) - 1] for at, label in enumerate(labels)]
    return [[pair] for pair in zip(labels, got, strict=True)]


def _figure(metric: MetricResult, name: str, of: str = "") -> Figure:
    return next(one for one in metric.figures if (one.name, one.of) == (name, of))


def _only(verdict: SuiteVerdict) -> GateResult:
    [gate] = verdict.gates
    return gate


@pytest.mark.parametrize(
    ("wrong", "minimum", "result"),
    [(6, 0.8, "pass"), (20, 0.88, "inconclusive"), (40, 0.88, "fail"), (0, 0.99, "inconclusive"), (0, 0.97, "pass")],
)
def test_a_limit_is_reached_by_the_bound(wrong: int, minimum: float, result: str) -> None:
    gate = _only(_decide(_suite(CLASSES, _classes(200, wrong)), CLASSES, _gate("macro-f1", min=minimum)))
    assert gate.result == result
    assert gate.bound is not None
    assert gate.bound < (gate.value or 0)


def test_an_inconclusive_gate_names_the_cases_that_would_decide() -> None:
    gate = _only(_decide(_suite(CLASSES, _classes(200, 20)), CLASSES, _gate("macro-f1", min=0.88)))
    assert "in all) would decide" in gate.message
    assert gate.of == "macro-f1"


def test_the_point_decides_if_it_is_chosen() -> None:
    suite = _suite(CLASSES, _classes(200, 20))
    assert _only(_decide(suite, CLASSES, _gate("accuracy", min=0.9, bound="point"))).result == "pass"
    assert _only(_decide(suite, CLASSES, _gate("accuracy", min=0.91, bound="point"))).result == "fail"


def test_the_gate_of_one_class() -> None:
    rare: list[list[Values]] = [[("d", "a" if at < 4 else "d")] for at in range(10)]
    cases = [*_classes(150), *rare]
    verdict = _decide(
        _suite(CLASSES, cases), CLASSES, _gate("recall", of="d", min=0.8), _gate("recall", of="a", min=0.8)
    )
    assert [gate.result for gate in verdict.gates] == ["fail", "pass"]
    assert _figure(verdict.metrics[0], "recall", "d").n == 10


def test_the_matrix_has_a_class_of_unreadable_predictions() -> None:
    cases: list[list[Values]] = [[("a", "a")], [("a", None)], [("b", "a")], [("b", "b")]]
    [metric] = _decide(_suite(CLASSES, cases), CLASSES).metrics
    assert metric.matrix is not None
    assert metric.matrix.labels == ("a", "b", "(unreadable)")
    assert metric.matrix.counts == ((1, 0, 1), (1, 1, 0), (0, 0, 0))
    assert _figure(metric, "accuracy").value == 0.5
    assert metric.notes == ("1 prediction is none of the classes: counted as wrong",)


def test_labels_make_all_other_predictions_unreadable() -> None:
    metric = ClassificationMetric(kind="classification", labels=("a", "b"))
    cases: list[list[Values]] = [[("a", "a")], [("a", "maybe")], [("b", "b")], [("b", "b")]]
    assert _figure(_decide(_suite(CLASSES, cases), CLASSES).metrics[0], "macro-f1").value == pytest.approx(5 / 9)
    [found] = _decide(_suite(metric, cases), metric).metrics
    assert _figure(found, "macro-f1").value == pytest.approx((2 / 3 + 1) / 2)


def test_answers_in_prose_are_one_class() -> None:
    cases: list[list[Values]] = [[("a", f"answer {at}")] for at in range(60)]
    [metric] = _decide(_suite(CLASSES, cases), CLASSES).metrics
    assert metric.matrix is not None
    assert metric.matrix.labels == ("a", "(unreadable)")
    assert metric.notes == ("60 different predictions are no label of the golden set: all count as unreadable",)


# -- changes


def _flipped(cases: list[list[Values]], number: int, rng: np.random.Generator) -> list[list[Values]]:
    places = set(rng.choice(len(cases), number, replace=False).tolist())
    other = {"a": "b", "b": "c", "c": "a"}
    return [
        [(str(label), other[str(got)])] if at in places else [(label, got)] for at, [(label, got)] in enumerate(cases)
    ]


@pytest.mark.parametrize(("worse", "result"), [(0, "pass"), (3, "pass"), (30, "fail")])
def test_a_drop_fails_if_it_is_proven(worse: int, result: str) -> None:
    before = _classes(300, 30)
    now = _flipped(before[:270], worse, np.random.default_rng(1)) + before[270:]
    verdict = _decide(
        _suite(CLASSES, now), CLASSES, _gate("macro-f1", max_drop=0.02), baseline=_baseline(CLASSES, before)
    )
    gate = _only(verdict)
    assert gate.result == result
    change = _figure(verdict.metrics[0], "macro-f1").change
    assert change is not None
    assert change.before == pytest.approx(0.9)
    assert change.delta == pytest.approx(-worse / 300, abs=0.004)
    assert gate.p is not None


def test_a_limit_and_a_drop_are_both_decided() -> None:
    before, now = _classes(300, 0), _classes(300, 45)
    gate = _gate("macro-f1", min=0.8, max_drop=0.05)
    found = _only(_decide(_suite(CLASSES, now), CLASSES, gate, baseline=_baseline(CLASSES, before)))
    assert found.result == "fail"
    assert "a drop of more than 0.050 is proven" in found.message
    assert "at least 0.8" in found.message


def test_few_pairs_make_the_gate_blind() -> None:
    before = _classes(12, 4)
    now = _classes(12, 5)
    found = _only(
        _decide(_suite(CLASSES, now), CLASSES, _gate("macro-f1", max_drop=0.02), baseline=_baseline(CLASSES, before))
    )
    assert found.result == "pass"
    assert found.blind_below is not None
    assert found.blind_below > 0.12
    assert "blind: no drop below" in found.message
    assert (found.cases_to_see or 0) > 12


def test_the_change_shares_alpha_with_the_other_tests_of_the_build() -> None:
    before = _classes(300, 30)
    now = _flipped(before[:270], 12, np.random.default_rng(1)) + before[270:]
    suite, baseline = _suite(CLASSES, now), _baseline(CLASSES, before)
    drop = _gate("macro-f1", max_drop=0.0)
    alone = _only(_decide(suite, CLASSES, drop, baseline=baseline)).p
    among = _decide(suite, CLASSES, drop, NoRegressionGate(kind="no-regression"), baseline=baseline).gates[0].p
    assert alone is not None
    assert among == pytest.approx(2 * alone)


def test_without_a_baseline_a_drop_is_not_decided() -> None:
    gate = _gate("macro-f1", max_drop=0.02)
    assert _only(_decide(_suite(CLASSES, _classes(30)), CLASSES, gate)).message.startswith("no baseline yet")


def test_a_baseline_without_values_asks_for_another_promotion() -> None:
    suite = _suite(CLASSES, _classes(30))
    baseline = baseline_of({f"c{at}": (1.0,) for at in range(30)})
    found = _only(_decide(suite, CLASSES, _gate("macro-f1", max_drop=0.02), baseline=baseline))
    assert found.result == "invalid"
    assert "the baseline has no values of the metric classification: promote a run" in found.message


def test_a_baseline_of_another_definition_has_no_values() -> None:
    suite = _suite(CLASSES, _classes(30))
    other = ClassificationMetric(kind="classification", label="human_label")
    found = _only(_decide(suite, CLASSES, _gate("macro-f1", max_drop=0.02), baseline=_baseline(other, _classes(30))))
    assert found.result == "invalid"


def test_a_case_with_another_label_is_not_compared() -> None:
    before = _classes(60, 6)
    now = [[("b", str(got))] if at == 0 else [(label, got)] for at, [(label, got)] in enumerate(before)]
    [metric] = _decide(_suite(CLASSES, now), CLASSES, baseline=_baseline(CLASSES, before)).metrics
    assert "1 case with another label than in the baseline: not compared" in metric.notes
    change = _figure(metric, "accuracy").change
    assert change is not None
    assert change.before == pytest.approx(53 / 59)
    assert change.delta == 0


# -- what is missing


def _with_missing(metric: Metric, cases: list[list[Values]], missing: Mapping[int, Values | None]) -> SuiteRun:
    suite = _suite(metric, cases)
    results = list(suite.results)
    for at, values in missing.items():
        readings = () if values is None else (Reading(metric.key, values),)
        trials = (Trial(0, None, reason="timeout", readings=readings),) if values is not None else ()
        results[at] = CaseResult(results[at].case, "errored", trials, "timeout")
    return replace(suite, results=tuple(results))


@pytest.mark.parametrize("values", [("a", None), None], ids=["label known", "label unknown"])
def test_missing_outputs_that_matter_make_the_gate_incomplete(values: Values | None) -> None:
    suite = _with_missing(CLASSES, _classes(200, 0), dict.fromkeys(range(0, 60, 3), values))
    verdict = _decide(suite, CLASSES, _gate("macro-f1", min=0.9))
    assert _only(verdict).result == "incomplete"
    assert any("20 outputs missing" in note for note in verdict.metrics[0].notes)


def test_missing_outputs_that_do_not_matter_do_not_change_the_result() -> None:
    suite = _with_missing(CLASSES, _classes(400, 0), {0: ("a", None)})
    assert _only(_decide(suite, CLASSES, _gate("macro-f1", min=0.9))).result == "pass"
    worse = _with_missing(CLASSES, _classes(400, 100), {0: ("a", None)})
    assert _only(_decide(worse, CLASSES, _gate("macro-f1", min=0.9))).result == "fail"


@pytest.mark.parametrize(
    ("metric", "values", "gate"),
    [
        (NUMBERS, (5.0, 5.5), _gate("mae", max=100.0)),
        (CLASSES, ("a", "a"), _gate("mcc", min=-1.0, bound="point")),
        (SPANS, ("name", 1.0, 1.0, 1.0, 1.0, 1.0), _gate("exact-precision", min=0.5)),
    ],
)
def test_a_missing_output_of_unlimited_effect_makes_the_gate_incomplete(
    metric: Metric, values: Values, gate: MetricGate
) -> None:
    cases: list[list[Values]] = [[values] for _ in range(60)]
    cases[1] = [("b", "b")] if metric is CLASSES else [values]
    unread: Values = {"spans": (None, "name", 1.0, 0.0, 0.0, 0.0, 0.0)}.get(metric.kind, (values[0], None))
    assert _only(_decide(_suite(metric, cases), metric, gate)).result == "pass"
    assert _only(_decide(_with_missing(metric, cases, {0: unread}), metric, gate)).result == "incomplete"


def test_an_output_without_values_makes_the_metric_unknown() -> None:
    suite = suite_of([combine_trials(planned("c0"), [Trial(0, 1.0, Output("x"))])])
    verdict = _decide(suite, CLASSES, _gate("macro-f1", min=0.9))
    assert _only(verdict).result == "invalid"
    assert "run again, to read them" in _only(verdict).message
    assert verdict.metrics[0].figures == ()


def test_an_unreadable_number_fails_the_gate_unless_it_has_a_value() -> None:
    cases: list[list[Values]] = [[(float(at), at + 0.5 * (at % 2))] for at in range(40)]
    cases[3] = [(3.0, None)]
    found = _decide(_suite(NUMBERS, cases), NUMBERS, _gate("mae", max=5.0))
    assert _only(found).result == "fail"
    assert "1 prediction that could not be read" in _only(found).message
    filled = RegressionMetric(kind="regression", unreadable=0.0)
    verdict = _decide(_suite(filled, cases), filled, _gate("mae", max=5.0))
    assert _only(verdict).result == "pass"
    assert verdict.metrics[0].notes == ("1 prediction could not be read: counted as 0",)


# -- kinds


def test_errors_are_limited_from_above() -> None:
    rng = np.random.default_rng(1)
    cases: list[list[Values]] = [[(value, value + rng.normal(0, 2))] for value in rng.normal(50, 20, 200)]
    verdict = _decide(
        _suite(NUMBERS, cases), NUMBERS, _gate("mae", max=2.0), _gate("mae", max=1.0), _gate("r2", min=0.9)
    )
    assert [gate.result for gate in verdict.gates] == ["pass", "fail", "pass"]
    assert [one.name for one in verdict.metrics[0].figures] == ["mae", "rmse", "r2", "pearson", "spearman"]


def test_a_confidence_that_is_right_is_calibrated() -> None:
    rng = np.random.default_rng(1)
    results = []
    for at, stated in enumerate(rng.random(400)):
        passed = float(rng.random() < stated)
        results.append(combine_trials(planned(f"c{at}", at + 1), [_trial(0, STATED, (float(stated),), passed)]))
    verdict = _decide(suite_of(results), STATED, _gate("ece", max=0.15), _gate("brier", max=0.1))
    assert [gate.result for gate in verdict.gates] == ["pass", "fail"]
    [metric] = verdict.metrics
    assert [one.n for one in metric.bins] == [40] * 10
    assert all(abs(one.confidence - one.accuracy) < 0.25 for one in metric.bins)


def test_rankings_leave_out_cases_without_relevant_documents() -> None:
    cases: list[list[Values]] = [[(1.0, 1.0, 0.5, 1.0)], [()], [(None,) * 4]] * 10
    [metric] = _decide(_suite(RANKED, cases), RANKED).metrics
    assert [one.name for one in metric.figures] == ["ndcg@3", "mrr", "precision@3", "recall@3"]
    assert _figure(metric, "mrr").value == 0.5
    assert metric.notes == (
        "10 trials of cases without a relevant document: left out",
        "10 rankings could not be read: counted as 0",
    )


def test_spans_have_figures_by_label() -> None:
    cases: list[list[Values]] = [[("email", 1.0, 1.0, 1.0, 1.0, 1.0)], [("name", 2.0, 1.0, 0.0, 1.0, 1.0)], [()]] * 10
    [metric] = _decide(_suite(SPANS, cases), SPANS).metrics
    assert _figure(metric, "exact-recall").value == pytest.approx(1 / 3)
    assert _figure(metric, "partial-recall", "name").value == 0.5
    assert _figure(metric, "exact-precision", "email").n == 10


def test_trials_of_a_case_are_resampled_together() -> None:
    rng = np.random.default_rng(2)
    once = [[one] for [one] in _classes(60, 12, rng)]
    thrice = [trials * 3 for trials in once]
    [one], [three] = (_decide(_suite(CLASSES, cases), CLASSES).metrics for cases in (once, thrice))
    assert _figure(one, "accuracy").value == _figure(three, "accuracy").value
    widths = [np.ptp(_figure(metric, "accuracy").interval or ()) for metric in (one, three)]
    assert widths[1] == pytest.approx(widths[0], rel=0.15)


def test_one_cluster_has_no_bound() -> None:
    suite = _suite(CLASSES, _classes(30, 3), clusters=["doc"] * 30)
    found = _only(_decide(suite, CLASSES, _gate("macro-f1", min=0.5)))
    assert found.result == "invalid"
    assert "have no interval" in found.message


def test_the_branch_does_not_pass_by_deleting_what_it_fails() -> None:
    head = _suite(CLASSES, _classes(200, 0))
    gone = [
        combine_trials(planned(f"x{at}@base", 300 + at, side="base"), [_trial(0, CLASSES, ("a", "b"))])
        for at in range(100)
    ]
    suite = suite_of([*head.results, *gone])
    found = _only(_decide(suite, CLASSES, _gate("macro-f1", min=0.8)))
    assert found.result == "fail"
    assert found.message.startswith("on the cases of the base branch: ")


def test_the_same_run_has_the_same_verdict() -> None:
    suite = _suite(CLASSES, _classes(90, 9))
    rules = SuiteRules((_gate("macro-f1", min=0.8),), metrics=(CLASSES,))
    once, again = (decide(Run("r", "", None, (suite,)), {"faq": rules}, warn_inconclusive=True) for _ in range(2))
    assert once == again


def test_rankings_have_the_means_of_trec_eval() -> None:
    import pytrec_eval  # noqa: PLC0415 - dev only

    rng = np.random.default_rng(6)
    grades = {
        f"q{at}": {f"d{doc}": int(grade) for doc, grade in enumerate(rng.integers(0, 3, 12))} | {"d99": 1}
        for at in range(40)
    }
    runs = {query: {f"d{doc}": float(score) for doc, score in enumerate(rng.random(20))} for query in grades}
    reader = MetricReader(RankingMetric(kind="ranking", k=5))
    results = []
    for at, (query, scores) in enumerate(runs.items()):
        ranked = sorted(scores, key=lambda document: -scores[document])
        read = reader.read(Case(query, expected=grades[query]), Output(ranked))
        results.append(combine_trials(planned(query, at + 1), [Trial(0, 1.0, Output("x"), readings=(read,))]))
    [found] = _decide(suite_of(results), reader.metric).metrics
    names = {"ndcg@5": "ndcg_cut_5", "mrr": "recip_rank", "precision@5": "P_5", "recall@5": "recall_5"}
    each = pytrec_eval.RelevanceEvaluator(grades, {"ndcg_cut", "recip_rank", "P", "recall"}).evaluate(runs)
    for ours, theirs in names.items():
        wanted = sum(one[theirs] for one in each.values()) / len(each)
        assert _figure(found, ours).value == pytest.approx(wanted, abs=1e-9)
