from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.config import NoRegressionGate, SliceGate
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.gates.slices import slice_results
from pytest_evalgate.stats.families import slice_shrinkage
from pytest_evalgate.stats.intervals import clopper_pearson_lower_one_sided

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.gates.evidence import Evidence
    from pytest_evalgate.records.verdicts import SliceResult, SuiteVerdict


def _described(evidence: Evidence, source: str = "file:b") -> tuple[SliceResult, ...]:
    return slice_results(evidence, evidence, source, 0.05, {})


def _sliced(*values: str, by: str = "steps") -> dict[int, dict[str, Any]]:
    return {index: {"slices": ((by, value),)} for index, value in enumerate(values)}


def test_numbers_sort_as_numbers_and_before_words(build: Build) -> None:
    suite = build.suite("PPPPP", fields=_sliced("11", "2", "many", "-1", "2.5"))
    found = _described(build.seen(suite))
    assert [piece.value for piece in found] == ["-1", "2", "2.5", "11", "many"]


def test_kinds_of_slices_keep_their_order_of_appearance(build: Build) -> None:
    fields = {0: {"slices": (("tag", "z"), ("lang", "de"))}, 1: {"slices": (("tag", "a"), ("lang", "de"))}}
    found = _described(build.seen(build.suite("Pm", fields=fields)))
    assert [(piece.by, piece.value, piece.n, piece.passed) for piece in found] == [
        ("tag", "a", 1, 0),
        ("tag", "z", 1, 1),
        ("lang", "de", 2, 1),
    ]
    assert found[2].pass_rate == 0.5
    assert found[2].interval[0] < 0.5 < found[2].interval[1]
    assert found[2].delta is None


def test_pairs_are_compared_inside_their_slice(build: Build) -> None:
    fields = _sliced("a", "a", "a", "b", "b", "c")
    fields[2]["fingerprint"] = "other"
    suite = build.suite("mPPmPP", fields=fields)
    a, b, c = _described(build.seen(suite, build.baseline("PPPPP")))
    assert a.delta is not None
    assert (a.delta.pairs, a.delta.losses, a.delta.gains, a.delta.edited, a.delta.added) == (2, 1, 0, 1, 0)
    assert b.delta is not None
    assert (b.delta.pairs, b.delta.delta, b.delta.baseline) == (2, -0.5, "file:b")
    assert c.delta is None


def test_a_case_without_the_key_is_in_no_slice(build: Build) -> None:
    assert _described(build.seen(build.suite("PP"))) == ()


def test_a_slice_result_has_the_adjusted_p_of_its_gate(build: Build) -> None:
    suite = build.suite("mmPP", fields=_sliced("a", "a", "b", "b"))
    seen = build.seen(suite, build.baseline("PPPP"))
    a, b = slice_results(seen, seen, "file:b", 0.05, {("steps", "a"): 0.03})
    assert (a.gated, b.gated) == (True, False)
    assert a.delta is not None
    assert (a.delta.p, a.delta.p_adjusted, a.delta.finding) == (0.125, 0.03, "regressed")
    assert b.delta is not None
    assert b.delta.p_adjusted == b.delta.p == 1.0


def test_rates_are_drawn_towards_that_of_their_kind(build: Build) -> None:
    fields = _sliced(*"a" * 40, *"b" * 40, *"c" * 2)
    found = _described(build.seen(build.suite("P" * 38 + "mm" + "P" * 30 + "m" * 10 + "PP", fields=fields)))
    wanted = slice_shrinkage([38, 30, 2], [40, 40, 2])
    assert [piece.shrunken for piece in found] == pytest.approx(list(wanted.shrunk))
    assert found[2].pass_rate == 1.0
    assert found[2].shrunken is not None
    assert 0.84 < found[2].shrunken < 0.95


def _gate(**fields: Any) -> SliceGate:
    return SliceGate.model_validate({"kind": "slice", "by": "steps", **fields})


_OVERALL = NoRegressionGate(kind="no-regression")


def _decided(
    build: Build, now: str, slices: str, *gates: SliceGate | NoRegressionGate, before: str = ""
) -> SuiteVerdict:
    baseline = build.baseline(before or "P" * len(now))
    return decide_suite(build.suite(now, fields=_sliced(*slices)), SuiteRules(gates=gates, baseline=baseline))


