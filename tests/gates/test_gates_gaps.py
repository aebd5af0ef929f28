"""Gaps between groups: fairlearn's definitions, decisions, missing results, both sides and the family of tests."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.builders import baseline_of, planned, result_of, suite_of
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import ClassificationMetric, MetricGate, NoRegressionGate, ParityGate, SliceGate
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.gaps import gap_table
from pytest_evalgate.records.results import Output, Reading
from pytest_evalgate.records.verdicts import BaselineCase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.gates.conftest import Build

    from pytest_evalgate.config import Gate
    from pytest_evalgate.gates.gaps import GapTable
    from pytest_evalgate.records.results import SuiteRun
    from pytest_evalgate.records.verdicts import GateResult

_PARITY = ParityGate(kind="parity", by="group", max_gap=0.1)
_TPR = ParityGate(kind="parity", by="group", of="tpr", label="class", positive="spam", max_gap=0.2, min_n=1)


def _groups(**letters: str) -> SuiteRun:
    """Return a suite with a group of cases for each keyword: ``_groups(de="PPm")``."""
    cases = [(name, word) for name, words in letters.items() for word in (words.split() if " " in words else words)]
    return suite_of(
        result_of(word, planned(f"c{at:03}", at + 1, slices=(("group", name),)))
        for at, (name, word) in enumerate(cases)
    )


def _decided(suite: SuiteRun, *gates: Gate, **rules: object) -> GateResult:
    return decide_suite(suite, SuiteRules(gates=gates or (_PARITY,), max_error_rate=1.0, **rules)).gates[0]  # type: ignore[arg-type]


def test_a_proven_gap_fails() -> None:
    found = _decided(_groups(de="P" * 60 + "m" * 40, en="P" * 95 + "m" * 5))
    assert (found.kind, found.result, found.of, found.required) == ("parity", "fail", "pass by group", 0.1)
    assert found.value == pytest.approx(0.35)
    assert found.p is not None
    assert found.p < 0.001
    assert found.message == (
        "pass rate of en 95.0%, of de 60.0% (35.0 pp): more than 10.0 pp is proven (Holm p=1.2e-05)"
    )


def test_a_gap_that_is_ruled_out_passes() -> None:
    found = _decided(_groups(de="P" * 380 + "m" * 20, en="P" * 384 + "m" * 16))
    assert found.result == "pass"
    assert found.bound is not None
    assert found.bound < 0.1
    assert found.message.startswith("every gap is at most 3.")


def test_a_gap_of_few_cases_is_inconclusive_and_the_message_has_what_would_decide_it() -> None:
    found = _decided(_groups(de="P" * 25 + "m" * 5, en="P" * 27 + "m" * 3))
    assert found.result == "inconclusive"
    assert "neither proven nor ruled out: at these rates about" in found.message


def test_small_groups_are_left_out_and_named() -> None:
    suite = _groups(de="P" * 100, en="P" * 100, fr="m" * 19)
    found = _decided(suite)
    assert found.result == "pass"
    assert found.message.endswith("; 1 with fewer than 20 cases not compared")
    assert _decided(_groups(de="P" * 100, fr="m" * 19)).message == (
        "1 group by group with 20 cases, two are needed: lower min_n, or add cases"
    )


def test_no_group_is_invalid(build: Build) -> None:
    found = _decided(build.suite("P" * 50))
    assert (found.result, found.message) == ("invalid", "no case is in a slice by group")


# -- fairlearn


def _classified(truth: Sequence[int], predicted: Sequence[int], groups: Sequence[str]) -> SuiteRun:
    return suite_of(
        result_of(
            "P" if label == guess else "m",
            planned(f"c{at:03}", at + 1, slices=(("group", group), ("class", "spam" if label else "ham"))),
        )
        for at, (label, guess, group) in enumerate(zip(truth, predicted, groups, strict=True))
    )


def _table(suite: SuiteRun, gate: ParityGate, build: Build) -> GapTable:
    return gap_table(gate, build.seen(suite), judged=False)


@pytest.mark.parametrize("seed", range(8))
def test_the_rates_and_the_largest_gap_are_fairlearns(seed: int, build: Build) -> None:
    rng = np.random.default_rng(seed)
    n = 400
    groups = [f"g{number}" for number in rng.integers(0, 2 + seed % 3, n)]
    truth = rng.integers(0, 2, n)
    predicted = np.where(rng.random(n) < 0.75, truth, 1 - truth)
    suite = _classified(truth.tolist(), predicted.tolist(), groups)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fairlearn import metrics  # noqa: PLC0415 - warns on import
        from sklearn.metrics import accuracy_score, precision_score  # noqa: PLC0415 - the same

        frames = {
            of: metrics.MetricFrame(metrics=function, y_true=truth, y_pred=predicted, sensitive_features=groups)
            for of, function in {
                "pass": accuracy_score,
                "tpr": metrics.true_positive_rate,
                "fpr": metrics.false_positive_rate,
                "ppv": precision_score,
            }.items()
        }
        equal_opportunity = metrics.equal_opportunity_difference(truth, predicted, sensitive_features=groups)
    for of, frame in frames.items():
        gate = _TPR.model_copy(update={"of": of})
        table = _table(suite, gate, build)
        assert {name: rate.value for name, rate in table.groups.items()} == pytest.approx(frame.by_group.to_dict())
        assert max(gap.delta for gap in table.gaps) == pytest.approx(frame.difference(method="between_groups"))
        if of == "tpr":
            assert max(gap.delta for gap in table.gaps) == pytest.approx(equal_opportunity)


def test_the_gap_has_statsmodels_newcombe_interval(build: Build) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from statsmodels.stats.proportion import confint_proportions_2indep  # noqa: PLC0415 - warns on import

        expected = confint_proportions_2indep(57, 60, 35, 50, method="newcomb", compare="diff")
    gap = _table(_groups(de="P" * 35 + "m" * 15, en="P" * 57 + "m" * 3), _PARITY, build).gaps[0]
    assert gap.groups == ("en", "de")
    assert gap.interval == pytest.approx(expected)


def test_classes_are_checked(build: Build) -> None:
    suite = _classified([1, 0, 1, 0], [1, 0, 1, 1], ["a", "a", "b", "b"])
    other = _TPR.model_copy(update={"positive": "scam"})
    assert _table(suite, other, build).problem == 'no case has the class "scam" by class: the classes are ham, spam'
    unlabelled = suite_of(replace(one, case=replace(one.case, slices=one.case.slices[:1])) for one in suite.results)
    assert (_table(unlabelled, _TPR, build).problem or "").startswith(
        "4 cases without exactly one class by class: c000"
    )
    third = suite_of([*suite.results, result_of("P", planned("x", 9, slices=(("group", "a"), ("class", "offer"))))])
    ppv = _TPR.model_copy(update={"of": "ppv"})
    assert _table(third, _TPR, build).problem is None
    assert "needs two classes by class, and there are 3" in (_table(third, ppv, build).problem or "")
    judged = gap_table(_TPR, build.seen(suite), judged=True).problem or ""
    assert "which a judge does not read" in judged


# -- missing results, trials, clusters


def test_missing_results_that_could_decide_make_the_gate_incomplete() -> None:
    surely = _groups(de="P" * 60 + "m" * 40, en="P" * 95 + "m" * 4 + "?")
    assert _decided(surely).result == "fail"
    perhaps = _groups(de="P" * 60 + "?" * 40, en="P" * 100)
    found = _decided(perhaps)
    assert found.result == "incomplete"
    assert "depending on the missing results" in found.message


def test_missing_results_count_against_each_group_in_turn(build: Build) -> None:
    """Counted as misses in both groups, the gap would be 0; the widest gap takes them as passes of one group."""
    suite = _groups(de="P" * 80 + "?" * 20, en="P" * 80 + "?" * 20)
    widest = gap_table(_PARITY, build.seen(suite, completion="worst"), judged=False).gaps[0]
    narrowest = gap_table(_PARITY, build.seen(suite, completion="best"), judged=False).gaps[0]
    assert widest.delta == pytest.approx(0.2)
    assert narrowest.p > 0.9


def test_trials_of_a_case_are_not_independent_cases(build: Build) -> None:
    once = _table(_groups(de="P" * 30 + "m" * 10, en="P" * 40), _PARITY, build).gaps[0]
    thrice = _table(_groups(de="PPP " * 30 + "mmm " * 10, en="PPP " * 40), _PARITY, build).gaps[0]
    assert thrice.interval == pytest.approx(once.interval)


def test_clusters_widen_the_interval(build: Build) -> None:
    suite = _groups(de="P" * 60 + "m" * 40, en="P" * 90 + "m" * 10)
    clustered = suite_of(
        replace(one, case=replace(one.case, cluster=f"doc{at // 10}")) for at, one in enumerate(suite.results)
    )
    plain, wide = (_table(one, _PARITY, build).gaps[0] for one in (suite, clustered))
    assert wide.interval[0] < plain.interval[0] - 0.05
    assert wide.delta == pytest.approx(plain.delta)


# -- slices


_SLICE = SliceGate(kind="slice", by="group", max_gap=0.05)


def test_the_worst_slice_is_compared_with_the_other_cases() -> None:
    found = _decided(_groups(de="P" * 60 + "m" * 40, en="P" * 95 + "m" * 5, fr="P" * 95 + "m" * 5), _SLICE)
    assert (found.result, found.of) == ("fail", "group gap")
    assert found.value == pytest.approx(0.35)
    assert found.message.startswith("de passed 60.0%, the other cases 95.0% (35.0 pp): more than 5.0 pp is proven")


def test_a_slice_that_is_better_than_the_others_does_not_fail() -> None:
    found = _decided(_groups(de="P" * 100, en="P" * 170 + "m" * 30), replace_gate(_SLICE, max_gap=0.3))
    assert found.result == "pass"


def test_a_slice_without_enough_other_cases_is_not_compared() -> None:
    found = _decided(_groups(de="P" * 200, en="P" * 19, fr="P" * 100), _SLICE)
    assert found.message.endswith("; 1 with fewer than 20 cases not compared")


def replace_gate(gate: SliceGate, **changes: object) -> SliceGate:
    return gate.model_copy(update=changes)


def test_a_single_slice_has_no_others() -> None:
    found = _decided(_groups(de="P" * 100), _SLICE)
    assert found.result == "invalid"
    assert found.message.startswith("no slice by group has 20 cases inside and outside of it")


def test_a_gap_is_not_a_change_against_the_baseline(build: Build) -> None:
    suite = _groups(de="P" * 60 + "m" * 40, en="P" * 100)
    rules = SuiteRules(gates=(_SLICE,), baseline=build.baseline("P" * 60 + "m" * 40 + "P" * 100))
    verdict = decide_suite(suite, rules)
    assert [piece.gated for piece in verdict.slices] == [False, False]
    assert verdict.gates[0].delta is None


# -- both sides, judges, family, reports


def test_a_branch_cannot_pass_by_editing_the_cases_of_a_group() -> None:
    here = _groups(de="P" * 100, en="P" * 100)
    before = [
        replace(one, case=replace(one.case, id=f"{one.case.id}@base", side="base"))
        for one in _groups(de="m" * 40, en="").results
    ]
    edited = [
        replace(one, case=replace(one.case, side="head")) if at < 40 else one for at, one in enumerate(here.results)
    ]
    found = _decided(suite_of([*edited, *before]))
    assert found.result == "fail"
    assert found.message.startswith("on the cases of the base branch: pass rate of en 100.0%, of de 60.0%")


def test_a_judge_shows_only_a_part_of_a_gap(build: Build) -> None:
    letters = "P" * 60 + "m" * 40 + "P" * 90 + "m" * 10
    fields = {at: {"slices": (("group", "de" if at < 100 else "en"),)} for at in range(200)}
    suite = build.judged(letters, fields=fields)
    plain = _decided(suite)
    judged = _decided(suite, judges={"faq": build.judge((450, 500), (400, 500))})
    assert plain.value == pytest.approx(0.3)
    assert judged.value == pytest.approx(0.3 / 0.7)


def test_tests_of_gaps_share_the_alpha_of_the_build(build: Build) -> None:
    suite = _groups(de="P" * 76 + "m" * 24, en="P" * 94 + "m" * 6)
    alone = _decided(suite)
    baseline = build.baseline("P" * 200)
    together = decide_suite(
        suite, SuiteRules(gates=(_PARITY, NoRegressionGate(kind="no-regression")), baseline=baseline)
    )
    assert alone.p is not None
    assert together.gates[0].p == pytest.approx(alone.p)  # no-regression rejects, so gaps get all of alpha
    unchanged = build.baseline("P" * 76 + "m" * 24 + "P" * 94 + "m" * 6)
    halved = decide_suite(
        suite, SuiteRules(gates=(_PARITY, NoRegressionGate(kind="no-regression")), baseline=unchanged)
    )
    assert halved.gates[0].p == pytest.approx(2 * alone.p)


def test_the_rates_and_gaps_are_metrics_of_the_suite() -> None:
    suite = _groups(de="P" * 60 + "m" * 40, en="P" * 95 + "m" * 5)
    [metric] = decide_suite(suite, SuiteRules(gates=(_PARITY,))).metrics
    assert (metric.kind, metric.name, metric.n) == ("parity", "pass by group", 200)
    assert [(one.name, one.of, one.n) for one in metric.figures] == [
        ("pass rate", "de", 100),
        ("pass rate", "en", 100),
        ("gap", "en - de", 200),
    ]
    assert metric.figures[2].value == pytest.approx(0.35)
    assert metric.notes == ()


def test_notes_of_a_metric_name_what_is_left_out_and_how_missing_outputs_count() -> None:
    suite = _groups(de="P" * 60 + "m" * 40, en="P" * 95 + "m" * 4 + "?", fr="P")
    [metric] = decide_suite(suite, SuiteRules(gates=(_PARITY,), max_error_rate=0.5)).metrics
    assert metric.notes == (
        "1 group with fewer than 20 cases not compared",
        "missing outputs are counted so that each gap is widest",
    )


_CLASSES = ClassificationMetric(kind="classification")


def _read(index: int, passed: bool) -> tuple[str, str]:  # noqa: FBT001 - private
    """Return the true class of a case, and the predicted one: the other if it misses."""
    label, other = ("spam", "ham") if index % 2 else ("ham", "spam")
    return label, label if passed else other


def _predicting(suite: SuiteRun) -> SuiteRun:
    return suite_of(
        replace(
            result,
            trials=tuple(
                replace(trial, output=Output(None), readings=(Reading(_CLASSES.key, _read(at, trial.value == 1)),))
                for trial in result.trials
            ),
        )
        for at, result in enumerate(suite.results)
    )


def test_false_alarms_of_all_tests_of_a_build_stay_within_alpha() -> None:
    """Unchanged builds of equal groups; `benchmarks/group_alarms.py` has the figures of 2,000 builds."""
    rng = np.random.default_rng(15)
    gates = (
        NoRegressionGate(kind="no-regression"),
        MetricGate(kind="metric", name="macro-f1", max_drop=0.02),
        SliceGate(kind="slice", by="group"),
        _PARITY,
        _SLICE,
    )
    failed = 0
    for _ in range(25):
        rates = rng.beta(0.8 * 3 / 7, 0.2 * 3 / 7, 200)
        now, before = ("".join(np.where(rng.random(200) < rates, "P", "m")) for _ in range(2))
        suite = _predicting(_groups(**{f"g{number}": now[50 * number : 50 * number + 50] for number in range(4)}))
        cases = {
            f"c{at:03}": BaselineCase(
                "f", (float(letter == "P"),), readings={_CLASSES.key: (_read(at, letter == "P"),)}
            )
            for at, letter in enumerate(before)
        }
        rules = SuiteRules(gates=gates, baseline=baseline_of(cases, trials=1), metrics=(_CLASSES,))
        verdict = decide_suite(suite, rules)
        assert "invalid" not in {gate.result for gate in verdict.gates}
        failed += verdict.verdict == "fail"
    assert failed <= 4  # P(5 or more of 25 at 5 %) = 0.7 %


@pytest.mark.parametrize("of", ["pass", "tpr", "fpr", "ppv"])
def test_any_completion_of_missing_results_is_between_the_two_that_are_tried(of: str, build: Build) -> None:
    rng = np.random.default_rng(len(of))
    gate = _PARITY if of == "pass" else _TPR.model_copy(update={"of": of, "max_gap": 0.1})
    for _ in range(15):
        n = 80
        words = rng.choice(["P", "m", "?"], n, p=[0.7, 0.2, 0.1])
        fields = {at: {"slices": (("group", "ab"[at % 2]), ("class", "spam" if at % 3 else "ham"))} for at in range(n)}
        widest, narrowest = (
            gap_table(gate, build.seen(build.suite("".join(words), fields=fields), completion=end), judged=False).gaps[
                0
            ]
            for end in ("worst", "best")
        )
        filled = np.where(words == "?", rng.choice(["P", "m"], n), words)
        gap = _table(build.suite("".join(filled), fields=fields), gate.model_copy(update={"min_n": 1}), build).gaps[0]
        assert widest.p <= gap.p + 1e-9
        assert gap.p <= narrowest.p + 1e-9
        assert narrowest.upper - 1e-9 <= gap.upper <= widest.upper + 1e-9
