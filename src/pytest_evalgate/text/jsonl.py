"""Strict JSON and JSON Lines. Every problem of a file is reported; no input can exhaust memory or crash the reader.

Stricter than the standard library: duplicate keys, NaN, numbers that overflow, lone surrogates, NUL characters, deep
nesting, huge integers and endless lines are problems, because each of them silently changes or loses a value, or
crashes the parser. More lenient than RFC 8259 for the sake of editors: a byte order mark, CRLF, blank lines and lines
that start with ``//`` are accepted.

jiter, which takes a third of the time of the standard library, parses what has no problem. What it refuses, and what
it may read differently, is parsed again with the standard library, which decides and has the messages.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import stat
from collections import Counter
from collections.abc import Mapping
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, NoReturn

from jiter import from_json

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import foreign
from pytest_evalgate.text.syntax import describe_json_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


MAX_LINE: Final = 8 << 20
"""The longest line in bytes."""


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Bounds for one file.

    ``line_bytes`` is the longest line in bytes, ``depth`` the deepest nesting, ``values`` the number of values in one
    document, ``problems`` the number of problems after which reading stops.
    """

    line_bytes: int = MAX_LINE
    depth: int = 64
    values: int = 500_000
    problems: int = 10_000


@dataclass(frozen=True, slots=True)
class JsonLine:
    """One JSON object and the 1-based number of its line."""

    number: int
    value: dict[str, Any]


class _InvalidJson(ValueError):  # noqa: N818 - private, and always turned into a LineProblem or a ValueError
    """A problem of a text; ``field`` is the place in it, if known."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


def read(path: Path, *, name: str, limits: JsonLimits | None = None) -> tuple[list[JsonLine], list[LineProblem]]:
    """Return the objects of a JSON Lines file and its problems, both in line order.

    Each line gives an object or a problem, unless it is blank or a comment. A file that cannot be read is one problem
    with line 0; nothing is raised. ``name`` is the name of the file in the problems.
    """
    limits = limits or JsonLimits()
    lines: list[JsonLine] = []
    problems: list[LineProblem] = []
    try:
        _require_regular(path)
        with path.open("rb") as file:
            head = file.read(foreign.HEAD)
            if (message := foreign.name_foreign(head)) is not None and message != foreign.CONFLICT:
                return [], [LineProblem(name, 1, "", message)]
            file.seek(0)
            for raw in _raw_lines(file, limits.line_bytes):
                if foreign.is_conflict_marker(raw.content or b""):  # the lines below it may be of either side
                    return [], [LineProblem(name, raw.number, "", foreign.CONFLICT)]
                try:
                    lines.append(JsonLine(raw.number, _parse_object(raw, limits)))
                except _InvalidJson as problem:
                    problems.append(LineProblem(name, raw.number, problem.field, problem.message))
                if len(problems) == limits.problems:
                    problems.append(LineProblem(name, raw.number, "", "too many problems; the rest was not read"))
                    break
        if problems and not lines and (message := foreign.name_other_rows(head)) is not None:
            problems = [LineProblem(name, problems[0].line, "", message)]
    except (OSError, ValueError) as error:  # ValueError: a folder, a pipe, or a path that contains a NUL character
        reason = getattr(error, "strerror", None) or str(error)
        problems.append(LineProblem(name, 0, "", f"cannot be read: {reason}"))
    return lines, problems


def valid_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and object of each line of a JSON Lines file that has no problem; use `read` for one that has.

    Raises:
        OSError: It cannot be read.
        ValueError: There is a problem.
    """
    limits = JsonLimits()
    _require_regular(path)
    with path.open("rb") as file:
        if (message := foreign.name_foreign(file.read(foreign.HEAD))) is not None:
            raise _InvalidJson(message)
        file.seek(len(_BOM) if _starts_with_bom(file) else 0)
        number, rest = 0, b""
        while block := file.read(_BLOCK):
            *lines, rest = (rest + block).split(b"\n")
            if len(rest) > limits.line_bytes:
                raise _InvalidJson("too long")
            yield from _valid(lines, number, limits)
            number += len(lines)
        yield from _valid([rest], number, limits)


def _starts_with_bom(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(len(_BOM)) == _BOM


def _valid(lines: Iterable[bytes], before: int, limits: JsonLimits) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, start=before + 1):
        if not line.startswith(b"{") and (not line.strip(_WHITESPACE) or line.lstrip(_WHITESPACE).startswith(b"//")):
            continue
        value = _parsed_quickly(line, limits)
        if type(value) is not dict:
            raise _InvalidJson("not a valid object")
        yield number, value


