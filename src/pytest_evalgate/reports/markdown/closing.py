"""How a page ends: what did not run, how the run came about, where all of it stands, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports import headline
from pytest_evalgate.reports.markdown.parts import folded_away, name, prose, shell, table
from pytest_evalgate.wording import count, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.reports.markdown.extent import Extent
    from pytest_evalgate.reports.view import ReportView


def closing(view: ReportView, extent: Extent) -> Iterator[str]:
    """Write what stands below the numbers."""
    if view.verdict.suites_not_run:
        yield f"Not run: {', '.join(map(name, view.verdict.suites_not_run))}"
    if view.notes:
        yield "\n".join(f"- NOTE {prose(note)}" for note in view.notes)
    if extent.listed:
        yield _facts(view)
    steps = headline.next_steps(view)
    if steps:
        yield "\n".join(f"- {step.why}: {shell(step.command)}" for step in steps)
    yield where(view)


def where(view: ReportView) -> str:
    """Say where the whole report and the run are to be found."""
    run = view.links.run if view.links is not None else None
    told = [f"[Run and its artifacts]({run})"] if run is not None else []
    if view.report_file is not None:
        told.append(f"report: {name(view.report_file)}")
    return " · ".join([*told, f"verdict: {name(view.verdict_file)}", f"run: {name(view.run_file)}"])


def _facts(view: ReportView) -> str:
    verdict = view.verdict
    calls = f"{verdict.calls.sent:,} sent, {verdict.calls.cached:,} cached, {verdict.calls.retried:,} retried"
    own = [("run", name(verdict.run_id)), ("tier", name(verdict.tier)), ("calls", calls)]
    own += [("took", seconds(verdict.duration_s))]
    commit = [] if verdict.commit is None else [("commit", name(verdict.commit))]
    rows = [*own, *commit, *((prose(fact), shell(value)) for fact, value in view.facts)]
    return folded_away(f"How it ran: {count(len(rows), 'fact')}", table(("Fact", ""), rows))
