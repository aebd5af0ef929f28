from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_BOT = "def answer(question):\n    note(question)\n    return 'yes'\n"
_NOTE_PROCESSES = """
def pytest_runtest_logreport(report):
    if report.when == "call" and __import__("os").environ.get("PYTEST_XDIST_WORKER") is None:
        with open("ran", "a") as file:
            file.write(f"{report.nodeid} {getattr(report, 'worker_id', 'controller')}\\n")
"""


@pytest.fixture(autouse=True)
def _own_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a session in this process be the controller, also if this process is a worker."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


def _live_and_recorded(project: Project) -> None:
    """The suite "faq" of an application, the recorded suite "more", and an ordinary test."""
    project.python_suite(_BOT, "a", "b")
    project.suite({"c": "yes", "d": "no"}, name="more")
    project.write("test_it.py", "def test_ordinary():\n    pass\n")
    project.write("conftest.py", _NOTE_PROCESSES)


def _processes(project: Project) -> dict[str, str]:
    lines = (project.path / "ran").read_text(encoding="utf-8").splitlines()
    return {nodeid.rpartition("::")[2]: process for nodeid, process in map(str.split, lines)}


def _stable(project: Project) -> str:
    """Return the verdict as text: the order of its suites counts."""
    verdict: dict[str, Any] = {**project.verdict, "run_id": "", "duration_s": 0.0}
    verdict["suites"] = {name: {**suite, "trend": None} for name, suite in verdict["suites"].items()}
    return json.dumps(verdict)


def test_recorded_cases_run_on_the_controller_and_all_others_on_workers(project: Project) -> None:
    _live_and_recorded(project)
    assert project.run().ret == 0
    wanted, outcomes = _stable(project), list(project.outcomes.items())
    for workers in ("2", "4"):
        (project.path / "ran").unlink()
        result = project.run("-n", workers)
        assert result.ret == 0
        assert _stable(project) == wanted
        assert list(project.outcomes.items()) == outcomes
        assert _processes(project) == {
            "a": "gw0",
            "b": "gw0",
            "c": "controller",
            "d": "controller",
            "test_ordinary": _processes(project)["test_ordinary"],
        }
        assert _processes(project)["test_ordinary"].startswith("gw")
        assert "100%" in result.stdout.str()


def test_no_worker_starts_if_only_recorded_suites_are_named(project: Project) -> None:
    _live_and_recorded(project)
    result = project.run("-n2", "golden/more.jsonl")
    assert result.ret == 0
    assert "workers" not in result.stdout.str()
    assert _processes(project) == dict.fromkeys("cd", "controller")


@pytest.mark.parametrize("args", [("golden/more.jsonl::c", "test_it.py"), ("--lf",)], ids=" ".join)
def test_single_cases_and_repetitions_are_collected_by_the_workers(project: Project, args: tuple[str, ...]) -> None:
    _live_and_recorded(project)
    project.run("-n2", *args, cache=True)
    assert "controller" not in _processes(project).values()


def test_spread_cases_run_on_workers(project: Project) -> None:
    _live_and_recorded(project)
    project.configure('xdist = "spread"')
    assert project.run("-n2").ret == 0
    assert "controller" not in _processes(project).values()


def test_suites_that_share_a_golden_set_stay_together(project: Project) -> None:
    _live_and_recorded(project)
    project.suite({"c": "yes", "d": "no"}, name="third", golden='["golden/more.jsonl", "golden/third.jsonl"]')
    project.golden("golden/third.jsonl", "e")
    project.configure('golden = "golden/third.jsonl"\ntarget = { python = "bot:answer" }\n', table="suites.fourth")
    project.run("-n2")
    assert "controller" not in _processes(project).values()
    assert list(project.verdict["suites"]) == ["faq", "more", "third", "fourth"]


def test_a_missed_recorded_case_ends_a_session_with_x(project: Project) -> None:
    _live_and_recorded(project)
    result = project.run("-n2", "-x", "--eval-fail-cases")
    assert result.ret == 1
    assert project.verdict["verdict"] == "not_evaluated"
    assert project.verdict["accounting"]["planned"] == 4
    assert project.outcomes["d"] == "missed"


def test_a_problem_of_the_workers_keeps_recorded_cases_from_running(project: Project) -> None:
    _live_and_recorded(project)
    project.write("test_bad.py", "import nowhere\n")
    assert project.run("-n2").ret == 1
    assert project.verdict["verdict"] == "invalid"
    assert set(project.outcomes.values()) == {"not_run"}


def test_workers_do_not_read_the_golden_sets_of_the_controller(project: Project) -> None:
    _live_and_recorded(project)
    project.write(
        "conftest.py",
        "import os\nif os.environ.get('PYTEST_XDIST_WORKER'):\n"
        "    from pytest_evalgate import golden\n    load = golden.load\n"
        "    def checked(paths, **kwargs):\n"
        "        assert not any(path.name == 'more.jsonl' for path in paths)\n"
        "        return load(paths, **kwargs)\n"
        "    golden.load = checked\n",
    )
    assert project.run("-n2").ret == 0
    assert project.outcomes == {"a": "passed", "b": "passed", "c": "passed", "d": "missed"}
