"""Fingerprints: what changes them, and what must not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_evalgate.golden import fingerprint, load, parse_row
from pytest_evalgate.records.results import Case, GoldenSet, Place
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from pathlib import Path

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_SCALAR = st.none() | st.booleans() | st.integers() | _TEXT
_JSON = _SCALAR | st.lists(_SCALAR, max_size=3) | st.dictionaries(_TEXT, _SCALAR, max_size=3)
_ROW = st.fixed_dictionaries(
    {"input": _JSON},
    optional={
        "expected": _JSON,
        "vars": st.dictionaries(_TEXT, _JSON, max_size=3),
        "context": st.lists(_TEXT, max_size=3),
        "tags": st.lists(_TEXT, max_size=3),
        "metadata": st.dictionaries(_TEXT, _JSON, max_size=3),
    },
)
_ROWS = st.lists(_ROW, min_size=1, max_size=5).map(lambda rows: [{"id": n, **row} for n, row in enumerate(rows)])
_IN_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def _print(**row: Any) -> str:
    parsed = parse_row({"id": "a", "input": "x", **row}, Place("set.jsonl", 1))
    assert parsed.case is not None
    return parsed.case.fingerprint


def _load(folder: Path, content: bytes) -> GoldenSet:
    path = folder / "set.jsonl"
    path.write_bytes(content)
    [golden] = load([path], root=folder)
    return golden


def test_the_fingerprint_is_pinned() -> None:
    expected = jsonl.digest({"context": ["c"], "expected": 1, "input": "x"})
    assert _print(expected=1, context="c", tags=["t"], weight=3) == expected
    assert fingerprint(Case("other id", "x", expected=1, context=("c",))) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"input": "y"},
        {"input": None},
        {"messages": [{"role": "user"}]},
        {"vars": {"a": 1}},
        {"expected": ""},
        {"expected": False},
        {"expected": []},
        {"expected_any": ["a"]},
        {"rubric": "r"},
        {"context": "c"},
        {"reference_context": "c"},
        {"expected_tools": ["t"]},
        {"asserts": [{"type": "equals"}]},
    ],
    ids=str,
)
def test_what_is_asked_or_wanted_changes_it(change: dict[str, Any]) -> None:
    assert _print(**change) != _print()


@pytest.mark.parametrize(
    "change",
    [
        {"id": "b"},
        {"tags": ["t"]},
        {"slice": {"lang": "de"}},
        {"metadata": {"a": 1}},
        {"split": "test"},
        {"weight": 2},
        {"trials": 2},
        {"skip": True},
        {"output": "o"},
        {"trajectory": ["t"]},
        {"human_label": 1},
        {"expected": None, "vars": {}, "messages": [], "context": [], "asserts": [], "rubric": None},
    ],
    ids=str,
)
def test_nothing_else_does(change: dict[str, Any]) -> None:
    assert _print(**change) == _print()


@pytest.mark.parametrize(
    "change",
    [
        {"tags": ["t"]},
        {"metadata": {"a": 1}},
        {"weight": 2},
        {"trials": 2},
        {"skip": "slow"},
        {"output": "o"},
        {"id": "b"},
        {"human_label": 0},
    ],
    ids=str,
)
def test_the_set_digest_covers_the_whole_row(tmp_path: Path, change: dict[str, Any]) -> None:
    row = {"id": "a", "input": "x"}
    before = _load(tmp_path, json.dumps(row).encode())
    assert _load(tmp_path, json.dumps({**row, **change}).encode()).sha256 != before.sha256


def test_the_set_digest_is_pinned(tmp_path: Path) -> None:
    golden = _load(tmp_path, b'{"id": "b", "input": 2}\n{"id": "a", "input": 1, "tags": ["t"], "weight": 1}\n')
    rows = {"a": {"id": "a", "input": 1, "tags": ["t"]}, "b": {"id": "b", "input": 2}}
    assert golden.sha256 == jsonl.digest([[name, jsonl.digest(row)] for name, row in rows.items()])


@given(
    rows=_ROWS, data=st.data(), mark=st.sampled_from([b"", b"\xef\xbb\xbf"]), ending=st.sampled_from(["\n", "\r\n\n"])
)
@_IN_ONE_FOLDER
def test_order_and_encoding_change_nothing(
    tmp_path: Path, rows: list[dict[str, Any]], data: st.DataObject, mark: bytes, ending: str
) -> None:
    before = _load(tmp_path, "\n".join(map(json.dumps, rows)).encode())
    shuffled = [dict(data.draw(st.permutations(list(row.items())))) for row in data.draw(st.permutations(rows))]
    lines = [json.dumps(row, ensure_ascii=data.draw(st.booleans()), indent=None) + ending for row in shuffled]
    after = _load(tmp_path, mark + "".join(lines).encode())
    assert after.sha256 == before.sha256
    assert {case.id: case.fingerprint for case in after} == {case.id: case.fingerprint for case in before}


@given(rows=_ROWS)
@_IN_ONE_FOLDER
def test_loading_keeps_what_was_written(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    golden = _load(tmp_path, "\n".join(map(json.dumps, rows)).encode())
    for case, row in zip(golden, rows, strict=True):
        assert (case.input, case.expected, case.metadata) == (
            row["input"],
            row.get("expected"),
            row.get("metadata", {}),
        )
        assert case.tags == tuple(row.get("tags", ()))
