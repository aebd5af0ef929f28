from __future__ import annotations

import json
import tracemalloc
import zlib
from dataclasses import fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_evalgate.engine.cache import entries as cache_entries
from pytest_evalgate.engine.cache import first_difference, key_of
from pytest_evalgate.engine.cache.entries import MAX_ENTRY_BYTES, Entry, decode, encode, pack, reply_of, unpack
from pytest_evalgate.errors import RecordingError
from pytest_evalgate.records.calls import Call, Reply
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ask = Callable[..., Call]

_MADE = "2026-01-02T03:04:05Z"
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_PAYLOADS = st.dictionaries(st.text(), _JSON, max_size=3)


# --- keys -----------------------------------------------------------------------------------------------------------


def _reversed(value: Any) -> Any:
    """Return the same JSON value with the keys of every object in reverse order."""
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


def _call(payload: Any) -> Call:
    return Call("chat", "http://x", "m", payload)


@settings(deadline=None)
@given(_PAYLOADS)
def test_the_order_of_keys_does_not_matter(payload: dict[str, Any]) -> None:
    assert key_of(_call(payload)) == key_of(_call(_reversed(payload)))
    assert first_difference(_call(payload), _call(_reversed(payload))) == ""


@settings(deadline=None)
@given(_PAYLOADS, _PAYLOADS)
def test_different_payloads_have_different_keys_and_a_first_difference(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    assume(jsonl.canonical(one) != jsonl.canonical(two))
    assert key_of(_call(one)) != key_of(_call(two))
    assert first_difference(_call(one), _call(two)).startswith("payload")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "responses"),
        ("endpoint", "http://y"),
        ("model", "n"),
        ("payload", {"x": 1}),
        ("trial", 1),
        ("version", "2"),
    ],
)
def test_every_field_that_determines_the_reply_changes_the_key(ask: Ask, field: str, value: Any) -> None:
    call, changed = ask(), {field: value}
    assert key_of(replace(call, **changed)) != key_of(call)
    assert first_difference(call, replace(call, **changed)).startswith(field)


def test_fields_for_people_do_not_change_the_key(ask: Ask) -> None:
    call = ask()
    other = replace(
        call,
        route="r",
        purpose="judge:faq",
        label="other::b",
        accepts=bool,
        cached_as=ask(),
        allow_empty=True,
        traceparent="t",
    )
    assert key_of(other) == key_of(call)
    assert len(fields(Call)) == 13, "a field was added: it belongs into the key, or into this test"


def test_a_key_is_the_same_in_every_version() -> None:
    call = Call("chat", "http://x/v1", "m", {"messages": [{"role": "user", "content": "é"}]})
    assert key_of(call) == "1f709e9f16b691aa63a661edefff3702030a09183364e9285b30a98b67e77732"


@pytest.mark.parametrize(
    ("before", "now", "difference"),
    [
        ({"messages": [{"content": "Be brief."}]}, {"messages": [{"content": "Be kind."}]},
         'payload.messages[0].content: "Be brief." -> "Be kind."'),
        ({"t": 0}, {"t": 0.0}, "payload.t: 0 -> 0.0"),
        ({"t": 1}, {"t": True}, "payload.t: 1 -> true"),
        ({"a": 1}, {"a": 1, "b": [2]}, "payload.b: absent -> [2]"),
        ({"a": 1, "b": "x"}, {"a": 1}, 'payload.b: "x" -> absent'),
        ({"a": [1, 2]}, {"a": [1]}, "payload.a[1]: 2 -> absent"),
        ({"a": [1]}, {"a": {"b": 1}}, 'payload.a: [1] -> {"b":1}'),
        ({"a": "\x1b[31m"}, {"a": "b"}, 'payload.a: "\\x1b[31m" -> "b"'),
        ({"a": 1}, {"a": 1}, ""),
    ],
)  # fmt: skip
def test_the_first_difference_names_its_place_and_both_values(before: Any, now: Any, difference: str) -> None:
    assert first_difference(_call(before), _call(now)) == difference


def test_long_texts_are_shown_from_their_first_difference() -> None:
    difference = first_difference(_call({"p": "x" * 500 + "old"}), _call({"p": "x" * 500 + "new"}))
    assert "old" in difference
    assert "new" in difference
    assert len(difference) < 200


