from __future__ import annotations

import gc
import json
import os
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import planned, suite_of

from pytest_evalgate.config import Settings
from pytest_evalgate.errors import RunFileError
from pytest_evalgate.records.calls import CallRecord, Finish
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import (
    CaseResult,
    Outcome,
    Output,
    PlannedCase,
    Run,
    Score,
    SuitePlan,
    SuiteRun,
    Trial,
)
from pytest_evalgate.runs import codec, record_file, run_file
from pytest_evalgate.runs.run_file import RunInfo, config_sha256
from pytest_evalgate.runs.shard import Shard
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_evalgate.config.tables import Table

_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_floats = st.floats(0, 1)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)
_scores = st.builds(Score, _texts, st.none() | _floats, st.none() | st.booleans(), _texts, st.none() | _floats)
_tokens = st.none() | st.integers(0, 10**9)
_calls = st.lists(
    st.builds(
        CallRecord, _texts, _texts, st.integers(0, 5), _tokens, _tokens, st.none() | _floats, st.none() | _floats
    ),
    max_size=3,
).map(tuple)
_outputs = st.builds(
    Output,
    _json,
    st.dictionaries(_texts, _json, max_size=2),
    st.none() | _floats,
    st.sampled_from(get_args(Finish)),
)


@st.composite
def _some_trials(draw: st.DrawFn) -> tuple[Trial, ...]:
    def trial(index: int) -> Trial:
        calls, output = draw(_calls), draw(st.none() | _outputs)
        if output is not None and calls:
            output = replace(output, call=draw(st.none() | st.sampled_from(calls)))
        scores = draw(st.lists(_scores, max_size=2).map(tuple))
        return Trial(index, draw(st.none() | _floats), output, scores, draw(_texts), calls, draw(st.booleans()))

    return tuple(map(trial, range(draw(st.integers(0, 3)))))


_cases = st.builds(
    PlannedCase,
    _texts,
    st.builds(Place, _texts, st.integers(0, 99)),
    _texts,
    st.lists(_texts, max_size=2).map(tuple),
    st.lists(st.tuples(_texts, _texts), max_size=2).map(tuple),
    st.none() | _texts.filter(bool),
)
_results = st.builds(
    CaseResult,
    _cases,
    st.sampled_from(get_args(Outcome)),
    _some_trials(),
    _texts,
    is_final=st.booleans(),
)


@given(_results)
def test_results_survive_the_way_between_processes(result: CaseResult) -> None:
    sent = record_file.dumps({**codec.encode_case(result.case), **codec.encode_result(result)})
    assert sent.isascii()
    got = jsonl.loads(sent)
    assert codec.decode_result(got, codec.decode_case(got)) == result


@given(_results)
def test_the_gates_get_calls_and_latencies_but_no_texts(result: CaseResult) -> None:
    sent = jsonl.loads(record_file.dumps(codec.encode_result(result)))
    lean = codec.decode_result(sent, result.case, texts=False)
    assert hash(lean.trials) == hash(codec.decode_result(sent, result.case, texts=False).trials)
    assert [trial.calls for trial in lean.trials] == [trial.calls for trial in result.trials]
    for kept, trial in zip(lean.trials, result.trials, strict=True):
        assert (kept.output is None) == (trial.output is None)
        if kept.output is not None and trial.output is not None:
            assert (kept.output.latency_s, kept.output.finish) == (trial.output.latency_s, trial.output.finish)
            assert (kept.output.value, dict(kept.output.metadata), kept.output.call) == (None, {}, None)


def test_an_output_refers_to_its_call_among_several() -> None:
    judge, target = CallRecord("judge:tone", "critic", 1), CallRecord("target", "m", 2, 10, 5, 0.1, 0.5)
    trial = Trial(0, 1.0, Output("text", call=target), calls=(judge, target))
    encoded = codec.encode_result(CaseResult(PlannedCase("c", Place("g", 1), "f"), "passed", (trial,)))
    assert encoded["trials"][0]["output"] == {"value": "text", "call": 1}
    assert encoded["trials"][0]["calls"][0] == {"purpose": "judge:tone", "attempts": 1, "model": "critic"}


