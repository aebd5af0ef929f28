"""If no change is called weaker, no run that fails under the base settings passes under those of the branch."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pytest_evalgate.config import NoRegressionGate, Settings, Suite
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.guard.settings_changes import settings_changes
from pytest_evalgate.records.results import Run, Score

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.gates.conftest import Build

    from pytest_evalgate.records.results import CaseResult, SuiteRun
    from pytest_evalgate.records.verdicts import Baseline, Verdict

_Table = dict[str, Any]

_TAGS = {0: ("safety",), 1: ("law",)}
_SHAPES = ("PP PP PP PP PP Pm", "PP PP Pm Pm mP mm", "PP Pm", "PP PP PP Pm mP P?", "PP PP PP PP PP PP PP PP PP Pm mP")
"""Baseline and result of the cases to draw from: a small change, noise, a large drop, missing results, a tiny drop."""


@dataclass(frozen=True)
class _Evidence:
    """The results of one suite, now and in its baseline."""

    run: SuiteRun
    baseline: Baseline | None


def _evidence(build: Build, name: str, seed: int) -> _Evidence:
    """Draw a run from a seed."""
    chance = random.Random(f"{name}{seed}")  # noqa: S311 - answers, not a secret
    table = chance.choices(chance.choice(_SHAPES).split(), k=chance.randint(4, 40))
    trials = chance.choice([1, 1, 2])
    fields = {
        index: {"slices": (("lang", "de" if index % 3 else "en"),), "tags": _TAGS.get(index, ())}
        for index in range(len(table))
    }
    suite = build.suite((" " if trials > 1 else "").join(row[1] * trials for row in table), fields=fields, name=name)
    baseline = build.baseline([[1.0 if row[0] == "P" else 0.0] * trials for row in table])
    held = {key: replace(case, scores={"grade": case.values}) for key, case in baseline.cases.items()}
    known = chance.random() < 0.9
    return _Evidence(
        replace(suite, results=tuple(map(_graded, suite.results))),
        replace(baseline, suite=name, cases=held) if known else None,
    )


def _graded(result: CaseResult) -> CaseResult:
    trials = (
        trial if trial.value is None else replace(trial, scores=(Score("grade", trial.value, bool(trial.value)),))
        for trial in result.trials
    )
    return replace(result, trials=tuple(trials))


def _judge(
    configured: Settings, evidence: Mapping[str, _Evidence], *, ci: bool, base: Settings | None = None
) -> Verdict:
    rules = {
        name: replace(
            _rules(configured, suite, evidence[name], ci=ci), is_new=base is not None and name not in base.suites
        )
        for name, suite in configured.suites.items()
    }
    run = Run("r1", "2026-01-03T00:00:00Z", None, tuple(evidence[name].run for name in configured.suites))
    return decide(run, rules, warn_inconclusive=configured.on_inconclusive == "warn")


def _rules(configured: Settings, suite: Suite, evidence: _Evidence, *, ci: bool) -> SuiteRules:
    named = any(isinstance(gate, NoRegressionGate) for gate in suite.gates or ())
    chosen = configured.on_missing_baseline
    return SuiteRules(
        gates=suite.gates,
        baseline=evidence.baseline,
        advisory=suite.mode == "advisory",
        record_without_baseline=chosen == "record" if chosen else not (ci and named),
        max_error_rate=configured.max_error_rate,
        aggregate=suite.aggregate,
        stop=suite.stop,
    )


def _must_not_pass(before: Verdict) -> bool:
    """Return whether a change that is not weaker must exit with an error as well.

    Invalid gates and missing results have not failed a gate yet.
    """
    blocking = [suite for suite in before.suites.values() if suite.mode == "blocking"]
    said = {gate.result for suite in blocking for gate in suite.gates}
    judged = not before.accounting.errored and "invalid" not in said
    return "fail" in said or (judged and before.exit_code != 0)


def _is_weaker(base: Settings, head: Settings) -> bool:
    return any(change.effect == "weaker" for change in settings_changes(base, head))


def _valid(table: _Table) -> Settings | None:
    try:
        return Settings.model_validate(table)
    except ValidationError:  # a policy without its margin
        return None


_KEYS: dict[str, dict[str, list[Any]]] = {
    "pass-rate": {"min": [0.5, 0.7, 0.8, 0.9], "bound": ["ci", "point"]},
    "no-regression": {
        "alpha": [0.01, 0.05, 0.3],
        "margin": [None, 0.01, 0.1],
        "fail_on": ["regressed", "not_proven", "tolerance"],
    },
    "slice": {
        "by": ["lang"],
        "min": [None, 0.6, 0.8],
        "min_n": [1, 9],
        "bound": ["ci", "point"],
        "alpha": [0.05, 0.3],
    },
    "must-pass": {"tags": [[], ["safety"], ["law"], ["law", "safety"]]},
    "mean-score": {"scorer": ["grade"], "min": [0.5, 0.7, 0.8, 0.9], "bound": ["ci", "point"]},
    "budget": {"p95_latency_s": [1.0, 2.0, None], "max_cost_usd": [None, 0.0, 1.0]},
}


def _grid(kind: str) -> Iterator[_Table]:
    """Iterate over every gate of a kind."""
    keys = _KEYS[kind]
    for values in product(*keys.values()):
        yield {"kind": kind, **dict(zip(keys, values, strict=True))}


def _with_gates(*gates: _Table, inconclusive: str = "fail") -> Settings | None:
    suite = {"golden": "g.jsonl", "slices": ["lang"], "gates": list(gates)}
    return _valid({"on_inconclusive": inconclusive, "max_error_rate": 1.0, "suites": {"a": suite}})


@pytest.mark.parametrize("kind", _KEYS)
def test_each_gate_of_a_kind_against_each_other_one(build: Build, kind: str) -> None:
    runs = [{"a": _evidence(build, "a", seed)} for seed in range(25)]
    configured = [found for gate in _grid(kind) if (found := _with_gates(gate)) is not None]
    judged = [[_judge(one, run, ci=True) for run in runs] for one in configured]
    pairs = 0
    for (base, before), (head, now) in product(zip(configured, judged, strict=True), repeat=2):
        if base == head or _is_weaker(base, head):
            continue
        pairs += 1
        bad = [seed for seed, was in enumerate(before) if _must_not_pass(was) and now[seed].exit_code == 0]
        assert not bad, (base.suites["a"].gates, head.suites["a"].gates, bad)
    assert pairs


_possible = [[gate for gate in _grid(kind) if _with_gates(gate) is not None] for kind in _KEYS]
_possible.append([{"kind": "no-regression", "scorer": "grade", "alpha": alpha} for alpha in (0.05, 0.3)])
_gates = st.one_of([st.sampled_from(gates) for gates in _possible])
_policies = {
    "on_inconclusive": st.sampled_from(["warn", "fail"]),
    "on_missing_baseline": st.sampled_from([None, "fail", "record"]),
    "max_error_rate": st.sampled_from([0.0, 0.2, 1.0]),
}
_suite_keys: dict[str, st.SearchStrategy[Any]] = {
    "gates": st.none() | st.lists(_gates, min_size=1, max_size=2),
    "stop": st.sampled_from(["certainty", "never"]),
    "mode": st.sampled_from(["blocking", "blocking", "advisory"]),
}
_same = st.fixed_dictionaries({"golden": st.just("g.jsonl"), "slices": st.just(["lang"])})
_suites = st.builds(
    lambda same, chosen: {**same, **chosen},
    _same,
    st.fixed_dictionaries(_suite_keys),
)
_tables = st.fixed_dictionaries(
    {**_policies, "suites": st.dictionaries(st.sampled_from("ab"), _suites, min_size=1, max_size=2)}
)


@st.composite
def _edited(draw: st.DrawFn, table: _Table) -> _Table:
    """Change one thing: a policy, a suite, a key of a suite, a gate, or a key of a gate."""
    screw = draw(st.sampled_from(["policy", "suite", "key", "more", "less", "gate", "gate"]))
    name = draw(st.sampled_from(sorted(table["suites"])))
    if screw == "policy":
        key = draw(st.sampled_from(sorted(_policies)))
        return {**table, key: draw(_policies[key])}
    if screw == "suite":
        return {**table, "suites": {**table["suites"], "c": draw(_suites)}}
    suite = table["suites"][name]
    if screw == "key":
        key = draw(st.sampled_from(["gates", "stop", "mode"]))
        edited = {**suite, key: draw(_suite_keys[key])}
    else:
        edited = {**suite, "gates": draw(_edited_gates(suite.get("gates") or [], screw))}
    return {**table, "suites": {**table["suites"], name: edited}}


@st.composite
def _edited_gates(draw: st.DrawFn, gates: list[_Table], screw: str) -> list[_Table]:
    if screw == "more" or not gates:
        return [*gates, draw(_gates)]
    place = draw(st.integers(0, len(gates) - 1))
    key = draw(st.sampled_from(sorted(_KEYS[gates[place]["kind"]])))
    turned = {**gates[place], key: draw(st.sampled_from(_KEYS[gates[place]["kind"]][key]))}
    middle = [turned] if screw == "gate" else []
    return [*gates[place + 1 :], *middle, *gates[:place]]


@given(st.data(), st.integers(0, 1000))
@settings(max_examples=90, suppress_health_check=[HealthCheck.filter_too_much])  # most screws weaken
def test_where_nothing_is_weaker_a_failed_build_stays_failed(build: Build, data: st.DataObject, seed: int) -> None:
    table = data.draw(_tables)
    base = _valid(table)
    assume(base is not None)
    head = _valid(data.draw(_edited(table)))
    assume(head is not None)
    assert base is not None
    assert head is not None
    assume(base != head)
    assume(not _is_weaker(base, head))
    for number in range(6):
        ci = number % 2 == 0
        evidence = {name: _evidence(build, name, seed + number) for name in head.suites}
        if _must_not_pass(_judge(base, evidence, ci=ci)):
            assert _judge(head, evidence, ci=ci, base=base).exit_code != 0, evidence
