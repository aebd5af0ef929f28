"""``pytest-evalgate coverage``: what it prints, its exit codes, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Command

_COMMAND = ("coverage", "faq.jsonl", "--log", "log.jsonl", "--by", "lang")


@pytest.fixture
def files(folder: Path) -> Path:
    (folder / "pytest.ini").touch()
    langs = ["en"] * 70 + ["de"] * 24 + ["pl"] * 6
    rows = [
        {"id": f"r{number}", "lang": lang, "input": f"{number} " * (number % 9 + 1)}
        for number, lang in enumerate(langs)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    cases = [
        {"id": f"c{number}", "input": f"when {number}", "expected": "now", "tags": [f"lang:{lang}"]}
        for number, lang in enumerate(["en"] * 18 + ["de"] * 2)
    ]
    (folder / "faq.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases), "utf-8")
    return folder


@pytest.mark.usefixtures("files")
def test_the_screen(evalgate: Command, assert_screen: Callable[[str, str], None]) -> None:
    code, out, err = evalgate(*_COMMAND)
    assert (code, err) == (0, "")
    assert_screen("coverage", out)
    assert evalgate(*_COMMAND, "--strict")[0] == 1


@pytest.mark.usefixtures("files")
def test_json(evalgate: Command) -> None:
    found = json.loads(evalgate(*_COMMAND, "--json")[1])
    assert (found["cases"], found["rows"]) == (20, 100)
    assert [one["state"] for one in found["fields"][0]["values"]] == ["enough", "few", "missing"]
    assert found["lengths"]["median_cases"] == 2


def test_a_set_that_represents_the_log_passes_strictly(files: Path, evalgate: Command) -> None:
    command = ("sample", "log.jsonl", "--n", "20", "--by", "lang", "--out", "drawn.jsonl")
    assert evalgate(*command)[0] == 0
    code, out, _ = evalgate("coverage", "drawn.jsonl", "--log", "log.jsonl", "--by", "lang", "--strict")
    assert code == 0
    assert "MISSING" not in out
    assert (files / "drawn.jsonl").exists()


def test_what_cannot_be_compared_is_refused(files: Path, evalgate: Command) -> None:
    code, _, err = evalgate(*_COMMAND[:-1], "nothing")
    message = 'no row has this field; the fields are "id", "lang", "input"'
    assert (code, err) == (4, f"pytest-evalgate: --by nothing: {message}\n")
    (files / "faq.jsonl").write_text('{"id": 1.5, "input": "x"}\n', "utf-8")
    code, _, err = evalgate(*_COMMAND)
    assert code == 4
    assert "faq.jsonl:1: id" in err