@given(st.lists(_cases, max_size=3).map(tuple))
def test_plans_survive(cases: tuple[PlannedCase, ...]) -> None:
    plan = SuitePlan("faq", ("a", "b"), "g", "s", 3, cases)
    assert codec.decode_plan(jsonl.loads(record_file.dumps(codec.encode_plan(plan)))) == plan


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        ({"k\udfff": ["\0"]}, {"k\ufffd": ["\ufffd"]}),
        ("\U0001f600", "\U0001f600"),
        ("\\u0000", "\\u0000"),
        ("\r\n\u2028\x1b[31m", "\r\n\u2028\x1b[31m"),
    ],
)
def test_hostile_outputs_are_stored_and_read_back(run: Run, tmp_path: Path, said: Any, kept: Any) -> None:
    [suite] = run.suites
    result = replace(suite.results[0], trials=(Trial(0, 1.0, Output(said), reason=str(said)),))
    run_file.write(replace(run, suites=(SuiteRun(suite.plan, (result, *suite.results[1:])),)), tmp_path / "run.jsonl")
    output = run_file.read(tmp_path / "run.jsonl").suites[0].results[0].trials[0].output
    assert output is not None
    assert output.value == kept


def test_a_run_is_read_as_it_was_written(run: Run, tmp_path: Path) -> None:
    path = run_file.path_of(tmp_path, run.id)
    run_file.write(run, path)
    assert run_file.read(path) == run
    lines = path.read_text("ascii").splitlines()
    assert len(lines) == 4
    assert json.loads(lines[0])["schema"] == 1


@pytest.mark.parametrize(
    "origin", [RunInfo(), RunInfo("c" * 64, "model:candidate"), RunInfo("c" * 64, shard=Shard(2, 4))], ids=repr
)
def test_a_run_file_has_the_origin_of_its_run(run: Run, tmp_path: Path, origin: RunInfo) -> None:
    run_file.write(run, tmp_path / "run.jsonl", origin)
    assert run_file.read_with_info(tmp_path / "run.jsonl") == (run, origin)
    assert run_file.read(tmp_path / "run.jsonl") == run


@pytest.mark.parametrize(
    ("record", "row", "elsewhere"),
    [
        (CallRecord, codec.CallRow, ()),
        (Score, codec.ScoreRow, ("calls", "may_change")),
        (Output, codec.OutputRow, ("value_sha256", "latency_s")),
        (Trial, codec.TrialRow, ("index",)),
        (CaseResult, codec.CaseRow, ("case", "agreement")),
        (PlannedCase, codec.CaseRow, ("place",)),
        (Place, codec.CaseRow, ()),
    ],
)
def test_every_stored_field_is_validated(record: type, row: type[Table], elsewhere: tuple[str, ...]) -> None:
    assert {field.name for field in fields(record)} - set(elsewhere) <= row.model_fields.keys()


def test_a_run_of_two_suites(run: Run, tmp_path: Path) -> None:
    [suite] = run.suites
    both = replace(run, suites=(suite, SuiteRun(replace(suite.plan, name="new"), suite.results)), problems=("a", "b"))
    run_file.write(both, tmp_path / "run.jsonl")
    assert run_file.read(tmp_path / "run.jsonl") == both


def _drop_last(lines: list[Any]) -> None:
    del lines[-1]


def _head(**fields: Any) -> Callable[[list[Any]], None]:
    return lambda lines: lines[0].update(fields)


def _row(**fields: Any) -> Callable[[list[Any]], None]:
    return lambda lines: lines[1].update(fields)


def _again(lines: list[Any]) -> None:
    lines[2] = lines[1]


def _suite(**fields: Any) -> Callable[[list[Any]], None]:
    return lambda lines: lines[0]["suites"][0].update(fields)