def test_a_drop_in_one_slice_fails_the_build(build: Build) -> None:
    now, slices = "P" * 150 + "m" * 8 + "P" * 42, "a" * 100 + "b" * 50 + "c" * 50
    judged = _decided(build, now, slices, _gate())
    assert judged.verdict == "fail"
    assert judged.gates[0].message == (
        "1 of 3 slices by steps dropped: c -16.0 pp (8 worse, 0 better, Holm p=0.0059); "
        "2 too small to gate (fewer than 4 changed cases)"
    )
    assert (judged.gates[0].kind, judged.gates[0].of, judged.gates[0].value) == ("slice", "steps", -0.16)
    assert [piece.gated for piece in judged.slices] == [True, True, True]
    deltas = [piece.delta for piece in judged.slices]
    assert [delta.p_adjusted for delta in deltas if delta] == [1.0, 1.0, pytest.approx(3 * 2**-9)]


def test_slices_share_alpha_with_the_overall_test(build: Build) -> None:
    now, slices = "m" * 5 + "P" * 20 + "P" * 9 + "P" * 6, "a" * 25 + "b" * 15
    before = "P" * 25 + "m" * 9 + "P" * 6
    assert _decided(build, now, slices, _gate(), before=before).verdict == "fail"
    shared = _decided(build, now, slices, _gate(), _OVERALL, before=before)
    assert [gate.result for gate in shared.gates] == ["pass", "pass"]
    assert "no drop is proven in any of 2 slices by steps" in shared.gates[0].message
    assert next(piece.delta.p_adjusted for piece in shared.slices if piece.delta) == pytest.approx(4 * 2**-6)


@pytest.mark.parametrize(("losses", "note"), [(3, "; 2 too small to gate (fewer than 4 changed cases)"), (4, "")])
def test_a_slice_that_cannot_fail_is_named_too_small(build: Build, losses: int, note: str) -> None:
    now, slices = ("m" * losses + "P" * 20) * 2, "a" * (losses + 20) + "b" * (losses + 20)
    [gate] = _decided(build, now, slices, _gate()).gates
    assert gate.message == f"no drop is proven in any of 2 slices by steps{note}"


def test_the_fewest_changed_cases_are_those_of_the_level_that_slices_have(build: Build) -> None:
    now, slices = "mmmm" + "P" * 40, "a" * 22 + "b" * 22
    gains = build.suite(now + "P" * 6, fields=_sliced(*slices, *"b" * 6))
    undecided = SuiteRules(gates=(_gate(), _OVERALL), baseline=build.baseline("P" * 44 + "m" * 6))
    assert (
        decide_suite(gains, undecided).gates[0].message.endswith("; 1 too small to gate (fewer than 5 changed cases)")
    )
    dropped = _decided(build, "m" * 8 + "P" * 36, slices, _gate(), _OVERALL)
    assert [gate.result for gate in dropped.gates] == ["fail", "fail"]
    assert dropped.gates[0].message.endswith("; 1 too small to gate (fewer than 4 changed cases)")


def test_overlapping_slices_are_tested_each_by_itself(build: Build) -> None:
    both: dict[str, Any] = {"slices": (("steps", "long"), ("steps", "hard"))}
    fields = dict.fromkeys(range(10), both) | {index: {"slices": (("steps", "long"),)} for index in range(10, 60)}
    suite = build.suite("m" * 8 + "P" * 52, fields=fields)
    judged = decide_suite(suite, SuiteRules(gates=(_gate(),), baseline=build.baseline("P" * 60)))
    assert [(piece.value, piece.n) for piece in judged.slices] == [("hard", 10), ("long", 60)]
    assert "2 of 2 slices by steps dropped: hard -80.0 pp" in judged.gates[0].message


def test_many_dropped_slices_are_named_by_the_first_three(build: Build) -> None:
    now, slices = ("m" * 10) * 5, "".join(name * 10 for name in "abcde")
    assert "and 2 more" in _decided(build, now, slices, _gate()).gates[0].message


def test_gates_by_the_same_slices_have_a_p_each(build: Build) -> None:
    now, slices = "m" * 7 + "P" * 43, "a" * 25 + "b" * 25
    strict, usual = _decided(build, now, slices, _gate(alpha=0.001), _gate()).gates
    assert (strict.result, usual.result) == ("pass", "fail")


@pytest.mark.parametrize(
    ("slices", "before", "message"),
    [
        ("", "P" * 20, "no case is in a slice by steps"),
        ("a" * 20, "", "only 0.0% of the baseline's 0 cases are paired"),
    ],
)
def test_nothing_to_test_is_no_pass(build: Build, slices: str, before: str, message: str) -> None:
    suite = build.suite("P" * 20, fields=_sliced(*slices))
    held = build.baseline(before or "P")
    if not before:
        held = replace(held, cases={})
    [gate] = decide_suite(suite, SuiteRules(gates=(_gate(),), baseline=held)).gates
    assert gate.result == "invalid"
    assert gate.message.startswith(message)


