"""Results on their way from an item to the verdict: one ASCII JSON string on the report.

Builtin values only: anything richer on a report makes xdist lose the test, and the session exits 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.data import CaseResult
from pytest_evalgate.plugin.failures import printable
from pytest_evalgate.runs import codec

if TYPE_CHECKING:
    from pytest_evalgate.data import Case, PlannedCase, StopRule

RESULT: pytest.StashKey[CaseResult] = pytest.StashKey()
STOPPED: pytest.StashKey[StopRule] = pytest.StashKey()
ATTRIBUTE = "evalgate"
STOPPED_ATTRIBUTE = "evalgate_stopped"
WORKER_OUTPUT = "evalgate"
_FIRST = '{"outcome":"'
"""Of all the keys of a result, this one comes first in canonical JSON."""


def publish(item: pytest.Item, case: Case, result: CaseResult, stopped: StopRule | None = None) -> None:
    """Keep the result of ``case`` for the report, and what a passed test does not say by itself for JUnit.

    ``stopped`` is the rule by which the suite has stopped before this case.
    """
    item.stash[RESULT] = replace(result, question=case.question)
    if stopped is not None:
        item.stash[STOPPED] = stopped
    if result.outcome != "passed":
        item.user_properties.append(("evalgate_case", str(result.case.place)))
        item.user_properties.append(("evalgate_outcome", result.outcome))
        item.user_properties.append(("evalgate_reason", printable(result.reason)))


def attach(item: pytest.Item, report: pytest.TestReport) -> None:
    """Move the item's result to the report of its call: items live as long as the session."""
    result = item.stash.get(RESULT, None)
    if result is not None:
        setattr(report, ATTRIBUTE, codec.dumps(codec.encode_result(result)))
        setattr(report, STOPPED_ATTRIBUTE, item.stash.get(STOPPED, None))
        del item.stash[RESULT]


def detach(report: pytest.TestReport) -> None:
    """Take the result off a report that the ledger has recorded: pytest keeps every report until the end."""
    if hasattr(report, ATTRIBUTE):
        delattr(report, ATTRIBUTE)


def attached(report: pytest.TestReport) -> str | None:
    """Return what ``attach`` put on a report."""
    return getattr(report, ATTRIBUTE, None)


def stopped_by(report: pytest.TestReport) -> StopRule | None:
    """Return the rule by which the suite had stopped before the case of a report."""
    return getattr(report, STOPPED_ATTRIBUTE, None)


def outcome_of(text: str) -> str:
    """Return the outcome of an attached result without reading the rest: in canonical JSON it stands first."""
    return text[len(_FIRST) : text.index('"', len(_FIRST))]


def error_result(case: PlannedCase, reason: str) -> CaseResult:
    """Return the result of a case that has no answer."""
    return CaseResult(case, "errored", reason=reason)
