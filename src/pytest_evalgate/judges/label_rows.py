"""Rows of a label file (JSONL or CSV): reading, checks and digest. `labels` interprets the labels."""

from __future__ import annotations

import csv
import math
import unicodedata
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.label_sample import DrawnFrom
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.text import foreign, jsonl
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.records.cases import Json

_TEXT_COLUMNS: Final = (  # never read as numbers
    "id", "input", "expected", "context", "output", "cluster", "rater", "batch", "sample", "rubric", "graded_part",
    "repeat_of",
)  # fmt: skip
_LABEL_FIELDS: Final = ("label", "human_label")
_HASHED: Final = (*_TEXT_COLUMNS, *_LABEL_FIELDS, "labels", "claims", "weight", "gold", "adjudicated")
_RATER: Final = "labels."  # prefix of a CSV column with the labels of one rater
_ID_CONTENT: Final = ("input", "expected", "context", "output")
_SHARED: Final = (
    *_ID_CONTENT,
    "cluster",
    "weight",
    "sample",
    "gold",
    "adjudicated",
    "graded_part",
)  # equal in all rows of one output
_FORMULA: Final = frozenset("=+-@\t\r")
_HOW_TO_LABEL: Final = 'add "label" (null until it is known), or "labels" by rater'


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row and its place in the file."""

    place: Place
    values: Mapping[str, Json]


def read_rows(path: Path, *, name: str) -> tuple[list[LabelRow], list[LineProblem]]:
    """Read all rows of a file. Return them with the problems of rows that cannot be read.

    ``.csv`` files have a header line and commas; all others are JSONL. ``name`` is the name of the file in messages.
    """
    if path.suffix.lower() == ".csv":
        return _read_csv(path, name)
    lines, problems = jsonl.read(path, name=name)
    rows = [LabelRow(Place(name, line.number), line.value) for line in lines if line.value.keys() != {"_meta"}]
    return rows, problems


def _read_csv(path: Path, name: str) -> tuple[list[LabelRow], list[LineProblem]]:
    rows: list[LabelRow] = []
    problems: list[LineProblem] = []
    line = 0
    try:
        with path.open("rb") as binary:
            message = foreign.name_foreign(binary.read(foreign.HEAD), free_text=True)
        if message is not None:
            return [], [LineProblem(name, 1, "", message)]
        with path.open(encoding="utf-8-sig", newline="") as file:  # Excel writes a byte order mark
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            problems += _header_problems(header, name)
            line = reader.line_num
            for cells in reader:
                place, line = Place(name, line + 1), reader.line_num
                if len(cells) == len(header):
                    values = {column: _value(column, cell) for column, cell in zip(header, cells, strict=True)}
                    rows.append(LabelRow(place, values))
                elif cells:
                    message = f"{len(cells)} cells, but the header has {len(header)} columns"
                    problems.append(LineProblem(place.file, place.line, "", message))
    except (csv.Error, UnicodeDecodeError) as error:
        message = f"not CSV in UTF-8: {error}; save it as UTF-8, or as JSONL"
        problems.append(LineProblem(name, line + 1, "", message))
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL character
        problems.append(LineProblem(name, 0, "", f"cannot be read: {getattr(error, 'strerror', None) or error}"))
    return rows, problems


def _header_problems(header: list[str], name: str) -> Iterator[LineProblem]:
    if not header:
        yield LineProblem(name, 1, "", "empty file; the first line must name the columns, such as id,output,label")
    for column in dict.fromkeys(column for column in header if header.count(column) > 1):
        yield LineProblem(name, 1, column, "duplicate column")


def _value(column: str, cell: str) -> Json:
    if not cell:
        return None
    if column in _TEXT_COLUMNS:
        return _unquote(cell)
    text = cell.strip()
    try:
        value = jsonl.loads(text.lower() if text.lower() in {"true", "false"} else text)
    except ValueError:
        return _unquote(text)
    return value if isinstance(value, bool | int | float) else text


def cell_of(value: Json) -> str:
    """Format a value as a CSV cell: text unchanged, anything else as JSON.

    Text that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    text = value if isinstance(value, str) else "" if value is None else jsonl.canonical(value)
    return f"'{text}" if _is_formula(text) else text


