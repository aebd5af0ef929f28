"""JSON documents and JSON Lines: lists in any wrapper, the line of each item, and what the wrapper has besides."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.importing import Imported, ImportingError, ImportOptions, read
from pytest_evalgate.importing.documents import WRAPPERS, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _import(text: str, name: str = "t.json", columns: Mapping[str, str] | None = None) -> Imported:
    Path(name).write_text(text, "utf-8")
    return read(Path(name), ImportOptions(columns or {}))


def _problem(text: str, name: str = "t.json") -> str:
    with pytest.raises(ImportingError) as caught:
        _import(text, name)
    return str(caught.value)


def test_each_item_has_its_line() -> None:
    made = _import('{"meta": {"x": [1]},\n "cases": [\n  {"input": "a"},\n\n  {"input": "b"}, {"input": "c"}\n ]}\n')
    assert [(case.place, case.row["input"]) for case in made.cases] == [
        ("t.json:3", "a"),
        ("t.json:5", "b"),
        ("t.json:5", "c"),
    ]
    assert [(one.place, one.what) for one in made.left_out] == [("t.json:1", 'the key "meta"')]


@pytest.mark.parametrize("key", [*WRAPPERS, "anything"])
def test_the_list_may_have_any_key(key: str) -> None:
    assert len(_import(json.dumps({key: [{"input": "a"}, {"input": "b"}]}, indent=1)).cases) == 2


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_JSON = st.recursive(st.none() | st.booleans() | st.integers() | _TEXT, st.lists, max_leaves=5)


@given(st.lists(st.fixed_dictionaries({"input": _TEXT}, optional={"x": _JSON}), min_size=1), st.integers(0, 3))
def test_the_line_of_every_item_is_that_where_it_starts(items: list[dict[str, Any]], indent: int) -> None:
    text = json.dumps({"name": "[{", "cases": items}, indent=indent, ensure_ascii=True)
    found = [int(row.place.rpartition(":")[2]) for row in read_json(text, Path("t.json"), "t.json").rows]
    starts = [number for number, line in enumerate(text.split("\n"), start=1) if line == f"{' ' * 2 * indent}{{"]
    assert indent == 0 or found == starts


def test_json_lines_are_read_with_their_lines() -> None:
    made = _import(
        '{"_meta": {"v": 1}}\n// note\n{"Question": "a", "Answer": "b"}\n\n{"Question": "c", "Answer": "d"}\n',
        "t.jsonl",
    )
    assert made.format == "jsonl"
    assert [case.place for case in made.cases] == ["t.jsonl:3", "t.jsonl:5"]
    assert _import('{"cases": [{"input": "a"}]}', "one.jsonl").cases[0].place == "one.jsonl:1"
    assert [case.row["input"] for case in _import('{"input": "a"}\n').cases] == ["a"]


def test_keys_can_be_mapped() -> None:
    made = _import('[{"q": "a", "a": "b", "n": 1}]', columns={"input": "q", "expected": "a"})
    assert made.cases[0].row == {"id": made.cases[0].row["id"], "input": "a", "expected": "b", "metadata": {"n": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "t.json: the list of cases is empty"),
        ("[1]", "t.json:1: an item is not an object but 1"),
        (
            '[{"input": "a"},\n 2,\n "x"]',
            "t.json:2: an item is not an object but 2\nt.json:3: an item is not an object",
        ),
        ('{"a": 1, "b": "x"}', 't.json: no key has a list of cases; the keys are "a", "b": name the list cases'),
        ('{"a": [{"x": 1}], "b": [{"x": 1}]}', "t.json: no key has a list of cases; the keys are"),
        ('[{"input": "a",}]', "t.json: not JSON at column 16: trailing comma"),
        ('[\n{"input": "a"}\n{"input": "b"}]', "t.json:3: not JSON at line 3, column 1: "),
        ('[{"input": "a", "input": "b"}]', 't.json: duplicate key "input"'),
        ("[" * 70 + "]" * 70, "t.json: nested deeper than 64"),
        (
            '[{"input": "a"},\n {"input": "b", "tags": 3, "weight": 0}]',
            "t.json:2: tags: must be a list, not 3\nt.json:2: weight",
        ),
        ('[{"input": "a", "target": "x"},\n {"input": "b", "ideal": "y"}]', "t.json:2: the dialect is openai/evals"),
        (
            '[{"inputs": {"q": "a"}, "outputs": "x"}]',
            "t.json:1: outputs: may be the expected value (langsmith, phoenix;",
        ),
    ],
)
def test_every_problem_has_its_place(text: str, message: str) -> None:
    assert _problem(text).startswith(message)


def test_malformed_lines_are_all_listed() -> None:
    lines = _problem('{"input": "a"}\n{"input": }\n{"input": "c"\n', "t.jsonl").splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["t.jsonl:2", "t.jsonl:3"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.ods", b"PK\x03\x04", "t.ods: an OpenDocument spreadsheet: save it as .xlsx, or as CSV"),
        ("t.json", b"\x1f\x8b\x08", "t.json: a gzip archive, not text: unpack it with gunzip"),
        ("t.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "t.csv: a Git LFS pointer, not the"),
        ("t.html", b"<!DOCTYPE html><p>", "t.html: an HTML page, not the file itself"),
    ],
)
def test_other_files_are_named(name: str, content: bytes, message: str) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(ImportingError) as caught:
        read(Path(name))
    assert str(caught.value).startswith(message)


def test_missing_files_folders_and_sheets_of_a_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    Path("t.csv").write_text("question\na\n")
    for path, options, message in (
        ("no.csv", ImportOptions(), "no.csv: cannot be read: No such file or directory"),
        ("folder", ImportOptions(), "folder: a folder, but not a saved dataset: name a file"),
        ("t.csv", ImportOptions(sheet="A"), "t.csv: --sheet is for workbooks and saved datasets: remove it"),
    ):
        with pytest.raises(ImportingError) as caught:
            read(Path(path), options)
        assert str(caught.value) == message


def test_utf_16_documents_are_read() -> None:
    Path("t.json").write_bytes('[{"input": "é"}]'.encode("utf-16"))
    made = read(Path("t.json"))
    assert made.cases[0].row["input"] == "é"
    assert made.notes[0] == "encoded as UTF-16"


class _Saved(list[dict[str, Any]]):
    num_rows = 2


class _Splits(dict[str, _Saved]):
    pass


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A folder with the marks of a saved dataset, and a library that returns what the test sets as ``loaded``."""
    library = SimpleNamespace(DatasetDict=_Splits, loaded=_Saved())
    library.load_from_disk = lambda _: library.loaded
    monkeypatch.setitem(sys.modules, "datasets", library)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").write_text("{}")
    return library


def test_a_saved_dataset_is_read_by_its_library(saved: SimpleNamespace) -> None:
    rows = _Saved([{"question": "a", "answer": "b", "image": b"x"}, {"question": "c", "answer": "d", "image": None}])
    saved.loaded = rows
    made = read(Path("saved"))
    assert [(case.place, case.row["input"], case.row["expected"]) for case in made.cases] == [
        ("saved[0]", "a", "b"),
        ("saved[1]", "c", "d"),
    ]
    assert [(one.what, one.why) for one in made.left_out] == [
        ('the column "image"', "it contains bytes, which is not a JSON value")
    ]
    saved.loaded = _Splits(train=rows, test=rows)
    with pytest.raises(ImportingError, match="saved: 2 splits: choose one with --sheet train, --sheet test"):
        read(Path("saved"))
    assert read(Path("saved"), ImportOptions(sheet="test")).cases[0].place == "saved: test[0]"


def test_the_library_of_a_saved_dataset_is_named_with_its_command(
    saved: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert saved.loaded == []
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportingError, match="to read it, pip install datasets"):
        read(Path("saved"))
