"""Calibration of a judge, from the labels to the files that are written.

Flow: read the labels; unless verdicts are stored, join the rows with their cases and outputs and have the judge grade
them; measure; write the calibration and its charts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pytest_evalgate import config, golden
from pytest_evalgate.app.grade import fields_of, run_judge
from pytest_evalgate.app.project import resolve_path
from pytest_evalgate.errors import LineProblem, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges import labels as label_files
from pytest_evalgate.judges.classes import compare_classes, load_classes
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.judges.measure import Source, measure, record_of
from pytest_evalgate.reports.charts.judge import reliability, roc
from pytest_evalgate.reports.charts.svg import standalone
from pytest_evalgate.targets import recorded
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.judges.classes import ClassReport
    from pytest_evalgate.judges.labels import Columns, Labelled, LabelSet
    from pytest_evalgate.judges.measure import Measurement, MeasureOptions
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Output
    from pytest_evalgate.records.verdicts import Calibration

_FOLDER: Final = "calibration"


@dataclass(frozen=True, slots=True)
class CalibrateOptions:
    """Options of the command line.

    ``columns`` are the fields of ``labels``; ``golden`` and ``outputs`` contain cases and outputs that ``labels`` does
    not. ``times`` is the number of times that the judge grades each row. Without ``out``, the calibration file of the
    judge's settings is written.
    """

    judge: str
    labels: Path
    columns: Columns
    measure: MeasureOptions
    golden: Path | None = None
    outputs: Path | None = None
    times: int = 1
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """A judge measured against labels; ``why_not`` lists the reasons why it may not gate, ``files`` those written.

    ``table`` is the name of its table in the configuration, ``settings`` what is configured there.
    """

    record: Calibration
    measured: Measurement
    labels: LabelSet
    why_not: tuple[str, ...]
    files: tuple[str, ...]
    table: str
    settings: config.Judge


def calibrate(project: Project, options: CalibrateOptions) -> CalibrationResult:
    """Measure a judge against labels, and write its calibration and charts.

    Raises:
        UserError: the judge, the labels or the files that complete them cannot be used.
        RunStopped: no call can succeed, or the budget is spent.
    """
    stored = options.columns.stored
    judge = project.settings.judges.get(options.judge) or _unconfigured(project, options)
    path = _path(project, options, judge)
    found = label_files.load(options.labels, options.columns, root=project.root)
    source = Source(options.judge, {}, stored)
    if stored is None:
        rows, parts = _grade_rows(project, options, found.rows)
        found, source = replace(found, rows=rows), Source(options.judge, parts)
    measuring = replace(
        options.measure,
        probabilities=found.probabilities,
        passing=found.passing,
        same_scale=found.scales is None,
    )
    measured = measure(found.rows, measuring)
    record = record_of(measured, found, source, measuring, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    calibrations.write(record, path)
    written = (path, *_charts(options.judge, measured, path, probabilities=found.probabilities))
    names = tuple(files.relative_name(file, project.root) for file in written)
    problems = calibrations.calibration_problems(record, judge)
    prefix = "" if (project.root / config.CONFIG_FILE).is_file() else "tool.evalgate."
    return CalibrationResult(record, measured, found, problems, names, f"{prefix}judges.{options.judge}", judge)


def measure_classes(project: Project, options: CalibrateOptions, order: Sequence[str]) -> ClassReport:
    """Measure stored verdicts of a judge against labels that are classes. Nothing is written, and no call sent.

    ``order`` lists the classes from the lowest to the highest; empty for unordered ones.

    Raises:
        UserError: the labels cannot be used.
    """
    columns = options.columns
    name = files.relative_name(options.labels, project.root)
    rows = load_classes(options.labels, name, columns.stored or "", order, columns.raters)
    return compare_classes(rows, order, options.measure.bootstrap)


def _unconfigured(project: Project, options: CalibrateOptions) -> config.Judge:
    """Return default settings for a judge that is not configured, whose stored verdicts are measured."""
    if options.columns.stored is None:
        known = ", ".join(project.settings.judges) or "none"
        raise SettingsError(
            f"no judge is named {options.judge!r} (configured: {known}): configure it, or add --stored PATH"
        )
    return config.Judge(model=options.judge, criteria="its stored verdicts")


def _path(project: Project, options: CalibrateOptions, judge: config.Judge) -> Path:
    if options.out is not None:
        return options.out
    path = judge.calibration or f"{_FOLDER}/{options.judge}.json"
    return resolve_path(project.root, path, f"the calibration of {options.judge}")


def _grade_rows(
    project: Project, options: CalibrateOptions, rows: Sequence[Labelled]
) -> tuple[tuple[Labelled, ...], dict[str, str]]:
    """Have the judge grade every row ``options.times`` times; return the rows with scores, and the judge's parts.

    The id is part of a judge's question: with the same id, later grades would come from the cache.
    """
    joined = _join(rows, options, project.root)
    cases = [
        (replace(row.case, id=f"{row.case.id}#{time}") if time > 1 else row.case, row.output)
        for time in range(1, options.times + 1)
        for row in joined
    ]
    fields = fields_of(project, options.judge, joined) * options.times
    scores, parts = run_judge(project, options.judge, cases, fields)
    return tuple(replace(row, scores=scores[at :: len(joined)]) for at, row in enumerate(joined)), parts


def _join(rows: Sequence[Labelled], options: CalibrateOptions, root: Path) -> tuple[Labelled, ...]:
    """Complete rows with their cases and outputs, by id; the cluster of a claim is the id of its case.

    Raises:
        GoldenSetError: the golden set cannot be read.
        RecordingError: the outputs cannot be read.
        LabelsError: rows have no output, or their cases are not in the golden set; the message lists all.
    """
    sets = () if options.golden is None else golden.load([options.golden], root=root)
    cases = {case.id: case for loaded in sets for case in loaded}
    outputs = {} if options.outputs is None else recorded.load([options.outputs], root=root).recordings[0].outputs
    joined = [_complete(row, _case_of(row, cases), outputs) for row in rows]
    problems = [
        _problem(row, "output", "the output is missing: name the file of outputs, --outputs FILE")
        for row in joined
        if row.output.value is None
    ]
    if options.golden is not None:
        problems += [
            _problem(row, "id", f"{options.golden} contains no such case") for row in rows if not _case_of(row, cases)
        ]
    if problems:
        raise LabelsError(problems)
    return tuple(joined)


def _case_of(row: Labelled, cases: Mapping[str, Case]) -> Case | None:
    return cases.get(row.case.id) or (None if row.cluster is None else cases.get(row.cluster))


def _complete(row: Labelled, known: Case | None, outputs: Mapping[str, Output]) -> Labelled:
    case = row.case
    if known is not None:  # under the id of the row, and with the context that people saw
        context, rubric = case.context or known.context, case.rubric or known.rubric
        case = replace(known, id=case.id, place=case.place, context=context, rubric=rubric)
    output = outputs.get(row.case.id, row.output) if row.output.value is None else row.output
    return replace(row, case=replace(case, fingerprint=golden.fingerprint(case)), output=output)


def _problem(row: Labelled, field: str, message: str) -> LineProblem:
    return LineProblem(row.case.place.file, row.case.place.line, field, message)


def _charts(name: str, measured: Measurement, path: Path, *, probabilities: bool) -> Iterator[Path]:
    """Write the charts for which there are data beside the calibration, and yield their paths."""
    drawn = {}
    if measured.bins:
        drawn["reliability"] = reliability(name, measured.bins, probabilities=probabilities)
    if measured.tpr is not None and measured.tnr is not None:
        area = None if measured.threshold is None else measured.threshold.auc.value
        drawn["roc"] = roc(name, measured.roc, measured.tpr, measured.tnr, area)
    for kind, chart in drawn.items():
        file = path.with_name(f"{path.stem}.{kind}.svg")
        files.write_atomically(file, standalone(chart).encode())
        yield file
