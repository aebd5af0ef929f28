"""Labels of one rater, saved into a label file. All other labels and texts of the file stay as they are.

In JSON Lines, the label is in ``labels`` of its row, by rater; in CSV, in the column ``labels.RATER``. `labels.load`
and ``label check`` read both.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.label_rows import cell_of, id_of, label_of, ratings_of, read_rows
from pytest_evalgate.judges.label_scale import normalise_label
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.judges.scale import SCALES
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.file_lock import exclusive

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_evalgate.judges.label_rows import LabelRow
    from pytest_evalgate.judges.scale import ScaleName
    from pytest_evalgate.records.cases import Json

_RATER: Final = re.compile(r"[^\W_][\w .@+-]{0,39}")
_WORDS: Final = ("pass", "fail")
_COLUMN: Final = "labels."
LABELS_LOCK: Final = "labels.lock"
"""Name of the lock file, in the state folder, of everything that writes into label files."""


class LabelRefused(UserError):  # noqa: N818 - the page reports it as an answer, not as a failure
    """The label cannot be saved; the message says why."""


@dataclass(frozen=True, slots=True)
class NewLabel:
    """The label of one rater for the row ``row_id``."""

    row_id: str
    rater: str
    label: str


def choices_of(scale: ScaleName) -> tuple[str, ...]:
    """Return the labels that people may give on the scale of a judge."""
    if scale == "binary":
        return _WORDS
    numbers = SCALES[scale]
    return tuple(map(str, range(numbers.lowest, numbers.highest + 1)))


def check_rater(name: str) -> str:
    """Return the name of a rater without surrounding white space.

    Raises:
        LabelRefused: It is no name: it becomes a column of the file.
    """
    found = name.strip()
    if not _RATER.fullmatch(found):
        raise LabelRefused(
            "the name of the rater must begin with a letter or a digit and have at most 40 letters, digits, spaces or "
            "any of . @ + - _"
        )
    return found


def read_sheet(path: Path, name: str) -> list[LabelRow]:
    """Read the rows of a label file; ``name`` is its name in messages.

    Raises:
        LabelsError: It cannot be read.
    """
    rows, problems = read_rows(path, name=name)
    if problems:
        raise LabelsError(problems)
    return [row for row in rows if row.values.get("claims") is None]  # claims are labelled one by one, in an editor


def is_open(row: LabelRow) -> bool:
    """Return whether raters may label a row: it has no common label, or one that checks the raters."""
    return row.values.get("gold") is not None or label_of(row) is None


def label_by(row: LabelRow, rater: str) -> str:
    """Return the label that a rater gave a row; "" if there is none."""
    found = ratings_of(row, ()).get(rater)
    return "" if found is None else normalise_label(found)


def save_label(path: Path, name: str, new: NewLabel, choices: Sequence[str], lock: Path) -> None:
    """Save one label. Savers in other threads and processes that hold ``lock`` lose nothing.

    Raises:
        LabelRefused: The label, the rater or the row is wrong, or the rater has labelled the row elsewhere.
        LabelsError: The file cannot be read.
        StorageError: It cannot be written.
    """
    rater = check_rater(new.rater)
    if new.label not in choices:
        shown = jsonl.escape_text(new.label, 40)
        raise LabelRefused(f"{shown or 'no label'} is not a label of this sheet: choose {', '.join(choices)}")
    with exclusive(lock):
        rows = read_sheet(path, name)
        row = next((row for row in rows if id_of(row) == new.row_id), None)
        if row is None:
            raise LabelRefused(f"{name} has no row {jsonl.quote_text(new.row_id)}: open the sheet again")
        if not is_open(row):
            raise LabelRefused(f"{row.place} has a label already: remove it there to label it again")
        before = label_by(row, rater)
        if before and before != new.label:  # the rater may have seen the judge's grade since
            raise LabelRefused(
                f"{rater} labelled {jsonl.quote_text(new.row_id)} {before} already: to change it, edit {row.place}"
            )
        if before == new.label:
            return
        value: Json = new.label if new.label in _WORDS else int(new.label)
        data = path.read_bytes()
        is_csv = path.suffix.lower() == ".csv"
        files.write_atomically(path, (_in_csv if is_csv else _in_jsonl)(data, row.place.line, rater, value))


def _in_jsonl(data: bytes, line: int, rater: str, value: Json) -> bytes:
    lines = data.split(b"\n")
    old = lines[line - 1]
    values = jsonl.loads(old.removeprefix(codecs.BOM_UTF8))
    values["labels"] = {**(values.get("labels") or {}), rater: value}
    lines[line - 1] = json.dumps(values, ensure_ascii=False).encode() + b"\r" * old.endswith(b"\r")
    return b"\n".join(lines)


def _in_csv(data: bytes, line: int, rater: str, value: Json) -> bytes:
    text, column = data.decode("utf-8-sig"), f"{_COLUMN}{rater}"
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader)
    is_new = column not in header
    rows, before = [[*header, column] if is_new else header], reader.line_num
    place = rows[0].index(column)
    for cells in reader:
        changed = [*cells, ""] if is_new and cells else cells
        if before + 1 == line:
            changed[place] = cell_of(value)
        rows.append(changed)
        before = reader.line_num
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n" if "\r\n" in text else "\n").writerows(rows)
    return (codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b"") + out.getvalue().encode()
