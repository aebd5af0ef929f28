from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_evalgate import stats
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.answers import judge_all
from pytest_evalgate.gates.eprocess import LOOKING, p_while_looking, place_in_order
from pytest_evalgate.settings import NoRegressionGate

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.data import VerdictName
    from pytest_evalgate.gates.evidence import Evidence
    from pytest_evalgate.gates.measure import Completion

_GATE = NoRegressionGate(kind="no-regression")
_MARGIN = NoRegressionGate(kind="no-regression", margin=0.1)


def _order(build: Build, cases: int) -> list[int]:
    """Return the places of the cases in the order in which they are looked at."""
    return sorted(range(cases), key=lambda place: place_in_order(build.case(place)))


def _in_order(build: Build, letters: str) -> str:
    """Return the letters in file order of cases that are looked at in the order given."""
    placed = dict(zip(_order(build, len(letters)), letters, strict=True))
    return "".join(placed[place] for place in range(len(letters)))


def _p(
    build: Build,
    now: str,
    before: str = "",
    gate: NoRegressionGate = _GATE,
    completion: Completion = "worst",
) -> float:
    baseline = build.baseline(_in_order(build, before or "P" * len(now)))
    return p_while_looking(gate, build.seen(build.suite(_in_order(build, now)), baseline, completion=completion))


def test_the_order_of_the_cases_has_nothing_to_do_with_the_file(build: Build) -> None:
    order = _order(build, 200)
    assert sorted(order) == list(range(200))
    assert abs(float(np.corrcoef(order, range(200))[0, 1])) < 0.2


def test_a_case_of_the_base_has_the_place_of_its_own_id(build: Build) -> None:
    assert place_in_order(build.case(3, side="base")) == place_in_order(build.case(3))
    assert place_in_order(build.case(3)) != place_in_order(build.case(4))


def test_after_the_last_case_the_fixed_test_has_four_fifths_of_alpha(build: Build) -> None:
    assert _p(build, "mmm" + "P" * 47) == pytest.approx(stats.mcnemar_midp(3, 0) / 0.8)
    assert _p(build, "mmmm" + "P" * 46) == pytest.approx(stats.mcnemar_midp(4, 0) / 0.8)
    assert _p(build, "P" * 50) == 1.0


def test_looking_on_the_way_may_prove_what_the_end_does_not(build: Build) -> None:
    early = _p(build, "m" * 9 + "P" * 60, "P" * 9 + "m" * 9 + "P" * 51)
    late = _p(build, "P" * 60 + "m" * 9, "m" * 9 + "P" * 60)
    looks = stats.eprocess_value(9, 0)
    assert early == pytest.approx(1 / (LOOKING * looks))
    assert early < 0.05 < late


def test_an_e_value_of_a_hundred_is_proof_at_five_percent(build: Build) -> None:
    losses = next(number for number in range(20) if stats.eprocess_value(number, 0) >= 100)
    decided, not_yet = ("m" * number + "-" * 60 for number in (losses, losses - 1))
    assert _p(build, decided, completion="best") <= 0.05 < _p(build, not_yet, completion="best")


@pytest.mark.parametrize("losses", [0, 3, 9])
def test_cases_that_are_left_could_still_decide(build: Build, losses: int) -> None:
    now = "m" * losses + "P" * 3 + "-" * 40
    assert _p(build, now, completion="worst") == 0.0
    assert _p(build, now, completion="best") == pytest.approx(
        min(1.0, 1 / (LOOKING * max(1.0, stats.eprocess_value(losses, 0))))
    )


def test_what_stands_behind_a_case_that_has_not_run_was_not_looked_at(build: Build) -> None:
    assert _p(build, "-" + "m" * 40, completion="best") == 1.0
    assert _p(build, "P-" + "m" * 40, completion="best") == 1.0


