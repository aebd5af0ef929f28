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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT: Final = Path(__file__).parents[1] / "examples" / "first_hour"
COMMANDS: Final = 5
SECONDS: Final = 60.0

_TARGET: Final = '# target = { python = "myapp.bot:answer" }'
_OURS: Final = 'target = { python = "bot:answer" }'
_GOOD: Final = "    return max(SENTENCES, key=lambda sentence: fit(question, sentence))"
_WORSE: Final = f'    question = " ".join(question.split()[:4])  # fewer words are cheaper\n{_GOOD}'
_ON_GITHUB: Final = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop-bot",
    "GITHUB_SHA": "8c1f2d0" + "0" * 33,
    "GITHUB_RUN_ID": "4711",
}


@dataclass
class Walk:
    """A walk in a folder: the commands that were run, with the time and the output of each."""

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)
    edits: int = 0

    def run(self, *command: str, ends: int = 0, variables: Mapping[str, str] | None = None) -> str:
        """Run a command as a user types it; it has to end with ``ends``."""
        shown = " ".join(command)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "EVALGATE_"))}
        environ.pop("CI", None)
        script = Path(sys.executable).with_name(command[0])
        start = time.monotonic()
        done = subprocess.run(
            [script, *command[1:]],
            cwd=self.folder,
            env={**environ, **(variables or {}), "COLUMNS": "100"},
            capture_output=True,
            text=True,
            check=False,
        )
        self.seconds[f"{len(self.seconds) + 1}. {shown}"] = time.monotonic() - start
        self.printed[shown] = done.stdout + done.stderr
        if done.returncode != ends:
            raise RuntimeError(f"{shown} ended with {done.returncode}, not {ends}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a line of a file, as a user does in an editor."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise RuntimeError(f"{name} has no line {old!r}")
        path.write_text(text.replace(old, new), encoding="utf-8")
        self.edits += 1


def red_run(folder: Path) -> Walk:
    """Walk from the spreadsheet to a red run in a folder, which then has its comment and its HTML report."""
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
    walk = Walk(folder)
    walk.run("pytest-evalgate", "import", "faq.csv")
    walk.edit("evalgate.toml", _TARGET, _OURS)
    walk.run("pytest", "--eval-gate")
    walk.run("pytest-evalgate", "baseline", "promote", "--suite", "faq", "--reason", "first baseline")
    walk.edit("bot.py", _GOOD, _WORSE)
    walk.run("pytest", "--eval-gate", ends=1)
    walk.run("pytest-evalgate", "report", "--format", "markdown", "--out", "comment", variables=_ON_GITHUB)
    return walk


def main(arguments: list[str] | None = None) -> int:
    """Walk, print what it took, and return 1 if it takes more commands or more time than promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for the project, which is kept; default: a temporary one")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        walk = red_run(options.keep or Path(temporary, "project"))
        verdict = json.loads((walk.folder / ".evalgate" / "verdict.json").read_text(encoding="utf-8"))
        comment = (walk.folder / "comment" / "comment.md").read_text(encoding="utf-8")
    took = sum(walk.seconds.values())
    for command, seconds in walk.seconds.items():
        print(f"{seconds:6.1f} s  {command}")
    print(f"{took:6.1f} s  {len(walk.seconds)} commands and {walk.edits} edits: {verdict['verdict']}")
    print(f"the comment: {len(comment.splitlines())} lines, {len(comment):,} characters")
    met = len(walk.seconds) <= COMMANDS and took <= SECONDS and verdict["verdict"] == "fail"
    print("met" if met else f"MISSED: at most {COMMANDS} commands and {SECONDS:.0f} s")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
