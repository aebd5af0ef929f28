"""What changed in the baseline of a suite: nobody chooses in a branch what that branch is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.data import GateChange
from pytest_evalgate.gates.changes import NOTHING
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.data import Baseline


def baseline_changes(base: Baseline | None, head: Baseline | None) -> Iterator[GateChange]:
    """Compare the baseline of one suite at the base branch with that of the working tree; None where there is none.

    A first baseline is neutral, since there was nothing to compare with. Cases that differ are weaker whichever way
    they differ: a lower value is easier to reach, and a higher one belongs to another run.
    """
    if base is None and head is not None:
        yield GateChange("baseline added", _where(head), NOTHING, _summary(head), "neutral")
    elif base is not None and head is None:
        yield GateChange("baseline removed", _where(base), _summary(base), NOTHING, "weaker")
    elif base is not None and head is not None:
        yield from _edits(base, head)


def _edits(base: Baseline, head: Baseline) -> Iterator[GateChange]:
    if base.cases != head.cases:
        now = f"{_summary(head)}: {_differences(base, head)}"
        yield GateChange("baseline edited", _where(head), _summary(base), now, "weaker")
    elif (base.provenance, base.trials) != (head.provenance, head.trials):
        told = base.provenance.run_id, head.provenance.run_id
        yield GateChange("baseline relabelled", _where(head), *told, "neutral")


def _where(baseline: Baseline) -> str:
    return f"suites.{baseline.suite}.baseline"


def _summary(baseline: Baseline) -> str:
    mean = sum(case.mean for case in baseline.cases.values()) / len(baseline.cases)
    return f"run {baseline.provenance.run_id}, {count(len(baseline.cases), 'case')}, {percent(mean)} passed"


def _differences(base: Baseline, head: Baseline) -> str:
    old, new = base.cases.keys(), head.cases.keys()
    changed = sum(base.cases[name] != head.cases[name] for name in old & new)
    return f"{changed:,} changed, {len(old - new):,} removed, {len(new - old):,} added"