def test_the_version_is_named_before_the_payload(ask: Ask) -> None:
    call = ask("a")
    assert first_difference(call, replace(call, version="2", payload={})) == 'version: "" -> "2"'


def test_the_type_of_a_mapping_does_not_change_the_key(ask: Ask) -> None:
    call = ask()
    assert key_of(replace(call, payload=MappingProxyType(dict(call.payload)))) == key_of(call)
    assert key_of(replace(call, payload=json.loads(json.dumps(call.payload)))) == key_of(call)


# --- encoding -------------------------------------------------------------------------------------------------------


_COUNTS = st.none() | st.integers(0, 10**6)
_ENTRIES = st.builds(
    Entry,
    st.builds(
        Call,
        st.sampled_from(["chat", "responses", "http", "command", "python"]),
        st.text(),
        st.text(),
        _PAYLOADS,
        st.integers(0, 99),
        st.text(),
        st.text(),
        st.text(),
        st.text(),
    ),
    st.builds(
        Reply,
        _JSON,
        metadata=_PAYLOADS,
        served_model=st.text(),
        tokens_in=_COUNTS,
        tokens_out=_COUNTS,
        latency_s=st.floats(0, 1e6),
        attempts=st.just(0),
        cost_usd=st.just(0.0),
    ),
    st.just(_MADE),
    st.text(),
)


def _stored() -> dict[str, Any]:
    call = Call("chat", "http://x", "m", {"a": 1}, label="s::c")
    value: dict[str, Any] = json.loads(json.dumps(encode(Entry(call, Reply("hi", metadata={}), _MADE, "r"))))
    return value


@settings(deadline=None)
@given(_ENTRIES)
def test_packing_and_unpacking_keeps_an_entry(entry: Entry) -> None:
    decoded = decode(unpack(pack(entry)))
    assert decoded == entry
    for field in ("route", "purpose", "label"):  # calls compare without them
        assert getattr(decoded.call, field) == getattr(entry.call, field)


