"""Entries: what is kept of an answered call, as records, as plain JSON and as bytes."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, NoReturn, get_args

from pytest_evalgate import jsonl
from pytest_evalgate.calls import Call, CallKind, Reply
from pytest_evalgate.engine.cache.keys import SCHEMA, asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.data import Json

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of an entry as JSON: more is neither kept nor inflated."""

TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
"""How ``Entry.made`` is written; it is UTC."""

_MOST: Final = 2**53  # numbers beyond it are none of ours, and some of them do not fit a float
_LEVEL: Final = 3  # level 6 takes twice the time for 4 % less


@dataclass(frozen=True, slots=True)
class Entry:
    """An answered call: what was asked, what came back, when (UTC, ISO 8601) and in which run."""

    call: Call
    reply: Reply
    made: str
    run: str


def encode(entry: Entry) -> dict[str, Json]:
    """Return ``entry`` as plain JSON."""
    call, reply = entry.call, entry.reply
    return {
        "schema": SCHEMA,
        **asked(call),
        "route": call.route,
        "purpose": call.purpose,
        "label": call.label,
        "made": entry.made,
        "run": entry.run,
        "reply": {
            "value": reply.value,
            "metadata": reply.metadata,
            "served_model": reply.served_model,
            "tokens_in": reply.tokens_in,
            "tokens_out": reply.tokens_out,
            "latency_s": reply.latency_s,
        },
    }


def decode(value: Mapping[str, Json]) -> Entry:
    """Return the entry that `encode` wrote; its reply is one that cost nothing.

    Raises:
        ValueError: it is of another schema, or a field is missing or malformed; names the field.

    """
    if value.get("schema") != SCHEMA:
        raise ValueError(f"schema: {_shown(value.get('schema'))}; this version reads schema {SCHEMA}")
    made = _text(value, "made")
    datetime.strptime(made, TIME)  # noqa: DTZ007 - only its form is looked at: texts of one form are compared
    return Entry(_call(value), reply_of(value), made, _text(value, "run"))


def reply_of(value: Mapping[str, Json]) -> Reply:
    """Return the reply of an encoded entry; raises as `decode`."""
    stored = _object(value, "reply")
    if "value" not in stored:
        raise ValueError("reply.value: missing")
    return Reply(
        stored["value"],
        metadata=_object(stored, "metadata"),
        served_model=_text(stored, "served_model"),
        tokens_in=_count(stored, "tokens_in"),
        tokens_out=_count(stored, "tokens_out"),
        latency_s=_seconds(stored, "latency_s"),
        attempts=0,
        cost_usd=0.0,
    )


def remembered(reply: Reply) -> Reply:
    """Return ``reply`` as one for which nothing was sent."""
    return replace(reply, attempts=0, cost_usd=0.0)


def pack(entry: Entry) -> bytes:
    """Return ``entry`` as compressed JSON.

    Raises:
        ValueError: it holds NaN or an infinity, or is larger than `LARGEST`.
        TypeError: it holds what JSON cannot.

    """
    text = jsonl.canonical(encode(entry)).encode("ascii")
    if len(text) > LARGEST:
        raise ValueError(f"{len(text):,} bytes, at most {LARGEST:,} are kept")
    return zlib.compress(text, _LEVEL)


def unpack(body: bytes) -> dict[str, Json]:
    """Return the plain JSON of what `pack` returned, for `decode` or `reply_of`.

    Raises:
        ValueError: it is no such thing; nothing larger than `LARGEST` is inflated to find out.

    """
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(body, LARGEST)
    except zlib.error as error:
        raise ValueError(f"not compressed JSON: {error}") from None
    if not stream.eof or stream.unused_data:
        raise ValueError(f"more than {LARGEST:,} bytes, cut short, or followed by something else")
    try:
        value = _DECODER.decode(text.decode("ascii"))
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - every fault of an entry is a ValueError
    return value


def _call(value: Mapping[str, Json]) -> Call:
    kind = _text(value, "kind")
    if kind not in get_args(CallKind):
        raise ValueError(f"kind: {_shown(kind)}; known are {', '.join(get_args(CallKind))}")
    trial = _count(value, "trial")
    if trial is None:
        raise ValueError("trial: null")
    return Call(
        kind,  # type: ignore[arg-type]  # checked above
        _text(value, "endpoint"),
        _text(value, "model"),
        _object(value, "payload"),
        trial,
        _text(value, "version"),
        _text(value, "route"),
        _text(value, "purpose"),
        _text(value, "label"),
    )


def _text(value: Mapping[str, Json], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise ValueError(f"{name}: {_shown(found)} is not a text")  # noqa: TRY004 - as above
    return found


def _object(value: Mapping[str, Json], name: str) -> dict[str, Json]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise ValueError(f"{name}: {_shown(found)} is not an object")  # noqa: TRY004 - as above
    return found


def _count(value: Mapping[str, Json], name: str) -> int | None:
    found = value.get(name)
    if found is None or (isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _MOST):
        return found
    raise ValueError(f"{name}: {_shown(found)} is not a whole number from 0")


def _seconds(value: Mapping[str, Json], name: str) -> float:
    found = value.get(name)
    if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= _MOST:
        return float(found)
    raise ValueError(f"{name}: {_shown(found)} is not a number of seconds")


def _shown(value: Json) -> str:
    return jsonl.visible(repr(value), 40)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_constant)
"""The standard library's own: bytes that pass here carry our seal, and `jsonl` takes three times as long."""
