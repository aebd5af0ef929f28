"""Asking a judge about labelled rows, measuring it, and keeping the record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import files, settings
from pytest_evalgate.cli.calibrate.joining import join
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judging import calibration as calibrations
from pytest_evalgate.judging import labels as label_files
from pytest_evalgate.judging.measure import measure
from pytest_evalgate.judging.record import Source, record_of
from pytest_evalgate.reports import charts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.data import Calibration
    from pytest_evalgate.judging.labels import Columns, Labelled, LabelSet
    from pytest_evalgate.judging.measured import How, Measured

_FOLDER = "calibration"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for: a judge, its labels, where the rest of them stands, and how it is measured.

    ``times`` is how often the judge is asked about each row. ``out`` is the file of the record; None is where the
    judge expects it.
    """

    judge: str
    labels: Path
    columns: Columns
    how: How
    golden: Path | None = None
    outputs: Path | None = None
    times: int = 1
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A judge that was held against labels; ``why_not`` says why it may not gate. ``files`` were written."""

    record: Calibration
    measured: Measured
    labels: LabelSet
    why_not: tuple[str, ...]
    files: tuple[str, ...]


def calibrate(project: Project, wish: Wish) -> Calibrated:
    """Hold a judge against labels, and write its record and its charts.

    Raises:
        UserError: the judge, the labels or the files that go with them cannot be used.
        RunStopped: no call can succeed, or may be paid.

    """
    stored = wish.columns.stored
    judge = project.settings.judges.get(wish.judge) or _unconfigured(project, wish)
    path = _path(project, wish, judge)
    found = label_files.load(wish.labels, wish.columns, root=project.root)
    source = Source(wish.judge, {}, stored)
    if stored is None:
        rows, parts = _asked(project, wish, found.rows)
        found, source = replace(found, rows=rows), Source(wish.judge, parts)
    how = replace(wish.how, probabilities=found.probabilities, passing=found.passing)
    measured = measure(found.rows, how)
    now = datetime.now(UTC)
    record = record_of(measured, found, source, how, f"{now:%Y-%m-%dT%H:%M:%SZ}")
    calibrations.write(record, path)
    written = (path, *_charts(wish.judge, measured, path, probabilities=how.probabilities))
    names = tuple(files.relative_name(file, project.root) for file in written)
    return Calibrated(record, measured, found, calibrations.why_not_enough(record, judge), names)


def _unconfigured(project: Project, wish: Wish) -> settings.Judge:
    """Return what a judge has to show that only its stored verdicts are known of."""
    if wish.columns.stored is None:
        known = ", ".join(project.settings.judges) or "none is configured"
        raise SettingsError(f"no judge is named {wish.judge!r} ({known}): configure it, or say --stored PATH")
    return settings.Judge(model=wish.judge, criteria="its stored verdicts")


def _path(project: Project, wish: Wish, judge: settings.Judge) -> Path:
    if wish.out is not None:
        return wish.out
    try:
        return files.inside(project.root, Path(judge.calibration or f"{_FOLDER}/{wish.judge}.json"))
    except ValueError as error:
        raise SettingsError(f"the calibration of {wish.judge}: {error}") from None


def _asked(project: Project, wish: Wish, rows: Sequence[Labelled]) -> tuple[tuple[Labelled, ...], dict[str, str]]:
    """Have the judge grade every row; further times under another id, which is part of its question."""
    from pytest_evalgate.cli.judges import run_judge  # noqa: PLC0415 - the engine

    whole = join(rows, golden_file=wish.golden, outputs_file=wish.outputs, root=project.root)
    cases = [
        (replace(row.case, id=f"{row.case.id}#{time}") if time > 1 else row.case, row.output)
        for time in range(1, wish.times + 1)
        for row in whole
    ]
    scores, parts = run_judge(project, wish.judge, cases)
    return tuple(replace(row, scores=scores[at :: len(whole)]) for at, row in enumerate(whole)), parts


def _charts(name: str, measured: Measured, path: Path, *, probabilities: bool) -> Iterator[Path]:
    """Write the charts that there are, beside the record."""
    drawn = {}
    if measured.bins:
        drawn["reliability"] = charts.reliability(name, measured.bins, probabilities=probabilities)
    if measured.tpr is not None and measured.tnr is not None:
        area = None if measured.threshold is None else measured.threshold.auc.value
        drawn["roc"] = charts.roc(name, measured.roc, measured.tpr, measured.tnr, area)
    for kind, chart in drawn.items():
        file = path.with_name(f"{path.stem}.{kind}.svg")
        files.write_atomically(file, charts.standalone(chart).encode())
        yield file
