from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pytest_evalgate.engine import Grading, grade_output, run_case, run_trial
from pytest_evalgate.engine.trial import run_sync
from pytest_evalgate.errors import CodeExit, MissingOutput, ScorerError
from pytest_evalgate.records.calls import ApplicationFailure, CallFailed, CallRecord
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import CaseResult, Output, PlannedCase, Score

_CASE = Case("c1", expected="yes", place=Place("golden/faq.jsonl", 7))
_PLANNED = PlannedCase("c1", _CASE.place, "f")


@dataclass(frozen=True)
class _Target:
    """Returns ``script[i]`` in trial i; raises it if it is an exception."""

    script: tuple[Any, ...]

    async def answer(self, case: Case, trial: int) -> Output:
        del case
        value = self.script[trial]
        if isinstance(value, BaseException):
            raise value
        return Output(value)


@dataclass(frozen=True)
class _Exact:
    name: str = "exact"

    async def score(self, case: Case, output: Output) -> Score:
        if output.value == "broken":
            raise ScorerError(f"scorer {self.name} broke at {case.place}")
        if output.value == "unreadable":
            return Score(self.name, None, None, "could not tell")
        passed = output.value == case.expected
        return Score(self.name, float(passed), passed, "" if passed else f"got {output.value}")


def _run(*script: Any, grading: Grading | None = None) -> CaseResult:
    return run_sync(run_case(_Target(script), grading or Grading((_Exact(),)), _CASE, _PLANNED, len(script)))


_GONE = MissingOutput("timeout after 60 s")
_RECORD = CallRecord("target", "m", 3)


@pytest.mark.parametrize(
    ("script", "is_final"),
    [
        ((_GONE,), False),
        ((MissingOutput("no row", is_final=True),), True),
        ((CallFailed("503"),), False),
        ((CallFailed("400", is_final=True),), True),
        ((_GONE, CallFailed("400", is_final=True)), True),
        (("unreadable",), True),  # a rule that could not tell reads the same output again
    ],
)
def test_a_missing_case_knows_whether_another_run_would_miss_it_too(
    script: tuple[Any, ...], *, is_final: bool
) -> None:
    result = _run(*script)
    assert (result.outcome, result.is_final) == ("errored", is_final)


def test_an_error_of_an_application_is_a_miss_with_its_calls() -> None:
    result = _run(ApplicationFailure("3 attempts: 500 server error", _RECORD))
    assert (result.outcome, result.reason) == ("missed", "3 attempts: 500 server error")
    assert result.trials[0].calls == (_RECORD,)


@pytest.mark.parametrize(
    ("script", "outcome", "values", "reason"),
    [
        (("yes",), "passed", [1.0], ""),
        (("no",), "missed", [0.0], "exact: got no"),
        ((ValueError("bad key\nmore"),), "missed", [0.0], "ValueError: bad key"),
        ((KeyError(),), "missed", [0.0], "KeyError"),
        ((CodeExit(SystemExit(2)),), "missed", [0.0], "SystemExit: 2"),
        ((_GONE,), "errored", [None], "timeout after 60 s"),
        (("unreadable",), "errored", [None], "exact: could not tell"),
        (("yes", "yes", "no"), "passed", [1.0, 1.0, 0.0], ""),
        (("yes", "no", "never"), "missed", [1.0, 0.0, 0.0], "exact: got no"),
        (("yes", "no"), "missed", [1.0, 0.0], "exact: got no"),
        (("yes", _GONE, "yes"), "errored", [1.0, None, 1.0], "timeout after 60 s"),
    ],
)
def test_trials_decide_a_case(script: tuple[Any, ...], outcome: str, values: list[float | None], reason: str) -> None:
    result = _run(*script)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert [trial.value for trial in result.trials] == values
    assert [trial.index for trial in result.trials] == list(range(len(script)))
    assert result.case is _PLANNED


def test_a_trial_has_its_output_and_its_scores() -> None:
    [trial] = _run("no").trials
    assert trial.output == Output("no")
    assert trial.scores == (Score("exact", 0.0, passed=False, reason="got no"),)
    assert _run(ValueError()).trials[0].output is None


def test_the_error_of_a_scorer_is_raised() -> None:
    with pytest.raises(ScorerError, match=r"broke at golden/faq\.jsonl:7"):
        _run("yes", "broken")


def test_the_reason_of_a_miss_has_the_rationale_of_a_judge() -> None:
    @dataclass(frozen=True)
    class Judge(_Exact):
        async def score(self, case: Case, output: Output) -> Score:
            del case, output
            return Score(self.name, 0.0, passed=False, reason="fail", rationale="It is rude.")

    result = _run("yes", grading=Grading((_Exact(), Judge("faq"))))
    assert (result.outcome, result.reason) == ("missed", "faq: fail - It is rude.")


