"""What pages of Markdown are made of: tables, and parts that a reader opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.escape.markdown import code, inline
from pytest_evalgate.reports.texts import cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_evalgate.data import Place
    from pytest_evalgate.reports.links import Links

_NAME: Final = 120
_PROSE: Final = 400


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; its cells are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def folded_away(title: str, *blocks: str, opened: bool = False) -> str:
    """Write a part that a reader opens; ``title`` is HTML, and never a text of others."""
    head = f"<details{' open' if opened else ''}><summary>{title}</summary>"
    return "\n\n".join([head, *blocks, "</details>"])


def name(text: str) -> str:
    """Write a name that others gave, cut where it is beyond reason."""
    return code(cut(text, _NAME))


def shell(command: str) -> str:
    """Write a command, which names what others have named."""
    return code(cut(command, _PROSE))


def prose(text: str) -> str:
    """Write a sentence that may hold text of others, cut where it is beyond reason."""
    return inline(cut(text, _PROSE))


def case_name(case_id: str, place: Place, links: Links | None) -> str:
    """Write a case's id as a link to its line, or with its place where nobody knows the repository."""
    if links is None or not place.file:
        return f"{name(case_id)} {name(str(place))}" if place.file else name(case_id)
    return f"[{name(case_id)}]({links.line(place)})"
