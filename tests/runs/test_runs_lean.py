from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import PlannedCase
from pytest_evalgate.runs import codec
from pytest_evalgate.runs.lean import LeanDecoder

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_TEXT = st.sampled_from(["", "a", "b"])
_SCORE = st.fixed_dictionaries(
    {"name": st.sampled_from(["exact", "faq"]), "value": st.sampled_from([None, 0.0, 1.0]), "passed": st.booleans()},
    optional={"reason": _TEXT, "rationale": _TEXT, "weight": st.just(2.0), "counts": st.booleans()},
)
_OUTPUT = st.fixed_dictionaries(
    {"value": st.sampled_from([None, "x", {"a": [1]}])},
    optional={"finish": st.sampled_from(["complete", "length"]), "metadata": st.just({"n": 1}), "reasoning": _TEXT},
)
_CALL = st.fixed_dictionaries({"purpose": st.just("target"), "attempts": st.integers(0, 2)})
_TRIAL = st.fixed_dictionaries(
    {"value": st.sampled_from([None, 0.0, 1.0])},
    optional={
        "reason": _TEXT,
        "output": st.none() | _OUTPUT,
        "latency_s": st.sampled_from([0.5, 0.25]),
        "scores": st.lists(_SCORE, max_size=2),
        "is_final": st.booleans(),
        "score_s": st.just(0.1),
        "calls": st.lists(_CALL, max_size=1),
        "readings": st.just({"f1": ["yes", None]}),
        "raised": st.just({"place": "bot.py:3", "traceback": "long"}),
    },
)
_ROW: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"outcome": st.sampled_from(["passed", "missed", "errored"])},
    optional={
        "trials": st.lists(_TRIAL, max_size=2),
        "reason": _TEXT,
        "is_final": st.booleans(),
        "question": st.just({}),
    },
)
_CASE: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"id": _TEXT, "file": st.just("g.jsonl"), "line": st.integers(1, 3), "fingerprint": _TEXT},
    optional={
        "tags": st.lists(_TEXT, max_size=2),
        "slices": st.lists(st.tuples(_TEXT, _TEXT).map(list), max_size=2),
        "skip": st.just("later"),
        "cluster": st.just("d"),
        "side": st.just("head"),
        "weight": st.just(2.0),
        "planned_trials": st.just(3),
        "variant_of": st.just("a"),
    },
)
_PLANNED = PlannedCase("a", Place("g.jsonl", 1), "f")


@given(st.lists(_ROW, max_size=6), st.booleans())
def test_results_are_those_of_the_codec(rows: list[dict[str, Any]], digests: bool) -> None:  # noqa: FBT001 - drawn
    decoder = LeanDecoder(digests=digests)
    for row in rows * 2:
        expected = codec.decode_result(row, _PLANNED, texts=False, digests=digests)
        assert decoder.result(row, _PLANNED) == expected


@given(st.lists(_CASE, max_size=6))
def test_cases_are_those_of_the_codec(rows: list[dict[str, Any]]) -> None:
    decoder = LeanDecoder()
    assert [decoder.case(row) for row in rows * 2] == [codec.decode_case(row) for row in rows * 2]


def test_equal_trials_are_one_object() -> None:
    row = {
        "outcome": "passed",
        "trials": [{"value": 1.0, "scores": [{"name": "exact", "value": 1.0, "passed": True}]}],
    }
    decoder = LeanDecoder()
    first = decoder.result(row, _PLANNED)
    other = decoder.result({**row, "question": {"input": "q"}}, _PLANNED)
    assert first.trials is other.trials


def test_an_unknown_outcome_is_refused() -> None:
    decoder = LeanDecoder()
    decoder.result({"outcome": "passed"}, _PLANNED)
    with pytest.raises(ValueError, match="'won' is not an outcome"):
        decoder.result({"outcome": "won"}, _PLANNED)
