"""History: one row for each suite of each complete, decided run.

The file is JSON Lines; rows are appended and never rewritten. Reruns of a commit are counted in it: gates depend on
their number, and no gate depends on the store. Trends and reports read the store, which imports the file once. A line
that cannot be read is skipped with a warning.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.verdicts import HistoryRow
from pytest_evalgate.runs.record_file import RecordFile, check_filled, check_time
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Run, SuitePlan, SuiteRun
    from pytest_evalgate.records.verdicts import Baseline, SuiteVerdict

MAX_ROWS: Final = 500
"""Rows of one suite that are read: more than a year of a nightly run."""

_NAME: Final = "history.jsonl"
_MAX_READ_BYTES: Final = 4 << 20  # about 9,000 rows
_DECIDED: Final = frozenset({"pass", "fail", "inconclusive"})


@dataclass(frozen=True, slots=True)
class History:
    """Rows of a history file, of all suites, oldest first, and warnings about lines that were skipped.

    ``rows`` are complete runs; ``attempts`` also contain suites that stopped early.
    """

    attempts: tuple[HistoryRow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[HistoryRow, ...]:
        """The complete runs, which trends and reports show."""
        return tuple(row for row in self.attempts if not row.stopped)


def file_of(configured: str | None, *, root: Path, state: Path) -> Path:
    """Return the history file.

    Raises:
        SettingsError: It is outside of the root folder.
    """
    if configured is None:
        return state / _NAME
    return files.configured_path(root, configured, "history")


def row_of(
    run: Run, suite: SuiteRun, decided: SuiteVerdict, baseline: Baseline | None, work_sha256: str | None = None
) -> HistoryRow | None:
    """Return the row of one suite; None if the gates have not decided."""
    accounting = decided.accounting
    incomplete = run.problems or run.refused or accounting.errored or (accounting.not_run and suite.stopped is None)
    ran = accounting.passed + accounting.missed
    if incomplete or not ran or decided.verdict not in _DECIDED:
        return None
    stopped = suite.stopped is not None
    if decided.pass_rate is None and not stopped:
        return None
    delta = decided.delta
    return HistoryRow(
        run_id=run.id,
        created=run.created,
        commit=run.commit,
        suite=suite.plan.name,
        cases=decided.cases,
        trials=decided.trials,
        pass_rate=accounting.passed / ran if decided.pass_rate is None else decided.pass_rate,
        discordance=(delta.losses + delta.gains) / delta.pairs if delta is not None and delta.pairs else None,
        golden_sha256=suite.plan.golden_sha256,
        scorers_sha256=suite.plan.scorers_sha256,
        baseline_run_id=None if baseline is None else baseline.provenance.run_id,
        verdict=decided.verdict,
        work_sha256=work_sha256,
        stopped=stopped,
    )


def plan_sha256(plan: SuitePlan) -> str:
    """Return the digest of the golden set, or of its sample, because only runs of the same sample share a trend."""
    if plan.drawn_from is None:
        return plan.golden_sha256
    return jsonl.digest([plan.golden_sha256, sorted(case.golden_id for case in plan.cases)])


def read(path: Path) -> History:
    """Read the newest rows of every suite, at most 500 of each; a repeated row counts once.

    A missing file is an empty history. Other problems become warnings.
    """
    try:
        lines = _newest_lines(path)
    except FileNotFoundError:
        return History()
    except OSError as error:
        return History(notes=(f"{path}: cannot be read: {error.strerror}; reports have no trend",))
    rows: dict[tuple[str, str], HistoryRow] = {}
    kept = Counter[str]()
    skipped: list[RunFileError] = []
    for line in reversed(lines):
        try:
            row = _ROW.parse(line, str(path))
        except RunFileError as error:
            skipped.append(error)
            continue
        if (row.suite, row.run_id) not in rows and kept[row.suite] < MAX_ROWS:
            rows[row.suite, row.run_id] = row
            kept[row.suite] += 1
    notes = (f"{skipped[0]} (lines skipped: {len(skipped)})",) if skipped else ()
    return History(tuple(reversed(rows.values())), notes)


def earlier_attempts(rows: Sequence[HistoryRow], own: HistoryRow) -> tuple[HistoryRow, ...]:
    """Return the attempts before ``own``, oldest first; none without a commit. ``own`` may be one of ``rows``.

    An attempt is a decided run of the same suite with the same commit, cases, scorers and work.
    """
    if own.commit is None:
        return ()
    ids = [row.run_id for row in rows]
    before = rows[: ids.index(own.run_id)] if own.run_id in ids else rows
    return tuple(row for row in before if _IDENTITY(row) == _IDENTITY(own))


_IDENTITY: Final = attrgetter("suite", "commit", "golden_sha256", "scorers_sha256", "work_sha256")


def append(path: Path, rows: Iterable[HistoryRow]) -> None:
    """Append the rows that the file does not contain yet, in one write with fsync.

    Raises:
        StorageError: They cannot be written.
    """
    present = {(row.suite, row.run_id) for row in read(path).attempts}
    lines = [_ROW.dumps(row) for row in rows if (row.suite, row.run_id) not in present]
    if not lines:
        return
    files.append_lines(path, lines)


def dumps(row: HistoryRow) -> bytes:
    """Return a row as a line of a history file."""
    return _ROW.dumps(row)


def _newest_lines(path: Path) -> list[bytes]:
    files.require_regular(path)
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _MAX_READ_BYTES)
        file.seek(start)
        lines = file.read(_MAX_READ_BYTES).splitlines()
    return [line for line in lines[start > 0 :] if line.strip()]  # if the start was skipped, so is its partial line


def _check(row: HistoryRow) -> None:
    check_time("created", row.created)
    check_filled(run_id=row.run_id, suite=row.suite, golden_sha256=row.golden_sha256)
    check_filled(scorers_sha256=row.scorers_sha256, commit=row.commit, baseline_run_id=row.baseline_run_id)
    if row.cases < 1 or row.trials < 1:
        raise ValueError("cases and trials must be at least 1")
    if not all(0 <= share <= 1 for share in (row.pass_rate, row.discordance or 0.0)):
        raise ValueError("pass_rate and discordance must be in [0, 1]")
    if row.verdict not in _DECIDED:
        raise ValueError(f"verdict: {row.verdict} is not one of {', '.join(sorted(_DECIDED))}")


def _encode(row: HistoryRow) -> dict[str, Json]:
    value = dataclasses.asdict(row)
    optional = {"work_sha256": None, "stopped": False}
    return {name: item for name, item in value.items() if name not in optional or item != optional[name]}


_ROW: Final = RecordFile(
    HistoryRow,
    noun="a row of the history",
    error=RunFileError,
    next_step="remove the line to end this warning",
    encode=_encode,
    check=_check,
)