def test_a_missing_answer_is_looked_at_both_ways(build: Build) -> None:
    now = "m" * 7 + "??" + "-" * 40
    worst, best = (
        p_while_looking(
            _GATE,
            build.seen(build.suite(_in_order(build, now)), build.baseline("P" * len(now)), completion=completion),
        )
        for completion in ("worst", "best")
    )
    assert worst == 0.0
    assert best == pytest.approx(1 / (LOOKING * stats.eprocess_value(7, 0)))


def test_a_margin_that_is_cleared_before_a_drop_is_proven_ends_the_matter(build: Build) -> None:
    proof = stats.first_crossing(stats.noninferiority_mixture([0.0] * 400, 0.1).e_values)
    assert proof is not None
    now = "P" * (proof + 1) + "-" * 50
    assert [_p(build, now, gate=_MARGIN, completion=completion) for completion in ("worst", "best")] == [1.0, 1.0]
    assert _p(build, now, completion="worst") == 0.0  # without a margin nothing is decided
    assert _p(build, now[1:], gate=_MARGIN, completion="worst") == 0.0  # nor one case earlier


def test_losses_behind_the_proof_do_not_count(build: Build) -> None:
    now = "P" * 150 + "m" * 40
    assert _p(build, now) < 0.001
    assert _p(build, now, gate=_MARGIN) == 1.0


def test_a_drop_that_is_proven_first_stays(build: Build) -> None:
    now = "m" * 20 + "P" * 400
    assert _p(build, now, gate=_MARGIN) < 0.001


def test_several_trials_are_tested_once_at_the_end(build: Build) -> None:
    seen = build.seen(build.suite(" ".join(["mmm"] * 10 + ["PPP"] * 10)), build.baseline("P" * 20))
    assert p_while_looking(_GATE, seen) == seen.pairs.finding(0.05).p


def test_a_suite_takes_its_p_from_the_looks_where_it_may_stop(build: Build) -> None:
    now = "m" * 9 + "P" * 60
    before = "P" * 9 + "m" * 9 + "P" * 51
    suite, baseline = build.suite(_in_order(build, now)), build.baseline(_in_order(build, before))
    for stop, verdict in {"eprocess": "fail", "certainty": "pass"}.items():
        rules = SuiteRules(baseline=baseline, stop=stop)  # type: ignore[arg-type]
        assert judge_all([suite], {"faq": rules}, "worst")["faq"].verdict == verdict


def test_two_suites_that_share_alpha_are_not_decided_by_half_a_proof(build: Build) -> None:
    losses = next(number for number in range(20) if stats.eprocess_value(number, 0) >= 100)
    suites = [build.suite(_in_order(build, "m" * losses + "-" * 60), name=name) for name in ("faq", "law")]
    rules = SuiteRules(baseline=build.baseline("P" * (losses + 60)), stop="eprocess")

    def verdicts(count: int) -> list[set[VerdictName]]:
        judged = [judge_all(suites[:count], {"faq": rules, "law": rules}, side) for side in ("worst", "best")]
        return [{outcome[suite.plan.name].verdict for outcome in judged} for suite in suites[:count]]

    assert verdicts(1) == [{"fail"}]
    assert verdicts(2) == [{"fail", "pass"}] * 2


def _unchanged(build: Build, rng: np.random.Generator, cases: int) -> Evidence:
    """Return a run in which a fifth of the cases flips, losses as often as gains."""
    flips = rng.choice([-1, 0, 1], size=cases, p=[0.1, 0.8, 0.1])
    before = "".join("m" if flip == 1 else "P" for flip in flips)
    now = "".join("m" if flip == -1 else "P" for flip in flips)
    return build.seen(build.suite(now), build.baseline(before))


def test_a_build_without_a_change_fails_by_luck_in_alpha_at_most(build: Build) -> None:
    rng = np.random.default_rng(20261121)
    builds = 300
    failed = sum(p_while_looking(_GATE, _unchanged(build, rng, cases=60)) <= 0.05 for _ in range(builds))
    assert 0 < failed / builds <= 0.05
