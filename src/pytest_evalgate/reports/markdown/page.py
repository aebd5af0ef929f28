"""The page that summary and comment have in common."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from pytest_evalgate.reports.markdown.asides import asides
from pytest_evalgate.reports.markdown.cases import case_lists, whole_cases
from pytest_evalgate.reports.markdown.closing import closing
from pytest_evalgate.reports.markdown.opening import opening
from pytest_evalgate.reports.markdown.parts import name
from pytest_evalgate.reports.markdown.suites import gate_messages, gate_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.reports.markdown.extent import Extent
    from pytest_evalgate.reports.view import ReportView, SuiteView


def page(view: ReportView, extent: Extent) -> str:
    """Write the page, its verdict first."""
    table = [gate_table(view.suites)] if view.suites else []
    said = list(chain.from_iterable(map(gate_messages, view.suites)))
    messages = ["\n".join(said)] if said else []
    suites = chain.from_iterable(_suite(view, suite, extent) for suite in view.suites)
    return "\n\n".join([*opening(view, extent), *table, *messages, *suites, *closing(view, extent)])


def _suite(view: ReportView, suite: SuiteView, extent: Extent) -> Iterator[str]:
    """Write what is said of one suite, below its name where there are others."""
    blocks = [*case_lists(suite, view.links, extent), *asides(suite, extent), *whole_cases(suite, view.links, extent)]
    if blocks and len(view.suites) > 1:
        yield f"### {name(suite.name)}"
    yield from blocks