def stream(
    file: BinaryIO, *, name: str, start: int = 0, limits: JsonLimits | None = None
) -> Iterator[tuple[int, int, dict[str, Any] | LineProblem]]:
    """Yield (line number, byte offset, object or problem) of each line that is neither blank nor a comment.

    For files that do not fit into memory: nothing is kept. With a ``start``, which is the offset of a line, the lines
    are counted from there.
    """
    limits = limits or JsonLimits()
    for raw in _raw_lines(file, limits.line_bytes, start):
        try:
            yield raw.number, raw.offset, _parse_object(raw, limits)
        except _InvalidJson as problem:
            yield raw.number, raw.offset, LineProblem(name, raw.number, problem.field, problem.message)


def _require_regular(path: Path) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise _InvalidJson("it is a folder; name the file")
    if not stat.S_ISREG(mode):  # reading a named pipe would block for ever
        raise _InvalidJson("it is not a regular file")


_BLOCK: Final = 1 << 20
_BOM: Final = b"\xef\xbb\xbf"
_WHITESPACE: Final = b" \t\r\n"  # of JSON: bytes.strip() would remove \x0b and \x0c too
_SKIPPED_AT_ONCE: Final = 1 << 20


class _RawLine(NamedTuple):
    """A line and its byte offset; ``content`` is None for a line that is too long to be read."""

    number: int
    offset: int
    content: bytes | None


def _raw_lines(file: BinaryIO, longest: int, start: int = 0) -> Iterator[_RawLine]:
    """Yield each line from the offset ``start`` on that is neither blank nor a comment."""
    if start == 0:
        start = len(_BOM) if file.read(len(_BOM)) == _BOM else 0
    file.seek(start)
    for number, raw in enumerate(iter(partial(file.readline, longest + 1), b""), start=1):
        size = len(raw)
        if size > longest and not raw.endswith(b"\n"):
            size += _skip_line(file)
            yield _RawLine(number, start, None)
        elif (content := raw.rstrip(_WHITESPACE)) and (
            content.startswith(b"{") or not content.lstrip(_WHITESPACE).startswith(b"//")
        ):
            yield _RawLine(number, start, content)
        start += size


def _skip_line(file: BinaryIO) -> int:
    skipped = 0
    while part := file.readline(_SKIPPED_AT_ONCE):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def skim(path: Path) -> Iterator[JsonText]:
    """Yield the lines of a file that is read for a few of them: neither blank nor comments, and not checked.

    The strict reader takes ten times as long. Read what is used with `JsonText.parse`.

    Raises:
        OSError: The file cannot be read.
        ValueError: A line is longer than `MAX_LINE`.
    """
    with path.open("rb") as file:
        for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), start=1):
            if len(raw) > MAX_LINE:
                raise ValueError(f"line {number} is longer than {MAX_LINE:,} bytes")
            line = raw.removeprefix(_BOM) if number == 1 else raw
            if line.startswith(b"{") or ((line := line.strip(_WHITESPACE)) and not line.startswith(b"//")):
                yield JsonText(number, line)


_scan_once: Final = json.scanner.make_scanner(json.JSONDecoder())  # type: ignore[attr-defined]  # not in typeshed


class JsonText:
    """A line that is not parsed yet, and its 1-based number."""

    __slots__ = ("number", "text")

    def __init__(self, number: int, text: bytes) -> None:
        """Keep a line."""
        self.number = number
        self.text = text

    def skim(self) -> Any:
        """Return the value at its beginning, by the rules of the standard library.

        Raises:
            ValueError: It does not begin with JSON.
        """
        try:
            return _scan_once(self.text.decode(), 0)[0]
        except StopIteration:
            raise ValueError(f"line {self.number} is not JSON") from None

    def parse(self) -> JsonLine:
        """Parse it by the rules of `read`.

        Raises:
            ValueError: It is not one valid object.
        """
        return JsonLine(
            self.number, _parse_object(_RawLine(self.number, 0, self.text.rstrip(_WHITESPACE)), JsonLimits())
        )


