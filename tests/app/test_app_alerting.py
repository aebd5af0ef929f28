"""Events that need a history, a baseline or a drift record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.builders import NOW, baseline_of, run_of, suite_from

from pytest_evalgate.app.alerting import AlertFinder
from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.config import Settings
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges import drift
from pytest_evalgate.records.verdicts import Calibration, HistoryRow
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import history, run_file
from pytest_evalgate.runs.run_file import RunInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_evalgate.records.alerts import Alert, AlertKind
    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import VerdictName

_SUITE = {"golden": "g.jsonl", "baseline": "b.json", "gates": [{"kind": "no-regression"}], "owner": "me"}


def _row(number: int, rate: float, verdict: VerdictName = "pass") -> HistoryRow:
    return HistoryRow(
        f"r{number:02}", NOW, f"{number:07x}", "faq", 100, 1, rate, None, "g" * 64, "s" * 64, "r0", verdict
    )


def _found(
    root: Path, run: Run, kinds: Sequence[AlertKind], rows: Sequence[HistoryRow] = (), settings: Settings | None = None
) -> tuple[Alert, ...]:
    settings = settings or Settings.model_validate({"suites": {"faq": _SUITE}})
    if rows:
        history.append(root / "history.jsonl", rows)
    decider = RunDecider(root, settings, root, settings.suites.get)
    verdict = decider.decide(run, decider.rules(["faq"], pytest.fail))
    verdict = decider.append_history(run, RunInfo(), verdict)
    return AlertFinder(run, {"faq: target": "m-2 at URL, prompt a.md (2)"}, verdict, decider).find(kinds)


def _run(passed: int, missed: int, number: int = 20) -> Run:
    run = run_of(suite_from("P" * passed + "m" * missed), run_id=f"r{number:02}")
    return replace(run, commit=f"{number:07x}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a baseline whose 100 cases all passed."""
    baselines.write(baseline_of({f"c{at}": (1.0,) for at in range(100)}), tmp_path / "b.json")
    return tmp_path


def test_a_failure_is_compared_with_the_last_run_that_passed(root: Path) -> None:
    run_file.write(
        _run(100, 0, 1), run_file.path_of(root, "r01"), RunInfo(facts={"faq: target": "m-1 at URL, prompt a.md (1)"})
    )
    (alert,) = _found(root, _run(80, 20), ["fail"], [_row(1, 1.0), _row(2, 0.8, "fail")])
    assert alert.amount.startswith("-20.0 pp")
    assert (alert.since, alert.owner) == ("run r01 (commit 0000001)", "me")
    assert alert.causes == (
        "model: m-1 at URL -> m-2 at URL",
        "prompt: a.md (1) -> a.md (2)",
        "code: commit 0000001 -> 0000014",
    )


def test_a_failure_without_a_history_is_compared_with_the_baseline(root: Path) -> None:
    (alert,) = _found(root, _run(80, 20), ["fail"])
    assert alert.since == "run r0"
    assert alert.causes[:2] == ("data: the golden set changed", "judge: scorers or their judges changed")


def test_the_recovery_names_the_first_run_that_failed(root: Path) -> None:
    rows = [_row(1, 1.0), _row(2, 0.8, "fail"), _row(3, 0.7, "fail")]
    (alert,) = _found(root, _run(100, 0), ["recovered"], rows)
    assert (alert.what, alert.amount) == ("passes after 2 failed runs", "70.0% -> 100.0%")
    assert alert.since == "run r02 (commit 0000002)"


def test_a_failed_run_that_stopped_early_counts_as_failed(root: Path) -> None:
    rows = [_row(1, 1.0), replace(_row(2, 0.2, "fail"), stopped=True)]
    (alert,) = _found(root, _run(100, 0), ["recovered"], rows)
    assert (alert.since, alert.amount) == ("run r02 (commit 0000002)", "")


def test_a_decline_is_reported_once_with_what_changed_in_its_first_run(root: Path) -> None:
    settings = Settings.model_validate({"suites": {"faq": {**_SUITE, "gates": [{"kind": "pass-rate", "min": 0.5}]}}})
    rows = [_row(number, 0.98) for number in range(1, 11)]
    alarmed = None
    for number in range(11, 16):
        found = _found(root, _run(90, 10, number), ["trend"], rows if number == 11 else (), settings)
        if found:
            assert alarmed is None
            (alarmed,) = found
    assert alarmed is not None
    assert alarmed.since == "run r11 (commit 000000b)"
    assert "code: commit 000000a -> 000000b" in alarmed.causes


def test_a_stable_suite_has_no_event(root: Path) -> None:
    rows = [_row(number, 1.0) for number in range(1, 11)]
    assert _found(root, _run(100, 0), ["fail", "recovered", "trend", "drift", "stalled", "cost"], rows) == ()


@pytest.mark.parametrize(("finding", "events"), [("drifted", 1), ("steady", 0)])
def test_a_drift_record_of_a_judge_is_an_event(root: Path, finding: drift.DriftFinding, events: int) -> None:
    settings = Settings.model_validate(
        {
            "models": {"m": {"model": "judge-1", "api_key_env": ""}},
            "judges": {"j": {"model": "m", "criteria": "Is it right?", "calibration": "c.json", "report_only": True}},
            "suites": {"faq": {**_SUITE, "scorers": ["exact", {"judge": "j"}]}},
        }
    )
    made = Calibration("j", "f", {"model": "x"}, "labels.csv", "l", "2026-01-01T00:00:00Z", 50, 49, 50, 49)
    calibrations.write(made, root / "c.json")
    record = drift.DriftRecord("j", "2026-02-01T00:00:00Z", "anchors.csv", finding)
    drift.write_drift(record, drift.drift_file(root / "c.json"))
    found = _found(root, _run(100, 0), ["drift"], settings=settings)
    assert [alert.subject for alert in found] == ["j"] * events
    if events:
        assert found[0].since == "the calibration of 2026-01-01"
        assert found[0].causes == ("judge: judge-1 grades differently",)
