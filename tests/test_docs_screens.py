"""The screens of README and docs are what the commands above them print: each page is run, from top to bottom.

Comments in a page say what is run; a reader does not see them:

``<!-- scene: PATH -->``              begin with a copy of that folder of the repository; ``empty`` with none
``<!-- file: PATH -->``               the block below becomes this file; ``<!-- add: PATH -->`` adds it to one
``<!-- do: COMMAND -->``              run this, and show nothing
``<!-- run: exit 1, from WORDS -->``  each ``$`` line of the block below is run, and prints what stands below it, from
                                      the line on that holds the words; the last one exits with 1
``<!-- run: of COMMAND -->``          the block below is what this command prints

``UPDATE_DOCS=1 pytest tests/test_docs_screens.py`` writes into the pages what the commands print now.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROOT: Final = Path(__file__).parents[1]
_PAGES: Final = [_ROOT / "README.md", *sorted((_ROOT / "docs").rglob("*.md"))]
_STEP: Final = re.compile(
    r"^<!-- (?P<verb>scene|file|add|do|run)(?:: (?P<rest>.*?))? -->\n"
    r"(?P<open>```\w*\n)?(?P<body>(?(open).*?^(?=```$)))",
    re.DOTALL | re.MULTILINE,
)
_OPTIONS: Final = re.compile(r"(?:exit (?P<exit>\d+))?(?:(?:^|, )from (?P<from>.+?))?(?:(?:^|, )of (?P<of>.+))?")
_OURS: Final = re.compile(r"^(CI|COVERAGE_\w+|GITHUB_\w+|EVALGATE_\w+|PYTEST_\w+|NO_COLOR|FORCE_COLOR)$")
_VOLATILE: Final = (
    (re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{4}\b"), "<run>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(T[\d:]+Z)?\b"), "<time>"),
    (re.compile(r"\b\d+\.\d+s\b"), "<seconds>"),
)

pytestmark = [
    pytest.mark.skipif(shutil.which("bash") is None, reason="the pages' commands are a shell's"),
    pytest.mark.skipif(shutil.which("git") is None, reason="some of the pages' commands are git's"),
]


@dataclass(frozen=True, slots=True)
class _Command:
    """A command of a block: its lines as they stand there, what it prints, and what a shell runs."""

    lines: tuple[str, ...]
    printed: tuple[str, ...]
    text: str


@dataclass(slots=True)
class _Reader:
    """Somebody who follows a page: in a folder, with an environment in which nothing of ours is set."""

    folder: Path
    environment: Mapping[str, str]
    scenes: int = 0
    differences: list[tuple[str, str]] = field(default_factory=list)

    def follow(self, step: re.Match[str]) -> str:
        """Do what a comment says, and return it with the block as it has to be."""
        verb, rest, body = step["verb"], step["rest"] or "", step["body"]
        if verb == "run":
            return step[0].removesuffix(body) + self._run(body, rest)
        if verb == "scene":
            self._begin(rest)
        elif verb == "do":
            self._execute(rest, 0)
        else:
            self._write(self.folder / rest, body, "a" if verb == "add" else "w")
        return step[0]

    def _begin(self, scene: str) -> None:
        self.scenes += 1
        self.folder = self.folder.parent / f"scene{self.scenes}"
        if scene == "empty":
            self.folder.mkdir()
        else:
            shutil.copytree(_ROOT / scene, self.folder, ignore=shutil.ignore_patterns(".evalgate", "__pycache__"))

    def _write(self, path: Path, body: str, mode: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8", newline="\n") as file:
            file.write(body)

    def _run(self, body: str, options: str) -> str:
        said = _OPTIONS.fullmatch(options)
        assert said is not None, options
        commands = [_Command((), tuple(body.splitlines()), said["of"])] if said["of"] else list(_commands(body))
        codes = [0] * (len(commands) - 1) + [int(said["exit"] or 0)]
        printed = [self._print(*pair, said["from"] or "") for pair in zip(commands, codes, strict=True)]
        return "\n".join(line for one in printed for line in one) + "\n"

    def _print(self, command: _Command, code: int, begin: str) -> tuple[str, ...]:
        """Return the lines of a command; those of the page stay where they say the same."""
        printed = tuple(_shown(self._execute(command.text, code), begin))
        if _steady(printed) == _steady(command.printed):
            return (*command.lines, *command.printed)
        self.differences.append(("\n".join(command.printed), "\n".join(printed)))
        return (*command.lines, *printed)

    def _execute(self, text: str, code: int) -> str:
        done = subprocess.run(
            ["bash", "-uo", "pipefail", "-c", text],
            cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", check=False,
        )  # fmt: skip
        if done.returncode != code:
            pytest.fail(f"{text}: exit {done.returncode}, the page says {code}\n{done.stdout}", pytrace=False)
        return done.stdout


def _commands(body: str) -> Iterator[_Command]:
    for chunk in re.split(r"^(?=\$ )", body, flags=re.MULTILINE):
        lines = chunk.rstrip("\n").split("\n")
        length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\")) if chunk else 0
        if length:
            text = "\n".join(lines[:length]).removeprefix("$ ")
            yield _Command(tuple(lines[:length]), tuple(lines[length:]), text)


def _shown(text: str, begin: str) -> Iterator[str]:
    lines = [line.rstrip() for line in text.rstrip("\n").split("\n")] if text else []
    first = next((number for number, line in enumerate(lines) if begin in line), 0)
    return iter(lines[first:])


def _steady(lines: tuple[str, ...]) -> list[str]:
    """Return the lines of an output and of a page alike: without what differs from run to run."""
    text = "\n".join(lines).rstrip()
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return text.split("\n")


@pytest.fixture
def reader(tmp_path: Path) -> _Reader:
    kept = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    folder = tmp_path / "scene0"
    folder.mkdir()
    person = (("NAME", ""), ("EMAIL", "@example.org"))
    git = {f"GIT_{who}_{what}": f"reader{at}" for who in ("AUTHOR", "COMMITTER") for what, at in person}
    return _Reader(folder, {
        **kept,
        **git,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PYTEST_ADDOPTS": "-p no:randomly -p no:asyncio",
    })  # fmt: skip


def _is_followed(page: Path) -> bool:
    return any(step["verb"] == "run" for step in _STEP.finditer(page.read_text("utf-8")))


_FOLLOWED: Final = [page for page in _PAGES if _is_followed(page)]


@pytest.mark.parametrize("page", _FOLLOWED, ids=lambda page: page.relative_to(_ROOT).as_posix())
def test_a_page_shows_what_its_commands_print(page: Path, reader: _Reader) -> None:
    text = page.read_text("utf-8")
    followed = _STEP.sub(reader.follow, text)
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(followed, "utf-8")
    else:
        assert [before for before, _ in reader.differences] == [now for _, now in reader.differences]


def test_a_screen_that_differs_is_found(reader: _Reader) -> None:
    page = "<!-- run: exit 3, from two -->\n```console\n$ echo one; echo two; exit 3\nthree\n```\n"
    assert _STEP.sub(reader.follow, page).endswith("$ echo one; echo two; exit 3\ntwo\n```\n")
    assert reader.differences == [("three", "two")]


def test_what_differs_from_run_to_run_is_not_compared(reader: _Reader) -> None:
    page = "<!-- run -->\n```console\n$ echo 20260102T030405Z-00ff took 0.12s\n20261121T101500Z-3f9c took 9.87s\n```\n"
    assert _STEP.sub(reader.follow, page) == page
    assert reader.differences == []


def test_a_command_goes_on_over_lines_and_files_are_written(reader: _Reader) -> None:
    page = (
        "<!-- scene: empty -->\n<!-- file: a/b.txt -->\n```\none\n```\n<!-- add: a/b.txt -->\n```\ntwo\n```\n"
        "<!-- run -->\n```console\n$ cat \\\n    a/b.txt\none\ntwo\n$ ls\na\n```\n"
    )
    assert _STEP.sub(reader.follow, page) == page
    assert reader.differences == []


def test_a_block_without_a_prompt_is_what_its_comment_runs(reader: _Reader) -> None:
    page = "<!-- do: echo two > a -->\n<!-- run: exit 2, from w, of cat a; exit 2 -->\n```\none\n```\n"
    assert _STEP.sub(reader.follow, page) == page.replace("\none\n", "\ntwo\n")
    assert reader.differences == [("one", "two")]


def test_another_exit_code_fails(reader: _Reader) -> None:
    with pytest.raises(pytest.fail.Exception, match="exit 1, the page says 0"):
        _STEP.sub(reader.follow, "<!-- run -->\n```console\n$ false\n```\n")
