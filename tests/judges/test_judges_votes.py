from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import product
from statistics import median
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.judges.judge import Vote, collect_votes, decided_value, reason
from pytest_evalgate.judges.question import Material
from pytest_evalgate.records.results import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.records.calls import Call

_MATERIAL = Material(Case("c"), "x")


def _votes(*values: float | None) -> list[Vote]:
    return [Vote(value, "no verdict" if value is None else f"says {value:g}", "why") for value in values]


@dataclass
class _Voter:
    script: list[Vote]
    asked: list[int] = field(default_factory=list)

    def calls_of(self, material: Material, index: int) -> Iterator[Call]:
        raise NotImplementedError

    async def vote(self, material: Material, index: int) -> Vote:
        assert material is _MATERIAL
        self.asked.append(index)
        return self.script[index]


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ((1.0,), 1.0),
        ((None,), None),
        ((), None),
        ((1.0, 1.0, 0.0), 1.0),
        ((1.0, 0.0, 0.0), 0.0),
        ((None, 1.0, 1.0), 1.0),
        ((None, 0.0, 0.0), 0.0),
        ((None, 1.0, 0.0), None),
        ((None, None, 1.0), None),
        ((0.25, 0.75, 0.5), 0.5),
        ((None, 0.75, 0.75), 0.75),
        ((None, 0.5, 0.75), None),
        ((None, None, 0.5, 0.5, 0.5), 0.5),
    ],
)
def test_the_outcome_is_the_median_where_what_is_unknown_cannot_move_it(
    values: tuple[float | None, ...], outcome: float | None
) -> None:
    assert decided_value(_votes(*values), len(values) or 1) == outcome


@given(st.lists(st.none() | st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=5), st.integers(0, 2))
def test_settled_is_what_every_completion_says(values: list[float | None], more: int) -> None:
    votes = (len(values) + more) | 1
    known = [value for value in values if value is not None]
    completions = {median([*known, *rest]) for rest in product((0.0, 0.5, 1.0), repeat=votes - len(known))}
    assert decided_value(_votes(*values), votes) == (completions.pop() if len(completions) == 1 else None)


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ((1.0, 1.0, 0.0), 2),
        ((1.0, 0.0, 1.0), 3),
        ((0.0, 0.0, 1.0), 2),
        ((0.75, 0.5, 0.5), 3),
        ((None, 1.0, 1.0), 3),
        ((None, None, 1.0), 2),
        ((1.0, None, None), 3),
        ((1.0, 1.0, 1.0, 0.0, 0.0), 3),
        ((None, None, None, 1.0, 1.0), 3),
    ],
)
def test_no_vote_is_asked_for_that_cannot_change_anything(values: tuple[float | None, ...], asked: int) -> None:
    voter = _Voter(_votes(*values))
    cast = asyncio.run(collect_votes(voter, _MATERIAL, len(values)))
    assert voter.asked == list(range(asked))
    assert cast == voter.script[:asked]


@given(st.lists(st.none() | st.sampled_from([0.0, 0.5, 1.0]), min_size=5, max_size=5))
def test_stopping_early_never_changes_the_outcome(values: list[float | None]) -> None:
    cast = asyncio.run(collect_votes(_Voter(_votes(*values)), _MATERIAL, 5))
    assert decided_value(cast, 5) == decided_value(_votes(*values), 5)


def test_what_the_votes_say() -> None:
    assert reason(_votes(1.0), 1.0) == "says 1: why"
    assert reason([Vote(0.0, "fail", "")], 0.0) == "fail"
    assert reason(_votes(0.0, 1.0, 1.0), 1.0) == "says 1: why; votes: says 0, says 1, says 1"
    assert reason(_votes(1.0, None, 0.0), None) == "no verdict: why; votes: says 1, no verdict, says 0"
