from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.builders import planned, result_of, run_of, suite_of

from pytest_evalgate.errors import StorageError
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.results import CaseResult, Output, Trial
from pytest_evalgate.runs import codec
from pytest_evalgate.runs.run_log import RunLog, read_log

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.verdicts import Verdict


def _verdict() -> Verdict:
    run = run_of(suite_of([result_of("P", planned("a"))]))
    return decide(run, {"faq": SuiteRules()}, warn_inconclusive=True)


def _log(folder: Path, *results: CaseResult) -> list[dict[str, object]]:
    log = RunLog(folder / "runs" / "log.jsonl")
    for result in results:
        log.add_case("faq", result.case.id, codec.encode_result(result))
    log.add_stage("run", 1.23456)
    log.close(_verdict())
    return list(read_log(folder / "runs" / "log.jsonl"))


def test_a_trial_has_its_times_attempts_and_waits(tmp_path: Path) -> None:
    calls = (
        CallRecord("target", "m", 3, 12, 5, 0.001, 0.8, limited=2, waited_s=1.25),
        CallRecord("judge:faq", "j", 1, 40, 2, 0.002, 0.4),
        CallRecord("judge:faq", "j", 0, 40, 2, 0.0, 0.4),
    )
    trial = Trial(0, 1.0, Output("x", latency_s=0.8, call=calls[0]), calls=calls, score_s=0.81)
    event, stage, end = _log(tmp_path, CaseResult(planned("a"), "passed", (trial,)))
    assert event == {
        "event": "trial", "suite": "faq", "case": "a", "trial": 0, "outcome": "passed", "target_s": 0.8,
        "score_s": 0.81, "attempts": 4, "limited": 2, "waited_s": 1.25, "tokens_in": 92, "tokens_out": 9,
        "cost_usd": 0.003, "cached": 1, "judge_s": 0.8,
    }  # fmt: skip
    assert stage == {"event": "stage", "stage": "run", "seconds": 1.235}
    assert (end["event"], end["run"]) == ("end", "r1")
    assert isinstance(end["peak_mib"], float)


def test_cases_without_a_result_are_the_dead_letters(tmp_path: Path) -> None:
    missing = CaseResult(planned("b"), "errored", (Trial(0, None, reason="HTTP 500" + "x" * 900),))
    crashed = CaseResult(planned("c"), "errored", reason="the worker crashed")
    skipped = CaseResult(planned("d"), "skipped")
    _log(tmp_path, result_of("P", planned("a")), missing, crashed, skipped)
    found = list(read_log(tmp_path / "runs" / "log.jsonl", errored=True))
    assert [(event["event"], event["case"]) for event in found] == [("trial", "b"), ("case", "c")]
    assert found[0]["reason"].startswith("HTTP 500")
    assert len(found[0]["reason"]) == 500
    assert found[1]["reason"] == "the worker crashed"


def test_a_damaged_or_missing_log_has_the_events_that_are_left(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert list(read_log(path)) == []
    path.write_text('{"event":"stage"}\n[1]\n{"event":"tri', "utf-8")
    assert list(read_log(path)) == [{"event": "stage"}]
    assert json.loads(path.read_text("utf-8").splitlines()[0]) == {"event": "stage"}
    path.unlink()
    path.mkdir()
    assert list(read_log(path)) == []


def test_long_logs_are_written_in_blocks_and_replace_an_old_one(tmp_path: Path) -> None:
    _log(tmp_path, result_of("P", planned("old")))
    events = _log(tmp_path, *(result_of("P", planned(f"c{number}")) for number in range(4_100)))
    assert len(events) == 4_102
    assert events[0]["case"] == "c0"


def test_an_error_is_raised_at_the_end_only(tmp_path: Path) -> None:
    (tmp_path / "way").write_text("", "utf-8")
    log = RunLog(tmp_path / "way" / "log.jsonl")
    for number in range(4_100):
        log.add_case("faq", f"c{number}", codec.encode_result(result_of("P", planned("a"))))
    with pytest.raises(StorageError, match="cannot be"):
        log.close(_verdict())
