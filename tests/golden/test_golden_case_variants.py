"""Variants of cases: ids, metadata, and what a variant does not take over."""

from __future__ import annotations

import pytest

from pytest_evalgate.golden.case_variants import KINDS, variant_of_kind, with_variants
from pytest_evalgate.records.cases import Case

_CASE = Case("faq-1", input="when does the delivery arrive at the door?", expected="tomorrow", tags=("lang:en",))


def test_a_variant_names_its_case_and_shares_its_cluster() -> None:
    made = with_variants([_CASE], KINDS, seed=0)
    original, *variants = made.cases
    assert dict(original.metadata) == {"cluster": "faq-1"}
    assert [one.id for one in variants] == [f"faq-1~{kind}" for kind in KINDS if kind != "order"]
    assert dict(variants[0].metadata) == {"variant_of": "faq-1", "perturbation": "typo", "cluster": "faq-1"}
    assert {(one.expected, one.tags) for one in variants} == {("tomorrow", ("lang:en",))}
    assert dict(made.unchanged) == {"order": 1}


def test_recorded_outputs_and_labels_stay_with_the_original() -> None:
    case = Case("a", input="please explain everything", output="x", trajectory=({"tool": "t"},), human_label="good")
    variant = variant_of_kind(case, "case", 0)
    assert variant is not None
    assert (variant.output, variant.trajectory, variant.human_label) == (None, None, None)
    assert with_variants([case], ["case"], 0).cases[0].output == "x"


def test_a_cluster_of_the_case_is_kept() -> None:
    case = Case("a", input="please explain everything", metadata={"cluster": "doc-7"})
    assert {one.metadata["cluster"] for one in with_variants([case], ["case", "typo"], 0).cases} == {"doc-7"}


def test_skipped_cases_and_earlier_variants_have_no_variants() -> None:
    cases = [
        Case("a", input="please explain everything", skip="flaky"),
        Case("b~case", input="PLEASE", metadata={"variant_of": "b"}),
    ]
    made = with_variants(cases, ["case"], 0)
    assert [(one.id, one.metadata["cluster"]) for one in made.cases] == [("a", "a"), ("b~case", "b")]


def test_the_last_message_of_the_user_is_changed() -> None:
    messages = (
        {"role": "user", "content": "hello there"},
        {"role": "assistant", "content": "how can i help"},
        {"role": "user", "content": "explain the policy"},
    )
    variant = variant_of_kind(Case("a", messages=messages), "case", 0)
    assert variant is not None
    assert [one["content"] for one in variant.messages] == ["hello there", "how can i help", "EXPLAIN THE POLICY"]


@pytest.mark.parametrize("case", [Case("a", input={"q": "a text"}), Case("a", vars={"q": "text"}), Case("a", input=3)])
def test_questions_that_are_no_text_have_no_variant(case: Case) -> None:
    assert variant_of_kind(case, "case", 0) is None


def test_order_moves_the_passages() -> None:
    passages = ("Returns take a week.", "Delivery is free.", "Shops are open.")
    case = Case("a", input="how long do returns take?", context=passages)
    variant = variant_of_kind(case, "order", 0)
    assert variant is not None
    assert variant.context != passages
    assert sorted(variant.context) == sorted(passages)
    assert variant.input == case.input


@pytest.mark.parametrize(
    "changes",
    [
        {"context": ("one",)},
        {"context": ("same", "same")},
        {"input": "what does the first passage say?"},
        {"input": "what does [2] say?"},
        {"context": ("As stated above, yes.", "No.")},
    ],
)
def test_order_stays_if_it_may_matter(changes: dict[str, object]) -> None:
    known = {"id": "a", "input": "how long?", "context": ("x y", "z w"), **changes}
    assert variant_of_kind(Case(**known), "order", 0) is None  # type: ignore[arg-type]
