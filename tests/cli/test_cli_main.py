from __future__ import annotations

import json
import subprocess
import sys

import jsonschema  # type: ignore[import-untyped]
import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.config import json_schema


@pytest.mark.parametrize("arguments", [["schema"], ["schema", "--json"]])
def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json_schema()
    jsonschema.Draft202012Validator.check_schema(printed)


@pytest.mark.parametrize(
    "verb", [["baseline", "promote"], ["baseline", "show"], ["compare"], ["schema"]], ids=" ".join
)
def test_every_verb_has_help_with_an_example(capsys: pytest.CaptureFixture[str], verb: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*verb, "--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert "example: pytest-evalgate " + " ".join(verb) in said
    assert "--json" in said


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["baseline"], ["baseline", "promote"], ["schema", "--nope"]])
def test_a_wrong_command_line_says_how_it_goes(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: pytest-evalgate" in capsys.readouterr().err


def test_the_schema_needs_no_statistics_and_no_pytest() -> None:
    code = (
        "import sys; from pytest_evalgate.cli import main; main(['schema'])\n"
        "assert not {'scipy', 'numpy', 'pytest', 'openai', 'httpx'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_has_read_enough_ends_the_verb_in_silence() -> None:
    code = "import sys; from pytest_evalgate.cli import main; sys.exit(main(['schema']))"
    verb = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert verb.stdout is not None
    verb.stdout.close()
    _, complaints = verb.communicate(timeout=60)
    assert (verb.returncode, complaints) == (141, b"")
