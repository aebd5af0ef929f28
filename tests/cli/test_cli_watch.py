"""``pytest-evalgate watch``: the loop over streams of changes, the commands that it runs, and one real folder."""

from __future__ import annotations

import builtins
import json
import shlex
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.cli import watch as watches
from pytest_evalgate.cli.watch import Watcher, WatchEvent, changes_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from tests.cli.conftest import Command

    from pytest_evalgate.app.watched import WatchedFiles

_MOST_WRITES = 2_400
_CONFIG = """
[suites.faq]
golden = "golden/faq.jsonl"
target = { python = "bot:answer" }
[suites.sql]
golden = "golden/sql.jsonl"
target = { recorded = "sql.out.jsonl" }
[suites.marked]
golden = "golden/marked.jsonl"
"""


class _Project:
    """A project, a watcher of it, and what the watcher ran."""

    def __init__(self, root: Path, *names: str, extra: Sequence[str] = ()) -> None:
        self.root = root
        self.ran: list[str] = []
        self.events: list[WatchEvent] = []
        (root / "golden").mkdir(exist_ok=True)
        (root / "bot.py").write_text("import helper\n", "utf-8")
        (root / "evalgate.toml").write_text(_CONFIG, "utf-8")
        self.watcher = Watcher(root, names, extra, print_event=self.events.append, execute=self._execute)

    def _execute(self, arguments: Sequence[str], folder: Path) -> int:
        assert folder == self.root
        self.ran.append(shlex.join(arguments))
        return 1

    def play(self, *batches: Sequence[str]) -> int:
        """Play batches of changed files; return the number of streams that were opened."""
        left = [{self.root / name for name in batch} for batch in batches]
        opened = 0

        def stream(_: WatchedFiles) -> Iterator[Collection[Path]]:
            nonlocal opened
            opened += 1
            while left:
                yield left.pop(0)

        self.watcher.run(stream)
        return opened


def test_each_change_runs_the_suites_that_it_affects(folder: Path) -> None:
    project = _Project(folder, extra=["-q"])
    opened = project.play(["bot.py"], ["notes.txt"], ["golden/sql.jsonl", "bot.py"], ["golden/marked.jsonl"])
    assert project.ran == [
        "--eval-gate golden/faq.jsonl -q",
        "--eval-gate golden/faq.jsonl golden/sql.jsonl -q",
        "--eval-gate -q",  # a marked test runs this suite, wherever it is
    ]
    assert opened == 1
    changed, suites = ("bot.py", "golden/sql.jsonl"), ("faq", "sql")
    command = ("pytest", "--eval-gate", "golden/faq.jsonl", "golden/sql.jsonl", "-q")
    assert project.events[2:4] == [
        WatchEvent(changed, suites, command),
        WatchEvent(changed, suites, command, 1),
    ]


def test_a_new_dependency_is_watched_from_then_on(folder: Path) -> None:
    project = _Project(folder, "faq")
    assert project.play(["helper.py"]) == 1
    assert project.ran == []
    (folder / "helper.py").write_text("", "utf-8")
    assert project.play(["bot.py"], ["helper.py"]) == 2
    assert project.ran == ["--eval-gate golden/faq.jsonl"] * 2


def test_a_broken_configuration_is_reported_and_the_watch_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = _Project(folder)
    (folder / "evalgate.toml").write_text("[suites.faq]\ngolden = 3\n", "utf-8")
    project.play(["evalgate.toml"])
    assert project.ran == []
    assert "watch: evalgate.toml:2: suites.faq.golden" in capsys.readouterr().err
    (folder / "evalgate.toml").write_text(_CONFIG.replace("faq", "new"), "utf-8")
    assert project.play(["evalgate.toml"], ["golden/new.jsonl"]) == 2
    assert project.ran == ["--eval-gate", "--eval-gate golden/new.jsonl"]


def test_a_changed_file_of_a_real_folder_is_seen(folder: Path) -> None:
    project = _Project(folder, "faq")
    path, stop = folder / "golden/faq.jsonl", threading.Event()

    def write() -> None:
        for at in range(_MOST_WRITES):  # until it was seen: the watch begins at some time
            if stop.wait(0.05):
                return
            path.write_text(f"{at}\n", "utf-8")
            (folder / "golden/other.txt").write_text(f"{at}\n", "utf-8")
        stop.set()

    def execute(arguments: Sequence[str], _: Path) -> int:
        stop.set()
        project.ran.append(shlex.join(arguments))
        return 0

    watcher = Watcher(folder, ["faq"], print_event=project.events.append, execute=execute)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        watcher.run(lambda watched: changes_of(watched, stop))
    finally:
        stop.set()
        writer.join()
    assert project.ran == ["--eval-gate golden/faq.jsonl"]
    assert project.events[0].changed == ("golden/faq.jsonl",)


def test_it_runs_pytest_and_ends_on_ctrl_c(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    project = _Project(folder)

    def stream(watched: WatchedFiles) -> Iterator[Collection[Path]]:
        yield {watched.root / "bot.py"}
        raise KeyboardInterrupt

    monkeypatch.setattr(watches, "changes_of", stream)
    monkeypatch.setattr(sys, "executable", _fake_python(project.root))
    assert main(["watch", "faq", "--pytest-args", "-k 'a b'"]) == 0
    printed = capfd.readouterr()
    assert printed.err == "watching 2 files of 1 suite (faq) and the configuration; Ctrl-C ends\nwatch ended\n"
    assert " changed: bot.py; affected: faq\n$ pytest --eval-gate golden/faq.jsonl -k 'a b'\n" in printed.out
    assert "ran -m pytest --eval-gate golden/faq.jsonl -k a b" in printed.out

    assert main(["watch", "faq", "--json"]) == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out) == {
        "changed": ["bot.py"],
        "suites": ["faq"],
        "command": "pytest --eval-gate golden/faq.jsonl",
        "exit_code": 3,
    }
    assert "ran -m pytest" in printed.err


def _fake_python(root: Path) -> str:
    path = root / "fake-python"
    path.write_text('#!/bin/sh\necho ran "$@"\nexit 3\n', "utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fag",), "no suite is named 'fag'; did you mean \"faq\"?"),
        (("--pytest-args", "'"), "--pytest-args ': No closing quotation"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    folder: Path, evalgate: Command, arguments: tuple[str, ...], message: str
) -> None:
    _Project(folder)
    code, out, err = evalgate("watch", *arguments)
    assert (code, out) == (4, "")
    assert message in err


def test_the_extra_and_a_first_suite_are_named_if_they_are_missing(
    folder: Path, evalgate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = evalgate("watch")
    assert (code, "no suite is configured: pytest-evalgate init" in err) == (4, True)
    _Project(folder)
    import_ = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name == "watchfiles":
            raise ImportError(name)
        return import_(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    code, _, err = evalgate("watch")
    assert (code, err) == (4, "pytest-evalgate: watch needs watchfiles: pip install 'pytest-evalgate[watch]'\n")
