from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.pairing import repeats_of
from pytest_evalgate.records.results import Repeats
from pytest_evalgate.stats.clusters import icc_anova
from pytest_evalgate.stats.stability import flip_rate

if TYPE_CHECKING:
    from tests.gates.conftest import Build


def _repeats(build: Build, trials: str, n_eff: float = 1.0) -> Repeats | None:
    return repeats_of(build.suite(trials).results, n_eff)


@pytest.mark.parametrize("trials", ["P m P", "P? ?? m?", "- -"])
def test_without_two_trials_of_a_case_there_is_nothing_to_say(build: Build, trials: str) -> None:
    assert _repeats(build, trials) is None


def test_flips_and_likeness_of_the_trials(build: Build) -> None:
    found = _repeats(build, "PPm PPP mmm Pmm", n_eff=7.5)
    flips, icc = flip_rate([2, 3, 0, 1], [3] * 4), icc_anova([2, 3, 0, 1], 3)
    assert icc is not None
    assert found == Repeats(flips.rate, 2, icc.icc, icc.design_effect, 7.5)
    assert found.flip_rate == pytest.approx((2 / 3 + 0 + 0 + 2 / 3) / 4)


def test_trials_that_all_agree_have_no_likeness(build: Build) -> None:
    assert _repeats(build, "PPP PPP") == Repeats(0.0, 0, None, None, 1.0)


def test_cases_with_missing_trials_are_left_out(build: Build) -> None:
    assert _repeats(build, "PPm Pm? ??? mmm") == _repeats(build, "PPm mmm")


def test_unequal_trials_have_flips_and_no_likeness(build: Build) -> None:
    found = _repeats(build, "Pm PPm mm")
    assert found is not None
    assert (found.flaky, found.icc, found.design_effect) == (2, None, None)
    assert found.flip_rate == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_a_suite_with_trials_says_what_its_rate_is_worth(build: Build) -> None:
    judged = decide_suite(build.suite("PPm PPP mmm Pmm"), SuiteRules())
    assert judged.repeats is not None
    assert judged.repeats.n_eff == build.seen(build.suite("PPm PPP mmm Pmm")).rate.n_eff
    assert decide_suite(build.suite("PmP"), SuiteRules()).repeats is None
