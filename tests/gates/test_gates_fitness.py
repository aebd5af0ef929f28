"""The backstop: a judge that may not gate carries no gate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import Suite
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.correction import gate_problem, judge_problem

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.gates.rules import JudgeRule
    from pytest_evalgate.records.results import GateResult

_STALE = "the rubric changed since the calibration of 2025-12-22: pytest-evalgate calibrate faq --labels FILE"
_RESTING: list[dict[str, Any]] = [
    {"kind": "pass-rate", "min": 0.1},
    {"kind": "no-regression"},
    {"kind": "slice", "by": "lang"},
    {"kind": "slice", "by": "lang", "min": 0.1},
    {"kind": "must-pass"},
    {"kind": "mean-score", "scorer": "faq", "min": 0.1},
    {"kind": "no-regression", "scorer": "faq"},
]
_OTHERS: list[dict[str, Any]] = [
    {"kind": "budget", "max_cost_usd": 1.0},
    {"kind": "mean-score", "scorer": "exact", "min": 0.1},
    {"kind": "no-regression", "scorer": "exact"},
]


def _gate(build: Build, gate: dict[str, Any], judge: JudgeRule) -> GateResult:
    gates = Suite.model_validate({"golden": "g", "slices": ["lang"], "gates": [gate]}).gates
    fields = {index: {"slices": (("lang", "de"),)} for index in range(40)}
    suite = build.judged("P" * 40, fields=fields)
    baseline = replace(build.baseline("P" * 40), scorers=("exact", "faq"))
    [result] = decide_suite(suite, SuiteRules(gates=gates, baseline=baseline, judges={"faq": judge})).gates
    return result


def _label(gate: dict[str, Any]) -> str:
    return "-".join(str(value) for value in gate.values())


@pytest.mark.parametrize("gate", _RESTING, ids=_label)
def test_every_gate_that_rests_on_an_unfit_judge_is_invalid(build: Build, gate: dict[str, Any]) -> None:
    assert _gate(build, gate, build.judge()).result == "pass"
    refused = _gate(build, gate, build.judge(why_not=_STALE))
    assert (refused.result, refused.value) == ("invalid", None)
    assert refused.message == f"judge faq may not gate: {_STALE}"


@pytest.mark.parametrize("gate", _OTHERS, ids=_label)
def test_other_gates_are_judged_all_the_same(build: Build, gate: dict[str, Any]) -> None:
    fit, stale = (_gate(build, gate, build.judge(why_not=why_not)) for why_not in (None, _STALE))
    assert fit == stale


@pytest.mark.parametrize("gate", _RESTING[:5], ids=_label)
def test_a_judge_that_only_reports_is_in_nobodys_way(build: Build, gate: dict[str, Any]) -> None:
    assert _gate(build, gate, build.judge(why_not=_STALE, report_only=True)).result == "pass"


@pytest.mark.parametrize("gate", _RESTING[5:], ids=_label)
def test_no_gate_can_rest_on_the_scores_of_a_judge_that_only_reports(build: Build, gate: dict[str, Any]) -> None:
    refused = _gate(build, gate, build.judge(report_only=True))
    assert refused.result == "invalid"
    assert refused.message.startswith("judge faq is report_only, so no gate can use it")


def test_an_unfit_judge_takes_no_alpha_from_other_tests(build: Build) -> None:
    gates = Suite.model_validate(
        {"golden": "g", "gates": [{"kind": "no-regression"}, {"kind": "no-regression", "scorer": "exact"}]}
    ).gates
    baseline = replace(build.baseline("P" * 40), scorers=("exact",))
    rules = SuiteRules(gates=gates, baseline=baseline, judges={"faq": build.judge(why_not=_STALE)})
    refused, judged = decide_suite(build.judged("r" * 4 + "P" * 36), rules).gates
    assert (refused.result, judged.result) == ("invalid", "fail")
    assert "adjusted for the other tests" not in judged.message


@pytest.mark.parametrize(
    ("passes", "fails", "message"),
    [
        ((45, 50), (40, 50), None),
        ((30, 60), (30, 60), "TPR + TNR - 1 is 0.00, with a lower bound of -0.1"),
        ((10, 60), (10, 60), "TPR + TNR - 1 is -0.67"),
        ((22, 30), (15, 30), "not shown to be better than chance: TPR + TNR - 1 is 0.23, with a lower bound of -0.0"),
        ((0, 0), (40, 50), "is not calibrated: pytest-evalgate calibrate faq --labels FILE"),
        ((45, 50), (0, 0), "is not calibrated"),
    ],
)
def test_a_judge_has_to_be_better_than_chance(
    build: Build, passes: tuple[int, int], fails: tuple[int, int], message: str | None
) -> None:
    why = judge_problem(build.judge(passes, fails))
    assert why == message if message is None else message in str(why)


def test_a_judge_without_a_calibration_is_unfit_even_if_nobody_said_so(build: Build) -> None:
    assert "is not calibrated" in str(judge_problem(replace(build.judge(), calibration=None)))


def test_only_a_counting_judge_is_refused_before_the_run(build: Build) -> None:
    assert build.judge().problem is None
    assert build.judge(why_not="it is old", report_only=True).problem is None
    assert build.judge(why_not="it is old").problem == "judge faq may not gate: it is old"


@pytest.mark.parametrize(("letters", "counts"), [("P" * 20, False), ("P" * 10, True)])
def test_answers_that_passed_without_the_judge_are_not_judged_by_it(build: Build, letters: str, counts: bool) -> None:  # noqa: FBT001 - a column of a table
    suite = build.judged(letters, counts=counts) if not counts else build.suite(letters)
    gate, *_ = Suite.model_validate({"golden": "g", "gates": [_RESTING[0]]}).gates or ()
    message = gate_problem(gate, SuiteRules(gates=(gate,), judges={"faq": build.judge()}), suite.results)
    assert message == f"{len(letters)} outputs passed without a verdict of judge faq: run the suite again"


def test_the_first_judge_that_is_unfit_is_named(build: Build) -> None:
    gate, *_ = Suite.model_validate({"golden": "g", "gates": [_RESTING[0]]}).gates or ()
    tone = replace(build.judge(why_not="it is old"), name="tone")
    rules = SuiteRules(gates=(gate,), judges={"faq": build.judge(), "tone": tone})
    assert gate_problem(gate, rules, build.judged("m").results) == "judge tone may not gate: it is old"
