"""Sessions on a machine that does not let them write: one sentence, a code of its own, and no verdict."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.plugin.conftest import POINT_GATE
from tests.support.faulty_io import FaultyIO

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_SENTENCE = re.compile(r"^(ERROR|evalgate: no verdict): \S.*: cannot be \w+: .*EVALGATE_DIR", re.MULTILINE)
_NOTE = re.compile(r"^(evalgate: |  ?)?.*(could not be written|cannot be)", re.MULTILINE)


def _shown(result: pytest.RunResult) -> str:
    shown = result.stdout.str() + "\n" + result.stderr.str()
    assert "Traceback" not in shown
    assert "INTERNALERROR" not in shown
    assert "StorageError" not in shown
    return shown


def _check(project: Project, result: pytest.RunResult, *, failed: bool) -> None:
    """Check that a session has its verdict, or one sentence and exit code 4."""
    shown = _shown(result)
    assert result.ret in (0, 4)
    if result.ret == 4:
        assert len(_SENTENCE.findall(shown)) == 1, shown
        assert "verdict.json: cannot be removed" in shown or not (project.state / "verdict.json").is_file()
    else:
        assert project.verdict["exit_code"] == 0
        assert not failed or _NOTE.search(shown) or "PASS" in shown
    if project.state.is_dir():
        assert not list(project.state.rglob(".evalgate-*.tmp"))


def _promote(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_evalgate.cli.main import main  # noqa: PLC0415 - only here

    monkeypatch.chdir(project.path)
    monkeypatch.delenv("CI", raising=False)
    assert main(["baseline", "promote", "--reason", "first"]) == 0


def test_each_operation_of_a_session_may_fail(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.suite({"a": "yes", "b": "yes"}, gates=POINT_GATE)
    project.configure('formats = ["csv"]', table="report")  # the HTML report is written in 170 parts
    assert project.run().ret == 0
    _promote(project, monkeypatch)
    baselines = {path: path.read_bytes() for path in (project.state / "baselines").iterdir()}
    outcomes = set()
    for at in range(1, 200):
        shutil.rmtree(project.state / "runs", ignore_errors=True)
        faults = FaultyIO(project.state, at, errno.ENOSPC)
        with faults.installed():
            result = project.run()
        _check(project, result, failed=faults.failed is not None)
        outcomes.add(result.ret)
        assert {path: path.read_bytes() for path in (project.state / "baselines").iterdir()} == baselines
        if faults.failed is None:
            break
    assert outcomes == {0, 4}
    assert 30 < faults.at < 80


_WRONG_KINDS = {
    "a file for the folder": ("", "file", 4),
    "a folder for the verdict": ("verdict.json", "folder", 4),
    "a folder for the lock": ("lock", "folder", 4),
    "a pipe for the lock": ("lock", "pipe", 4),
    "a link for the lock": ("lock", "link", 4),
    "a folder for .gitignore": (".gitignore", "folder", 0),
    "a file for runs": ("runs", "file", 4),
    "a file for the cache": ("cache", "file", 0),
    "a file for baselines": ("baselines", "file", 0),
    "a file for cassettes": ("cassettes", "file", 0),
    "a file for shards": ("shards", "file", 0),
    "a folder for the history": ("history.jsonl", "folder", 0),
    "a pipe for the history": ("history.jsonl", "pipe", 0),
    "a folder for the report": ("report.html", "folder", 4),
    "a folder for a baseline": ("baselines/faq.json", "folder", 4),
    "a folder for a cassette": ("cassettes/faq.jsonl", "folder", 0),
    "a loop of links": ("runs", "loop", 4),
}


@pytest.mark.parametrize(("name", "kind", "code"), _WRONG_KINDS.values(), ids=_WRONG_KINDS.keys())
def test_a_leftover_of_the_wrong_kind(project: Project, name: str, kind: str, code: int) -> None:
    project.suite({"a": "yes"})
    path = project.state / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(project.path / "evalgate.toml")
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.write_text("")
    before = (project.path / "evalgate.toml").read_bytes()
    result = project.run()
    assert result.ret == code, _shown(result)
    _shown(result)
    if code == 4:
        assert name in result.stderr.str() + result.stdout.str()
    assert (project.path / "evalgate.toml").read_bytes() == before


def test_folders_may_have_brackets_and_spaces(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALGATE_DIR", "st[a-z]te {1} *?")
    project.suite({"a": "yes"})
    assert project.run().ret == 0
    assert (project.path / "st[a-z]te {1} *?" / "verdict.json").is_file()
    _promote(project, monkeypatch)
    assert project.run().ret == 0


def test_a_lack_of_file_descriptors_is_no_miss(project: Project) -> None:
    code = 'import errno\n\ndef answer(question):\n    raise OSError(errno.EMFILE, "Too many open files")\n'
    project.python_suite(code, "a", "b")
    result = project.run()
    assert project.outcomes == {"a": "errored", "b": "errored"}
    assert project.verdict["verdict"] == "incomplete"
    assert "Too many open files" in project.rows["a"]["reason"]
    _shown(result)


@pytest.mark.skipif(os.name == "nt" or not Path("/dev/full").exists(), reason="needs a device that is full")
@pytest.mark.parametrize("arguments", [("schema", "config"), ("config",), ("lint", "golden/faq.jsonl", "--json")])
def test_the_output_of_a_command_on_a_full_disk(project: Project, arguments: tuple[str, ...]) -> None:
    project.suite({"a": "yes"})
    with Path("/dev/full").open("w") as full:
        code = "import sys; from pytest_evalgate.cli.main import main; sys.exit(main())"
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=project.path, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr == ("pytest-evalgate: the output cannot be written: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("name", ["runs", "lock", "verdict.json"])
def test_workers_report_what_is_in_the_way_once(project: Project, name: str) -> None:
    project.suite({"a": "yes"})
    path = project.state / name
    path.parent.mkdir()
    path.touch() if name == "runs" else path.mkdir()
    result = project.run("-n2")
    assert result.ret == 4
    assert len(_SENTENCE.findall(_shown(result))) == 1
