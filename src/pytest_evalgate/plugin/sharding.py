"""What a session says that runs one shard: it stores its part, and judges nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from pytest_evalgate.data import GateResult, Run, SuiteVerdict, Verdict
    from pytest_evalgate.runs.shard import Shard


def lost(run: Run, shard: Shard) -> int:
    """Count the cases that a shard was to run and did not."""
    return sum(
        result.outcome == "not_run" and result.case.id in mine
        for suite in run.suites
        for mine in [shard.cases_of(suite.plan)]
        for result in suite.results
    )


def refusal(run: Run, shard: Shard, file: str) -> str:
    """Say what is to be done instead of judging."""
    left = lost(run, shard)
    if left:
        return f"not run: {count(left, 'case')} of {shard}; run it again, whole"
    command = f"pytest-evalgate merge DIR --expect-shards {shard.count} --gate"
    return f"{shard} is stored in {file}; merge it with the others: {command}"


def unjudged(verdict: Verdict, shard: Shard) -> Verdict:
    """Take back what gates say of suites that happen to lie in one shard as a whole."""
    suites = {name: _unjudged(suite, f"{shard}: judged when all are merged") for name, suite in verdict.suites.items()}
    return replace(verdict, suites=suites)


def _unjudged(suite: SuiteVerdict, message: str) -> SuiteVerdict:
    return replace(
        suite,
        verdict="not_evaluated",
        pass_rate=None,
        interval=None,
        delta=None,
        slices=(),
        repeats=None,
        notes=(),
        gates=tuple(_silenced(gate, message) for gate in suite.gates),
    )


def _silenced(gate: GateResult, message: str) -> GateResult:
    return replace(gate, result="not_evaluated", value=None, bound=None, required=None, message=message)
