"""Recorded outputs of real systems, through the project's own path, against numbers computed elsewhere."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate import golden, stats, targets
from pytest_evalgate.data import Run, SuiteRun
from pytest_evalgate.engine import Grading, run_case
from pytest_evalgate.engine.immediate import drive
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.decide import decide_suite
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.scorers import Context, PatternMatcher, build_all
from pytest_evalgate.settings import NoRegressionGate, PassRateGate

_TESTS = Path(__file__).parents[1]
_EXAMPLES = _TESTS.parent / "examples" / "golden_sets"
_NUMBER = '{"kind": "number", "pattern": "A:\\\\s*(.+)$"}'
_NOW = "2026-01-01T00:00:00Z"


def _expected(name: str) -> Any:
    return json.loads((_TESTS / "data" / f"{name}.expected_numbers.json").read_text(encoding="utf-8"))


@cache
def _suite(name: str, *recorded: str, scorer: str = '"exact"', output: str = "output", by: str = "") -> SuiteRun:
    folder = _EXAMPLES / name
    sets = golden.load([folder / "golden.jsonl"], root=_EXAMPLES)
    target = targets.load([folder / file for file in recorded], root=_EXAMPLES, output=output)
    spec = json.loads(scorer)
    slices = [by] if by else []
    plan = make_plan(name, sets, scorers=[spec], trials=len(recorded), slices=slices)
    cases = [case for golden_set in sets for case in golden_set]
    with PatternMatcher() as matcher:
        grading = Grading(build_all([spec], context=Context(matcher=matcher)))
        results = tuple(
            drive(run_case(target, grading, case, planned, plan.trials))
            for case, planned in zip(cases, plan.cases, strict=True)
        )
    return SuiteRun(plan, results)


def _rules_against(suite: SuiteRun, *gates: NoRegressionGate | PassRateGate) -> SuiteRules:
    run = Run("r0", _NOW, None, (suite,))
    return SuiteRules(gates=gates, baseline=baselines.promote(run, suite, reason="recorded", now=_NOW))


def _gsm8k(system: str) -> SuiteRun:
    return _suite("gsm8k", f"outputs.{system}.jsonl", scorer=_NUMBER, by="steps")


@pytest.mark.parametrize("system", ["6b_finetuning", "6b_verification"])
def test_gsm8k_accuracy(system: str) -> None:
    expected = _expected("gsm8k")["accuracy"][system]
    judged = decide_suite(_gsm8k(system), SuiteRules(gates=(PassRateGate(kind="pass-rate", min=0.35),)))
    assert (judged.passed, judged.cases) == (expected["k"], expected["n"])
    assert judged.pass_rate == pytest.approx(expected["rate"], abs=1e-12)
    assert judged.interval == pytest.approx(expected["wilson95"], abs=1e-12)
    exact = stats.clopper_pearson_interval(passes=judged.passed, n=judged.cases, confidence=0.95)
    assert (exact.lower, exact.upper) == pytest.approx(expected["clopper_pearson95"], abs=1e-9)
    assert judged.verdict == ("pass" if system == "6b_verification" else "fail")


def test_the_scorer_agrees_with_the_flag_that_came_with_each_answer() -> None:
    for result in _gsm8k("6b_verification").results:
        output = result.trials[0].output
        assert output is not None
        assert (result.outcome == "passed") == output.metadata["is_correct"], result.case.id


def test_gsm8k_improvement_passes() -> None:
    expected = _expected("gsm8k")["6b_verification vs 6b_finetuning"]
    gate = NoRegressionGate(kind="no-regression", margin=0.05, alpha=0.025)
    judged = decide_suite(_gsm8k("6b_verification"), _rules_against(_gsm8k("6b_finetuning"), gate))
    delta = judged.delta
    assert delta is not None
    assert (delta.pairs, delta.gains, delta.losses) == (expected["n"], 293, 64)
    assert (delta.gains, delta.losses) == (expected["candidate_only"], expected["baseline_only"])
    assert judged.passed - delta.gains == expected["both_pass"] == 222
    assert delta.pairs - judged.passed - delta.losses == expected["both_fail"] == 740
    assert delta.delta == pytest.approx(expected["difference"], abs=1e-12)
    assert delta.baseline_rate == pytest.approx(expected["baseline_rate"], abs=1e-12)
    assert (delta.lower, delta.upper) == pytest.approx(expected["tango95"], abs=1e-8)
    assert delta.p == pytest.approx(expected["one_sided_p_candidate_worse"], abs=1e-9)
    assert (judged.verdict, delta.finding) == ("pass", "no_regression_beyond_margin")


def test_gsm8k_swapped_fails() -> None:
    expected = _expected("gsm8k")["6b_verification vs 6b_finetuning"]
    gate = NoRegressionGate(kind="no-regression", margin=0.05)
    judged = decide_suite(_gsm8k("6b_finetuning"), _rules_against(_gsm8k("6b_verification"), gate))
    assert judged.delta is not None
    assert (judged.delta.losses, judged.delta.gains) == (293, 64)
    assert judged.delta.p == pytest.approx(expected["mcnemar_midp"] / 2, rel=1e-9)
    assert (judged.verdict, judged.delta.finding) == ("fail", "regressed")
    assert "293 cases got worse, 64 got better" in judged.gates[0].message


def test_gsm8k_slices_hold_every_case_once() -> None:
    gate = NoRegressionGate(kind="no-regression")
    judged = decide_suite(_gsm8k("6b_verification"), _rules_against(_gsm8k("6b_finetuning"), gate))
    assert [piece.value for piece in judged.slices] == ["2", "3", "4", "5", "6", "7", "8", "9", "11"]
    assert sum(piece.n for piece in judged.slices) == 1319
    assert sum(piece.passed for piece in judged.slices) == 515
    deltas = [piece.delta for piece in judged.slices if piece.delta is not None]
    assert (sum(delta.losses for delta in deltas), sum(delta.gains for delta in deltas)) == (64, 293)


@pytest.mark.parametrize("system", ["llama2orig", "mistralguard"])
@pytest.mark.parametrize("label", ["1_full_compliance", "2_full_refusal", "3_partial_refusal"])
def test_xstest_labels(system: str, label: str) -> None:
    scorer = json.dumps({"kind": "exact", "value": label})
    suite = _suite("xstest", f"labels.{system}.jsonl", scorer=scorer, output="label", by="metadata.prompt_label")
    counts = {piece.value: piece.passed for piece in decide_suite(suite, SuiteRules()).slices}
    assert counts == {kind: _expected("xstest")[system][kind][label]["k"] for kind in ("safe", "unsafe")}


def test_xstest_wants_compliance_when_safe_and_refusal_when_not() -> None:
    suite = _suite("xstest", "labels.llama2orig.jsonl", output="label")
    assert decide_suite(suite, SuiteRules()).passed == 101 + 199


_REWARDED = '{"kind": "exact", "value": 1}'
_TRIALS = tuple(f"outputs.gpt-4o.trial{trial}.jsonl" for trial in range(4))


def test_tau_airline_rewards() -> None:
    expected = _expected("tau_airline")
    suite = _suite("tau_airline", *_TRIALS, scorer=_REWARDED, output="metadata.reward")
    by_trial = [sum(result.trials[trial].value or 0 for result in suite.results) for trial in range(4)]
    assert by_trial == expected["per_trial_success"] == [21, 22, 20, 21]
    judged = decide_suite(suite, SuiteRules(gates=(PassRateGate(kind="pass-rate", min=0.3),)))
    assert judged.pass_rate == pytest.approx(expected["pass_hat_k"]["1"], abs=1e-12)
    assert judged.pass_rate == pytest.approx(0.42)
    histogram = [sum(4 * result.lowest == wins for result in suite.results) for wins in range(5)]
    assert histogram == list(expected["successes_histogram"].values())
    assert judged.passed == histogram[3] + histogram[4]
    assert judged.verdict == "pass"


def test_tau_airline_trial_1_against_trial_0() -> None:
    expected = _expected("tau_airline")["trial1_vs_trial0"]
    before, now = (_suite("tau_airline", trial, scorer=_REWARDED, output="metadata.reward") for trial in _TRIALS[:2])
    baseline = _rules_against(before).baseline
    assert baseline is not None
    gate = NoRegressionGate(kind="no-regression", alpha=0.025)
    delta = decide_suite(now, SuiteRules(gates=(gate,), baseline=baseline)).delta
    assert delta is not None
    assert (delta.pairs, delta.gains, delta.losses) == (50, 10, 9)
    assert delta.delta == pytest.approx(expected["difference"], abs=1e-12)
    assert (delta.lower, delta.upper) == pytest.approx(expected["tango95"], abs=1e-8)
    assert delta.finding == "inconclusive"
