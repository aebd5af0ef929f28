from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.results import SuiteRun
from pytest_evalgate.stats.stability import aa_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.cli.conftest import Project

_RUN, _OTHER = "20260102T000000Z-bbbb", "20260103T000000Z-cccc"
_AGAIN = "and a comparison takes at least 2: pytest --eval-gate --eval-trials 10"
_SENT, _REMEMBERED = (CallRecord("target", "m-1", 1),), (CallRecord("target", "m-1", 0),)


def _flipping(trials: int, *, cases: int, flaky: int) -> list[str]:
    """Make cases of which the first ``flaky`` pass each trial with a chance of their own."""
    draw = random.Random(7)  # noqa: S311 - seeded, so that the screen stays
    chances = [draw.uniform(0.2, 0.95) for _ in range(flaky)] + [1.0] * (cases - flaky)
    return ["".join("P" if draw.random() < chance else "m" for _ in range(trials)) for chance in chances]


@pytest.fixture
def project(project_of: Callable[[str], Project]) -> Project:
    return project_of("aa")


def test_the_screen(project: Project, assert_screen: Callable[[str, str], None]) -> None:
    project.store([*_flipping(10, cases=198, flaky=40), "PPPPPPPPP?", "?" * 10])
    code, out, err = project.call("faq")
    assert (code, err) == (0, "")
    assert_screen("aa", out)


def test_each_trial_is_a_run(project: Project) -> None:
    cases = _flipping(6, cases=50, flaky=20)
    project.store(cases)
    found = project.only()
    expected = aa_runs([[int(word[trial] == "P") for word in cases] for trial in range(6)])
    assert (found["runs"], found["cases"], found["comparisons"], found["independent"]) == (6, 50, 30, 3)
    assert found["false_alarm_rate"] == expected.false_alarm_rate
    assert found["expected_false_alarm_rate"] == expected.expected_false_alarm_rate
    assert found["flip_rate"] == expected.flips.rate
    assert found["flip_interval"] == [expected.flips.interval.lower, expected.flips.interval.upper]


def test_naive_gates_are_tried_on_the_same_runs(project: Project) -> None:
    project.store(["PPm", "PmP", "PPP"])  # passes a run: 3, 2, 2
    found = project.only()
    assert found["any_drop_rate"] == pytest.approx(2 / 6)  # first to second, first to third
    assert found["any_loss_rate"] == pytest.approx(4 / 6)  # and second to third, third to second


def test_a_wider_alpha_alarms_more(project: Project) -> None:
    project.store(["Pm"] * 3 + ["PP"] * 7)  # three losses: p = 1/16
    assert project.only()["false_alarm_rate"] == 0
    assert project.only("--alpha", "0.1")["false_alarm_rate"] == 0.5


def test_the_cases_that_flip_most_come_first(project: Project) -> None:
    project.store(["PPPP", "PPPm", "PPmm", "Pmmm", "mmmm", "mPPP"])
    found = project.only()
    assert [(case["id"], case["place"], case["passes"]) for case in found["flaky"]] == [
        ("c2", "g.jsonl:3", 2),
        ("c3", "g.jsonl:4", 1),
        ("c1", "g.jsonl:2", 3),
        ("c5", "g.jsonl:6", 3),
    ]
    assert found["flaky_more"] == 0


def test_twenty_flaky_cases_are_listed_and_the_rest_counted(project: Project) -> None:
    project.store(["Pm"] * 23)
    found = project.only()
    assert (len(found["flaky"]), found["flaky_more"]) == (20, 3)
    assert project.call()[1].splitlines()[-1] == "    ... 3 more"


def test_a_case_with_a_missing_trial_is_left_out_and_counted(project: Project) -> None:
    project.store(["PPP", "P?P", "PP", "S", "PmP"])
    found = project.only()
    assert (found["cases"], found["left_out_unanswered"]) == (2, 2)
    assert "left out: 2 cases without an output in every trial" in project.call()[1]


def test_cases_of_the_base_branch_are_not_measured(project: Project) -> None:
    suite = project.suite(["PP", "Pm"])
    old = replace(suite.results[1].case, id="c1@base", side="base")
    held = replace(suite.results[1], case=old)
    plan = replace(suite.plan, cases=(suite.plan.cases[0], old))
    project.store(SuiteRun(plan, (suite.results[0], held)))
    assert (project.only()["cases"], project.only()["flip_rate"]) == (1, 0)


def test_a_target_that_never_flips_is_reported_as_deterministic(project: Project) -> None:
    project.store(["PPP", "mmm"])
    out = project.call()[1]
    assert "0 of 2 cases flipped" in out
    assert "the target is deterministic, or its outputs do not depend on the trial" in out


def test_a_rate_above_alpha_is_pointed_out(project: Project) -> None:
    printed = "these runs were not identical"
    project.store(["PPPPPPPPPPmmmmmmmmmm"] * 40)
    assert printed not in project.call()[1]  # half of the pairs alarm, which ten independent ones do not exclude yet
    project.store(["P" * 100 + "m" * 100] * 40)
    assert printed in project.call()[1]


