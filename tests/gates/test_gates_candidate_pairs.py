from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import planned, result_of, run_of, suite_of

from pytest_evalgate.config import PassRateGate
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.stats.families import holm_adjusted
from pytest_evalgate.stats.paired import mcnemar_midp

if TYPE_CHECKING:
    from pytest_evalgate.records.results import SuiteRun
    from pytest_evalgate.records.side_by_side import SideBySide

_RULES = SuiteRules(gates=(PassRateGate(kind="pass-rate", min=0.1, bound="point"),), max_error_rate=1.0)


def _suite(name: str, letters: str, **fields: object) -> SuiteRun:
    return suite_of((result_of(one, planned(f"c{at}", at + 1, **fields)) for at, one in enumerate(letters)), name)


def _compared(**candidates: str) -> SideBySide:
    suites = [_suite(f"faq[{name}]", letters) for name, letters in candidates.items()]
    rules = dict.fromkeys((suite.plan.name for suite in suites), _RULES)
    [found] = decide(run_of(*suites), rules, warn_inconclusive=True).side_by_side
    return found


def test_the_p_of_a_pair_is_two_sided_and_adjusted_by_holm() -> None:
    found = _compared(a="P" * 20, b="P" * 14 + "m" * 6, c="P" * 17 + "m" * 3)
    assert [one.suite for one in found.candidates] == ["faq[a]", "faq[c]", "faq[b]"]
    tested = {(one.first[4], one.second[4]): one for one in found.pairs}
    raw = {pair: 2 * mcnemar_midp(losses, 0) for pair, losses in ((("a", "c"), 3), (("a", "b"), 6), (("c", "b"), 3))}
    assert {pair: one.p for pair, one in tested.items()} == pytest.approx(raw)
    adjusted = holm_adjusted([one.p for one in found.pairs])
    assert [one.p_adjusted for one in found.pairs] == list(adjusted)
    assert tested["a", "b"].delta == pytest.approx(0.3)
    assert tested["a", "b"].lower < 0.3 < tested["a", "b"].upper


def test_candidates_that_are_not_distinguishable_share_a_letter() -> None:
    found = _compared(best="P" * 40, middle="P" * 36 + "m" * 4, worst="P" * 32 + "m" * 8)
    assert {one.suite[4:-1]: one.groups for one in found.candidates} == {"best": "a", "middle": "ab", "worst": "b"}


def test_equal_candidates_are_one_group_in_the_order_of_the_run() -> None:
    found = _compared(b="PPPm", a="PPPm")
    assert [(one.suite, one.groups) for one in found.candidates] == [("faq[b]", "a"), ("faq[a]", "a")]
    assert found.pairs[0].p == 1


def test_missing_outputs_are_counted_against_a_difference() -> None:
    clear = _compared(a="P" * 12, b="m" * 6 + "P" * 6)
    hidden = _compared(a="?" * 6 + "P" * 6, b="m" * 6 + "P" * 6)
    assert clear.pairs[0].p < 0.05
    assert hidden.pairs[0].p > clear.pairs[0].p
    assert hidden.pairs[0].lower < 0 < hidden.pairs[0].upper


def test_a_candidate_that_did_not_run_as_a_whole_is_not_compared() -> None:
    found = _compared(a="PPPP", b="PP--")
    assert (found.pairs, found.candidates[1].pass_rate) == ((), None)
    assert found.notes == ("faq[a] and faq[b] are not compared: one of them did not run as a whole",)


def test_suites_of_different_owners_are_not_compared() -> None:
    suites = [_suite("faq", "PP"), _suite("other", "PP")]
    rules = dict.fromkeys(("faq", "other"), _RULES)
    assert decide(run_of(*suites), rules, warn_inconclusive=True).side_by_side == ()


def test_weights_of_the_plan_weigh_the_pairs() -> None:
    suites = []
    for name, letters in (("faq[a]", "PmPP"), ("faq[b]", "mPPP")):
        cases = [planned(f"c{at}", at + 1, weight=weight) for at, weight in enumerate((6.0, 1.0, 1.0, 1.0))]
        suites.append(suite_of(map(result_of, letters, cases), name))
    rules = dict.fromkeys((suite.plan.name for suite in suites), _RULES)
    [found] = decide(run_of(*suites), rules, warn_inconclusive=True).side_by_side
    assert found.pairs[0].delta == pytest.approx(5 / 9)


@given(st.lists(st.text("Pm", min_size=6, max_size=6), min_size=2, max_size=5))
def test_every_pair_that_does_not_differ_shares_a_letter(outcomes: list[str]) -> None:
    found = _compared(**{f"c{at}": letters for at, letters in enumerate(outcomes)})
    groups = {one.suite: set(one.groups) for one in found.candidates}
    for one in found.pairs:
        assert bool(groups[one.first] & groups[one.second]) is not one.differ
