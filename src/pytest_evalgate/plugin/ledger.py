"""Ledger of a session: one result for every planned case, from all processes."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import pytest

from pytest_evalgate.plugin.failures import printable
from pytest_evalgate.records.results import CaseResult
from pytest_evalgate.runs import codec, record_file
from pytest_evalgate.text import files
from pytest_evalgate.text.redaction import mask_keys

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pytest_evalgate.errors import StorageError
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import PlannedCase, StopRule, SuitePlan

RESULT: pytest.StashKey[CaseResult] = pytest.StashKey()
ENCODED: pytest.StashKey[str] = pytest.StashKey()
STOPPED: pytest.StashKey[StopRule | None] = pytest.StashKey()
WORKER_OUTPUT = "evalgate"
"""Key of a worker's plans in its output."""

_ATTRIBUTE = "evalgate"


class AttachedResult(TypedDict):
    """The result of a case on the report of its call: builtin values, which xdist can send.

    ``result`` is the encoded result as JSON, ``outcome`` its outcome, ``stopped`` the rule by which the suite had
    stopped before the case.
    """

    result: str
    outcome: str
    stopped: StopRule | None


def encode(result: CaseResult) -> str:
    """Return a result as JSON: a line of the ledger."""
    return record_file.dumps(codec.encode_result(result))


def publish(
    item: pytest.Item,
    case: Case,
    result: CaseResult,
    stopped: StopRule | None = None,
    encoded: str | None = None,
) -> None:
    """Store the result of ``case`` for the report, and add it to JUnit's properties unless the case passed.

    ``stopped`` is the rule by which the suite had stopped before this case. ``encoded`` is the result as JSON, with
    its question, if it is known already.
    """
    item.stash[RESULT] = result.with_question(case.question)
    if encoded is not None:
        item.stash[ENCODED] = encoded
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
        encoded = item.stash.get(ENCODED, None)
        attached: AttachedResult = {
            "result": encode(result) if encoded is None else encoded,
            "outcome": result.outcome,
            "stopped": item.stash.get(STOPPED, None),
        }
        setattr(report, _ATTRIBUTE, attached)
        del item.stash[RESULT]
        if encoded is not None:
            del item.stash[ENCODED]


def attached_result(report: pytest.TestReport) -> AttachedResult | None:
    """Return the result that ``attach`` put on a report."""
    return getattr(report, _ATTRIBUTE, None)


def detach(report: pytest.TestReport) -> None:
    """Remove the result from a recorded report: pytest keeps every report until the end."""
    if hasattr(report, _ATTRIBUTE):
        delattr(report, _ATTRIBUTE)


def error_result(case: PlannedCase, reason: str) -> CaseResult:
    """Return the result of a case whose scorer, setup or process failed: a retry would run the same code."""
    return CaseResult(case, "errored", reason=reason, is_final=True)


class Spool:
    """Lines of text in a temporary file, which is deleted when it is closed."""

    def __init__(self) -> None:
        """Open the file.

        Raises:
            StorageError: There is no folder for temporary files.
        """
        with files.storing(Path(os.environ.get("TMPDIR", os.curdir)), "used for temporary files"):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by its owner
        self._folder = Path(tempfile.gettempdir())
        self._end = 0
        self._problem: StorageError | None = None

    def append(self, line: str) -> int:
        """Write a line of ASCII text and return its offset. If that fails, `read` raises."""
        place = self._end
        try:
            self._end += self._file.write(line.encode("ascii") + b"\n")
        except OSError as error:
            self._problem = files.storage_error(self._folder, "used for temporary files", error)
        return place

    def read(self, place: int) -> str:
        """Return the line at offset ``place``.

        Raises:
            StorageError: A line could not be written.
        """
        if self._problem is not None:
            raise self._problem
        try:
            if place != self._file.tell():
                self._file.seek(place)
            return self._file.readline().decode("ascii").rstrip("\n")
        except OSError as error:
            raise files.storage_error(self._folder, "used for temporary files", error) from error

    def close(self) -> None:
        """Delete the file."""
        with contextlib.suppress(OSError):  # lines that do not fit the disk are flushed again
            self._file.close()


