"""Keys: the one text under which a call is remembered, and what tells two calls apart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pytest_evalgate import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.calls import Call
    from pytest_evalgate.data import Json

SCHEMA: Final = 1
"""The version of keys and entries: with a new one, everything is asked again."""

_SHOWN: Final = 60
_ABSENT: Final = object()


def key_of(call: Call) -> str:
    """SHA-256, in hexadecimal, of everything that decides the answer to ``call``.

    Raises:
        ValueError: the payload holds NaN or an infinity.
        TypeError: it holds what JSON cannot.

    """
    return jsonl.digest({"schema": SCHEMA, **asked(call)})


def asked(call: Call) -> dict[str, Json]:
    """Return the fields that decide the answer."""
    return {
        "kind": call.kind,
        "endpoint": call.endpoint,
        "model": call.model,
        "version": call.version,
        "trial": call.trial,
        "payload": call.payload,
    }


def first_difference(before: Call, now: Call) -> str:
    """Name the first field in which two calls differ, with both values; empty where their keys are the same.

    Example::

        'payload.messages[0].content: "Be brief." -> "Be kind."'
    """
    return next(_differences("", _plain(before), _plain(now)), "")


def _plain(call: Call) -> Json:
    return {name: json.loads(jsonl.canonical(value)) for name, value in asked(call).items()}


def _differences(place: str, before: Json, now: Json) -> Iterator[str]:
    if type(before) is type(now) and isinstance(before, dict | list):
        olds, news = _members(before), _members(now)
        for step in {**olds, **news}:
            yield from _differences(place + step, olds.get(step, _ABSENT), news.get(step, _ABSENT))
    elif before is _ABSENT or now is _ABSENT or jsonl.canonical(before) != jsonl.canonical(now):  # 1 == 1.0 == True
        yield f"{place.removeprefix('.')}: {_short(before, now)} -> {_short(now, before)}"


def _members(value: dict[str, Json] | list[Json]) -> dict[str, Json]:
    """Return what stands in ``value`` by the step that leads there."""
    if isinstance(value, dict):
        return {f".{name}": member for name, member in value.items()}
    return {f"[{index}]": member for index, member in enumerate(value)}


def _short(value: Json, other: Json) -> str:
    """Show ``value`` in one short line, from a little before the place where two texts part."""
    if value is _ABSENT:
        return "absent"
    if not isinstance(value, str):
        return jsonl.visible(jsonl.canonical(value), _SHOWN)
    if not isinstance(other, str):
        return jsonl.quoted(value, _SHOWN)
    same = next((i for i, (one, two) in enumerate(zip(value, other, strict=False)) if one != two), len(value))
    start = max(0, same - _SHOWN // 3)
    return jsonl.quoted(("…" if start else "") + value[start:], _SHOWN)
