"""Comparison of two stored runs by the test of the gates, with the cases that changed side by side."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.compared_sentences import detectable, finding
from pytest_evalgate.app.comparing import CompareOptions, compare
from pytest_evalgate.app.stored_sides import stored_side
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.diff import Piece, are_alike, one_side, word_diff
from pytest_evalgate.server.pages.case_texts import stored_texts, texts_of
from pytest_evalgate.server.pages.page_frame import SERVED, render
from pytest_evalgate.store import questions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.app.comparing import CaseChange, SuiteComparison
    from pytest_evalgate.server.pages.case_texts import CaseText
    from pytest_evalgate.server.pages.page_frame import Addresses
    from pytest_evalgate.server.view_sources import PageQuery, ViewSources
    from pytest_evalgate.store.drivers import Row

_CASES: Final = 20
"""Cases of each kind that are shown side by side."""

_CHOICES: Final = 60
"""Runs in the lists from which a side is chosen."""


@dataclass(frozen=True, slots=True)
class CaseBeside:
    """A case that changed: its question, and the first output of both runs; None if its text is not known."""

    case: CaseChange
    kind: str
    input: str | None
    before: tuple[Piece, ...] | None
    now: tuple[Piece, ...] | None
    reason: str


@dataclass(frozen=True, slots=True)
class SuiteBeside:
    """One suite of the comparison."""

    found: SuiteComparison
    finding: str
    detectable: str
    cases: tuple[CaseBeside, ...]
    more: int
    command: str


def page(sources: ViewSources, query: PageQuery, to: Addresses = SERVED) -> str:
    """Return the page as HTML. The sides are the ids of runs, ``newest`` or ``previous``.

    Raises:
        UserError: There is no such run, or no suite is in both.
    """
    chosen = replace(query.runs, suite=query.values.get("suite") or None)
    specs = query.values.get("a") or "previous", query.values.get("b") or "newest"
    older, newer = (stored_side(sources.database, spec, chosen) for spec in specs)
    found = compare(sources.project, older, newer, CompareOptions(chosen.suite))
    values = {
        "sides": (older.run, newer.run),
        "found": found,
        "suites": [_beside(sources, suite, (older.run.id, newer.run.id)) for suite in found.suites],
        "choices": _choices(sources, query, {older.run.id, newer.run.id}),
        "suite": chosen.suite or "",
    }
    return render("compare.html.j2", sources, to, values)


def _choices(sources: ViewSources, query: PageQuery, shown: set[str]) -> list[Row]:
    """Return the newest runs with results; the two that are shown are among them."""
    rows = questions.runs(sources.database, replace(query.runs, limit=_CHOICES, after=None)).rows
    found = [row for row in rows if row["source"] == "run"]
    missing = shown - {row["run_id"] for row in found}
    return [*found, *({"run_id": run_id, "created": "", "branch": None} for run_id in sorted(missing))]


def _beside(sources: ViewSources, suite: SuiteComparison, run_ids: tuple[str, str]) -> SuiteBeside:
    changes = suite.changes
    chosen = [
        *(("regressed", case) for case in changes.regressed[:_CASES]),
        *(("fixed", case) for case in changes.fixed[:_CASES]),
    ]
    names = [case.case for _, case in chosen]
    before, now = (_texts(sources, run_id, suite.suite, names) for run_id in run_ids)
    return SuiteBeside(
        suite,
        "no case can be compared" if suite.delta is None else finding(suite.delta, suite.alpha, suite.margin),
        "" if suite.delta is None else detectable(suite.delta),
        tuple(_case(kind, case, before.get(case.case), now.get(case.case)) for kind, case in chosen),
        len(changes.regressed) + len(changes.fixed) - len(chosen),
        shlex.join(["pytest-evalgate", "query", "compare", *run_ids, "--suite", suite.suite, "--json"]),
    )


def _texts(sources: ViewSources, run_id: str, suite: str, names: Sequence[str]) -> dict[str, CaseText]:
    found = texts_of(sources, run_id, suite, names)
    return found | stored_texts(sources, run_id, suite, [name for name in names if name not in found])


def _case(kind: str, case: CaseChange, before: CaseText | None, now: CaseText | None) -> CaseBeside:
    old, new = _output(before), _output(now)
    question = (now.input if now else None) or (before.input if before else None)
    reason = case.reason or (_reason(now) if kind == "regressed" else "")
    pieces = word_diff(old, new) if old and new else ()
    if not are_alike(pieces):
        return CaseBeside(case, kind, question, _plain(old), _plain(new), reason)
    return CaseBeside(case, kind, question, one_side(pieces, "removed"), one_side(pieces, "added"), reason)


def _plain(text: str | None) -> tuple[Piece, ...] | None:
    return None if text is None else (Piece("same", text),)


def _output(text: CaseText | None) -> str | None:
    """Return the first output that did not pass, else the first one."""
    trials = () if text is None else text.trials
    shown = next((trial for trial in trials if trial.value != 1), trials[0] if trials else None)
    return None if shown is None else shown.output


def _reason(text: CaseText | None) -> str:
    trials = () if text is None else text.trials
    reasons = [trial.reason for trial in trials if trial.reason]
    return next(iter([*reasons, *(f"{s.scorer}: {s.reason}" for t in trials for s in t.scores if s.reason)]), "")
