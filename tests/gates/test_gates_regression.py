from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import NoRegressionGate, SliceGate
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.regression import compare, decide_no_regression

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.records.verdicts import Delta, GateResult, SuiteVerdict


def _gate(**fields: Any) -> NoRegressionGate:
    return NoRegressionGate.model_validate({"kind": "no-regression", **fields})


def _table(n: int, losses: int, gains: int) -> tuple[str, str]:
    """Make (baseline, candidate) letters of ``n`` cases."""
    same = n - losses - gains
    return "P" * losses + "m" * gains + "P" * same, "m" * losses + "P" * gains + "P" * same


def _judge(build: Build, n: int, losses: int, gains: int, **fields: Any) -> GateResult:
    before, now = _table(n, losses, gains)
    return decide_suite(build.suite(now), SuiteRules(gates=(_gate(**fields),), baseline=build.baseline(before))).gates[
        0
    ]


_CLEAR_DROP = (200, 40, 2)
_SMALL_DROP = (1000, 12, 0)
_NO_DROP = (1000, 5, 5)
_TOO_FEW = (20, 2, 0)


@pytest.mark.parametrize(
    ("table", "margin", "finding"),
    [
        (_CLEAR_DROP, None, "regressed"),
        (_CLEAR_DROP, 0.05, "regressed"),
        (_SMALL_DROP, None, "regressed"),
        (_SMALL_DROP, 0.05, "regressed_within_margin"),
        (_NO_DROP, None, "inconclusive"),
        (_NO_DROP, 0.05, "no_regression_beyond_margin"),
        (_TOO_FEW, None, "inconclusive"),
        (_TOO_FEW, 0.05, "inconclusive"),
    ],
)
def test_findings(build: Build, table: tuple[int, int, int], margin: float | None, finding: str) -> None:
    before, now = _table(*table)
    pairs = build.seen(build.suite(now), build.baseline(before)).pairs
    assert compare(pairs, alpha=0.05, margin=margin).name == finding


@pytest.mark.parametrize(
    ("table", "fail_on", "margin", "result"),
    [
        (_CLEAR_DROP, "regressed", None, "fail"),
        (_CLEAR_DROP, "regressed", 0.05, "fail"),
        (_SMALL_DROP, "regressed", None, "fail"),
        (_SMALL_DROP, "regressed", 0.05, "pass"),
        (_NO_DROP, "regressed", None, "pass"),
        (_NO_DROP, "regressed", 0.05, "pass"),
        (_TOO_FEW, "regressed", None, "pass"),
        (_CLEAR_DROP, "not_proven", 0.05, "fail"),
        (_SMALL_DROP, "not_proven", 0.05, "pass"),
        (_NO_DROP, "not_proven", 0.05, "pass"),
        (_TOO_FEW, "not_proven", 0.05, "fail"),
        (_CLEAR_DROP, "tolerance", 0.05, "fail"),
        (_CLEAR_DROP, "tolerance", 0.18, "pass"),
        (_SMALL_DROP, "tolerance", 0.05, "pass"),
        (_TOO_FEW, "tolerance", 0.05, "pass"),
    ],
)
def test_policies(build: Build, table: tuple[int, int, int], fail_on: str, margin: float | None, result: str) -> None:
    assert _judge(build, *table, fail_on=fail_on, margin=margin).result == result


@pytest.mark.parametrize(("margin", "result"), [(0.05, "fail"), (0.18, "pass")])
def test_a_tolerance_by_itself_has_the_p_of_its_drop(build: Build, margin: float, result: str) -> None:
    before, now = _table(*_CLEAR_DROP)
    pairs = build.seen(build.suite(now), build.baseline(before)).pairs
    judged = decide_no_regression(_gate(fail_on="tolerance", margin=margin), pairs)
    assert (judged.result, judged.required, judged.bound) == (result, -margin, pairs.finding(0.05).upper)


@pytest.mark.parametrize(("losses", "result"), [(3, "pass"), (4, "fail")])
def test_four_losses_are_the_fewest_that_can_fail(build: Build, losses: int, result: str) -> None:
    assert _judge(build, 50, losses, 0).result == result


