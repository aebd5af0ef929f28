"""Sheet: the file of outputs for people to label, as JSONL or CSV, and its extension by further rows."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.label_pairs import FIELD
from pytest_evalgate.judges.label_rows import cell_of, checks_raters, id_of, read_rows
from pytest_evalgate.judges.label_sample import DrawnFrom
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.judges.material import material_of
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers.part import part_of
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.judges.label_pairs import PairSheetRow
    from pytest_evalgate.judges.label_sample import LabelSample, SampledOutput
    from pytest_evalgate.records.cases import Case, Json

Format = Literal["jsonl", "csv"]

PAIR_COLUMNS: Final = ("id", "input", "expected", "rubric", "context", "output", "label", FIELD)
COLUMNS: Final = (
    *("id", "input", "expected", "rubric", "context", "output", "graded_part"),
    *("label", "cluster", "weight", "sample", "batch", "repeat_of"),
)
"""Columns of a sheet. Only that of a golden set with notes on its cases has a ``rubric``.

Only that of a judge with a ``field`` has a ``graded_part``: ``output`` is then the part that the judge grades. Only
that with repeated rows has a ``repeat_of``.
"""

_FIRST_BATCH: Final = 1


def new_sheet(
    drawn: Iterable[SampledOutput],
    cases: Mapping[str, Case],
    form: Format,
    field: str | None = None,
    repeated: Collection[str] = (),
) -> str:
    """Return the drawn outputs, or the parts of them at ``field``, as a file. ``cases`` are the golden ones by id.

    Those with the ids ``repeated`` have a second row at the end, with an id that does not show which one it repeats.
    """
    rows = [_row(one, cases, _FIRST_BATCH, field) for one in drawn]
    rows += [_again(row) for row in rows if row["id"] in repeated]
    if form == "jsonl":
        return "".join(map(_line, rows))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [
        name
        for name in _used(COLUMNS, cases)
        if (field is not None or name != "graded_part") and (repeated or name != "repeat_of")
    ]
    writer.writerow(columns)
    writer.writerows([_cells(row, columns) for row in rows])
    return text.getvalue()


def pair_sheet(rows: Iterable[PairSheetRow], cases: Mapping[str, Case], form: Format, *, header: bool = True) -> str:
    """Return rows of pairs as a file, or as its further rows without the ``header`` line of CSV."""
    written = [_pair_row(row, cases.get(row.case_id)) for row in rows]
    if form == "jsonl":
        return "".join(map(_line, written))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = _used(PAIR_COLUMNS, cases)
    writer.writerows([columns] if header else [])
    writer.writerows([_cells(row, columns) for row in written])
    return text.getvalue()


def _used(columns: Sequence[str], cases: Mapping[str, Case]) -> list[str]:
    return [name for name in columns if name != "rubric" or any(case.notes for case in cases.values())]


def _pair_row(row: PairSheetRow, case: Case | None) -> dict[str, Json]:
    fields = {"id": row.id, **_question(case, row.output), "output": row.output, "label": None, FIELD: row.drawn_from}
    return {name: fields[name] for name in PAIR_COLUMNS if name in fields}


def drawn_rows(path: Path, field: str | None = None) -> dict[str, DrawnFrom]:
    """Return the stratum of each row of a sheet, by the id of its case.

    Raises:
        LabelsError: the file cannot be read.
        SettingsError: a row does not name its stratum, or has another part of the output than the one at ``field``.
    """
    rows, problems = read_rows(path, name=str(path))
    if problems:
        raise LabelsError(problems)
    found = {}
    for row in rows:
        source = DrawnFrom.parse(row.values.get("sample"))
        part = row.values.get("graded_part")
        if source is not None and part != field:
            is_part, now = ("the whole output" if one is None else one for one in (part, field))
            raise SettingsError(f"{row.place}: the row has {is_part}, but the judge grades {now}: draw a new sample")
        if source is not None:
            found[id_of(row)] = source
        elif not checks_raters(row):
            raise SettingsError(f"{row.place}: no sample: only a file that label sample wrote can be topped up")
    return found


def extended_sheet(path: Path, sample: LabelSample, cases: Mapping[str, Case], field: str | None = None) -> str:
    """Return the content of a sheet with the added rows, and with the new weight of every row.

    Nothing else of the file changes. The rows that were drawn together have one ``batch``.
    """
    text = path.read_text("utf-8-sig")
    if path.suffix.lower() == ".csv":
        return _extended_csv(text, sample, cases, field)
    lines = [jsonl.loads(line) for line in text.splitlines() if line.strip()]
    rows = [line if line.keys() == {"_meta"} else _weighted(line, sample) for line in lines]
    batch = _next_batch(row.get("batch") for row in rows)
    return "".join(map(_line, [*rows, *(_row(one, cases, batch, field) for one in sample.added)]))


def _extended_csv(text: str, sample: LabelSample, cases: Mapping[str, Case], field: str | None) -> str:
    header, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    id_column, weight_column = header.index("id"), header.index("weight")
    for row in rows:
        if (weight := sample.weights.get(row[id_column])) is not None:
            row[weight_column] = cell_of(weight)
    batch = _next_batch(row[header.index("batch")] for row in rows) if "batch" in header else _FIRST_BATCH
    added = [_cells(_row(one, cases, batch, field), header) for one in sample.added]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *rows, *added])
    return out.getvalue()


def _weighted(values: dict[str, Json], sample: LabelSample) -> dict[str, Json]:
    weight = sample.weights.get(str(values.get("id")))
    return values if weight is None else {**values, "weight": weight}


def _next_batch(batches: Iterable[Json]) -> int:
    numbers = [int(batch) for batch in map(str, batches) if batch.isascii() and batch.isdecimal()]
    return max(numbers, default=_FIRST_BATCH) + 1


def _line(row: Mapping[str, Json]) -> str:
    return f"{json.dumps(row, ensure_ascii=False)}\n"


def _cells(row: Mapping[str, Json], columns: Sequence[str]) -> list[str]:
    context = "\n\n".join(row.get("context", ()))
    return [cell_of({**row, "context": context}.get(name)) for name in columns]


def _row(drawn: SampledOutput, cases: Mapping[str, Case], batch: int, field: str | None) -> dict[str, Json]:
    output, planned = drawn.candidate.output, drawn.candidate.result.case
    case = cases.get(planned.golden_id)
    shown = output if field is None else part_of(output, field, case)
    fields: dict[str, Json] = {
        "id": planned.id,
        "cluster": planned.cluster,
        "output": shown.value,
        "graded_part": field,
        **_question(case, output),
    }
    present = {name: value for name, value in fields.items() if value not in (None, [])}
    row = {**present, "label": None, "weight": drawn.weight, "sample": str(drawn.drawn_from), "batch": batch}
    return {name: row[name] for name in COLUMNS if name in row}


def _again(row: Mapping[str, Json]) -> dict[str, Json]:
    """Return a row that repeats another one; it represents no further output."""
    kept = {name: value for name, value in row.items() if name not in {"weight", "sample", "cluster"}}
    return {**kept, "id": f"again-{jsonl.digest(row['id'])[:8]}", "repeat_of": row["id"]}


def _question(case: Case | None, output: Output | Json) -> dict[str, Json]:
    """Return the fields of a row that are those of its case."""
    if case is None:
        return {}
    messages = [dict(message) for message in case.messages]
    asked = case.input if case.input is not None else messages or dict(case.vars) or None
    expected = case.expected if case.expected is not None else list(case.expected_any)
    # the context that a judge gets: the one that the application retrieved, else that of the case
    whole = output if isinstance(output, Output) else Output(output)
    fields = {
        "input": asked,
        "expected": expected,
        "rubric": "\n".join(case.notes) or None,
        "context": list(material_of(case, whole).context),
    }
    return {name: value for name, value in fields.items() if value not in (None, [])}
