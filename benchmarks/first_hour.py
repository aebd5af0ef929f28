"""The first hour: from a spreadsheet to a red run that explains itself, as a new user walks it, counted and timed.

Each step is a command that the documentation names, or one edit. The time is that of the commands; a person who reads
what they print needs about a minute for each.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[1] / "examples" / "first_hour"
COMMANDS: Final = 5
SECONDS: Final = 60.0

Runner = Callable[[tuple[str, ...], Path, Mapping[str, str]], tuple[int, str]]
"""Runs a command in a folder with further variables, and returns its exit code and what it printed."""

_GOOD: Final = "    return max(SENTENCES, key=lambda sentence: fit(question, sentence))"
_WORSE: Final = f'    question = " ".join(question.split()[:4])  # fewer words are cheaper\n{_GOOD}'
_ON_GITHUB: Final = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop-bot",
    "GITHUB_SHA": "8c1f2d0" + "0" * 33,
    "GITHUB_RUN_ID": "4711",
}


def in_a_process(command: tuple[str, ...], folder: Path, variables: Mapping[str, str]) -> tuple[int, str]:
    """Run a command as a user's shell does, outside of CI."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "EVALGATE_", "CI"))}
    done = subprocess.run(
        [Path(sys.executable).with_name(command[0]), *command[1:]],
        cwd=folder,
        env={**own, **variables, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@dataclass
class Walk:
    """A walk in a folder: the commands that were run, with the time and the output of each."""

    folder: Path
    runner: Runner = in_a_process
    seconds: dict[str, float] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)
    edits: int = 0

    def run(self, *command: str, ends: int = 0, variables: Mapping[str, str] | None = None) -> None:
        """Run a command; it has to end with ``ends``."""
        start = time.monotonic()
        code, printed = self.runner(command, self.folder, variables or {})
        self.seconds[f"{len(self.seconds) + 1}. {' '.join(command)}"] = time.monotonic() - start
        self.printed.append(printed)
        if code != ends:
            raise RuntimeError(f"{' '.join(command)} ended with {code}, not {ends}:\n{printed}")

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a line of a file, as a user does in an editor."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise RuntimeError(f"{name} has no line {old!r}")
        path.write_text(text.replace(old, new), encoding="utf-8")
        self.edits += 1

    def to_red(self) -> None:
        """Walk from the spreadsheet to a red run, which then has its comment and its HTML report."""
        shutil.copytree(PROJECT, self.folder, dirs_exist_ok=True)
        self.run("pytest-evalgate", "import", "faq.csv")
        self.run("pytest", "--eval-gate")
        self.run("pytest-evalgate", "baseline", "promote", "--suite", "faq", "--reason", "first baseline")
        self.edit("bot.py", _GOOD, _WORSE)
        self.run("pytest", "--eval-gate", ends=1)
        self.run("pytest-evalgate", "report", "--format", "markdown", "--out", "comment", variables=_ON_GITHUB)


def main(arguments: list[str] | None = None) -> int:
    """Walk, print what it took, and return 1 if it takes more commands or more time than promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for the project, which is kept; default: a temporary one")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        walk = Walk(options.keep or Path(temporary, "project"))
        walk.to_red()
        verdict = json.loads((walk.folder / ".evalgate" / "verdict.json").read_text(encoding="utf-8"))
        comment = (walk.folder / "comment" / "comment.md").read_text(encoding="utf-8")
    took = sum(walk.seconds.values())
    for command, seconds in walk.seconds.items():
        print(f"{seconds:6.1f} s  {command}")
    print(f"{took:6.1f} s  {len(walk.seconds)} commands and {walk.edits} edits: {verdict['verdict']}")
    print(f"the comment: {len(comment.splitlines())} lines, {len(comment):,} characters")
    met = len(walk.seconds) <= COMMANDS and took <= SECONDS
    print("met" if met else f"MISSED: at most {COMMANDS} commands and {SECONDS:.0f} s")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