def test_a_stricter_alpha_needs_more_losses(build: Build) -> None:
    assert _judge(build, 50, 5, 0, alpha=0.05).result == "fail"
    assert _judge(build, 50, 5, 0, alpha=0.01).result == "pass"


@pytest.mark.parametrize(("paired", "result"), [(90, "pass"), (89, "invalid")])
def test_nine_in_ten_of_the_baseline_have_to_be_paired(build: Build, paired: int, result: str) -> None:
    rules = SuiteRules(gates=(_gate(),), baseline=build.baseline("P" * 100))
    assert decide_suite(build.suite("P" * paired), rules).verdict == result


def test_unpaired_cases_are_counted_in_the_message(build: Build) -> None:
    suite = build.suite("P" * 10 + "m", fields={0: {"fingerprint": "other"}})
    rules = SuiteRules(gates=(_gate(),), baseline=build.baseline("P" * 10 + "PP" * 5, first=2))
    judged = decide_suite(suite, rules).gates[0]
    assert judged.result == "invalid"
    assert judged.value is None
    assert "(0 edited, 11 removed, 2 added): refresh the baseline" in judged.message


def test_no_pair_at_all_is_invalid(build: Build) -> None:
    judged = decide_suite(build.suite("PP"), SuiteRules(baseline=build.baseline("PP", fingerprint="other")))
    assert judged.gates[0].result == "invalid"
    assert "0 added): the scorers changed: refresh the baseline" in judged.gates[0].message
    assert judged.delta is None


@pytest.mark.parametrize(
    ("now", "before", "test"),
    [
        ("PmPmP", "PPPPP", "mcnemar-midp"),
        ("PPm Pmm PPP", "P P P", "sign-flip-midp"),
        ("P P P", "PPm Pmm PPP", "sign-flip-midp"),
        (" ".join(["Pmm"] * 17), " ".join(["PPP"] * 17), "paired-t"),
        (" ".join(["Pmm"] * 16 + ["PPP"] * 9), " ".join(["PPP"] * 25), "sign-flip-midp"),
    ],
)
def test_the_test_follows_the_trials(build: Build, now: str, before: str, test: str) -> None:
    assert build.seen(build.suite(now), build.baseline(before)).pairs.finding(0.05).test == test


def test_a_graded_baseline_is_compared_by_means(build: Build) -> None:
    found = build.seen(build.suite("PPm"), build.baseline([[0.5], [0.25], [1.0]])).pairs.finding(0.05)
    assert found.test == "sign-flip-midp"
    assert found.delta == pytest.approx((0.5 + 0.75 - 1.0) / 3)


def test_one_pair_with_trials_has_finite_bounds(build: Build) -> None:
    delta = decide_suite(build.suite("PPm PPP"), SuiteRules(baseline=build.baseline([[1.0, 1.0, 1.0]]))).delta
    assert delta is not None
    assert (delta.pairs, delta.added, delta.losses) == (1, 1, 1)
    assert -1 <= delta.lower <= delta.delta <= delta.upper <= 1


def test_the_delta_counts_unpaired_cases(build: Build) -> None:
    suite = build.suite("PmPP", fields={3: {"fingerprint": "other"}})
    delta = decide_suite(suite, SuiteRules(baseline=build.baseline("PPmPP", first=0))).delta
    assert delta is not None
    assert (delta.pairs, delta.losses, delta.gains) == (3, 1, 1)
    assert (delta.added, delta.edited, delta.removed) == (0, 1, 1)
    assert delta.baseline_rate == pytest.approx(2 / 3)
    assert delta.mde is None


def test_messages_name_the_cases_the_p_and_the_mde(build: Build) -> None:
    assert _judge(build, *_CLEAR_DROP).message.startswith("40 cases got worse, 2 got better (mcnemar-midp p=")
    assert "limit 0.05" in _judge(build, *_CLEAR_DROP).message
    assert "no drop is proven" in _judge(build, *_NO_DROP).message
    assert "(80% power)" in _judge(build, *_NO_DROP).message
    assert "smaller than 5.0 pp" in _judge(build, *_SMALL_DROP, margin=0.05).message
    assert "5.0 pp or more is ruled out" in _judge(build, *_NO_DROP, margin=0.05).message