def _unquote(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    return text.lstrip("'")[:1] in _FORMULA if text.strip("'") else False


def digest_of(rows: Iterable[LabelRow]) -> str:
    """Return the SHA-256, in hexadecimal, of the texts and labels, independent of the order of rows and fields.

    Scores of judges and metadata are not included.
    """
    hashed = (
        {
            name: value
            for name, value in row.values.items()
            if value is not None and (name in _HASHED or name.startswith(_RATER))
        }
        for row in rows
    )
    return jsonl.digest(sorted(map(jsonl.digest, hashed)))


def at(values: Mapping[str, Json], path: str) -> Json:
    """Return the value at a dotted path such as ``judge.gpt4``; None if there is none.

    A field with the whole path as its name takes precedence: CSV files have only such fields.
    """
    if path in values:
        return values[path]
    head, dot, rest = path.partition(".")
    inner = values.get(head) if dot else None
    return at(inner, rest) if isinstance(inner, dict) else None


def labelled_rows(row: LabelRow) -> Iterator[LabelRow]:
    """Yield the labelled units of a row: the row itself, or one row per claim, in one cluster."""
    claims = row.values.get("claims")
    if claims is None:
        yield row
    elif _are_claims(claims):
        name = id_of(row)
        shared = {"cluster": name, **row.values}
        for number, claim in enumerate(claims, start=1):
            text = claim["claim"] if isinstance(claim["claim"], str) else " ".join(claim["claim"])
            yield LabelRow(row.place, {**shared, **claim, "id": f"{name}#{number}", "output": text})


def id_of(row: LabelRow) -> str:
    """Return the id of a row, normalised as in golden sets. A row without one gets a hash of its content."""
    given = row.values.get("id")
    if given is None:
        return jsonl.digest({name: row.values.get(name) for name in _ID_CONTENT})[:12]
    return unicodedata.normalize("NFC", str(given))


def label_of(row: LabelRow) -> Json:
    """Return the ``gold``, the ``adjudicated`` or the own label of a row, not that of a rater; None without any."""
    fields = ("gold", "adjudicated", *_LABEL_FIELDS)
    return next((row.values[name] for name in fields if row.values.get(name) is not None), None)


def checks_raters(row: LabelRow) -> bool:
    """Return whether a row was added to check the raters: it is no random output, and would bias the rates."""
    is_planted = row.values.get("gold") is not None and row.values.get("sample") is None
    return is_planted or row.values.get("repeat_of") is not None


def ratings_of(row: LabelRow, raters: Sequence[str]) -> dict[str, Json]:
    """Return the label of each rater: those of ``labels`` or of ``labels.NAME`` columns, and those at ``raters``."""
    named = row.values.get("labels")
    if not isinstance(named, dict):
        named = {name.removeprefix(_RATER): value for name, value in row.values.items() if name.startswith(_RATER)}
    ratings = {**named, **{path: at(row.values, path) for path in raters}}
    return {rater: label for rater, label in ratings.items() if label is not None}


def by_output(rows: Iterable[LabelRow]) -> tuple[list[LabelRow], list[LineProblem]]:
    """Join the rows of one output by several raters, which have one id and a ``rater`` each, to one row.

    Return the rows, in order of their first appearance, and the problems of rows that cannot be joined. A row of a
    single rater keeps its label as that of the output.
    """
    joined: list[LabelRow] = []
    places: dict[str, int] = {}
    problems: list[LineProblem] = []
    for row in rows:
        name = id_of(row)
        if row.values.get("rater") is None:
            joined.append(row)
        elif name not in places:
            places[name] = len(joined)
            joined.append(_with_rating(row))
        else:
            first = joined[places[name]]
            problems += _conflicts(first, row)
            joined[places[name]] = _joined(first, row)
    return joined, problems


def _own_label(row: LabelRow) -> Json:
    return next((row.values[field] for field in _LABEL_FIELDS if row.values.get(field) is not None), None)


def _with_rating(row: LabelRow) -> LabelRow:
    """Return the row with its label as that of its rater as well."""
    if (own := _own_label(row)) is None:
        return row
    return LabelRow(row.place, {**row.values, "labels": {**ratings_of(row, ()), row.values["rater"]: own}})


def _joined(first: LabelRow, row: LabelRow) -> LabelRow:
    """Return the first row of an output with the label of one more rater. Two labels have no common one."""
    if (own := _own_label(row)) is None:
        return first
    before = ratings_of(first, ())
    if not before:
        return LabelRow(first.place, {**first.values, "label": own, "labels": {row.values["rater"]: own}})
    kept = {field: value for field, value in first.values.items() if field not in _LABEL_FIELDS}
    return LabelRow(first.place, {**kept, "labels": {**before, row.values["rater"]: own}})


def _conflicts(first: LabelRow, row: LabelRow) -> Iterator[LineProblem]:
    for field in _SHARED:
        if row.values.get(field) not in (None, first.values.get(field)):
            message = f"differs from line {first.place.line}, which has the same id: the rows of one output must agree"
            yield _problem(row, field, message)
    rater = row.values["rater"]
    if _own_label(row) is not None and rater in ratings_of(first, ()):
        yield _problem(row, "rater", f"{jsonl.quote_text(rater)} has labelled {jsonl.quote_text(id_of(row))} already")


def case_of(row: LabelRow) -> Case:
    """Return the case of a row."""
    context = row.values.get("context") or ()
    return Case(
        id=id_of(row),
        input=row.values.get("input"),
        expected=row.values.get("expected"),
        context=(context,) if isinstance(context, str) else tuple(context),
        rubric=row.values.get("rubric"),
        place=row.place,
    )


def row_problems(row: LabelRow) -> Iterator[LineProblem]:
    """Yield the problems of a row's fields, except those about the meaning of its labels."""
    for field, (is_valid, rule) in _RULES.items():
        value = row.values.get(field)
        if value is not None and not is_valid(value):
            yield _problem(row, field, f"{rule}, not {jsonl.escape_text(jsonl.canonical(value), 60)}")
    if all(row.values.get(name) is not None for name in _LABEL_FIELDS):
        yield _problem(row, _LABEL_FIELDS[1], f"given in addition to {_LABEL_FIELDS[0]}: keep one of them")


def _has(row: LabelRow, field: str) -> bool:
    return field in row.values or at(row.values, field) is not None


def _unknown_rater(name: str, rows: Sequence[LabelRow]) -> str:
    """Return a message that no row has the field of a rater, with the most similar one."""
    metadata = [inner for row in rows if isinstance(inner := row.values.get("metadata"), dict)]
    known = [*(one for row in rows for one in row.values), *(f"metadata.{one}" for inner in metadata for one in inner)]
    near = did_you_mean(name, dict.fromkeys(known))
    return f"no row has the field {jsonl.quote_text(name)} of --rater{near}"


def label_problems(rows: Sequence[LabelRow], raters: Sequence[str]) -> Iterator[LineProblem]:
    """Yield each row without a field for a label; a single problem if no row has one."""
    if unknown := [name for name in raters if rows and not any(_has(row, name) for row in rows)]:
        yield from (LineProblem(rows[0].place.file, 0, "", _unknown_rater(name, rows)) for name in unknown)
        return
    fields = (*_LABEL_FIELDS, "labels", "claims", *raters)
    lacking = [
        row
        for row in rows
        if not any(_has(row, field) for field in fields) and not any(field.startswith(_RATER) for field in row.values)
    ]
    if rows and len(lacking) == len(rows):
        yield LineProblem(rows[0].place.file, 0, "", f"no row has a label: {_HOW_TO_LABEL}")
        return
    for row in lacking:
        yield _problem(row, "", f"no label: {_HOW_TO_LABEL}")


def id_problems(rows: Sequence[LabelRow]) -> Iterator[LineProblem]:
    """Yield each id that an earlier row already has."""
    first: dict[str, LabelRow] = {}
    for row in rows:
        name = id_of(row)
        if (before := first.setdefault(name, row)) is not row:
            yield _problem(row, "id", f"duplicate id {jsonl.quote_text(name)} (first at line {before.place.line})")


def repeat_problems(rows: Sequence[LabelRow]) -> Iterator[LineProblem]:
    """Yield each row that repeats a row that is not in the file, or that is a repetition itself."""
    originals = {id_of(row) for row in rows if row.values.get("repeat_of") is None}
    for row in rows:
        repeated = row.values.get("repeat_of")
        if repeated is not None and unicodedata.normalize("NFC", str(repeated)) not in originals:
            yield _problem(row, "repeat_of", f"no other row has the id {jsonl.quote_text(str(repeated))}")


def _problem(row: LabelRow, field: str, message: str) -> LineProblem:
    return LineProblem(row.place.file, row.place.line, field, message)


def is_number(value: Json) -> bool:
    """Return whether a JSON value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _are_claims(value: Json) -> bool:
    return isinstance(value, list) and all(
        isinstance(claim, dict)
        and {"claim", "label"} <= claim.keys()
        and (isinstance(claim["claim"], str) or _are_texts(claim["claim"]))
        for claim in value
    )


_RULES: Final[Mapping[str, tuple[Callable[[Json], bool], str]]] = {
    "id": (
        lambda value: (isinstance(value, str) and value.strip() == value != "") or _is_whole(value),
        "must be a string without surrounding white space, or a whole number",
    ),
    "context": (
        lambda value: isinstance(value, str) or _are_texts(value),
        "must be a string or a list of strings",
    ),
    "rubric": (lambda value: isinstance(value, str), "must be a string, the note that was graded"),
    "graded_part": (
        lambda value: isinstance(value, str) and bool(value.strip()),
        "must be the field of the judge: output is that part of the whole output",
    ),
    "cluster": (lambda value: isinstance(value, str) or _is_whole(value), "must be a string or a whole number"),
    "repeat_of": (
        lambda value: isinstance(value, str) or _is_whole(value),
        "must be the id of the row that is repeated",
    ),
    "weight": (lambda value: is_number(value) and 0 < value < math.inf, "must be a number above 0"),
    "rater": (lambda value: isinstance(value, str) and bool(value.strip()), "must be the name of a person"),
    "seconds": (lambda value: is_number(value) and 0 < value < math.inf, "must be a number above 0"),
    "sample": (lambda value: DrawnFrom.parse(value) is not None, "must be as label sample wrote it"),
    "labels": (lambda value: isinstance(value, dict), 'must be labels by rater: {"anna": "pass", "ben": "fail"}'),
    "claims": (_are_claims, 'must be a list of {"claim": "...", "label": "..."}'),
}
