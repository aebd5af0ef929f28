"""Files whose content does not match their name: pointers, conflicts, archives, other encodings and formats.

Each gets one message with its remedy, instead of a parser's message for each line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD: Final = 1 << 16
"""Number of bytes at the start of a file that `name_foreign` needs."""

_POINTER: Final = re.compile(rb"version https?://(?:git-lfs\.github\.com|hawser\.github\.com|git-media\.io)/\S+\r?\n")
_ANNEX: Final = re.compile(rb"(?:\.\./)*(?:\.git/annex/objects/|/annex/objects/)\S+\s*\Z")
_MAGIC: Final = {
    b"\x1f\x8b": "a gzip archive, not text: unpack it with gunzip",
    b"PK\x03\x04": "a ZIP archive or an Excel file, not text: unpack it, or export it",
    b"BZh": "a bzip2 archive, not text: unpack it with bunzip2",
    b"\xfd7zXZ\0": "an xz archive, not text: unpack it with unxz",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive, not text: unpack it with unzstd",
    b"7z\xbc\xaf": "a 7z archive, not text: unpack it",
    b"PAR1": "a Parquet file, not text: convert it",
    b"ARROW1": "an Arrow file, not text: convert it",
    b"SQLite format 3\0": "an SQLite database, not text: export it",
    b"%PDF": "a PDF document: export its text",
    b"\x89PNG": "a PNG image, not text",
    b"{\\rtf": "an RTF document: save it as plain text",
}
_WIDE_BOMS: Final = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
_BOM: Final = b"\xef\xbb\xbf"
_HTML: Final = re.compile(rb"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_DOCTYPE: Final = re.compile(rb"<!doctype html\b", re.IGNORECASE)
_FEWEST: Final = 4  # bytes that show a pattern of NUL bytes

_OURS: Final = re.compile(rb"^<{7}(?: .*)?$", re.MULTILINE)
_MIDDLE: Final = re.compile(rb"^={7}\r?$", re.MULTILINE)
_THEIRS: Final = re.compile(rb"^>{7}(?: .*)?$", re.MULTILINE)
_MARKERS: Final = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")

CONFLICT: Final = "an unresolved merge conflict: keep one side, and remove the lines <<<<<<<, ======= and >>>>>>>"


def name_foreign(content: bytes, *, free_text: bool = False) -> str | None:
    """Return what a file is if it is not the expected text, with the remedy; None if no other format is recognised.

    ``content`` is the file, or its first `HEAD` bytes. With ``free_text`` it may be
    marked up, and CR alone may end its lines.
    """
    return next(_descriptions(content, free_text=free_text), None)


def _descriptions(content: bytes, *, free_text: bool) -> Iterator[str]:
    if _POINTER.match(content):
        yield (
            "a Git LFS pointer, not the file itself: git lfs pull (in GitHub Actions: actions/checkout with lfs: true)"
        )
    if _ANNEX.match(content):
        yield "a git-annex pointer, not the file itself: git annex get"
    if content.startswith(_WIDE_BOMS):
        yield f"encoded as UTF-16 or UTF-32 (bytes {content[:2].hex(' ')} at offset 0); save as UTF-8"
    if magic := next((text for start, text in _MAGIC.items() if content.startswith(start)), None):
        yield magic
    if _is_wide(content):
        yield "encoded as UTF-16 or UTF-32 without a byte order mark; save as UTF-8"
    text = content.removeprefix(_BOM).lstrip()
    if (_DOCTYPE if free_text else _HTML).match(text):
        yield "an HTML page, not the file itself: download the raw file, with a login if it needs one"
    if text.startswith(b"<?xml") and not free_text:
        yield "an XML document"
    if not free_text and b"\r" in content.rstrip(b"\r") and b"\n" not in content:
        yield "its line ends are CR alone: save it with LF or CRLF"
    if _has_conflict(content):
        yield CONFLICT


def name_other_rows(content: bytes) -> str | None:
    """Return the apparent format of a file in which no line is a JSON object; None if it is unknown."""
    lines = [line for line in content.removeprefix(_BOM).splitlines() if line.strip()]
    if not lines or lines[0].lstrip().startswith((b"{", b"[", b'"{', b"//")):
        return None
    if re.match(rb"---\s*$|- [\w\"']|[\w-]+:(?: |$)", lines[0]):
        return "looks like YAML, not JSON Lines: write one JSON object a line"
    separators = [(name, mark) for name, mark in _SEPARATORS.items() if mark in lines[0]]
    for name, mark in separators:
        if len(lines) == 1 or mark in lines[1]:
            return f"looks like {name}, not JSON Lines: write one JSON object a line, with the column names as keys"
    return None


_SEPARATORS: Final = {"TSV": b"\t", "CSV": b",", "CSV with semicolons": b";"}


def is_conflict_marker(line: bytes) -> bool:
    """Return whether a line is a conflict marker of git."""
    return line.startswith(_MARKERS) and (len(line.rstrip()) == len(_MARKERS[0]) or line[7:8] == b" ")


def _has_conflict(content: bytes) -> bool:
    ours = _OURS.search(content)
    middle = None if ours is None else _MIDDLE.search(content, ours.end())
    return middle is not None and _THEIRS.search(content, middle.end()) is not None


def _is_wide(content: bytes) -> bool:
    """Return whether every second byte of ASCII text in UTF-16 is NUL, or three of four in UTF-32."""
    head = content[:256]
    if len(head) < _FEWEST:
        return False
    return any(
        head[start::step] and not any(head[start::step]) and all(head[other::step])
        for start, other, step in ((1, 0, 2), (0, 1, 2), (1, 0, 4), (0, 3, 4))
    )
