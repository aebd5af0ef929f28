"""The history: one line for every suite of every whole, judged run, kept from build to build.

JSON Lines that are appended to and never rewritten. Nothing but advice comes of them, so a line that cannot be read is
left out with a note.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.results import HistoryRow
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_evalgate.records.results import Baseline, Delta, Json, Run, SuiteRun, SuiteVerdict

SCHEMA = 1

MAX_ROWS = 500
"""Rows of one suite that are read: years of a nightly run."""

_NAME = "history.jsonl"
_MAX_READ_BYTES: Final = 4 << 20  # bytes, about 9,000 rows
_DECIDED: Final = frozenset({"pass", "fail", "inconclusive"})


@dataclass(frozen=True, slots=True)
class History:
    """What a history file holds: rows of all suites, oldest first, and notes on what was left out."""

    rows: tuple[HistoryRow, ...] = ()
    notes: tuple[str, ...] = ()


def file_of(configured: str | None, *, root: Path, state: Path) -> Path:
    """Return the file in which the history is kept.

    Raises:
        SettingsError: it lies outside of the root folder.

    """
    if configured is None:
        return state / _NAME
    try:
        return files.resolve_inside(root, Path(configured))
    except ValueError as error:
        raise SettingsError(f"history: {error}") from None


def row_of(run: Run, suite: SuiteRun, judged: SuiteVerdict, baseline: Baseline | None) -> HistoryRow | None:
    """Return what the history keeps of one suite; None unless every case has its answer and the gates have judged."""
    accounting = judged.accounting
    broken = run.problems or run.refused or suite.stopped or accounting.not_run or accounting.errored
    if broken or judged.pass_rate is None or judged.verdict not in _DECIDED:
        return None
    return HistoryRow(
        run_id=run.id,
        created=run.created,
        commit=run.commit,
        suite=suite.plan.name,
        cases=judged.cases,
        trials=judged.trials,
        pass_rate=judged.pass_rate,
        discordance=_discordance(judged.delta),
        golden_sha256=suite.plan.golden_sha256,
        scorers_sha256=suite.plan.scorers_sha256,
        baseline_run_id=None if baseline is None else baseline.provenance.run_id,
        verdict=judged.verdict,
    )


def read(path: Path) -> History:
    """Read the newest rows of every suite, at most 500 of each; a run's row that stands there twice counts once.

    A file that is not there yet is an empty history; whatever else is wrong with it becomes a note.
    """
    try:
        lines = _newest_lines(path)
    except FileNotFoundError:
        return History()
    except OSError as error:
        return History(notes=(f"{path}: cannot be read: {error.strerror}; the trend is left out",))
    rows: dict[tuple[str, str], HistoryRow] = {}
    kept, left_out = Counter[str](), Counter[str]()
    for line in reversed(lines):
        row = _decode(line)
        if isinstance(row, str):
            left_out[row] += 1
        elif (row.suite, row.run_id) not in rows and kept[row.suite] < MAX_ROWS:
            rows[row.suite, row.run_id] = row
            kept[row.suite] += 1
    notes = tuple(f"{path}: {count(times, 'line')} left out: {why}" for why, times in left_out.items())
    return History(tuple(reversed(rows.values())), notes)


def append(path: Path, rows: Iterable[HistoryRow]) -> None:
    """Add the rows that are not there yet, as whole lines in one write; they are on the disk when this returns.

    Raises:
        OSError: they cannot be written.

    """
    held = {(row.suite, row.run_id) for row in read(path).rows}
    lines = [_encode(row) for row in rows if (row.suite, row.run_id) not in held]
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        torn = not _ends_a_line(file)
        file.write(b"\n" * torn + b"".join(lines))  # what was torn stays a line of its own
        file.flush()
        os.fsync(file.fileno())


def _discordance(delta: Delta | None) -> float | None:
    return (delta.losses + delta.gains) / delta.pairs if delta is not None and delta.pairs else None


def _newest_lines(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _MAX_READ_BYTES)
        file.seek(start)
        lines = file.read(_MAX_READ_BYTES).splitlines()
    return [line for line in lines[start > 0 :] if line.strip()]  # the first of a part is a part itself


def _ends_a_line(file: BinaryIO) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read() == b"\n"


def _encode(row: HistoryRow) -> bytes:
    return jsonl.canonical({"schema": SCHEMA, **dataclasses.asdict(row)}).encode("ascii") + b"\n"


def _decode(line: bytes) -> HistoryRow | str:
    """Return the row, or why there is none."""
    try:
        value = jsonl.loads(line)
        if value["schema"] > SCHEMA:
            return f"a schema newer than {SCHEMA}: upgrade pytest-evalgate"
        fields = {name: value[name] for name in _FIELDS}
        if all(holds(fields[name]) for name, holds in _FIELDS.items()):
            return HistoryRow(**fields)
    except (KeyError, TypeError, ValueError):
        pass
    return "torn, or not a row of the history; remove it to be rid of this note"


def _text(value: Json) -> bool:
    return isinstance(value, str)


def _text_or_none(value: Json) -> bool:
    return value is None or isinstance(value, str)


def _number(value: Json) -> bool:
    return type(value) is int and value > 0


def _share(value: Json) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _share_or_none(value: Json) -> bool:
    return value is None or _share(value)


_FIELDS: Final[Mapping[str, Callable[[Json], bool]]] = {
    "run_id": _text,
    "created": _text,
    "commit": _text_or_none,
    "suite": _text,
    "cases": _number,
    "trials": _number,
    "pass_rate": _share,
    "discordance": _share_or_none,
    "golden_sha256": _text,
    "scorers_sha256": _text,
    "baseline_run_id": _text_or_none,
    "verdict": _DECIDED.__contains__,
}
"""The fields of a row, and what a value has to be: a file that CI hands over is data, not to be trusted."""
