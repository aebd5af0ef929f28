"""Every command that we print runs as printed: those of screens, of examples, and of messages about mistakes."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import pytest
from tests.docs_players import PLAYERS
from tests.docs_reader import environment_of
from tests.docs_scenes import SCENES as FOLDERS
from tests.mistakes.players import environment, play, run
from tests.mistakes.scenes import SCENES, Scene
from tests.support import forked
from tests.support.behaviours import Behaviour
from tests.support.printed import ROOT, commands_in, examples, screens
from tests.support.server import ScriptedServer

from pytest_evalgate.cli import main
from pytest_evalgate.cli.main import VERBS, build_parser
from pytest_evalgate.plugin.options import FLAGS, VALUES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="some commands compare with a branch"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="sessions are forked"),
]

_NOT_RUN: Final = {
    r"pytest-evalgate merge (?:DIR|\.evalgate/shards) ": "needs the artifacts of the shards, from GitHub",
    r"pytest-evalgate review ": "asks a person about each case",
    r"pytest-evalgate watch ": "runs until it is interrupted",
    r"pytest-evalgate report .*--open": "opens a browser",
}
"""Commands that are only parsed here, as patterns, with the reason."""

_NO_SUCCESS: Final = {2, 3, 4}
"""Exit codes of a command that did not run: usage, internal error, something has to be changed first."""

_RUN_ID: Final = "20261121T101500Z-3f9c"
_SUITE: Final = re.compile(r"--suite (\S+)|(?:power|aa) ([\w-]+)|--require (\S+)")
_JUDGE: Final = """[judges.faq]
model = "candidate"
rubric = "correctness"
calibration = "calibration/faq.json"
report_only = true
"""
_BOT: Final = "WORSE = {worse}\n\n\ndef answer(question):\n    return 'no' if question in WORSE else 'yes'\n"


def _printed() -> dict[str, set[str]]:
    """Return every printed command of a screen or of an example, with the places that print it."""
    found = defaultdict(set)
    for place, text in screens():
        for command in commands_in(text):
            found[command].add(place)
    for command in examples():
        found[command].add("--help")
    return found


_COMMANDS: Final = _printed()
_LEFT_OUT: Final = {name for name in _COMMANDS if any(re.match(pattern, name) for pattern in _NOT_RUN)}


@dataclass
class Workshop:
    """A repository in which there is everything that the printed commands name: suites, baselines, runs, a judge."""

    folder: Path
    environment: dict[str, str]
    suites: list[str] = field(default_factory=list)

    def run(self, command: str) -> tuple[int, str]:
        """Run one command where it makes sense; return its exit code and what it printed."""
        if command.startswith("pytest-evalgate init"):
            return self._run(command, Path(tempfile.mkdtemp(dir=self.folder.parent)))
        if command.startswith("pytest-evalgate import faq.csv"):
            folder = Path(tempfile.mkdtemp(dir=self.folder.parent))
            shutil.copy(self.folder / "faq.csv", folder)
            return self._run(command, folder)
        if command == "pytest-evalgate baseline promote":  # the first one
            shutil.rmtree(self.folder / "baselines")
        if _RUN_ID in command:
            command = command.replace(_RUN_ID, self.newest.name)
        return self._run(command, self.folder)

    @property
    def newest(self) -> Path:
        """The folder of the newest run."""
        return max(path.parent for path in (self.folder / ".evalgate" / "runs").glob("*/run.jsonl"))

    def _run(self, command: str, folder: Path) -> tuple[int, str]:
        program, *arguments = shlex.split(command)
        if program == "pytest":
            return forked.run([program, *arguments], folder, self.environment)
        text = io.StringIO()
        here, variables = contextlib.chdir(folder), mock.patch.dict(os.environ, self.environment, clear=True)
        with here, variables, contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            try:
                code = main(arguments)
            except SystemExit as end:
                code = int(end.code or 0)
        return code, text.getvalue()

    def must(self, command: str) -> None:
        code, text = self.run(command)
        assert code in (0, 1), f"{command}: exit {code}\n{text}"

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, env=self.environment, check=True, capture_output=True)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def configure(self, base_url: str) -> None:
        """Write the configuration: every suite that a command names, the judge "faq", and the model "candidate"."""
        named = {name for command in _COMMANDS for found in _SUITE.findall(command) for name in found if name}
        self.suites = sorted(named | {"support", "faq", "example"})
        words = {
            word
            for command in _COMMANDS
            for word in re.findall(r" -k ([\w-]+)| why ([\w-]+)", command)
            for word in word
        }
        words -= {""}
        ids = sorted({*words, *(f"case-{number}" for number in range(8))} - set(self.suites))
        rows = "".join(json.dumps({"id": name, "input": name, "expected": "yes"}) + "\n" for name in ids)
        tables = [
            f'[models.candidate]\nmodel = "m"\nbase_url = "{base_url}"\nclient = "http"\napi_key_env = ""\n',
            _JUDGE,
        ]
        for name in self.suites:
            target = '{ model = "candidate" }' if name == "support" else '{ python = "bot:answer" }'
            tables.append(
                f'[suites.{name}]\ngolden = "golden/{name}.jsonl"\ntarget = {target}\n'
                f'baseline = "baselines/{name}.json"\ngates = [{{ kind = "no-regression", margin = 0.05 }}]\n'
                f"tiers.smoke = {{ sample = 5 }}\n"
            )
            self.write(f"golden/{name}.jsonl", rows)
        self.write("evalgate.toml", "\n".join(tables))
        self.write("outputs/before.jsonl", "".join(f'{{"id": "{name}", "output": "yes"}}\n' for name in ids))
        for name, text in FOLDERS["probing"]().items():
            self.write(name.replace("anchors", "faq-anchors"), text)
        self.write("outputs/bot.jsonl", "".join(f'{{"id": "{name}", "output": "yes"}}\n' for name in ids))
        for path in {path for command in _COMMANDS for path in re.findall(r"lint (golden/\S+)", command)}:
            if not (self.folder / path).exists():
                self.write(path, rows)
        self.write("faq.csv", "Question,Answer\nHow long?,30 days\n")
        self.write("ticket.json", '{"input": "How long?", "expected": "30 days"}')
        self.write("bot.py", _BOT.format(worse="()"))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    home = tmp_path_factory.mktemp("printed")
    folder = home / "shop"
    folder.mkdir()
    with ScriptedServer(keeps_requests=False) as server:
        server.answer_with(PLAYERS["judge"])
        made = Workshop(folder, environment_of(home))
        made.configure(server.base_url)
        made.git("init", "-qb", "main")
        made.must("pytest --eval-gate -q")
        made.must('pytest-evalgate baseline promote --reason "first"')
        made.git("add", "-A")
        made.git("commit", "-qm", "base")
        made.git("update-ref", "refs/remotes/origin/main", "main")
        made.write("bot.py", _BOT.format(worse=tuple(f"case-{number}" for number in range(6))))
        made.must("pytest --eval-gate -q --eval-trials 3")
        made.must("pytest-evalgate cache export replies.jsonl")
        for path in re.findall(r"compare (\S+\.json) --suite (\S+)", "\n".join(_COMMANDS)):
            if not (folder / path[0]).exists():
                shutil.copy(folder / "baselines" / f"{path[1]}.json", folder / path[0])
        made.must("pytest-evalgate drift faq --anchors labels/faq-anchors.jsonl --record")
        yield made


def _order(command: str) -> tuple[bool, bool, str]:
    """Put what changes the state last: promotions, then sessions."""
    return command.startswith("pytest "), "promote" in command or " add " in command, command


def _once(commands: Iterable[str]) -> Iterator[str]:
    """Yield one of the sessions that differ in ``-k NAME`` only: every name is in the workshop."""
    shapes = set()
    for command in commands:
        shape = re.sub(r" -k \S+$", " -k NAME", command) if command.startswith("pytest ") else command
        if shape not in shapes:
            yield command
        shapes.add(shape)


@pytest.mark.parametrize("command", [*_once(sorted(_COMMANDS.keys() - _LEFT_OUT, key=_order))])
def test_a_printed_command_runs(workshop: Workshop, command: str) -> None:
    code, text = workshop.run(command)
    assert code not in _NO_SUCCESS, f"{sorted(_COMMANDS[command])[:3]} print: {command}\nexit {code}\n{text[-1500:]}"
    assert "Traceback (most recent call last)" not in text


def test_few_commands_are_not_run_and_each_pattern_is_needed() -> None:
    assert len(_LEFT_OUT) <= 8
    assert len(_COMMANDS) > 40


# -- messages about mistakes

_REVIEWED: Final[dict[str, Any]] = tomllib.loads((ROOT / "tests/mistakes/reviewed.toml").read_text("utf-8"))
_IN_SCENES: Final = [
    pytest.param(scene, commands, id=scene.name)
    for scene in SCENES
    if (commands := sorted(set(commands_in(_REVIEWED.get(scene.name, {}).get("text", "")))))
]


@pytest.mark.parametrize(("scene", "commands"), _IN_SCENES)
def test_a_command_in_a_message_runs_where_it_is_printed(
    scene: Scene, commands: list[str], pytester: pytest.Pytester
) -> None:
    with environment({}, pytester.path), ScriptedServer() as server:
        server.script(Behaviour.status(404))
        with environment(scene.env, pytester.path):
            play(scene, pytester, server.base_url.removeprefix("http://").partition("/")[0])
        below = (step.removeprefix("cd ") for step in scene.steps if isinstance(step, str) and step.startswith("cd "))
        folder = pytester.path / next(below, "")
        for command in commands:
            there, _, plain = command.rpartition(" && ")
            code, out, err = run(plain, pytester, (folder / there.removeprefix("cd ")).resolve() if there else folder)
            assert code not in _NO_SUCCESS, f"{command}\nexit {code}\n{out[-1500:]}\n{err[-1500:]}"


# -- commands in the source, with their names left open

_SALT: Final = "pytest-evalgate judge"
"""Text of a digest in judges/question.py."""


def _literals(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module, docstrings included; values that are put in are NAME."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "NAME" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _in_source() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "src").rglob("*.py")):
        for text in _literals(ast.parse(path.read_text("utf-8"))):
            yield from ((path.name, command) for command in commands_in(text))


def _problem_of(command: str) -> str:
    """Return what is wrong with the words of a command; its values are not looked at."""
    program, *words = shlex.split(command)
    options = [word.partition("=")[0].removesuffix("NAME") for word in words if word.startswith("--") and word != "--"]
    if program == "pytest":
        ours = [option for option in options if option.startswith("--eval")]
        return ", ".join(option for option in ours if option not in {*FLAGS, *VALUES})
    if words[0] == "NAME":
        return ""
    parser = build_parser([words[0]]) if words[0] in VERBS else None
    if parser is None:
        return words[0]
    known = parser.format_help()
    action = words[1:2] if words[0] in {"baseline", "cache", "label"} else []
    with contextlib.redirect_stdout(io.StringIO()) as help_text, contextlib.suppress(SystemExit):
        parser.parse_args([words[0], *action, "--help"])
    known += help_text.getvalue()
    return ", ".join(option for option in options if option not in known)


def test_a_command_in_the_source_has_a_verb_and_options_that_exist() -> None:
    found = [(place, command) for place, command in _in_source() if "VERB" not in command and command != _SALT]
    assert len(found) > 60
    problems = []
    for place, command in found:
        try:
            wrong = _problem_of(command)
        except ValueError:  # a quotation that a value closes
            continue
        problems += [f"{place}: {command}: {wrong}"] if wrong else []
    assert problems == []


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("no baseline yet: pytest-evalgate baseline promote   (exit 0)", ["pytest-evalgate baseline promote"]),
        ('pytest-evalgate cache why "a, (c)"; x', ['pytest-evalgate cache why "a, (c)"']),
        ("calibrate one (pytest-evalgate calibrate), or add", []),
        ("pytest-evalgate compare \\\n    a.json --suite x\nnext", ["pytest-evalgate compare a.json --suite x"]),
        ("in .. : cd .. && pytest --eval-gate --rootdir .", ["cd .. && pytest --eval-gate --rootdir ."]),
        ("pytest-evalgate power demo | --eval-trials 3", ["pytest-evalgate power demo"]),
    ],
)
def test_commands_are_found(text: str, commands: list[str]) -> None:
    assert [command for command in commands_in(text) if command != "pytest-evalgate calibrate"] == commands
