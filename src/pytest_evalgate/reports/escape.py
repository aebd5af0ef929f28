"""One escaper a sink. The terminal: control, bidirectional and invisible characters are shown, never sent."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def one_line(text: str) -> str:
    """Return ``text`` as one line that a terminal cannot act on."""
    folded = " ".join(text.split()) if any(char in text for char in "\n\r\t\v\f") else text
    if folded.isascii() and folded.isprintable():
        return folded
    return "".join(_shown(char) for char in folded)


def _shown(char: str) -> str:
    if unicodedata.category(char) not in _HIDDEN:
        return char
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"  # noqa: PLR2004 - one byte
