"""A chart: a picture with the numbers that it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_evalgate.reports.charts.style import INK, STYLE


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture and the table of its data.

    ``svg`` stands in an HTML page as it is; the page holds `STYLE` once. ``title``, ``heads`` and the cells of
    ``rows`` are text, each on one line and not escaped.
    """

    svg: str
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def standalone(chart: Chart) -> str:
    """Return the picture as a file of its own, with its looks inside."""
    tag, described = "<svg", "</desc>"
    named = chart.svg.replace(tag, f'{tag} xmlns="http://www.w3.org/2000/svg"', 1)
    return named.replace(described, f"{described}\n<style>\n{STYLE}{INK}</style>", 1) + "\n"
