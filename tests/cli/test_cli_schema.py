from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.cli.schema import SCHEMAS
from pytest_evalgate.records.verdicts import Accounting, Calls, Verdict
from pytest_evalgate.runs import kept
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOT = Path(__file__).parents[2]


def _printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["schema", *arguments]) == 0
    schema: dict[str, Any] = json.loads(capsys.readouterr().out)
    return schema


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schemas_are_the_printed_ones(capsys: pytest.CaptureFixture[str], name: str) -> None:
    file = "openapi.json" if name == "openapi" else f"{name}.schema.json"
    published = json.loads((_ROOT / "schema" / file).read_bytes())
    assert _printed(capsys, name) == published, f"pytest-evalgate schema {name} > schema/{file}"


def test_the_default_schema_is_that_of_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert _printed(capsys) == _printed(capsys, "config")


@pytest.mark.parametrize("path", sorted((_ROOT / "examples" / "golden_sets").glob("*/golden.jsonl")), ids=str)
def test_golden_lines_of_the_examples_fit_their_schema(path: Path) -> None:
    check = jsonschema.Draft202012Validator(SCHEMAS["golden"]())
    lines = path.read_bytes().splitlines()
    assert [list(check.iter_errors(jsonl.loads(line))) for line in lines[:200]] == [[]] * min(200, len(lines))


@pytest.mark.parametrize(
    "row", [{"id": ""}, {"input": "a", "weight": 0}, {"input": "a", "tags": "en"}, {"input": "a", "trials": 1.5}]
)
def test_other_lines_do_not_fit_the_golden_schema(row: dict[str, Any]) -> None:
    assert not jsonschema.Draft202012Validator(SCHEMAS["golden"]()).is_valid(row)


def _broken(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda whole: {**whole, **fields}


@pytest.mark.parametrize(
    "broken",
    [_broken(verdict="passed"), _broken(exit_code="0"), _broken(schema=2), _broken(suites=[]), _broken(calls=None)],
)
def test_a_verdict_fits_its_schema_and_a_broken_one_does_not(
    broken: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    check = jsonschema.Draft202012Validator(SCHEMAS["verdict"]())
    verdict = Verdict("pass", 0, "r1", None, "default", Accounting(), {}, (), Calls(), 1.0)
    whole = json.loads(json.dumps(kept.encode(verdict)))
    assert check.is_valid(whole)
    assert not check.is_valid(broken(whole))
