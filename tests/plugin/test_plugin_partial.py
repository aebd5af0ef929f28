from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_OUTPUTS: dict[str, str | None] = {"a": "yes", "b": "no", "c": "yes"}


@pytest.mark.parametrize(
    "args",
    [
        ("-k", "b"),
        ("golden/faq.jsonl::a", "golden/faq.jsonl::c"),
        ("--deselect", "golden/faq.jsonl::b"),
        ("-n", "2", "-k", "b"),
    ],
    ids=" ".join,
)
def test_a_part_of_a_suite_is_not_evaluated(project: Project, args: tuple[str, ...]) -> None:
    project.suite(_OUTPUTS)
    result = project.run(*args)
    assert (result.ret, project.verdict["exit_code"], project.verdict["verdict"]) == (12, 12, "not_evaluated")
    accounting = project.verdict["accounting"]
    assert accounting["planned"] == 3
    assert accounting["not_run"] > 0


def test_m_without_a_match_runs_nothing(project: Project) -> None:
    project.suite(_OUTPUTS)
    assert project.run("-m", "slow").ret == 5
    assert project.verdict["verdict"] == "not_evaluated"
    assert project.verdict["accounting"]["not_run"] == 3


def test_lf_runs_the_missed_cases_again(project: Project) -> None:
    project.suite(_OUTPUTS | {"d": None}, gates='{ kind = "pass-rate", min = 0.1, bound = "point" }')
    project.test("return 'yes'")
    project.golden("golden/code.jsonl", "x")
    assert project.run(cache=True).ret == 11
    result = project.run("--lf", "-v", cache=True)
    assert result.ret == 12
    assert project.verdict["verdict"] == "not_evaluated"
    assert project.outcomes == {"a": "not_run", "b": "missed", "c": "not_run", "d": "errored"}


def test_lf_forgets_a_case_that_passes_again(project: Project) -> None:
    project.suite(_OUTPUTS)
    assert project.run(cache=True).ret == 0
    project.golden("golden/faq.out.jsonl", "a", "b", "c", output="yes")
    assert project.run(cache=True).ret == 0
    project.run("--lf", cache=True).stdout.fnmatch_lines(["*3 passed*"])


def test_a_whole_suite_by_path_is_not_partial(project: Project) -> None:
    project.suite(_OUTPUTS)
    project.suite({"x": "yes"}, name="other")
    assert project.run("golden/faq.jsonl").ret == 0
    assert project.verdict["verdict"] == "pass"
    assert list(project.verdict["suites"]) == ["faq"]
    assert project.verdict["suites_not_run"] == ["other"]


def test_one_of_two_golden_sets_of_a_suite_is_partial(project: Project) -> None:
    project.suite(_OUTPUTS, golden='["golden/faq.jsonl", "more/faq.jsonl"]')
    project.golden("more/faq.jsonl", "x")
    assert project.run("golden").ret == 12
    assert project.outcomes["x"] == "not_run"


def test_golden_sets_outside_of_testpaths_are_collected(project: Project) -> None:
    project.pytester.makeini("[pytest]\ntestpaths = tests\n")
    project.suite(_OUTPUTS)
    project.write("tests/test_it.py", "def test_ordinary():\n    pass\n")
    result = project.run()
    assert result.ret == 0
    result.assert_outcomes(passed=3)
    assert project.verdict["accounting"]["planned"] == 3


def test_a_golden_set_that_pytest_is_told_to_ignore_is_an_error(project: Project) -> None:
    project.suite(_OUTPUTS)
    result = project.run("--ignore", "golden")
    assert result.ret == 4
    project.listed(result).fnmatch_lines(["*suite faq was not collected: golden/faq.jsonl: *excluded*"])
    assert project.verdict["verdict"] == "invalid"


def test_a_golden_set_below_norecursedirs_runs_or_is_an_error(project: Project) -> None:
    project.pytester.makeini("[pytest]\nnorecursedirs = golden\n")
    project.suite(_OUTPUTS)
    result = project.run()
    assert result.ret == 4
    project.listed(result).fnmatch_lines(
        ["*suite faq was not collected: golden/faq.jsonl: *excluded by norecursedirs*"]
    )


def test_a_golden_set_on_the_command_line_needs_no_configuration(project: Project) -> None:
    project.golden("some/set.jsonl", "a", "b", output="yes")
    result = project.run("some/set.jsonl")
    assert result.ret == 0
    assert project.verdict["suites"]["set"]["passed"] == 2
    result.stdout.fnmatch_lines(["evalgate: INCONCLUSIVE*no baseline yet*(exit 0*"])


def test_a_golden_set_without_outputs_names_the_next_step(project: Project) -> None:
    project.golden("set.jsonl", "a")
    result = project.run("set.jsonl")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*set.jsonl: no target:*--eval-target*"])


def test_a_target_from_the_command_line(project: Project) -> None:
    project.golden("set.jsonl", "a")
    project.write("bot.py", "def answer(question):\n    return 'yes'\n")
    assert project.run("set.jsonl", "--eval-target", "python:bot:answer").ret == 0
    assert project.outcomes == {"a": "passed"}


def test_a_project_below_a_symbolic_link(project: Project) -> None:
    project.suite(_OUTPUTS)
    link = project.path.parent / f"{project.path.name}-link"
    link.symlink_to(project.path, target_is_directory=True)
    assert project.run(str(link), "--rootdir", str(link)).ret == 0
    assert project.verdict["accounting"]["planned"] == 3
    assert project.outcomes == {"a": "passed", "b": "missed", "c": "passed"}
