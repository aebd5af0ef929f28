"""Somebody who follows the pages of the documentation: runs what their comments and blocks say, from top to bottom.

Comments in a page say what is run; whoever reads the page does not see them:

``<!-- scene: PATH -->``              begin with a copy of that folder of the repository; ``empty`` with none
``<!-- make: NAME -->``               put the files there that `tests.docs_scenes` has under this name
``<!-- server: NAME -->``             from here on every model, and ``https://bot.example``, is a local server: files
                                      written later name its address, and `tests.docs_players` says what it answers
``<!-- file: PATH -->``               the block below becomes this file; ``<!-- add: PATH -->`` adds it to one
``<!-- do: COMMAND -->``              run this, and show nothing
``<!-- run: exit 1, from WORDS -->``  each ``$`` line of the block below is run, and prints what stands below it, from
                                      the line on that holds the words; the last one exits with 1
``<!-- run: of COMMAND -->``          the block below is what this command prints
``<!-- run: silent -->``              the block is run, and what it prints is not shown
``<!-- steps: exit 1 -->``            each ``run:`` of the workflow below is run, once for every value of its matrix
``<!-- elsewhere: REASON -->``        the block below cannot be run here

What installs packages (``pip install``, ``pre-commit install``) is left out: it has been done. ``pytest`` and
``pytest-evalgate`` run in forks (`tests.support.forked`), with no shell if the command needs none, and the server is
asked by the lean client: all of them start sooner.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.docs_players import PLAYERS
from tests.docs_scenes import SCENES
from tests.support import forked
from tests.support.server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import ExitStack

ROOT: Final = Path(__file__).parents[1]
STEP: Final = re.compile(
    r"^<!-- (?P<verb>scene|make|server|file|add|do|run|steps|elsewhere)(?:: (?P<rest>.*?))? -->\n"
    r"(?P<open>```\w*\n)?(?P<body>(?(open).*?^(?=```$)))",
    re.DOTALL | re.MULTILINE,
)
_OPTIONS: Final = re.compile(
    r"(?P<silent>silent)?(?:(?:^|, )exit (?P<exit>\d+))?(?:(?:^|, )from (?P<from>.+?))?(?:(?:^|, )of (?P<of>.+))?"
)
_PLAIN: Final = re.compile(r"pytest(-evalgate)? (?:[^|&;<>$()`*?\\\n]|\\\n)*")
_INSTALLED: Final = re.compile(r"(pip|pre-commit) install\b")
_OURS: Final = re.compile(r"^(CI|COVERAGE_\w+|GITHUB_\w+|EVALGATE_\w+|OPENAI_\w+|PYTEST_\w+|NO_COLOR|FORCE_COLOR)$")
_BOT: Final = "https://bot.example"
_VOLATILE: Final = (
    (re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{4}\b"), "<run>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(T[\d:]+Z)?\b"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)?s\b"), "<seconds>"),
    (re.compile(r"\bof commit [0-9a-f]{12}\b"), "of commit <commit>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<sha256>"),
)


@dataclass(frozen=True, slots=True)
class _Command:
    """A command of a block: its lines as they stand there, what it prints, and what a shell runs."""

    lines: tuple[str, ...]
    printed: tuple[str, ...]
    text: str


@dataclass(slots=True)
class Reader:
    """A reader in a folder, with an environment in which nothing of ours is set.

    ``differences`` holds what a page says and what was printed instead. ``closing`` ends the server with the page.
    """

    folder: Path
    environment: dict[str, str]
    closing: ExitStack
    scenes: int = 0
    server: ScriptedServer | None = None
    differences: list[tuple[str, str]] = field(default_factory=list)

    def follow(self, step: re.Match[str]) -> str:
        """Do what a comment says, and return it with the block as it has to be."""
        verb, rest, body = step["verb"], step["rest"] or "", step["body"]
        if verb == "run":
            return step[0].removesuffix(body) + self._run(body, rest)
        if verb == "steps":
            self._work(body, int(rest.removeprefix("exit ") or 0))
        elif verb == "do":
            self._execute(rest, 0)
        elif verb in {"file", "add"}:
            self._write(rest, body, "a" if verb == "add" else "w")
        else:
            self._prepare(verb, rest)
        return step[0]

    def _prepare(self, verb: str, name: str) -> None:
        if verb == "scene":
            self._begin(name)
        elif verb == "server":
            self._serve(name)
        elif verb == "make":
            for path, text in SCENES[name]().items():
                self._write(path, text, "w")

    def _begin(self, scene: str) -> None:
        self.scenes += 1
        self.folder = self.folder.parent / f"scene{self.scenes}"
        if scene == "empty":
            self.folder.mkdir()
        else:
            shutil.copytree(ROOT / scene, self.folder, ignore=shutil.ignore_patterns(".evalgate", "__pycache__"))

    def _serve(self, player: str) -> None:
        if self.server is None:
            self.server = self.closing.enter_context(ScriptedServer(keeps_requests=False))
            self.environment |= {"OPENAI_API_KEY": "key-of-the-docs", "BOT_AUTH": "Bearer key-of-the-docs"}
        self.server.answer_with(PLAYERS[player])

    def _write(self, name: str, text: str, mode: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8", newline="\n") as file:
            file.write(_local(text, self.server.base_url) if self.server and path.suffix == ".toml" else text)

    def _run(self, body: str, options: str) -> str:
        said = _OPTIONS.fullmatch(options)
        assert said is not None, options
        commands = [_Command((), tuple(body.splitlines()), said["of"])] if said["of"] else list(_commands(body))
        codes = [0] * (len(commands) - 1) + [int(said["exit"] or 0)]
        pairs = zip(commands, codes, strict=True)
        if said["silent"]:
            for command, code in pairs:
                self._execute(command.text, code)
            return body
        printed = [self._print(*pair, said["from"] or "") for pair in pairs]
        return "\n".join(line for one in printed for line in one) + "\n"

    def _print(self, command: _Command, code: int, begin: str) -> tuple[str, ...]:
        """Return the lines of a command; those of the page stay where they say the same."""
        printed = tuple(_shown(self._execute(command.text, code), begin))
        if _steady(printed) == _steady(command.printed):
            return (*command.lines, *command.printed)
        self.differences.append(("\n".join(command.printed), "\n".join(printed)))
        return (*command.lines, *printed)

    def _work(self, workflow: str, code: int) -> None:
        """Run the commands of a workflow; only the last one may exit with anything but 0."""
        commands = list(_commands_of_workflow(workflow))
        for command in commands[:-1]:
            self._execute(command, 0)
        self._execute(commands[-1], code)

    def _execute(self, text: str, code: int) -> str:
        if _INSTALLED.match(text):
            return ""
        start = self._fork if _PLAIN.fullmatch(text) else self._start
        ended, printed = start(text)
        if ended != code:
            pytest.fail(f"{text}: exit {ended}, the page says {code}\n{printed}", pytrace=False)
        return printed

    def _start(self, text: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-uo", "pipefail", "-c", text],
            cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def _fork(self, text: str) -> tuple[int, str]:
        return forked.run(_words(text), self.folder, self.environment)


def _words(text: str) -> list[str]:
    """Return the program of a command and its arguments."""
    return shlex.split(text.replace("\\\n", " "), comments=True)


def environment_of(home: Path) -> dict[str, str]:
    """Return the environment of a reader whose home is this folder: with names for git, and no variable of ours."""
    kept = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    person = (("NAME", ""), ("EMAIL", "@example.org"))
    return {
        **kept,
        **{f"GIT_{who}_{what}": f"reader{at}" for who in ("AUTHOR", "COMMITTER") for what, at in person},
        "PATH": os.pathsep.join([str(forked.programs()), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "COLUMNS": "100",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PYTEST_ADDOPTS": "-p no:randomly -p no:asyncio -p no:anyio -p no:cov -p no:hypothesispytest",
    }


def _local(text: str, base_url: str) -> str:
    """Return a configuration whose models and services are the local server."""
    plain = re.sub(r"^base_url = .*\n", "", text, flags=re.MULTILINE)
    client = "" if re.search(r"^client = ", plain, re.MULTILINE) else '\nclient = "http"'
    named = re.sub(r"^(\[models\.[\w-]+\])$", rf'\1\nbase_url = "{base_url}"{client}', plain, flags=re.MULTILINE)
    return named.replace(_BOT, base_url.removesuffix("/v1"))


def _commands(body: str) -> Iterator[_Command]:
    for chunk in re.split(r"^(?=\$ )", body, flags=re.MULTILINE):
        lines = chunk.rstrip("\n").split("\n")
        length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\")) if chunk else 0
        if length:
            text = "\n".join(lines[:length]).removeprefix("$ ")
            yield _Command(tuple(lines[:length]), tuple(lines[length:]), text)


def _commands_of_workflow(text: str) -> Iterator[str]:
    """Return what the steps run: once for each value where a step names the matrix, as if its needs went well."""
    matrix = {name: values.split(", ") for name, values in re.findall(r"^ +(\w+): \[([^]]+)\]$", text, re.MULTILINE)}
    for script in re.findall(r"^ *- run: (.+)$", text, re.MULTILINE):
        names = sorted(name for name in matrix if f"matrix.{name} " in script)
        for values in itertools.product(*(matrix[name] for name in names)):
            yield _spliced(script, {f"matrix.{name}": value for name, value in zip(names, values, strict=True)})


def _spliced(script: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda found: values.get(found[1], "success"), script)


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
