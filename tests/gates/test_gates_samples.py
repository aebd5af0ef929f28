"""A sample of a suite: judged as it is, and compared on its own cases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.gates import SuiteRules, decide, pair

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.records.results import SuiteRun


def _sample(suite: SuiteRun, drawn_from: int) -> SuiteRun:
    return replace(suite, plan=replace(suite.plan, drawn_from=drawn_from))


def test_what_a_sample_does_not_hold_was_not_removed(build: Build) -> None:
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


def test_the_verdict_names_the_tier_and_its_suites_what_they_are_samples_of(build: Build) -> None:
    suite = build.suite("PPP")
    rules = {suite.plan.name: SuiteRules()}
    verdict = decide(build.run(_sample(suite, 1319)), rules, warn_inconclusive=True, tier="smoke")
    assert verdict.tier == "smoke"
    assert verdict.suites[suite.plan.name].notes[0] == "tier smoke: 3 of 1,319 cases"
    plain = decide(build.run(suite), rules, warn_inconclusive=True)
    assert (plain.tier, plain.suites[suite.plan.name].notes) == ("default", ())
