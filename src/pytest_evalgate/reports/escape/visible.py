"""What no sink wants: control, bidirectional and invisible characters are shown, never sent."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def visible(text: str, kept: str = "") -> str:
    r"""Return ``text`` with what cannot be seen as its escape (``\x1b``, ``\u202e``), ``kept`` left as it is."""
    if text.isascii() and text.isprintable():
        return text
    hidden = {char for char in set(text) - set(kept) if unicodedata.category(char) in _HIDDEN}
    return text.translate({ord(char): _shown(char) for char in hidden})


def lines_of(text: str) -> str:
    """Return ``text`` with the line ends of every system as line feeds, and what else cannot be seen as escapes."""
    return visible(text.replace("\r\n", "\n").replace("\r", "\n"), kept="\n\t")


def folded(text: str) -> str:
    """Return ``text`` as one line, what else cannot be seen as escapes."""
    if any(char in text for char in "\n\r\t\v\f"):
        text = " ".join(text.split())
    return visible(text)


def _shown(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"  # noqa: PLR2004 - one byte
