"""The templates: everything in them is escaped, and what is missing is an error."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_evalgate import wording
from pytest_evalgate.reports import cells, headline
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.html import marks
from pytest_evalgate.reports.texts import cut
from pytest_evalgate.reports.view import level

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment() -> Environment:
    """Return the environment of the page's templates; compiling them takes longer than rendering most runs."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - 40 ms; most sessions need none

    made = Environment(
        loader=PackageLoader("pytest_evalgate.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(line=one_line, cut=cut, percent=wording.percent, points=wording.points, usd=wording.usd)
    made.filters.update(fragment=_fragment, p_value=wording.p_value, seconds=wording.seconds, count=wording.count)
    made.globals.update(cells=cells, headline=headline, level=level, marks=marks)
    return made


def prepare() -> None:
    """Compile the templates ahead, while something else is waited for."""
    templates = environment()
    for name in templates.list_templates():
        templates.get_template(name)


def _fragment(text: str) -> str:
    """Quote a text for the address of a part of the page."""
    return quote(text.encode("utf-8", "replace"))
