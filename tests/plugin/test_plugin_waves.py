"""Waves: cases with recorded outputs and built-in rules run together, and each item gets its own result or error."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_evalgate.engine import Grading
from pytest_evalgate.errors import ScorerError
from pytest_evalgate.plugin.case_queue import _WAVE, CaseQueue
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output, PlannedCase, Score
from pytest_evalgate.targets.recorded import RecordedTargetRunner, Recording

if TYPE_CHECKING:
    from pytest_evalgate.plugin.assembly import ReadySuite

_CASES = [Case(f"c{number}", input=number, place=Place("g.jsonl", number + 1)) for number in range(_WAVE + 5)]


@dataclass
class _Rule:
    """A rule that records the cases that it grades, and fails for those in ``broken``."""

    graded: list[str]
    broken: frozenset[str]
    name: str = "rule"

    async def score(self, case: Case, output: Output) -> Score:
        self.graded.append(case.id)
        if case.id in self.broken:
            raise ScorerError(f"{case.id} cannot be graded")
        value = float(output.value == "yes")
        return Score(self.name, value, passed=value == 1)


def _queue(*broken: str) -> tuple[CaseQueue, ReadySuite, list[str]]:
    rule = _Rule([], frozenset(broken))
    outputs = {case.id: Output("yes" if case.input % 2 else "no") for case in _CASES}
    suite: Any = SimpleNamespace(
        waits=False,
        required_target=RecordedTargetRunner((Recording("outputs.jsonl", outputs),)),
        planned={case.id: PlannedCase(case.id, case.place, "f") for case in _CASES},
        plan=SimpleNamespace(name="s", trials_of=lambda _: 1),
        grading_of=lambda _: Grading((rule,)),
    )
    unused = cast("Any", None)
    queue = CaseQueue(unused, unused, None, unused)
    for case in _CASES:
        queue.begin(suite, case)
    return queue, suite, rule.graded


def test_a_wave_runs_the_cases_that_follow() -> None:
    queue, suite, graded = _queue()
    outcomes = [queue.result(suite, _CASES[0]).outcome]
    assert graded == [case.id for case in _CASES[:_WAVE]]
    outcomes += [queue.result(suite, case).outcome for case in _CASES[1:]]
    assert outcomes == ["passed" if case.input % 2 else "missed" for case in _CASES]
    assert graded == [case.id for case in _CASES]


def test_an_error_in_a_wave_is_that_of_its_own_case() -> None:
    queue, suite, _ = _queue("c2")
    assert [queue.result(suite, case).case.id for case in _CASES[:2]] == ["c0", "c1"]
    with pytest.raises(ScorerError, match="c2 cannot be graded"):
        queue.result(suite, _CASES[2])
    assert queue.result(suite, _CASES[3]).outcome == "passed"


def test_a_case_in_another_order_runs_alone_and_may_run_again() -> None:
    queue, suite, graded = _queue()
    assert queue.result(suite, _CASES[7]).case.id == queue.result(suite, _CASES[7]).case.id == "c7"
    assert graded == ["c7", "c7"]


def test_a_skipped_case_is_not_graded() -> None:
    queue, suite, graded = _queue()
    queue.begin(suite, Case("skipped", skip="later"))
    for case in _CASES:
        queue.result(suite, case)
    assert "skipped" not in graded
