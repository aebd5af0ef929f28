"""Files written by the code of November 2026, before the record files were merged into one class.

Each is read by today's code and written back byte for byte.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.engine.cache import entries
from pytest_evalgate.judges import calibration, drift
from pytest_evalgate.records.results import Place, PlannedCase, SuitePlan
from pytest_evalgate.runs import baseline, history, journal, kept, run_file
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.runs.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable

_STORED = Path(__file__).parents[1] / "data" / "stored"


def _run(source: Path, target: Path) -> None:
    run, info = run_file.read_with_info(source)
    run_file.write(run, target, info)


def _baseline(source: Path, target: Path) -> None:
    found = baseline.find(None, suite="faq", file=source, root=source.parent)
    assert found is not None
    baseline.write(found, target)


def _history(source: Path, target: Path) -> None:
    history.append(target, history.read(source).rows)


def _calibration(source: Path, target: Path) -> None:
    calibration.write(calibration.read(source), target)


def _drift(source: Path, target: Path) -> None:
    record = drift.read_drift(source)
    assert record is not None
    drift.write_drift(record, target)


def _verdicts(source: Path, target: Path) -> None:
    drift.write_verdicts(drift.read_verdicts(source, name=source.name), target)


def _cassette(source: Path, target: Path) -> None:
    target.write_bytes(b"".join(entries.lines(entries.read([source], root=source.parent).values())))


@pytest.mark.parametrize(
    ("name", "copy"),
    [
        ("run.jsonl", _run),
        ("shard.jsonl", _run),
        ("baseline.json", _baseline),
        ("history.jsonl", _history),
        ("calibration.json", _calibration),
        ("drift.json", _drift),
        ("verdicts.json", _verdicts),
        ("cassette.jsonl", _cassette),
    ],
)
def test_a_stored_file_is_read_and_written_back_unchanged(
    tmp_path: Path, name: str, copy: Callable[[Path, Path], None]
) -> None:
    copy(_STORED / name, tmp_path / name)
    assert (tmp_path / name).read_bytes() == (_STORED / name).read_bytes()


def test_a_stored_verdict_is_read_and_its_new_fields_say_nothing(tmp_path: Path) -> None:
    """The fields of 2026-11-30 and later: each gate's own change, corrected rates, reruns, resumed runs."""
    stored = kept.read(_STORED / "verdict.json")
    kept.write(stored, tmp_path / "verdict.json")
    assert kept.read(tmp_path / "verdict.json") == stored
    before, now = (json.loads(path.read_bytes()) for path in (_STORED / "verdict.json", tmp_path / "verdict.json"))
    assert {**now, **before, "suites": now["suites"]} == now
    assert dict.fromkeys(now.keys() - before.keys(), now["resumed"]) == {"resumed": None}
    for name, suite in before["suites"].items():
        assert set(suite) < set(now["suites"][name])


def test_a_stored_journal_is_found_and_written_back_unchanged(tmp_path: Path) -> None:
    stored = (_STORED / "journal.jsonl").read_bytes()
    path = tmp_path / "runs" / "20260101T120000Z-1f2e3d4c" / "journal.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(stored)
    now = datetime(2026, 1, 1, 11, 59, tzinfo=UTC)
    assert journal.find_interrupted(tmp_path, "f" * 64, now) is None  # its last line is that of a run that ended
    *begun, _ = stored.splitlines(keepends=True)
    path.write_bytes(b"".join(begun))
    head = journal.find_interrupted(tmp_path, "f" * 64, now)
    assert head is not None
    cases = tuple(PlannedCase(f"sql-{n}", Place("golden/sql.jsonl", n), f"g{n}") for n in (1, 2))
    journal.begin(tmp_path, head, [SuitePlan("sql", ("golden/sql.jsonl",), "c" * 64, "d" * 64, 1, cases)])
    assert path.read_bytes() == b"".join(begun)


def test_stored_outputs_of_a_baseline_are_read() -> None:
    assert baseline.read_outputs(_STORED / "baseline.json") == {
        "refund-1": "30 days",
        "refund-2": "Ein Monat \u2013 30 Tage",
    }


def test_the_head_of_a_stored_run_file_is_read() -> None:
    run, info = run_file.read_with_info(_STORED / "run.jsonl")
    assert (run.problems, run.refused) == (("a worker died",), "over the budget of US$1.00")
    assert [suite.stopped for suite in run.suites] == [None, "certainty"]
    assert (info, info.facts, info.notes) == (
        RunInfo("e" * 64, "model:candidate", tier="smoke"),
        {"models": "app, critic"},
        ("2 calls were cached",),
    )
    assert run_file.read_with_info(_STORED / "shard.jsonl")[1].shard == Shard(1, 2)
