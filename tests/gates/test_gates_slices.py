from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_evalgate.gates.slices import slice_results

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.data import SliceResult
    from pytest_evalgate.gates.evidence import Evidence


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
