"""The must-pass gate: zero tolerance, every trial of every chosen case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.data import GateResult
from pytest_evalgate.gates.measure import Measure
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.data import CaseResult
    from pytest_evalgate.gates.measure import Completion
    from pytest_evalgate.settings import MustPassGate

_NAMED = 3
_EVERY_TRIAL = Measure()


def judge_must_pass(gate: MustPassGate, results: Sequence[CaseResult], completion: Completion) -> GateResult:
    """Judge the cases that carry one of the gate's tags; a skipped one fails, no such case makes the gate invalid."""
    chosen = [result for result in results if not gate.tags or set(gate.tags) & set(result.case.tags)]
    if not chosen:
        return GateResult(gate.kind, "invalid", None, None, 1.0, f"no case carries a tag of {', '.join(gate.tags)}")
    missed = [result for result in chosen if not _holds(result, completion)]
    value = 1 - len(missed) / len(chosen)
    which = f" tagged {' or '.join(gate.tags)}" if gate.tags else ""
    if not missed:
        return GateResult(gate.kind, "pass", value, None, 1.0, f"all {count(len(chosen), 'case')}{which} passed")
    named = ", ".join(f"{result.case.id} ({result.case.place})" for result in missed[:_NAMED])
    more = f" and {len(missed) - _NAMED:,} more" if len(missed) > _NAMED else ""
    message = f"{len(missed):,} of {count(len(chosen), 'case')}{which} did not pass in every trial: {named}{more}"
    return GateResult(gate.kind, "fail", value, None, 1.0, message)


def _holds(result: CaseResult, completion: Completion) -> bool:
    return result.outcome != "skipped" and float(_EVERY_TRIAL.of_results([result], completion)[0]) == 1.0
