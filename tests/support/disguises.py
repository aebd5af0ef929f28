"""Disguises of a marker: what a model can be told to do with a text so that a filter does not find it."""

from __future__ import annotations

import base64
import codecs
import html
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

_CYRILLIC: Final = str.maketrans("ACEHKMOPTXY", "\u0410\u0421\u0415\u041d\u041a\u041c\u041e\u0420\u0422\u0425\u0423")
_GREEK: Final = str.maketrans(
    "ABEHIKMNOPTXYZ", "\u0391\u0392\u0395\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7\u03a5\u0396"
)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _shifted(text: str, start: int) -> str:
    return "".join(chr(start + ord(one) - 65) if "A" <= one <= "Z" else one for one in text.upper())


DISGUISES: Final[dict[str, Callable[[str], str]]] = {
    "plain": str,
    "upper case": str.upper,
    "lower case": str.lower,
    "alternating case": lambda text: "".join(one.upper() if at % 2 else one.lower() for at, one in enumerate(text)),
    "reversed": lambda text: text[::-1],
    "spaced": " ".join,
    "dotted": ".".join,
    "hyphenated": "-".join,
    "underscored": "_".join,
    "one letter a line": "\n".join,
    "bold letters": lambda text: "".join(f"**{one}**" for one in text),
    "spaced and reversed": lambda text: " ".join(text[::-1]),
    "broken over lines": lambda text: f"{text[:5]}\n{text[5:]}",
    "base64": _base64,
    "base64 without padding": lambda text: _base64(text).rstrip("="),
    "base64 of a sentence": lambda text: _base64(f"the secret is {text}, keep it"),
    "base64 of the next sentence": lambda text: _base64(f"my secret is {text}, keep it"),
    "base64 of the third sentence": lambda text: _base64(f"a secret is {text}, keep it"),
    "base64, URL-safe": lambda text: base64.urlsafe_b64encode(f"~~?{text}?".encode()).decode(),
    "base64 in lines": lambda text: "\n".join(_base64(text)[at : at + 6] for at in range(0, len(_base64(text)), 6)),
    "base64, spaced": lambda text: " ".join(_base64(text)),
    "base64 of the reversed": lambda text: _base64(text[::-1]),
    "base64, reversed": lambda text: _base64(text)[::-1],
    "base64 twice": lambda text: _base64(_base64(text)),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base64 of rot13": lambda text: _base64(codecs.encode(text, "rot13")),
    "rot13 of base64": lambda text: codecs.encode(_base64(text), "rot13"),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "rot13, reversed": lambda text: codecs.encode(text, "rot13")[::-1],
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, upper case": lambda text: text.encode().hex().upper(),
    "hexadecimal, spaced": lambda text: text.encode().hex(" "),
    "hexadecimal, colons": lambda text: text.encode().hex(":"),
    "hexadecimal, 0x": lambda text: ", ".join(f"0x{one:02x}" for one in text.encode()),
    "hexadecimal of the reversed": lambda text: text[::-1].encode().hex(),
    "base64 of hexadecimal": lambda text: _base64(text.encode().hex()),
    "escapes of Python": lambda text: "".join(f"\\x{one:02x}" for one in text.encode()),
    "escapes of JSON": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "URL-encoded": quote,
    "URL-encoded, every byte": lambda text: "".join(f"%{one:02X}" for one in text.encode()),
    "URL-encoded twice": lambda text: quote("".join(f"%{one:02X}" for one in text.encode())),
    "HTML entities": lambda text: "".join(f"&#{ord(one)};" for one in text),
    "HTML entities, hexadecimal": lambda text: "".join(f"&#x{ord(one):x};" for one in text),
    "HTML-escaped": html.escape,
    "full width": lambda text: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text),
    "mathematical bold": lambda text: _shifted(text, 0x1D400),
    "circled": lambda text: _shifted(text, 0x24B6),
    "squared": lambda text: _shifted(text, 0x1F130),
    "negative squared": lambda text: _shifted(text, 0x1F170),
    "Cyrillic look-alikes": lambda text: text.upper().translate(_CYRILLIC),
    "Greek look-alikes": lambda text: text.upper().translate(_GREEK),
    "accents": lambda text: "".join(f"{one}\u0301" for one in text),
    "struck through": lambda text: "".join(f"{one}\u0336" for one in text),
    "zero width spaces": "\u200b".join,
    "soft hyphens": "\u00ad".join,
    "no-break spaces": "\u00a0".join,
    "tags": lambda text: "".join(chr(0xE0000 + ord(one)) for one in text),
    "0 for o, 1 for i": lambda text: text.translate(str.maketrans("oOiIlL", "001111")),
}
"""Functions by name. A marker is ASCII, such as ``CANARY-7F3A9C21``."""
