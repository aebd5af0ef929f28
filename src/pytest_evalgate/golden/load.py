"""Reader of golden sets in JSONL files.

A canonical file without problems is read in one pass (`valid_files`). Of any other, all lines are read first
(`text.jsonl`), then its dialect is recognised (`dialects.known`), and each row becomes a case (`record`,
`dialects.translate`). The problems of all files are reported together.
"""

from __future__ import annotations

import shlex
from operator import attrgetter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import GoldenSetError, LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.record import (
    FIELDS,
    LONGEST_ID,
    GoldenRow,
    ParsedRow,
    duplicate_ids,
    parse_row,
    set_digest,
)
from pytest_evalgate.golden.valid_files import read_valid
from pytest_evalgate.records.cases import GoldenSet, Place
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.files import relative_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_evalgate.golden.dialects.translate import Dialect
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.text.jsonl import JsonLine

IMPORTED: Final = {
    ".csv": "a table",
    ".json": "a JSON document",
    ".tsv": "a table",
    ".xlsm": "a spreadsheet",
    ".xlsx": "a spreadsheet",
    ".yaml": "a YAML document",
    ".yml": "a YAML document",
}
"""What a file is that ``pytest-evalgate import`` makes a golden set of, by its suffix."""

_OTHERS: Final = {
    ".ods": "a spreadsheet, not JSON Lines: save it as .xlsx or .csv, then run pytest-evalgate import",
    ".parquet": "a Parquet file, not JSON Lines: write its rows as JSON Lines, one object a line",
    ".xls": "a spreadsheet, not JSON Lines: save it as .xlsx or .csv, then run pytest-evalgate import",
}
_WRAPPERS: Final = ("cases", "examples", "goldens", "tests")  # keys of the list in a file that is one object
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The content of one file: the valid cases, and all problems in line order.

    ``dialect`` is the name of the tool that the rows were written for, ``mapping`` lists (name, field) for each
    renamed field. Both are empty for canonical rows.
    """

    golden: GoldenSet
    problems: tuple[LineProblem, ...]
    dialect: str = ""
    mapping: tuple[tuple[str, str], ...] = ()


def load(paths: Sequence[Path], *, root: Path) -> tuple[GoldenSet, ...]:
    """Load one golden set from each file. The sets and the cases name their files relative to ``root``.

    Rows that were written for another tool are translated: see `pytest_evalgate.golden.dialects`.

    Raises:
        GoldenSetError: A file has problems; lists all problems of all files.
    """
    read = [read_file(path, relative_name(path, root)) for path in paths]
    if problems := [problem for file in read for problem in file.problems]:
        raise GoldenSetError(problems)
    return tuple(file.golden for file in read)


def read_file(path: Path, name: str) -> ReadFile:
    """Read the valid cases and the problems of a file; both use ``name`` for it. Raises nothing."""
    if (problem := _name_problem(path, name)) is not None:
        return _unreadable(name, [problem])
    if (golden := read_valid(path, name, parse_canonical)) is not None:
        return ReadFile(golden, ())
    lines, problems = jsonl.read(path, name=name)
    if problems and (problem := _start_problem(path, name)) is not None:
        return _unreadable(name, [problem])
    has_meta = bool(lines) and lines[0].value.keys() == {"_meta"} and isinstance(lines[0].value["_meta"], dict)
    rows = lines[1:] if has_meta else lines
    if (problem := _wrapper_problem(rows, name)) is not None:
        return _unreadable(name, [problem])
    dialect, dialect_problems = _recognise(rows, name)
    if dialect_problems:
        return _unreadable(name, [*problems, *dialect_problems])
    parsed, mapping = _parse(rows, name, dialect)
    cases = [row.case for row in parsed if row.case is not None]
    problems += [problem for row in parsed for problem in row.problems]
    # generated ids too: rows with the same content have the same id
    problems += duplicate_ids(
        (made.id, Place(name, row.number)) for row, made in zip(rows, parsed, strict=True) if made.id
    )
    if not cases and not problems:
        problems.append(
            LineProblem(name, 0, "", 'contains no case; write one JSON object per line, such as {"input": "…"}')
        )
    golden = GoldenSet(name, tuple(cases), set_digest(cases))
    return ReadFile(golden, _in_order(problems), "" if dialect is None else dialect.name, mapping)


def _name_problem(path: Path, name: str) -> LineProblem | None:
    """Return the problem of a file whose name ends like that of another format."""
    suffix = path.suffix.lower()
    if suffix in _OTHERS:
        return LineProblem(name, 0, "", _OTHERS[suffix])
    if suffix not in IMPORTED or not path.exists():  # reading a missing file gives the true reason
        return None
    return LineProblem(name, 0, "", f"{IMPORTED[suffix]}, {import_remedy(name)}")


def import_remedy(name: str) -> str:
    """Return the command that makes a golden set of a file, and what to do with it; ``name`` is its relative path."""
    path = PurePosixPath(name)
    target = path.with_suffix(".jsonl") if path.suffix != ".jsonl" else path.with_name(f"{path.stem}-cases.jsonl")
    command = shlex.join(["pytest-evalgate", "import", name, "--to", str(target)])
    return f"not JSON Lines: make a golden set of it, and name that instead: {command}"


def _start_problem(path: Path, name: str) -> LineProblem | None:
    """Return the problem of a file that starts like a JSON document over several lines."""
    try:
        with path.open("rb") as file:
            head = file.read(64).removeprefix(_BOM).lstrip()
    except OSError:
        return None
    if head.startswith(b"["):
        return LineProblem(name, 0, "", f"a JSON array, {import_remedy(name)}")
    if head.startswith(b"{") and head[1:].lstrip(b" \t\r").startswith(b"\n"):
        return LineProblem(name, 0, "", f"a JSON document over several lines, {import_remedy(name)}")
    return None


def _wrapper_problem(rows: Sequence[JsonLine], name: str) -> LineProblem | None:
    """Return the problem of a file whose only row is an object around the list of all cases."""
    if len(rows) != 1:
        return None
    [row] = rows
    wrapper = next((key for key in _WRAPPERS if isinstance(row.value.get(key), list)), None)
    if wrapper is None or "input" in row.value:
        return None
    return LineProblem(name, row.number, wrapper, f"all cases in one object, {import_remedy(name)}")


def _recognise(rows: Sequence[JsonLine], name: str) -> tuple[Dialect | None, list[LineProblem]]:
    if all(row.value.keys() <= FIELDS for row in rows):
        return None, []
    from pytest_evalgate.golden.dialects.known import recognise  # noqa: PLC0415 - only rows with other keys need it

    return recognise(rows, name)


def _parse(
    rows: Sequence[JsonLine], name: str, dialect: Dialect | None
) -> tuple[list[ParsedRow], tuple[tuple[str, str], ...]]:
    if dialect is None:
        return [parse_canonical(row.value, Place(name, row.number)) for row in rows], ()
    from pytest_evalgate.golden.dialects.translate import mapping_of, translate_row  # noqa: PLC0415 - the same

    translated = [translate_row(row.value, Place(name, row.number), dialect) for row in rows]
    return [row.parsed for row in translated], mapping_of(translated)


def parse_canonical(row: dict[str, Any], place: Place) -> ParsedRow:
    """Parse a canonical row, whose asserts may be written as promptfoo writes them."""
    entries = row.get("asserts")
    if not isinstance(entries, list) or not any(isinstance(one, dict) and "type" in one for one in entries):
        return parse_row(row, place)
    from pytest_evalgate.golden.dialects.asserts import translate_types  # noqa: PLC0415 - few rows need it
    from pytest_evalgate.golden.dialects.translate import TranslationError  # noqa: PLC0415 - the same

    try:
        value = {**row, "asserts": translate_types(entries, row)}
    except TranslationError as error:
        known = parse_row({**row, "asserts": []}, place)
        problem = LineProblem(place.file, place.line, f"asserts{error.path}", str(error))
        return ParsedRow(known.id, None, (*known.problems, problem))
    return parse_row(value, place)


def _unreadable(name: str, problems: Iterable[LineProblem]) -> ReadFile:
    return ReadFile(GoldenSet(name, (), set_digest(())), _in_order(problems))


def _in_order(problems: Iterable[LineProblem]) -> tuple[LineProblem, ...]:
    return tuple(sorted(problems, key=attrgetter("line")))


def json_schema() -> dict[str, Json]:
    """Return the JSON schema of a canonical row. Fields with other names go into the metadata."""
    schema = GoldenRow.model_json_schema()
    named = {"id": {"anyOf": [{"type": "string", "minLength": 1, "maxLength": LONGEST_ID}, {"type": "integer"}]}}
    return {
        **schema,
        "title": "A line of a golden set",
        "description": "One case. Without an id, a digest of its content is the id.",
        "properties": {**named, **schema["properties"]},
        "additionalProperties": True,
    }
