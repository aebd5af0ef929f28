"""Bounds on what a server may send: decoding below HTTP, then hostile servers in a process of their own."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.hostile import ATTACKS

from pytest_evalgate.engine.clients.connections import BodyReader, BodyTooLongError, DecodingError
from pytest_evalgate.engine.clients.reply import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TEXT = b"a reply of some words " * 500
_RAW_DEFLATE = zlib.compressobj(wbits=-zlib.MAX_WBITS)
_DEFLATED = _RAW_DEFLATE.compress(_TEXT) + _RAW_DEFLATE.flush()


def _read(chunks: Sequence[bytes], codings: str = "") -> bytes:
    given = iter([*chunks, b""])

    async def next_chunk() -> bytes:
        return next(given)

    return asyncio.run(BodyReader().read(next_chunk, codings))


def _in_chunks(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, 4096, 1_000_000])
@pytest.mark.parametrize(
    ("codings", "data"),
    [
        ("", _TEXT),
        ("identity", _TEXT),
        ("gzip", gzip.compress(_TEXT)),
        ("GZIP", gzip.compress(_TEXT)),
        ("x-gzip", gzip.compress(_TEXT)),
        ("identity, gzip", gzip.compress(_TEXT)),
        ("deflate", zlib.compress(_TEXT)),
    ],
    ids=["plain", "identity", "gzip", "GZIP", "x-gzip", "identity, gzip", "deflate"],
)
def test_a_body_is_decoded_in_chunks_of_any_size(codings: str, data: bytes, size: int) -> None:
    assert _read(_in_chunks(data, size), codings) == _TEXT


def test_deflate_without_the_header_of_zlib_is_decoded() -> None:
    assert _read([_DEFLATED], "deflate") == _TEXT


@pytest.mark.parametrize(
    ("codings", "data", "message"),
    [
        ("br", b"x", "content-encoding 'br' was not requested: gzip, deflate are accepted"),
        ("zstd", b"x", "content-encoding 'zstd' was not requested"),
        ("gzip, gzip", b"x", "content-encoding 'gzip, gzip' was not requested"),
        ("x" * 9_999, b"x", f"content-encoding '{'x' * 40}' was not requested"),
        ("gzip", b"plain text", "incorrect header check|invalid"),
        ("gzip", gzip.compress(_TEXT)[:-9], "the compressed body is incomplete"),
        ("gzip", gzip.compress(_TEXT) + b"more", "the compressed body is followed by other bytes"),
        ("gzip", gzip.compress(_TEXT) + gzip.compress(_TEXT), "the compressed body is followed by other bytes"),
    ],
    ids=["br", "zstd", "twice", "long", "plain text", "cut", "more", "two members"],
)
def test_a_body_that_is_not_encoded_as_announced_is_refused(codings: str, data: bytes, message: str) -> None:
    with pytest.raises(DecodingError, match=message):
        _read([data], codings)


@pytest.mark.parametrize(
    ("codings", "data"),
    [
        ("", bytes(MAX_BYTES + 1)),
        ("gzip", gzip.compress(bytes(MAX_BYTES + 1))),
        ("deflate", zlib.compress(bytes(MAX_BYTES + 1))),
        ("deflate", b"\x00\x00\x00\xff\xff" * (MAX_BYTES // 5 + 1)),  # empty blocks: no output, and no end
    ],
    ids=["plain", "gzip", "deflate", "empty blocks"],
)
def test_a_body_above_the_limit_is_refused_as_sent_and_decompressed(codings: str, data: bytes) -> None:
    with pytest.raises(BodyTooLongError, match="16,777,216"):
        _read(_in_chunks(data, 65_536), codings)


@pytest.mark.parametrize("codings", ["", "gzip"])
def test_a_body_at_the_limit_is_read(codings: str) -> None:
    body = bytes(MAX_BYTES)
    assert len(_read([gzip.compress(body, 1) if codings else body], codings)) == MAX_BYTES


def test_two_large_bodies_are_read_at_a_time() -> None:
    unfinished = asyncio.Event()
    begun: list[int] = []

    async def read(reader: BodyReader, number: int) -> bytes:
        chunks = iter([bytes(300_000), bytes(1), b""])

        async def next_chunk() -> bytes:
            chunk = next(chunks)
            if len(chunk) == 1:
                begun.append(number)
                await unfinished.wait()
            return chunk

        return await reader.read(next_chunk, "")

    async def read_all() -> list[bytes]:
        reader = BodyReader()
        reading = asyncio.gather(*[read(reader, number) for number in range(5)])
        for _ in range(20):
            await asyncio.sleep(0)
        assert begun == [0, 1]
        unfinished.set()
        return await reading

    assert [len(body) for body in asyncio.run(read_all())] == [300_001] * 5
    assert begun == [0, 1, 2, 3, 4]


# --- hostile servers ------------------------------------------------------------------------------------------------

_CALLS = 8
_BOUND_MB = 150
"""Peak over idle of eight calls at a time; ``benchmarks/hostile_servers.py`` prints that of 32, for every attack."""

_TRIED = (
    "gzip-bomb",
    "gzip-in-gzip",
    "empty-deflate-blocks",
    "endless-body",
    "endless-header",
    "endless-interim-responses",
    "flood-when-idle",
    "responses-when-idle",
    "5-million-values",
    "quotes",
)

_CLIENT = """
import asyncio, json, sys
from benchmarks import hostile_servers
hostile_servers.CALLS, hostile_servers.TIMEOUT_S = int(sys.argv[3]), 0.5
for name in sys.argv[4:]:
    asyncio.run(hostile_servers._attack(sys.argv[1], sys.argv[2], name))
"""
_ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def hostile_url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.support.hostile"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc")
@pytest.mark.parametrize("client", ["http", "openai"])
def test_hostile_servers_take_little_memory(client: str, hostile_url: str) -> None:
    names = _TRIED
    command = [sys.executable, "-c", _CLIENT, client, hostile_url, str(_CALLS), *names]
    done = subprocess.run(command, capture_output=True, text=True, cwd=_ROOT, check=False, timeout=300)
    lines = done.stdout.splitlines()
    assert len(lines) == len(names), done.stderr
    peaks = {name: int(line.split()[0]) for name, line in zip(names, lines, strict=True)}
    assert {name: peak for name, peak in peaks.items() if peak > _BOUND_MB} == {}
    ends = {name: line.split(" ", 1)[1] for name, line in zip(names, lines, strict=True)}
    replied = {name for name, end in ends.items() if "replied" in end}
    assert replied <= {"flood-when-idle", "responses-when-idle"}, json.dumps(ends, indent=1)
    assert set(names) < ATTACKS.keys()
