r"""GitHub's Markdown: texts stand in fences, in code, or as plain words that become no link, mention or markup.

Backslashes stop what the parser of Markdown would see. Mentions, references and addresses of mail are looked for in
its result, where no backslash is left: there a zero-width space takes them apart.
"""

from __future__ import annotations

import re
from typing import Final

from pytest_evalgate.reports.escape.visible import folded, lines_of

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
    escaped = _MARKUP.sub(lambda found: _escape(found[0]), folded(text).strip())
    return _REFERENCE.sub(rf"\g<0>{_BREAK}", escaped)


def code(text: str) -> str:
    """Return ``text`` as a span of code, or as plain words where it holds what could end the span or a cell."""
    line = folded(text)
    return inline(line) if not line or _NOT_IN_CODE.search(line) else f"`{line}`"


def fenced(text: str, language: str = "") -> str:
    """Return ``text`` as a block of code, in a fence longer than any run of backticks within."""
    block = lines_of(text)
    longest = max(map(len, _BACKTICKS.findall(block)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}{language}\n{block}\n{fence}"


def _escape(text: str) -> str:
    return _ENTITIES.get(text) or f"{text[:-1]}\\{text[-1]}"
