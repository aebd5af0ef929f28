from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import MustPassGate, NoRegressionGate, PassRateGate, SliceGate
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.gates.decide import decide_all
from pytest_evalgate.records.results import SuiteRun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.gates.conftest import Build

    from pytest_evalgate.records.verdicts import GateResult, SuiteVerdict, Verdict, VerdictName

_GATES = (
    PassRateGate(kind="pass-rate", min=0.6),
    NoRegressionGate(kind="no-regression", margin=0.1),
    NoRegressionGate(kind="no-regression", fail_on="not_proven", margin=0.1),
    NoRegressionGate(kind="no-regression", fail_on="tolerance", margin=0.1),
    MustPassGate(kind="must-pass"),
)
_ORDER = ["invalid", "fail", "incomplete", "inconclusive", "pass"]


def _decide(build: Build, letters: str, before: str) -> SuiteVerdict:
    rules = SuiteRules(gates=_GATES, baseline=build.baseline(before), max_error_rate=1.0)
    return decide_suite(build.suite(letters), rules)


def _ranks(verdict: SuiteVerdict) -> list[int]:
    return [_ORDER.index(gate.result) for gate in verdict.gates]


pairs = st.lists(st.tuples(st.sampled_from("Pm"), st.sampled_from("Pm")), min_size=1, max_size=40)
pairs_with_missing = st.lists(st.tuples(st.sampled_from("Pm?"), st.sampled_from("Pm")), min_size=1, max_size=40)


@given(st.text(alphabet="Pm?S-", min_size=1, max_size=40))
def test_the_accounting_identity(build: Build, letters: str) -> None:
    counts = decide_suite(build.suite(letters), SuiteRules()).accounting
    parts = counts.passed + counts.missed + counts.errored + counts.skipped + counts.not_run + counts.unscored
    assert counts.planned == parts == len(letters)


@given(pairs)
@settings(deadline=None)
def test_a_further_loss_never_turns_a_gate_to_the_better(build: Build, table: list[tuple[str, str]]) -> None:
    now, before = ("".join(column) for column in zip(*table, strict=True))
    if "P" not in now:
        return
    worse = now.replace("P", "m", 1)
    assert all(
        after <= earlier
        for after, earlier in zip(
            _ranks(_decide(build, worse, before)), _ranks(_decide(build, now, before)), strict=True
        )
    )


def _agreed(worst: VerdictName, best: VerdictName) -> VerdictName:
    if worst == best:
        return worst
    return "inconclusive" if {worst, best} == {"pass", "inconclusive"} else "incomplete"


@given(pairs_with_missing)
@settings(deadline=None)
def test_missing_results_are_never_decided_better_than_both_completions(
    build: Build, table: list[tuple[str, str]]
) -> None:
    now, before = ("".join(column) for column in zip(*table, strict=True))
    decided = _decide(build, now, before).gates
    low = _decide(build, now.replace("?", "m"), before).gates
    high = _decide(build, now.replace("?", "P"), before).gates
    for gate, worst, best in zip(decided, low, high, strict=True):
        assert gate.result == _agreed(worst.result, best.result)


@given(pairs_with_missing, st.integers(0, 1000))
@settings(deadline=None)
def test_the_order_of_the_cases_does_not_matter(build: Build, table: list[tuple[str, str]], seed: int) -> None:
    now, before = ("".join(column) for column in zip(*table, strict=True))
    suite = build.suite(now)
    shuffled = list(suite.results)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - an order, not a secret
    rules = SuiteRules(gates=_GATES, baseline=build.baseline(before), max_error_rate=1.0)
    first, second = decide_suite(suite, rules), decide_suite(SuiteRun(suite.plan, tuple(shuffled)), rules)
    assert [(gate.result, gate.value, gate.bound) for gate in first.gates if gate.kind != "must-pass"] == [
        (gate.result, gate.value, gate.bound) for gate in second.gates if gate.kind != "must-pass"
    ]
    assert (first.verdict, first.delta, first.interval) == (second.verdict, second.delta, second.interval)


_SUITE_GATES = (
    NoRegressionGate(kind="no-regression"),
    NoRegressionGate(kind="no-regression", fail_on="tolerance", margin=0.05, alpha=0.1),
    SliceGate(kind="slice", by="lang"),
    SliceGate(kind="slice", by="lang", min=0.5, min_n=2),
    PassRateGate(kind="pass-rate", min=0.6, bound="point"),
)

Row = tuple[str, str, str]
"""Result, baseline and slice of one case."""

rows = st.lists(
    st.tuples(st.sampled_from("Pm"), st.sampled_from("PPPm"), st.sampled_from("ab")), min_size=2, max_size=30
)
rows_with_missing = st.lists(
    st.tuples(st.sampled_from("Pm?"), st.sampled_from("PPm"), st.sampled_from("ab")), min_size=2, max_size=30
)


def _suite(build: Build, name: str, cases: Sequence[Row]) -> tuple[SuiteRun, SuiteRules]:
    now, before, slices = ("".join(column) for column in zip(*cases, strict=True))
    fields = {index: {"slices": (("lang", value),)} for index, value in enumerate(slices)}
    rules = SuiteRules(gates=_SUITE_GATES, baseline=build.baseline(before), max_error_rate=1.0)
    return build.suite(now, fields=fields, name=name), rules


