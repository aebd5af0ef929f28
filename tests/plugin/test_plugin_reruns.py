"""Reruns of one commit until the gate passes: they are counted, and in CI decided together."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.app.pack_check import check_pack
from pytest_evalgate.app.release_pack import to_bytes
from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import Project

_CASES = [f"case-{number:02}" for number in range(20)]
_LUCKY = "import os\ndef answer(question):\n    return 'no' if question in os.environ['UNLUCKY'].split() else 'yes'\n"
_GATES = '{ kind = "pass-rate", min = 0.9, bound = "point" }'


@pytest.fixture
def committed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.python_suite(_LUCKY, *_CASES, gates=_GATES)
    project.write(".gitignore", "calls\n.evalgate/\n__pycache__/\n")
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", *command], cwd=project.path, check=True)
    monkeypatch.setenv("UNLUCKY", " ".join(_CASES[:6]))
    monkeypatch.setenv("CI", "1")
    return project


def _rerun(project: Project, monkeypatch: pytest.MonkeyPatch, unlucky: int = 0, *args: str) -> pytest.RunResult:
    monkeypatch.setenv("UNLUCKY", " ".join(_CASES[:unlucky]))
    return project.run(*args)


def test_in_ci_a_lucky_rerun_is_decided_with_the_earlier_attempt(
    committed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert committed.run().ret == 1
    result = _rerun(committed, monkeypatch)
    assert result.ret == 1  # 14 of 20 and 20 of 20 are 85 %
    result.stdout.fnmatch_lines(
        [
            "evalgate: attempt 2 of this commit: faq (decided on the trials of all of them)",
            "*faq*attempt 2 of this commit: decided on the trials of 2 attempts*",
        ]
    )
    faq = committed.verdict["suites"]["faq"]
    assert faq["reruns"] == {"attempt": 2, "pooled": 2, "gone": []}
    assert (faq["pass_rate"], faq["trials"], faq["cases"]) == (pytest.approx(0.85), 2, 20)
    assert committed.verdict["calls"]["sent"] == 20  # those of this run
    _rerun(committed, monkeypatch)
    assert committed.verdict["suites"]["faq"]["reruns"] == {"attempt": 3, "pooled": 3, "gone": []}
    assert committed.verdict["suites"]["faq"]["pass_rate"] == pytest.approx(0.9)


def test_a_release_pack_has_the_attempts_that_were_decided_together(
    committed: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    committed.run()
    _rerun(committed, monkeypatch)
    monkeypatch.chdir(committed.path)
    assert main(["evidence", "--out", ".evalgate/release.zip"]) == 0
    assert main(["evidence", "verify", ".evalgate/release.zip", "--repository", "."]) == 0
    assert "verified: hold" in capsys.readouterr().out
    with zipfile.ZipFile(committed.state / "release.zip") as archive:
        assert len([name for name in archive.namelist() if name.endswith("/run.jsonl")]) == 2
        archive.extractall(committed.state / "release")
    [first] = [path.parent for path in (committed.state / "release/runs").glob("*/run.jsonl") if _is_alone(path)]
    shutil.rmtree(first)
    manifest = json.loads((committed.state / "release/manifest.json").read_text("ascii"))
    del manifest["files"][f"runs/{first.name}/run.jsonl"]
    (committed.state / "release/manifest.json").write_bytes(to_bytes(manifest))
    [problem] = check_pack(committed.state / "release").problems
    assert "verdict.json: " in problem


def _is_alone(run_file: Path) -> bool:
    return not run_file.with_name("verdict.json").exists()


@pytest.mark.parametrize(("ci", "policy", "fails"), [("", "", False), ("1", "count", False), ("", "pool", True)])
def test_elsewhere_and_on_request_reruns_are_only_counted(
    committed: Project, monkeypatch: pytest.MonkeyPatch, ci: str, policy: str, *, fails: bool
) -> None:
    monkeypatch.setenv("CI", ci)
    if policy:
        committed.configure(f'on_rerun = "{policy}"')
    committed.run()
    result = _rerun(committed, monkeypatch)
    assert result.ret == fails
    assert "attempt 2 of this commit" in result.stdout.str()
    assert ('counted only (on_rerun = "count")' in " ".join(result.stdout.str().split())) is not fails
    assert committed.verdict["suites"]["faq"]["reruns"]["attempt"] == 2


def test_an_attempt_whose_run_is_gone_is_said_and_counted(committed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    committed.run()
    first = committed.verdict["run_id"]
    shutil.rmtree(committed.state / "runs" / first)
    result = _rerun(committed, monkeypatch)
    assert committed.verdict["suites"]["faq"]["reruns"] == {"attempt": 2, "pooled": 1, "gone": [first]}
    assert f"the run file of an earlier one is gone, so it only counts: {first}" in " ".join(
        result.stdout.str().split()
    )


@pytest.mark.parametrize("change", ["commit", "edit", "golden"])
def test_other_work_is_a_first_attempt(committed: Project, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    committed.run()
    if change == "golden":
        committed.golden("golden/faq.jsonl", *_CASES, context=["new"])
    else:
        committed.write_bot(_LUCKY + "# another\n")
    if change == "commit":
        command = ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qam", "second"]
        subprocess.run(["git", *command], cwd=committed.path, check=True)
    assert _rerun(committed, monkeypatch).ret == 0
    assert committed.verdict["suites"]["faq"]["reruns"] is None


def test_a_run_of_a_part_is_no_attempt(committed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    committed.run("-k", "case-01")
    assert _rerun(committed, monkeypatch).ret == 0
    assert committed.verdict["suites"]["faq"]["reruns"] is None


def test_cached_answers_are_not_pooled_again(committed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (committed.path / "evalgate.toml").read_text()
    committed.write("evalgate.toml", text.replace('"bot:answer"', '"bot:answer", version = "1"'))
    committed.run()
    result = _rerun(committed, monkeypatch)
    assert result.ret == 1  # the same answers
    faq = committed.verdict["suites"]["faq"]
    assert (faq["pass_rate"], faq["trials"]) == (pytest.approx(0.7), 1)
    assert faq["reruns"]["attempt"] == 2


def test_the_report_is_the_same_when_it_is_rendered_again(committed: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    committed.run()
    _rerun(committed, monkeypatch)
    assert "decided on the trials of 2 attempts" in (committed.state / "report.html").read_text("utf-8")
