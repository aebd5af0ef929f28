from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_evalgate.gates import pair
from pytest_evalgate.gates.slices import slice_results

if TYPE_CHECKING:
    from tests.gates.conftest import Build


def _sliced(*values: str, by: str = "steps") -> dict[int, dict[str, Any]]:
    return {index: {"slices": ((by, value),)} for index, value in enumerate(values)}


def test_numbers_sort_as_numbers_and_before_words(build: Build) -> None:
    suite = build.suite("PPPPP", fields=_sliced("11", "2", "many", "-1", "2.5"))
    found = slice_results(suite.results, None, "", 0.05)
    assert [piece.value for piece in found] == ["-1", "2", "2.5", "11", "many"]


def test_kinds_of_slices_keep_their_order_of_appearance(build: Build) -> None:
    fields = {0: {"slices": (("tag", "z"), ("lang", "de"))}, 1: {"slices": (("tag", "a"), ("lang", "de"))}}
    found = slice_results(build.suite("Pm", fields=fields).results, None, "", 0.05)
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
    pairing = pair(suite, build.baseline("PPPPP"))
    a, b, c = slice_results(suite.results, pairing, "file:b", 0.05)
    assert a.delta is not None
    assert (a.delta.pairs, a.delta.losses, a.delta.gains, a.delta.edited, a.delta.added) == (2, 1, 0, 1, 0)
    assert b.delta is not None
    assert (b.delta.pairs, b.delta.delta, b.delta.baseline) == (2, -0.5, "file:b")
    assert c.delta is None


def test_a_case_without_the_key_is_in_no_slice(build: Build) -> None:
    assert slice_results(build.suite("PP").results, None, "", 0.05) == ()
