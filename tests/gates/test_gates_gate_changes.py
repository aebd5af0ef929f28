from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.config import Suite
from pytest_evalgate.guard.settings_changes import gate_changes


def _rates(*minima: float) -> list[dict[str, Any]]:
    return [{"kind": "pass-rate", "min": least} for least in minima]


def _found(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    def suite(gates: list[dict[str, Any]]) -> Suite:
        return Suite.model_validate({"golden": "g.jsonl", "slices": ["lang"], "gates": gates})

    found = gate_changes("suites.faq", suite(before), suite(now))
    return [(change.what, change.where.removeprefix("suites.faq."), change.effect) for change in found]


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ([0.8, 0.9], [0.9, 0.8], []),
        ([0.8, 0.9], [0.9], [("gate changed", "gates[0].min", "stricter")]),
        ([0.8, 0.9], [0.8], [("gate changed", "gates[0].min", "weaker")]),
        ([0.9], [0.8, 0.95], [("gate changed", "gates[1].min", "stricter"), ("gate added", "gates[0]", "stricter")]),
        (
            [0.9, 0.7],
            [0.8, 0.85],
            [("gate changed", "gates[0].min", "weaker"), ("gate changed", "gates[1].min", "stricter")],
        ),
    ],
)
def test_each_old_gate_is_held_against_the_new_one_that_asks_for_most_of_it(
    before: list[float], now: list[float], found: list[tuple[str, str, str]]
) -> None:
    assert _found(_rates(*before), _rates(*now)) == found


def test_a_gate_of_another_scorer_does_not_stand_in() -> None:
    def gate(scorer: str) -> dict[str, Any]:
        return {"kind": "mean-score", "scorer": scorer, "min": 0.9}

    assert _found([gate("a")], [gate("b")]) == [
        ("gate removed", "gates[0]", "weaker"),
        ("gate added", "gates[0]", "stricter"),
    ]


def test_a_slice_gate_on_rates_does_not_stand_in_for_one_on_changes() -> None:
    change, rate = {"kind": "slice", "by": "lang"}, {"kind": "slice", "by": "lang", "min": 0.8}
    assert _found([change], [rate])[0] == ("gate removed", "gates[0]", "weaker")
    assert _found([rate], [change])[0] == ("gate removed", "gates[0]", "weaker")


def test_a_must_pass_gate_may_stand_in_for_two() -> None:
    def gate(*tags: str) -> dict[str, Any]:
        return {"kind": "must-pass", "tags": tags}

    assert {effect for _, _, effect in _found([gate("a"), gate("b")], [gate("a", "b")])} == {"stricter"}
    assert {effect for _, _, effect in _found([gate("a", "b")], [gate()])} == {"stricter"}
    assert "weaker" in {effect for _, _, effect in _found([gate()], [gate("a", "b")])}
