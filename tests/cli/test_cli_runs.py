"""Actions of ``runs`` on the folder of a run: the log by case, the dead letters, and the report in a browser."""

from __future__ import annotations

import json
import webbrowser
from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import planned, result_of, run_of, suite_of

from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.results import CaseResult, Trial
from pytest_evalgate.runs import codec, kept, run_file
from pytest_evalgate.runs.run_log import RunLog, path_of_log

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command

RUN = "20260102T000000Z-bbbb"


@pytest.fixture
def run_folder(folder: Path) -> Path:
    """A decided run of three cases, of which one has no output after two trials, and one was never sent."""
    (folder / "evalgate.toml").write_text('[suites.faq]\ngolden = "g.jsonl"\n')
    failed = [CallRecord("target", "m", attempts, 0, 0, None, None) for attempts in (3, 5)]
    errored = [Trial(at, None, calls=(call,), reason=f"HTTP 50{at}") for at, call in enumerate(failed)]
    results = [
        result_of("P", planned("a", 1)),
        CaseResult(planned("b", 2), "errored", tuple(errored)),
        CaseResult(planned("c", 3), "errored", reason="the worker crashed"),
    ]
    run = run_of(suite_of(results), run_id=RUN)
    path = run_file.path_of(folder / ".evalgate", RUN)
    run_file.write(run, path)
    verdict = decide(run, {"faq": SuiteRules(record_without_baseline=True)}, warn_inconclusive=True)
    kept.write(verdict, path.with_name("verdict.json"))
    log = RunLog(path_of_log(path))
    for result in results:
        log.add_case("faq", result.case.id, codec.encode_result(result))
    log.add_stage("run", 1.5)
    log.close(verdict)
    return path.parent


def _json(evalgate: Command, *words: str) -> Any:
    code, out, err = evalgate("runs", *words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.usefixtures("run_folder")
def test_the_log_of_the_newest_run_is_printed_by_case(evalgate: Command) -> None:
    lines = evalgate("runs", "logs")[1].splitlines()
    assert lines[0] == "trial faq a trial=0 outcome=passed"
    assert [line.split()[0] for line in lines] == ["trial", "trial", "trial", "case", "stage", "end"]
    assert "stage stage=run seconds=1.5" in lines
    of_case = _json(evalgate, "logs", RUN, "--case", "b", "--suite", "faq")["rows"]
    assert [(event["trial"], event["reason"]) for event in of_case] == [(0, "HTTP 500"), (1, "HTTP 501")]
    assert evalgate("runs", "logs", "--case", "nope")[1] == "nothing matches\n"


def test_cases_without_an_output_have_their_last_error_and_attempts(run_folder: Path, evalgate: Command) -> None:
    assert evalgate("runs", "logs", "--errored")[1].splitlines() == [
        "faq b: 8 attempts: HTTP 501",
        "faq c: 0 attempts: the worker crashed",
    ]
    rows = _json(evalgate, "logs", str(run_folder), "--errored", "--limit", "1")
    assert rows == {
        "rows": [{"suite": "faq", "case": "b", "trials": 2, "attempts": 8, "error": "HTTP 501"}],
        "more": True,
    }
    assert evalgate("runs", "logs", "--errored", "--case", "a")[1] == "every case has an output\n"


def test_a_long_log_ends_with_the_option_that_shows_more(run_folder: Path, evalgate: Command) -> None:
    assert run_folder.is_dir()
    assert evalgate("runs", "logs", "--limit", "2")[1].splitlines()[-1] == "  only the first 2 lines: raise --limit"


def test_api_keys_are_not_printed(run_folder: Path, evalgate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = '[suites.faq]\ngolden = "g.jsonl"\n[models.m]\nmodel = "m"\napi_key_env = "MY_KEY"\n'
    (run_folder.parents[2] / "evalgate.toml").write_text(settings)
    monkeypatch.setenv("MY_KEY", "the worker crashed")
    assert "the worker crashed" not in evalgate("runs", "logs", "--errored")[1]


def test_a_run_without_a_log_is_named(run_folder: Path, evalgate: Command) -> None:
    (run_folder / "log.jsonl").unlink()
    code, _, err = evalgate("runs", "logs", RUN)
    assert (code, "log.jsonl: this run has no log" in err) == (4, True)
    assert evalgate("runs", "logs", "20200101T000000Z-none")[0] == 4


def test_the_report_of_a_run_is_opened(run_folder: Path, evalgate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def open_page(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", open_page)
    code, out, err = evalgate("runs", "open", RUN)
    page = run_folder / "report.html"
    assert (code, err, opened) == (0, "", [page.as_uri()])
    assert out == f".evalgate/runs/{RUN}/report.html\n"
    assert page.read_text("utf-8").startswith("<!doctype html>")
    monkeypatch.setenv("CI", "true")
    assert "open this page in one" in evalgate("runs", "open", RUN)[2]
