"""The fields of one labelled row: what is wrong with them, and what they hold."""

from __future__ import annotations

import csv
import json
import math
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.judges.scale import SCALES
from pytest_evalgate.records.results import Case, Output, Place
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.records.results import Json

TEXTS: Final = ("id", "input", "expected", "context", "output", "cluster")
"""Columns whose cells stay text, whatever they look like."""

_LABELLED: Final = (*TEXTS, "label", "human_label", "labels", "claims", "weight")
RATER: Final = "labels."
"""Starts the name of a CSV column that holds the labels of one rater."""

_FORMULA: Final = frozenset("=+-@\t\r")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row, and where it stands."""

    place: Place
    values: Mapping[str, Json]


def read_rows(path: Path, *, name: str) -> tuple[list[LabelRow], list[LineProblem]]:
    """Read every row of a file, and every problem that keeps a row from being read.

    Args:
        path: The file; what ends in ``.csv`` has a head line and commas, anything else is JSONL.
        name: What places and problems call it.

    """
    if path.suffix.lower() == ".csv":
        return _read_csv(path, name)
    lines, problems = jsonl.read(path, name=name)
    rows = [LabelRow(Place(name, line.number), line.value) for line in lines if line.value.keys() != {"_meta"}]
    return rows, problems


def digest_of(rows: Iterable[LabelRow]) -> str:
    """SHA-256, in hexadecimal, of what people were shown and what they said, whatever the order of rows and fields.

    Verdicts of judges and metadata are not part of it.
    """
    held = ({name: value for name, value in row.values.items() if _is_labelled(name, value)} for row in rows)
    return jsonl.digest(sorted(map(jsonl.digest, held)))


def at(values: Mapping[str, Json], path: str) -> Json:
    """Return what stands at a dotted path, as ``judge.gpt4``; None where nothing does.

    A field whose own name is the path comes first: CSV files have no others.
    """
    if path in values:
        return values[path]
    head, dot, rest = path.partition(".")
    inner = values.get(head) if dot else None
    return at(inner, rest) if isinstance(inner, dict) else None


def cell_of(value: Json) -> str:
    """Write a value as a cell that a spreadsheet takes for text: texts as they are, anything else as JSON."""
    text = value if isinstance(value, str) else "" if value is None else jsonl.canonical(value)
    return f"'{text}" if _looks_like_a_formula(text) else text


def _is_labelled(name: str, value: Json) -> bool:
    return value is not None and (name in _LABELLED or name.startswith(RATER))


def _looks_like_a_formula(text: str) -> bool:
    return text.lstrip("'")[:1] in _FORMULA if text.strip("'") else False


def _text_in(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _looks_like_a_formula(cell) else cell


def _read_csv(path: Path, name: str) -> tuple[list[LabelRow], list[LineProblem]]:
    rows: list[LabelRow] = []
    problems: list[LineProblem] = []
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            head = next(reader, [])
            problems += _header_problems(head, name)
            line = reader.line_num
            for cells in reader:
                place, line = Place(name, line + 1), reader.line_num
                if len(cells) == len(head):
                    rows.append(LabelRow(place, dict(_values(head, cells))))
                elif cells:
                    problems.append(_torn(place, cells, head))
    except (csv.Error, UnicodeDecodeError) as error:
        problems.append(LineProblem(name, line + 1, "", f"not CSV in UTF-8: {error}; save it so, or as JSONL"))
    except (OSError, ValueError) as error:  # ValueError: a path that holds a NUL character
        problems.append(LineProblem(name, 0, "", f"cannot be read: {getattr(error, 'strerror', None) or error}"))
    return rows, problems


def _header_problems(head: list[str], name: str) -> Iterator[LineProblem]:
    if not head:
        yield LineProblem(name, 1, "", "holds nothing; the first line names the columns, such as id,output,label")
    for column in dict.fromkeys(column for column in head if head.count(column) > 1):
        yield LineProblem(name, 1, column, "names two columns")


def _torn(place: Place, cells: list[str], head: list[str]) -> LineProblem:
    return LineProblem(place.file, place.line, "", f"{len(cells)} cells, the head line names {len(head)} columns")


def _values(head: list[str], cells: list[str]) -> Iterator[tuple[str, Json]]:
    for column, cell in zip(head, cells, strict=True):
        yield column, None if not cell else _text_in(cell) if column in TEXTS else _plain(cell)


def _plain(cell: str) -> Json:
    """Return a number or a truth value where the cell holds one, else its text."""
    text = cell.strip()
    try:
        value = jsonl.loads(text.lower() if text.lower() in {"true", "false"} else text)
    except (ValueError, json.JSONDecodeError):
        return _text_in(text)
    return value if isinstance(value, bool | int | float) else text


GRADES: Final = SCALES["1-5"]
"""People's grades are those of a judge; where nobody says otherwise, they pass from the same one on."""