def test_slices_that_are_not_in_the_baseline_are_no_pass(build: Build) -> None:
    suite = build.suite("P" * 20, fields={index: {"slices": (("steps", "new"),)} for index in (18, 19)})
    [gate] = decide_suite(suite, SuiteRules(gates=(_gate(),), baseline=build.baseline("P" * 18))).gates
    assert gate.result == "invalid"
    assert gate.message == (
        "the baseline has no case of a slice by steps: refresh it: pytest-evalgate baseline promote --reason edited"
    )


def test_slices_that_are_clusters_cannot_be_compared(build: Build) -> None:
    fields = {index: {"slices": (("steps", name),), "cluster": name} for index, name in enumerate("aabb")}
    [gate] = decide_suite(
        build.suite("PPPP", fields=fields), SuiteRules(gates=(_gate(),), baseline=build.baseline("PPPP"))
    ).gates
    assert (gate.result, gate.message) == (
        "invalid",
        "each slice by steps is a single cluster: slice by another field, or remove cluster",
    )


def test_slices_that_are_left_out_are_counted(build: Build) -> None:
    suite = build.suite("P" * 22, fields=_sliced(*"a" * 20, *"bb"))
    [gate] = decide_suite(suite, SuiteRules(gates=(_gate(),), baseline=build.baseline("P" * 20))).gates
    assert gate.result == "pass"
    assert gate.message.endswith("; 1 not compared (no pairs, or a single cluster)")


def test_a_first_run_has_nothing_to_compare(build: Build) -> None:
    suite = build.suite("PP", fields=_sliced("a", "b"))
    assert decide_suite(suite, SuiteRules(gates=(_gate(),))).gates[0].result == "inconclusive"
    refused = decide_suite(suite, SuiteRules(gates=(_gate(),), record_without_baseline=False)).gates[0]
    assert (refused.result, refused.of) == ("invalid", "steps")


@pytest.mark.parametrize(
    ("now", "fields", "result", "message"),
    [
        ("P" * 100, {}, "pass", "2 slices by steps: each at least 80.0%"),
        ("P" * 90 + "m" * 10, {"bound": "point"}, "pass", "2 slices by steps: each at least 80.0%"),
        ("P" * 89 + "m" * 11, {"bound": "point"}, "fail", "1 of 2 slices by steps below 80.0%: b 78.0% of 50"),
        ("P" * 90 + "m" * 10, {}, "inconclusive", "1 of 2 slices by steps too few cases to show 80.0%: b 80.0% of 50"),
        ("P" * 60 + "m" * 40, {"min_n": 51}, "invalid", "no slice by steps has 51 cases: lower min_n, or add cases"),
    ],
)
def test_slices_with_a_minimum(build: Build, now: str, fields: dict[str, Any], result: str, message: str) -> None:
    suite = build.suite(now, fields=_sliced(*"a" * 50, *"b" * 50))
    [gate] = decide_suite(suite, SuiteRules(gates=(_gate(min=0.8, **fields),))).gates
    assert (gate.result, gate.message) == (result, message)
    assert (gate.required, gate.of) == (0.8, "steps")


def test_slices_below_min_n_are_reported_and_not_decided(build: Build) -> None:
    suite = build.suite("P" * 40 + "m" * 19, fields=_sliced(*"a" * 40, *"b" * 19))
    judged = decide_suite(suite, SuiteRules(gates=(_gate(min=0.8),)))
    assert judged.verdict == "pass"
    assert judged.gates[0].message == "1 slice by steps: each at least 80.0%; 1 with fewer than 20 cases not decided"
    assert [(piece.value, piece.gated) for piece in judged.slices] == [("a", False), ("b", False)]


def test_the_worst_slice_gives_the_gate_its_numbers(build: Build) -> None:
    suite = build.suite("P" * 30 + "m" * 20 + "P" * 45 + "m" * 5, fields=_sliced(*"a" * 50, *"b" * 50))
    [gate] = decide_suite(suite, SuiteRules(gates=(_gate(min=0.8),))).gates
    assert (gate.result, gate.value) == ("fail", 0.6)
    assert gate.bound == pytest.approx(clopper_pearson_lower_one_sided(30, 50, 0.95))


def test_a_minimum_without_any_slice_is_invalid(build: Build) -> None:
    [gate] = decide_suite(build.suite("PP"), SuiteRules(gates=(_gate(min=0.8),))).gates
    assert (gate.result, gate.message) == ("invalid", "no case is in a slice by steps")
