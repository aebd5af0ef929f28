"""``--eval-lf``: the cases that run, what it prints, and that a part of a suite has no verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.builders import plan_of, planned

from pytest_evalgate.plugin.last_missed import LastMissed

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_FAQ = plan_of([planned("a"), planned("b"), planned("c")], "faq")
_WHY = "missed, regressed or errored last time (run run-faq)"
_ALL = ". For a verdict, run all: pytest --eval-gate"
_SQL = plan_of([planned("x")], "sql")


def _missed(**cases: list[str]) -> LastMissed:
    return LastMissed(cases, {name: f"run-{name}" for name in cases})


@pytest.mark.parametrize(
    ("last", "selected", "line"),
    [
        (
            _missed(faq=["b", "gone"], sql=[]),
            {"faq": {"b"}, "sql": set()},
            f"--eval-lf: 1 of 4 cases {_WHY}{_ALL}",
        ),
        (
            _missed(faq=["a", "b"]),
            {"faq": {"a", "b"}, "sql": {"x"}},
            f"--eval-lf: 2 of 3 cases {_WHY}; all cases of sql, which never ran{_ALL}",
        ),
        (
            _missed(faq=[], sql=["gone"]),
            None,
            "--eval-lf: no case missed, regressed or errored last time: all cases run",
        ),
        (_missed(other=["a"]), None, "--eval-lf: no stored run of these suites: all cases run"),
    ],
)
def test_the_cases_to_repeat(last: LastMissed, selected: dict[str, set[str]] | None, line: str) -> None:
    assert last.select([_FAQ, _SQL]) == selected
    assert last.line([_FAQ, _SQL]) == line
    assert LastMissed(**last.export()) == last


def test_only_what_missed_runs_again_until_nothing_does(project: Project) -> None:
    project.suite({"a": "yes", "b": "no", "c": None, "d": "yes"}, gates='{ kind = "pass-rate", min = 0.1 }')
    project.suite({"x": "yes"}, name="other")
    first = project.run("--eval-lf")
    assert first.ret == 11
    first.stdout.fnmatch_lines(["evalgate: --eval-lf: no stored run of these suites: all cases run"])

    second = project.run("--eval-lf", "-n", "2")
    assert second.ret == 12
    assert project.outcomes == {"a": "not_run", "b": "missed", "c": "errored", "d": "not_run", "x": "not_run"}
    assert {name: suite["verdict"] for name, suite in project.verdict["suites"].items()} == {
        "faq": "not_evaluated",
        "other": "not_evaluated",
    }
    second.stdout.fnmatch_lines(
        [
            "evalgate: --eval-lf: 2 of 5 cases missed, regressed or errored last time (run *). For a verdict*",
            "evalgate: NOT EVALUATED*(exit 12)",
        ]
    )

    project.golden("golden/faq.out.jsonl", "a", "b", "c", "d", output="yes")
    assert project.run("--eval-lf", "--eval-fail-cases").ret == 12
    last = project.run("--eval-lf")
    assert last.ret == 0
    assert set(project.outcomes.values()) == {"passed"}
    last.stdout.fnmatch_lines(["evalgate: --eval-lf: no case missed, regressed or errored last time: all cases run"])


def test_marked_tests_and_failing_cases_take_part(project: Project) -> None:
    project.test("return {'x': 'yes'}.get(case.id, 'no')")
    project.golden("golden/code.jsonl", "x", "y")
    project.run()
    result = project.run("--eval-lf", "--eval-fail-cases")
    assert result.ret == 1
    result.assert_outcomes(failed=1, deselected=1)
    assert project.outcomes == {"x": "not_run", "y": "missed"}
