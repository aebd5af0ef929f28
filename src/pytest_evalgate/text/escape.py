"""Escaping of text from users and models: one function for each kind of destination.

============================  ==============================================
terminal, log of a CI job     ``one_line``
HTML, JSON in a script        Jinja's autoescape, ``escape_json``
Markdown                      ``inline``, ``code``, ``fenced``
XML                           ``xml_text``, ``xml_attribute``
CSV                           ``escape_cell``
GitHub workflow commands      ``format_command``
============================  ==============================================
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories: control, format (bidirectional overrides), surrogate, private use, line and paragraph ends."""


def escape_hidden(text: str, kept: str = "") -> str:
    r"""Replace invisible characters by escapes (``\x1b``, ``\u202e``), except the characters of ``kept``."""
    if text.isascii() and text.isprintable():
        return text
    hidden = {ord(char) for char in set(text) - set(kept) if unicodedata.category(char) in _HIDDEN}
    escapes = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in hidden}  # noqa: PLR2004 - one byte
    return text.translate(escapes)


def escape_lines(text: str) -> str:
    """Replace invisible characters by escapes, except tabs and line ends, which become line feeds."""
    return escape_hidden(text.replace("\r\n", "\n").replace("\r", "\n"), kept="\n\t")


def escape_line(text: str) -> str:
    """Join the lines of ``text``, and replace invisible characters by escapes."""
    if any(char in text for char in "\n\r\t\v\f"):
        text = " ".join(text.split())
    return escape_hidden(text)


_COMMAND: Final = re.compile(r"^(\s*)::")


def one_line(text: str) -> str:
    """Return ``text`` as one line without terminal control sequences and GitHub workflow commands.

    A runner obeys ``::`` at the start of a line, and the older ``##[`` anywhere.
    """
    line = escape_line(text).replace("##[", "##\\[")
    return _COMMAND.sub(r"\1\\::", line)


_IN_SCRIPT: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""Characters that could end a script element or a line of it. In JSON they occur in strings only."""


def escape_json(text: str) -> str:
    """Return equivalent JSON that is safe in a script element."""
    for char, escaped in _IN_SCRIPT.items():
        text = text.replace(char, escaped)
    return text


_BREAK: Final = "&#8203;"  # a zero-width space: GitHub links "@name" and "#12", and no backslash prevents it
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
    """Return Markdown that shows ``text`` as plain words on one line, also in a table cell or a link."""
    line = escape_line(text).strip()
    escaped = _MARKUP.sub(lambda found: _ENTITIES.get(found[0]) or f"{found[0][:-1]}\\{found[0][-1]}", line)
    return _REFERENCE.sub(rf"\g<0>{_BREAK}", escaped)


def code(text: str) -> str:
    """Return Markdown that shows ``text`` as a code span, or as plain words if it contains a backtick or a pipe."""
    line = escape_line(text)
    return inline(line) if not line or _NOT_IN_CODE.search(line) else f"`{line}`"


def fenced(text: str, language: str = "") -> str:
    """Return Markdown that shows ``text`` as a code block; the fence is longer than any backticks in the text."""
    block = escape_lines(text)
    longest = max(map(len, _BACKTICKS.findall(block)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}{language}\n{block}\n{fence}"


_NOT_XML: Final = re.compile("[\ufffe\uffff]")  # category Cn, hence not in _HIDDEN, but XML 1.0 forbids them
_IN_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_IN_ATTRIBUTES: Final = str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


def xml_text(text: str) -> str:
    r"""Return ``text`` as the content of an element; characters that XML forbids become escapes (``\x00``)."""
    return _NOT_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", escape_lines(text)).translate(_IN_TEXT)


def xml_attribute(text: str) -> str:
    """Return ``text`` as an attribute value, with its quotes; line ends and tabs are kept."""
    return f'"{xml_text(text).translate(_IN_ATTRIBUTES)}"'


_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # ASCII and full-width
_WHITESPACE: Final = ("\t", "\r", "\n")


def escape_cell(text: str) -> str:
    """Return ``text`` as a CSV cell; an apostrophe keeps a spreadsheet from reading it as a formula.

    See https://owasp.org/www-community/attacks/CSV_Injection.
    """
    cell = escape_hidden(text, kept="\t\r\n")
    return f"'{cell}" if cell.startswith(_WHITESPACE) or cell.lstrip().startswith(_FORMULA) else cell


_IN_MESSAGES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTIES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def format_command(name: str, message: str, **properties: str | int) -> str:
    """Return a GitHub workflow command as a line: ``::error file=golden.jsonl,line=3::missed``."""

    def escaped(text: str) -> str:
        return escape_hidden(text, kept="\r\n").replace("##[", "##\\[")

    pairs = (f"{key}={escaped(str(value)).translate(_IN_PROPERTIES)}" for key, value in properties.items())
    given = ",".join(pairs)
    return f"::{name}{' ' if given else ''}{given}::{escaped(message).translate(_IN_MESSAGES)}"
