"""One escaper a sink: each module knows what its reader would act on, and makes plain text of it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from xml.sax.saxutils import escape

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def escape_hidden(text: str, kept: str = "") -> str:
    r"""Return ``text`` with what cannot be seen as its escape (``\x1b``, ``\u202e``), ``kept`` left as it is."""
    if text.isascii() and text.isprintable():
        return text
    hidden = {char for char in set(text) - set(kept) if unicodedata.category(char) in _HIDDEN}
    return text.translate({ord(char): _shown(char) for char in hidden})


def escape_lines(text: str) -> str:
    """Return ``text`` with the line ends of every system as line feeds, and what else cannot be seen as escapes."""
    return escape_hidden(text.replace("\r\n", "\n").replace("\r", "\n"), kept="\n\t")


def escape_line(text: str) -> str:
    """Return ``text`` as one line, what else cannot be seen as escapes."""
    if any(char in text for char in "\n\r\t\v\f"):
        text = " ".join(text.split())
    return escape_hidden(text)


def _shown(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"  # noqa: PLR2004 - one byte


_COMMAND: Final = re.compile(r"^(\s*)::")


def one_line(text: str) -> str:
    """Return ``text`` as one line that neither a terminal nor a GitHub runner can act on."""
    line = escape_line(text).replace("##[", "##\\[")
    return _COMMAND.sub(r"\1\\::", line)


_ESCAPED: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What could end or open something in HTML, or a line in a script: only strings hold it, so JSON stays as it is."""


def escape_json(text: str) -> str:
    """Return JSON that means the same and can stand in a page."""
    for char, escaped in _ESCAPED.items():
        text = text.replace(char, escaped)
    return text


_BREAK: Final = "&#8203;"
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}

_MARKUP: Final = re.compile(
    r"""
      ^[-+=] | ^[0-9]+[.)](?=\s|$)  # a list, a heading's underline
    | (?<![^\W_])_                  # emphasis, not the underscores within a name
    | [\\`*~\[\]!$&<>|#]            # markup, HTML, a table's cell, a heading
    | :(?=[\w/]) | \.(?=[^\W\d])    # an address
    """,
    re.VERBOSE,
)
_REFERENCE: Final = re.compile(r"@(?=\w) | (?<!&)\#(?=[0-9]) | (?<![a-z0-9])gh-(?=[0-9])", re.VERBOSE | re.IGNORECASE)
_NOT_IN_CODE: Final = re.compile(r"[`|]|^\s|\s$")
_BACKTICKS: Final = re.compile(r"`+")


def inline(text: str) -> str:
    """Return ``text`` as one line of plain words, wherever in a line, a cell or a link it stands."""
    escaped = _MARKUP.sub(lambda found: _escape(found[0]), escape_line(text).strip())
    return _REFERENCE.sub(rf"\g<0>{_BREAK}", escaped)


def code(text: str) -> str:
    """Return ``text`` as a span of code, or as plain words where it holds what could end the span or a cell."""
    line = escape_line(text)
    return inline(line) if not line or _NOT_IN_CODE.search(line) else f"`{line}`"


def fenced(text: str, language: str = "") -> str:
    """Return ``text`` as a block of code, in a fence longer than any run of backticks within."""
    block = escape_lines(text)
    longest = max(map(len, _BACKTICKS.findall(block)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}{language}\n{block}\n{fence}"


def _escape(text: str) -> str:
    return _ENTITIES.get(text) or f"{text[:-1]}\\{text[-1]}"


_NEVER: Final = re.compile("[\ufffe\uffff]")
_IN_ATTRIBUTES: Final = str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


def xml_text(text: str) -> str:
    r"""Return ``text`` as the content of an element; what XML cannot hold is shown as its escape (``\x00``)."""
    return escape(_NEVER.sub(lambda found: f"\\u{ord(found[0]):04x}", escape_lines(text)))


def xml_attribute(text: str) -> str:
    """Return ``text`` as an attribute's value with its quotes; line ends and tabs are kept."""
    return f'"{xml_text(text).translate(_IN_ATTRIBUTES)}"'


_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_WHITESPACE: Final = ("\t", "\r", "\n")


def escape_cell(text: str) -> str:
    """Return ``text`` as a cell: an apostrophe stands before what a spreadsheet would compute."""
    shown = escape_hidden(text, kept="\t\r\n")
    return f"'{shown}" if shown.startswith(_WHITESPACE) or shown.lstrip().startswith(_FORMULA) else shown


_IN_MESSAGES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTIES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def format_command(name: str, message: str, **properties: str | int) -> str:
    """Return a command as a line, for example ``::error file=golden.jsonl,line=3::missed``."""
    given = ",".join(
        f"{key}={_workflow_shown(str(value)).translate(_IN_PROPERTIES)}" for key, value in properties.items()
    )
    return f"::{name}{' ' if given else ''}{given}::{_workflow_shown(message).translate(_IN_MESSAGES)}"


def _workflow_shown(text: str) -> str:
    return escape_hidden(text, kept="\r\n").replace("##[", "##\\[")
