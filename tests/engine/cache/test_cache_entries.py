from __future__ import annotations

import json
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.engine.cache.entries import MAX_ENTRY_BYTES, Entry, decode, encode, pack, reply_of, unpack
from pytest_evalgate.records.calls import Call, Reply

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_COUNTS = st.none() | st.integers(0, 10**6)
_ENTRIES = st.builds(
    Entry,
    st.builds(
        Call,
        st.sampled_from(["chat", "responses", "http", "command", "python"]),
        st.text(),
        st.text(),
        st.dictionaries(st.text(), _JSON, max_size=3),
        st.integers(0, 99),
        st.text(),
        st.text(),
        st.text(),
        st.text(),
    ),
    st.builds(
        Reply,
        _JSON,
        metadata=st.dictionaries(st.text(), _JSON, max_size=2),
        served_model=st.text(),
        tokens_in=_COUNTS,
        tokens_out=_COUNTS,
        latency_s=st.floats(0, 1e6),
        attempts=st.just(0),
        cost_usd=st.just(0.0),
    ),
    st.just("2026-01-02T03:04:05Z"),
    st.text(),
)


def _stored() -> dict[str, Any]:
    call = Call("chat", "http://x", "m", {"a": 1}, label="s::c")
    value: dict[str, Any] = json.loads(
        json.dumps(encode(Entry(call, Reply("hi", metadata={}), "2026-01-02T03:04:05Z", "r")))
    )
    return value


def _same(one: Entry, two: Entry) -> bool:
    """Calls compare without what is for people, so that is compared here."""
    people = [(e.call.route, e.call.purpose, e.call.label) for e in (one, two)]
    return one == two and people[0] == people[1]


@settings(deadline=None)
@given(_ENTRIES)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert _same(decode(unpack(pack(entry))), entry)


def test_what_comes_back_cost_nothing() -> None:
    entry = Entry(
        Call("chat", "x", "m", {}), Reply("hi", metadata={}, attempts=3, cost_usd=0.5), "2026-01-02T03:04:05Z", ""
    )
    reply = decode(unpack(pack(entry))).reply
    assert reply == replace(entry.reply, attempts=0, cost_usd=0.0)
    assert reply.cached


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("schema", 2, "schema: 2; this version reads schema 1"),
        ("schema", None, "schema: None"),
        ("kind", "eval", "kind: 'eval'; known are chat"),
        ("trial", -1, "trial: -1 is not a whole number from 0"),
        ("trial", None, "trial: null"),
        ("trial", True, "trial: True is not"),
        ("payload", [], r"payload: \[\] is not an object"),
        ("label", 7, "label: 7 is not a text"),
        ("made", "yesterday", "yesterday"),
        ("made", "2026-01-02T03:04:05+02:00", "does not match"),
        ("reply", "hi", "reply: 'hi' is not an object"),
        ("reply", {}, "reply.value: missing"),
    ],
)
def test_a_malformed_entry_is_refused_by_the_name_of_its_field(field: str, value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decode({**_stored(), field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tokens_in", 1.5), ("tokens_out", "3"), ("latency_s", "soon"), ("latency_s", -1), ("latency_s", 10**400),
        ("metadata", None), ("served_model", None),
    ],
)  # fmt: skip
def test_a_malformed_reply_is_refused(field: str, value: object) -> None:
    stored = _stored()
    with pytest.raises(ValueError, match=field):
        reply_of({**stored, "reply": {**stored["reply"], field: value}})


@pytest.mark.parametrize(
    ("body", "said"),
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
def test_bytes_that_are_no_entry_are_refused(body: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
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


def test_what_is_too_large_is_not_packed() -> None:
    entry = Entry(Call("chat", "x", "m", {}), Reply("x" * MAX_ENTRY_BYTES), "2026-01-02T03:04:05Z", "")
    with pytest.raises(ValueError, match="at most 16,777,216 are cached"):
        pack(entry)