def _build_of(build: Build, suites: Sequence[Sequence[Row]]) -> Verdict:
    made = [_suite(build, str(index), cases) for index, cases in enumerate(suites)]
    rules = {suite.plan.name: rules for suite, rules in made}
    return decide(build.run(*(suite for suite, _ in made)), rules, warn_inconclusive=False)


def _gates(verdict: Verdict) -> list[GateResult]:
    return [gate for suite in verdict.suites.values() for gate in suite.gates]


@given(st.lists(rows, min_size=1, max_size=3), st.integers(0, 100))
@settings(deadline=None, max_examples=30)
def test_a_build_that_failed_fails_with_one_more_loss(build: Build, suites: list[list[Row]], place: int) -> None:
    cases = suites[place % len(suites)]
    passing = [index for index, (now, _, _) in enumerate(cases) if now == "P"]
    if not passing:
        return
    lost = list(cases)
    lost[passing[0]] = ("m", *lost[passing[0]][1:])
    worse = [lost if other is cases else other for other in suites]
    for before, after in zip(_gates(_build_of(build, suites)), _gates(_build_of(build, worse)), strict=True):
        assert _ORDER.index(after.result) <= _ORDER.index(before.result)


@given(st.lists(rows_with_missing, min_size=1, max_size=3))
@settings(deadline=None, max_examples=30)
def test_the_worst_completion_is_never_better_than_the_best(build: Build, suites: list[list[Row]]) -> None:
    made = [_suite(build, str(index), cases) for index, cases in enumerate(suites)]
    runs, rules = [suite for suite, _ in made], {suite.plan.name: rules for suite, rules in made}
    worst, best = (decide_all(runs, rules, completion) for completion in ("worst", "best"))
    for name in rules:
        for low, high in zip(worst[name].gates, best[name].gates, strict=True):
            assert _ORDER.index(low.result) <= _ORDER.index(high.result)
            assert low.value is None or high.value is None or low.value <= high.value or low.kind == "slice"


@given(st.lists(rows, min_size=1, max_size=3), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30)
def test_the_order_of_the_suites_does_not_matter(build: Build, suites: list[list[Row]], dice: random.Random) -> None:
    made = [_suite(build, str(index), cases) for index, cases in enumerate(suites)]
    rules = {suite.plan.name: rules for suite, rules in made}
    shuffled = [suite for suite, _ in made]
    dice.shuffle(shuffled)
    first, second = (
        decide(build.run(*order), rules, warn_inconclusive=False) for order in ([suite for suite, _ in made], shuffled)
    )
    assert first.suites == second.suites
    assert first.verdict == second.verdict


@given(pairs)
@settings(deadline=None)
def test_swapping_run_and_baseline_mirrors_the_change(build: Build, table: list[tuple[str, str]]) -> None:
    now, before = ("".join(column) for column in zip(*table, strict=True))
    delta, swapped = _decide(build, now, before).delta, _decide(build, before, now).delta
    assert delta is not None
    assert swapped is not None
    assert (delta.delta, delta.losses, delta.gains) == (-swapped.delta, swapped.gains, swapped.losses)
    assert (delta.lower, delta.upper) == (-swapped.upper, -swapped.lower)


trials = st.lists(
    st.tuples(st.text("Pm", min_size=3, max_size=3), st.text("Pm", min_size=2, max_size=2)), min_size=2, max_size=16
)


@given(trials)
@settings(deadline=None)
def test_one_more_lost_trial_never_saves_a_suite_of_few_cases(build: Build, table: list[tuple[str, str]]) -> None:
    now, before = (" ".join(column) for column in zip(*table, strict=True))
    if "P" not in now:
        return
    gate = NoRegressionGate(kind="no-regression")
    rules = SuiteRules(gates=(gate,), baseline=build.baseline(before))
    earlier, after = (decide_suite(build.suite(text), rules) for text in (now, now.replace("P", "m", 1)))
    assert _ranks(after) <= _ranks(earlier)
    assert earlier.delta is not None
    assert after.delta is not None
    assert after.delta.p <= max(earlier.delta.p, 0.5) + 1e-12  # no change at all has a p of 1


@given(trials, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_trials_does_not_matter(
    build: Build, table: list[tuple[str, str]], dice: random.Random
) -> None:
    now, before = zip(*table, strict=True)
    rules = SuiteRules(gates=_GATES, baseline=build.baseline(" ".join(before)))
    shuffled = ["".join(dice.sample(case, len(case))) for case in now]
    first, second = (decide_suite(build.suite(" ".join(order)), rules) for order in (now, shuffled))
    assert (first.gates, first.delta, first.interval) == (second.gates, second.delta, second.interval)
    repeats = [None if one.repeats is None else replace(one.repeats, run_sd=None) for one in (first, second)]
    assert repeats[0] == repeats[1]  # run_sd alone takes the n-th trials of all cases for one run