def _judged(
    build: Build, n: int, losses: int, gains: int, *, report_only: bool = False, **fields: Any
) -> SuiteVerdict:
    """Decide a suite with the judge of tpr 0.9 and tnr 0.8: its J is 0.7."""
    before, now = _table(n, losses, gains)
    rules = SuiteRules(
        gates=(_gate(**fields),),
        baseline=build.baseline(before),
        judges={"faq": build.judge(report_only=report_only)},
    )
    return decide_suite(build.judged(now), rules)


def _delta(verdict: SuiteVerdict) -> Delta:
    assert verdict.delta is not None
    return verdict.delta


@pytest.mark.parametrize("table", [_CLEAR_DROP, _SMALL_DROP, _NO_DROP])
def test_a_judge_sees_a_part_of_the_change_and_p_is_as_it_sees_it(build: Build, table: tuple[int, int, int]) -> None:
    seen, behind = (_delta(_judged(build, *table, report_only=only)) for only in (True, False))
    assert (behind.p, behind.losses, behind.gains, behind.test) == (seen.p, seen.losses, seen.gains, seen.test)
    assert (behind.delta, behind.lower, behind.upper) == pytest.approx(
        (seen.delta / 0.7, seen.lower / 0.7, seen.upper / 0.7)
    )
    assert seen.mde is not None
    assert behind.mde == pytest.approx(seen.mde / 0.7)
    assert behind.baseline_rate == seen.baseline_rate


def test_a_judge_that_only_reports_leaves_the_change_as_it_is(build: Build) -> None:
    before, now = _table(*_CLEAR_DROP)
    plain = decide_suite(build.suite(now), SuiteRules(gates=(_gate(),), baseline=build.baseline(before)))
    assert _judged(build, *_CLEAR_DROP, report_only=True).gates == plain.gates


def test_the_margin_is_compared_with_the_corrected_change(build: Build) -> None:
    seen, behind = (_judged(build, 1000, 25, 0, margin=0.04, report_only=only) for only in (True, False))
    assert (_delta(seen).finding, _delta(behind).finding) == ("regressed_within_margin", "regressed")
    assert [verdict.gates[0].result for verdict in (seen, behind)] == ["pass", "fail"]
    assert (behind.gates[0].value, behind.gates[0].bound) == (_delta(behind).delta, _delta(behind).lower)


def test_not_proven_needs_more_cases_with_a_judge(build: Build) -> None:
    seen, behind = (
        _judged(build, 100, 5, 5, report_only=only, margin=0.05, fail_on="not_proven").gates[0].message
        for only in (True, False)
    )
    assert "(267 in all)" in seen
    assert "(545 in all)" in behind


def test_a_tolerance_is_one_of_the_change_behind_the_judge(build: Build) -> None:
    seen, behind = (
        _judged(build, 200, 25, 2, margin=0.09, fail_on="tolerance", report_only=only).gates[0]
        for only in (True, False)
    )
    assert (seen.result, behind.result) == ("pass", "fail")


def test_a_change_of_scores_is_not_divided(build: Build) -> None:
    baseline = replace(build.baseline("P" * 100), scorers=("exact", "faq"))
    rules = SuiteRules(gates=(_gate(scorer="faq"), _gate()), baseline=baseline, judges={"faq": build.judge()})
    of_scores, of_cases = decide_suite(build.judged("m" * 10 + "P" * 90), rules).gates
    assert of_scores.value == pytest.approx(-0.1)
    assert of_cases.value == pytest.approx(-0.1 / 0.7)


def test_slices_are_behind_the_judge_too(build: Build) -> None:
    fields = {index: {"slices": (("lang", "de"),)} for index in range(40)}
    gates = (SliceGate(kind="slice", by="lang"),)
    rules = SuiteRules(gates=gates, baseline=build.baseline("P" * 40), judges={"faq": build.judge()})
    judged = decide_suite(build.judged("m" * 7 + "P" * 33, fields=fields), rules)
    assert judged.gates[0].value == pytest.approx(-7 / 40 / 0.7)
    assert "de -25.0 pp (7 worse, 0 better" in judged.gates[0].message
    assert judged.slices[0].delta is not None
    assert judged.slices[0].delta.delta == pytest.approx(-0.25)
