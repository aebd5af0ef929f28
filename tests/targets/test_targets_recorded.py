from __future__ import annotations

import asyncio
import json
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import MissingOutput, RecordingError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets import RowTargetRunner, load

if TYPE_CHECKING:
    from pathlib import Path


def _write(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n", "utf-8")
    return path


def test_outputs_are_joined_by_id_and_trial(tmp_path: Path) -> None:
    first = _write(tmp_path / "a.jsonl", {"id": "1", "output": "one"}, {"id": 2, "output": {"x": 1}})
    second = _write(tmp_path / "b.jsonl", {"id": "2", "output": "two", "metadata": {"tokens": 3}})
    target = load([first, second], root=tmp_path)
    assert target.trials == 2
    assert asyncio.run(target.answer(Case("2"), 0)) == Output({"x": 1})
    assert asyncio.run(target.answer(Case("2"), 1)) == Output("two", {"tokens": 3})
    with pytest.raises(MissingOutput, match=r"no recorded output in b\.jsonl: set trials of the suite, or of the row"):
        asyncio.run(target.answer(Case("1"), 1))


def test_only_the_outputs_of_some_cases_are_read(tmp_path: Path) -> None:
    rows = [{"id": name, "output": f"of {name}"} for name in ("a", unicodedata.normalize("NFD", "é"), 7, "b")]
    file = _write(tmp_path / "a.jsonl", "// a comment", *rows)
    [recording] = load([file], root=tmp_path, only={"a", "é", "7"}).recordings
    assert {name: output.value for name, output in recording.outputs.items()} == {
        "a": "of a", "é": "of e\u0301", "7": "of 7"
    }  # fmt: skip


@pytest.mark.parametrize(
    "row", ['{"id": "b", "output": }', '{"output": "x"}', "[1]", '{"id": "a", "output": "twice"}']
)
def test_problems_are_found_if_some_outputs_are_read(tmp_path: Path, row: str) -> None:
    file = _write(tmp_path / "a.jsonl", {"id": "a", "output": "x"}, row)
    with pytest.raises(RecordingError, match=r"a\.jsonl:2: "):
        load([file], root=tmp_path, only={"a"})


def test_ids_are_compared_in_normal_form(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.jsonl", {"id": unicodedata.normalize("NFD", "café"), "output": "yes"})
    assert asyncio.run(load([file], root=tmp_path).answer(Case("café"), 0)) == Output("yes")


@pytest.mark.parametrize(("path", "value"), [("metadata.reward", 1.0), ("label", "safe"), ("deep.er.text", "x")])
def test_the_output_may_stand_at_a_dotted_path(tmp_path: Path, path: str, value: Any) -> None:
    row = {"id": "1", "metadata": {"reward": 1.0}, "label": "safe", "deep": {"er": {"text": "x"}}}
    target = load([_write(tmp_path / "a.jsonl", row)], root=tmp_path, output=path)
    assert asyncio.run(target.answer(Case("1"), 0)).value == value


def test_a_null_output_is_missing(tmp_path: Path) -> None:
    target = load([_write(tmp_path / "a.jsonl", {"id": "1", "output": None})], root=tmp_path)
    with pytest.raises(MissingOutput, match=r"the recorded output in a\.jsonl is null"):
        asyncio.run(target.answer(Case("1"), 0))


@pytest.mark.parametrize("value", ["", 0, False, [], {}])
def test_an_empty_value_is_an_output(tmp_path: Path, value: Any) -> None:
    target = load([_write(tmp_path / "a.jsonl", {"id": "1", "output": value})], root=tmp_path)
    assert asyncio.run(target.answer(Case("1"), 0)) == Output(value)


def test_every_problem_of_every_file_is_listed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    first = _write(
        tmp_path / "out" / "a.jsonl",
        {"id": "1", "output": "x"},
        "{",
        {"id": "1", "output": "y"},
        {"output": "z"},
        {"id": True, "output": "z"},
        {"id": "None", "text": "z"},
    )
    second = _write(
        tmp_path / "b.jsonl", {"id": "1", "output": "x"}, {"id": 1, "output": "x"}, {"id": "", "output": 1}
    )
    with pytest.raises(RecordingError) as caught:
        load([first, second], root=tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("out/a.jsonl:2: ")
    assert lines[1:] == [
        'out/a.jsonl:3: id: duplicate id "1" (first at line 1)',
        "out/a.jsonl:4: id: missing or not a string or whole number; write the id of the case",
        "out/a.jsonl:5: id: missing or not a string or whole number; write the id of the case",
        "out/a.jsonl:6: output: missing; the row has id, text",
        'b.jsonl:2: id: duplicate id "1" (first at line 1)',
        "b.jsonl:3: id: missing or not a string or whole number; write the id of the case",
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"gone\.jsonl"):
        load([tmp_path / "gone.jsonl"], root=tmp_path)


def test_a_path_that_leads_nowhere_is_a_problem_of_the_row(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.jsonl", {"id": "1", "output": "text"})
    with pytest.raises(RecordingError, match=r"a\.jsonl:1: output\.text: missing; the row has id, output"):
        load([file], root=tmp_path, output="output.text")


def test_a_golden_row_may_contain_its_output() -> None:
    assert asyncio.run(RowTargetRunner().answer(Case("1", output="x"), 0)) == Output("x")
    with pytest.raises(MissingOutput, match="has no recorded"):
        asyncio.run(RowTargetRunner().answer(Case("1"), 0))
