"""The fields that gates need of a case, a run and a baseline are unchanged after writing and reading."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import BaselineError
from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.cases import Place, Side
from pytest_evalgate.records.results import (
    CaseResult,
    Output,
    PlannedCase,
    Reading,
    Score,
    StopRule,
    SuitePlan,
    SuiteRun,
    Trial,
)
from pytest_evalgate.records.traces import Timing
from pytest_evalgate.records.verdicts import BaselineCase
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import codec, record_file, run_file
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.detectors import DetectedSpan

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import Baseline

_NOW = "2026-01-02T00:00:00Z"
_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_cases = st.builds(
    PlannedCase,
    id=_texts,
    place=st.builds(Place, _texts, st.integers(0, 99)),
    fingerprint=_texts,
    cluster=st.none() | _texts.filter(bool),
    side=st.sampled_from(get_args(Side)),
    weight=st.just(1.0) | st.floats(0.001, 1000),
    trials=st.none() | st.integers(1, 1000),
    variant_of=st.none() | _texts.filter(bool),
)


@given(_cases)
def test_clusters_sides_weights_and_trials_survive(case: PlannedCase) -> None:
    sent = record_file.dumps(codec.encode_case(case))
    assert codec.decode_case(jsonl.loads(sent)) == case


def test_the_size_that_a_sample_is_drawn_from_survives() -> None:
    plan = SuitePlan("faq", ("g.jsonl",), "g", "s", 1, (), drawn_from=1319)
    assert codec.decode_plan(codec.encode_plan(plan)) == plan


def test_the_reasoning_of_an_output_and_the_model_of_a_call_survive() -> None:
    call = CallRecord("target", "m", 1, served="m-mini")
    output = Output("30", finish="reasoning", call=call, reasoning="14?")
    result = CaseResult(PlannedCase("c", Place("g", 1), "f"), "missed", (Trial(0, 0.0, output, calls=(call,)),))
    row = codec.encode_result(result)
    assert codec.decode_result(row, result.case) == result
    codec.check_row({**codec.encode_case(result.case), "suite": "faq", **row})


def test_the_times_of_trials_and_calls_survive_in_run_files_only() -> None:
    call = CallRecord("target", "m", 1, timing=Timing(1.5, 2.25, "ab" * 8))
    trial = Trial(0, 1.0, Output("x", call=call), calls=(call,), timing=Timing(1.0, 3.0))
    case = PlannedCase("a", Place("g.jsonl", 1), "f")
    sent = codec.encode_result(CaseResult(case, "passed", (trial,)))
    (found,) = codec.decode_result(jsonl.loads(record_file.dumps(sent)), case).trials
    assert (found.timing, found.calls[0].timing) == (trial.timing, call.timing)
    codec.check_row({**codec.encode_case(case), "suite": "s", **sent})
    (lean,) = codec.decode_result(sent, case, texts=False).trials
    assert (lean.timing, lean.calls[0].timing) == (None, None)


def test_the_spans_of_a_score_are_stored_if_there_are_any() -> None:
    spans = (DetectedSpan("email", 3, 12), DetectedSpan("card", 20, 36))
    scores = (Score("no-personal-data", 0.0, passed=False, spans=spans), Score("exact", 0.0, passed=False))
    result = CaseResult(PlannedCase("c", Place("g", 1), "f"), "missed", (Trial(0, 0.0, Output("a"), scores),))
    row = codec.encode_result(result)
    assert row["trials"][0]["scores"][0]["spans"][0] == {"kind": "email", "start": 3, "end": 12}
    assert "spans" not in row["trials"][0]["scores"][1]
    assert codec.decode_result(row, result.case) == result
    assert codec.decode_result(row, result.case, texts=False).trials[0].scores == scores
    codec.check_row({**codec.encode_case(result.case), "suite": "faq", **row})


def test_default_values_are_not_stored() -> None:
    stored = codec.encode_case(PlannedCase("c", Place("g", 1), "f"))
    assert stored.keys() == {"id", "file", "line", "fingerprint"}


@pytest.mark.parametrize("stopped", [None, *get_args(StopRule)])
def test_a_run_has_the_rule_that_stopped_it(run: Run, tmp_path: Path, stopped: StopRule | None) -> None:
    ended = replace(run, suites=(replace(run.suites[0], stopped=stopped),))
    run_file.write(ended, tmp_path / "run.jsonl")
    assert run_file.read(tmp_path / "run.jsonl").suites[0].stopped == stopped


def _graded(run: Run, *marks: float | None) -> Run:
    """Give the first case of a run a second scorer with these marks, one a trial."""
    [suite] = run.suites
    first = suite.results[0]
    trials = tuple(
        replace(trial, scores=(*trial.scores, Score("tone", mark, passed=None if mark is None else mark > 0.5)))
        for trial, mark in zip(first.trials, marks, strict=True)
    )
    return replace(run, suites=(SuiteRun(suite.plan, (replace(first, trials=trials), *suite.results[1:])),))


def test_a_score_keeps_its_rationale_and_one_without_is_stored_as_before(run: Run, tmp_path: Path) -> None:
    [suite] = run.suites
    first = suite.results[0]
    judged = Score("faq", 0.0, passed=False, reason="fail", rationale="The policy says 14 days.")
    trials = tuple(replace(trial, scores=(*trial.scores, judged)) for trial in first.trials)
    graded = replace(run, suites=(SuiteRun(suite.plan, (replace(first, trials=trials), *suite.results[1:])),))
    run_file.write(graded, tmp_path / "run.jsonl")
    assert run_file.read(tmp_path / "run.jsonl").suites[0].results[0].trials[0].scores[-1] == judged
    plain, scored = next(run_file.rows(tmp_path / "run.jsonl"))["trials"][0]["scores"]
    assert "rationale" not in plain
    assert scored["rationale"] == "The policy says 14 days."


def _promote(run: Run) -> Baseline:
    return baselines.promote(run, run.suites[0], reason="graded", now=_NOW)


def _again(baseline: Baseline, folder: Path) -> Baseline | None:
    baselines.write(baseline, folder / "b.json")
    return baselines.find(None, suite="faq", file=folder / "b.json", root=folder)


def test_a_baseline_has_the_scores_that_differ_from_its_values(run: Run, tmp_path: Path) -> None:
    baseline = _promote(_graded(run, 0.75, 0.5))
    assert baseline.scorers == ("exact", "tone")
    assert baseline.cases["c1"] == BaselineCase("f1", (1.0, 1.0), {"tone": (0.75, 0.5)})
    assert baseline.cases["c2"].scores == {}
    assert _again(baseline, tmp_path) == replace(baseline, source="file:b.json")


def test_a_score_that_agrees_with_the_case_is_not_stored_twice(run: Run, tmp_path: Path) -> None:
    baseline = _promote(_graded(run, 1.0, 1.0))
    assert baseline.cases["c1"].scores == {}
    baselines.write(baseline, tmp_path / "b.json")
    assert '  "c1": {"fingerprint":"f1","values":[1,1]},' in (tmp_path / "b.json").read_text("ascii").splitlines()


def test_an_unknown_score_is_zero_in_a_baseline(run: Run) -> None:
    assert _promote(_graded(run, 0.75, None)).cases["c1"].scores == {"tone": (0.75, 0.0)}


def test_an_ungraded_output_has_zero_scores_in_a_baseline(run: Run) -> None:
    graded = _graded(run, 0.75, 0.5)
    [suite] = graded.suites
    trials = (suite.results[0].trials[0], Trial(1, 0.0, reason="it raised"))
    result = replace(suite.results[0], trials=trials)
    baseline = _promote(replace(graded, suites=(SuiteRun(suite.plan, (result, *suite.results[1:])),)))
    assert baseline.cases["c1"].scores == {"tone": (0.75, 0.0)}


def test_scores_are_in_the_line_of_their_case(run: Run, tmp_path: Path) -> None:
    baselines.write(_promote(_graded(run, 0.75, 1.0)), tmp_path / "b.json")
    wanted = '  "c1": {"fingerprint":"f1","scores":{"tone":[0.75,1]},"values":[1,1]},'
    assert wanted in (tmp_path / "b.json").read_text("ascii").splitlines()


def test_a_baseline_from_before_scores_has_none(run: Run, tmp_path: Path) -> None:
    baselines.write(_promote(run), tmp_path / "b.json")
    text = (tmp_path / "b.json").read_text("ascii")
    (tmp_path / "b.json").write_text(re.sub(r' "(scorers|sha256)": .*\n', "", text), "ascii")
    found = baselines.find(None, suite="faq", file=tmp_path / "b.json", root=tmp_path)
    assert found is not None
    assert found.scorers == ()


def test_cases_of_the_base_are_not_promoted(run: Run) -> None:
    [suite] = run.suites
    at_base = replace(suite.results[1], case=replace(suite.results[1].case, id="c2@base", side="base"))
    mixed = replace(run, suites=(SuiteRun(suite.plan, (suite.results[0], at_base)),))
    assert list(_promote(mixed).cases) == ["c1"]


def test_the_values_of_metrics_survive_in_runs_and_baselines(run: Run, tmp_path: Path) -> None:
    readings = (Reading("classification:1a2b3c4d", ("refund", None)), Reading("price:1a2b3c4d", (3.5, -2.0)))
    [suite, *others] = run.suites
    results = tuple(
        replace(result, trials=tuple(replace(trial, readings=readings) for trial in result.trials))
        for result in suite.results
    )
    measured = replace(run, suites=(replace(suite, results=results), *others))
    run_file.write(measured, tmp_path / "run.jsonl")
    assert run_file.read(tmp_path / "run.jsonl").suites[0].results[0].trials[0].readings == readings
    promoted = baselines.promote(measured, measured.suites[0], reason="first", now=_NOW)
    baselines.write(promoted, tmp_path / "faq.json")
    found = baselines.find(None, suite=suite.plan.name, file=tmp_path / "faq.json", root=tmp_path)
    assert found is not None
    case = found.cases[results[0].case.id]
    assert case.readings["price:1a2b3c4d"] == ((3.5, -2.0),) * len(results[0].trials)
    assert case.readings == promoted.cases[results[0].case.id].readings


def test_a_baseline_without_one_value_for_each_trial_is_refused(run: Run, tmp_path: Path) -> None:
    promoted = baselines.promote(run, run.suites[0], reason="first", now=_NOW)
    name, case = next(iter(promoted.cases.items()))
    cut = replace(case, readings={"classification:1a2b3c4d": ((),) * (len(case.values) + 1)})
    baselines.write(replace(promoted, cases={**promoted.cases, name: cut}), tmp_path / "faq.json")
    with pytest.raises(BaselineError, match="must be one for each trial"):
        baselines.find(None, suite=promoted.suite, file=tmp_path / "faq.json", root=tmp_path)
