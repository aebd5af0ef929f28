from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import GoldenSetError
from pytest_evalgate.records.cases import Case, GoldenSet, Place
from pytest_evalgate.runs.plan import BranchChanges, make_plan

if TYPE_CHECKING:
    from pytest_evalgate.records.results import SuitePlan


def _plan(*cases: Case, scorers: Any = ("exact",), **fields: Any) -> SuitePlan:
    golden = GoldenSet("g.jsonl", cases, "sha")
    return make_plan("faq", [golden], scorers=list(scorers), **{"trials": 1, "slices": (), **fields})


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


def test_a_planned_case_has_the_fields_that_gates_need() -> None:
    plan = _plan(_CASE, Case("c2", skip="flaky"), trials=3)
    assert (plan.name, plan.golden, plan.golden_sha256, plan.trials) == ("faq", ("g.jsonl",), "sha", 3)
    assert [(case.id, case.place, case.skip) for case in plan.cases] == [
        ("c1", Place("g.jsonl", 4), None),
        ("c2", Place("", 0), "flaky"),
    ]
    assert plan.cases[0].tags == _CASE.tags


@pytest.mark.parametrize(("expected", "values"), [("spam", ["spam"]), (3, ["3"]), (None, ["old"])])
def test_the_expected_class_is_a_slice(expected: Any, values: list[str]) -> None:
    [case] = _plan(Case("c1", expected=expected, tags=("expected:old",)), slices=("expected",)).cases
    assert [value for _, value in case.slices] == values


@pytest.mark.parametrize(("value", "found"), [("c0", "c0"), ("", None), (3, None), (None, None)])
def test_a_variant_names_its_case(value: Any, found: str | None) -> None:
    [case] = _plan(Case("c1", metadata={"variant_of": value})).cases
    assert case.variant_of == found


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


def _document(index: int, document: Any = None) -> Case:
    metadata = {} if document is None else {"document": document}
    return Case(f"c{index}", metadata=metadata, place=Place("g.jsonl", index))


@pytest.mark.parametrize(
    ("case", "by", "cluster"),
    [
        (_document(1, "a.md"), "metadata.document", "a.md"),
        (_document(1, 7), "metadata.document", "7"),
        (Case("c1", tags=("book:moby", "urgent")), "book", "moby"),
        (Case("c1", tags=("book:moby", "urgent")), "tag", "urgent"),
        (Case("c1", slice={"region": "eu"}), "region", "eu"),
    ],
)
def test_a_cluster_is_named_as_a_slice_is(case: Case, by: str, cluster: str) -> None:
    assert _plan(case, cluster=by).cases[0].cluster == cluster


def test_without_a_cluster_key_cases_are_independent() -> None:
    assert _plan(_document(1, "a.md")).cases[0].cluster is None


def test_every_case_without_a_cluster_is_listed_with_its_place() -> None:
    cases = [_document(1, "a.md"), _document(2), _document(3, "b.md"), _document(4)]
    with pytest.raises(GoldenSetError) as caught:
        _plan(*cases, cluster="metadata.document")
    assert str(caught.value).splitlines() == [
        "g.jsonl:2: metadata.document: case c2 is in no clusters: each case needs exactly one",
        "g.jsonl:4: metadata.document: case c4 is in no clusters: each case needs exactly one",
    ]


def test_a_case_in_two_clusters_is_refused() -> None:
    case = Case("c1", tags=("book:moby", "book:emma"), place=Place("g.jsonl", 9))
    with pytest.raises(
        GoldenSetError, match=r"g\.jsonl:9: book: case c1 is in 2 clusters: each case needs exactly one"
    ):
        _plan(case, cluster="book")


def test_a_skipped_case_needs_its_cluster_too() -> None:
    with pytest.raises(GoldenSetError, match="case c1 is in no clusters"):
        _plan(replace(_document(1), skip="flaky"), cluster="metadata.document")


def test_cases_that_a_branch_changed_are_planned_on_both_sides() -> None:
    at_base = replace(_document(2, "old.md"), id="c2@base", side="base")
    sides = BranchChanges(frozenset({"c2"}), (at_base,))
    plan = _plan(_document(1, "a.md"), _document(2, "new.md"), cluster="metadata.document", sides=sides)
    assert [(case.id, case.golden_id, case.side, case.cluster) for case in plan.cases] == [
        ("c1", "c1", "both", "a.md"),
        ("c2", "c2", "head", "new.md"),
        ("c2@base", "c2", "base", "old.md"),
    ]
    assert plan.golden_sha256 == "sha"


def test_a_case_of_the_base_without_a_cluster_is_listed_too() -> None:
    at_base = replace(_document(5), id="c5@base", side="base")
    with pytest.raises(GoldenSetError, match=r"g\.jsonl:5: metadata\.document: case c5@base is in no clusters"):
        _plan(_document(1, "a.md"), cluster="metadata.document", sides=BranchChanges(frozenset(), (at_base,)))


def test_another_aggregate_changes_the_digest_of_the_scorers() -> None:
    mean, passed = _plan(_CASE), _plan(_CASE, aggregate="pass^3")
    assert mean == _plan(_CASE, aggregate="mean")
    assert mean.scorers_sha256 != passed.scorers_sha256
    assert mean.cases == passed.cases
