"""How much of a run a page shows, and how it is made to fit where GitHub takes only so much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a run a page shows.

    ``cut`` names what is left out to make it fit. ``listed`` cases stand in each list, and ``whole`` cases of a suite
    with their texts; ``passing_slices`` says whether the slices of suites that pass are shown.
    """

    cut: str = ""
    listed: int = 10
    whole: int = 0
    passing_slices: bool = True
    trends: bool = False


_FIRST_LINES: Final = "all but the first lines"


def fitted(
    render: Callable[[Extent], str], extents: Sequence[Extent], size: Callable[[str], int], limit: int, where: str
) -> str:
    """Render the largest extent that fits, with a last line on what was cut.

    Args:
        render: Writes the page.
        extents: What it may show, the most first.
        size: Measures it.
        limit: The largest size.
        where: What the last line says of where the rest is, in Markdown.

    Returns:
        The page; of the smallest extent the first lines, where even that does not fit.

    """
    text = ""
    for extent in extents:
        text = render(extent)
        page = f"{text}\n\n{_note(extent.cut, where)}\n" if extent.cut else f"{text}\n"
        if size(page) <= limit:
            return page
    return _first_lines(text, f"\n{_note(_FIRST_LINES, where)}\n", size, limit)


def _note(cut: str, where: str) -> str:
    return f"Cut to fit: {cut}. {where}"


def _first_lines(text: str, note: str, size: Callable[[str], int], limit: int) -> str:
    kept, room = [], limit - size(note)
    for line in text.splitlines(keepends=True):
        room -= size(line)
        if room < 0:
            break
        kept.append(line)
    return "".join(kept) + note
