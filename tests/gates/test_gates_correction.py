"""Suites of a rule and a judge: correction for the judge's errors, and judges that cannot gate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import Suite
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.correction import Correction, correction_of, gate_problem, judge_problem
from pytest_evalgate.gates.frame import frame_of
from pytest_evalgate.records.corrected import LabelledSample, LabelledStratum
from pytest_evalgate.records.results import Output
from pytest_evalgate.stats.judged import JudgeErrors, judged_rate

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.gates.rules import JudgeRule
    from pytest_evalgate.records.results import SuiteRun
    from pytest_evalgate.records.verdicts import GateResult, SuiteVerdict


_ERRORS = JudgeErrors(50, 45, 50, 40)
_FAQ = Correction("faq", "faq", _ERRORS)


def _decide(build: Build, suite: SuiteRun, *gates: dict[str, Any], **fields: Any) -> SuiteVerdict:
    found = Suite.model_validate({"golden": "g", "slices": ["lang"], "gates": gates}).gates
    return decide_suite(suite, SuiteRules(**{"gates": found, "judges": {"faq": build.judge()}, **fields}))


def _rate_gate(build: Build, letters: str, least: float, **fields: Any) -> GateResult:
    return _decide(build, build.judged(letters), {"kind": "pass-rate", "min": least, **fields}).gates[0]


def test_only_failures_by_the_judge_alone_are_corrected(build: Build) -> None:
    assert _FAQ.judge_failures(build.judged("Pmrx?").results).shares.tolist() == [0, 1, 0, 0, 0]
    assert _FAQ.judge_failures(build.judged("Pm mm Pr").results).shares.tolist() == [0.5, 1.0, 0.0]
    assert _FAQ.judge_failures(build.judged("m", counts=False).results).shares.tolist() == [0]
    assert _FAQ.judge_failures(build.suite("m-").results).shares.tolist() == [0, 0]


def test_a_corrected_rate_is_that_of_rogan_and_gladen(build: Build) -> None:
    rate = build.seen(build.judged("P" * 150 + "m" * 50), correction=_FAQ).corrected.rate
    wanted = judged_rate(n=200, passed=0.75, refused=0.25, errors=_ERRORS)
    assert rate.value == pytest.approx((0.75 - 0.2) / 0.7)
    assert rate.interval == pytest.approx((wanted.interval.lower, wanted.interval.upper))
    assert rate.interval[0] < rate.lower < rate.value
    assert rate.judged is not None
    assert (rate.judged.raw, rate.judged.plausible) == (0.75, True)


@pytest.mark.parametrize("misses", ["r", "x"])
def test_misses_by_rules_are_not_corrected(build: Build, misses: str) -> None:
    alone = build.seen(build.judged("P" * 75 + "m" * 25), correction=_FAQ).corrected.rate
    beside = build.seen(build.judged("P" * 75 + "m" * 25 + misses * 100), correction=_FAQ).corrected.rate
    assert beside.value == pytest.approx(alone.value / 2)


def test_a_suite_that_only_rules_missed_has_the_rate_that_it_has(build: Build) -> None:
    rate = build.seen(build.judged("r" * 20), correction=_FAQ).corrected.rate
    assert (rate.value, rate.lower) == (0.0, 0.0)


def test_the_reported_rate_is_not_corrected(build: Build) -> None:
    seen = build.seen(build.judged("P" * 75 + "m" * 25), correction=_FAQ)
    assert (seen.rate.value, seen.rate.judged) == (0.75, None)
    assert seen.corrected.rate.value != 0.75
    assert build.seen(build.judged("P")).corrected.rate.judged is None


def test_several_trials_count_by_their_effective_number(build: Build) -> None:
    letters = " ".join(["PPm"] * 20 + ["PPP"] * 30)
    seen = build.seen(build.judged(letters), correction=_FAQ)
    assert seen.corrected.rate.n_eff == seen.rate.n_eff > 50
    one = build.seen(build.judged("P" * 43 + "m" * 7), correction=_FAQ).corrected.rate
    assert seen.corrected.rate.lower > one.lower


def test_clusters_count_as_fewer_cases(build: Build) -> None:
    letters = "P" * 45 + "m" * 15
    fields = {index: {"cluster": str(index // 5)} for index in range(60)}
    alone = build.seen(build.judged(letters), correction=_FAQ).corrected.rate
    clustered = build.seen(build.judged(letters, fields=fields), correction=_FAQ).corrected.rate
    assert clustered.value == alone.value
    assert clustered.lower < alone.lower
    assert clustered.n_eff < 60


def test_one_cluster_decides_no_gate(build: Build) -> None:
    fields = {index: {"cluster": "a"} for index in range(60)}
    judged = _decide(build, build.judged("P" * 60, fields=fields), {"kind": "pass-rate", "min": 0.5})
    assert judged.gates[0].result == "invalid"


@pytest.mark.parametrize(
    ("letters", "least", "result"),
    [
        ("P" * 180 + "m" * 20, 0.85, "pass"),
        ("P" * 160 + "m" * 40, 0.85, "inconclusive"),
        ("P" * 150 + "m" * 50, 0.85, "fail"),
        ("P" * 56 + "m" * 144, 0.2, "fail"),
        ("P" * 56 + "r" * 144, 0.2, "pass"),
    ],
)
def test_the_gate_compares_the_corrected_rate_with_its_minimum(
    build: Build, letters: str, least: float, result: str
) -> None:
    assert _rate_gate(build, letters, least).result == result


def test_a_passing_gate_reports_both_rates(build: Build) -> None:
    gate = _rate_gate(build, "P" * 160 + "m" * 40, 0.7)
    assert gate.value == pytest.approx((0.8 - 0.2) / 0.7)
    assert gate.bound is not None
    least = f"{100 * gate.bound:.1f}%"
    assert (
        gate.message
        == f"judge passed 80.0%, 85.7% after correction for its errors, at least {least} with 95% confidence"
    )


def test_a_failing_gate_reports_both_rates(build: Build) -> None:
    gate = _rate_gate(build, "P" * 56 + "m" * 144, 0.2)
    assert gate.message == "judge passed 28.0%, 11.4% after correction for its errors, 20.0% required"
    point = _rate_gate(build, "P" * 160 + "m" * 40, 0.7, bound="point")
    assert (point.result, point.bound) == ("pass", None)
    assert point.message == "judge passed 80.0%, 85.7% after correction for its errors, 70.0% required"


def test_an_undecided_gate_reports_whether_cases_or_labels_are_missing(build: Build) -> None:
    by_cases = _rate_gate(build, "P" * 80 + "m" * 20, 0.75)
    by_labels = _rate_gate(build, "P" * 800 + "m" * 200, 0.82)
    assert by_cases.result == by_labels.result == "inconclusive"
    assert by_cases.message.startswith(
        "100 cases cannot decide this gate. judge passed 80.0%, 85.7% after correction for its"
    )
    assert by_cases.message.endswith("At this rate more cases would pass it.")
    assert by_labels.message.endswith("more labels for the judge would.")


def test_missing_results_count_as_certain_misses_and_as_passes(build: Build) -> None:
    suite = build.judged("P" * 90 + "?" * 10)
    undecided = _decide(build, suite, {"kind": "pass-rate", "min": 0.92}, max_error_rate=0.5)
    assert undecided.gates[0].result == "incomplete"
    results = build.judged("P" * 75 + "?" * 25)
    worst = build.seen(results, correction=_FAQ).corrected.rate
    assert worst.value == pytest.approx(0.75)
    assert build.seen(results, correction=_FAQ, completion="best").corrected.rate.value == 1.0


def test_slices_are_decided_by_corrected_rates_and_reported_uncorrected(build: Build) -> None:
    fields = {index: {"slices": (("lang", "de" if index < 100 else "en"),)} for index in range(200)}
    suite = build.judged("P" * 28 + "m" * 72 + "P" * 100, fields=fields)
    judged = _decide(build, suite, {"kind": "slice", "by": "lang", "min": 0.2, "bound": "point"})
    assert [piece.pass_rate for piece in judged.slices] == [0.28, 1.0]
    assert judged.gates[0].result == "fail"
    assert judged.gates[0].value == pytest.approx((0.28 - 0.2) / 0.7)
    assert judged.gates[0].message == "1 of 2 slices by lang below 20.0%: de 11.4% of 100"


def test_scores_are_not_corrected(build: Build) -> None:
    suite = build.judged("P" * 80 + "m" * 20)
    [gate] = _decide(build, suite, {"kind": "mean-score", "scorer": "faq", "min": 0.5}).gates
    assert gate.value == pytest.approx(0.8)


def test_the_verdict_has_the_uncorrected_rate(build: Build) -> None:
    judged = _decide(build, build.judged("P" * 80 + "m" * 20), {"kind": "pass-rate", "min": 0.5})
    assert judged.pass_rate == 0.8
    assert judged.gates[0].value == pytest.approx(0.6 / 0.7)


def test_the_cases_of_the_base_are_corrected_too(build: Build) -> None:
    fields = {index: {"side": "base" if index < 60 else "head"} for index in range(100)}
    suite = build.judged("m" * 60 + "P" * 40, fields=fields)
    [gate] = _decide(build, suite, {"kind": "pass-rate", "min": 0.05, "bound": "point"}).gates
    assert (
        gate.message
        == "on the cases of the base branch: judge passed 0.0%, 0.0% after correction for its errors, 5.0% required"
    )


@pytest.mark.parametrize(
    ("letters", "rules", "note"),
    [
        ("P" * 30, {}, None),
        ("P" * 30, {"aggregate": "majority"}, None),
        (" ".join(["PPm"] * 30), {}, None),
        (" ".join(["PPm"] * 30), {"aggregate": "majority"}, "the majority of a case's trials"),
    ],
)
def test_an_aggregate_of_trials_is_not_corrected(
    build: Build, letters: str, rules: dict[str, Any], note: str | None
) -> None:
    judged = _decide(build, build.judged(letters), {"kind": "pass-rate", "min": 0.5}, **rules)
    assert ("judge passed" in judged.gates[0].message) == (note is None)
    assert any("not corrected" in text and str(note) in text for text in judged.notes) == (note is not None)


def test_weighted_scores_are_not_corrected(build: Build) -> None:
    judged = _decide(build, build.judged("P" * 30, weight=0.5), {"kind": "pass-rate", "min": 0.5})
    assert judged.gates[0].value == 1.0
    [note] = judged.notes
    assert note.startswith("rates and changes are not corrected for judge errors: scores are weighted")


def test_two_judges_are_not_corrected(build: Build) -> None:
    suite = build.judged("P" * 30)
    named = replace(build.judge(), name="other")
    judges = {"faq": build.judge(), "exact": named}
    judged = _decide(build, suite, {"kind": "pass-rate", "min": 0.5}, judges=judges)
    assert judged.gates[0].message.startswith("100.0% passed")
    assert judged.notes[0].endswith("judge errors: 2 judges decide together")


@pytest.mark.parametrize("judge", [{"why_not": "it is old"}, {"report_only": True}, {"passes": (25, 50)}])
def test_a_judge_that_may_not_gate_corrects_nothing(build: Build, judge: dict[str, Any]) -> None:
    suite = build.judged("PPm", counts=not judge.get("report_only"))
    assert correction_of(suite, SuiteRules(judges={"faq": build.judge()})) is not None or judge.get("report_only")
    assert correction_of(suite, SuiteRules(judges={"faq": build.judge(fails=(25, 50), **judge)})) is None


def test_a_suite_without_judges_has_nothing_to_correct(build: Build) -> None:
    assert correction_of(build.suite("PPm"), SuiteRules()) is None
    assert decide_suite(build.suite("PPm"), SuiteRules()).judges == ()


def test_the_bound_of_the_gate_has_its_nominal_coverage(build: Build) -> None:
    """Outputs are missed by rules (20%), good (80% of the rest) or bad; the judge has its calibrated error rates."""
    random, covered, runs = np.random.default_rng(7), 0, 150
    for _ in range(runs):
        rules, good = random.random(120) < 0.2, random.random(120) < 0.8
        passed = np.where(good, random.random(120) < 0.9, random.random(120) > 0.85)
        letters = np.where(rules, "r", np.where(passed, "P", "m"))
        judge = build.judge((int(random.binomial(60, 0.9)), 60), (int(random.binomial(60, 0.85)), 60))
        judged = _decide(
            build, build.judged("".join(letters)), {"kind": "pass-rate", "min": 0.5}, judges={"faq": judge}
        )
        covered += (judged.gates[0].bound or 0.0) <= 0.8 * 0.8
    assert 0.91 <= covered / runs <= 0.99


_STALE = "the rubric changed since the calibration of 2025-12-22: pytest-evalgate calibrate faq --labels FILE"
_RESTING: list[dict[str, Any]] = [
    {"kind": "pass-rate", "min": 0.1},
    {"kind": "no-regression"},
    {"kind": "slice", "by": "lang"},
    {"kind": "slice", "by": "lang", "min": 0.1},
    {"kind": "must-pass"},
    {"kind": "mean-score", "scorer": "faq", "min": 0.1},
    {"kind": "no-regression", "scorer": "faq"},
]
_OTHERS: list[dict[str, Any]] = [
    {"kind": "budget", "max_cost_usd": 1.0},
    {"kind": "mean-score", "scorer": "exact", "min": 0.1},
    {"kind": "no-regression", "scorer": "exact"},
]


def _gate(build: Build, gate: dict[str, Any], judge: JudgeRule) -> GateResult:
    gates = Suite.model_validate({"golden": "g", "slices": ["lang"], "gates": [gate]}).gates
    fields = {index: {"slices": (("lang", "de"),)} for index in range(40)}
    suite = build.judged("P" * 40, fields=fields)
    baseline = replace(build.baseline("P" * 40), scorers=("exact", "faq"))
    [result] = decide_suite(suite, SuiteRules(gates=gates, baseline=baseline, judges={"faq": judge})).gates
    return result


def _label(gate: dict[str, Any]) -> str:
    return "-".join(str(value) for value in gate.values())


@pytest.mark.parametrize("gate", _RESTING, ids=_label)
def test_every_gate_that_uses_a_judge_with_a_problem_is_invalid(build: Build, gate: dict[str, Any]) -> None:
    assert _gate(build, gate, build.judge()).result == "pass"
    refused = _gate(build, gate, build.judge(why_not=_STALE))
    assert (refused.result, refused.value) == ("invalid", None)
    assert refused.message == f"judge faq may not gate: {_STALE}"


@pytest.mark.parametrize("gate", _OTHERS, ids=_label)
def test_other_gates_are_decided(build: Build, gate: dict[str, Any]) -> None:
    fit, stale = (_gate(build, gate, build.judge(why_not=why_not)) for why_not in (None, _STALE))
    assert fit == stale


@pytest.mark.parametrize("gate", _RESTING[:5], ids=_label)
def test_a_report_only_judge_does_not_affect_other_gates(build: Build, gate: dict[str, Any]) -> None:
    assert _gate(build, gate, build.judge(why_not=_STALE, report_only=True)).result == "pass"


@pytest.mark.parametrize("gate", _RESTING[5:], ids=_label)
def test_no_gate_can_use_the_scores_of_a_report_only_judge(build: Build, gate: dict[str, Any]) -> None:
    refused = _gate(build, gate, build.judge(report_only=True))
    assert refused.result == "invalid"
    assert refused.message.startswith("judge faq is report_only, so no gate can use it")


def test_a_judge_with_a_problem_takes_no_alpha_from_other_tests(build: Build) -> None:
    gates = Suite.model_validate(
        {"golden": "g", "gates": [{"kind": "no-regression"}, {"kind": "no-regression", "scorer": "exact"}]}
    ).gates
    baseline = replace(build.baseline("P" * 40), scorers=("exact",))
    rules = SuiteRules(gates=gates, baseline=baseline, judges={"faq": build.judge(why_not=_STALE)})
    refused, judged = decide_suite(build.judged("r" * 4 + "P" * 36), rules).gates
    assert (refused.result, judged.result) == ("invalid", "fail")
    assert "adjusted for the other tests" not in judged.message


@pytest.mark.parametrize(
    ("passes", "fails", "message"),
    [
        ((45, 50), (40, 50), None),
        ((30, 60), (30, 60), "TPR + TNR - 1 is 0.00, with a lower bound of -0.1"),
        ((10, 60), (10, 60), "TPR + TNR - 1 is -0.67"),
        ((22, 30), (15, 30), "not shown to be better than chance: TPR + TNR - 1 is 0.23, with a lower bound of -0.0"),
        ((0, 0), (40, 50), "is not calibrated: pytest-evalgate calibrate faq --labels FILE"),
        ((45, 50), (0, 0), "is not calibrated"),
    ],
)
def test_a_judge_has_to_be_better_than_chance(
    build: Build, passes: tuple[int, int], fails: tuple[int, int], message: str | None
) -> None:
    why = judge_problem(build.judge(passes, fails))
    assert why == message if message is None else message in str(why)


def test_a_judge_without_a_calibration_cannot_gate_even_without_a_reason(build: Build) -> None:
    assert "is not calibrated" in str(judge_problem(replace(build.judge(), calibration=None)))


def test_only_a_counting_judge_is_refused_before_the_run(build: Build) -> None:
    assert build.judge().problem is None
    assert build.judge(why_not="it is old", report_only=True).problem is None
    assert build.judge(why_not="it is old").problem == "judge faq may not gate: it is old"


@pytest.mark.parametrize(("letters", "counts"), [("P" * 20, False), ("P" * 10, True)])
def test_an_output_that_passed_without_the_judge_is_invalid(build: Build, letters: str, counts: bool) -> None:  # noqa: FBT001 - a column of a table
    suite = build.judged(letters, counts=counts) if not counts else build.suite(letters)
    gate, *_ = Suite.model_validate({"golden": "g", "gates": [_RESTING[0]]}).gates or ()
    message = gate_problem(gate, SuiteRules(gates=(gate,), judges={"faq": build.judge()}), suite.results)
    assert message == f"{len(letters)} outputs passed without a verdict of judge faq: run the suite again"


def test_the_first_judge_with_a_problem_is_named(build: Build) -> None:
    gate, *_ = Suite.model_validate({"golden": "g", "gates": [_RESTING[0]]}).gates or ()
    tone = replace(build.judge(why_not="it is old"), name="tone")
    rules = SuiteRules(gates=(gate,), judges={"faq": build.judge(), "tone": tone})
    assert gate_problem(gate, rules, build.judged("m").results) == "judge tone may not gate: it is old"


def _of_run(build: Build, suite: SuiteRun, strata: tuple[tuple[float, ...], ...], frame: str = "") -> JudgeRule:
    """Return the judge with labels that were drawn from the outputs of ``suite``, or of another ``frame``."""
    judge = build.judge()
    decided = [(result.case.id, trial.output) for result in suite.results for trial in result.trials if trial.output]
    sample = LabelledSample(frame or frame_of(decided), tuple(LabelledStratum(*counts) for counts in strata))
    assert judge.calibration is not None
    return replace(judge, calibration=replace(judge.calibration, sample=sample))


def _with_outputs(suite: SuiteRun) -> SuiteRun:
    results = tuple(
        replace(result, trials=tuple(replace(trial, output=Output(result.case.id)) for trial in result.trials))
        for result in suite.results
    )
    return replace(suite, results=results)


_STRATA = ((160, 48, 0, 2, 0), (40, 0, 6, 0, 14))
"""200 outputs: 50 labels of the 160 that the judge passed, 20 of the 40 that it failed."""


def test_labels_of_the_run_itself_correct_its_rate_by_ppi(build: Build) -> None:
    suite = _with_outputs(build.judged("P" * 160 + "m" * 40))
    own, other = (_of_run(build, suite, _STRATA, frame) for frame in ("", "0123456789abcdef"))
    gate = {"kind": "pass-rate", "min": 0.5}
    found, fresh = (_decide(build, suite, gate, judges={"faq": judge}).corrected for judge in (own, other))
    assert found is not None
    assert fresh is not None
    assert (found.method, fresh.method) == ("ppi", "design")
    assert found.value == pytest.approx((160 * 48 / 50 + 40 * 6 / 20) / 200)
    assert found.interval[1] - found.interval[0] < fresh.interval[1] - fresh.interval[0]


@pytest.mark.parametrize(
    ("letters", "fields"),
    [("P" * 159 + "m" * 41, {}), ("P" * 160 + "r" * 40, {}), ("P" * 160 + "m" * 40, {0: {"cluster": "a"}})],
)
def test_other_outputs_have_labels_of_another_run(build: Build, letters: str, fields: dict[int, Any]) -> None:
    suite = _with_outputs(build.judged("P" * 160 + "m" * 40))
    judge = _of_run(build, suite, _STRATA)
    now = _with_outputs(build.judged(letters, fields=fields))
    if letters == "P" * 159 + "m" * 41:  # the verdicts may change: the outputs are those that people labelled
        assert _is_own(now, judge)
    else:
        assert not _is_own(now, judge)


def _is_own(suite: SuiteRun, judge: JudgeRule) -> bool:
    correction = Correction.of("faq", judge)
    assert correction is not None
    return correction.labels_are_of(suite.results)


def test_several_trials_have_no_labels_of_their_own(build: Build) -> None:
    suite = _with_outputs(build.judged("P" * 160 + "m" * 40))
    several = _with_outputs(build.judged(" ".join(["PP"] * 160 + ["mm"] * 40)))
    assert not _is_own(several, _of_run(build, suite, _STRATA))


def test_labels_without_a_design_are_corrected_as_before(build: Build) -> None:
    suite = build.judged("P" * 160 + "m" * 40)
    found = _decide(build, suite, {"kind": "pass-rate", "min": 0.5}).corrected
    assert found is not None
    assert found.method == "rogan-gladen"
    assert found.value == pytest.approx((0.8 - 0.2) / 0.7)
