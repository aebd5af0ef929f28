"""Pooling of the trials of several attempts at one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.app.reruns import pool, rerun_note
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.records.attempts import Reruns
from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, Output, PlannedCase, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.records.verdicts import HistoryRow
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.attempts import OnRerun
    from pytest_evalgate.records.results import StopRule

_SENT, _CACHED = CallRecord("target", "bot", 1), CallRecord("target", "bot", 0)


def _run(name: str, letters: str, *, call: CallRecord | None = _SENT, fingerprint: str = "f", text: str = "") -> Run:
    """``P`` passed, ``m`` missed, ``-`` not run."""
    results = []
    for index, letter in enumerate(letters):
        case = PlannedCase(f"c{index}", Place("g.jsonl", index + 1), fingerprint)
        output = Output(f"{letter}{text}", call=call)
        trial = Trial(0, float(letter == "P"), output, calls=() if call is None else (call,))
        results.append(CaseResult(case, "not_run") if letter == "-" else combine_trials(case, [trial]))
    plan = SuitePlan("faq", ("g.jsonl",), "g", "s", 1, tuple(result.case for result in results))
    stopped: StopRule | None = "certainty" if "-" in letters else None
    return Run(name, "2026-01-01T00:00:00Z", "8c1f2d0", (SuiteRun(plan, tuple(results), stopped),))


def _row(run_id: str) -> HistoryRow:
    return HistoryRow(run_id, "2026-01-01T00:00:00Z", "8c1f2d0", "faq", 2, 1, 0.5, None, "g", "s", None, "fail", "w")


def _pooled(
    tmp_path: Path, own: Run, *earlier: Run | str, policy: OnRerun = "pool"
) -> tuple[list[list[float | None]], Reruns]:
    """Return the values of each case; a text is the id of an attempt whose run is gone."""
    for run in (own, *earlier):
        if isinstance(run, Run):
            run_file.write(run, run_file.path_of(tmp_path, run.id))
    rows = [_row(run if isinstance(run, str) else run.id) for run in earlier]
    found = pool(own, {"faq": rows}, {"faq": "r0"}, state=tmp_path, policy=policy)
    [suite] = found.run.suites
    assert suite.plan.trials == max(1, *(len(result.trials) for result in suite.results))
    return [[trial.value for trial in result.trials] for result in suite.results], found.reruns["faq"]


def test_the_fresh_trials_of_all_attempts_are_pooled(tmp_path: Path) -> None:
    found = _pooled(tmp_path, _run("r3", "PP"), _run("r1", "mm"), _run("r2", "Pm"))
    assert found == ([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]], Reruns(3, 3))


def test_the_run_of_the_baseline_counts_and_is_not_pooled(tmp_path: Path) -> None:
    assert _pooled(tmp_path, _run("r2", "mm"), _run("r0", "PP")) == ([[0.0], [0.0]], Reruns(2))


def test_a_first_attempt_is_unchanged(tmp_path: Path) -> None:
    own = _run("r1", "Pm")
    found = pool(own, {"faq": ()}, {}, state=tmp_path, policy="pool")
    assert (found.run, found.reruns) == (own, {})


def test_counting_changes_no_trial(tmp_path: Path) -> None:
    assert _pooled(tmp_path, _run("r2", "PP"), _run("r1", "mm"), policy="count") == ([[1.0], [1.0]], Reruns(2))


@pytest.mark.parametrize(
    ("own", "earlier", "values", "used"),
    [
        pytest.param(_run("r2", "mm", call=_CACHED), [_run("r1", "mm")], [[0.0], [0.0]], 1, id="own from the cache"),
        pytest.param(_run("r2", "PP"), [_run("r1", "mm", call=_CACHED)], [[1.0], [1.0]], 1, id="earlier cached"),
        pytest.param(_run("r2", "PP", call=None), [_run("r1", "PP", call=None)], [[1.0], [1.0]], 1, id="same outputs"),
        pytest.param(
            _run("r2", "PP", call=None), [_run("r1", "mP", call=None)], [[1.0, 0.0], [1.0, 1.0]], 2, id="other outputs"
        ),
        pytest.param(
            _run("r3", "PP", call=None),
            [_run("r1", "mm", call=None), _run("r2", "mm", call=None)],
            [[1.0, 0.0], [1.0, 0.0]],
            2,
            id="a recorded file counts once",
        ),
        pytest.param(_run("r2", "PP"), [_run("r1", "mm", fingerprint="x")], [[1.0], [1.0]], 2, id="another case"),
        pytest.param(_run("r2", "PP"), [_run("r1", "m-")], [[1.0, 0.0], [1.0]], 2, id="stopped early"),
        pytest.param(_run("r2", "PP"), [_run("r1", "PP")], [[1.0, 1.0], [1.0, 1.0]], 2, id="sent twice, same answers"),
    ],
)
def test_an_answer_counts_once(
    tmp_path: Path, own: Run, earlier: list[Run], values: list[list[float]], used: int
) -> None:
    found, reruns = _pooled(tmp_path, own, *earlier)
    assert (found, reruns.pooled, reruns.attempt) == (values, used, len(earlier) + 1)


def test_an_attempt_whose_run_is_gone_counts(tmp_path: Path) -> None:
    assert _pooled(tmp_path, _run("r3", "PP"), "r1", _run("r2", "mm")) == ([[1.0, 0.0]] * 2, Reruns(3, 2, ("r1",)))


@pytest.mark.parametrize("text", ["", "{", '{"kind": "evalgate-run"}\n'])
def test_an_unusable_run_file_is_gone(tmp_path: Path, text: str) -> None:
    path = run_file.path_of(tmp_path, "r1")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert _pooled(tmp_path, _run("r2", "PP"), "r1")[1] == Reruns(2, 1, ("r1",))


def test_the_run_file_of_another_run_is_gone(tmp_path: Path) -> None:
    run_file.write(_run("other", "PP"), run_file.path_of(tmp_path, "r1"))
    assert _pooled(tmp_path, _run("r2", "PP"), "r1")[1] == Reruns(2, 1, ("r1",))


def test_calls_of_earlier_attempts_are_not_paid_again(tmp_path: Path) -> None:
    run_file.write(_run("r1", "mm"), run_file.path_of(tmp_path, "r1"))
    found = pool(_run("r2", "PP"), {"faq": [_row("r1")]}, {}, state=tmp_path, policy="pool")
    [suite] = found.run.suites
    assert [len(trial.calls) for result in suite.results for trial in result.trials] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("reruns", "policy", "note"),
    [
        (Reruns(2), "count", 'attempt 2 of this commit: counted only (on_rerun = "count")'),
        (
            Reruns(3, 3),
            "pool",
            "attempt 3 of this commit: decided on the trials of 3 attempts; lists of cases are those of this one",
        ),
        (
            Reruns(2),
            "pool",
            "attempt 2 of this commit: there are no other fresh answers to pool",
        ),
        (
            Reruns(2, 1, ("r1",)),
            "pool",
            "attempt 2 of this commit; the run file of an earlier one is gone, so it only counts: r1",
        ),
        (
            Reruns(4, 2, ("r1", "r2")),
            "pool",
            "attempt 4 of this commit: decided on the trials of 2 attempts; lists of cases are those of this one; "  # noqa: ISC004 - one text
            "the run files of 2 earlier ones are gone, so they only count: r1, r2",
        ),
    ],
)
def test_the_note_says_what_was_pooled(reruns: Reruns, policy: OnRerun, note: str) -> None:
    assert rerun_note(reruns, policy) == note
