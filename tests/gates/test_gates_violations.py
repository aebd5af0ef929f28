"""Violation rates and flips: exact upper bounds, their sentences, missing results, and gates that cannot pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from scipy.stats import binomtest
from tests.builders import plan_of, planned, result_of, suite_of
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import InvarianceGate, ParityGate, SliceGate, ViolationRateGate
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.power import check_power
from pytest_evalgate.gates.stopping import supports_stopping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.gates.conftest import Build

    from pytest_evalgate.config import Gate
    from pytest_evalgate.records.results import PlannedCase, SuiteRun
    from pytest_evalgate.records.verdicts import GateResult

_RATE = ViolationRateGate(kind="violation-rate", max=0.005)
_FLIPS = InvarianceGate(kind="invariance", max_flip=0.05)


def _decided(suite: SuiteRun, gate: Gate, **rules: object) -> GateResult:
    return decide_suite(suite, SuiteRules(gates=(gate,), max_error_rate=1.0, **rules)).gates[0]  # type: ignore[arg-type]


def test_598_clean_cases_show_less_than_half_a_percent(build: Build) -> None:
    found = _decided(build.suite("P" * 598), _RATE)
    assert (found.result, found.message) == ("pass", "598 clean cases show less than 0.5%")
    assert found.bound == pytest.approx(1 - 0.05 ** (1 / 598))
    assert _decided(build.suite("P" * 597), _RATE).result == "inconclusive"


@pytest.mark.parametrize(("violations", "n"), [(0, 50), (1, 598), (3, 400), (7, 20)])
def test_the_bound_is_the_exact_one_sided_one(violations: int, n: int, build: Build) -> None:
    exact = binomtest(violations, n, alternative="less").proportion_ci(0.95, "exact").high
    assert _decided(build.suite("m" * violations + "P" * (n - violations)), _RATE).bound == pytest.approx(exact)


def test_more_violations_than_allowed_fail_and_too_few_cases_are_inconclusive(build: Build) -> None:
    found = _decided(build.suite("mmm" + "P" * 297), ViolationRateGate(kind="violation-rate", max=0.005))
    assert (found.result, found.message) == ("fail", "3 of 300 cases violated, 0.5% allowed")
    found = _decided(build.suite("m" + "P" * 597), _RATE)
    assert found.result == "inconclusive"
    assert found.message.startswith(
        "1 of 598 cases violated, but the rate may be as high as 0.8%, 0.5% allowed. At this"
    )
    found = _decided(build.suite("m" + "P" * 1199), _RATE)
    assert (found.result, found.message) == ("pass", "1 of 1,200 cases violated, less than 0.4% with 95% confidence")


def test_a_missing_output_may_be_a_violation(build: Build) -> None:
    found = _decided(build.suite("P" * 640 + "?" * 4), _RATE)
    assert found.result == "incomplete"


def test_clusters_of_clean_cases_count_once(build: Build) -> None:
    fields = {at: {"cluster": f"attack-{at // 3}"} for at in range(225)}
    found = _decided(build.suite("P" * 225, fields=fields), ViolationRateGate(kind="violation-rate", max=0.04))
    assert (found.result, found.message) == (
        "pass",
        "225 clean cases, equivalent to 75 independent ones, show less than 4%",
    )


def test_a_branch_cannot_pass_by_removing_the_violations(build: Build) -> None:
    removed = {at: {"side": "base"} for at in range(20)}
    found = _decided(build.suite("m" * 20 + "P" * 600, fields=removed), _RATE)
    assert (found.result, found.message[:33]) == ("fail", "on the cases of the base branch: ")


def test_a_judge_that_errs_is_corrected(build: Build) -> None:
    suite, gate = build.judged("m" * 30 + "P" * 270), ViolationRateGate(kind="violation-rate", max=0.2)
    found = _decided(suite, gate, judges={"faq": build.judge((450, 500), (480, 500))})
    assert found.value == pytest.approx(0, abs=0.03)
    assert "after correction for the judge's errors" in found.message or found.result == "pass"


# -- flips


def _families(words: Sequence[str], *, per: int = 1, weights: Sequence[float] | None = None) -> SuiteRun:
    """Return a suite with a case for each word, whose further letters are its variants: ``PPm``.

    ``weights`` are those of the words.
    """
    cases: list[tuple[str, PlannedCase]] = []
    for number, word in enumerate(words):
        for at in range(0, len(word), per):
            name = f"c{number:03}"
            case = planned(
                name if at == 0 else f"{name}~{at}",
                len(cases) + 1,
                variant_of=None if at == 0 else name,
                weight=1.0 if weights is None else weights[number],
            )
            cases.append((word[at : at + per], case))
    return suite_of(result_of(letters, case) for letters, case in cases)


def test_a_flip_is_a_variant_with_another_result_than_its_case() -> None:
    found = _decided(_families(["PPP", "mmm", "PPm", "mPm"] * 20), _FLIPS)
    assert found.result == "fail"
    assert found.value == pytest.approx(0.25)
    assert found.message.startswith(
        "40 of 160 variants of 80 cases flipped, 5.0% allowed: c002~2 (golden/faq.jsonl:9), "
    )


def test_no_flip_of_59_cases_shows_five_percent_however_many_variants() -> None:
    assert _decided(_families(["PPPPP"] * 59), _FLIPS).result == "pass"
    found = _decided(_families(["PPPPP"] * 58), _FLIPS)
    assert found.result == "inconclusive"
    assert found.message == (
        "0 of 232 variants of 58 cases flipped, but the rate may be as high as 5.1%, 5.0% allowed: add cases"
    )


def test_a_flip_more_never_helps() -> None:
    bounds = []
    for flips in range(6):
        words = ["PPPPP"] * (100 - flips) + ["PmPPP"] * flips
        bounds.append(_decided(_families(words), _FLIPS).bound or 0.0)
    assert bounds == sorted(bounds)


def test_a_flip_has_the_weight_of_its_variant() -> None:
    words, weights = ["Pm"] * 10 + ["PP"] * 290, [0.5] * 10 + [1.0] * 290
    plain, light = (_decided(_families(words, weights=one), _FLIPS) for one in (None, weights))
    assert (plain.value, light.value) == pytest.approx((10 / 300, 5 / 295))
    assert "10 of 300 variants of 300 cases flipped, 1.7% by weight" in light.message
    heavy = _decided(_families(words, weights=[4.0] * 10 + [1.0] * 290), _FLIPS)
    assert heavy.result == "fail"
    assert heavy.value == pytest.approx(40 / 330)


def test_clean_families_of_unequal_weight_count_as_their_effective_number() -> None:
    weights = [6.0] * 10 + [1.0] * 60
    units = 120**2 / (36 * 10 + 60)
    found = _decided(_families(["PP"] * 70, weights=weights), _FLIPS)
    assert found.bound == pytest.approx(1 - 0.05 ** (1 / units))
    assert found.result == "inconclusive"
    equal = _decided(_families(["PP"] * 70, weights=[2.5] * 70), _FLIPS)
    assert equal == _decided(_families(["PP"] * 70), _FLIPS)


def test_variants_of_one_case_are_dependent() -> None:
    spread = _decided(_families(["PmPPP"] * 8 + ["PPPPP"] * 92), _FLIPS)
    together = _decided(_families(["Pmmmm"] * 2 + ["PPPPP"] * 98), _FLIPS)
    assert spread.value == together.value
    assert spread.bound is not None
    assert together.bound is not None
    assert spread.bound < together.bound


def test_a_case_passes_if_most_of_its_trials_do() -> None:
    found = _decided(_families(["PPmPPP"] * 40 + ["PmmPmm"] * 30, per=3), _FLIPS)
    assert found.result == "pass"
    assert found.value == 0


def test_missing_results_count_as_flips_and_as_none() -> None:
    assert _decided(_families(["PP"] * 90 + ["P?"] * 10), _FLIPS).result == "incomplete"
    assert _decided(_families(["PP"] * 60 + ["Pm"] * 30 + ["P?"]), _FLIPS).result == "fail"
    assert _decided(_families(["PPPPPP"] * 300 + ["P?"]), _FLIPS).result == "pass"


def test_without_variants_or_with_one_family_the_gate_is_invalid(build: Build) -> None:
    found = _decided(build.suite("P" * 60), _FLIPS)
    assert found.result == "invalid"
    assert "pytest-evalgate perturb SET" in found.message
    assert _decided(_families(["PPPP"]), _FLIPS).result == "invalid"


def test_variants_whose_case_is_not_in_the_run_are_counted() -> None:
    suite = _families(["PP"] * 60)
    without = suite_of(result for result in suite.results if result.case.id != "c000")
    found = _decided(without, replace_max(0.06))
    assert found.message.endswith("; 1 whose case is not in this run left out")


def replace_max(most: float) -> InvarianceGate:
    return _FLIPS.model_copy(update={"max_flip": most})


# -- before a run


def _problems(cases: Sequence[PlannedCase], gate: Gate, **rules: object) -> tuple[str, ...]:
    return check_power(plan_of(cases), SuiteRules(gates=(gate,), **rules)).problems  # type: ignore[arg-type]


def _sliced(**sizes: int) -> list[PlannedCase]:
    names = [name for name, size in sizes.items() for _ in range(size)]
    return [planned(f"c{at}", at + 1, slices=(("group", name),)) for at, name in enumerate(names)]


def test_a_gate_that_cannot_pass_is_a_problem() -> None:
    assert _problems([planned(f"c{at}") for at in range(598)], _RATE) == ()
    assert _problems([planned(f"c{at}") for at in range(100)], _RATE) == (
        (
            "violation-rate <= 0.5% cannot pass with 100 cases, which show at best less than 3%: use at least 598, or "
            "a larger limit"
        ),
    )
    clustered = [planned(f"c{at}", cluster=f"{at // 10}") for at in range(598)]
    assert "cannot pass with 60 clusters" in _problems(clustered, _RATE)[0]
    heavy = [planned(f"c{at}", cluster=f"{at // 10}", weight=1 + at // 300) for at in range(598)]
    assert "cannot pass with 54 effective clusters" in _problems(heavy, _RATE)[0]


def test_variants_are_checked_before_a_run() -> None:
    cases = [result.case for result in _families(["PP"] * 59).results]
    assert _problems(cases, _FLIPS) == ()
    assert "cannot pass with 58 original cases" in _problems(cases[2:], _FLIPS)[0]
    assert _problems([planned("a")], _FLIPS)[-1].startswith("invariance: no case has metadata.variant_of")
    stray = [*cases, planned("z", variant_of="gone")]
    assert _problems(stray, _FLIPS) == (
        "invariance: metadata.variant_of is the id of no case: z (golden/faq.jsonl:1): gone",
    )
    heavy = [result.case for result in _families(["PP"] * 70, weights=[6.0] * 10 + [1.0] * 60).results]
    assert "cannot pass with 34 effective original cases" in _problems(heavy, _FLIPS)[0]
    sampled = check_power(plan_of(stray, drawn_from=900), SuiteRules(gates=(_FLIPS,)))
    assert sampled.problems == ()


def test_groups_that_are_too_small_are_a_problem() -> None:
    gate = ParityGate(kind="parity", by="group", max_gap=0.1)
    assert _problems(_sliced(de=25, en=40), gate) == ()
    assert _problems(_sliced(de=24, en=40), gate) == (
        (
            "parity pass by group <= 10.0 pp cannot pass with the cases of de, even if all pass: use at least 25 "
            "cases each, a larger max_gap, or min_n = 25 to leave smaller ones out"
        ),
    )
    assert _problems(_sliced(de=24, en=40), gate.model_copy(update={"min_n": 25}))[0].startswith(
        "parity pass by group <= 10.0 pp: 1 group by group with 25 cases, two are needed"
    )
    repeated = [planned(f"d{at}", at + 1, slices=(("group", "de"),), trials=2) for at in range(24)]
    assert _problems([*repeated, *_sliced(en=40)], gate.model_copy(update={"min_n": 24})) == ()
    assert _problems(_sliced(de=51, en=80), SliceGate(kind="slice", by="group", max_gap=0.05))[0].startswith(
        "slice group gap <= 5.0 pp cannot pass with the cases of de"
    )


def test_suites_with_gates_that_are_not_monotone_do_not_stop_early(build: Build) -> None:
    plan = plan_of([planned(f"c{at:03}") for at in range(4)])
    rules = SuiteRules(baseline=build.baseline("PPPP"))
    gates: dict[str, tuple[Gate, bool]] = {
        "rate": (_RATE, True),
        "flips": (_FLIPS, False),
        "parity": (ParityGate(kind="parity", by="group", max_gap=0.1), False),
        "gap": (SliceGate(kind="slice", by="group", max_gap=0.1), False),
    }
    for gate, expected in gates.values():
        assert supports_stopping(plan, replace(rules, gates=(gate,))) is expected
