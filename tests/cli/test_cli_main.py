from __future__ import annotations

import importlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.cli.main import VERBS, module_of
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config import json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "--json"]])
def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json_schema()
    jsonschema.Draft202012Validator.check_schema(printed)


def _verbs() -> Iterator[tuple[str, Verb]]:
    """Yield every verb and every action of one, by the words that call it."""
    for name in VERBS:
        found = importlib.import_module(module_of(name)).VERB
        if isinstance(found, Verb):
            yield name, found
        else:
            yield from ((f"{name} {action}", verb) for action, verb in found.items())


@pytest.mark.parametrize(("words", "verb"), list(_verbs()))
def test_the_help_of_every_verb_has_its_description_and_an_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str, verb: Verb
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main([*words.split(), "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "".join(verb.about.split()) in "".join(out.split())  # argparse also breaks lines at hyphens
    assert f"\nexample: {verb.example}\n" in out
    assert f"pytest-evalgate {words}" in verb.example
    assert "--json" in out


@pytest.mark.parametrize("name", ["baseline", "cache", "label"])
def test_the_help_of_a_verb_with_actions_lists_them_and_has_an_example(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    actions = importlib.import_module(module_of(name)).VERB
    with pytest.raises(SystemExit):
        main([name, "--help"])
    out = "".join(capsys.readouterr().out.split())
    assert all("".join(f"{action}{verb.about}".split()) in out for action, verb in actions.items())
    assert f"example:pytest-evalgate{name}" in out


def test_the_help_of_the_program_imports_no_verb() -> None:
    loaded = _modules_after("--help")
    assert "pytest_evalgate.cli.main" in loaded
    assert not loaded & {module_of(name) for name in VERBS}
    assert not loaded & {"pydantic", "scipy", "numpy", "asyncio", "jinja2", "openai", "httpx", "pytest"}


def test_a_verb_imports_no_other_verb() -> None:
    others = {module_of(name) for name in VERBS if name != "schema"}
    assert not _modules_after("schema") & (others | {"scipy", "numpy", "pytest", "openai", "httpx"})


def _modules_after(*arguments: str) -> set[str]:
    """Return the modules that a fresh interpreter has imported once a call has ended."""
    code = (
        "import sys\n"
        "from pytest_evalgate.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["baseline"], ["schema", "--nope"]])
def test_a_wrong_command_line_prints_the_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: pytest-evalgate" in capsys.readouterr().err


def test_a_closed_pipe_ends_the_verb_without_a_message() -> None:
    code = "import sys; from pytest_evalgate.cli import main; sys.exit(main(['schema']))"
    verb = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert verb.stdout is not None
    verb.stdout.close()
    _, complaints = verb.communicate(timeout=60)
    assert (verb.returncode, complaints) == (141, b"")
