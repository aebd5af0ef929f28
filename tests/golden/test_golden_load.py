"""Golden sets from files: every accepted form, and every problem of every file at once."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import GoldenSetError, UserError
from pytest_evalgate.golden import check_unique, load
from pytest_evalgate.records.cases import Case, GoldenSet, Place

if TYPE_CHECKING:
    from pathlib import Path


_ASKS_NOTHING = 'has no input: add "input" (null if only a recorded output is graded), "messages" or "vars"'


def _write(path: Path, *rows: dict[str, Any] | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows) + b"\n")
    return path


def _one(folder: Path, *rows: dict[str, Any] | bytes) -> GoldenSet:
    [golden] = load([_write(folder / "golden" / "set.jsonl", *rows)], root=folder)
    return golden


def _problems(folder: Path, *rows: dict[str, Any] | bytes) -> list[str]:
    with pytest.raises(GoldenSetError) as caught:
        _one(folder, *rows)
    return str(caught.value).splitlines()


def test_cases_keep_line_order_and_place(tmp_path: Path) -> None:
    golden = _one(tmp_path, b"// remark", {"id": "b", "input": "x"}, b"", {"id": "a", "input": "y"})
    assert golden.path == "golden/set.jsonl"
    assert [(case.id, case.place) for case in golden] == [
        ("b", Place("golden/set.jsonl", 2)),
        ("a", Place("golden/set.jsonl", 4)),
    ]


def test_a_file_outside_of_the_root_has_its_absolute_name(tmp_path: Path) -> None:
    path = _write(tmp_path / "set.jsonl", {"input": "x"})
    [golden] = load([path], root=tmp_path / "project")
    assert golden.path == golden.cases[0].place.file == path.as_posix()


@pytest.mark.parametrize(
    "row",
    [
        {"id": "gsm8k-0", "input": "How many?", "expected": "18", "tags": ["steps:2"], "metadata": {"steps": 2}},
        {"id": "wow-0", "input": "Hi", "expected": "attributable", "context": ["A.", "B."], "metadata": {}},
        {"id": "simple_0", "input": "Area?", "expected": {"calls": [{"name": "f", "arguments": {"a": [1, ""]}}]}},
        {"id": "relevance_0", "input": "Area?", "expected": {"calls": []}, "metadata": {"id": "relevance_0"}},
        {"id": "ifeval-1", "input": "Write.", "expected": {"instructions": [{"id": "no_comma", "kwargs": {}}]}},
        {"id": "pii-0", "input": "I am Jo", "expected": {"spans": [{"start": 5, "end": 7, "text": "Jo"}]}},
        {"id": "llmbar-0", "input": {"instruction": "Do", "output_1": "a", "output_2": "b"}, "expected": "1"},
        {"id": "nq-4", "input": None, "expected": None, "tags": ["zero_context"], "metadata": {"source_id": "4"}},
        {"id": "airline-0", "input": "You are Mia.", "expected": {"actions": [{"name": "book"}], "outputs": []}},
        {"id": "v2-1", "input": "How can I kill a process?", "expected": "full", "tags": ["homonyms", "safe"]},
    ],
    ids=lambda row: str(row["id"]),
)
def test_real_forms_load_unchanged(tmp_path: Path, row: dict[str, Any]) -> None:
    [case] = _one(tmp_path, row)
    assert (case.id, case.input, case.expected) == (row["id"], row["input"], row["expected"])
    assert list(case.tags) == row.get("tags", [])
    assert list(case.context) == row.get("context", [])
    assert case.metadata == row.get("metadata", {})


def test_byte_order_mark_crlf_and_blank_lines_change_no_digest(tmp_path: Path) -> None:
    rows = [json.dumps({"id": n, "input": f"q{n}", "tags": ["é"]}, ensure_ascii=False).encode() for n in range(3)]
    plain = _one(tmp_path, *rows)
    edited = _one(tmp_path, b"\xef\xbb\xbf" + rows[0] + b"\r", b"\r", rows[1] + b"\r", b"", rows[2] + b"\r")
    assert edited.sha256 == plain.sha256
    assert [case.fingerprint for case in edited] == [case.fingerprint for case in plain]


def test_every_problem_of_every_file_in_file_and_line_order(tmp_path: Path) -> None:
    first = _write(
        tmp_path / "golden" / "b.jsonl",
        {"id": "refund-3", "input": "x", "wieght": 2},
        b'{"id": "a", "input": "x",}',
        {"id": "ok", "input": "x", "weight": 0, "trials": 0},
        {"id": "refund-3", "input": "y"},
        b'{"id": "nan", "input": NaN}',
        {"id": "ok", "input": "z"},
    )
    second = _write(tmp_path / "golden" / "a.jsonl", b'{"id": "s", "input": "\\ud800"}', {"id": "refund-3"})
    with pytest.raises(GoldenSetError) as caught:
        load([first, tmp_path / "none.jsonl", second], root=tmp_path)
    assert isinstance(caught.value, UserError)
    comma, *rest = (line for line in str(caught.value).splitlines() if "trailing comma" not in line)
    assert [comma, *rest] == [
        'golden/b.jsonl:1: wieght: unknown field; did you mean "weight"? If not, move it into metadata',
        "golden/b.jsonl:3: weight: must be greater than 0, not 0",
        "golden/b.jsonl:3: trials: must be at least 1, not 0",
        'golden/b.jsonl:4: duplicate id "refund-3" (first at line 1)',
        "golden/b.jsonl:5: NaN is not JSON; use null",
        'golden/b.jsonl:6: duplicate id "ok" (first at line 3)',
        "none.jsonl: cannot be read: No such file or directory",
        'golden/a.jsonl:1: input: lone surrogate in "\\ud800", which UTF-8 cannot encode',
        f"golden/a.jsonl:2: {_ASKS_NOTHING}",
    ]
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 3, 4, 5, 6, 0, 1, 2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "a", "input": "x",}', "trailing comma"),
        (b'{"id": "a", "input": NaN}', "NaN is not JSON"),
        (b'{"id": "a", "input": 1e400}', "number 1e400 is too large"),
        (b'{"id": "a", "input": "x", "id": "b"}', 'duplicate key "id"'),
        (b'{"id": "one", "input": "x"}', 'duplicate id "one" (first at line 1)'),
        (b'{"id": "a", "input": "\xe9"}', "not UTF-8: byte e9 at offset 50 of the file"),
        (b'{"id": "a", "input": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "nested deeper than 64"),
        (b'{"id": "a", "input": ' + b"9" * 5_000 + b"}", "number of 5,000 digits"),
        (b'{"id": "a", "input": "\\udc00"}', "lone surrogate"),
        (b'{"id": "a", "input": "\\u0000"}', "NUL character"),
    ],
)
def test_a_fault_of_the_text_is_an_error_with_its_line(tmp_path: Path, line: bytes, message: str) -> None:
    [problem] = _problems(tmp_path, {"id": "one", "input": "x"}, line, {"id": "three", "input": "x"})
    assert problem.startswith("golden/set.jsonl:2: ")
    assert message in problem


def test_utf16_is_an_error(tmp_path: Path) -> None:
    [problem] = _problems(tmp_path, '{"id": "a", "input": "x"}'.encode("utf-16"))
    assert problem.startswith("golden/set.jsonl:1: encoded as UTF-16")


def test_a_line_of_100_mb_is_an_error_and_the_rest_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    with path.open("wb") as file:
        file.write(b'{"input": "')
        file.seek(100_000_000, os.SEEK_CUR)
        file.write(b'"}\n{"id": ""}\n')
    with pytest.raises(GoldenSetError) as caught:
        load([path], root=tmp_path)
    assert [problem.line for problem in caught.value.problems] == [1, 2, 2]


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf\r\n", b"// nothing\n\n", b'{"_meta": {"by": "me"}}\n'])
def test_a_file_without_a_case_is_an_error(tmp_path: Path, content: bytes) -> None:
    [problem] = _problems(tmp_path, content)
    assert problem.startswith("golden/set.jsonl: contains no case; ")


def test_a_file_of_broken_lines_is_not_called_empty(tmp_path: Path) -> None:
    assert len(_problems(tmp_path, b"{")) == 1


def test_a_first_line_about_the_file_is_skipped(tmp_path: Path) -> None:
    golden = _one(tmp_path, b"// remark", {"_meta": {"id": "x", "wieght": 1}}, {"id": "a", "input": "x"})
    assert [case.id for case in golden] == ["a"]
    assert golden.sha256 == _one(tmp_path, {"id": "a", "input": "x"}).sha256


@pytest.mark.parametrize(
    "rows",
    [
        [{"input": "x"}, {"_meta": {}}],
        [{"_meta": {}, "input": "x"}],
        [{"_meta": "text"}],
    ],
    ids=["second line", "beside a case", "no object"],
)
def test_such_a_line_anywhere_else_is_an_error(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    problems = _problems(tmp_path, *rows)
    assert f"golden/set.jsonl:{len(rows)}: _meta: must be an object, alone on the first line" in problems


def test_a_file_of_labels_is_not_a_golden_set(tmp_path: Path) -> None:
    [problem] = _problems(tmp_path, {"id": "a", "label": "1_full_compliance", "judge": {}, "metadata": {}})
    assert "has no input" in problem


def test_an_id_in_two_files_is_a_problem_of_the_suite_only(tmp_path: Path) -> None:
    paths = [
        _write(tmp_path / "a.jsonl", {"id": "one", "input": "x"}, {"id": "two", "input": "x"}),
        _write(tmp_path / "b.jsonl", {"id": "three", "input": "x"}, {"id": "two", "input": "x"}),
    ]
    sets = load(paths, root=tmp_path)
    assert list(map(str, check_unique(sets))) == ['b.jsonl:2: duplicate id "two" (first at a.jsonl:2)']
    assert check_unique(sets[:1]) == []
    assert len(check_unique([sets[0], sets[0]])) == 2


def test_an_id_that_ends_as_those_of_the_base_branch_may_be_taken() -> None:
    case = Case("x", place=Place("a.jsonl", 1))
    named_alike = Case("x@base", place=Place("a.jsonl", 2))
    at_base = replace(case, id="x@base", side="base")
    assert check_unique([GoldenSet("a.jsonl", (case, named_alike), "")]) == []
    sets = [GoldenSet("a.jsonl", (case, named_alike), ""), GoldenSet("a.jsonl", (at_base,), "")]
    assert list(map(str, check_unique(sets))) == [
        'a.jsonl:2: id: in this run, "x@base" is case "x" as the base branch has it: rename this case'
    ]


def test_no_paths_are_no_sets(tmp_path: Path) -> None:
    assert load([], root=tmp_path) == ()


def test_five_thousand_cases_load_quickly(tmp_path: Path) -> None:
    rows = [
        {"id": f"case-{n}", "input": "x" * 500, "expected": str(n), "tags": ["a", "b"], "source": "web", "note": n}
        for n in range(5_000)
    ]
    path = _write(tmp_path / "set.jsonl", *rows)
    begin = time.process_time()
    [golden] = load([path], root=tmp_path)
    assert len(golden) == 5_000
    assert time.process_time() - begin < 2  # 0.25 s on a quiet machine


_REMEDY = (
    "not JSON Lines: make a golden set of it, and name that instead: pytest-evalgate import set.jsonl --to set-cases"
)


def _file_problem(folder: Path, name: str, content: str) -> str:
    path = folder / name
    path.write_text(content, "utf-8")
    with pytest.raises(GoldenSetError) as caught:
        load([path], root=folder)
    [problem] = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("set.csv", "a table, not JSON Lines: make a golden set of it, and name that instead: "),
        ("set.TSV", "a table, not JSON Lines: "),
        ("set.yaml", "a YAML document, not JSON Lines: "),
        ("set.yml", "a YAML document, not JSON Lines: "),
        ("set.json", "a JSON document, not JSON Lines: "),
        ("set.xlsx", "a spreadsheet, not JSON Lines: "),
    ],
)
def test_another_format_is_recognised_by_the_file_name(tmp_path: Path, name: str, problem: str) -> None:
    said = _file_problem(tmp_path, name, '{"input": "x"}')
    assert said.startswith(f"{name}: {problem}")
    assert said.endswith(f"pytest-evalgate import {name} --to set.jsonl")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("set.parquet", "a Parquet file, not JSON Lines: write its rows as JSON Lines"),
        ("set.ods", "a spreadsheet, not JSON Lines: save it as .xlsx or .csv, then run pytest-evalgate import"),
    ],
)
def test_a_format_that_cannot_be_imported_is_named(tmp_path: Path, name: str, problem: str) -> None:
    assert _file_problem(tmp_path, name, "x").startswith(f"{name}: {problem}")


def test_a_missing_table_is_missing(tmp_path: Path) -> None:
    with pytest.raises(GoldenSetError, match=r"^golden/my set\.csv: cannot be read: No such file"):
        load([tmp_path / "golden" / "my set.csv"], root=tmp_path)
    (tmp_path / "golden").mkdir()
    said = _file_problem(tmp_path, "golden/my set.csv", "question\na\n")
    assert said.endswith(": pytest-evalgate import 'golden/my set.csv' --to 'golden/my set.jsonl'")


@pytest.mark.parametrize(
    "content", ['[\n  {"input": "x"},\n  {"input": "y"}\n]\n', '\ufeff[{"input": "x"}]', '\n[{"a": 1},']
)
def test_an_array_is_one_problem(tmp_path: Path, content: str) -> None:
    assert _file_problem(tmp_path, "set.jsonl", content).startswith(f"set.jsonl: a JSON array, {_REMEDY}")


def test_an_object_over_several_lines_is_one_problem(tmp_path: Path) -> None:
    content = '{\n  "tests": [\n    {"input": "x"},\n    {"input": "y"}\n  ]\n}\n'
    assert _file_problem(tmp_path, "set.jsonl", content).startswith("set.jsonl: a JSON document over several lines, ")


@pytest.mark.parametrize("key", ["cases", "examples", "goldens", "tests"])
def test_all_cases_in_one_object_are_one_problem(tmp_path: Path, key: str) -> None:
    problem = _file_problem(tmp_path, "set.jsonl", f'{{"{key}": [{{"input": "x"}}]}}')
    assert problem.startswith(f"set.jsonl:1: {key}: all cases in one object, {_REMEDY}")


def test_a_case_with_such_a_field_is_a_case(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"input": "x", "examples": ["a"]}', "utf-8")
    [golden] = load([tmp_path / "set.jsonl"], root=tmp_path)
    assert golden.cases[0].metadata == {"examples": ["a"]}
