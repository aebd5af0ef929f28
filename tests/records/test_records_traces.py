from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.records.traces import RunTrace, linked_ids

_CONTEXT = f"00-{'ab' * 16}-{'cd' * 8}-01"


@pytest.mark.parametrize(
    ("context", "joins"),
    [
        (_CONTEXT, True),
        (_CONTEXT.replace("00-", "cc-", 1), True),
        ("", False),
        (_CONTEXT.upper(), False),
        (f"00-{'0' * 32}-{'cd' * 8}-01", False),
        (f"00-{'ab' * 16}-{'0' * 16}-01", False),
        (f"{_CONTEXT}\n", False),
        (f"{_CONTEXT}-more", False),
    ],
)
def test_only_a_valid_context_is_joined(context: str, *, joins: bool) -> None:
    trace = RunTrace.begin({"TRACEPARENT": context})
    assert (trace.trace_id == "ab" * 16) == (trace.parent_id == "cd" * 8) == joins
    assert linked_ids(trace.context) == (trace.trace_id, trace.span_id)
    assert (linked_ids(context) is not None) == joins


def test_two_runs_have_different_ids() -> None:
    first, second = RunTrace.begin({}), RunTrace.begin({})
    assert first.trace_id != second.trace_id
    assert first.span_id != second.span_id
    assert first.trial_spans("faq::a", 0) != second.trial_spans("faq::a", 0)


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 3)), min_size=2, unique=True))
def test_ids_of_spans_differ(names: list[tuple[str, int]]) -> None:
    trace = RunTrace("ab" * 16, "cd" * 8, 0.0)
    ids = [trace.case_span(label) for label in {label for label, _ in names}]
    for label, trial in names:
        spans = trace.trial_spans(label, trial)
        ids += [spans.trial, spans.target, *(spans.other(number) for number in range(-4, 4))]
    assert len(set(ids)) == len(ids)
    assert {len(one) for one in ids} == {16}
