"""A pull request from end to end: a base branch with a baseline, and four branches; what their authors read."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project

_GOLDEN = Path(__file__).parent / "golden" / "pull_request"
_CASES = 160
_HARD = range(140, 160)
_CONFIG = """
[suites.support]
golden = "golden/support.jsonl"
target = { recorded = "outputs.jsonl" }
scorers = ["icontains"]
slices = ["lang"]
baseline = "baselines/support.json"
gates = [{ kind = "no-regression" }, { kind = "pass-rate", min = 0.8 }]

[report]
formats = ["html", "markdown"]
"""
_VOLATILE = (
    (r"\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN"),
    (r"\b[0-9a-f]{40}\b", "COMMIT"),
    (r"\b[0-9a-f]{12}\b|(?<=git:)[0-9a-f]{7}\b|(?<=git\\:)[0-9a-f]{7}\b", "COMMIT"),
    (r"\d{4}-\d{2}-\d{2}", "DATE"),
    (r"\b\d+(\.\d+)? ?s\b", "TIME"),
    (r"(`?(?:pytest|pytest-evalgate|python)`?) \| .*", r"\1 | VERSION |"),
)


def _git(project: Project, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=project.path, check=True, capture_output=True, encoding="utf-8"
    )
    return done.stdout.strip()


def _write(project: Project, *, worse: range = range(0), without: range = range(0), better: range = range(0)) -> None:
    """Write the golden set without some cases, and outputs of which some are worse or better than before."""
    numbers = [number for number in range(_CASES) if number not in without]
    golden = [
        {
            "id": f"refund-{number:03}",
            "input": f"How long do I have to return item {number}?",
            "expected": "14 days",
            "tags": [f"lang:{'de' if number % 4 == 0 else 'en'}"],
        }
        for number in numbers
    ]
    missed = {*worse, *_HARD} - {*better}
    outputs = [
        {"id": f"refund-{number:03}", "output": f"You have {'30' if number in missed else '14'} days."}
        for number in range(_CASES)
    ]
    for name, rows in (("golden/support.jsonl", golden), ("outputs.jsonl", outputs)):
        project.write(name, "".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.fixture
def base(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The base branch, and a branch on it that has changed nothing yet."""
    monkeypatch.chdir(project.path)
    project.configure(_CONFIG)
    _write(project)
    project.run()
    assert main(["baseline", "promote", "--reason", "first"]) == 0
    project.write(".gitignore", "__pycache__/\n")
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "base")):
        _git(project, *arguments)
    _git(project, "update-ref", "refs/remotes/origin/main", "main")
    _git(project, "checkout", "-qb", "topic")
    return project


def _regress(project: Project) -> None:
    _write(project, worse=range(3, 90, 4))


def _remove_hard_cases(project: Project) -> None:
    _write(project, without=_HARD)


def _loosen(project: Project) -> None:
    path = project.path / "evalgate.toml"
    path.write_text(path.read_text("utf-8").replace("min = 0.8", "min = 0.5"), "utf-8")


def _change_little(project: Project) -> None:
    _write(project, worse=range(7, 9), better=range(150, 153))


_BRANCHES: dict[str, tuple[Callable[[Project], None], int]] = {
    "regresses": (_regress, 1),
    "removes-hard-cases": (_remove_hard_cases, 0),
    "loosens-a-threshold": (_loosen, 1),
    "clean": (_change_little, 0),
}


def _on_github(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what a runner of GitHub sets in a job for a pull request."""
    head = _git(project, "rev-parse", "HEAD")
    event = project.write(".event.json", json.dumps({"pull_request": {"head": {"sha": head}}}))
    told = {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_BASE_REF": "main",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_OUTPUT": str(project.path / ".output"),
        "GITHUB_REPOSITORY": "acme/bot",
        "GITHUB_RUN_ID": "77",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": head,
        "GITHUB_STEP_SUMMARY": str(project.path / ".summary"),
        "GITHUB_WORKSPACE": str(project.path),
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)


def _settled(text: str) -> str:
    for pattern, word in _VOLATILE:
        text = re.sub(pattern, word, text)
    return text


def _compare(name: str, text: str) -> None:
    path = _GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("branch", _BRANCHES)
def test_what_the_author_of_a_branch_reads(base: Project, monkeypatch: pytest.MonkeyPatch, branch: str) -> None:
    change, code = _BRANCHES[branch]
    change(base)
    _git(base, "commit", "-qam", branch)
    _on_github(base, monkeypatch)
    result = base.run("-q")
    assert result.ret == code
    log = [line for line in result.outlines if line.startswith(("::", "evalgate: "))]
    _compare(f"{branch}.summary.md", _settled((base.path / ".summary").read_text("utf-8")))
    _compare(f"{branch}.comment.md", _settled((base.state / "comment.md").read_text("utf-8")))
    _compare(f"{branch}.log.txt", _settled("\n".join(log) + "\n"))
    assert (base.state / "report.html").exists()
