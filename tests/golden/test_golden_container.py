"""Files that are not JSON Lines are named once, with what they have to look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import GoldenSetError
from pytest_evalgate.golden import load

if TYPE_CHECKING:
    from pathlib import Path

_REMEDY = 'a golden set is JSON Lines, one object a line, such as {"id": "refund-1", "input": '


def _problem(folder: Path, name: str, content: str) -> str:
    path = folder / name
    path.write_text(content, "utf-8")
    with pytest.raises(GoldenSetError) as caught:
        load([path], root=folder)
    [problem] = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("set.csv", "a table"),
        ("set.TSV", "a table"),
        ("set.yaml", "a YAML document"),
        ("set.yml", "a YAML document"),
        ("set.json", "a JSON document"),
        ("set.xlsx", "a spreadsheet"),
        ("set.parquet", "a Parquet file"),
    ],
)
def test_another_kind_of_file_is_told_by_its_name(tmp_path: Path, name: str, kind: str) -> None:
    assert _problem(tmp_path, name, '{"input": "x"}').startswith(f"{name}: {kind}; {_REMEDY}")


@pytest.mark.parametrize(
    "content", ['[\n  {"input": "x"},\n  {"input": "y"}\n]\n', '\ufeff[{"input": "x"}]', '\n[{"a": 1},']
)
def test_an_array_is_one_problem(tmp_path: Path, content: str) -> None:
    assert _problem(tmp_path, "set.jsonl", content).startswith(f"set.jsonl: a JSON array; {_REMEDY}")


def test_an_object_over_several_lines_is_one_problem(tmp_path: Path) -> None:
    content = '{\n  "tests": [\n    {"input": "x"},\n    {"input": "y"}\n  ]\n}\n'
    assert _problem(tmp_path, "set.jsonl", content).startswith("set.jsonl: a JSON document over several lines; ")


@pytest.mark.parametrize("key", ["cases", "examples", "goldens", "tests"])
def test_all_cases_in_one_object_are_one_problem(tmp_path: Path, key: str) -> None:
    said = _problem(tmp_path, "set.jsonl", f'{{"{key}": [{{"input": "x"}}]}}')
    assert said.startswith(f"set.jsonl:1: {key}: all cases in one object; {_REMEDY}")


def test_a_case_with_such_a_field_is_a_case(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"input": "x", "examples": ["a"]}', "utf-8")
    [golden] = load([tmp_path / "set.jsonl"], root=tmp_path)
    assert golden.cases[0].metadata == {"examples": ["a"]}