def loads(document: str | bytes, *, limits: JsonLimits | None = None) -> Any:
    """Parse one JSON document by the rules of ``read``; the caller limits its length.

    Raises:
        ValueError: The document has a problem; the message has line and column if they are known.
    """
    raw = document if isinstance(document, bytes) else document.encode("utf-8", "surrogatepass")
    start = len(_BOM) if raw.startswith(_BOM) else 0
    return _parse(raw[start:], start, limits or JsonLimits())


def loads_received(document: bytes, *, limits: JsonLimits | None = None) -> Any:
    """Parse a JSON document of a server, which may contain what our own files may not.

    NUL characters and lone surrogates, which a model can write, and bytes that are not UTF-8 become U+FFFD. Line ends
    inside of strings are accepted. NaN, the infinities and numbers that overflow become None: they occur in fields
    that are not read, such as log probabilities.

    Raises:
        ValueError: The document is not JSON in another respect.
    """
    text = document.removeprefix(_BOM).decode("utf-8", "replace").replace("\0", "\ufffd")
    return _parse(text.encode(), 0, limits or JsonLimits(), _LENIENT)


_KINDS: Final = {list: "an array", str: "a string", int: "a number", float: "a number", bool: "a boolean"}


def _parse_object(raw: _RawLine, limits: JsonLimits) -> dict[str, Any]:
    if raw.content is None:
        raise _InvalidJson(f"longer than {limits.line_bytes:,} bytes; split the case, or put its bulk into a file")
    value = _parse(raw.content, raw.offset, limits)
    if not isinstance(value, dict):
        raise _InvalidJson(f"not an object but {_KINDS.get(type(value), 'null')}; write one {{...}} per line")
    return value


_SUSPECT_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def _parse(raw: bytes, offset: int, limits: JsonLimits, decoder: json.JSONDecoder | None = None) -> Any:
    """Parse ``raw``, which starts at byte ``offset`` of the file. A ``decoder`` other than the strict one repairs."""
    if (place := raw.find(b"\0")) >= 0:
        raise _InvalidJson(
            f"not text: NUL byte at offset {offset + place} of the file; if it is UTF-16, save as UTF-8"
        )
    # 16 MiB of "[],[],..." are 5 million lists, 360 MB
    if len(raw) > limits.values and (raw.count(b",") > limits.values or raw.count(b'"') > 4 * limits.values):
        raise _InvalidJson(f"more than {limits.values:,} values")
    if raw.count(b"[") + raw.count(b"{") > limits.depth and depth(raw) > limits.depth:
        raise _InvalidJson(f"nested deeper than {limits.depth}")
    if decoder is None and (value := _parsed_quickly(raw, limits)) is not _UNSURE:
        return value
    try:
        text = raw.decode("utf-8")
        value = (decoder or _DECODER).decode(text)
    except UnicodeDecodeError as error:
        bad, place = raw[error.start], offset + error.start
        raise _InvalidJson(f"not UTF-8: byte {bad:02x} at offset {place} of the file; save as UTF-8") from None
    except json.JSONDecodeError as error:
        raise _InvalidJson(describe_json_error(error)) from None
    if b"\\u" in raw and _SUSPECT_ESCAPE.search(raw):  # walking through every value would be slow
        if decoder is not None:
            return _repaired(value)
        _check_characters(value, "")
    return value


_UNSURE: Final = object()


def _parsed_quickly(raw: bytes, limits: JsonLimits) -> Any:
    """Return the value of a document that has no problem; `_UNSURE` if it may have one."""
    if (
        raw.count(b"[") + raw.count(b"{") > limits.depth
        or len(raw) > limits.values
        or (b"\\u" in raw and _SUSPECT_ESCAPE.search(raw) is not None)
    ):
        return _UNSURE
    try:
        value = from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        return _UNSURE
    return value if _has_plain_numbers(value, raw) else _UNSURE


_NUMBERS_AS_ZEROS: Final = bytes(48 if byte in b"+-.0123456789Ee" else byte for byte in range(256))


def _has_plain_numbers(value: Any, raw: bytes) -> bool:
    """Return whether no number overflows, or is written with more than `_LONGEST_NUMBER` digits."""
    has_float = False
    containers: list[Any] = [[value]]
    for container in containers:
        for member in container.values() if type(container) is dict else container:
            kind = type(member)
            if kind is str:
                continue
            if kind is dict or kind is list:
                containers.append(member)
            elif kind is float:
                has_float = True
                if math.isinf(member):
                    return False
            elif kind is int and not -_LARGE_INTEGER < member < _LARGE_INTEGER:
                return False
    if not has_float or len(raw) <= _LONGEST_NUMBER:
        return True
    return b"0" * (_LONGEST_NUMBER + 1) not in raw.translate(_NUMBERS_AS_ZEROS)


