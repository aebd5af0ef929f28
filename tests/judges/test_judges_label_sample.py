"""Samples of a run's outputs: strata, weights, and samples that are topped up."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import planned

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.gates.frame import frame_of
from pytest_evalgate.judges.label_sample import (
    UNJUDGED,
    Candidate,
    DrawnFrom,
    allocate,
    candidates_of,
    draw,
    top_up,
    was_asked,
)
from pytest_evalgate.records.results import CaseResult, Output, Score, Trial


def _result(at: int, verdict: float | None, *, value: float | None = None, text: str = "") -> CaseResult:
    scores = () if verdict is None else (Score("faq", verdict, verdict >= 0.5, counts=False),)
    trial = Trial(0, value, Output(text or f"answer {at}"), scores)
    return CaseResult(planned(f"c{at}", at + 1), "unscored", (trial,))


def _candidates(passes: int, fails: int) -> list[Candidate]:
    return candidates_of([_result(at, float(at < passes)) for at in range(passes + fails)], "faq")


def test_outputs_of_a_run_that_nothing_judged_are_one_stratum() -> None:
    results = [_result(at, None) for at in range(5)]
    assert not was_asked(results, "faq")
    assert {one.stratum for one in candidates_of(results, None)} == {UNJUDGED}
    assert len(candidates_of(results, None)) == 5
    assert candidates_of(results, "faq") == []


def test_without_a_judge_the_verdicts_of_the_cases_are_the_strata() -> None:
    results = [_result(0, None, value=1.0), _result(1, None, value=0.0), _result(2, None)]
    assert [one.stratum for one in candidates_of(results, None)] == ["pass", "fail"]


def test_the_verdict_of_a_judge_that_only_reports_is_a_stratum() -> None:
    assert Counter(one.stratum for one in _candidates(6, 2)) == {"pass": 6, "fail": 2}


@pytest.mark.parametrize(
    ("verdicts", "stratum"),
    [((1.0, 1.0), "pass"), ((1.0, 0.0), "fail"), ((1.0, 0.6), "pass, unsure"), ((1.0, None), None)],
)
def test_an_output_meets_several_notes_if_it_meets_each(
    verdicts: tuple[float | None, ...], stratum: str | None
) -> None:
    scores = tuple(
        Score(f"faq:{number}", value, None if value is None else value >= 0.5)
        for number, value in enumerate(verdicts, start=1)
    )
    result = CaseResult(planned("c1", 1), "unscored", (Trial(0, None, Output("x"), scores),))
    assert was_asked([result], "faq")
    assert [one.stratum for one in candidates_of([result], "faq")] == ([] if stratum is None else [stratum])


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 30), min_size=1), st.integers(0, 60), st.integers(0, 60)
)
def test_topping_up_reaches_what_one_draw_would(sizes: dict[str, int], first: int, more: int) -> None:
    nothing = dict.fromkeys(sizes, 0)
    before = allocate(sizes, nothing, first)
    after = allocate(sizes, before, more)
    assert after == allocate(sizes, nothing, first + more)
    assert sum(after.values()) == min(first + more, sum(sizes.values()))
    assert all(before[name] <= after[name] <= size for name, size in sizes.items())


def test_further_rows_are_new_and_all_weights_follow() -> None:
    candidates = _candidates(90, 10)
    first = draw(candidates, 20, seed=1)
    before = {one.candidate.id: one.drawn_from for one in first.added}
    assert set(first.weights.values()) == {9.0, 1.0}
    second = top_up(candidates, before, 30, seed=2)
    assert len(second.added) == 30
    assert not {one.candidate.id for one in second.added} & before.keys()
    assert {one.drawn_from for one in second.added} <= {one.drawn_from for one in first.added}
    assert len(second.weights) == 50
    assert sorted(set(second.weights.values())) == [1.0, 2.25]
    assert sum(second.weights.values()) == 100


def test_every_output_is_drawn_with_the_stated_probability() -> None:
    candidates = _candidates(12, 3)
    drawn: Counter[str] = Counter()
    for seed in range(600):
        first = draw(candidates, 4, seed)
        before = {one.candidate.id: one.drawn_from for one in first.added}
        drawn.update(top_up(candidates, before, 4, seed).weights.keys())
    shares = np.array([drawn[f"c{at}"] / 600 for at in range(15)])
    assert shares[:12] == pytest.approx(5 / 12, abs=0.07)
    assert shares[12:] == pytest.approx(1.0)


def test_strata_do_not_reveal_the_verdict() -> None:
    names = {frozenset((one.candidate.stratum, one.drawn_from.name) for one in draw(_candidates(5, 5), 4, seed).added)
             for seed in range(20)}  # fmt: skip
    assert len(names) == 2


def test_the_stratum_of_a_row_comes_back() -> None:
    [one, *_] = draw(_candidates(3, 3), 2, 0).added
    assert DrawnFrom.parse(str(one.drawn_from)) == one.drawn_from
    assert [DrawnFrom.parse(text) for text in (None, 3, "", "x/A/1", "0123456789abcdef/A/0")] == [None] * 5


def test_a_sample_of_other_outputs_or_verdicts_is_not_topped_up() -> None:
    candidates = _candidates(8, 4)
    before = {one.candidate.id: one.drawn_from for one in draw(candidates, 4, 0).added}
    other = candidates_of([_result(at, float(at < 8), text="x") for at in range(12)], "faq")
    with pytest.raises(SettingsError, match="drawn from other outputs than those of this run"):
        top_up(other, before, 2, 0)
    with pytest.raises(SettingsError, match="changed since the sample was drawn"):
        top_up(_candidates(7, 5), before, 2, 0)


def test_a_frame_is_that_of_the_outputs_by_id() -> None:
    outputs = [("a", Output("x")), ("b", Output({"y": 1}))]
    assert frame_of(outputs) == frame_of(reversed(outputs)) != frame_of([("a", Output("x")), ("b", Output({"y": 2}))])
    assert frame_of([("a", Output("x"))]) != frame_of([("b", Output("x"))])