class Ledger:
    """Plans of the suites, and results of the reports. Under xdist, workers send their plans to it as JSON."""

    def __init__(self) -> None:
        """Open an empty ledger."""
        self.plans: dict[str, SuitePlan] = {}
        self.problems: list[str] = []
        self.has_workers = False
        self._order: dict[str, None] = {}
        self.not_passed: dict[str, str] = {}
        self._nodes: dict[tuple[str, str], str] = {}
        self._results: dict[str, int] = {}
        self._spool = Spool()
        self._failures: dict[str, str] = {}
        self._stopped: dict[str, StopRule] = {}

    @property
    def stopped(self) -> Mapping[str, StopRule]:
        """The suites that stopped before their last case, and the rule by which they did."""
        nodes = ((suite, nodeid) for (suite, _), nodeid in self._nodes.items())
        return {suite: self._stopped[nodeid] for suite, nodeid in nodes if nodeid in self._stopped}

    @property
    def has_results(self) -> bool:
        """Whether any case has reported a result."""
        return bool(self._results)

    @property
    def nodeids(self) -> Collection[str]:
        """Node ids of the items that run planned cases."""
        return self._nodes.values()

    def add_plan(self, plan: SuitePlan) -> None:
        """Plan the cases of a suite."""
        known = self.plans.setdefault(plan.name, plan)
        self._order[plan.name] = None
        if known != plan:
            self.add_problem(
                f"suite {plan.name} is defined twice, differently: give one of them another name (suite=)"
            )

    def add_elsewhere(self, suites: Iterable[str]) -> None:
        """Note the place of suites that the controller of xdist runs: plans are in the order of collection."""
        self._order.update(dict.fromkeys(suites))

    def add_node(self, suite: str, case_id: str, nodeid: str) -> None:
        """Record which item runs a planned case."""
        known = self._nodes.setdefault((suite, case_id), nodeid)
        if known != nodeid:
            self.add_problem(
                f"case {case_id} of suite {suite} is run by {known} and by {nodeid}: give each its own suite (suite=)"
            )

    def files_without_items(self, plan: SuitePlan) -> list[str]:
        """Return the files of a plan that have no case with an item."""
        found = {case.place.file for case in plan.cases if (plan.name, case.id) in self._nodes}
        return sorted({case.place.file for case in plan.cases if case.side != "base"} - found)

    def add_problem(self, problem: str) -> None:
        """Add a problem, which makes the run invalid. Each problem is added once, and API keys in it are removed."""
        problem = mask_keys(problem)
        if problem not in self.problems:
            self.problems.append(problem)

    def record(self, report: pytest.TestReport) -> None:
        """Record a report."""
        attached = attached_result(report)
        if attached is not None and report.when == "call":
            if report.nodeid in self._results:
                self.add_problem(f"{report.nodeid} was reported twice: cases must not be rerun until they pass")
            self._results[report.nodeid] = self._spool.append(attached["result"])
            if (rule := attached["stopped"]) is not None:
                self._stopped[report.nodeid] = rule
            if attached["outcome"] != "passed":
                self.not_passed[report.nodeid] = attached["outcome"]
        elif report.failed or report.skipped:
            word = "skipped at run time" if report.skipped else f"failed in {report.when}"
            self._failures.setdefault(report.nodeid, f"{word}: {_reason(report)}")

    def export(self) -> str:
        """Return plans, items and problems as JSON, for the controller."""
        plans = [codec.encode_plan(plan) for plan in self.plans.values()]
        nodes = [[*case, nodeid] for case, nodeid in self._nodes.items()]
        return json.dumps({"plans": plans, "nodes": nodes, "problems": self.problems, "order": [*self._order]})

    def merge_worker(self, text: str) -> None:
        """Merge the plans of a worker; workers whose plans differ make the run invalid."""
        value = json.loads(text)
        for plan in value["plans"]:
            self.add_plan(codec.decode_plan(plan))
        if not self.has_workers:
            order = dict.fromkeys((*value["order"], *self.plans))
            self.plans = {name: self.plans[name] for name in order if name in self.plans}
        self.has_workers = True
        for suite, case_id, nodeid in value["nodes"]:
            self.add_node(suite, case_id, nodeid)
        for problem in value["problems"]:
            self.add_problem(problem)

    def add_unplanned(self) -> None:
        """Add a problem for each result without a planned case; plans and problems are complete afterwards."""
        for nodeid in sorted(self._results.keys() - set(self._nodes.values())):
            self.add_problem(f"{nodeid} reported a result, but its case is not planned")

    def results(self, plan: SuitePlan) -> Iterator[str]:
        """Yield the encoded result of every case of ``plan``, in plan order."""
        for case in plan.cases:
            nodeid = self._nodes.get((plan.name, case.id), "")
            if case.skip is None and nodeid in self._results:
                yield self._spool.read(self._results[nodeid])
            else:
                yield encode(self._missing_result(case, nodeid))

    def close(self) -> None:
        """Delete the results."""
        self._spool.close()

    def _missing_result(self, case: PlannedCase, nodeid: str) -> CaseResult:
        if case.skip is not None:
            return CaseResult(case, "skipped", reason=case.skip)
        if nodeid in self._failures:
            return error_result(case, self._failures[nodeid])
        return CaseResult(case, "not_run")


def _reason(report: pytest.TestReport) -> str:
    """Return the first line of the reason why a test failed or was skipped."""
    longrepr = report.longrepr
    if isinstance(longrepr, tuple):
        return str(longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(longrepr)
    return text.strip().partition("\n")[0] if text else "no reason given"