_PASSES: Final = frozenset({"pass", "passed", "good", "correct", "right", "yes", "true", "1"})
_FAILS: Final = frozenset({"fail", "failed", "bad", "incorrect", "wrong", "no", "false", "0"})


@dataclass(frozen=True, slots=True)
class LabelScale:
    """Which labels pass and which fail, as `text_of` writes them; ``graded`` labels are numbers from 1 to 5."""

    passes: frozenset[str]
    fails: frozenset[str]
    graded: bool = False

    @property
    def passing(self) -> float:
        """The least share of the scale that passes; 1 where labels are no grades."""
        return min((share_of(float(text)) for text in self.passes), default=1.0) if self.graded else 1.0

    def passed(self, label: Json) -> bool | None:
        """Say whether a label is a pass; None where it is none of the scale's."""
        text = text_of(label)
        return True if text in self.passes else False if text in self.fails else None

    def grade(self, label: Json) -> float | None:
        """Return the grade as a share of the scale, from 0 to 1; None where labels are no grades."""
        return share_of(label) if self.graded else None


def text_of(label: Json) -> str:
    """Write a label as labels are compared: without case, white space around it, and decimals of whole numbers."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return (label if isinstance(label, str) else jsonl.canonical(label)).strip().casefold()


def is_number(value: Json) -> bool:
    """Say whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_grade(value: Json) -> bool:
    """Say whether a JSON value is a number from 1 to 5."""
    return is_number(value) and GRADES.lowest <= value <= GRADES.highest


def share_of(grade: float) -> float:
    """Map a grade from 1 to 5 onto 0 to 1."""
    return (grade - GRADES.lowest) / (GRADES.highest - GRADES.lowest)


def scale_of(labels: Collection[Json], pass_labels: Iterable[str] = ()) -> LabelScale:
    """Find out what the labels of one set mean.

    Args:
        labels: All of them, those of single raters included; none is null.
        pass_labels: Those that are passes; every other one is then a fail. Without, words for pass and fail are
            known, and of grades 3 and more pass.

    """
    wanted = frozenset(map(text_of, pass_labels))
    if wanted:
        fails = frozenset(map(text_of, labels)) - wanted
        return LabelScale(wanted, fails, _is_graded(labels, wanted))
    if all(map(is_grade, labels)) and any(label != 1 for label in labels):
        passing = frozenset(text_of(label) for label in labels if label >= GRADES.passes_from)
        return LabelScale(passing, frozenset(map(text_of, labels)) - passing, graded=True)
    return LabelScale(_PASSES, _FAILS)


def _is_graded(labels: Collection[Json], passes: frozenset[str]) -> bool:
    """Say whether the labels are grades of which the higher ones pass: else the numbers are only names."""
    if not all(map(is_grade, labels)):
        return False
    passing = [label for label in labels if text_of(label) in passes]
    failing = [label for label in labels if text_of(label) not in passes]
    return bool(passing) and bool(failing) and min(passing) > max(failing)


_LABELS: Final = ("label", "human_label")
_WANTED: Final = 'give "label" (null until somebody has labelled it), or "labels" by rater'
_NAMED: Final = ("input", "expected", "context", "output")


def labelled_rows(row: LabelRow) -> Iterator[LabelRow]:
    """Yield what is labelled in a row: the row itself, or each of its claims as one of a cluster."""
    claims = row.values.get("claims")
    if claims is None:
        yield row
    elif not _claims_problem(claims):
        name = id_of(row)
        shared = {"cluster": name, **row.values}
        for number, claim in enumerate(claims, start=1):
            text = claim["claim"] if isinstance(claim["claim"], str) else " ".join(claim["claim"])
            yield LabelRow(row.place, {**shared, **claim, "id": f"{name}#{number}", "output": text})


def row_problems(row: LabelRow) -> Iterator[LineProblem]:
    """Yield everything that is wrong with the fields of a row, whatever its labels mean."""
    checks = {
        "id": _id_problem,
        "context": _context_problem,
        "cluster": _cluster_problem,
        "weight": _weight_problem,
        "labels": _labels_problem,
        "claims": _claims_problem,
    }
    for field, check in checks.items():
        value = row.values.get(field)
        if value is not None and (problem := check(value)):
            yield _problem(row, field, f"{problem}, not {_shown(value)}")
    if all(row.values.get(name) is not None for name in _LABELS):
        yield _problem(row, _LABELS[1], f"stands beside {_LABELS[0]}; keep one")


