"""Recorded outputs of real systems, through the project's own path, against numbers computed elsewhere."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import beta, binom, binomtest, t
from tests.gates.conftest import decide_suite

from pytest_evalgate import golden, targets
from pytest_evalgate.config import NoRegressionGate, PassRateGate, SliceGate
from pytest_evalgate.engine import Grading, run_case
from pytest_evalgate.engine.trial import run_sync
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.records.results import Run, SuiteRun
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.scorers import Context, build_all
from pytest_evalgate.stats.intervals import clopper_pearson_interval

_TESTS = Path(__file__).parents[1]
_EXAMPLES = _TESTS.parent / "examples" / "golden_sets"
_NUMBER = '{"kind": "number", "pattern": "A:\\\\s*(.+)$"}'
_NOW = "2026-01-01T00:00:00Z"


def _expected(name: str) -> Any:
    return json.loads((_TESTS / "data" / f"{name}.expected_numbers.json").read_text(encoding="utf-8"))


@cache
def _suite(
    name: str,
    *recorded: str,
    scorer: str = '"exact"',
    output: str = "output",
    by: str = "",
    cluster: str | None = None,
) -> SuiteRun:
    folder = _EXAMPLES / name
    sets = golden.load([folder / "golden.jsonl"], root=_EXAMPLES)
    target = targets.load([folder / file for file in recorded], root=_EXAMPLES, output=output)
    spec = json.loads(scorer)
    slices = [by] if by else []
    plan = make_plan(name, sets, scorers=[spec], trials=len(recorded), slices=slices, cluster=cluster)
    cases = [case for golden_set in sets for case in golden_set]
    grading = Grading(build_all([spec], context=Context()))
    results = tuple(
        run_sync(run_case(target, grading, case, planned, plan.trials))
        for case, planned in zip(cases, plan.cases, strict=True)
    )
    return SuiteRun(plan, results)


def _rows(name: str, file: str) -> dict[str, Any]:
    """Return the rows of a file by their ids: what the tests below recompute from."""
    lines = (_EXAMPLES / name / file).read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def _rules_against(suite: SuiteRun, *gates: NoRegressionGate | PassRateGate | SliceGate) -> SuiteRules:
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
    exact = clopper_pearson_interval(passes=judged.passed, n=judged.cases, confidence=0.95)
    assert (exact.lower, exact.upper) == pytest.approx(expected["clopper_pearson95"], abs=1e-9)
    assert judged.verdict == ("pass" if system == "6b_verification" else "fail")


def test_the_scorer_agrees_with_the_flag_of_each_output() -> None:
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


def _correct_by_steps(system: str) -> dict[str, list[bool]]:
    """Count by the flags that came with the answers, and the tags of the questions."""
    answers, found = _rows("gsm8k", f"outputs.{system}.jsonl"), dict[str, list[bool]]()
    for case_id, question in _rows("gsm8k", "golden.jsonl").items():
        [steps] = (tag.removeprefix("steps:") for tag in question["tags"] if tag.startswith("steps:"))
        found.setdefault(steps, []).append(answers[case_id]["metadata"]["is_correct"])
    return found


@pytest.mark.parametrize("system", ["6b_finetuning", "6b_verification"])
def test_gsm8k_slices_are_those_of_the_flags(system: str) -> None:
    wanted = _correct_by_steps(system)
    judged = decide_suite(_gsm8k(system), SuiteRules())
    assert {piece.value: (piece.n, piece.passed) for piece in judged.slices} == {
        steps: (len(flags), sum(flags)) for steps, flags in wanted.items()
    }
    assert sum(piece.passed for piece in judged.slices) == _expected("gsm8k")["accuracy"][system]["k"]
    for piece in judged.slices:
        wilson = binomtest(piece.passed, piece.n).proportion_ci(0.95, "wilson")
        assert piece.interval == pytest.approx((wilson.low, wilson.high), abs=1e-12)


def test_gsm8k_swapped_fails_slice_by_slice_by_holm() -> None:
    gates = (NoRegressionGate(kind="no-regression"), SliceGate(kind="slice", by="steps"))
    judged = decide_suite(_gsm8k("6b_finetuning"), _rules_against(_gsm8k("6b_verification"), *gates))
    before, now = _correct_by_steps("6b_verification"), _correct_by_steps("6b_finetuning")
    wanted: dict[str, float] = {}
    for steps, flags in before.items():
        pairs = list(zip(flags, now[steps], strict=True))
        losses, differ = pairs.count((True, False)), sum(one != other for one, other in pairs)
        wanted[steps] = binom.sf(losses, differ, 0.5) + binom.pmf(losses, differ, 0.5) / 2 if differ else 1.0
    order, highest, adjusted = sorted(wanted, key=lambda steps: wanted[steps]), 0.0, dict[str, float]()
    for place, steps in enumerate(order):  # the overall test rejects, so the slices have all of alpha
        highest = max(highest, min(1.0, (len(order) - place) * wanted[steps]))
        adjusted[steps] = highest
    found = {piece.value: piece.delta.p_adjusted for piece in judged.slices if piece.delta}
    assert found == pytest.approx(adjusted, rel=1e-9)
    dropped = sum(p <= 0.05 for p in adjusted.values())
    assert judged.gates[1].message.startswith(f"{dropped} of 9 slices by steps dropped: ")
    assert judged.delta is not None
    assert judged.delta.p_adjusted == pytest.approx(2 * judged.delta.p)


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


def _tau(*trials: str, cluster: str | None = None) -> SuiteRun:
    return _suite("tau_airline", *trials, scorer=_REWARDED, output="metadata.reward", cluster=cluster)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_tau_airline_all_of_k_and_one_of_k(k: int) -> None:
    expected = _expected("tau_airline")
    every, any_of = (decide_suite(_tau(*_TRIALS), SuiteRules(aggregate=f"pass{sign}{k}")) for sign in "^@")
    assert every.pass_rate == pytest.approx(expected["pass_hat_k"][str(k)], abs=1e-12)
    assert any_of.pass_rate == pytest.approx(expected["pass_at_k"][str(k)], abs=1e-12)
    assert round(every.pass_rate or 0, 3) == [0.42, 0.273, 0.22, 0.2][k - 1]  # as published


def _successes(trials: tuple[str, ...]) -> dict[str, int]:
    rows = [_rows("tau_airline", trial) for trial in trials]
    return {case_id: sum(int(row[case_id]["metadata"]["reward"]) for row in rows) for case_id in rows[0]}


def _sums_by_user(values: dict[str, float]) -> list[float]:
    """Sum the deviations from the mean over the tasks of each user."""
    mean, sums = sum(values.values()) / len(values), dict[str, float]()
    for case_id, row in _rows("tau_airline", "golden.jsonl").items():
        user = row["metadata"]["user_id"]
        sums[user] = sums.get(user, 0.0) + values[case_id] - mean
    return list(sums.values())


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_tau_airline_tasks_of_one_user_are_one_cluster(k: int) -> None:
    suite = _tau(*_TRIALS, cluster="metadata.user_id")
    values = {case_id: math.comb(wins, k) / math.comb(4, k) for case_id, wins in _successes(_TRIALS).items()}
    sums = _sums_by_user(values)
    users, mean = len(sums), sum(values.values()) / 50
    variance = users / (users - 1) * sum(each**2 for each in sums) / 50**2
    n_eff = min(50.0, max(users, mean * (1 - mean) / variance))
    judged = decide_suite(suite, SuiteRules(gates=(PassRateGate(kind="pass-rate", min=0.1),), aggregate=f"pass^{k}"))
    assert users == 34
    assert judged.pass_rate == pytest.approx(_expected("tau_airline")["pass_hat_k"][str(k)], abs=1e-12)
    assert judged.gates[0].bound == pytest.approx(beta.ppf(0.05, mean * n_eff, n_eff - mean * n_eff + 1), abs=1e-9)
    assert judged.repeats is not None
    assert judged.repeats.n_eff == pytest.approx(n_eff, rel=1e-9)
    assert judged.notes == ()


@pytest.mark.parametrize("cluster", [None, "metadata.user_id"])
def test_tau_airline_two_trials_against_two(cluster: str | None) -> None:
    before, now = _tau(*_TRIALS[:2], cluster=cluster), _tau(*_TRIALS[2:], cluster=cluster)
    gate = NoRegressionGate(kind="no-regression", margin=0.2)
    rules = replace(_rules_against(before, gate), aggregate="pass^2")
    delta = decide_suite(now, rules).delta
    first, second = _successes(_TRIALS[:2]), _successes(_TRIALS[2:])
    changes = {case_id: float(second[case_id] == 2) - float(wins == 2) for case_id, wins in first.items()}
    mean = sum(changes.values()) / 50
    sums = _sums_by_user(changes) if cluster else [change - mean for change in changes.values()]
    se = math.sqrt(len(sums) / (len(sums) - 1) * sum(each**2 for each in sums)) / 50
    assert delta is not None
    assert delta.delta == pytest.approx(mean, abs=1e-12)
    assert delta.upper == pytest.approx(mean + t.ppf(0.95, len(sums) - 1) * se, abs=1e-9)
    assert delta.lower == pytest.approx(mean - t.ppf(0.95, len(sums) - 1) * se, abs=1e-9)
    assert delta.test == ("cluster-sign-flip-midp" if cluster else "sign-flip-midp")
    assert (delta.losses, delta.gains) == (
        sum(change < 0 for change in changes.values()),
        sum(change > 0 for change in changes.values()),
    )


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
