"""The page: Jinja templates with autoescape and strict undefined values, with style, data and script.

The page is written in pieces. If its cases take more than 50 MB, their texts go to files beside it.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from pytest_evalgate.reports import candidate_table, metric_tables, phrases
from pytest_evalgate.reports.charts.sections import charts_by_judge, suite_chart_set
from pytest_evalgate.reports.charts.svg import STYLE
from pytest_evalgate.reports.diff import Piece, are_alike, condense, one_side, word_diff
from pytest_evalgate.reports.html import data, marks
from pytest_evalgate.reports.html.data import pack
from pytest_evalgate.reports.html.template_syntax import MADE_FOR, SYNTAX
from pytest_evalgate.reports.view import MAX_DETAILED, truncate
from pytest_evalgate.runs import kept
from pytest_evalgate.text import wording
from pytest_evalgate.text.escape import escape_json, one_line
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from jinja2 import BaseLoader, Environment

    from pytest_evalgate.reports.html.data import PackedCases
    from pytest_evalgate.reports.view import CaseView, ReportView


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@cache
def environment() -> Environment:
    """Return the Jinja environment; cached, because compiling its templates takes longer than rendering most runs."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - 40 ms

    made = Environment(loader=loader(PAGE / "compiled"), undefined=StrictUndefined, **SYNTAX)  # noqa: S701 - it has autoescape
    made.filters.update(
        line=one_line,
        truncate=truncate,
        fragment=lambda text: quote(text.encode("utf-8", "replace")),
        **{name: getattr(wording, name) for name in ("percent", "points", "usd", "p_value", "seconds", "count")},
    )
    made.globals.update(
        phrases=phrases, marks=marks, answers=answers, candidates=candidate_table, metric_tables=metric_tables
    )
    return made


PAGE: Final = Path(__file__).parent
"""The folder with templates, style and script of the page."""


def loader(compiled: Path) -> BaseLoader:
    """Return the loader of the templates that a wheel has in ``compiled``, or of their texts.

    Without a wheel there are none, and those of another version of Jinja are not used.
    """
    from jinja2 import FileSystemLoader, ModuleLoader  # noqa: PLC0415 - 40 ms

    made_for = compiled / MADE_FOR
    if made_for.is_file() and f"{metadata.version('jinja2')}.".startswith(f"{made_for.read_text('ascii')}."):
        return ModuleLoader(compiled)
    return FileSystemLoader(PAGE / "templates")


_EXCERPT: Final = 400
"""Characters of an answer in the list of changed cases."""


def answers(case: CaseView) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Return the beginnings of the baseline's answer and of the first one that did not pass, with their changes."""
    trial = next((trial for trial in case.trials if trial.value != 1), case.trials[0] if case.trials else None)
    now, before = "" if trial is None else trial.output, case.baseline_output or ""
    pieces = word_diff(before, now)
    if not are_alike(pieces):
        return _excerpt(before), _excerpt(now)
    pieces = condense(pieces, 2 * _EXCERPT)
    return one_side(pieces, "removed"), one_side(pieces, "added")


def _excerpt(text: str) -> tuple[Piece, ...]:
    return (Piece("same", truncate(text, _EXCERPT)),) if text else ()


def prepare() -> None:
    """Compile the templates; called while the session waits for outputs."""
    templates = environment()
    for path in (PAGE / "templates").iterdir():
        templates.get_template(path.name)


def policy(style: str, script: str) -> str:
    """Return a content security policy that allows only this style sheet and this script, by their digests."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


FOLDER: Final = "report_files"

_MB: Final = 1_000_000
_WARN: Final = 25 * _MB
_SPILL: Final = 50 * _MB


def size_notes(cases: PackedCases, *, spilled: bool) -> tuple[str, ...]:
    """Return notes on the size of the report."""
    size = f"the cases take {cases.size / _MB:.0f} MB"
    if spilled:
        files = count(len(cases.sizes), "file")
        return (f"{size}: their texts are in {files} in {FOLDER}/ beside the report; keep them together",)
    if cases.size > _WARN:
        return (f'{size}: the report opens slowly; report.content = "excerpt" makes it smaller',)
    return ()


def render_html(
    view: ReportView,
    spill: Callable[[str, Iterable[bytes]], None] | None = None,
    templates: Environment | None = None,
    values: Mapping[str, Any] = _NOTHING,
) -> Generator[bytes, None, tuple[str, ...]]:
    """Render the page in pieces; the same run gives the same bytes.

    Args:
        view: The run; its cases are read once, and at most 2,000 of them are in memory at a time.
        spill: Writes a file beside the report, given its relative name; used for the texts of a page above 50 MB.
            Without it, the page contains all texts.
        templates: Other templates, such as ``page.html.j2`` of a site, by default those of the report.
        values: Further values for them.

    Yields:
        The page as UTF-8.

    Returns:
        Notes on its size; usually none.
    """
    with pack(view) as cases:
        too_large = spill is not None and cases.size > _SPILL
        names = [f"{FOLDER}/texts-{number:04}.json.gz" for number, _ in enumerate(cases.sizes)] if too_large else []
        notes = size_notes(cases, spilled=bool(names))
        if spill is not None:
            for name, chunk in zip(names, cases.chunk_parts() if names else (), strict=True):
                spill(name, [chunk])
        templates = templates or environment()
        page = {**_context(view, cases), **values} | {
            "size_notes": notes,
            "spilled": bool(names),
            "listed": MAX_DETAILED,
        }
        yield from _pieces(templates, "page.html.j2", page)
        yield from _data(view, cases, spilled=bool(names))
        yield from _pieces(templates, "end.html.j2", page)
    return notes


def _context(view: ReportView, cases: PackedCases) -> dict[str, Any]:
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    style, script = f"{resource('report.css')}{STYLE}", resource("report.js")
    return {
        "view": view,
        "verdict": view.verdict,
        "policy": policy(style, script),
        "style": Markup(style),  # noqa: S704 - our own file
        "script": Markup(script),  # noqa: S704 - our own file
        "charts": {suite.name: suite_chart_set(suite, cases.scores, view.calibrations) for suite in view.suites},
        "judge_charts": charts_by_judge(view.calibrations),
    }


def _data(view: ReportView, cases: PackedCases, *, spilled: bool) -> Iterator[bytes]:
    verdict = escape_json(data.dumps(kept.encode(view.verdict)))
    yield from data.script_element("application/json", "verdict", [data.encoded(verdict)])
    # in base64, a part can follow another one only if the length of that one is divisible by three
    yield from data.script_element("text/plain", "index", map(b64encode, cases.index_parts()))
    for number, chunk in enumerate(() if spilled else cases.chunk_parts()):
        yield from data.script_element("text/plain", f"texts-{number}", [b64encode(chunk)])


def _pieces(templates: Environment, name: str, page: dict[str, Any]) -> Iterator[bytes]:
    return map(data.encoded, templates.get_template(name).generate(page))


@cache
def resource(name: str) -> str:
    """Return the text of the style sheet or the script."""
    return (files(__package__) / name).read_text(encoding="utf-8")
