"""Spans of texts, and how many two lists have in common."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.scorers.spans import Span, count_spans, read_spans

spans = st.lists(
    st.builds(
        lambda start, length, label: Span(start, start + length, label),
        st.integers(0, 20),
        st.integers(1, 6),
        st.sampled_from("ab"),
    ),
    max_size=6,
)


@given(gold=spans, predicted=spans)
def test_the_two_sides_are_symmetric_and_no_count_exceeds_its_side(gold: list[Span], predicted: list[Span]) -> None:
    for one, other in zip(count_spans(gold, predicted), count_spans(predicted, gold), strict=True):
        assert (one.gold, one.predicted, one.exact) == (other.predicted, other.gold, other.exact)
        assert (one.gold_met, one.predicted_met) == (other.predicted_met, other.gold_met)
        assert one.exact <= one.gold_met <= one.gold
        assert one.exact <= one.predicted_met <= one.predicted


@given(found=spans)
def test_equal_lists_match_exactly(found: list[Span]) -> None:
    assert all(one.gold == one.exact == one.predicted_met for one in count_spans(found, found))


def test_a_repeated_span_counts_each_time() -> None:
    [found] = count_spans([Span(0, 2, "a")], [Span(0, 2, "a"), Span(0, 2, "a")])
    assert (found.gold, found.predicted, found.exact) == (1, 2, 1)


def test_spans_that_touch_do_not_overlap() -> None:
    assert not Span(0, 2, "a").overlaps(Span(2, 4, "a"))
    assert Span(0, 3, "a").overlaps(Span(2, 4, "a"))


def test_spans_are_read_from_a_list_or_from_its_json() -> None:
    assert read_spans('[{"start": 1, "end": 2, "label": "a", "text": "x"}]') == [Span(1, 2, "a")]


@pytest.mark.parametrize(
    "value",
    [None, 3, {}, "prose", ["a"], [{"start": 2, "end": 2, "label": "a"}], [{"start": 0, "end": True, "label": "a"}]],
)
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"span|JSON|value"):
        read_spans(value)
