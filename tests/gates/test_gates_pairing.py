"""Case results counted, summed up, and paired with a baseline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import planned
from tests.gates.conftest import decide_suite

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules, decide, pair
from pytest_evalgate.gates.pairing import call_records, repeats_of, score_summaries, total_calls
from pytest_evalgate.records.attempts import Repeats
from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, Output, PlannedCase, Score, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Calls
from pytest_evalgate.stats.clusters import icc_anova, mean_se_df
from pytest_evalgate.stats.stability import flip_rate

if TYPE_CHECKING:
    from tests.gates.conftest import Build


def test_pairs_edited_added_and_removed_cases_are_distinguished(build: Build) -> None:
    suite = build.suite("PmPmPS", fields={2: {"fingerprint": "other"}})
    pairing = pair(suite, build.baseline("mPP--P-", first=0))
    assert [(found.now.case.id, found.change) for found in pairing.pairs] == [
        ("c000", 1.0),
        ("c001", -1.0),
        ("c003", 0.0),
        ("c004", 1.0),
    ]
    assert [result.case.id for result in pairing.edited] == ["c002"]
    assert pairing.added == ()
    assert pairing.removed == ("c005", "c006")
    assert pairing.share == 4 / 7


def test_a_new_case_is_added_and_a_missing_result_stays_paired(build: Build) -> None:
    pairing = pair(build.suite("P?P"), build.baseline("PP"))
    assert [result.case.id for result in pairing.added] == ["c002"]
    assert [found.now.case.id for found in pairing.regressed] == ["c001"]
    assert pairing.removed == ()
    assert pairing.share == 1.0


def test_changes_are_listed_largest_first_and_in_plan_order_among_equals(build: Build) -> None:
    pairing = pair(build.suite("PPPm mmmm Pmmm PPPP"), build.baseline("PPPP PPPP PPPP mmmm"))
    assert [found.now.case.id for found in pairing.regressed] == ["c001", "c002", "c000"]
    assert [found.now.case.id for found in pairing.fixed] == ["c003"]


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


def test_a_run_without_calls() -> None:
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


def test_cached_calls_cost_nothing() -> None:
    once = CallRecord("target", "m", 0, 100, 10, 9.9)
    assert total_calls([once, CallRecord("target", "m", 0)]) == Calls(planned=2, cached=2)


def test_costs_are_rounded_to_a_millionth_of_a_dollar() -> None:
    assert total_calls([CallRecord("target", "m", 1, 1, 1, 0.1)] * 3).cost_usd == 0.3
    assert total_calls([CallRecord("target", "m", 1, 1, 1, 0.0000004)] * 3).cost_usd == 0.000001


@given(_records)
def test_the_totals_of_suites_add_up(records: list[CallRecord]) -> None:
    calls = total_calls(records)
    assert calls.planned == calls.sent + calls.cached == len(records)
    assert sum(record.attempts for record in records) == calls.sent + calls.retried
    assert calls.unknown_price <= calls.sent


def test_every_trial_of_every_case_counts_also_those_in_vain() -> None:
    case = PlannedCase("c", Place("g", 1), "f")
    first = CaseResult(case, "passed", (Trial(0, 1.0, calls=(_TARGET, _JUDGE)), Trial(1, 1.0, calls=(_REMEMBERED,))))
    second = CaseResult(case, "errored", (Trial(0, None, calls=(_UNPRICED,)),))
    assert list(call_records([first, second])) == [_TARGET, _JUDGE, _REMEMBERED, _UNPRICED]


def test_the_verdict_has_the_calls_of_all_suites(build: Build) -> None:
    def with_calls(name: str, *calls: CallRecord) -> SuiteRun:
        suite = build.suite("P", name=name)
        [result] = suite.results
        return SuiteRun(suite.plan, (CaseResult(result.case, "passed", (Trial(0, 1.0, calls=calls),)),))

    run = build.run(with_calls("faq", _TARGET, _JUDGE), with_calls("tone", _REMEMBERED))
    verdict = decide(run, {"faq": SuiteRules(), "tone": SuiteRules()}, warn_inconclusive=True)
    assert verdict.calls == total_calls([_TARGET, _JUDGE, _REMEMBERED])
    assert verdict.calls.planned == 3


def _repeats(build: Build, trials: str, n_eff: float = 1.0) -> Repeats | None:
    return repeats_of(build.suite(trials).results, n_eff)


@pytest.mark.parametrize("trials", ["P m P", "P? ?? m?", "- -"])
def test_without_two_trials_of_a_case_there_are_no_repeats(build: Build, trials: str) -> None:
    assert _repeats(build, trials) is None


def test_flips_and_likeness_of_the_trials(build: Build) -> None:
    found = _repeats(build, "PPm PPP mmm Pmm", n_eff=7.5)
    flips, icc = flip_rate([2, 3, 0, 1], [3] * 4), icc_anova([2, 3, 0, 1], 3)
    assert icc is not None
    sd = float(np.std([3 / 4, 2 / 4, 1 / 4], ddof=1))
    assert found is not None
    assert found == Repeats(flips.rate, 2, icc.icc, icc.design_effect, 7.5, 0.5, 0.5, found.run_sd)
    assert found.run_sd == pytest.approx(sd)
    assert found.flip_rate == pytest.approx((2 / 3 + 0 + 0 + 2 / 3) / 4)


def test_trials_that_all_agree_have_no_likeness(build: Build) -> None:
    assert _repeats(build, "PPP PPP") == Repeats(0.0, 0, None, None, 1.0, 1.0, 1.0, 0.0)


def test_cases_with_missing_trials_are_left_out(build: Build) -> None:
    assert _repeats(build, "PPm Pm? ??? mmm") == _repeats(build, "PPm mmm")


def test_unequal_trials_have_flips_and_no_likeness(build: Build) -> None:
    found = _repeats(build, "Pm PPm mm")
    assert found is not None
    assert (found.flaky, found.icc, found.design_effect) == (2, None, None)
    assert found.flip_rate == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_a_suite_with_trials_reports_the_effective_number(build: Build) -> None:
    decided = decide_suite(build.suite("PPm PPP mmm Pmm"), SuiteRules())
    assert decided.repeats is not None
    assert decided.repeats.n_eff == build.seen(build.suite("PPm PPP mmm Pmm")).rate.n_eff
    assert decide_suite(build.suite("PmP"), SuiteRules()).repeats is None


def _sample(suite: SuiteRun, drawn_from: int) -> SuiteRun:
    return replace(suite, plan=replace(suite.plan, drawn_from=drawn_from))


def test_cases_outside_of_a_sample_are_not_removed(build: Build) -> None:
    suite = build.suite("PmP", fields={2: {"fingerprint": "other"}})
    pairing = pair(_sample(suite, 9), build.baseline("PPPPPPPPP"))
    assert (pairing.removed, pairing.baseline_cases, pairing.share) == ((), 3, 2 / 3)
    whole = pair(suite, build.baseline("PPPPPPPPP"))
    assert (len(whole.removed), whole.baseline_cases) == (6, 9)
    assert whole.pairs == pairing.pairs


def test_a_small_sample_of_a_large_baseline_is_compared(build: Build) -> None:
    suite, baseline = build.suite("P" * 20), build.baseline("P" * 2000)
    rules = {suite.plan.name: SuiteRules(baseline=baseline)}
    whole = decide(build.run(suite), rules, warn_inconclusive=True)
    assert whole.verdict == "invalid"
    sample_plan = decide(build.run(_sample(suite, 2000)), rules, warn_inconclusive=True, tier="smoke")
    assert sample_plan.verdict == "pass"


def test_the_verdict_names_the_tier_and_the_size_of_its_samples(build: Build) -> None:
    suite = build.suite("PPP")
    rules = {suite.plan.name: SuiteRules()}
    verdict = decide(build.run(_sample(suite, 1319)), rules, warn_inconclusive=True, tier="smoke")
    assert verdict.tier == "smoke"
    assert verdict.suites[suite.plan.name].notes[0] == "tier smoke: 3 of 1,319 cases"
    plain = decide(build.run(suite), rules, warn_inconclusive=True)
    assert (plain.tier, plain.suites[suite.plan.name].notes) == ("default", ())


def test_calls_of_functions_are_counted_by_themselves() -> None:
    own = CallRecord("target", "bot:answer", 1, cost_usd=0.0, latency_s=0.1)
    failed = CallRecord("target", "m", 5, cost_usd=0.0)
    free = CallRecord("target", "m", 1, 3, 4, 0.0, 0.1)
    calls = total_calls([own, own, replace(own, attempts=0), failed, free])
    assert (calls.sent, calls.cached, calls.local) == (4, 1, 2)


@pytest.mark.parametrize(
    ("scorers", "fingerprint", "first", "reason"),
    [
        ("s" * 64, "other", 0, ": the question or the expected value of every common case changed: "),
        ("old", "other", 0, ": the scorers changed: "),
        ("s" * 64, "f", 10, ": no case has an id of the baseline: "),
    ],
)
def test_the_diagnosis_names_what_changed(
    build: Build, scorers: str, fingerprint: str, first: int, reason: str
) -> None:
    baseline = build.baseline("PPm", fingerprint=fingerprint, first=first)
    baseline = replace(baseline, provenance=replace(baseline.provenance, scorers_sha256=scorers))
    gate = decide_suite(build.suite("PPm"), SuiteRules(baseline=baseline)).gates[0]
    assert gate.result == "invalid"
    assert reason in gate.message


def _answering(*answers: tuple[str, float, str]) -> CaseResult:
    """Make a case whose trials have these outputs, grades by a rule, and reasons of the rule."""
    trials = [
        Trial(
            at,
            grade,
            Output(text),
            (Score("number", grade, grade == 1, reason), Score("tone", 1.0, passed=True, reason=f"said {text}")),
        )
        for at, (text, grade, reason) in enumerate(answers)
    ]
    return combine_trials(planned("c", 1), trials)


def test_agreement_is_total_over_the_trials_of_a_case() -> None:
    results = [
        _answering(("It is 4.", 1.0, "found 4"), ("It is 4.", 1.0, "found 4")),
        _answering(("It is 4.", 1.0, "found 4"), ("Four: 4.", 1.0, "found 4")),
        _answering(("It is 5.", 0.0, "found 5"), ("It is 6.", 0.0, "found 6")),
        _answering(("It is 4.", 1.0, "found 4"), ("It is 6.", 0.0, "found 6")),
    ]
    found = repeats_of(results, 4.0, ["tone"])
    assert found is not None
    assert (found.raw_agreement, found.parsed_agreement) == (0.25, 0.5)
    assert found.run_sd == pytest.approx(np.std([3 / 4, 2 / 4], ddof=1))


def test_a_mean_score_has_its_standard_error_with_several_trials() -> None:
    once = [_answering(("x", 1.0, "")), _answering(("x", 0.0, ""))]
    twice = [_answering(*[("x", grade, "")] * 2) for grade in (1.0, 0.0, 1.0, 1.0)]
    mixed = [*twice, _answering(("x", 1.0, ""), ("x", 0.0, ""))]
    assert score_summaries(once)["number"].se is None
    means = [1.0, 0.0, 1.0, 1.0, 0.5]
    assert score_summaries(mixed)["number"].se == pytest.approx(np.std(means, ddof=1) / np.sqrt(5))
    clustered = [replace(one, case=replace(one.case, cluster=str(at // 2))) for at, one in enumerate(mixed)]
    assert score_summaries(clustered)["number"].se == pytest.approx(
        mean_se_df(np.array(means), ["0", "0", "1", "1", "2"])[1]
    )
