"""Case: one case over the runs, with its outputs, scores and reasons, and the words that changed between runs."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.diff import Piece, are_alike, word_diff
from pytest_evalgate.server.pages.case_texts import stored_text, texts_of
from pytest_evalgate.server.pages.page_frame import SERVED, render
from pytest_evalgate.store.questions import NotStoredError
from pytest_evalgate.text.jsonl import quote_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.server.pages.case_texts import CaseText
    from pytest_evalgate.server.pages.page_frame import Addresses
    from pytest_evalgate.server.view_sources import PageQuery, ViewSources
    from pytest_evalgate.store.drivers import Row

RUNS: Final = 12
"""Runs of a case that are shown: each may need its run file."""


@dataclass(frozen=True, slots=True)
class CaseInRun:
    """A case in one run. ``changed`` is its first output with the words that changed since the run before."""

    row: Row
    text: CaseText
    is_whole: bool
    changed: tuple[Piece, ...]
    edited: bool


def page(sources: ViewSources, query: PageQuery, to: Addresses = SERVED) -> str:
    """Return the page as HTML.

    Raises:
        NotStoredError: No stored run that matches contains the case.
    """
    suite, case_id = query.names["suite"], query.names["case"]
    chosen = {**query.runs.parameters(), "suite": suite, "case_id": case_id, "last_runs": RUNS}
    rows = sources.database.query("trials_of_case", **chosen)
    if not rows:
        raise NotStoredError(f"no stored run of suite {suite} has a case {quote_text(case_id)}")
    found = [_in_run(sources, suite, case_id, list(of_run)) for _, of_run in groupby(rows, key=itemgetter("run_id"))]
    shown = [_changes(now, before) for now, before in zip(found, [*found[1:], None], strict=True)]
    newest = next((one.text for one in shown if one.text.input), shown[0].text)
    values = {"suite": suite, "case_id": case_id, "place": rows[0], "newest": newest, "runs": shown}
    return render("case.html.j2", sources, to, values)


def _in_run(sources: ViewSources, suite: str, case_id: str, rows: list[Row]) -> CaseInRun:
    run_id = rows[0]["run_id"]
    text = texts_of(sources, run_id, suite, [case_id]).get(case_id)
    if text is not None:
        return CaseInRun(rows[0], text, is_whole=True, changed=(), edited=False)
    scores = sources.database.query("scores_of_case", run_id=run_id, suite=suite, place=rows[0]["place"])
    return CaseInRun(rows[0], stored_text(rows, scores), is_whole=False, changed=(), edited=False)


def _changes(now: CaseInRun, before: CaseInRun | None) -> CaseInRun:
    edited = before is not None and now.row["fingerprint"] != before.row["fingerprint"]
    pieces: Sequence[Piece] = ()
    if before is not None and (old := _output(before)) and (new := _output(now)) and old != new:
        pieces = word_diff(old, new)
    return CaseInRun(now.row, now.text, now.is_whole, tuple(pieces) if are_alike(pieces) else (), edited)


def _output(one: CaseInRun) -> str:
    return (one.text.trials[0].output or "") if one.text.trials else ""
