"""The page: its sections in the order in which a reader asks, and behind them the data that the script shows."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pytest_evalgate.reports.charts import STYLE
from pytest_evalgate.reports.escape.island import inert
from pytest_evalgate.reports.html import islands, size
from pytest_evalgate.reports.html.environment import environment
from pytest_evalgate.reports.html.figures import judge_figures, suite_figures
from pytest_evalgate.reports.html.packing import pack
from pytest_evalgate.reports.html.policy import policy
from pytest_evalgate.reports.view import DETAILED
from pytest_evalgate.runs import verdict_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from jinja2 import Environment

    from pytest_evalgate.reports.html.packing import PackedCases
    from pytest_evalgate.reports.view import ReportView


def render_html(
    view: ReportView,
    spill: Callable[[str, Iterable[bytes]], None] | None = None,
) -> Generator[bytes, None, tuple[str, ...]]:
    """Render the report, piece by piece; the same run gives the same bytes.

    Args:
        view: The run; its cases are drawn once and never held whole.
        spill: Writes a file beside the report, by its name relative to it: a page beyond 50 MB leaves the texts of its
            cases to such files. Without it the page holds them, however large it is.

    Yields:
        The page as UTF-8.

    Returns:
        What should be told of its size; empty for most.

    """
    with pack(view) as cases:
        names = size.file_names(cases) if spill is not None and size.is_too_large(cases) else []
        notes = size.size_notes(cases, spilled=bool(names))
        if spill is not None:
            for name, chunk in zip(names, cases.drawn_chunks() if names else (), strict=True):
                spill(name, [chunk])
        templates = environment()
        page = _context(view, cases) | {"size_notes": notes, "spilled": bool(names), "listed": DETAILED}
        yield from _pieces(templates, "page.html.j2", page)
        yield from _data(view, cases, spilled=bool(names))
        yield from _pieces(templates, "end.html.j2", page)
    return notes


def _context(view: ReportView, cases: PackedCases) -> dict[str, Any]:
    from markupsafe import Markup  # noqa: PLC0415 - only who writes a report needs it

    style, script = f"{_resource('report.css')}{STYLE}", _resource("report.js")
    return {
        "view": view,
        "verdict": view.verdict,
        "policy": policy(style, script),
        "style": Markup(style),  # noqa: S704 - our own file
        "script": Markup(script),  # noqa: S704 - our own file
        "charts": {suite.name: suite_figures(suite, cases.scores, view.calibrations) for suite in view.suites},
        "judge_charts": judge_figures(view.calibrations),
    }


def _data(view: ReportView, cases: PackedCases, *, spilled: bool) -> Iterator[bytes]:
    verdict = inert(islands.dumps(verdict_file.encode(view.verdict)))
    yield from islands.island("verdict", [islands.encoded(verdict)])
    yield from islands.packed_island("index", cases.index_parts())
    for number, chunk in enumerate(() if spilled else cases.drawn_chunks()):
        yield from islands.packed_island(f"texts-{number}", [chunk])


def _pieces(templates: Environment, name: str, page: dict[str, Any]) -> Iterator[bytes]:
    return map(islands.encoded, templates.get_template(name).generate(page))


@cache
def _resource(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
