"""Envelope of a program's output: ``{"output": ..., "metadata": {...}}`` as all of its stdout.

An agent's steps may be beside the output, as ``trajectory``, ``messages`` or ``tool_calls``.

Any other text is the output itself. A program that writes an envelope in other than strict JSON has failed: graded as
text, the metadata would be part of the answer. Examples are NaN from Python's ``json.dumps``, keys that occur twice, a
cut-off object, and log lines around it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.beside import beside_output
from pytest_evalgate.targets.outputs import TargetFailure, as_output
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMEDY: Final = "write json.dumps(..., allow_nan=False) as all of stdout, and logs on stderr"

_BEFORE: Final = 'text before the object with "output"'

# Reads what programs write instead of strict JSON: NaN, keys that occur twice, line ends in strings.
_LENIENT: Final = json.JSONDecoder(strict=False)

_OBJECT: Final = re.compile(r"(?:^|(?<=[\r\n]))[^\S\r\n]*\{|\{(?=\s*[\"']output[\"']\s*:)")
_MAX_OBJECTS: Final = 20  # at the start and at the end of the text
_FENCE: Final = "```"  # of a Markdown text that shows JSON

_MARK: Final = re.compile(r"\\.|[\"'{}\[\]]", re.DOTALL)
_COLON: Final = re.compile(r"\s*:")
_BARE_KEY: Final = re.compile(r"\{\s*output\s*:")
_MAX_SCANNED: Final = 1 << 18


def read_output(written: bytes) -> Output:
    """Return the output in the stdout of a program: that of an envelope, else the text without its last line end.

    Raises:
        TargetFailure: It is not UTF-8, or contains an envelope that is not strict JSON or not alone.
    """
    try:
        text = written.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TargetFailure(f"the stdout of the program is not UTF-8, at byte {error.start}") from None
    body = text.strip()
    if body.startswith("{"):
        try:
            value = jsonl.loads(body)
        except ValueError as error:
            _check_text(body, str(error))
        else:
            if isinstance(value, dict) and "output" in value:
                return _opened(value)
    else:
        _check_text(body, _BEFORE)
    return as_output(text.removesuffix("\n").removesuffix("\r"))


def _opened(envelope: dict[str, object]) -> Output:
    if envelope["output"] is None:
        raise TargetFailure('the "output" that the program wrote is null')
    metadata = envelope.get("metadata")
    own = metadata if isinstance(metadata, dict) else {}
    return as_output(Output(envelope["output"], {**beside_output(envelope, "output"), **own}))


def _check_text(body: str, reason: str) -> None:
    """Raise TargetFailure for the first reason if a text, which is no strict envelope, contains one."""
    for start in _objects(body):
        begins_line = body[:start].rstrip(" \t")[-1:] in ("\r", "\n", "")
        if _is_envelope(body, start, within_line=not begins_line):
            why = reason if start == 0 or not body.startswith("{") else _BEFORE
            raise TargetFailure(f"stdout is not strict JSON: {why}; {_REMEDY}")


def _objects(body: str) -> Iterator[int]:
    """Yield the places where an envelope may begin; none if the whole text is another kind of JSON."""
    if "output" not in body:
        return
    if not body.startswith("{"):
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            pass
        else:
            return
    places = [found.end() - 1 for found in _OBJECT.finditer(body)]
    if len(places) > 2 * _MAX_OBJECTS:
        places = places[:_MAX_OBJECTS] + places[-_MAX_OBJECTS:]
    yield from (place for place in places if body.count(_FENCE, 0, place) % 2 == 0)


def _is_envelope(body: str, start: int, *, within_line: bool) -> bool:
    """Return whether a possibly malformed object has the key. A well-formed one ``within_line`` must end the text."""
    try:
        value, end = _LENIENT.raw_decode(body, start)
    except (ValueError, RecursionError):
        return not within_line and _has_key(body[start : start + _MAX_SCANNED])
    return isinstance(value, dict) and "output" in value and not (within_line and body[end:].strip())


def _has_key(text: str) -> bool:
    """Return whether a malformed object has the key ``output`` at its top level, in any quotes or none."""
    if _BARE_KEY.match(text):
        return True
    depth, quote, begin = 0, "", 0
    for found in _MARK.finditer(text):
        mark = found[0]
        if quote:
            if mark == quote:
                if depth == 1 and text[begin : found.start()] == "output" and _COLON.match(text, found.end()):
                    return True
                quote = ""
        elif mark in "\"'":
            quote, begin = mark, found.end()
        elif mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                return False
    return False
