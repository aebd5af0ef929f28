"""Data in the page: JSON that no parser of HTML can mistake for anything else, and texts as gzip in base64."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.data import Json

_LEVEL: Final = 5
"""Of gzip: 4 takes two thirds of the time for 3 % more, and 10,000 cases then pass 6 MB; 6 takes half as much time
again for 1.5 % less (benchmarks/html_report.py)."""

_GZIP: Final = 31


def encoded(text: str) -> bytes:
    """Encode a text; a lone surrogate, which UTF-8 does not have, becomes the escape that JSON has for it."""
    return text.encode("utf-8", "backslashreplace")


def dumps(value: Json) -> str:
    """Write a value as JSON without room between its parts."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def packed(text: str) -> bytes:
    """Compress a text with gzip; its header holds no time."""
    return zlib.compress(encoded(text), _LEVEL, wbits=_GZIP)


def size_in_page(packed_bytes: int) -> int:
    """Return how many bytes of a page so many compressed ones take."""
    return -(-packed_bytes // 3) * 4


def island(name: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield an element that holds JSON; ``name`` is its id."""
    yield f'<script type="application/json" id="{name}">'.encode()
    yield from parts
    yield b"</script>\n"


def packed_island(name: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield an element that holds compressed bytes in base64; each part but the last is of a length that 3 divides."""
    yield f'<script type="text/plain" id="{name}">'.encode()
    yield from map(b64encode, parts)
    yield b"</script>\n"


def squeezer() -> zlib._Compress:
    """Return what compresses a text piece by piece, as ``packed`` does at once."""
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