def test_an_unpacked_reply_is_a_cached_one() -> None:
    entry = Entry(Call("chat", "x", "m", {}), Reply("hi", metadata={}, attempts=3, cost_usd=0.5), _MADE, "")
    reply = decode(unpack(pack(entry))).reply
    assert reply == replace(entry.reply, attempts=0, cost_usd=0.0)
    assert reply.cached


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("schema", 2, "schema: 2; this version reads schema 1"),
        ("schema", None, "schema: None"),
        ("kind", "eval", "kind: 'eval'; known are chat"),
        ("trial", -1, "trial: -1 is not a whole number from 0"),
        ("trial", None, "trial: null"),
        ("trial", True, "trial: True is not"),
        ("payload", [], r"payload: \[\] is not an object"),
        ("label", 7, "label: 7 is not a string"),
        ("made", "yesterday", "yesterday"),
        ("made", "2026-01-02T03:04:05+02:00", "does not match"),
        ("reply", "hi", "reply: 'hi' is not an object"),
        ("reply", {}, "reply.value: missing"),
    ],
)
def test_a_malformed_entry_is_rejected_with_the_name_of_its_field(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode({**_stored(), field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tokens_in", 1.5), ("tokens_out", "3"), ("latency_s", "soon"), ("latency_s", -1), ("latency_s", 10**400),
        ("metadata", None), ("served_model", None),
    ],
)  # fmt: skip
def test_a_malformed_reply_is_rejected(field: str, value: object) -> None:
    stored = _stored()
    with pytest.raises(ValueError, match=field):
        reply_of({**stored, "reply": {**stored["reply"], field: value}})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "more than|truncated"),
        (b"not zlib", "not compressed JSON"),
        (zlib.compress(b"[1]"), "not an object"),
        (zlib.compress(b'{"a":1}')[:-3], "truncated"),
        (zlib.compress(b'{"a":1}') + b"x", "followed by other data"),
        (zlib.compress(b'{"a":NaN}'), "NaN is not JSON"),
        (zlib.compress(b'{"a":' + b"[" * 200_000), "nested too deep"),
        (zlib.compress(b'{"a":"\xff"}'), "ascii"),
        (zlib.compress(b"{"), "Expecting"),
    ],
)
def test_bytes_that_are_no_entry_are_rejected(body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unpack(body)


def test_a_bomb_is_not_inflated() -> None:
    bomb = zlib.compress(b'{"a":"' + b"x" * (4 * MAX_ENTRY_BYTES) + b'"}', 9)
    assert len(bomb) < MAX_ENTRY_BYTES / 200
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than 16,777,216 bytes"):
            unpack(bomb)
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_ENTRY_BYTES
    finally:
        tracemalloc.stop()


def test_an_entry_that_is_too_large_is_not_packed() -> None:
    entry = Entry(Call("chat", "x", "m", {}), Reply("x" * MAX_ENTRY_BYTES), _MADE, "")
    with pytest.raises(ValueError, match="at most 16,777,216 are cached"):
        pack(entry)


# --- cassettes ------------------------------------------------------------------------------------------------------


def _entry(call: Call, value: str = "hi") -> Entry:
    return Entry(call, Reply(value, metadata={}, attempts=0, cost_usd=0.0), _MADE, "r1")


def _write(path: Path, *entries: Entry) -> Path:
    path.write_bytes(b"".join(cache_entries.lines(entries)))
    return path


def test_a_cassette_is_read_by_key(tmp_path: Path, ask: Ask) -> None:
    entries = [_entry(ask(text), text) for text in ("a", "b")]
    found = cache_entries.read([_write(tmp_path / "c.jsonl", *entries)], root=tmp_path)
    assert found == {key_of(entry.call): entry for entry in entries}


def test_the_order_of_entries_does_not_change_a_cassette(ask: Ask) -> None:
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


def test_the_first_of_two_cassettes_wins(tmp_path: Path, ask: Ask) -> None:
    one = _write(tmp_path / "1.jsonl", _entry(ask(), "one"))
    two = _write(tmp_path / "2.jsonl", _entry(ask(), "two"))
    found = cache_entries.read([one, two], root=tmp_path)
    assert [entry.reply.value for entry in found.values()] == ["one"]


def test_cassettes_are_found_by_name_in_the_state_folder(tmp_path: Path) -> None:
    assert cache_entries.in_folder(tmp_path) == ()
    folder = tmp_path / "cassettes"
    folder.mkdir()
    for name in ("b.jsonl", "a.jsonl", "notes.md"):
        (folder / name).touch()
    assert cache_entries.in_folder(tmp_path) == (folder / "a.jsonl", folder / "b.jsonl")


def test_every_malformed_line_of_a_cassette_is_named(tmp_path: Path, ask: Ask) -> None:
    [good] = cache_entries.lines([_entry(ask())])
    newer = good.replace(b'"schema":1', b'"schema":2')
    (tmp_path / "c.jsonl").write_bytes(good + b"{,}\n" + newer + b'{"schema":1}\n')
    with pytest.raises(RecordingError) as rejected:
        cache_entries.read([tmp_path / "c.jsonl"], root=tmp_path)
    lines = str(rejected.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == ["c.jsonl:2", "c.jsonl:3", "c.jsonl:4"]
    assert "schema: 2; this version reads schema 1" in lines[1]


def test_a_missing_cassette_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"c\.jsonl: cannot be read: No such file"):
        cache_entries.read([tmp_path / "c.jsonl"], root=tmp_path)


def test_an_edited_call_in_a_cassette_has_the_key_of_the_edited_call(tmp_path: Path, ask: Ask) -> None:
    path = _write(tmp_path / "c.jsonl", _entry(ask("old")))
    path.write_bytes(path.read_bytes().replace(b"old", b"new"))
    with pytest.raises(RecordingError, match=r"c\.jsonl:1: sha256: the line was edited after its export: remove"):
        cache_entries.read([path], root=tmp_path)
    line = json.loads(path.read_bytes())
    del line["sha256"]
    path.write_text(json.dumps(line))
    assert list(cache_entries.read([path], root=tmp_path)) == [key_of(ask("new"))]
    assert key_of(replace(ask("old"), label="x")) not in cache_entries.read([path], root=tmp_path)
