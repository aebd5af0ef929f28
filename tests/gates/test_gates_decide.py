"""Verdicts of suites and runs: completions, exit codes, shared alpha, both branches, notes and samples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import NoRegressionGate, Suite
from pytest_evalgate.gates import EXIT_CODES, SuiteRules, decide
from pytest_evalgate.gates.decide import GateInputs, decide_all, gate_subject, worst
from pytest_evalgate.records.results import SuiteRun
from pytest_evalgate.records.verdicts import GateChange, VerdictName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.gates.conftest import Build

    from pytest_evalgate.records.verdicts import Baseline, SuiteVerdict, Verdict


_POINT = {"kind": "pass-rate", "min": 0.8, "bound": "point"}
_CI = {"kind": "pass-rate", "min": 0.8}
_MUST = {"kind": "must-pass"}
_NO_REGRESSION = {"kind": "no-regression"}


def _plain_rules(*gates: dict[str, Any], **fields: Any) -> SuiteRules:
    return SuiteRules(gates=Suite.model_validate({"golden": "g", "gates": gates or None}).gates, **fields)


def _decide(build: Build, letters: str, *gates: dict[str, Any], warn: bool = True, **fields: Any) -> Verdict:
    return decide(build.run(build.suite(letters)), {"faq": _plain_rules(*gates, **fields)}, warn_inconclusive=warn)


def test_every_verdict_has_its_exit_code() -> None:
    assert set(EXIT_CODES) == set(get_args(VerdictName))
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)


def test_verdicts_are_ordered_by_severity() -> None:
    order: list[VerdictName] = ["pass", "inconclusive", "not_evaluated", "incomplete", "fail", "invalid"]
    assert [worst(order[:end]) for end in range(1, 7)] == order


@pytest.mark.parametrize(
    ("letters", "gate", "verdict", "code"),
    [
        ("P" * 20, _CI, "pass", 0),
        ("P" * 9 + "m", _CI, "inconclusive", 10),
        ("P" * 7 + "mmm", _CI, "fail", 1),
        ("P" * 19 + "?", _CI, "incomplete", 11),
        ("P" * 19 + "-", _CI, "not_evaluated", 12),
        ("P" * 18 + "?-", _CI, "not_evaluated", 12),
        ("SSS", _CI, "invalid", 5),
        ("---", _CI, "not_evaluated", 5),
        ("PPPPP", {"kind": "must-pass", "tags": "law"}, "invalid", 4),
    ],
)
def test_verdicts_and_exit_codes(build: Build, letters: str, gate: dict[str, Any], verdict: str, code: int) -> None:
    decided = _decide(build, letters, gate, warn=False)
    assert (decided.verdict, decided.exit_code) == (verdict, code)
    assert decided.suites["faq"].verdict == verdict


def test_inconclusive_may_be_a_warning(build: Build) -> None:
    decided = _decide(build, "P" * 9 + "m", _CI, warn=True)
    assert (decided.verdict, decided.exit_code) == ("inconclusive", 0)


def test_the_worst_gate_decides_the_suite(build: Build) -> None:
    decided = _decide(build, "P" * 9 + "m", _CI, _MUST)
    assert [gate.result for gate in decided.suites["faq"].gates] == ["inconclusive", "fail"]
    assert decided.verdict == "fail"


@pytest.mark.parametrize("letters", ["mmm", "???", "---"])
def test_an_advisory_suite_never_blocks(build: Build, letters: str) -> None:
    run = build.run(build.suite("PPP"), build.suite(letters, name="new"))
    rules = {"faq": _plain_rules(_MUST), "new": _plain_rules(_MUST, advisory=True)}
    decided = decide(run, rules, warn_inconclusive=False)
    assert (decided.verdict, decided.exit_code) == ("pass", 0)
    assert decided.suites["new"].verdict != "pass"
    assert decided.suites["new"].mode == "advisory"


def test_problems_make_the_run_invalid(build: Build) -> None:
    run = build.run(build.suite("PPP"), problems=("a worker collected other cases",))
    decided = decide(run, {"faq": _plain_rules(_MUST)}, warn_inconclusive=True)
    assert (decided.verdict, decided.exit_code, decided.problems) == ("invalid", 4, run.problems)


def test_a_run_without_a_suite_is_no_pass(build: Build) -> None:
    decided = decide(build.run(), {}, warn_inconclusive=True, not_run=["faq"])
    assert (decided.verdict, decided.exit_code, decided.suites_not_run) == ("invalid", 5, ("faq",))


@pytest.mark.parametrize(
    ("missing", "planned", "rate", "result"),
    [
        (1, 100, 0.0, "incomplete"),
        (1, 100, 0.01, "pass"),
        (2, 100, 0.01, "incomplete"),
        (29, 100, 0.29, "pass"),
        (7, 100, 0.07, "pass"),
        (57, 100, 0.57, "pass"),
    ],
)
def test_the_error_budget_is_met_exactly(build: Build, missing: int, planned: int, rate: float, result: str) -> None:
    gate = {"kind": "pass-rate", "min": 0.1, "bound": "point"}
    decided = _decide(build, "?" * missing + "P" * (planned - missing), gate, max_error_rate=rate)
    assert decided.verdict == result


@pytest.mark.parametrize(
    ("letters", "gate", "result"),
    [
        ("P" * 95 + "?" * 5, _POINT, "pass"),
        ("P" * 78 + "m" * 17 + "?" * 5, _POINT, "incomplete"),
        ("P" * 50 + "m" * 45 + "?" * 5, _POINT, "fail"),
        ("m" * 5 + "?" * 95, _MUST, "fail"),
        ("P" * 5 + "?" * 95, _MUST, "incomplete"),
    ],
)
def test_within_the_budget_both_completions_have_to_agree(
    build: Build, letters: str, gate: dict[str, Any], result: str
) -> None:
    decided = _decide(build, letters, gate, max_error_rate=1.0)
    assert decided.verdict == result
    if result == "incomplete":
        assert decided.suites["faq"].gates[0].message == (
            "fail or pass, depending on the missing results; retry the job, not the prompt"
        )


@pytest.mark.parametrize(
    ("missing", "final", "rate", "advice"),
    [
        (4, 0, 0.0, "retry the job, not the prompt"),
        (4, 4, 0.0, "fix the reasons first: all of them may fail again"),
        (4, 1, 0.0, "fix the reasons first: 1 of them may fail again"),
        (1, 1, 0.0, "fix the reasons first: it may fail again"),
        (4, 1, 0.05, "retry the job, not the prompt"),  # the limit allows the one that may fail again
        (4, 2, 0.05, "fix the reasons first: 2 of them may fail again"),
    ],
)
def test_a_retry_is_advised_only_if_it_can_help(
    build: Build, missing: int, final: int, rate: float, advice: str
) -> None:
    suite = build.suite("?" * missing + "P" * (20 - missing))
    results = (replace(result, is_final=index < final) for index, result in enumerate(suite.results))
    run = build.run(replace(suite, results=tuple(results)))
    decided = decide(run, {"faq": _plain_rules(_CI, max_error_rate=rate)}, warn_inconclusive=True)
    assert decided.suites["faq"].gates[0].message.partition("; ")[2] == advice


def test_the_advice_of_completions_that_differ_depends_on_the_results(build: Build) -> None:
    suite = build.suite("P" * 78 + "m" * 17 + "?" * 5)
    final = replace(suite, results=tuple(replace(result, is_final=True) for result in suite.results))
    decided = decide(build.run(final), {"faq": _plain_rules(_POINT, max_error_rate=1.0)}, warn_inconclusive=True)
    assert decided.suites["faq"].gates[0].message.endswith("; fix the reasons first: all of them may fail again")


def test_missing_results_that_only_affect_the_bound_are_inconclusive(build: Build) -> None:
    decided = _decide(build, "P" * 86 + "m" * 11 + "?" * 3, _CI, max_error_rate=1.0)
    assert decided.suites["faq"].gates[0].result == "inconclusive"
    assert decided.suites["faq"].gates[0].value == 0.86


def test_missing_results_are_completed_in_the_comparison_too(build: Build) -> None:
    baseline = build.baseline("P" * 100)
    few = _decide(build, "P" * 97 + "???", _NO_REGRESSION, baseline=baseline, max_error_rate=1.0)
    more = _decide(build, "P" * 95 + "?????", _NO_REGRESSION, baseline=baseline, max_error_rate=1.0)
    lost = _decide(build, "P" * 85 + "m" * 10 + "?????", _NO_REGRESSION, baseline=baseline, max_error_rate=1.0)
    assert [few.verdict, more.verdict, lost.verdict] == ["pass", "incomplete", "fail"]
    assert more.suites["faq"].delta is not None
    assert more.suites["faq"].delta.losses == 5


@pytest.mark.parametrize(
    ("records", "gates", "verdict"),
    [(True, [], "inconclusive"), (True, [_NO_REGRESSION], "inconclusive"), (False, [_NO_REGRESSION], "invalid")],
)
def test_a_first_run(build: Build, records: bool, gates: list[dict[str, Any]], verdict: str) -> None:  # noqa: FBT001 - a column of a table
    decided = _decide(build, "PPm", *gates, record_without_baseline=records)
    assert decided.verdict == verdict
    assert decided.exit_code == (0 if records else 4)
    assert decided.suites["faq"].gates[0].message.startswith("no baseline yet: pytest-evalgate baseline promote")
    assert decided.suites["faq"].delta is None


def test_without_gates_a_baseline_is_enough_to_judge(build: Build) -> None:
    suite = build.suite("m" * 10 + "P" * 10)
    decided = decide_suite(suite, SuiteRules(baseline=build.baseline("P" * 20)))
    assert [(gate.kind, gate.result) for gate in decided.gates] == [("no-regression", "fail")]


def test_a_suite_verdict_describes_the_counted_cases(build: Build) -> None:
    decided = decide_suite(build.suite("PPPmSS"), _plain_rules(_POINT))
    assert (decided.cases, decided.passed, decided.pass_rate) == (4, 3, 0.75)
    assert (decided.accounting.planned, decided.accounting.skipped) == (6, 2)
    assert decided.interval is not None
    assert decided.interval[0] < 0.75 < decided.interval[1]


def test_a_suite_without_counted_cases_has_no_rate(build: Build) -> None:
    decided = decide_suite(build.suite("SS"), _plain_rules(_CI, _MUST))
    assert (decided.pass_rate, decided.interval, decided.cases) == (None, None, 0)
    assert {gate.result for gate in decided.gates} == {"invalid"}


def test_the_accounts_of_all_suites_add_up(build: Build) -> None:
    run = build.run(build.suite("PPm"), build.suite("S?P", name="new"))
    decided = decide(run, {"faq": _plain_rules(_MUST), "new": _plain_rules(_MUST)}, warn_inconclusive=True)
    total = decided.accounting
    assert (total.planned, total.passed, total.missed, total.errored, total.skipped, total.not_run) == (
        6,
        3,
        1,
        1,
        1,
        0,
    )


_DROP = {"kind": "no-regression"}
_SAFETY = {"kind": "must-pass", "tags": ["safety"]}
_HEAD: dict[str, Any] = {"side": "head"}
_BASE: dict[str, Any] = {"side": "base"}
_GERMAN: dict[str, Any] = {"slices": (("lang", "de"),)}


def _rules(*gates: dict[str, Any], **fields: Any) -> SuiteRules:
    slices = [gate["by"] for gate in gates if gate["kind"] == "slice"]
    suite = Suite.model_validate({"golden": "g", "gates": gates or None, "slices": slices})
    return SuiteRules(gates=suite.gates, **fields)


def _losses(build: Build, **losses: int) -> tuple[list[SuiteRun], Baseline]:
    """Return suites of 60 cases that passed in the baseline, with the given numbers of losses."""
    return [build.suite("m" * lost + "P" * (60 - lost), name=name) for name, lost in losses.items()], build.baseline(
        "P" * 60
    )


def _decide_suites(build: Build, suites: list[SuiteRun], rules: Mapping[str, SuiteRules] | SuiteRules) -> Verdict:
    if isinstance(rules, SuiteRules):
        rules = {suite.plan.name: rules for suite in suites}
    return decide(build.run(*suites), rules, warn_inconclusive=False)


def test_several_suites_share_one_alpha(build: Build) -> None:
    suites, baseline = _losses(build, faq=4, law=0, tax=0)
    rules = _rules(_DROP, baseline=baseline)
    alone, together = _decide_suites(build, suites[:1], rules), _decide_suites(build, suites, rules)
    assert (alone.verdict, together.verdict) == ("fail", "pass")
    delta = together.suites["faq"].delta
    assert delta is not None
    assert (delta.p, delta.p_adjusted) == (2**-5, 3 * 2**-5)
    assert delta.finding == "inconclusive"
    assert "p=0.031, 0.094 adjusted for the other tests of this build)" in together.suites["faq"].gates[0].message


def test_a_suite_that_dropped_leaves_its_alpha_to_the_next(build: Build) -> None:
    suites, baseline = _losses(build, faq=20, law=4)
    decided = _decide_suites(build, suites, _rules(_DROP, baseline=baseline))
    assert [suite.verdict for suite in decided.suites.values()] == ["fail", "fail"]
    suites, _ = _losses(build, faq=4, law=4, tax=0)
    decided = _decide_suites(build, suites, _rules(_DROP, baseline=baseline))
    assert decided.verdict == "pass"


def test_slices_of_one_suite_take_their_half_from_all(build: Build) -> None:
    suites, baseline = _losses(build, faq=4, law=0)
    plain, sliced = _rules(_DROP, baseline=baseline), _rules({"kind": "slice", "by": "lang"}, baseline=baseline)
    law = build.suite("P" * 60, name="law", fields=dict.fromkeys(range(60), _GERMAN))
    assert _decide_suites(build, suites[:1], plain).verdict == "fail"
    assert _decide_suites(build, [suites[0], law], {"faq": plain, "law": sliced}).verdict == "pass"


def test_an_advisory_suite_has_its_own_alpha(build: Build) -> None:
    suites, baseline = _losses(build, faq=4, law=4, tax=4)
    blocking, advisory = _rules(_DROP, baseline=baseline), _rules(_DROP, baseline=baseline, advisory=True)
    decided = _decide_suites(build, suites, {"faq": blocking, "law": advisory, "tax": advisory})
    assert [suite.verdict for suite in decided.suites.values()] == ["fail", "fail", "fail"]
    assert [suite.delta.p_adjusted for suite in decided.suites.values() if suite.delta] == [2**-5] * 3


def test_a_suite_that_the_base_does_not_know_takes_no_alpha_from_the_others(build: Build) -> None:
    suites, baseline = _losses(build, faq=4, law=0, tax=4)
    known = _rules(_DROP, baseline=baseline)
    decided = _decide_suites(
        build, suites, {"faq": known, "law": replace(known, is_new=True), "tax": replace(known, is_new=True)}
    )
    assert [suite.verdict for suite in decided.suites.values()] == ["fail", "pass", "pass"]
    assert [suite.delta.p_adjusted for suite in decided.suites.values() if suite.delta] == [2**-5, 1.0, 2**-4]


def test_a_gate_that_fails_by_no_p_takes_no_alpha(build: Build) -> None:
    suites, baseline = _losses(build, faq=4, law=0)
    releases = _rules({**_DROP, "fail_on": "not_proven", "margin": 0.2}, baseline=baseline)
    decided = _decide_suites(build, suites, {"faq": _rules(_DROP, baseline=baseline), "law": releases})
    assert [suite.verdict for suite in decided.suites.values()] == ["fail", "pass"]


def test_a_tolerance_shares_alpha_too(build: Build) -> None:
    suites, baseline = _losses(build, faq=8, law=0)
    tolerant = _rules({**_DROP, "fail_on": "tolerance", "margin": 0.07}, baseline=baseline)
    alone, together = _decide_suites(build, suites[:1], tolerant), _decide_suites(build, suites, tolerant)
    assert (alone.verdict, together.verdict) == ("fail", "pass")
    message = alone.suites["faq"].gates[0].message
    assert message.startswith(
        "8 cases got worse, 0 got better (mcnemar-midp p=0.002): a drop of more than 7.0 pp is pr"
    )
    assert together.suites["faq"].gates[0].message.endswith("a drop of more than 7.0 pp is not proven")


def test_gates_that_cannot_be_compared_have_no_test(build: Build) -> None:
    suites, baseline = _losses(build, faq=4, law=0)
    rules = {"faq": _rules(_DROP, baseline=baseline), "law": _rules(_DROP)}
    decided = _decide_suites(build, suites, rules)
    assert [suite.verdict for suite in decided.suites.values()] == ["fail", "inconclusive"]


@pytest.mark.parametrize(
    ("gate", "name"),
    [
        (_POINT, ""),
        (_DROP, ""),
        ({**_DROP, "scorer": "tone"}, "tone"),
        ({"kind": "slice", "by": "lang"}, "lang"),
        ({"kind": "mean-score", "scorer": "tone", "min": 0.5}, "tone"),
        (_SAFETY, "safety"),
        ({"kind": "budget", "max_cost_usd": 1.0}, ""),
    ],
)
def test_gates_of_one_kind_are_distinguished(build: Build, gate: dict[str, Any], name: str) -> None:
    rules = _rules(gate)
    assert gate_subject(rules.effective_gates[0]) == name
    assert decide_suite(build.suite("PP", fields={0: {"slices": (("lang", "de"),)}}), rules).gates[0].of == name


def _of_two_branches(build: Build, letters: str, *sides: dict[str, Any], **rules: Any) -> SuiteVerdict:
    gates = rules.pop("gates", [_DROP])
    fields = dict(zip(range(len(letters) - len(sides), len(letters)), sides, strict=True))
    return decide_suite(build.suite(letters, fields=fields), _rules(*gates, **rules))


def test_hard_cases_that_were_removed_still_fail_the_pass_rate(build: Build) -> None:
    decided = _of_two_branches(build, "P" * 16 + "m" * 4, *[_BASE] * 4, gates=[{**_POINT, "min": 0.9}])
    assert decided.verdict == "fail"
    assert decided.gates[0].message == "on the cases of the base branch: 16 of 20 passed, 18 needed"
    assert decided.gates[0].value == 0.8
    assert (decided.pass_rate, decided.cases, decided.passed) == (1.0, 16, 16)
    assert (decided.accounting.planned, decided.accounting.missed) == (20, 4)


def test_easy_cases_that_were_added_do_not_lift_the_pass_rate(build: Build) -> None:
    decided = _of_two_branches(build, "P" * 7 + "mmm" + "P" * 90, *[_HEAD] * 90, gates=[_POINT])
    assert (decided.verdict, decided.pass_rate) == ("fail", 0.97)
    assert decided.gates[0].message.startswith("on the cases of the base branch: 7 of 10 passed")


def test_the_cases_of_this_branch_are_decided_as_well(build: Build) -> None:
    decided = _of_two_branches(build, "P" * 10 + "m" * 10, *[_HEAD] * 10, gates=[_POINT])
    assert decided.verdict == "fail"
    assert decided.gates[0].message == "10 of 20 passed, 16 needed"


def test_removed_cases_are_compared_with_the_baseline(build: Build) -> None:
    decided = _of_two_branches(build, "P" * 50 + "m" * 8, *[_BASE] * 8, baseline=build.baseline("P" * 58))
    assert decided.verdict == "fail"
    assert decided.delta is not None
    assert (decided.delta.pairs, decided.delta.losses, decided.delta.removed) == (58, 8, 0)


def test_an_edited_case_is_compared_as_on_the_base_branch(build: Build) -> None:
    edited = [{"id": f"c{index:03}", "side": "head", "fingerprint": "easier"} for index in range(20)]
    at_base = [{"id": f"c{index:03}", "side": "base"} for index in range(20)]
    letters = "P" * 20 + "m" * 10 + "P" * 10
    decided = _of_two_branches(build, letters, *edited, *at_base, baseline=build.baseline("P" * 20))
    assert decided.verdict == "fail"
    assert decided.delta is not None
    assert (decided.delta.pairs, decided.delta.losses, decided.delta.edited) == (20, 10, 0)
    assert (decided.cases, decided.pass_rate) == (20, 1.0)


def test_added_cases_do_not_enter_the_comparison(build: Build) -> None:
    decided = _of_two_branches(build, "P" * 20 + "m" * 20, *[_HEAD] * 20, baseline=build.baseline("P" * 20))
    assert decided.verdict == "pass"
    assert decided.delta is not None
    assert (decided.delta.pairs, decided.delta.added) == (20, 0)


def test_a_safety_case_that_was_removed_has_to_pass(build: Build) -> None:
    safe = {"tags": ("safety",)}
    decided = decide_suite(build.suite("Pm", fields={0: safe, 1: {**safe, **_BASE}}), _rules(_SAFETY))
    assert decided.verdict == "fail"
    assert decided.gates[0].message.startswith("on the cases of the base branch: 1 of 2 cases tagged safety did not")


def test_a_first_safety_case_does_not_make_the_base_invalid(build: Build) -> None:
    fields = {2: {"tags": ("safety",), "slices": (("lang", "de"),), **_HEAD}}
    gates = (_SAFETY, {"kind": "slice", "by": "lang", "min": 0.1, "min_n": 1, "bound": "point"})
    assert decide_suite(build.suite("PPP", fields=fields), _rules(*gates)).verdict == "pass"
    assert decide_suite(build.suite("PPm", fields=fields), _rules(*gates)).verdict == "fail"


def test_a_slice_that_the_branch_emptied_is_decided_on_the_base(build: Build) -> None:
    fields = dict.fromkeys(range(20), _GERMAN) | {index: {**_GERMAN, **_BASE} for index in range(20, 30)}
    gate = {"kind": "slice", "by": "lang", "min": 0.8, "bound": "point"}
    decided = decide_suite(build.suite("P" * 20 + "m" * 10, fields=fields), _rules(gate))
    assert decided.verdict == "fail"
    assert decided.gates[0].message.startswith("on the cases of the base branch: 1 of 1 slice by lang below 80.0%")
    assert [piece.n for piece in decided.slices] == [20]


def test_an_invalid_base_is_no_pass(build: Build) -> None:
    fields = {index: {"cluster": str(index), **_HEAD} for index in range(20)}
    fields |= {index: {"cluster": "one", **_BASE} for index in range(20, 30)}
    decided = decide_suite(build.suite("P" * 30, fields=fields), _rules({**_POINT, "bound": "ci"}))
    assert decided.verdict == "invalid"
    assert decided.gates[0].message.startswith("on the cases of the base branch: all cases are in one cluster")


def test_a_branch_without_cases_is_invalid(build: Build) -> None:
    decided = _of_two_branches(build, "PPP", *[_BASE] * 3, gates=[_POINT])
    assert (decided.verdict, decided.pass_rate, decided.cases) == ("invalid", None, 0)
    assert decided.gates[0].message == "no case to decide: all are removed"


def test_a_branch_that_skips_every_case_is_invalid(build: Build) -> None:
    decided = _of_two_branches(build, "SSPP", *[_HEAD] * 2, *[_BASE] * 2, gates=[_POINT])
    assert decided.gates[0].message == "no case to decide: all 2 are skipped"


@pytest.mark.parametrize("letters", ["PPP", "SPP"])
def test_a_suite_that_the_base_does_not_have_is_decided_alone(build: Build, letters: str) -> None:
    fields = {0: {} if letters[0] == "S" else _HEAD, 1: _HEAD, 2: _HEAD}
    suite = build.suite(letters, fields=fields)
    assert GateInputs(suite, SuiteRules(), "worst").base is None
    assert decide_suite(suite, _rules(_POINT, {**_DROP}, baseline=build.baseline("P"))).gates[0].result == "pass"


def test_scores_and_trials_are_those_of_this_branch(build: Build) -> None:
    suite = build.graded([0.2], [0.4], [1.0])
    removed = replace(suite.results[2], case=replace(suite.results[2].case, side="base"))
    decided = decide_suite(SuiteRun(suite.plan, (*suite.results[:2], removed)), SuiteRules())
    assert decided.scores["tone"].mean == pytest.approx(0.3)
    assert decided.scores["tone"].n == 2
    assert (decided.passed, decided.accounting.passed) == (0, 1)


@pytest.mark.parametrize("aggregate", ["majority", "pass@2", "pass^2"])
def test_a_suite_without_any_pair_is_invalid_by_every_aggregate(build: Build, aggregate: str) -> None:
    rules = _rules(_DROP, baseline=build.baseline("PP PP", fingerprint="other"), aggregate=aggregate)
    decided = decide_suite(build.suite("PP Pm"), rules)
    assert (decided.verdict, decided.delta) == ("invalid", None)
    assert decided.gates[0].message.startswith("only 0.0% of the baseline's 2 cases are paired")


def test_a_baseline_with_too_few_trials_for_the_aggregate_is_invalid(build: Build) -> None:
    rules = _rules(_DROP, {"kind": "slice", "by": "lang"}, baseline=build.baseline("P" * 4), aggregate="pass^2")
    suite = build.suite("mm mm mm mm", fields={0: {"slices": (("lang", "de"),)}})
    decided = decide_suite(suite, rules)
    assert [gate.result for gate in decided.gates] == ["invalid", "invalid"]
    assert decided.gates[0].message == (
        "the baseline has 1 trial of a case, but pass^2 needs 2: promote a run with trials = 2"
    )
    assert (decided.delta, decided.slices[0].delta) == (None, None)


def test_a_suite_with_too_few_trials_for_its_aggregate_is_invalid(build: Build) -> None:
    decided = decide_suite(build.suite("PPP PPP"), _rules(_POINT, aggregate="pass^4"))
    assert (decided.verdict, decided.pass_rate) == ("invalid", None)
    assert decided.gates[0].message == "pass^4 needs 4 trials of a case, but the suite has 3: set trials = 4"


def test_the_rate_and_the_change_are_those_of_the_aggregate(build: Build) -> None:
    now, before = "PPPm " * 20, "PPPP " * 20
    rules = _rules(_DROP, {**_POINT, "min": 0.6}, baseline=build.baseline(before.strip()))
    every = decide_suite(build.suite(now.strip()), replace(rules, aggregate="pass^4"))
    most = decide_suite(build.suite(now.strip()), replace(rules, aggregate="majority"))
    assert (every.pass_rate, most.pass_rate) == (0.0, 1.0)
    assert [gate.result for gate in every.gates] == ["fail", "fail"]
    assert [gate.result for gate in most.gates] == ["pass", "pass"]
    assert every.delta is not None
    assert (every.delta.delta, every.delta.losses) == (-1.0, 20)


def test_a_single_cluster_decides_nothing(build: Build) -> None:
    suite = build.suite("P" * 40, fields={index: {"cluster": "one"} for index in range(40)})
    decided = decide_suite(suite, _rules({**_POINT, "bound": "ci"}, _DROP, baseline=build.baseline("P" * 40)))
    assert [gate.result for gate in decided.gates] == ["invalid", "invalid"]
    assert len({gate.message for gate in decided.gates}) == 1
    assert decided.delta is None


def test_a_drop_is_tested_over_clusters(build: Build) -> None:
    fields = {index: {"cluster": str(index // 10)} for index in range(60)}
    together, alone = build.suite("m" * 10 + "P" * 50, fields=fields), build.suite("m" * 10 + "P" * 50)
    rules = _rules(_DROP, baseline=build.baseline("P" * 60))
    assert decide_suite(alone, rules).verdict == "fail"
    assert decide_suite(together, rules).verdict == "pass"
    delta = decide_suite(together, rules).delta
    assert delta is not None
    assert (delta.test, delta.losses) == ("cluster-sign-flip-midp", 10)


@pytest.mark.parametrize(
    ("before", "now", "equivalent"),
    [("PPPPm" * 80, "PPPPm" * 80, True), ("P" * 320 + "m" * 80, "P" * 400, False), ("PPPPm" * 4, "PPPPm" * 4, False)],
)
def test_equivalence_is_a_flag_beside_the_finding(build: Build, before: str, now: str, equivalent: bool) -> None:  # noqa: FBT001 - a column of a table
    rules = _rules({**_DROP, "margin": 0.05}, baseline=build.baseline(before))
    delta = decide_suite(build.suite(now), rules).delta
    assert delta is not None
    assert delta.equivalent is equivalent
    plain = decide_suite(build.suite(now), _rules(_DROP, baseline=build.baseline(before))).delta
    assert plain is not None
    assert plain.equivalent is None


def test_an_unacknowledged_weakening_fails_the_build(build: Build) -> None:
    weaker = GateChange("gate changed", "suites.faq.gates[0].min", "0.9", "0.8", "weaker")
    run, rules = build.run(build.suite("PPP")), {"faq": _rules(_POINT)}
    for change, verdict in {
        weaker: "fail",
        replace(weaker, acknowledged="agreed (mia)"): "pass",
        replace(weaker, effect="stricter"): "pass",
        replace(weaker, effect="neutral"): "pass",
    }.items():
        decided = decide(run, rules, warn_inconclusive=False, changes=[change])
        assert (decided.verdict, decided.changed_in_gate) == (verdict, (change,))
        assert decided.suites["faq"].verdict == "pass"


def test_a_stopped_suite_is_decided_without_a_rate(build: Build) -> None:
    suite = replace(build.suite("m" * 20 + "-" * 10), stopped="certainty")
    decided = decide_suite(suite, _rules(_DROP, baseline=build.baseline("P" * 30)))
    assert (decided.verdict, decided.stopped, decided.pass_rate, decided.slices) == ("fail", "certainty", None, ())
    assert decided.delta is not None
    assert (decided.delta.losses, decided.accounting.not_run) == (20, 10)


def test_a_suite_that_was_stopped_too_early_is_incomplete(build: Build) -> None:
    suite = replace(build.suite("mm" + "-" * 28), stopped="certainty")
    decided = decide_suite(suite, _rules(_DROP, baseline=build.baseline("P" * 30)))
    assert decided.verdict == "incomplete"


def test_both_completions_know_the_same_suites(build: Build) -> None:
    suites, baseline = _losses(build, faq=4, law=0)
    rules = {name: _rules(_DROP, baseline=baseline) for name in ("faq", "law")}
    for completion in ("worst", "best"):
        decided = decide_all(suites, rules, completion)
        assert list(decided) == ["faq", "law"]
        assert decided["faq"].p(rules["faq"].effective_gates[0]) == 2 * 2**-5


def _notes(build: Build, trials: Sequence[str], clusters: Sequence[str] = (), **rules: Any) -> tuple[str, ...]:
    suite = build.suite(" ".join([*trials, ""]), fields={i: {"cluster": name} for i, name in enumerate(clusters)})
    return decide_suite(suite, SuiteRules(**rules)).notes


@pytest.mark.parametrize(("clusters", "noted"), [(9, True), (10, False)])
def test_few_clusters_are_noted(build: Build, clusters: int, noted: bool) -> None:  # noqa: FBT001 - a column of a table
    notes = _notes(build, ["P", "m"] * 10, [str(case % clusters) for case in range(20)])
    assert notes == (("only 9 clusters: bounds are rough with fewer than 10",) if noted else ())


def test_a_single_cluster_is_noted_too(build: Build) -> None:
    assert _notes(build, ["P", "m"], ["a", "a"])[0].startswith("only 1 cluster:")


@pytest.mark.parametrize(
    ("trials", "noted"),
    [
        (["PPm"] * 5 + ["PPP"] * 45, None),
        (["PPm"] * 5 + ["PPP"] * 44, "several trials of 49 cases, 5 of them with a failure"),
        (["PPm"] * 4 + ["PPP"] * 60, "several trials of 64 cases, 4 of them with a failure"),
        (["P"] * 20, None),
    ],
)
def test_trials_of_few_cases_are_noted(build: Build, trials: list[str], noted: str | None) -> None:
    notes = _notes(build, trials)
    assert len(notes) == (noted is not None)
    assert noted is None or notes[0].startswith(noted)
    assert noted is None or notes[0].endswith("add cases rather than trials")


@pytest.mark.parametrize("aggregate", ["majority", "pass^3"])
def test_other_aggregates_are_bounded_by_their_cases_and_not_noted(build: Build, aggregate: str) -> None:
    assert _notes(build, ["PPm"] * 20, aggregate=aggregate) == ()


def test_clusters_bound_their_trials(build: Build) -> None:
    assert _notes(build, ["PPm"] * 20, [str(case) for case in range(20)]) == ()


@pytest.mark.parametrize(
    ("cases", "margin", "before", "noted"),
    [
        (199, 0.05, "PP", ("only 199 pairs of means: below 200 a margin may be met too easily",)),
        (200, 0.05, "PP", ()),
        (199, None, "PP", ()),
        (199, 0.05, "P", ()),
    ],
)
def test_a_margin_on_few_means_is_noted(
    build: Build, cases: int, margin: float | None, before: str, noted: tuple[str, ...]
) -> None:
    baseline = build.baseline(" ".join([before] * cases))
    gates = (NoRegressionGate(kind="no-regression", margin=margin),)
    assert _notes(build, ["P"] * cases, gates=gates, baseline=baseline) == noted


def test_a_part_of_a_suite_has_no_notes(build: Build) -> None:
    assert _notes(build, ["PPm", "-"]) == ()


def test_a_corrected_change_notes_its_assumption(build: Build) -> None:
    rules = SuiteRules(baseline=build.baseline("P" * 40), judges={"faq": build.judge()})
    [note] = decide_suite(build.judged("P" * 32 + "m" * 8), rules).notes
    assert note.startswith("the change is the one that judge faq measures, divided by its TPR + TNR - 1 of 0.70")
    assert note.endswith("assumes equal error rates on the baseline and on this run")


@pytest.mark.parametrize("judge", [{"passes": (50, 50), "fails": (50, 50)}, {"report_only": True}])
def test_a_change_that_is_not_divided_has_no_note(build: Build, judge: dict[str, Any]) -> None:
    rules = SuiteRules(baseline=build.baseline("P" * 40), judges={"faq": build.judge(**judge)})
    assert decide_suite(build.judged("P" * 32 + "m" * 8), rules).notes == ()


@pytest.mark.parametrize(("letters", "noted"), [("P" * 18 + "m" * 2, False), ("P" * 19 + "m", True), ("m" * 20, True)])
def test_a_rate_that_the_judge_cannot_come_to_is_noted(build: Build, letters: str, noted: bool) -> None:  # noqa: FBT001 - a column of a table
    notes = decide_suite(build.judged(letters), SuiteRules(judges={"faq": build.judge()})).notes
    assert bool(notes) == noted
    assert not noted or "which its tpr of 0.90 and tnr of 0.80 cannot produce: its error rates may differ" in notes[0]
