from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import Suite
from pytest_evalgate.gates import EXIT_CODES, SuiteRules, decide
from pytest_evalgate.gates.decide import worst
from pytest_evalgate.records.results import VerdictName

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.records.results import Verdict

_POINT = {"kind": "pass-rate", "min": 0.8, "bound": "point"}
_CI = {"kind": "pass-rate", "min": 0.8}
_MUST = {"kind": "must-pass"}
_NO_REGRESSION = {"kind": "no-regression"}


def _rules(*gates: dict[str, Any], **fields: Any) -> SuiteRules:
    return SuiteRules(gates=Suite.model_validate({"golden": "g", "gates": gates}).gates, **fields)


def _decide(build: Build, letters: str, *gates: dict[str, Any], warn: bool = True, **fields: Any) -> Verdict:
    return decide(build.run(build.suite(letters)), {"faq": _rules(*gates, **fields)}, warn_inconclusive=warn)


def test_every_verdict_has_an_exit_code_of_its_own() -> None:
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
    judged = _decide(build, letters, gate, warn=False)
    assert (judged.verdict, judged.exit_code) == (verdict, code)
    assert judged.suites["faq"].verdict == verdict


def test_inconclusive_may_be_a_warning(build: Build) -> None:
    judged = _decide(build, "P" * 9 + "m", _CI, warn=True)
    assert (judged.verdict, judged.exit_code) == ("inconclusive", 0)


def test_the_worst_gate_decides_the_suite(build: Build) -> None:
    judged = _decide(build, "P" * 9 + "m", _CI, _MUST)
    assert [gate.result for gate in judged.suites["faq"].gates] == ["inconclusive", "fail"]
    assert judged.verdict == "fail"


@pytest.mark.parametrize("letters", ["mmm", "???", "---"])
def test_an_advisory_suite_never_blocks(build: Build, letters: str) -> None:
    run = build.run(build.suite("PPP"), build.suite(letters, name="new"))
    rules = {"faq": _rules(_MUST), "new": _rules(_MUST, advisory=True)}
    judged = decide(run, rules, warn_inconclusive=False)
    assert (judged.verdict, judged.exit_code) == ("pass", 0)
    assert judged.suites["new"].verdict != "pass"
    assert judged.suites["new"].mode == "advisory"


def test_problems_make_the_run_invalid_whatever_the_gates_say(build: Build) -> None:
    run = build.run(build.suite("PPP"), problems=("a worker collected other cases",))
    judged = decide(run, {"faq": _rules(_MUST)}, warn_inconclusive=True)
    assert (judged.verdict, judged.exit_code, judged.problems) == ("invalid", 4, run.problems)


def test_a_run_without_a_suite_is_no_pass(build: Build) -> None:
    judged = decide(build.run(), {}, warn_inconclusive=True, not_run=["faq"])
    assert (judged.verdict, judged.exit_code, judged.suites_not_run) == ("invalid", 5, ("faq",))


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
    judged = _decide(build, "?" * missing + "P" * (planned - missing), gate, max_error_rate=rate)
    assert judged.verdict == result


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
    judged = _decide(build, letters, gate, max_error_rate=1.0)
    assert judged.verdict == result
    if result == "incomplete":
        assert judged.suites["faq"].gates[0].message == (
            "fail or pass, depending on the missing results; retry the job"
        )


def test_missing_answers_that_decide_only_whether_the_bound_is_reached_leave_it_open(build: Build) -> None:
    judged = _decide(build, "P" * 86 + "m" * 11 + "?" * 3, _CI, max_error_rate=1.0)
    assert judged.suites["faq"].gates[0].result == "inconclusive"
    assert judged.suites["faq"].gates[0].value == 0.86


def test_missing_answers_are_completed_against_the_baseline_too(build: Build) -> None:
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
    judged = _decide(build, "PPm", *gates, record_without_baseline=records)
    assert judged.verdict == verdict
    assert judged.exit_code == (0 if records else 4)
    assert judged.suites["faq"].gates[0].message.startswith("no baseline yet: pytest-evalgate baseline promote")
    assert judged.suites["faq"].delta is None


def test_without_gates_a_baseline_is_enough_to_judge(build: Build) -> None:
    suite = build.suite("m" * 10 + "P" * 10)
    judged = decide_suite(suite, SuiteRules(baseline=build.baseline("P" * 20)))
    assert [(gate.kind, gate.result) for gate in judged.gates] == [("no-regression", "fail")]


def test_a_suite_verdict_describes_the_counted_cases(build: Build) -> None:
    judged = decide_suite(build.suite("PPPmSS"), _rules(_POINT))
    assert (judged.cases, judged.passed, judged.pass_rate) == (4, 3, 0.75)
    assert (judged.accounting.planned, judged.accounting.skipped) == (6, 2)
    assert judged.interval is not None
    assert judged.interval[0] < 0.75 < judged.interval[1]


def test_a_suite_without_counted_cases_has_no_rate(build: Build) -> None:
    judged = decide_suite(build.suite("SS"), _rules(_CI, _MUST))
    assert (judged.pass_rate, judged.interval, judged.cases) == (None, None, 0)
    assert {gate.result for gate in judged.gates} == {"invalid"}


def test_the_accounts_of_all_suites_add_up(build: Build) -> None:
    run = build.run(build.suite("PPm"), build.suite("S?P", name="new"))
    judged = decide(run, {"faq": _rules(_MUST), "new": _rules(_MUST)}, warn_inconclusive=True)
    total = judged.accounting
    assert (total.planned, total.passed, total.missed, total.errored, total.skipped, total.not_run) == (
        6,
        3,
        1,
        1,
        1,
        0,
    )
