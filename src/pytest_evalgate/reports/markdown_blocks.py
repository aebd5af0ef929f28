"""Blocks of GitHub's Markdown: tables, collapsible sections, and the escaped texts in them.

Foreign text is escaped here. ``del`` and ``ins`` are the only HTML around it: GitHub keeps both, strikes the one out
and underlines the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.view import truncate
from pytest_evalgate.text.escape import code, inline

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_evalgate.records.cases import Place
    from pytest_evalgate.reports.diff import Piece
    from pytest_evalgate.reports.view import Links

_LONGEST_NAME: Final = 120
_LONGEST_PROSE: Final = 400


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a table; its cells are already Markdown. GitHub centres headings unless a column has an alignment."""
    lines = [headings, [":--"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def collapsible(title: str, *blocks: str, opened: bool = False) -> str:
    """Render a section that a reader can open; ``title`` is HTML and must not contain foreign text."""
    head = f"<details{' open' if opened else ''}><summary>{title}</summary>"
    return "\n\n".join([head, *blocks, "</details>"])


def name(text: str) -> str:
    """Render an identifier as code."""
    return code(truncate(text, _LONGEST_NAME))


def command(text: str) -> str:
    """Render a command as code."""
    return code(truncate(text, _LONGEST_PROSE))


def prose(text: str, longest: int = _LONGEST_PROSE) -> str:
    """Escape and truncate a sentence that may contain foreign text."""
    return inline(truncate(text, longest))


def step(before: str, now: str) -> str:
    """Render the result of a case in the baseline and now, on one line; "" as ``before`` if it was not compared."""
    return f"{before}&nbsp;→&nbsp;{now}" if before else now


def marked(pieces: Iterable[Piece]) -> str:
    """Render pieces of a diff, the removed ones struck out and the added ones underlined."""
    tags = {"removed": "del", "added": "ins"}
    texts = ((tags.get(piece.kind), inline(piece.text)) for piece in pieces)
    return " ".join(text if tag is None else f"<{tag}>{text}</{tag}>" for tag, text in texts)


def case_name(case_id: str, place: Place, links: Links | None, *, suite: str = "") -> str:
    """Render a case's id as a link to its line, or with its place if the repository is unknown."""
    before = f"{name(suite)} " if suite else ""
    if links is None or not place.file:
        return f"{before}{name(case_id)} {name(str(place))}" if place.file else f"{before}{name(case_id)}"
    return f"{before}[{name(case_id)}]({links.line(place)})"