def label_problems(rows: Sequence[LabelRow], raters: Sequence[str]) -> Iterator[LineProblem]:
    """Yield each row that has no place for a label; once where none of them has."""
    fields = {*_LABELS, "labels", "claims", *raters}
    lacking = [row for row in rows if not _names_any(row, fields)]
    if rows and len(lacking) == len(rows):
        yield LineProblem(rows[0].place.file, 0, "", f"no row has a label: {_WANTED}")
        return
    for row in lacking:
        yield _problem(row, "", f"has no label: {_WANTED}")


def id_problems(rows: Sequence[LabelRow]) -> Iterator[LineProblem]:
    """Yield each id that stands on an earlier line already."""
    first: dict[str, LabelRow] = {}
    for row in rows:
        name = id_of(row)
        if (before := first.setdefault(name, row)) is not row:
            yield _problem(row, "id", f"duplicate id {jsonl.quote_text(name)} (first at line {before.place.line})")


def id_of(row: LabelRow) -> str:
    """Return the id of a row, written as golden sets write theirs; one made of its content where it gives none."""
    given = row.values.get("id")
    if given is None:
        return jsonl.digest({name: row.values.get(name) for name in _NAMED})[:12]
    return unicodedata.normalize("NFC", str(given))


def label_of(row: LabelRow) -> Json:
    """Return the label that a row names; None where it names none."""
    return next((row.values[name] for name in _LABELS if row.values.get(name) is not None), None)


def ratings_of(row: LabelRow, raters: Sequence[str]) -> dict[str, Json]:
    """Return the label that each rater gave, by rater."""
    named = row.values.get("labels")
    given = named if isinstance(named, dict) else _flat(row.values)
    all_of_them = {**given, **{path: at(row.values, path) for path in raters}}
    return {rater: label for rater, label in all_of_them.items() if label is not None}


def case_of(row: LabelRow) -> Case:
    """Return the case that a row is about."""
    context = row.values.get("context") or ()
    return Case(
        id=id_of(row),
        input=row.values.get("input"),
        expected=row.values.get("expected"),
        context=(context,) if isinstance(context, str) else tuple(context),
        place=row.place,
    )


def output_of(row: LabelRow) -> Output:
    """Return what was labelled."""
    return Output(row.values.get("output"))


def cluster_of(row: LabelRow) -> str | None:
    """Return what a row shares with others, if it says so."""
    cluster = row.values.get("cluster")
    return None if cluster is None else str(cluster)


def weight_of(row: LabelRow) -> float:
    """Return the number of outputs that a row stands for, 1 where it does not say."""
    return float(row.values.get("weight") or 1.0)


def _names_any(row: LabelRow, fields: Iterable[str]) -> bool:
    named = any(field in row.values or at(row.values, field) is not None for field in fields)
    return named or any(field.startswith(RATER) for field in row.values)


def _flat(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return the raters of a CSV file, whose columns are called ``labels.NAME``."""
    return {name.removeprefix(RATER): value for name, value in values.items() if name.startswith(RATER)}


def _problem(row: LabelRow, field: str, message: str) -> LineProblem:
    return LineProblem(row.place.file, row.place.line, field, message)


def _shown(value: Json) -> str:
    return jsonl.escape_text(jsonl.canonical(value), 60)


def _id_problem(value: Json) -> str:
    good = (isinstance(value, str) and value.strip() == value != "") or _is_whole(value)
    return "" if good else "must be a text without white space around it, or a whole number"


def _context_problem(value: Json) -> str:
    good = isinstance(value, str) or _is_texts(value)
    return "" if good else "must be a text or a list of texts"


def _cluster_problem(value: Json) -> str:
    return "" if isinstance(value, str) or _is_whole(value) else "must be a text or a whole number"


def _weight_problem(value: Json) -> str:
    return "" if is_number(value) and 0 < value < math.inf else "must be a number above 0"


def _labels_problem(value: Json) -> str:
    return "" if isinstance(value, dict) else 'must name the raters: {"anna": "pass", "ben": "fail"}'


def _claims_problem(value: Json) -> str:
    good = isinstance(value, list) and all(map(_is_claim, value))
    return "" if good else 'must be a list of {"claim": "...", "label": "..."}'


def _is_claim(value: Json) -> bool:
    if not isinstance(value, dict) or not {"claim", "label"} <= value.keys():
        return False
    return isinstance(value["claim"], str) or _is_texts(value["claim"])


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
