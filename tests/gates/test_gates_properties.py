from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.data import SuiteRun
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.decide import decide_suite
from pytest_evalgate.settings import MustPassGate, NoRegressionGate, PassRateGate

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.data import SuiteVerdict

_GATES = (
    PassRateGate(kind="pass-rate", min=0.6),
    NoRegressionGate(kind="no-regression", margin=0.1),
    NoRegressionGate(kind="no-regression", fail_on="not_proven", margin=0.1),
    NoRegressionGate(kind="no-regression", fail_on="tolerance", margin=0.1),
    MustPassGate(kind="must-pass"),
)
_ORDER = ["fail", "incomplete", "inconclusive", "pass"]


def _judge(build: Build, letters: str, before: str) -> SuiteVerdict:
    rules = SuiteRules(gates=_GATES, baseline=build.baseline(before), max_error_rate=1.0)
    return decide_suite(build.suite(letters), rules)


def _ranks(verdict: SuiteVerdict) -> list[int]:
    return [_ORDER.index(gate.result) for gate in verdict.gates]


pairs = st.lists(st.tuples(st.sampled_from("Pm"), st.sampled_from("Pm")), min_size=1, max_size=40)
pairs_with_missing = st.lists(st.tuples(st.sampled_from("Pm?"), st.sampled_from("Pm")), min_size=1, max_size=40)


@given(st.text(alphabet="Pm?S-", min_size=1, max_size=40))
def test_the_accounting_identity(build: Build, letters: str) -> None:
    counts = decide_suite(build.suite(letters), SuiteRules()).accounting
    parts = counts.passed + counts.missed + counts.errored + counts.skipped + counts.not_run
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
            _ranks(_judge(build, worse, before)), _ranks(_judge(build, now, before)), strict=True
        )
    )


@given(pairs_with_missing)
@settings(deadline=None)
def test_missing_answers_are_never_judged_better_than_both_completions(
    build: Build, table: list[tuple[str, str]]
) -> None:
    now, before = ("".join(column) for column in zip(*table, strict=True))
    judged = _judge(build, now, before).gates
    low = _judge(build, now.replace("?", "m"), before).gates
    high = _judge(build, now.replace("?", "P"), before).gates
    for gate, worst, best in zip(judged, low, high, strict=True):
        assert gate.result == (worst.result if worst.result == best.result else "incomplete")


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