def _trial(**fields: Any) -> Callable[[list[Any]], None]:
    return _row(trials=[{"value": 1.0, **fields}])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_drop_last, ": not a whole run: suite faq has 2 of 3 cases; run again with: pytest --eval-gate"),
        (_again, ": not a whole run: it contains a case or a suite twice"),
        (lambda lines: lines.append(lines[1]), ": not a whole run: it contains a case or a suite twice"),
        (lambda lines: lines[0]["suites"].append(lines[0]["suites"][0]), "it contains a case or a suite twice"),
        (_head(schema=2), ":1: schema 2 is newer than 1: upgrade pytest-evalgate to read it"),
        (_head(schema="1"), ":1: not a run file of pytest-evalgate"),
        (_head(kind="other"), ":1: not a run file of pytest-evalgate"),
        (_head(suites=None), ":1: suites: "),
        (_head(suites=[1]), ":1: suites[0]: "),
        (_head(created="../../etc"), ":1: created: "),
        (_head(commit=5), ":1: commit: "),
        (_head(problems=[None]), ":1: problems[0]: "),
        (_head(duration_s=-1), ":1: duration_s: "),
        (_head(shard={"index": "1", "count": 2}), ":1: shard.index: "),
        (_head(shard={"index": 3, "count": 2}), ":1: shard: give I/N such as 2/4"),
        (_head(new=1), ":1: new: "),
        (_head(**{"\x1b[31m": 1}), ":1: \\x1b[31m: "),
        (_suite(trials=0), ":1: suites[0].trials: "),
        (_suite(golden="g.jsonl"), ":1: suites[0].golden: "),
        (_suite(stopped="bored"), ":1: suites[0].stopped: "),
        (_row(suite="other"), ': not a whole run: the head does not list suite "other"'),
        (_row(outcome="great"), ":2: outcome: "),
        (_row(id=1), ":2: id: "),
        (_row(line="1"), ":2: line: "),
        (_row(slices=[["lang"]]), ":2: slices[0]: "),
        (_row(side="left"), ":2: side: "),
        (_row(trials=[1]), ":2: trials[0]: "),
        (_row(trials={}), ":2: trials: "),
        (_trial(value=True), ":2: trials[0].value: "),
        (_trial(value=2), ":2: trials[0].value: "),
        (_trial(value=0.5), ":2: trials[0].value: "),
        (_trial(latency_s="fast"), ":2: trials[0].latency_s: "),
        (_trial(calls=[{"purpose": "target"}]), ":2: trials[0].calls[0].attempts: "),
        (_trial(calls=[{"purpose": "target", "attempts": -1}]), ":2: trials[0].calls[0].attempts: "),
        (_trial(output={"value": "", "call": 0}), ": not a whole run: an output names call 0 of 0"),
        (_trial(output={"value": "", "finish": "odd"}), ":2: trials[0].output.finish: "),
        (_trial(scores=[{"name": "exact", "value": 7, "passed": True}]), ":2: trials[0].scores[0].value: "),
        (_trial(scores=[{"name": "exact", "value": 1, "passed": 1}]), ":2: trials[0].scores[0].passed: "),
        (lambda lines: lines.clear(), ":1: not a run file of pytest-evalgate"),
    ],
)
def test_an_incomplete_or_malformed_run_is_refused(
    run: Run, tmp_path: Path, change: Callable[[list[Any]], None], told: str
) -> None:
    path = tmp_path / "run.jsonl"
    run_file.write(run, path)
    lines = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    del lines[0]["sha256"]  # as in files of earlier versions
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "ascii")
    with pytest.raises(RunFileError) as caught:
        run_file.read(path)
    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("cut", [1, 50, 400])