def test_all_scorers_have_to_pass() -> None:
    @dataclass(frozen=True)
    class Never(_Exact):
        async def score(self, case: Case, output: Output) -> Score:
            del case, output
            return Score(self.name, 0.0, passed=False)

    result = _run("yes", grading=Grading((_Exact(), Never("never"))))
    assert (result.outcome, result.reason) == ("missed", "never")


def test_an_interrupt_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_sync(run_trial(_Target((KeyboardInterrupt(),)), Grading((_Exact(),)), _CASE, 0))


def test_an_existing_output_is_graded() -> None:
    trial = run_sync(grade_output(Grading((_Exact(),)), _CASE, 2, Output("yes")))
    assert (trial.index, trial.value, trial.reason) == (2, 1.0, "")


def test_run_sync_needs_no_event_loop() -> None:
    async def work() -> int:
        return 3

    assert run_sync(work()) == 3


def test_run_sync_rejects_work_that_suspends() -> None:
    with pytest.raises(RuntimeError, match="needs an event loop"):
        run_sync(asyncio.sleep(0))


_DETAILS = {"reasoning_tokens": 1200}


@pytest.mark.parametrize(
    ("value", "graded", "reasoning"),
    [
        ("<think>no</think>yes", "yes", "no"),
        ("no</think>yes", "yes", "no"),
        ("[THINK]no[/THINK]\nyes", "yes", "no"),
        ("yes", "yes", ""),
    ],
)
def test_reasoning_is_not_graded_and_is_kept(value: str, graded: str, reasoning: str) -> None:
    trial = run_sync(grade_output(Grading((_Exact(),)), _CASE, 0, Output(value)))
    assert trial.value == 1.0
    assert trial.output == Output(graded, reasoning=reasoning)


def test_a_pass_that_is_only_in_the_reasoning_is_a_miss() -> None:
    assert _run("<think>yes</think>no").outcome == "missed"


@pytest.mark.parametrize("value", ["<think>yes", "<think>yes</think>", "yes<think>no", "◁think▷yes"])
def test_reasoning_without_an_answer_is_a_miss(value: str) -> None:
    trial = run_sync(grade_output(Grading((_Exact(),)), _CASE, 0, Output(value, _DETAILS)))
    assert (trial.value, trial.scores) == (0.0, ())
    assert "reasoning without an answer" in trial.reason
    assert "strip_reasoning = false" in trial.reason
    assert trial.reason.endswith("(1,200 tokens of reasoning)")


def test_reasoning_is_graded_if_it_is_not_stripped() -> None:
    grading = Grading((_Exact(),), strip_reasoning=False)
    case = Case("c1", expected="<think>yes", place=_CASE.place)
    trial = run_sync(grade_output(grading, case, 0, Output("<think>yes")))
    assert (trial.value, trial.output) == (1.0, Output("<think>yes"))


@pytest.mark.parametrize(
    ("finish", "words"),
    [
        ("length", "raise max_tokens, or ask for a shorter output (1,200 tokens of reasoning)"),
        ("content_filter", "the endpoint's content filter withheld the reply"),
        ("refusal", "the model refused"),
    ],
)
def test_an_incomplete_output_is_a_miss_with_its_reason(finish: Any, words: str) -> None:
    trial = run_sync(grade_output(Grading((_Exact(),)), _CASE, 0, Output("yes", _DETAILS, finish=finish)))
    assert (trial.value, trial.reason.endswith(words)) == (0.0, True)


@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_output_is_a_miss_unless_it_is_allowed_or_expected(value: str) -> None:
    negated = Grading((_Exact("not-contains"),))
    graded = {
        "neither": run_sync(grade_output(negated, Case("c"), 0, Output(value))),
        "allowed": run_sync(grade_output(replace(negated, allow_empty=True), Case("c"), 0, Output(value))),
        "expected": run_sync(grade_output(negated, Case("c", expected=""), 0, Output(value))),
        "one of": run_sync(grade_output(negated, Case("c", expected_any=("a", "")), 0, Output(value))),
        "assert": run_sync(grade_output(negated, Case("c", asserts=({"value": ""},)), 0, Output(value))),
    }
    assert {name: bool(trial.scores) for name, trial in graded.items()} == {
        "neither": False, "allowed": True, "expected": True, "one of": True, "assert": True,
    }  # fmt: skip
    assert graded["neither"].value == 0.0
    assert "allow_empty = true" in graded["neither"].reason
