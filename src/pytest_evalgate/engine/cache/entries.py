"""Cache entries: keys, encoding, and cassettes.

A cassette is a plain JSON Lines file of entries, to review and commit. It is not signed, and as trusted as the branch
that contains it.
"""

from __future__ import annotations

import json
import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Final, NoReturn, get_args

from pytest_evalgate.errors import LineProblem, RecordingError
from pytest_evalgate.frozen import dataclass, replace
from pytest_evalgate.records.calls import Call, CallKind, Reply
from pytest_evalgate.runs import record_file
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.records.cases import Json

# Version of keys and entries. Entries of other versions are not used.
SCHEMA: Final = 1

# Maximum size of an entry as JSON: larger ones are neither stored nor inflated.
MAX_ENTRY_BYTES: Final = 16 * 1024 * 1024

# Format of ``Entry.made``, in UTC.
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"

# Folder inside the state folder; every ``*.jsonl`` in it is replayed.
FOLDER: Final = "cassettes"

_DIGEST_KEY: Final = "sha256"
_MAX_NUMBER: Final = 2**53  # floats represent whole numbers up to here exactly
_COMPRESSION_LEVEL: Final = 1  # level 3 takes 1.3 to 2 times the time for 2 % less
_EXCERPT: Final = 60
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Entry:
    """A call and its reply, with the time of the reply (UTC, ISO 8601) and the run."""

    call: Call
    reply: Reply
    made: str
    run: str


# --- keys -----------------------------------------------------------------------------------------------------------


def key_of(call: Call) -> str:
    """Return the SHA-256, in hexadecimal, of everything that determines the reply to ``call``.

    Raises:
        ValueError: the payload contains NaN or an infinity.
        TypeError: it contains a value that JSON cannot represent.
    """
    return jsonl.digest({"schema": SCHEMA, **_key_fields(call)})


def first_difference(before: Call, now: Call) -> str:
    """Return the first field in which two calls differ, with both values; empty if their keys are equal.

    Example::

        'payload.messages[0].content: "Be brief." -> "Be kind."'
    """
    # in the order of `_key_fields`, which canonical JSON would sort: the version comes before the payload
    old, new = (
        {name: json.loads(jsonl.canonical(value)) for name, value in _key_fields(call).items()}
        for call in (before, now)
    )
    return next(_differences("", old, new), "")


def _key_fields(call: Call) -> dict[str, Json]:
    return {
        "kind": call.kind,
        "endpoint": call.endpoint,
        "model": call.model,
        "version": call.version,
        "trial": call.trial,
        "payload": call.payload,
    }


def _differences(place: str, before: Json, now: Json) -> Iterator[str]:
    if type(before) is type(now) and isinstance(before, dict | list):
        olds, news = _members(before), _members(now)
        for step in {**olds, **news}:
            yield from _differences(place + step, olds.get(step, _ABSENT), news.get(step, _ABSENT))
    elif before is _ABSENT or now is _ABSENT or jsonl.canonical(before) != jsonl.canonical(now):  # 1 == 1.0 == True
        yield f"{place.removeprefix('.')}: {_excerpt(before, now)} -> {_excerpt(now, before)}"


def _members(value: dict[str, Json] | list[Json]) -> dict[str, Json]:
    if isinstance(value, dict):
        return {f".{name}": member for name, member in value.items()}
    return {f"[{index}]": member for index, member in enumerate(value)}


def _excerpt(value: Json, other: Json) -> str:
    """Return ``value`` in one short line. A string starts shortly before its first difference from ``other``."""
    if value is _ABSENT:
        return "absent"
    if not isinstance(value, str):
        return jsonl.escape_text(jsonl.canonical(value), _EXCERPT)
    if not isinstance(other, str):
        return jsonl.quote_text(value, _EXCERPT)
    same = next((i for i, (one, two) in enumerate(zip(value, other, strict=False)) if one != two), len(value))
    start = max(0, same - _EXCERPT // 3)
    return jsonl.quote_text(("…" if start else "") + value[start:], _EXCERPT)


# --- encoding -------------------------------------------------------------------------------------------------------


def encode(entry: Entry) -> dict[str, Json]:
    """Return ``entry`` as plain JSON."""
    call, reply = entry.call, entry.reply
    return {
        "schema": SCHEMA,
        **_key_fields(call),
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
            **({"reasoning": reply.reasoning} if reply.reasoning else {}),
        },
    }


