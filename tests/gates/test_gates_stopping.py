"""Early stopping: a suite stops only when its verdict and that of the build are those of the full run."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import (
    BudgetGate,
    ClassificationMetric,
    MeanScoreGate,
    MetricGate,
    MustPassGate,
    NoRegressionGate,
    PassRateGate,
    SliceGate,
)
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.gates.stopping import stoppable_suites, supports_stopping
from pytest_evalgate.records.results import CaseResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.gates.conftest import Build

    from pytest_evalgate.config import Gate
    from pytest_evalgate.records.results import SuiteRun
    from pytest_evalgate.records.verdicts import Verdict

_DROP = NoRegressionGate(kind="no-regression")
_GATES: tuple[Gate, ...] = (
    _DROP,
    NoRegressionGate(kind="no-regression", margin=0.2),
    NoRegressionGate(kind="no-regression", margin=0.2, fail_on="not_proven"),
    NoRegressionGate(kind="no-regression", margin=0.1, fail_on="tolerance"),
    PassRateGate(kind="pass-rate", min=0.5),
    PassRateGate(kind="pass-rate", min=0.3, bound="point"),
    SliceGate(kind="slice", by="lang"),
    SliceGate(kind="slice", by="lang", min=0.3, min_n=2),
    MustPassGate(kind="must-pass", tags=("safety",)),
)


def _names(build: Build, now: str, before: str, **rules: Any) -> frozenset[str]:
    return stoppable_suites([build.suite(now)], {"faq": SuiteRules(baseline=build.baseline(before), **rules)})


def _fields(index: int) -> Mapping[str, object]:
    tags = ("safety",) if index % 5 == 0 else ()
    return {"slices": (("lang", "de" if index % 2 else "en"),), "tags": tags}


def _with_fields(build: Build, letters: str, name: str) -> SuiteRun:
    return build.suite(letters, fields={index: _fields(index) for index in range(len(letters))}, name=name)


def test_a_suite_that_broke_may_stop_as_soon_as_its_drop_is_proven(build: Build) -> None:
    assert _names(build, "mmm" + "-" * 37, "P" * 40) == frozenset()
    assert _names(build, "mmmm" + "-" * 36, "P" * 40) == {"faq"}


def test_cases_that_the_baseline_failed_may_yet_be_gained(build: Build) -> None:
    assert _names(build, "mmmm" + "-" * 36, "P" * 20 + "m" * 20) == frozenset()
    assert _names(build, "mmmm" + "-" * 16 + "m" * 20, "P" * 20 + "m" * 20) == {"faq"}


def test_a_suite_may_stop_when_no_drop_can_be_proven(build: Build) -> None:
    assert _names(build, "P" * 20 + "-" * 20, "m" * 20 + "P" * 20) == {"faq"}
    assert _names(build, "P" * 5 + "-" * 35, "m" * 20 + "P" * 20) == frozenset()


def test_every_gate_has_to_be_certain(build: Build) -> None:
    gates = (_DROP, PassRateGate(kind="pass-rate", min=0.5, bound="point"))
    now, before = "m" * 10 + "-" * 30, "P" * 40
    assert _names(build, now, before, gates=gates[:1]) == {"faq"}
    assert _names(build, now, before, gates=gates) == frozenset()


def test_a_nearly_complete_suite_does_not_stop(build: Build) -> None:
    assert _names(build, "m" * 36 + "-" * 4, "P" * 40) == {"faq"}
    assert _names(build, "m" * 37 + "-" * 3, "P" * 40) == frozenset()
    assert _names(build, "m" * 36 + "-" * 4 + "S" * 40, "P" * 40) == {"faq"}


@pytest.mark.parametrize("done", ["", "m" * 10])
def test_nothing_is_certain_without_a_case(build: Build, done: str) -> None:
    before = "P" * 40
    assert (_names(build, done + "-" * (40 - len(done)), before) == frozenset()) is not bool(done)


def test_an_error_counts_as_a_case_that_has_not_run(build: Build) -> None:
    now, before = "mmmm?" + "-" * 35, "PPPPm" + "P" * 35
    assert _names(build, now, before, max_error_rate=0.1) == frozenset()
    assert _names(build, "mm" + now, "PP" + before, max_error_rate=0.1) == {"faq"}


def test_a_suite_with_too_many_errors_goes_on_for_the_sake_of_the_next_run(build: Build) -> None:
    assert _names(build, "mmmmmm?" + "-" * 33, "P" * 40, max_error_rate=0.0) == frozenset()


def test_a_suite_that_needs_a_new_baseline_does_not_stop(build: Build) -> None:
    assert _names(build, "m" * 20 + "-" * 20, "P" * 20) == {"faq"}
    assert _names(build, "m" * 20 + "-" * 20, "P" * 60) == frozenset()


def test_a_stopped_suite_is_not_named_again(build: Build) -> None:
    suite, rules = build.suite("m" * 10 + "-" * 30), {"faq": SuiteRules(baseline=build.baseline("P" * 40))}
    assert stoppable_suites([suite], rules) == {"faq"}
    assert stoppable_suites([replace(suite, stopped="certainty")], rules) == frozenset()


@pytest.mark.parametrize(
    "rules",
    [
        {"stop": "never"},
        {"baseline": None},
        {"gates": (_DROP, BudgetGate(kind="budget", max_cost_usd=1.0))},
        {"gates": (_DROP, MeanScoreGate(kind="mean-score", scorer="exact", min=0.5))},
        {"gates": (_DROP, NoRegressionGate(kind="no-regression", scorer="exact"))},
        {"aggregate": "pass@2"},
    ],
    ids="-".join,
)
def test_suites_with_gates_that_are_not_monotone_do_not_stop(build: Build, rules: dict[str, Any]) -> None:
    plan, able = build.suite("-" * 10).plan, SuiteRules(baseline=build.baseline("P" * 10))
    assert supports_stopping(plan, able)
    assert not supports_stopping(plan, replace(able, **rules))


def test_several_trials_now_or_then_cannot_stop(build: Build) -> None:
    assert not supports_stopping(build.suite("PP PP").plan, SuiteRules(baseline=build.baseline("PP")))
    assert not supports_stopping(build.suite("PP").plan, SuiteRules(baseline=build.baseline("PP PP")))
    assert not supports_stopping(build.suite("PP").plan, SuiteRules(baseline=build.baseline([[0.5], [1.0]])))


def test_clusters_cannot_stop(build: Build) -> None:
    plan = build.suite("PP", fields={0: {"cluster": "a"}, 1: {"cluster": "b"}}).plan
    assert not supports_stopping(plan, SuiteRules(baseline=build.baseline("PP")))


_OUTCOMES = st.lists(st.tuples(st.sampled_from("PPPm"), st.sampled_from("Pmmm")), min_size=15, max_size=30)
_CHOSEN = st.lists(st.sampled_from(_GATES), min_size=1, max_size=2, unique=True)
_SUITES = st.lists(st.tuples(_OUTCOMES, _CHOSEN, st.booleans()), min_size=1, max_size=2)


def _results(verdict: Verdict) -> dict[str, list[str]]:
    return {name: [gate.result for gate in suite.gates] for name, suite in verdict.suites.items()}


def _run_in_any_order(
    whole: Mapping[str, SuiteRun], rules: Mapping[str, SuiteRules], seed: int
) -> Mapping[str, SuiteRun]:
    """Run the cases of all suites in a random order, check at intervals, and stop suites that may stop."""
    order = [(name, index) for name, suite in whole.items() for index, _ in enumerate(suite.results)]
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    so_far = {name: _blank(suite) for name, suite in whole.items()}
    for step, (name, index) in enumerate(order):
        if so_far[name].stopped is None:
            so_far[name] = _with_result(so_far[name], index, whole[name].results[index])
        for stopping in stoppable_suites(tuple(so_far.values()), rules) if step % 8 == 0 else ():
            so_far[stopping] = replace(so_far[stopping], stopped="certainty")
    return so_far


def _blank(suite: SuiteRun) -> SuiteRun:
    return replace(suite, results=tuple(CaseResult(result.case, "not_run") for result in suite.results))


def _with_result(suite: SuiteRun, index: int, result: CaseResult) -> SuiteRun:
    return replace(suite, results=(*suite.results[:index], result, *suite.results[index + 1 :]))


@given(_SUITES, st.text(st.sampled_from("PPPPPPPPPm?"), min_size=5, max_size=15), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_the_verdict_at_the_stop_is_that_of_the_full_run_in_any_order(
    build: Build, drawn: list[tuple[list[tuple[str, str]], list[Gate], bool]], beside: str, seed: int
) -> None:
    """A stopped suite keeps every gate result, also if another suite ends incomplete."""
    rules = {"beside": SuiteRules(baseline=build.baseline("P" * len(beside)), stop="never")}
    whole = {"beside": build.suite(beside, name="beside")}
    for number, (cases, gates, advisory) in enumerate(drawn):
        before, now = ("".join(column) for column in zip(*cases, strict=True))
        name = f"suite{number}"
        rules[name] = SuiteRules(gates=tuple(gates), baseline=build.baseline(before), advisory=advisory)
        whole[name] = _with_fields(build, now, name)
    stopped = _run_in_any_order(whole, rules, seed)
    at_the_stop = decide(build.run(*stopped.values()), rules, warn_inconclusive=True)
    at_the_end = decide(build.run(*whole.values()), rules, warn_inconclusive=True)
    assert (at_the_stop.verdict, at_the_stop.exit_code) == (at_the_end.verdict, at_the_end.exit_code)
    assert _results(at_the_stop) == _results(at_the_end)


def test_a_pass_is_certain_only_if_the_suite_may_have_all_of_the_alpha(build: Build) -> None:
    """Four losses do not fail one of two tests, but they may if the other suite ends incomplete."""
    rules = {
        "one": SuiteRules(baseline=build.baseline("P" * 30 + "m" * 10)),
        "two": SuiteRules(baseline=build.baseline("P" * 40)),
    }
    two = build.suite("P" * 40, name="two")
    assert stoppable_suites([build.suite("m" * 4 + "P" * 26 + "-" * 10, name="one"), two], rules) == frozenset()
    assert stoppable_suites([build.suite("m" * 3 + "P" * 27 + "-" * 10, name="one"), two], rules) == {"one"}


def test_the_numbers_are_those_of_the_more_conservative_completion(build: Build) -> None:
    broken = replace(build.suite("m" * 10 + "-" * 30), stopped="certainty")
    better = replace(build.suite("P" * 20 + "-" * 20), stopped="certainty")
    dropped = decide_suite(broken, SuiteRules(baseline=build.baseline("P" * 40)))
    gained = decide_suite(better, SuiteRules(baseline=build.baseline("m" * 20 + "P" * 20)))
    assert dropped.delta is not None
    assert gained.delta is not None
    assert (dropped.delta.losses, dropped.delta.gains, dropped.delta.delta) == (10, 0, -0.25)
    assert (gained.delta.losses, gained.delta.gains) == (20, 20)
    assert dropped.gates[0].message.startswith("30 cases that did not run counted as passed: 10 cases got worse")
    assert gained.gates[0].message.startswith("20 cases that did not run counted as missed: 20 cases got worse")
    assert (dropped.pass_rate, dropped.interval, dropped.slices) == (None, None, ())


def test_the_test_of_a_metric_that_has_not_run_takes_its_share_of_alpha(build: Build) -> None:
    """Four losses are proven at 0.05 alone, and not beside the test of another suite, whose p is unknown yet."""
    metric = ClassificationMetric(kind="classification")
    gate = MetricGate(kind="metric", name="macro-f1", max_drop=0.02)
    broken, measured = build.suite("mmmm" + "-" * 36), build.suite("-" * 40, name="intents")
    rules = {
        "faq": SuiteRules(baseline=build.baseline("P" * 40)),
        "intents": SuiteRules((gate,), build.baseline("P" * 40), metrics=(metric,)),
    }
    assert stoppable_suites([broken], rules) == {"faq"}
    assert stoppable_suites([broken, measured], rules) == frozenset()
    assert not supports_stopping(measured.plan, rules["intents"])
