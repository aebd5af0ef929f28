from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, PlannedCase, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from pathlib import Path

_REASON = ("--reason", "new prompt accepted")


@dataclass(frozen=True)
class Project:
    """A configured folder with stored runs; ``P`` passed, ``m`` missed, ``?`` no answer."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def store(self, run_id: str, letters: str, *, suites: tuple[str, ...] = ("faq",), first: int = 0) -> Run:
        outcomes = {"P": "passed", "m": "missed", "?": "errored"}
        values = {"P": 1.0, "m": 0.0, "?": None}
        results = tuple(
            CaseResult(
                PlannedCase(f"c{index}", Place("g.jsonl", index + 1), "f"),
                outcomes[letter],  # type: ignore[arg-type]
                (Trial(0, values[letter]),),
                "" if letter == "P" else "exact: got\x1b[31m x",
            )
            for index, letter in enumerate(letters, start=first)
        )
        plans = [SuitePlan(name, ("g",), "g" * 64, "s" * 64, 1, tuple(r.case for r in results)) for name in suites]
        held = tuple(SuiteRun(plan, results) for plan in plans)
        run = Run(run_id, "2026-01-01T00:00:00Z", "8c1f2d0aaaaaaaaa", held)
        run_file.write(run, run_file.path_of(self.root / ".evalgate", run_id))
        return run

    def call(self, *arguments: str) -> tuple[int, str, str]:
        code = main(["baseline", *arguments])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def json(self, *arguments: str) -> Any:
        code, out, err = self.call(*arguments, "--json")
        assert (code, err) == (0, "")
        return json.loads(out)


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "evalgate.toml").write_text(
        '[suites.faq]\ngolden = "g.jsonl"\nbaseline = "baselines/faq.json"\n[suites.sql]\ngolden = "h.jsonl"\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("EVALGATE_DIR", raising=False)
    return Project(tmp_path, capsys)


def test_promote_writes_the_newest_run(project: Project) -> None:
    project.store("20260101T000000Z-aaaa", "mm")
    project.store("20260102T000000Z-bbbb", "PPm")
    assert project.call("promote", *_REASON) == (
        0,
        "promoted faq: 3 cases, 66.7% passed -> baselines/faq.json\n",
        "",
    )
    held = json.loads((project.root / "baselines" / "faq.json").read_text())
    assert (held["provenance"]["run_id"], held["provenance"]["reason"]) == (
        "20260102T000000Z-bbbb",
        "new prompt accepted",
    )


def test_promote_takes_a_named_run_and_suite(project: Project) -> None:
    project.store("20260101T000000Z-aaaa", "mP", suites=("faq", "sql"))
    project.store("20260102T000000Z-bbbb", "PPm")
    [row] = project.json("promote", *_REASON, "--run", "20260101T000000Z-aaaa", "--suite", "sql")
    assert (row["suite"], row["file"], row["cases"], row["pass_rate"]) == (
        "sql",
        ".evalgate/baselines/sql.json",
        2,
        0.5,
    )
    assert not (project.root / "baselines").exists()


def test_nothing_is_promoted_where_one_suite_cannot_be(project: Project) -> None:
    run = project.store("r", "PP", suites=("faq", "sql"))
    first, second = run.suites[1].results
    broken = replace(run.suites[1], results=(replace(first, outcome="not_run", trials=()), second))
    run_file.write(replace(run, suites=(run.suites[0], broken)), run_file.path_of(project.root / ".evalgate", "r"))
    code, _, err = project.call("promote", *_REASON)
    assert code == 4
    assert "run r is not complete: 1 of 2 cases of suite sql were not run; run the whole suite again" in err
    assert not (project.root / "baselines").exists()


@pytest.mark.parametrize("ci", ["true", "1", "True"])
def test_promote_is_refused_in_ci(project: Project, monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    project.store("r", "PP")
    monkeypatch.setenv("CI", ci)
    code, out, err = project.call("promote", *_REASON)
    assert (code, out) == (4, "")
    assert err == (
        "pytest-evalgate: a baseline is not promoted in CI: promote on a branch, review the file, merge it\n"
    )
    assert not (project.root / "baselines").exists()


@pytest.mark.parametrize("ci", ["", "0", "false"])
def test_promote_outside_of_ci(project: Project, monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    project.store("r", "PP")
    monkeypatch.setenv("CI", ci)
    assert project.call("promote", *_REASON)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("promote", "--reason", " "), 'a baseline needs a reason: --reason "..."'),
        (("promote", *_REASON, "--suite", "fax"), "run r has no suite 'fax' (its suites: faq)"),
        (("promote", *_REASON, "--run", "gone"), "run.jsonl"),
        (("show", "--suite", "faq", "--ref", "nowhere"), "git:nowhere: "),
        (("show", "--ref=--output=x"), "git:--output=x: cannot read baselines/faq.json: "),
    ],
)
def test_mistakes_exit_4_with_the_message_on_stderr(project: Project, arguments: tuple[str, ...], told: str) -> None:
    project.store("r", "PP")
    code, out, err = project.call(*arguments)
    assert (code, out) == (4, "")
    assert err.startswith("pytest-evalgate: ")
    assert told in err


def test_without_a_run_the_next_step_is_named(project: Project) -> None:
    code, _, err = project.call("promote", *_REASON)
    assert code == 4
    assert "run first with: pytest --eval-gate" in err


def test_missing_answers_are_not_promoted(project: Project) -> None:
    project.store("r", "P?")
    assert "1 of 2 cases of suite faq have no output" in project.call("promote", *_REASON)[2]


def test_show_says_where_a_baseline_came_from(project: Project) -> None:
    project.store("r", "PPm")
    project.call("promote", "--reason", "new \x1b[31mprompt")
    code, out, _ = project.call("show")
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == [
        "faq: 3 cases, 66.7% passed  (baselines/faq.json)",
        "  run r of 2026-01-01T00:00:00Z, commit 8c1f2d0aaaaa",
    ]
    assert lines[2].endswith(": new \\x1b[31mprompt")
    assert lines[3] == "sql: no baseline yet: pytest-evalgate baseline promote"
    [row] = project.json("show", "--suite", "faq")
    assert (row["suite"], row["cases"], row["trials"], row["commit"]) == ("faq", 3, 1, "8c1f2d0aaaaaaaaa")


def test_show_without_any_baseline_is_not_a_success(project: Project) -> None:
    assert project.call("show", "--suite", "sql") == (
        1,
        "sql: no baseline yet: pytest-evalgate baseline promote\n",
        "",
    )


def test_show_without_a_configured_suite_says_what_to_do(project: Project) -> None:
    (project.root / "evalgate.toml").write_text("")
    assert project.call("show")[:2] == (1, "no suite is configured: name one with --suite\n")


def test_baselines_at_another_commit(project: Project) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True)

    project.store("20260101T000000Z-aaaa", "PP")
    project.call("promote", "--reason", "first")
    git("init", "-q")
    git("add", "baselines")
    git("commit", "-qm", "one")
    git("tag", "v1")
    project.store("20260102T000000Z-bbbb", "Pm")
    project.call("promote", "--reason", "second")
    assert [row["reason"] for row in project.json("show", "--suite", "faq", "--ref", "v1")] == ["first"]
    assert [row["reason"] for row in project.json("show", "--suite", "faq")] == ["second"]


def test_a_verb_is_found_from_a_folder_below(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.store("r", "PP")
    below = project.root / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert project.call("promote", *_REASON)[1].endswith("-> baselines/faq.json\n")


def test_the_state_folder_may_lie_elsewhere(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.store("r", "PP", suites=("sql",))
    (project.root / ".evalgate").rename(project.root / "moved")
    monkeypatch.setenv("EVALGATE_DIR", "moved")
    assert project.call("promote", *_REASON)[1].endswith("-> moved/baselines/sql.json\n")


def test_a_configuration_that_cannot_be_used_exits_4(project: Project) -> None:
    (project.root / "evalgate.toml").write_text("suits = 1\n")
    code, _, err = project.call("show")
    assert (code, err) == (4, 'pytest-evalgate: evalgate.toml:1: suits: unknown key; did you mean "suites"?\n')