def decode(value: Mapping[str, Json]) -> Entry:
    """Return the entry that `encode` wrote, with a cached reply.

    Raises:
        ValueError: it has another schema, or a field is missing or malformed; names the field.
    """
    if value.get("schema") != SCHEMA:
        raise ValueError(f"schema: {_shown(value.get('schema'))}; this version reads schema {SCHEMA}")
    made = _text(value, "made")
    datetime.strptime(made, TIME_FORMAT)  # noqa: DTZ007 - checks the format, since times are compared as texts
    kind = _text(value, "kind")
    if kind not in get_args(CallKind):
        raise ValueError(f"kind: {_shown(kind)}; known are {', '.join(get_args(CallKind))}")
    trial = _count(value, "trial")
    if trial is None:
        raise ValueError("trial: null")
    call = Call(
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
    return Entry(call, reply_of(value), made, _text(value, "run"))


def reply_of(value: Mapping[str, Json]) -> Reply:
    """Return the cached reply of an encoded entry; raises like `decode`."""
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
        reasoning=_text(stored, "reasoning") if "reasoning" in stored else "",
    )


def as_cached(reply: Reply) -> Reply:
    """Return ``reply`` as a cached one: no attempts, no cost."""
    return replace(reply, attempts=0, cost_usd=0.0)


def pack(entry: Entry) -> bytes:
    """Return ``entry`` as compressed JSON.

    Raises:
        ValueError: it contains NaN or an infinity, or exceeds `MAX_ENTRY_BYTES`.
        TypeError: it contains a value that JSON cannot represent.
    """
    text = jsonl.canonical(encode(entry)).encode("ascii")
    if len(text) > MAX_ENTRY_BYTES:
        raise ValueError(f"{len(text):,} bytes, at most {MAX_ENTRY_BYTES:,} are cached")
    return zlib.compress(text, _COMPRESSION_LEVEL)


def unpack(body: bytes) -> dict[str, Json]:
    """Return the JSON object that `pack` compressed, for `decode` or `reply_of`.

    Raises:
        ValueError: ``body`` contains no such object, or inflates to more than `MAX_ENTRY_BYTES`.
    """
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(body, MAX_ENTRY_BYTES)
    except zlib.error as error:
        raise ValueError(f"not compressed JSON: {error}") from None
    if not stream.eof or stream.unused_data:
        raise ValueError(f"more than {MAX_ENTRY_BYTES:,} bytes, truncated, or followed by other data")
    try:
        value = _DECODER.decode(text.decode("ascii"))
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - every problem of an entry is a ValueError
    return value


def _text(value: Mapping[str, Json], name: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise ValueError(f"{name}: {_shown(found)} is not a string")  # noqa: TRY004 - as above
    return found


def _object(value: Mapping[str, Json], name: str) -> dict[str, Json]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise ValueError(f"{name}: {_shown(found)} is not an object")  # noqa: TRY004 - as above
    return found


def _count(value: Mapping[str, Json], name: str) -> int | None:
    found = value.get(name)
    if found is None or (isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _MAX_NUMBER):
        return found
    raise ValueError(f"{name}: {_shown(found)} is not a whole number from 0")


def _seconds(value: Mapping[str, Json], name: str) -> float:
    found = value.get(name)
    if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= _MAX_NUMBER:
        return float(found)
    raise ValueError(f"{name}: {_shown(found)} is not a number of seconds")


def _shown(value: Json) -> str:
    return jsonl.escape_text(repr(value), 40)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# json, not `jsonl`, which takes three times as long: the signature of the bytes was verified before
_DECODER: Final = json.JSONDecoder(parse_constant=_reject_constant)


# --- cassettes ------------------------------------------------------------------------------------------------------


def in_folder(state: Path) -> tuple[Path, ...]:
    """Return the cassettes in a state folder, sorted by name."""
    return tuple(sorted((state / FOLDER).glob("*.jsonl")))


def lines(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the lines of a cassette, sorted, so that the same entries always give the same file."""

    def order(entry: Entry) -> tuple[str, str, int, str]:
        return entry.call.label, entry.call.purpose, entry.call.trial, key_of(entry.call)

    for entry in sorted(entries, key=order):
        value = json.loads(record_file.dumps(encode(entry)))
        yield jsonl.canonical({**value, _DIGEST_KEY: jsonl.digest(value)}).encode("ascii") + b"\n"


def _check_digest(digest: Json, value: Mapping[str, Json]) -> None:
    """Check the digest of a line, if it has one. Users remove it from a line that they edit."""
    if digest is not None and digest != jsonl.digest(value):
        raise ValueError(f"{_DIGEST_KEY}: the line was edited after its export: remove it if that was intended")


def read(paths: Iterable[Path], *, root: Path) -> dict[str, Entry]:
    """Return the entries of cassettes by key; of two with the same key, the first one.

    Raises:
        RecordingError: malformed lines; lists all of them.
    """
    found: dict[str, Entry] = {}
    problems: list[LineProblem] = []
    for path in paths:
        name = files.relative_name(path, root)
        rows, bad = jsonl.read(path, name=name)
        problems += bad
        for row in rows:
            try:
                digest = row.value.pop(_DIGEST_KEY, None)
                entry = decode(row.value)
                _check_digest(digest, row.value)
                found.setdefault(key_of(entry.call), entry)
            except ValueError as error:
                problems.append(LineProblem(name, row.number, "", str(error)))
    if problems:
        raise RecordingError("\n".join(map(str, problems)))
    return found
