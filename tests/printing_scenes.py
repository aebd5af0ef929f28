"""Projects in the states in which our screens print commands, for `tests.test_printed_commands`.

Each scene makes a repository, runs what leads to its state, and returns what is printed there. The golden files show
the same screens, rendered from records; their commands are recognised by shape, with the names of suites and cases
left open (`shape`).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.support import forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_CASES: Final = 60
_BOT: Final = "WORSE = {worse}\n\n\ndef answer(question):\n    return 'no' if question in WORSE else 'yes'\n"
_FLAKY_BOT: Final = """import itertools

_CALLS = itertools.count()


def answer(question):
    return 'no' if int(question[-3:]) % 3 == 0 and next(_CALLS) % 2 else 'yes'
"""
_SUITE: Final = """[suites.support]
golden = "golden/support.jsonl"
target = {{ python = "bot:answer" }}
baseline = "baselines/support.json"
slices = ["lang"]
{more}
"""


@dataclass(frozen=True)
class Project:
    """A repository with one suite, ``support``, and a bot that answers "yes" but to some questions."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; return its exit code and what it printed."""
        return forked.run(shlex.split(command), self.folder, self.environment)

    def screen(self, command: str, *codes: int) -> str:
        """Return what a command prints; it has to end with one of ``codes``."""
        code, text = self.run(command)
        assert code in (codes or (0,)), f"{command}: exit {code}\n{text}"
        return text

    def write(self, name: str, text: str) -> None:
        """Write a file of the repository."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def configure(self, more: str = "", ids: Iterable[str] = ()) -> None:
        """Write the configuration and the golden set; ``more`` are further keys of the suite."""
        self.write("evalgate.toml", _SUITE.format(more=more))
        self.write_cases("yes", ids)
        self.answer()

    def write_cases(self, expected: str, ids: Iterable[str] = ()) -> None:
        """Write the golden set."""
        names = [*ids] or [f"refund-{number:03}" for number in range(_CASES)]
        rows = (
            {"id": name, "input": name, "expected": expected, "tags": [f"lang:{'de' if at % 3 else 'en'}"]}
            for at, name in enumerate(names)
        )
        self.write("golden/support.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def answer(self, worse: Iterable[int] = ()) -> None:
        """Write the bot, which answers the ``worse`` questions wrongly."""
        self.write("bot.py", _BOT.format(worse=tuple(f"refund-{number:03}" for number in worse)))

    def promote(self) -> None:
        """Run the suite, make its run the baseline, and commit everything."""
        self.screen("pytest --eval-gate -q")
        self.screen('pytest-evalgate baseline promote --reason "first"')
        self.commit()

    def commit(self) -> None:
        """Commit everything on the branch main, which the remote has as well."""
        for arguments in (
            ("init", "-qb", "main"),
            ("add", "-A"),
            ("commit", "-qm", "base"),
            ("update-ref", "refs/remotes/origin/main", "main"),
        ):
            subprocess.run(["git", *arguments], cwd=self.folder, env=self.environment, check=True, capture_output=True)


def _first_run(project: Project) -> str:
    project.configure()
    return project.screen("pytest --eval-gate")


def _regression(project: Project) -> str:
    project.configure('stop = "never"')
    project.promote()
    project.answer(worse=range(20))
    return project.screen("pytest --eval-gate", 1)


def _regression_in_detail(project: Project) -> str:
    _regression(project)
    return project.screen("pytest --eval-gate -vv", 1) + project.screen("pytest --eval-gate --eval-fail-cases", 1)


def _low_rate(project: Project) -> str:
    gates = '[{ kind = "pass-rate", min = 0.9 }, { kind = "no-regression" }]'
    project.configure(f'stop = "never"\ngates = {gates}')
    project.answer(worse=range(20))
    project.screen("pytest --eval-gate -q", 1)
    project.screen('pytest-evalgate baseline promote --reason "first"')
    project.commit()
    project.answer(worse=range(21))
    return project.screen("pytest --eval-gate", 1)


def _unproven(project: Project) -> str:
    project.configure('gates = [{ kind = "no-regression", margin = 0.1, fail_on = "not_proven" }]')
    project.promote()
    project.answer(worse=range(2))
    return project.screen("pytest --eval-gate", 0, 1, 10)


def _few_losses(project: Project) -> str:
    project.configure()
    project.promote()
    project.answer(worse=range(2))
    return project.screen("pytest --eval-gate")


def _trials(project: Project) -> str:
    project.configure("trials = 3")
    project.promote()
    project.write("bot.py", _FLAKY_BOT)
    return project.screen("pytest --eval-gate", 0, 1)


def _advisory(project: Project) -> str:
    project.configure('stop = "never"\nmode = "advisory"')
    project.promote()
    project.answer(worse=range(20))
    return project.screen("pytest --eval-gate")


def _edited(project: Project) -> str:
    project.configure()
    project.promote()
    project.write_cases("yes", (f"other-{number:03}" for number in range(_CASES)))
    return project.screen("pytest --eval-gate", 4, 1)


def _dropped_slice(project: Project) -> str:
    project.configure('gates = [{ kind = "slice", by = "lang" }]')
    project.promote()
    project.answer(worse=range(0, 60, 3))
    return project.screen("pytest --eval-gate", 1)


def _compared(project: Project) -> str:
    _regression(project)
    return project.screen("pytest-evalgate compare previous --suite support", 0, 1)


def _planned(project: Project) -> str:
    project.configure()
    project.screen("pytest --eval-gate")
    return project.screen("pytest-evalgate power support")


def _shard(project: Project) -> str:
    project.configure()
    project.screen("pytest --eval-gate --eval-shard 1/2", 12)
    printed = project.screen("pytest --eval-gate --eval-shard 2/2", 12)
    shutil.copytree(project.folder / ".evalgate/shards", project.folder / "DIR")  # as a download of the artifacts
    return printed


def _sampled(project: Project) -> str:
    project.configure()
    project.write(
        "log.jsonl", "".join(f'{{"id": "r{number}", "input": "Question {number}?"}}\n' for number in range(20))
    )
    return project.screen("pytest-evalgate sample log.jsonl --n 5 --out golden/faq.jsonl")


_LOOK: Final = "pytest --eval-gate --eval-fail-cases -k NAME"
_REGRESSED: Final = "pytest-evalgate compare BEFORE --suite SUITE --regressed"
_PROMOTE: Final = "pytest-evalgate baseline promote --suite SUITE --reason REASON"

SCENES: Final[dict[str, tuple[Callable[[Project], str], set[str]]]] = {
    "first run": (_first_run, {"pytest-evalgate baseline promote"}),
    "regression": (_regression, {_LOOK, _REGRESSED, _PROMOTE}),
    "regression in detail": (_regression_in_detail, {_LOOK}),
    "low rate": (_low_rate, {_LOOK, "pytest-evalgate compare BEFORE --suite SUITE"}),
    "unproven": (_unproven, {"pytest-evalgate power SUITE"}),
    "few losses": (_few_losses, {_LOOK}),
    "trials": (_trials, {"pytest-evalgate aa SUITE"}),
    "advisory": (_advisory, {_LOOK, _REGRESSED}),
    "edited": (_edited, {"pytest-evalgate baseline promote --reason REASON"}),
    "dropped slice": (_dropped_slice, {_LOOK}),
    "compared": (_compared, {_REGRESSED}),
    "planned": (_planned, {"pytest --eval-gate --eval-trials 3"}),
    "sampled": (_sampled, {"pytest-evalgate lint golden/faq.jsonl"}),
    "shard": (_shard, {"pytest-evalgate merge DIR --expect-shards 2 --gate"}),
}
"""How each scene is played, and shapes of the commands that it prints; it may print others as well."""

_OPEN: Final = (
    (re.compile(r"(?<= -k )\S+"), "NAME"),
    (re.compile(r"(?<=--suite )\S+"), "SUITE"),
    (re.compile(r"(?<=^pytest-evalgate aa )\S+|(?<=^pytest-evalgate power )\S+"), "SUITE"),
    (re.compile(r"(?<=compare )(?:\S+\.json|previous|main)(?= |$)"), "BEFORE"),
    (re.compile(r"(?<=--reason )(?:\"[^\"]*\"|'[^']*'|\S+)"), "REASON"),
)


def shape(command: str) -> str:
    """Return a command with the names of suites, cases and files, and its reason, left open."""
    for pattern, name in _OPEN:
        command = pattern.sub(name, command)
    return command
