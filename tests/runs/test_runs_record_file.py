from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import UserError
from pytest_evalgate.runs import record_file
from pytest_evalgate.runs.record_file import RecordFile

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class _Menu:
    day: str
    prices: dict[str, float]


_MENU = _Menu("monday", {"soup": 4.5, "bread": 1.0})
_LINE = RecordFile(_Menu, noun="a menu", kind="menu", error=UserError, next_step="print it again")
_ROWS = RecordFile(
    _Menu,
    noun="a menu",
    kind="menu",
    error=UserError,
    next_step="print it again",
    rows="prices",
    rows_digest=True,
    extra="forbid",
)


def test_a_record_is_one_line_of_canonical_json(tmp_path: Path) -> None:
    _LINE.write(_MENU, tmp_path / "menu.json")
    text = '{"day":"monday","kind":"menu","prices":{"bread":1.0,"soup":4.5},"schema":1}\n'
    assert (tmp_path / "menu.json").read_text("ascii") == text
    assert _LINE.read(tmp_path / "menu.json") == _MENU


def test_rows_have_a_line_each_and_a_digest(tmp_path: Path) -> None:
    _ROWS.write(_MENU, tmp_path / "menu.json")
    lines = (tmp_path / "menu.json").read_text("ascii").splitlines()
    assert lines[:4] == ["{", ' "schema": 1,', ' "kind": "menu",', ' "day": "monday",']
    assert lines[4].startswith(' "prices_sha256": "')
    assert lines[5:] == [' "prices": {', '  "soup": 4.5,', '  "bread": 1.0', " }", "}"]
    assert _ROWS.read(tmp_path / "menu.json") == _MENU


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "menu.json: schema 2 is newer than 1: upgrade pytest-evalgate to read it"),
        ({"schema": True}, "menu.json: not a menu of pytest-evalgate; print it again"),
        ({"kind": "bill"}, "menu.json: not a menu of pytest-evalgate; print it again"),
        ({"day": 1}, "menu.json: day: must be a string, not 1; print it again"),
        ({"lunch": 1}, "menu.json: lunch: unknown key; print it again"),
        ({"prices": {}}, "menu.json: the content does not match its digest: it was edited or cut; print it again"),
    ],
)
def test_an_unusable_file_is_refused_with_the_next_step(changes: dict[str, Any], message: str) -> None:
    value = {**json.loads(_ROWS.dumps(_MENU)), **changes}
    with pytest.raises(UserError) as caught:
        _ROWS.parse(json.dumps(value).encode(), "menu.json")
    assert str(caught.value) == message


def test_unknown_keys_can_be_ignored() -> None:
    value = {**json.loads(_LINE.dumps(_MENU)), "lunch": 1}
    assert _LINE.decode(value, "menu.json") == _MENU


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _LINE.write(_MENU, tmp_path / "menu.json")
    monkeypatch.setattr(record_file, "MAX_BYTES", 10)
    with pytest.raises(UserError, match=r"menu\.json: larger than 0 MiB; print it again"):
        _LINE.read(tmp_path / "menu.json")
