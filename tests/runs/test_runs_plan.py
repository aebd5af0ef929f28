from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.data import Case, GoldenSet, Place, SuitePlan
from pytest_evalgate.runs.plan import make_plan


def _plan(*cases: Case, scorers: Any = ("exact",), slices: tuple[str, ...] = (), trials: int = 1) -> SuitePlan:
    golden = GoldenSet("g.jsonl", cases, "sha")
    return make_plan("faq", [golden], scorers=list(scorers), trials=trials, slices=slices)


_CASE = Case(
    "c1",
    input={"lang": "fr"},
    tags=("lang:de", "urgent", "steps:3", "lang:at", "urgent"),
    slice={"region": "eu"},
    metadata={"type": "faq", "deep": {"er": [1, 2]}, "n": 3},
    place=Place("g.jsonl", 4),
    fingerprint="content",
)


@pytest.mark.parametrize(
    ("by", "values"),
    [
        ("lang", ["de", "at"]),
        ("steps", ["3"]),
        ("tag", ["urgent"]),
        ("region", ["eu"]),
        ("metadata.type", ["faq"]),
        ("metadata.n", ["3"]),
        ("metadata.deep.er", ["[1,2]"]),
        ("input.lang", ["fr"]),
        ("metadata.nothing", []),
        ("metadata.type.deeper", []),
        ("nothing.at.all", []),
        ("nothing", []),
    ],
)
def test_slices(by: str, values: list[str]) -> None:
    [case] = _plan(_CASE, slices=(by,)).cases
    assert case.slices == tuple((by, value) for value in values)


def test_a_planned_case_knows_what_the_gates_need() -> None:
    plan = _plan(_CASE, Case("c2", skip="flaky"), trials=3)
    assert (plan.name, plan.golden, plan.golden_sha256, plan.trials) == ("faq", ("g.jsonl",), "sha", 3)
    assert [(case.id, case.place, case.skip) for case in plan.cases] == [
        ("c1", Place("g.jsonl", 4), None),
        ("c2", Place("", 0), "flaky"),
    ]
    assert plan.cases[0].tags == _CASE.tags


def _fingerprint(scorers: Any = ("exact",), **fields: Any) -> str:
    return _plan(Case("c1", **{"fingerprint": "content", **fields}), scorers=scorers).cases[0].fingerprint


def test_fingerprints_change_with_the_content_and_the_scorers_only() -> None:
    assert _fingerprint() == _fingerprint(tags=("a",), metadata={"x": 1}, place=Place("g", 9))
    assert len({_fingerprint(), _fingerprint(fingerprint="other"), _fingerprint(scorers=("number",))}) == 3


def test_the_order_of_golden_sets_does_not_change_their_digest() -> None:
    one, two = GoldenSet("a", (Case("a"),), "sha-a"), GoldenSet("b", (Case("b"),), "sha-b")
    first, second = (make_plan("faq", sets, scorers=[], trials=1, slices=()) for sets in ([one, two], [two, one]))
    assert first.golden_sha256 == second.golden_sha256 != "sha-a"
    assert [case.id for case in first.cases] == ["a", "b"]
