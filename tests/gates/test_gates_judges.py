"""Verdicts of judges: their rates, corrections and calibrations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.gates.judges import judge_verdicts
from pytest_evalgate.stats.intervals import wilson_interval
from pytest_evalgate.stats.judged import JudgeErrors, judged_rate

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.gates.rules import JudgeRule
    from pytest_evalgate.records.results import SuiteRun
    from pytest_evalgate.records.verdicts import JudgeVerdict

_DAY = "2026-01-03T23:00:00Z"


def _say(suite: SuiteRun, judge: JudgeRule, *, created: str = _DAY, whole: bool = True) -> JudgeVerdict:
    [verdict] = judge_verdicts(suite.results, {"faq": judge}, created, whole=whole)
    return verdict


def test_graded_and_unreadable_outputs_are_counted(build: Build) -> None:
    found = _say(build.judged("PPPmrx?"), build.judge())
    assert (found.scored, found.unreadable) == (5, 1)
    assert found.pass_rate == pytest.approx(3 / 5)


def test_the_rate_of_a_judge_is_corrected_for_its_errors(build: Build) -> None:
    found = _say(build.judged("P" * 150 + "m" * 30 + "x" * 20 + "r" * 99), build.judge())
    wanted = judged_rate(n=200, passed=0.75, refused=0.25, errors=JudgeErrors(50, 45, 50, 40))
    assert found.corrected is not None
    assert found.corrected.value == pytest.approx((0.75 - 0.2) / 0.7)
    assert found.corrected.interval == pytest.approx((wanted.interval.lower, wanted.interval.upper))
    assert found.corrected.interval[0] < found.corrected.lower < found.corrected.value
    assert found.corrected.method == "rogan-gladen"


def test_its_errors_come_with_their_lower_bounds(build: Build) -> None:
    found = _say(build.judged("P"), build.judge())
    assert found.tpr == (0.9, wilson_interval(45, 50).lower)
    assert found.tnr == (0.8, wilson_interval(40, 50).lower)
    assert (found.name, found.fingerprint, found.calibrated, found.labels) == ("faq", "f", True, 100)


@pytest.mark.parametrize(
    ("created", "days"),
    [("2025-12-22T23:59:00Z", 0), ("2025-12-23T00:00:00Z", 1), (_DAY, 12), ("2025-12-01T00:00:00Z", 0), ("", None)],
)
def test_a_calibration_is_as_old_as_the_run_found_it(build: Build, created: str, days: int | None) -> None:
    assert _say(build.judged("P"), build.judge(), created=created).age_days == days


def test_the_age_in_a_verdict_is_that_on_the_day_of_the_run(build: Build) -> None:
    rules = {"faq": SuiteRules(judges={"faq": build.judge()})}
    verdict = decide(build.run(build.judged("P")), rules, warn_inconclusive=True)
    assert [judge.age_days for judge in verdict.suites["faq"].judges] == [12]


def test_trials_of_one_case_are_not_counted_as_cases(build: Build) -> None:
    agreeing = _say(build.judged(" ".join(["PPP"] * 30 + ["mmm"] * 10)), build.judge())
    single = _say(build.judged("P" * 30 + "m" * 10), build.judge())
    assert (agreeing.scored, single.scored) == (120, 40)
    assert agreeing.corrected == single.corrected


def test_a_case_without_readable_verdicts_is_left_out(build: Build) -> None:
    found = _say(build.judged("PP? ??? mm? PPP"), build.judge())
    assert (found.scored, found.unreadable) == (7, 5)
    assert found.pass_rate == pytest.approx(2 / 3)


def test_clusters_count_as_fewer_cases(build: Build) -> None:
    letters = "P" * 45 + "m" * 15
    fields = {index: {"cluster": str(index // 5)} for index in range(60)}
    alone, clustered = (_say(build.judged(letters, fields=given), build.judge()) for given in ({}, fields))
    assert alone.corrected is not None
    assert clustered.corrected is not None
    assert clustered.corrected.lower < alone.corrected.lower


@pytest.mark.parametrize("letters", ["r", "??", "r?"])
def test_a_judge_without_verdicts_has_no_rate(build: Build, letters: str) -> None:
    found = _say(build.judged(letters), build.judge())
    assert (found.scored, found.pass_rate, found.corrected) == (0, None, None)


def test_a_part_of_a_suite_has_no_rate(build: Build) -> None:
    found = _say(build.judged("PPm"), build.judge(), whole=False)
    assert (found.scored, found.pass_rate, found.corrected) == (3, None, None)
    part = build.judged("PPm")
    rest = build.suite("---", fields={index: {"id": f"more{index}"} for index in range(3)})
    both = replace(part, results=(*part.results, *rest.results))
    assert decide_suite(both, SuiteRules(judges={"faq": build.judge()})).judges[0].pass_rate is None


def test_an_uncalibrated_judge_has_only_a_rate(build: Build) -> None:
    found = _say(build.judged("PPm"), replace(build.judge(why_not="no calibration"), calibration=None))
    assert (found.calibrated, found.why_not, found.labels, found.age_days) == (False, "no calibration", 0, None)
    assert (found.tpr, found.tnr, found.corrected) == (None, None, None)
    assert found.pass_rate == pytest.approx(2 / 3)


@pytest.mark.parametrize("counts", [{"fails": (0, 0)}, {"passes": (25, 50), "fails": (20, 50)}])
def test_unknown_errors_and_those_of_chance_correct_nothing(build: Build, counts: dict[str, Any]) -> None:
    found = _say(build.judged("PPm"), build.judge(**counts))
    assert (found.calibrated, found.corrected) == (True, None)


def test_the_errors_of_a_changed_judge_correct_nothing(build: Build) -> None:
    found = _say(build.judged("PPm"), replace(build.judge(why_not="the rubric changed"), fingerprint="other"))
    assert (found.fingerprint, found.corrected) == ("other", None)
    assert found.tpr is not None


@pytest.mark.parametrize(
    ("judge", "why_not"),
    [
        ({}, None),
        ({"why_not": "it is old"}, "it is old"),
        ({"report_only": True}, "report_only = true"),
        ({"report_only": True, "why_not": "it is old"}, "it is old"),
    ],
)
def test_why_a_judge_may_not_gate(build: Build, judge: dict[str, Any], why_not: str | None) -> None:
    assert _say(build.judged("P"), build.judge(**judge)).why_not == why_not


def test_the_cases_of_the_base_branch_are_not_among_them(build: Build) -> None:
    suite = build.judged("Pmm", fields={1: {"side": "base"}, 2: {"side": "base"}})
    assert decide_suite(suite, SuiteRules(judges={"faq": build.judge()})).judges[0].scored == 1
