"""Frame of all pages: their addresses, their style sheet and script, and the template that surrounds them.

A page has no inline style or script, so that it works under `POLICY`. The same page is served and written as a file:
only its `Addresses` differ.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlencode

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.charts.svg import STYLE
from pytest_evalgate.reports.html import environment, resource
from pytest_evalgate.store.questions import NotStoredError
from pytest_evalgate.text.jsonl import quote_text
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment

    from pytest_evalgate.server.view_sources import ViewSources
    from pytest_evalgate.store.drivers import Row

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'"
)
"""Content security policy of every page."""


class Addresses(Protocol):
    """The addresses of pages, for links. An address is "" if there is no such page, as in a copy as files."""

    def overview(self) -> str:
        """Return the address of the overview."""

    def suite(self, suite: str, metric: str = "") -> str:
        """Return the address of a suite, with the chart of a further metric."""

    def run(self, run_id: str) -> str:
        """Return the address of a run."""

    def compare(self, older: str, newer: str) -> str:
        """Return the address of the comparison of two runs."""

    def case(self, suite: str, case_id: str) -> str:
        """Return the address of a case."""

    def labels(self, judge: str) -> str:
        """Return the address of the sheet of a judge."""

    def asset(self, name: str) -> str:
        """Return the address of a style sheet or a script."""


@dataclass(frozen=True, slots=True)
class ServedAddresses:
    """The addresses of the server."""

    def overview(self) -> str:  # noqa: D102 - as `Addresses`
        return "/"

    def suite(self, suite: str, metric: str = "") -> str:  # noqa: D102 - as `Addresses`
        return f"/suites/{_part(suite)}{_parameters(metric=metric)}"

    def run(self, run_id: str) -> str:  # noqa: D102 - as `Addresses`
        return f"/runs/{_part(run_id)}"

    def compare(self, older: str, newer: str) -> str:  # noqa: D102 - as `Addresses`
        return f"/compare{_parameters(a=older, b=newer)}"

    def case(self, suite: str, case_id: str) -> str:  # noqa: D102 - as `Addresses`
        return f"/suites/{_part(suite)}/cases/{_part(case_id)}"

    def labels(self, judge: str) -> str:  # noqa: D102 - as `Addresses`
        return f"/labels/{_part(judge)}"

    def asset(self, name: str) -> str:  # noqa: D102 - as `Addresses`
        return f"/assets/{name}"


SERVED: Final = ServedAddresses()


def _part(name: str) -> str:
    return quote(name.encode("utf-8", "replace"), safe="")


def _parameters(**values: str) -> str:
    given = {name: value.encode("utf-8", "replace") for name, value in values.items() if value}
    return f"?{urlencode(given)}" if given else ""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages load."""

    media_type: str
    content: bytes


@cache
def assets() -> Mapping[str, Asset]:
    """Return the style sheet and the scripts by name."""
    style = f"{resource('report.css')}{STYLE}{(files(_PACKAGE) / 'assets' / 'view.css').read_text('utf-8')}"
    script = (files(_PACKAGE) / "assets" / "view.js").read_text("utf-8")
    return {
        "view.css": Asset("text/css; charset=utf-8", style.encode()),
        "view.js": Asset("text/javascript; charset=utf-8", script.encode()),
        "report.js": Asset("text/javascript; charset=utf-8", resource("report.js").encode()),
    }


_PACKAGE: Final = "pytest_evalgate.server"


@cache
def templates() -> Environment:
    """Return the environment of the report with the templates of the pages added."""
    from jinja2 import ChoiceLoader, PackageLoader  # noqa: PLC0415 - 40 ms

    report = environment()
    assert report.loader is not None  # noqa: S101 - it reads its templates from the package
    made = report.overlay(loader=ChoiceLoader([PackageLoader(_PACKAGE), report.loader]))
    made.globals["site_policy"] = POLICY
    return made


def render(template: str, sources: ViewSources, to: Addresses, values: Mapping[str, Any]) -> str:
    """Return a page as HTML."""
    return templates().get_template(template).render({**values, "site": site_of(sources, to)})


@dataclass(frozen=True, slots=True)
class SiteFrame:
    """The parts that all pages of a site have in common."""

    project: str
    to: Addresses
    suites: tuple[str, ...]


def site_of(sources: ViewSources, to: Addresses) -> SiteFrame:
    """Return the frame of the pages of a project."""
    found = sources.database.query("suite_names", project=sources.name)
    return SiteFrame(sources.name, to, tuple(row["suite"] for row in found))


def require_suite(sources: ViewSources, suite: str) -> Row:
    """Return what is known about a suite: its name, and its owner and description if the store has them.

    Raises:
        NotStoredError: No stored run has it.
    """
    found = {row["suite"]: row for row in sources.database.query("suite_names", project=sources.name)}
    if suite not in found:
        names = list(found)
        near = did_you_mean(suite, names) or f"; stored are: {', '.join(names) or 'none'}"
        raise NotStoredError(f"no run has a suite {quote_text(suite)}{near}")
    return found[suite]
