from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_evalgate.config import Suite
from pytest_evalgate.guard.settings_changes import scorer_changes

_Specs = Sequence[str | dict[str, Any]]


def _found(before: _Specs, now: _Specs) -> list[tuple[str, str, str]]:
    old, new = (Suite(golden=("g.jsonl",), scorers=tuple(specs)) for specs in (before, now))
    return [
        (change.what, change.where.removeprefix("s.scorers."), change.effect)
        for change in scorer_changes("s", old, new)
    ]


_PYTHON = {"python": "app.judge:polite"}


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (["exact"], [{"kind": "exact"}], []),
        (["exact", "number"], ["number", "exact"], []),
        (["exact"], ["exact", "number"], [("scorer added", "number", "stricter")]),
        (["exact", "number"], ["exact"], [("scorer removed", "number", "weaker")]),
        (["exact"], ["iexact"], [("scorer removed", "exact", "weaker"), ("scorer added", "iexact", "stricter")]),
        ([_PYTHON], [{**_PYTHON, "threshold": 0.6}], [("scorer changed", "polite", "stricter")]),
        ([_PYTHON], [{**_PYTHON, "threshold": 0.5}], [("scorer changed", "polite", "neutral")]),
        ([_PYTHON], [{**_PYTHON, "threshold": 0.4}], [("scorer changed", "polite", "weaker")]),
        (
            [{"kind": "json-fields"}],
            [{"kind": "json-fields", "threshold": 0.9}],
            [("scorer changed", "json-fields", "weaker")],
        ),
        (["exact", _PYTHON], ["exact", {**_PYTHON, "weight": 2}], [("scorer changed", "polite", "weaker")]),
        ([{**_PYTHON, "weight": 2}], [{**_PYTHON, "weight": 2}, "exact"], [("scorer added", "exact", "weaker")]),
        (
            [{"kind": "exact", "name": "a"}],
            ["exact"],
            [("scorer removed", "a", "weaker"), ("scorer added", "exact", "stricter")],
        ),
    ],
)
def test_what_a_change_of_the_scorers_does(before: _Specs, now: _Specs, found: list[tuple[str, str, str]]) -> None:
    assert _found(before, now) == found


def _contains(value: str, **more: str) -> dict[str, Any]:
    return {"kind": "contains", "value": value, **more}


def test_a_scorer_that_takes_over_the_name_of_another_is_a_change() -> None:
    gated = [_contains("a"), _contains("b")]  # named contains and contains-2
    assert ("scorer changed", "contains-2", "weaker") in _found(gated, [_contains("z", name="contains-2"), *gated])
    assert _found(gated, [gated[1], gated[0]]) == [
        ("scorer changed", "contains", "weaker"),
        ("scorer changed", "contains-2", "weaker"),
    ]


def test_a_scorer_of_a_kind_that_is_not_known_here_is_told_apart_by_what_it_says() -> None:
    [first, second] = _found([{"judge": "faq"}], [{"judge": "other"}])
    assert (first[0], first[2], second[0]) == ("scorer removed", "weaker", "scorer added")
