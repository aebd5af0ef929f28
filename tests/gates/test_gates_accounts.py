from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.gates.pairing import call_records, total_calls
from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.results import Calls, CaseResult, Place, PlannedCase, SuiteRun, Trial

if TYPE_CHECKING:
    from tests.gates.conftest import Build

_TARGET = CallRecord("target", "m", 1, 100, 10, 0.1, 0.5)
_JUDGE = CallRecord("judge:tone", "critic", 3, 200, 20, 0.2)
_REMEMBERED = CallRecord("target", "m", 0, 100, 10, 0.0, 0.5)
_UNPRICED = CallRecord("target", "local", 1, None, None, None)

_records = st.lists(
    st.builds(
        CallRecord,
        st.just("target"),
        st.just("m"),
        st.integers(0, 5),
        st.none() | st.integers(0, 9),
        st.none() | st.integers(0, 9),
        st.none() | st.floats(0, 9),
    )
)


def test_nothing_was_called() -> None:
    assert total_calls([]) == Calls()


def test_calls_add_up() -> None:
    assert total_calls([_TARGET, _JUDGE, _REMEMBERED, _UNPRICED]) == Calls(
        planned=4,
        sent=3,
        cached=1,
        retried=2,
        tokens_in=300,
        tokens_out=30,
        cost_usd=0.3,
        unknown_price=1,
    )


def test_what_is_remembered_costs_nothing_whatever_it_once_cost() -> None:
    once = CallRecord("target", "m", 0, 100, 10, 9.9)
    assert total_calls([once, CallRecord("target", "m", 0)]) == Calls(planned=2, cached=2)


def test_costs_are_rounded_to_a_millionth_of_a_dollar() -> None:
    assert total_calls([CallRecord("target", "m", 1, 1, 1, 0.1)] * 3).cost_usd == 0.3
    assert total_calls([CallRecord("target", "m", 1, 1, 1, 0.0000004)] * 3).cost_usd == 0.000001


@given(_records)
def test_the_parts_make_the_whole(records: list[CallRecord]) -> None:
    calls = total_calls(records)
    assert calls.planned == calls.sent + calls.cached == len(records)
    assert sum(record.attempts for record in records) == calls.sent + calls.retried
    assert calls.unknown_price <= calls.sent


def test_every_trial_of_every_case_counts_also_those_in_vain() -> None:
    case = PlannedCase("c", Place("g", 1), "f")
    first = CaseResult(case, "passed", (Trial(0, 1.0, calls=(_TARGET, _JUDGE)), Trial(1, 1.0, calls=(_REMEMBERED,))))
    second = CaseResult(case, "errored", (Trial(0, None, calls=(_UNPRICED,)),))
    assert list(call_records([first, second])) == [_TARGET, _JUDGE, _REMEMBERED, _UNPRICED]


def test_the_verdict_holds_the_accounts_of_all_suites(build: Build) -> None:
    def with_calls(name: str, *calls: CallRecord) -> SuiteRun:
        suite = build.suite("P", name=name)
        [result] = suite.results
        return SuiteRun(suite.plan, (CaseResult(result.case, "passed", (Trial(0, 1.0, calls=calls),)),))

    run = build.run(with_calls("faq", _TARGET, _JUDGE), with_calls("tone", _REMEMBERED))
    verdict = decide(run, {"faq": SuiteRules(), "tone": SuiteRules()}, warn_inconclusive=True)
    assert verdict.calls == total_calls([_TARGET, _JUDGE, _REMEMBERED])
    assert verdict.calls.planned == 3
