from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config as config_
from pytest_evalgate import golden
from pytest_evalgate.records.results import CaseResult, Run, SuiteRun, Trial
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.runs.run_file import RunInfo, config_sha256
from pytest_evalgate.runs.shard import Shard
from pytest_evalgate.runs.state import StateFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Command

_CONFIG = """
[suites.faq]
golden = "g.jsonl"
baseline = "baselines/faq.json"
gates = [{ kind = "no-regression" }, { kind = "pass-rate", min = 0.5, bound = "point" }]
"""


@dataclass(frozen=True)
class Project:
    """A configured folder, and shards in the folder ``parts``; ``P`` passed, ``m`` missed, ``?`` no answer."""

    root: Path
    evalgate: Command

    @property
    def state(self) -> Path:
        return self.root / ".evalgate"

    @property
    def verdict(self) -> Any:
        return json.loads((self.state / "verdict.json").read_text())

    def configure(self, text: str) -> None:
        (self.root / "evalgate.toml").write_text(text)

    def run(self, letters: str) -> Run:
        rows = [{"id": f"c{index}", "input": "q", "expected": "yes"} for index in range(len(letters))]
        (self.root / "g.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        sets = golden.load([self.root / "g.jsonl"], root=self.root)
        plan = make_plan("faq", sets, scorers="exact", trials=1, slices=())
        outcomes: dict[str, Any] = {"P": ("passed", 1.0), "m": ("missed", 0.0), "?": ("errored", None)}
        results = tuple(
            CaseResult(case, outcomes[letter][0], (Trial(0, outcomes[letter][1]),), "" if letter == "P" else "exact")
            for case, letter in zip(plan.cases, letters, strict=True)
        )
        return Run("r", "2026-01-01T00:00:00Z", None, (SuiteRun(plan, results),), 1.0)

    def promote(self, letters: str) -> None:
        run = self.run(letters)
        baseline = baselines.promote(run, run.suites[0], reason="first", now="2026-01-01T00:00:00Z")
        baselines.write(baseline, self.root / "baselines" / "faq.json")

    def store(self, letters: str, count: int = 2, **more: Any) -> None:
        """Write the shards of a run; ``more`` goes over every shard's run."""
        run, config = self.run(letters), config_sha256(config_.load(self.root))
        for index in range(1, count + 1):
            shard = Shard(index, count)
            mine = shard.cases_of(run.suites[0].plan)
            results = tuple(
                result if result.case.id in mine else CaseResult(result.case, "not_run")
                for result in run.suites[0].results
            )
            part = replace(run, id=f"r{index}", suites=(replace(run.suites[0], results=results),), **more)
            run_file.write(part, self.root / "parts" / shard.file_name, RunInfo(config, None, shard))

    def call(self, *arguments: str, count: int = 2) -> tuple[int, str, str]:
        return self.evalgate("merge", "parts", "--expect-shards", str(count), *arguments)


@pytest.fixture
def project(folder: Path, evalgate: Command, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("COLUMNS", "100")
    found = Project(folder, evalgate)
    found.configure(_CONFIG)
    return found


def test_without_gate_the_run_is_stored_and_not_judged(project: Project) -> None:
    project.store("PPmP")
    code, out, err = project.call()
    [path] = (project.state / "runs").glob("*/run.jsonl")
    name = path.relative_to(project.root).as_posix()
    assert (code, out, err) == (0, f"merged into run {path.parent.name}, 4 cases: {name}\n", "")
    run, origin = run_file.read_with_info(path)
    assert [result.outcome for result in run.suites[0].results] == ["passed", "passed", "missed", "passed"]
    assert origin == RunInfo(config_sha256(config_.load(project.root)))
    assert not (project.state / "verdict.json").exists()


def test_merging_again_gives_the_same_run(project: Project) -> None:
    project.store("PPmP")
    assert project.call() == project.call()


@pytest.mark.parametrize(
    ("letters", "code", "verdict"),
    [("PPPP", 0, "pass"), ("mmmm", 1, "fail"), ("PPPm", 0, "pass"), ("PP??", 11, "incomplete")],
)
def test_with_gate_the_exit_code_is_that_of_the_verdict(
    project: Project, letters: str, code: int, verdict: str
) -> None:
    project.promote("PPPP")
    project.store(letters)
    found, out, err = project.call("--gate")
    assert (found, err) == (code, "")
    assert (project.verdict["verdict"], project.verdict["exit_code"]) == (verdict, code)
    lines = out.splitlines()
    assert (
        lines[0]
        == "============================================ eval gate ============================================="
    )
    assert f"(exit {code}" in lines[-1]
    assert lines[-1].startswith("evalgate: ")


def test_the_screen_names_the_files(project: Project) -> None:
    project.promote("PPPP")
    project.store("PPPP")
    out = project.call("--gate")[1]
    assert "report: .evalgate/report.html" in out.splitlines()
    assert (project.root / ".evalgate" / "report.html").exists()


@pytest.mark.parametrize("gate", [True, False])
def test_json_says_which_run_and_verdict(project: Project, gate: bool) -> None:  # noqa: FBT001 - a table
    project.promote("PPPP")
    project.store("mmmm")
    code, out, _ = project.call("--json", *(["--gate"] if gate else []))
    said = json.loads(out)
    assert code == (1 if gate else 0)
    assert said["run"] == f".evalgate/runs/{said['run_id']}/run.jsonl"
    assert said["verdict"] == (project.verdict if gate else None)


def test_the_history_learns_of_a_merged_run_once(project: Project) -> None:
    project.promote("PPPP")
    project.store("PPPP")
    for _ in range(2):
        project.call("--gate")
    assert len((project.state / "history.jsonl").read_text().splitlines()) == 1


def test_shards_that_make_no_run_exit_4_and_leave_no_verdict(project: Project) -> None:
    project.store("PPPP")
    project.call("--gate")
    (project.root / "parts" / "2-of-2.jsonl").unlink()
    code, out, err = project.call("--gate")
    assert (code, out) == (4, "")
    assert err.startswith("pytest-evalgate: shard 2 of 2 is missing (2-of-2.jsonl): 2 cases not run (faq/c")
    assert not (project.state / "verdict.json").exists()
    with StateFolder(project.state).locked():
        pass  # it was released


def test_more_shards_than_expected_exit_4(project: Project) -> None:
    project.store("PPPP", count=3)
    code, _, err = project.call(count=2)
    assert code == 4
    assert "parts: expected 2 shards, but it contains 1-of-3.jsonl, 2-of-3.jsonl, 3-of-3.jsonl" in err


def test_a_hostile_file_is_an_error_with_its_name(project: Project) -> None:
    project.store("PPPP")
    (project.root / "parts" / "1-of-2.jsonl").write_bytes(b"\x80\x04\x95cos\nsystem\n(S'id'\ntR.")
    code, out, err = project.call("--gate")
    assert (code, out) == (4, "")
    assert "parts/1-of-2.jsonl:1: not UTF-8" in err
    assert "Traceback" not in err


def test_the_run_is_judged_by_the_configuration_that_it_was_made_with(project: Project) -> None:
    project.promote("PPPP")
    project.store("mmmm", commit="8c1f2d0aaaaaaaaa")
    project.configure(_CONFIG.replace("min = 0.5", "min = 0.1"))
    code, _, err = project.call("--gate")
    assert code == 4
    assert "has another configuration than" in err
    assert err.endswith(": decide it in a checkout of commit 8c1f2d0aaaaa\n")
    assert not (project.state / "verdict.json").exists()
    assert project.call()[0] == 0


@pytest.mark.parametrize("ci", ["true", "false"])
def test_in_ci_a_missing_baseline_is_refused_as_in_a_session(
    project: Project, monkeypatch: pytest.MonkeyPatch, ci: str
) -> None:
    monkeypatch.setenv("CI", ci)
    project.store("PPPP")
    code = project.call("--gate")[0]
    assert (code, project.verdict["verdict"]) == ((4, "invalid") if ci == "true" else (0, "inconclusive"))


@pytest.mark.parametrize("by", ["option", "variable"])
def test_another_baseline_can_be_asked_for(project: Project, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    project.promote("PPPP")
    (project.root / "baselines" / "faq.json").rename(project.root / "baselines" / "other.json")
    project.store("PPmP")
    if by == "variable":
        monkeypatch.setenv("EVALGATE_BASELINE", "baselines/other.json")
    project.call("--gate", *(["--baseline", "baselines/other.json"] if by == "option" else []))
    delta = project.verdict["suites"]["faq"]["delta"]
    assert (delta["baseline"], delta["losses"]) == ("file:baselines/other.json", 1)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        ("baselines/faq.json", "evalgate.toml:4: suites.faq.baseline: file:baselines/faq.json: "),
        ("evalgate.toml", "evalgate.toml:1: not TOML: "),
    ],
)
def test_what_cannot_be_read_exits_4(project: Project, spoil: str, told: str) -> None:
    project.promote("PPPP")
    project.store("PPPP")
    (project.root / spoil).write_text("{")
    code, out, err = project.call("--gate")
    assert (code, out) == (4, "")
    assert err.startswith(f"pytest-evalgate: {told}")


def test_a_refused_shard_leaves_nothing_to_judge(project: Project) -> None:
    project.promote("PPPP")
    project.store("PPPP", refused="over \x1b[31mbudget")
    code, out, _ = project.call("--gate")
    assert (code, project.verdict["verdict"]) == (12, "not_evaluated")
    assert "NOT EVALUATED: shard 1 of 2: over \\x1b[31mbudget; shard 2 of 2: over" in out


def test_problems_of_a_shard_make_the_run_invalid(project: Project) -> None:
    project.promote("PPPP")
    project.store("PPPP", problems=("test_x.py could not be collected",))
    code, out, _ = project.call("--gate")
    assert (code, project.verdict["problems"]) == (4, ["test_x.py could not be collected"])
    assert "INVALID: test_x.py could not be collected" in out


def test_another_session_in_the_folder_is_waited_for(project: Project) -> None:
    project.store("PPPP")
    project.state.mkdir()
    with StateFolder(project.state).locked():
        code, _, err = project.call()
    assert code == 4
    assert f"another session (process {os.getpid()} on " in err


@pytest.mark.parametrize("by", ["option", "variable", "pull request"])
def test_a_gate_that_the_branch_weakened_fails_the_merged_run(
    project: Project, monkeypatch: pytest.MonkeyPatch, git: Callable[..., None], by: str
) -> None:
    project.promote("PPPP")
    git("init", "-q", "-b", "main")
    git("add", "evalgate.toml", "g.jsonl", "baselines")
    git("commit", "-qm", "base")
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    project.configure(_CONFIG.replace("min = 0.5", "min = 0.1"))
    git("commit", "-qam", "weaker")
    project.store("PPPP")
    if by == "variable":
        monkeypatch.setenv("EVALGATE_BASE_REF", "main~1")
    elif by == "pull request":
        monkeypatch.setenv("GITHUB_BASE_REF", "main")
    code = project.call("--gate", *(["--base-ref", "main~1"] if by == "option" else []))[0]
    assert code == 1
    [change] = project.verdict["changed_in_gate"]
    assert (change["effect"], change["before"], change["now"]) == ("weaker", "0.5", "0.1")


def test_a_base_that_cannot_be_reached_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, git: Callable[..., None]
) -> None:
    project.promote("PPPP")
    git("init", "-q", "-b", "main")
    git("commit", "-qm", "one", "--allow-empty")
    project.store("PPPP")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    code, out, _ = project.call("--gate")
    assert code == 0
    assert "WHAT CHANGED IN THE GATE IS UNKNOWN: origin/main: no such branch" in out
    code, _, err = project.call("--gate", "--base-ref", "gone")
    assert code == 4
    assert "--eval-base-ref gone: no such branch" in err


@pytest.mark.parametrize("number", ["0", "x", "1001", "-1", "4.0"])
def test_how_many_shards_is_a_whole_number(evalgate: Command, capsys: pytest.CaptureFixture[str], number: str) -> None:
    with pytest.raises(SystemExit) as caught:
        evalgate("merge", "parts", "--expect-shards", number)
    assert caught.value.code == 2
    assert f"'{number}' is not a whole number from 1 to 1,000" in capsys.readouterr().err


def test_the_number_of_shards_has_to_be_said(evalgate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evalgate("merge", "parts")
    assert "--expect-shards" in capsys.readouterr().err


def test_the_verb_has_help_with_an_example(evalgate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        evalgate("merge", "--help")
    assert caught.value.code == 0
    assert "example: pytest-evalgate merge .evalgate/shards --expect-shards 4 --gate" in capsys.readouterr().out
