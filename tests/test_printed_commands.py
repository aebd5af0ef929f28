"""Every command that we print runs as printed, where it is printed: those of screens, pages, messages and the source.

The examples of ``--help`` are run by tests/cli/test_cli_examples.py.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import shlex
import shutil
import tomllib
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.docs_reader import STEP, Reader, environment_of
from tests.mistakes.players import environment, play, run
from tests.mistakes.scenes import SCENES, Scene
from tests.printing_scenes import SCENES as SCREENS
from tests.printing_scenes import Project, shape
from tests.support import forked
from tests.support.behaviours import Behaviour
from tests.support.printed import ROOT, commands_in, golden_screens, pages, printed_on
from tests.support.server import ScriptedServer

from pytest_evalgate.cli.main import VERBS, build_parser
from pytest_evalgate.gates.decide import EXIT_CODES
from pytest_evalgate.plugin.options import FLAGS, VALUES

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="some commands compare with a branch"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="sessions are forked"),
]

_NO_SUCCESS: Final = {2, 3, 4}
"""Exit codes of a command that did not run: usage, internal error, something has to be changed first."""

# -- screens, in the scene that prints them


def _order(command: str) -> tuple[bool, bool, str]:
    """Put what changes the state last: promotions, then sessions."""
    return command.startswith("pytest "), "promote" in command, command


@pytest.mark.parametrize("name", SCREENS)
def test_a_command_on_a_screen_runs_where_it_is_printed(name: str, tmp_path: Path) -> None:
    play_scene, shapes = SCREENS[name]
    folder = tmp_path / "project"
    folder.mkdir()
    project = Project(folder, environment_of(tmp_path))
    printed = {shape(command): command for command in commands_in(play_scene(project))}
    assert shapes <= printed.keys()
    for command in sorted(printed.values(), key=_order):  # those of one shape differ in the name of a case
        code, text = project.run(command)
        assert code not in _NO_SUCCESS, f"{command}: exit {code}\n{text[-1500:]}"
        assert "Traceback (most recent call last)" not in text


def test_every_command_of_a_golden_file_is_printed_by_a_scene() -> None:
    golden = {shape(command) for _, text in golden_screens() for command in commands_in(text)}
    assert len(golden) > 8
    assert golden - {one for _, shapes in SCREENS.values() for one in shapes} == set()


_SHOWN: Final = [page for page in pages() if any(commands_in("\n".join(printed_on(page.read_text("utf-8")))))]


@pytest.mark.parametrize("page", _SHOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_command_in_the_output_on_a_page_runs_there(page: Path, tmp_path: Path) -> None:
    folder, tried = tmp_path / "scene0", []
    folder.mkdir()
    with contextlib.ExitStack() as closing:
        reader = Reader(folder, environment_of(tmp_path), closing)

        def follow(step: re.Match[str]) -> str:
            followed = reader.follow(step)
            for text in printed_on(f"{followed}```"):
                here = tmp_path / f"copy{step.start()}"
                shutil.copytree(reader.folder, here)
                first = {" ".join(command.split()[:3]): command for command in reversed([*commands_in(text)])}
                for command in reversed(first.values()):  # in their order: a run, then its promotion, once
                    code, printed = forked.run(shlex.split(command), here, reader.environment)
                    assert code not in _NO_SUCCESS, f"{command}: exit {code}\n{printed[-1500:]}"
                    tried.append(command)
                    if code == EXIT_CODES["incomplete"]:  # the page has no server here, so there is nothing to promote
                        break
            return followed

        STEP.sub(follow, page.read_text("utf-8"))
    assert tried


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
    action = words[1:2] if words[0] in {"baseline", "cache", "label", "query", "runs", "store"} else []
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