def test_control_characters_in_names_are_escaped(project: Project) -> None:
    suite = project.suite(["Pm"])
    case = replace(suite.plan.cases[0], id="c\x1b[31m")
    project.store(SuiteRun(replace(suite.plan, cases=(case,)), (replace(suite.results[0], case=case),)))
    assert "c\\x1b[31m" in project.call()[1]


def test_every_suite_with_several_trials_is_measured(project: Project) -> None:
    words = {"a": ["PP"], "b": ["P"], "c": ["mm", "mP"]}
    project.store(*(project.suite(cases, name) for name, cases in words.items()))
    assert [found["suite"] for found in project.json()] == ["a", "c"]
    assert project.only("c")["cases"] == 2
    assert project.call()[1].count(" flipped") == 2


@pytest.mark.parametrize("arguments", [(), ("faq",), ("--run", _RUN), ("--runs", _RUN)])
def test_one_trial_is_not_enough(project: Project, arguments: tuple[str, ...]) -> None:
    project.store(["P"])
    assert project.call(*arguments) == (
        4,
        "",
        f"pytest-evalgate: run {_RUN} has 1 trial for each case of suite faq, {_AGAIN}\n",
    )


def test_a_named_run_is_taken(project: Project) -> None:
    project.store(["PP"])
    project.store(["Pm"], run_id=_OTHER)
    assert project.only()["flip_rate"] == 1
    assert project.only("--run", _RUN)["flip_rate"] == 0


def test_stored_runs_stand_for_trials(project: Project) -> None:
    project.store(["P", "m", "P"], calls=_SENT)
    project.store(["PP", "mP", "m?"], calls=_SENT, run_id=_OTHER)
    found = project.only("faq", "--runs", _OTHER, _RUN)
    assert (found["runs"], found["cases"], found["left_out_unanswered"]) == (3, 2, 1)
    assert found["source"] == f"run {_RUN}, run {_OTHER}"
    assert [(case["id"], case["passes"]) for case in found["flaky"]] == [("c1", 1)]


def test_an_output_from_the_cache_is_not_another_run(project: Project) -> None:
    project.store(["P", "m"], calls=_REMEMBERED)
    project.store(["P", "m"], calls=_REMEMBERED, run_id=_OTHER)
    code, _, err = project.call("--runs", _RUN, _OTHER)
    assert code == 4
    assert "no case is left to compare (0 without an output in every trial, 2 with an output from the cache)" in err
    half = project.suite(["P", "P"], calls=_SENT)
    again = project.suite(["P", "P"], calls=_REMEMBERED)
    project.store(SuiteRun(half.plan, (half.results[0], again.results[1])), run_id=_OTHER)
    assert (project.only("--runs", _RUN, _OTHER)["cases"],) == (1,)
    assert (
        "left out: 1 case whose output in a later run came from the cache" in project.call("--runs", _RUN, _OTHER)[1]
    )


def test_trials_from_the_cache_are_as_good_as_new(project: Project) -> None:
    project.store(["Pm", "PP"], calls=_REMEMBERED)
    assert project.only()["cases"] == 2


def test_a_case_that_another_run_does_not_hold_is_left_out(project: Project) -> None:
    project.store(["P", "P"])
    project.store(["P"], run_id=_OTHER)
    assert project.only("--runs", _RUN, _OTHER)["left_out_unanswered"] == 1


@pytest.mark.parametrize(
    ("other", "fields", "runs", "message"),
    [
        (["P"], {"golden": "h"}, (_RUN, _OTHER), f"{_OTHER} and {_RUN} differ in the golden set of suite faq"),
        (["P"], {"name": "sql"}, (_RUN, _OTHER), f"run {_OTHER} does not contain suite faq"),
        (["P"], {}, (_RUN, _RUN), "a run is named twice"),
        (["P"], {}, (_RUN, "gone"), "run.jsonl"),
        (["?"], {}, (_RUN, _OTHER), "no case is left to compare (1 without an output in every trial, 0 with"),
    ],
)
def test_runs_that_are_not_identical_are_refused(
    project: Project, other: Sequence[str], fields: Mapping[str, Any], runs: tuple[str, ...], message: str
) -> None:
    project.store(["P"])
    project.store(project.suite(other, **fields), run_id=_OTHER)
    code, out, err = project.call("--runs", *runs)
    assert (code, out) == (4, "")
    assert message in err


def test_scorers_have_to_be_the_same(project: Project) -> None:
    suite = project.suite(["P"])
    project.store(suite)
    project.store(replace(suite, plan=replace(suite.plan, scorers_sha256="t" * 64)), run_id=_OTHER)
    assert "differ in the scorers of suite faq" in project.call("--runs", _RUN, _OTHER)[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("fax",), "no suite 'fax'"), (("--run", "gone"), "run.jsonl")],
)
def test_an_unknown_suite_or_run_exits_4(project: Project, arguments: tuple[str, ...], message: str) -> None:
    project.store(["PP"])
    code, _, err = project.call(*arguments)
    assert code == 4
    assert message in err


def test_without_a_run_the_message_names_the_command(project: Project) -> None:
    assert "run first with: pytest --eval-gate" in project.call()[2]


@pytest.mark.parametrize("arguments", [("--run", "a", "--runs", "b"), ("--alpha", "0.6")])
def test_a_wrong_command_line_is_refused(project: Project, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        project.call(*arguments)
    assert caught.value.code == 2
