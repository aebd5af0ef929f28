"""Adjudication: the outputs on which raters disagree, most useful first, and the labels that people agreed on."""

from __future__ import annotations

import codecs
import csv
import io
import json
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.label_rows import by_output, cell_of, id_of, labelled_rows, ratings_of, read_rows
from pytest_evalgate.judges.label_scale import normalise_label, scale_of
from pytest_evalgate.judges.labels import Columns, LabelsError, load
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.judges.label_rows import LabelRow
    from pytest_evalgate.records.cases import Json

FIELD: Final = "adjudicated"
"""Field of the label that raters agreed on. It takes precedence over their labels, and leaves them as they are."""

_SHOWN: Final = ("id", "input", "expected", "rubric", "context", "output", "graded_part")


@dataclass(frozen=True, slots=True)
class DisputedOutput:
    """An output that some raters pass and others fail.

    ``undecided`` if they are evenly divided: calibrations leave such an output out. ``use`` is the number of outputs
    that the row represents, times the share of pairs of raters that disagree on it. ``labels`` are those by rater.
    """

    id: str
    undecided: bool
    use: float
    labels: Mapping[str, Json]
    row: LabelRow


@dataclass(frozen=True, slots=True)
class Disputes:
    """The disputed outputs of a file with labels of ``outputs`` outputs, in the order in which to settle them."""

    outputs: int
    disputed: tuple[DisputedOutput, ...]


def disputes_in(path: Path, columns: Columns, root: Path) -> Disputes:
    """Find the outputs on which raters disagree: undecided ones first, then by use, then in the order of the file.

    Outputs that have a gold, an adjudicated or an own label are settled.

    Raises:
        LabelsError: the file is invalid.
    """
    labels = load(path, columns, root=root)
    rows, _ = read_rows(path, name=labels.name)
    merged, _ = by_output([unit for row in rows for unit in labelled_rows(row)])
    by_id = {id_of(row): row for row in merged}
    found = []
    for one in labels.rows:
        passes = sum(value >= labels.passing for value in one.raters.values())
        fails = len(one.raters) - passes
        if one.decided or not passes or not fails:
            continue
        share = 2 * passes * fails / (len(one.raters) * (len(one.raters) - 1))
        row = by_id[one.case.id]
        given = ratings_of(row, columns.raters)
        found.append(DisputedOutput(one.case.id, one.passed is None, round(one.weight * share, 3), given, row))
    return Disputes(len(labels.rows), tuple(sorted(found, key=lambda one: (not one.undecided, -one.use))))


def sheet_of(disputes: Disputes, *, is_csv: bool) -> str:
    """Return the disputed outputs as rows of a label file, with an empty label to fill in."""
    rows = [_sheet_row(one) for one in disputes.disputed]
    if not is_csv:
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    flat = [{**row, **{f"labels.{rater}": label for rater, label in row.pop("labels").items()}} for row in rows]
    columns = [name for name in _SHOWN if any(name in row for row in flat)]
    columns += dict.fromkeys(name for row in flat for name in row if name.startswith("labels."))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([[*columns, FIELD], *([*(_cell(row.get(name)) for name in columns), ""] for row in flat)])
    return text.getvalue()


def _sheet_row(one: DisputedOutput) -> dict[str, Json]:
    shown = {name: one.row.values[name] for name in _SHOWN if one.row.values.get(name) is not None}
    return {**shown, "id": one.id, "labels": dict(one.labels), FIELD: None}


def _cell(value: Json) -> str:
    return cell_of("\n\n".join(map(str, value)) if isinstance(value, list) else value)


def adjudicated_in(sheet: Path, name: str) -> dict[str, LabelRow]:
    """Return the rows of a sheet with a filled in label, by id.

    Raises:
        LabelsError: the sheet cannot be read.
    """
    rows, problems = read_rows(sheet, name=name)
    if rows and not any(FIELD in row.values for row in rows):
        problems.append(LineProblem(name, 0, FIELD, "no row has this field: use a sheet of label adjudicate --out"))
    if problems:
        raise LabelsError(problems)
    return {id_of(row): row for row in rows if row.values.get(FIELD) is not None}


def settle(path: Path, columns: Columns, root: Path, settled: Mapping[str, LabelRow]) -> bytes:
    """Return the content of the label file with the settled labels, in every row of their outputs.

    All other labels and texts stay as they are.

    Raises:
        LabelsError: an id is not in the file, or a label is none that passes or fails.
        SettingsError: the rows have claims, whose labels are within the rows.
    """
    rows, _ = read_rows(path, name=files.relative_name(path, root))
    if any(row.values.get("claims") is not None for row in rows):
        raise SettingsError(f"{path}: rows with claims: settle the label of each claim in the file itself")
    _check(rows, columns, settled)
    labels = {one: row.values[FIELD] for one, row in settled.items()}
    data = path.read_bytes()
    if path.suffix.lower() == ".csv":
        return _settled_csv(data, rows, labels)
    lines = data.split(b"\n")
    for row in rows:
        if (label := labels.get(id_of(row))) is not None:
            old = lines[row.place.line - 1]
            text = json.dumps({**row.values, FIELD: label}, ensure_ascii=False).encode()
            bom = codecs.BOM_UTF8 if old.startswith(codecs.BOM_UTF8) else b""
            lines[row.place.line - 1] = bom + text + b"\r" * old.endswith(b"\r")
    return b"\n".join(lines)


def _check(rows: Sequence[LabelRow], columns: Columns, settled: Mapping[str, LabelRow]) -> None:
    known = {id_of(row) for row in rows}
    given = [label for row in rows for label in ratings_of(row, columns.raters).values()]
    given += [row.values["label"] for row in rows if row.values.get("label") is not None]
    scale = scale_of([*given, *(row.values[FIELD] for row in settled.values())], columns.pass_labels)
    written = {normalise_label(label) for label in given}
    problems = []
    for one, row in settled.items():
        label = row.values[FIELD]
        if one not in known:
            message = f"no row of the label file has the id {jsonl.quote_text(one)}"
            problems.append(LineProblem(row.place.file, row.place.line, "id", message))
        elif scale.passed(label) is None or (columns.pass_labels and normalise_label(label) not in written):
            message = f"unknown label {jsonl.quote_text(normalise_label(label))}: use one that the raters used"
            problems.append(LineProblem(row.place.file, row.place.line, FIELD, message))
    if problems:
        raise LabelsError(problems)


def _settled_csv(data: bytes, rows: Sequence[LabelRow], labels: Mapping[str, Json]) -> bytes:
    text = data.decode("utf-8-sig")
    header, *cells = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    if FIELD not in header:
        header, cells = [*header, FIELD], [[*row, ""] for row in cells]
    column = header.index(FIELD)
    for row, written in zip(rows, cells, strict=True):
        if (label := labels.get(id_of(row))) is not None:
            written[column] = cell_of(label)
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n" if "\r\n" in text else "\n").writerows([header, *cells])
    return (codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b"") + out.getvalue().encode()
