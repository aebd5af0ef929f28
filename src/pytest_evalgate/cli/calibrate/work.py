"""What labelled rows leave out, from the golden set and from the outputs that they are about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import config, golden
from pytest_evalgate.errors import LineProblem, SettingsError
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges import labels as label_files
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.judges.measure import Source, measure, record_of
from pytest_evalgate.reports import charts
from pytest_evalgate.targets import recorded
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.judges.labels import Columns, Labelled, LabelSet
    from pytest_evalgate.judges.measure import Measurement, MeasureOptions
    from pytest_evalgate.records.results import Calibration, Case, Output


def join(
    rows: Sequence[Labelled], *, golden_file: Path | None, outputs_file: Path | None, root: Path
) -> tuple[Labelled, ...]:
    """Complete labelled rows by id, so that a judge can be asked about them; a claim has the id of its row as cluster.

    Raises:
        GoldenSetError: the golden set cannot be read.
        RecordingError: the outputs cannot be read.
        LabelsError: a row has no output, or the golden set has no such case; lists all.

    """
    cases = _cases(golden_file, root)
    outputs = {} if outputs_file is None else recorded.load([outputs_file], root=root).recordings[0].outputs
    joined = [_joined(row, cases, outputs) for row in rows]
    bare = [row for row in joined if row.output.value is None]
    lost = [row for row in rows if golden_file is not None and _known(row, cases) is None]
    problems = [_problem(row, "output", "there is none to be judged: name their file, --outputs FILE") for row in bare]
    problems += [_problem(row, "id", f"{golden_file} holds no such case") for row in lost]
    if problems:
        raise LabelsError(problems)
    return tuple(joined)


def _cases(path: Path | None, root: Path) -> dict[str, Case]:
    sets = () if path is None else golden.load([path], root=root)
    return {case.id: case for held in sets for case in held}


def _known(row: Labelled, cases: Mapping[str, Case]) -> Case | None:
    return cases.get(row.case.id) or (None if row.cluster is None else cases.get(row.cluster))


def _joined(row: Labelled, cases: Mapping[str, Case], outputs: Mapping[str, Output]) -> Labelled:
    case = _known(row, cases)
    whole = row.case if case is None else _completed(row.case, case)
    output = outputs.get(row.case.id, row.output) if row.output.value is None else row.output
    return replace(row, case=replace(whole, fingerprint=golden.fingerprint(whole)), output=output)


def _completed(own: Case, known: Case) -> Case:
    """Return the golden set's case, under the row's own id and with the context that the row was labelled by."""
    return replace(known, id=own.id, place=own.place, context=own.context or known.context)


def _problem(row: Labelled, field: str, message: str) -> LineProblem:
    return LineProblem(row.case.place.file, row.case.place.line, field, message)


_FOLDER = "calibration"


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """What is asked for: a judge, its labels, where the rest of them stands, and how it is measured.

    ``times`` is how often the judge is asked about each row. ``out`` is the file of the record; None is where the
    judge expects it.
    """

    judge: str
    labels: Path
    columns: Columns
    options: MeasureOptions
    golden: Path | None = None
    outputs: Path | None = None
    times: int = 1
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """A judge that was held against labels; ``why_not`` says why it may not gate. ``files`` were written."""

    record: Calibration
    measured: Measurement
    labels: LabelSet
    why_not: tuple[str, ...]
    files: tuple[str, ...]


def calibrate(project: Project, calibrate_options: CalibrateOptions) -> CalibrationResult:
    """Hold a judge against labels, and write its record and its charts.

    Raises:
        UserError: the judge, the labels or the files that go with them cannot be used.
        RunStopped: no call can succeed, or may be paid.

    """
    stored = calibrate_options.columns.stored
    judge = project.settings.judges.get(calibrate_options.judge) or _unconfigured(project, calibrate_options)
    path = _path(project, calibrate_options, judge)
    found = label_files.load(calibrate_options.labels, calibrate_options.columns, root=project.root)
    source = Source(calibrate_options.judge, {}, stored)
    if stored is None:
        rows, parts = _grade_rows(project, calibrate_options, found.rows)
        found, source = replace(found, rows=rows), Source(calibrate_options.judge, parts)
    options = replace(calibrate_options.options, probabilities=found.probabilities, passing=found.passing)
    measured = measure(found.rows, options)
    now = datetime.now(UTC)
    record = record_of(measured, found, source, options, f"{now:%Y-%m-%dT%H:%M:%SZ}")
    calibrations.write(record, path)
    written = (path, *_charts(calibrate_options.judge, measured, path, probabilities=options.probabilities))
    names = tuple(files.relative_name(file, project.root) for file in written)
    return CalibrationResult(record, measured, found, calibrations.calibration_problems(record, judge), names)


def _unconfigured(project: Project, calibrate_options: CalibrateOptions) -> config.Judge:
    """Return what a judge has to show that only its stored verdicts are known of."""
    if calibrate_options.columns.stored is None:
        known = ", ".join(project.settings.judges) or "none is configured"
        raise SettingsError(
            f"no judge is named {calibrate_options.judge!r} ({known}): configure it, or say --stored PATH"
        )
    return config.Judge(model=calibrate_options.judge, criteria="its stored verdicts")


def _path(project: Project, calibrate_options: CalibrateOptions, judge: config.Judge) -> Path:
    if calibrate_options.out is not None:
        return calibrate_options.out
    try:
        return files.resolve_inside(
            project.root, Path(judge.calibration or f"{_FOLDER}/{calibrate_options.judge}.json")
        )
    except ValueError as error:
        raise SettingsError(f"the calibration of {calibrate_options.judge}: {error}") from None


def _grade_rows(
    project: Project, calibrate_options: CalibrateOptions, rows: Sequence[Labelled]
) -> tuple[tuple[Labelled, ...], dict[str, str]]:
    """Have the judge grade every row; further times under another id, which is part of its question."""
    from pytest_evalgate.app.grade import run_judge  # noqa: PLC0415 - the engine

    whole = join(rows, golden_file=calibrate_options.golden, outputs_file=calibrate_options.outputs, root=project.root)
    cases = [
        (replace(row.case, id=f"{row.case.id}#{time}") if time > 1 else row.case, row.output)
        for time in range(1, calibrate_options.times + 1)
        for row in whole
    ]
    scores, parts = run_judge(project, calibrate_options.judge, cases)
    return tuple(replace(row, scores=scores[at :: len(whole)]) for at, row in enumerate(whole)), parts


def _charts(name: str, measured: Measurement, path: Path, *, probabilities: bool) -> Iterator[Path]:
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
