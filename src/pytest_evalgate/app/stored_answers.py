"""Answers from the store that the command line and the HTTP API share, where one question takes several steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.store import questions
from pytest_evalgate.store.filters import FilterError
from pytest_evalgate.store.questions import CaseFilter
from pytest_evalgate.text.jsonl import escape_text

if TYPE_CHECKING:
    from pytest_evalgate.store import Database
    from pytest_evalgate.store.drivers import Row
    from pytest_evalgate.store.filters import RunFilter
    from pytest_evalgate.store.questions import Answer

CaseChoice = Literal["worst", "failed", "errored", "flaky"]
"""Cases of the newest run that matches, the worst first: all, those that missed, or those without an output. Or the
cases that both passed and missed in the last 20 runs."""

MOST_SLICES: Final = 4
_OUTCOMES: Final = {"worst": None, "failed": "missed", "errored": "errored"}
_AFTER_DIGITS: Final = 9  # below 2**31


def slices(database: Database, suite: str, by: str, chosen: RunFilter) -> Answer:
    """Return the slices of the newest run that matches; ``by`` is a list such as ``lang,domain``.

    Raises:
        FilterError: A slice is named twice, or too many are named.
        NotStoredError: No run matches, or it has no such slices.
    """
    names = [name.strip() for name in by.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise FilterError("by", f"{escape_text(by)}: name each slice once, such as lang,domain")
    if len(names) > MOST_SLICES:
        raise FilterError("by", f"names {len(names)} slices: name at most {MOST_SLICES}")
    run = questions.find_run(database, chosen)
    return replace(questions.slices(database, suite, names, run), notes=(_of_run(run),))


def cases(database: Database, suite: str, choice: CaseChoice, chosen: RunFilter) -> Answer:
    """Return a page of cases with their scores: ``chosen.limit`` after the first ``chosen.after`` of them.

    Raises:
        FilterError: ``after`` is no number.
        NotStoredError: No run matches, or none has the suite.
    """
    if choice == "flaky":
        if chosen.after is not None:
            raise FilterError("after", "has no use: flaky cases have one page: raise the limit")
        return questions.flaky(database, suite, chosen)
    run = questions.find_run(database, replace(chosen, after=None))
    wanted = CaseFilter(_OUTCOMES[choice], limit=chosen.limit, skip=_skip(chosen.after))
    return replace(questions.cases(database, suite, run, wanted), notes=(_of_run(run),))


def _of_run(run: Row) -> str:
    return f"run {run['run_id']} of {run['created']}"


def _skip(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= _AFTER_DIGITS):
        raise FilterError("after", f"{escape_text(after)}: give the number that the page before printed")
    return int(after)
