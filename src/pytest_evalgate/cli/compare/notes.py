"""What the numbers of a comparison rest on: which cases were left out, and what is not known of the sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.cli.compare.match import lacks_clusters
from pytest_evalgate.gates.answers import Hearing
from pytest_evalgate.gates.outcomes import account
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.cli.compare.match import Match
    from pytest_evalgate.data import Run, SuiteVerdict
    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.settings import Settings


def side_notes(side: str, run: Run) -> Iterator[str]:
    """Iterate over what is wrong with a side as a whole."""
    for problem in run.problems:
        yield f"{side} is invalid: {problem}"
    if run.refused is not None:
        yield f"{side} is not whole: {run.refused}"


def suite_notes(found: Match, rules: SuiteRules, verdict: SuiteVerdict, settings: Settings) -> Iterator[str]:
    """Iterate over what to know about one suite: why it cannot be judged, what was left out, what is rough."""
    refused = Hearing(found.part, rules, "worst").refusal(rules.comparison)
    if refused is not None:
        yield refused.message
    yield from _left_out(found)
    if lacks_clusters(found, settings):
        yield f"B does not know its clusters (suites.{found.name}.cluster): cases count as if there were none"
    yield from verdict.notes


def _left_out(found: Match) -> Iterator[str]:
    if found.older.unanswered:
        yield f"{count(len(found.older.unanswered), 'case')} without an answer in A: left out"
    not_run, errored = account(found.whole.results).not_run, account(found.part.results).errored
    if found.whole.stopped is not None:
        told = count(not_run, "case")
        yield f"B was stopped, its verdict certain: {told} not run; the change is the least that it can be"
    elif not_run:
        yield f"{count(not_run, 'case')} not run in B: left out"
    if errored:
        yield f"{count(errored, 'case')} without an answer in B: counted as missed, and on no list"
