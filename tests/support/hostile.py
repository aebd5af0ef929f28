"""``python -m tests.support.hostile``: servers that send too much, too deep or too slowly, one for each path.

It prints its base URL, ``http://127.0.0.1:PORT/``, on the first line, and ends when its standard input is closed.
``ATTACKS`` maps the path of each server to what it sends in response to a request.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import sys
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_MIB: Final = 1024 * 1024
_BOMB: Final = 64 * _MIB
_SLOW_S: Final = 0.02
_CHAT: Final = json.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}).encode()
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHUNKED: Final = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def _whole(body: bytes, coding: str = "") -> bytes:
    field = f"Content-Encoding: {coding}\r\n" if coding else ""
    return _HEAD + f"{field}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _reply_with(text: bytes) -> bytes:
    """Return a valid reply whose ``extra`` is ``text``."""
    return b'{"extra": ' + text + b", " + _CHAT[1:]


_KEPT: Final = _whole(_CHAT)
_GZIPPED_REPLY: Final = gzip.compress(_CHAT)


def _once(data: bytes) -> Callable[[], Iterable[bytes]]:
    return lambda: (data,)


def _endless(head: bytes, more: bytes) -> Callable[[], Iterable[bytes]]:
    return lambda: itertools.chain((head,), itertools.repeat(more))


def _slowly(head: bytes, more: bytes) -> Callable[[], Iterator[bytes]]:
    def parts() -> Iterator[bytes]:
        yield head
        for byte in itertools.cycle(more):
            yield b""  # a pause
            yield bytes([byte])

    return parts


ATTACKS: Final[Mapping[str, Callable[[], Iterable[bytes]]]] = {
    "gzip-bomb": _once(_whole(gzip.compress(bytes(_BOMB), 9), "gzip")),
    "gzip-in-gzip": _once(_whole(gzip.compress(gzip.compress(bytes(_BOMB), 9), 9), "gzip, gzip")),
    "deflate-bomb": _once(_whole(zlib.compress(bytes(_BOMB), 9), "deflate")),
    "bytes-after-gzip": _endless(_HEAD + b"Content-Encoding: gzip\r\n\r\n" + _GZIPPED_REPLY, bytes(_MIB)),
    "empty-deflate-blocks": _endless(_HEAD + b"Content-Encoding: deflate\r\n\r\n", b"\x00\x00\x00\xff\xff" * 20_000),
    "endless-body": _endless(_HEAD + b"\r\n", b"x" * _MIB),
    "endless-chunks": _endless(_CHUNKED, b"100000\r\n" + b"x" * _MIB + b"\r\n"),
    "10-gb-announced": _endless(_HEAD + b"Content-Length: 10000000000\r\n\r\n", b"x" * _MIB),
    "15-mb-of-text": _once(_whole(_reply_with(b'"' + b"x" * 15 * _MIB + b'"'))),
    "endless-header": _endless(_HEAD + b"X: ", b"y" * _MIB),
    "endless-headers": _endless(_HEAD, b"X: y\r\n" * 10_000),
    "endless-interim-responses": _endless(b"", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 1_000),
    "endless-chunk-extension": _endless(_CHUNKED + b"1;a=", b"y" * _MIB),
    "endless-trailers": _endless(_CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n" * 10_000),
    "flood-when-idle": _endless(_KEPT, b"x" * _MIB),
    "responses-when-idle": _endless(_KEPT, _KEPT * 1_000),
    "5-million-values": _once(_whole(_reply_with(b"[" + b",".join([b"[]"] * 5_000_000) + b"]"))),
    "quotes": _once(_whole(b'{"a": ' + b"[" * 100 + b'"' * 15 * _MIB)),
    "nested": _once(_whole(_reply_with(b"[" * 5 * _MIB + b"]" * 5 * _MIB))),
    "huge-number": _once(_whole(_reply_with(b"9" * 10 * _MIB))),
    "slow-header": _slowly(_HEAD, b"X: y\r\n"),
    "slow-body": _slowly(_CHUNKED, b"1\r\nx\r\n"),
}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        while head := await reader.readuntil(b"\r\n\r\n"):
            await _respond(head, reader, writer)
    writer.close()


async def _respond(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    await reader.readexactly(int(lengths[0]) if lengths else 0)
    for part in ATTACKS[head.split(b"/", 2)[1].decode()]():
        if not part:
            await asyncio.sleep(_SLOW_S)
        writer.write(part)
        await writer.drain()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)  # noqa: T201 - a command line tool
    await asyncio.to_thread(sys.stdin.read)
    for writer in asyncio.all_tasks():
        if writer is not asyncio.current_task():
            writer.cancel()


if __name__ == "__main__":
    asyncio.run(_main())