def test_a_cut_file_is_refused(run: Run, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "run.jsonl"
    run_file.write(run, path)
    path.write_bytes(path.read_bytes()[: -cut - 1])
    with pytest.raises(RunFileError, match=r"run\.jsonl"):
        run_file.read(path)


def test_lines_that_are_not_json_are_all_reported_before_other_problems(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    run_file.write(run, path)
    head, first, *_ = path.read_text("ascii").splitlines()
    path.write_text(f'{head}\n{{"suite": 1}}\n{{\n{first}\n]', "ascii")
    with pytest.raises(RunFileError) as caught:
        run_file.read(path)
    assert [line.split(" ")[0] for line in str(caught.value).splitlines()] == [f"{path}:3:", f"{path}:5:"]


def test_a_run_without_texts_is_the_run_that_its_session_had(tmp_path: Path) -> None:
    results = tuple(
        CaseResult(
            planned(f"c{index}", index),
            "passed",
            (Trial(0, 1.0, Output({"n": index}, {"m": 1}, 0.5), (Score("exact", 1.0, passed=True, reason="why"),)),),
            question={"input": "x"},
        )
        for index in range(3)
    )
    written = Run("20260101T000000Z-aaaa", "2026-01-01T00:00:00Z", None, (suite_of(results, trials=1),), 1.5)
    path = tmp_path / "run.jsonl"
    encoded = [[json.dumps(codec.encode_result(result)) for result in results]]
    lean = run_file.write_stream(written, [suite.plan for suite in written.suites], encoded, path)
    assert run_file.read(path, run_file.no_texts) == lean != run_file.read(path) == written
    assert len({id(result.trials) for result in run_file.read(path, run_file.no_texts).suites[0].results}) == 1


def test_texts_are_kept_by_suite_and_if_trials_are_compared(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    run_file.write(run, path)
    assert run_file.read(path, run_file.no_texts) == run_file.read(path) == run  # of two trials
    asked: list[str] = []
    run_file.read(path, lambda name: not asked.append(name))  # type: ignore[func-returns-value]
    assert asked == [suite.plan.name for suite in run.suites]


def test_the_origin_is_read_without_the_cases(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    run_file.write(run, path, RunInfo(target="python:bot:answer"))
    path.write_text(path.read_text("ascii").splitlines()[0] + "\n{", "ascii")
    assert run_file.read_info(path).target == "python:bot:answer"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(RunFileError, match=r"archive|zip|ZIP"):
        run_file.read_info(path)


@pytest.mark.parametrize("was_on", [True, False])
def test_garbage_is_collected_again_after_a_file_that_cannot_be_read(tmp_path: Path, *, was_on: bool) -> None:
    before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(RunFileError):
            run_file.read(tmp_path / "gone.jsonl")
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match=r"gone\.jsonl"):
        run_file.read(tmp_path / "gone.jsonl")


def test_the_newest_run_is_found(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match=r"no run is stored in .*: run first with: pytest --eval-gate"):
        run_file.newest(tmp_path)
    ids = ("20260102T000000Z-ffff", "20260102T000000Z-0000", "20260101T235959Z-eeee")
    for second, run_id in enumerate(ids):
        path = run_file.path_of(tmp_path, run_id)
        run_file.write(replace(run, id=run_id), path)
        os.utime(path, (second, second))
    assert run_file.newest(tmp_path).parent.name == ids[1]


_CASE = PlannedCase("a", Place("golden/faq.jsonl", 1), "f")
_SAMPLE = SuitePlan("faq", ("golden/faq.jsonl",), "g", "s", 1, (_CASE,), drawn_from=1319)
_OF_SAMPLE = Run(
    "20260101T000000Z-1", "2026-01-01T00:00:00Z", None, (SuiteRun(_SAMPLE, (CaseResult(_CASE, "not_run"),)),)
)


@pytest.mark.parametrize("tier", ["default", "smoke"])
def test_a_run_file_has_the_tier_and_the_size_that_a_sample_is_drawn_from(tmp_path: Path, tier: str) -> None:
    run_file.write(_OF_SAMPLE, tmp_path / "run.jsonl", RunInfo(tier=tier))
    assert run_file.read_with_info(tmp_path / "run.jsonl") == (_OF_SAMPLE, RunInfo(tier=tier))


@pytest.mark.parametrize("old", ['"drawn_from":1319', '"tier":"smoke"'])
def test_a_wrong_tier_or_sample_size_is_refused(tmp_path: Path, old: str) -> None:
    path = tmp_path / "run.jsonl"
    run_file.write(_OF_SAMPLE, path, RunInfo(tier="smoke"))
    text = path.read_text("ascii")
    assert old in text
    path.write_text(text.replace(old, f"{old.partition(':')[0]}:-1"), "ascii")
    with pytest.raises(RunFileError, match=r"run\.jsonl:1: "):
        run_file.read(path)


_SETTINGS: dict[str, Any] = {"suites": {"faq": {"golden": "g.jsonl", "gates": [{"kind": "pass-rate", "min": 0.8}]}}}


def _digest(**more: Any) -> str:
    return config_sha256(Settings.model_validate({**_SETTINGS, **more}))


@pytest.mark.parametrize(
    "more",
    [
        {"on_inconclusive": "fail"},
        {"max_error_rate": 0.1},
        {"models": {"candidate": {"model": "m"}}},
        {"suites": {"faq": {"golden": "g.jsonl", "gates": [{"kind": "pass-rate", "min": 0.7}]}}},
        {"suites": {**_SETTINGS["suites"], "sql": {"golden": "h.jsonl"}}},
    ],
    ids=str,
)
def test_settings_that_decide_the_verdict_are_digested(more: dict[str, Any]) -> None:
    assert _digest(**more) != _digest()


@pytest.mark.parametrize(
    "more", [{"xdist": "spread"}, {"history": "h.jsonl"}, {"budget_usd": 1.0}, {"max_duration_s": 5.0}], ids=str
)
def test_settings_that_change_only_how_a_run_proceeds_are_not_digested(more: dict[str, Any]) -> None:
    assert _digest(**more) == _digest()


@pytest.mark.parametrize("value", ["\ud800", "\N{GRINNING FACE}", -0.0, 10**30, float("inf"), 0.1 + 0.2])
@pytest.mark.parametrize("depth", [0, 300])
def test_rows_are_what_json_reads(value: Any, depth: int, tmp_path: Path) -> None:
    row = {"value": json.loads("[" * depth + json.dumps(value) + "]" * depth), "id": "a"}
    file = tmp_path / "run.jsonl"
    file.write_text(f"{{}}\n{json.dumps(row)}\n", "ascii")
    assert list(map(repr, run_file.rows(file))) == [repr(row)]


def test_a_cut_row_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    file.write_text('{}\n{"id":"a', "ascii")
    with pytest.raises(ValueError, match="Unterminated string"):
        list(run_file.rows(file))
