from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.engine.cache import entries as cache_entries
from pytest_evalgate.engine.cache import key_of
from pytest_evalgate.engine.cache.entries import Entry
from pytest_evalgate.errors import RecordingError
from pytest_evalgate.records.calls import Reply
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_evalgate.records.calls import Call

    Ask = Callable[..., Call]


def _entry(call: Call, value: str = "hi") -> Entry:
    return Entry(call, Reply(value, metadata={}, attempts=0, cost_usd=0.0), "2026-01-02T03:04:05Z", "r1")


def _write(path: Path, *entries: Entry) -> Path:
    path.write_bytes(b"".join(cache_entries.lines(entries)))
    return path


def test_entries_come_back_by_their_keys(tmp_path: Path, ask: Ask) -> None:
    entries = [_entry(ask(text), text) for text in ("a", "b")]
    found = cache_entries.read([_write(tmp_path / "c.jsonl", *entries)], root=tmp_path)
    assert found == {key_of(entry.call): entry for entry in entries}


def test_the_lines_depend_on_the_entries_only(ask: Ask) -> None:
    calls = [ask("x", label="s::b"), ask("x", label="s::a", trial=1), ask("x", label="s::a"), ask("y", label="s::a")]
    entries = [_entry(call) for call in calls]
    lines = list(cache_entries.lines(entries))
    assert lines == list(cache_entries.lines(reversed(entries)))
    labels = [jsonl.loads(line)["label"] for line in lines]
    assert labels == ["s::a", "s::a", "s::a", "s::b"]


def test_a_line_is_plain_json_without_control_characters(ask: Ask) -> None:
    [line] = cache_entries.lines([_entry(ask("\u202e\x1b[31m"), "\0 \ud800")])
    assert line.isascii()
    assert not [byte for byte in line[:-1] if byte < 32]
    assert jsonl.loads(line)["reply"]["value"] == "\ufffd \ufffd"


def test_of_two_cassettes_the_first_is_believed(tmp_path: Path, ask: Ask) -> None:
    one = _write(tmp_path / "1.jsonl", _entry(ask(), "one"))
    two = _write(tmp_path / "2.jsonl", _entry(ask(), "two"))
    found = cache_entries.read([one, two], root=tmp_path)
    assert [entry.reply.value for entry in found.values()] == ["one"]


def test_the_cassettes_of_a_state_folder_are_its_jsonl_files_by_name(tmp_path: Path) -> None:
    assert cache_entries.in_folder(tmp_path) == ()
    folder = tmp_path / "cassettes"
    folder.mkdir()
    for name in ("b.jsonl", "a.jsonl", "notes.md"):
        (folder / name).touch()
    assert cache_entries.in_folder(tmp_path) == (folder / "a.jsonl", folder / "b.jsonl")


def test_every_malformed_line_is_named(tmp_path: Path, ask: Ask) -> None:
    [good] = cache_entries.lines([_entry(ask())])
    newer = good.replace(b'"schema":1', b'"schema":2')
    (tmp_path / "c.jsonl").write_bytes(good + b"{,}\n" + newer + b'{"schema":1}\n')
    with pytest.raises(RecordingError) as refused:
        cache_entries.read([tmp_path / "c.jsonl"], root=tmp_path)
    lines = str(refused.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == ["c.jsonl:2", "c.jsonl:3", "c.jsonl:4"]
    assert "schema: 2; this version reads schema 1" in lines[1]


def test_a_cassette_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"c\.jsonl: cannot be read: No such file"):
        cache_entries.read([tmp_path / "c.jsonl"], root=tmp_path)


def test_a_changed_question_in_a_cassette_answers_the_changed_question(tmp_path: Path, ask: Ask) -> None:
    path = _write(tmp_path / "c.jsonl", _entry(ask("old")))
    path.write_bytes(path.read_bytes().replace(b"old", b"new"))
    assert list(cache_entries.read([path], root=tmp_path)) == [key_of(ask("new"))]
    assert key_of(replace(ask("old"), label="x")) not in cache_entries.read([path], root=tmp_path)
