"""The part of HTTP/1.1 that the fault server needs: parses requests, formats response heads.

Written for speed: benchmarks must not measure their own server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.replies import Response

HEAD_LIMIT: Final = 64 * 1024
BODY_LIMIT: Final = 64 * 1024 * 1024
_HEAD_END: Final = b"\r\n\r\n"
_DECIMAL: Final = re.compile("[0-9]{1,16}")
_HEX: Final = re.compile(rb"[0-9a-fA-F]{1,16}")
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed request; ``headers`` by lower-case name."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_last(self) -> bool:
        """Whether the client asks to close the connection after the response."""
        return self.headers.get("connection", "").lower() == "close"


def take_message(buffer: bytearray) -> Message | None:
    """Remove the first request from ``buffer`` and return it.

    Return None and leave the buffer unchanged while the request is incomplete.

    Raises:
        ValueError: It is not an HTTP/1.1 request, or larger than the limits.

    """
    end = buffer.find(_HEAD_END, 0, HEAD_LIMIT)
    if end < 0:
        if len(buffer) >= HEAD_LIMIT:
            raise ValueError(f"the head of the request is longer than {HEAD_LIMIT} bytes")
        return None
    method, path, headers = _head(buffer[:end].decode("latin-1"))
    start = end + len(_HEAD_END)
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    found = _chunks(buffer, start) if chunked else _sized(buffer, start, headers.get("content-length", "0"))
    if found is None:
        return None
    body, size = found
    del buffer[:size]
    return Message(method, path, headers, body)


def format_head(response: Response, *, is_last: bool = False) -> bytes:
    """Return the head of ``response`` with its blank line. The last one announces that the connection closes."""
    lines = [
        f"HTTP/1.1 {response.status} {_PHRASES.get(response.status, 'Unknown')}",
        f"content-type: {response.content_type}",
        f"content-length: {len(response.body)}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
        *(("connection: close",) if is_last else ()),
    ]
    return "\r\n".join([*lines, "\r\n"]).encode("utf-8", "replace")


def _head(text: str) -> tuple[str, str, dict[str, str]]:
    first, *rest = text.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise ValueError(f"not an HTTP/1.1 request line: {first[:100]!r}")
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"not a header: {line[:100]!r}")
        headers[name.lower()] = value.strip()
    return words[0], words[1], headers


def _sized(buffer: bytearray, start: int, length: str) -> tuple[bytes, int] | None:
    if not _DECIMAL.fullmatch(length):
        raise ValueError(f"content-length is not a number: {length[:100]!r}")
    end = start + _bounded(int(length))
    return (bytes(buffer[start:end]), end) if len(buffer) >= end else None


def _chunks(buffer: bytearray, at: int) -> tuple[bytes, int] | None:
    """Return a chunked body and its end. Trailers are not supported."""
    body = bytearray()
    while (line_end := buffer.find(b"\r\n", at)) >= 0:
        start = line_end + 2
        size = _chunk_size(bytes(buffer[at:line_end]))
        _bounded(len(body) + size)
        at = start + size + 2
        if len(buffer) < at:
            return None
        if size == 0:
            return bytes(body), at
        body += buffer[start : start + size]
    return None


def _chunk_size(line: bytes) -> int:
    number = line.partition(b";")[0].strip()
    if not _HEX.fullmatch(number):
        raise ValueError(f"not a chunk size: {line[:100]!r}")
    return int(number, 16)


def _bounded(size: int) -> int:
    if not 0 <= size <= BODY_LIMIT:
        raise ValueError(f"a body of {size} bytes; the limit is {BODY_LIMIT}")
    return size