_NO_BRACKET: Final = bytes(sorted(set(range(256)) - set(b"[]{}")))
_STEP: Final = tuple((byte in b"[{") - (byte in b"]}") for byte in range(256))


def depth(raw: bytes) -> int:
    """Return the deepest nesting of brackets outside of strings, without recursion."""
    outside = b"".join(raw.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    brackets = outside.translate(None, _NO_BRACKET)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _check_characters(value: Any, where: str) -> None:
    if isinstance(value, str):
        _check_string(value, where)
    elif isinstance(value, dict):
        for key, member in value.items():
            _check_string(key, where)
            _check_characters(member, f"{where}.{escape_text(key)}" if where else escape_text(key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _check_characters(member, f"{where}[{index}]")


def _check_string(text: str, where: str) -> None:
    if "\0" in text:
        raise _InvalidJson(f"NUL character in {quote_text(text)}", where)
    if _SURROGATE.search(text):
        raise _InvalidJson(f"lone surrogate in {quote_text(text)}, which UTF-8 cannot encode", where)


_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def _repaired(value: Any) -> Any:
    """Return ``value`` with U+FFFD in place of the characters that no text can hold."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_UNSTORABLE.sub("\ufffd", key): _repaired(member) for key, member in value.items()}
    if isinstance(value, list):
        return list(map(_repaired, value))
    return value


_LONGEST_NUMBER: Final = 640  # digits that Python converts under every value of PYTHONINTMAXSTRDIGITS
_LARGE_INTEGER: Final = 10 ** (_LONGEST_NUMBER - 1)  # of 640 digits; with a sign, fewer are too many


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise _InvalidJson(f"duplicate key {quote_text(twice)}")
    return value


def _number(text: str) -> float:
    value = float(_bounded(text))
    if math.isinf(value):
        raise _InvalidJson(f"number {text[:40]} is too large for a 64-bit float")
    return value


def _bounded(number: str) -> str:
    if len(number) > _LONGEST_NUMBER:
        raise _InvalidJson(f"number of {len(number):,} digits, at most {_LONGEST_NUMBER}; write it as a string")
    return number


def _constant(name: str) -> NoReturn:
    raise _InvalidJson(f"{name} is not JSON; use null")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=lambda text: int(_bounded(text)),
    parse_float=_number,
    parse_constant=_constant,
)


def _number_or_none(text: str) -> float | None:
    value = float(_bounded(text))
    return None if math.isinf(value) else value


_LENIENT: Final = json.JSONDecoder(
    strict=False,
    object_pairs_hook=_object,
    parse_int=lambda text: int(_bounded(text)),
    parse_float=_number_or_none,
    parse_constant=lambda _: None,
)


def canonical(value: Any) -> str:
    """Return the canonical JSON text of ``value``: keys sorted, no spaces, ASCII only; any Mapping is an object.

    Raises:
        ValueError: ``value`` contains NaN or an infinity.
        TypeError: ``value`` contains an object that JSON cannot represent.
    """
    if _encode is None:
        return _ENCODER.encode(value)
    try:
        return "".join(_encode(value, 0))
    except RecursionError:  # the standard library tells an object that contains itself from deep nesting
        return _ENCODER.encode(value)


def _plain(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_plain
)
# `JSONEncoder.encode` makes one for each value, which takes longer than most values do
_make_encoder: Final = json.encoder.c_make_encoder  # type: ignore[attr-defined]  # not in typeshed
_encode: Final = _make_encoder and _make_encoder(
    *(None, _plain, json.encoder.encode_basestring_ascii, None),
    *(_ENCODER.key_separator, _ENCODER.item_separator, _ENCODER.sort_keys, _ENCODER.skipkeys, _ENCODER.allow_nan),
)


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical text, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def quote_text(text: str, limit: int = 80) -> str:
    """Return ``text`` in quotes for a message, truncated and escaped as by ``escape_text``."""
    return f'"{escape_text(text, limit)}"'


def escape_text(text: str, limit: int = 80) -> str:
    """Truncate ``text`` to ``limit`` characters, and escape what is invisible or controls a terminal."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)
