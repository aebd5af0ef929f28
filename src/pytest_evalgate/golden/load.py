"""What is not JSON Lines: told by the name of the file, or by how it begins, and said once instead of line by line."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import GoldenSetError, LineProblem
from pytest_evalgate.golden.dialects.known import recognise
from pytest_evalgate.golden.dialects.translate import mapping_of, translate_row
from pytest_evalgate.golden.record import LONGEST_ID, GoldenRow, duplicate_ids, parse_row, set_digest
from pytest_evalgate.records.results import Case, GoldenSet, Place
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.files import relative_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_evalgate.golden.dialects.translate import Dialect
    from pytest_evalgate.golden.record import ParsedRow
    from pytest_evalgate.records.results import Json
    from pytest_evalgate.text.jsonl import JsonLine

_KINDS: Final = {
    ".csv": "a table",
    ".json": "a JSON document",
    ".parquet": "a Parquet file",
    ".tsv": "a table",
    ".xlsx": "a spreadsheet",
    ".yaml": "a YAML document",
    ".yml": "a YAML document",
}
_REMEDY: Final = (
    'a golden set is JSON Lines, one object a line, such as {"id": "refund-1", "input": "…", "expected": "…"}: write '
    "its rows so, as a .jsonl file"
)
_WRAPPERS: Final = ("cases", "examples", "goldens", "tests")
_BOM: Final = b"\xef\xbb\xbf"


def check_name(path: Path, name: str) -> LineProblem | None:
    """Return what is wrong with a file whose name says that it holds something else; None for any other file."""
    kind = _KINDS.get(path.suffix.lower())
    return None if kind is None else LineProblem(name, 0, "", f"{kind}; {_REMEDY}")


def check_rows(rows: Sequence[JsonLine], name: str) -> LineProblem | None:
    """Return what is wrong with a file whose only row is a list of cases; None for any other."""
    if len(rows) != 1:
        return None
    [row] = rows
    wrapper = next((key for key in _WRAPPERS if isinstance(row.value.get(key), list)), None)
    if wrapper is None or "input" in row.value:
        return None
    return LineProblem(name, row.number, wrapper, f"all cases in one object; {_REMEDY}")


def check_start(path: Path, name: str) -> LineProblem | None:
    """Return what is wrong with a file that begins like one JSON document over several lines; None for any other."""
    try:
        with path.open("rb") as file:
            head = file.read(64).removeprefix(_BOM).lstrip()
    except OSError:
        return None
    if head.startswith(b"["):
        return LineProblem(name, 0, "", f"a JSON array; {_REMEDY}")
    if head.startswith(b"{") and head[1:].lstrip(b" \t\r").startswith(b"\n"):
        return LineProblem(name, 0, "", f"a JSON document over several lines; {_REMEDY}")
    return None


@dataclass(frozen=True, slots=True)
class ReadFile:
    """One file: the cases that could be read, and every problem in line order.

    ``dialect`` names the tool that its rows were written for, ``mapping`` lists which name became which field; both
    are empty for the canonical record.
    """

    golden: GoldenSet
    problems: tuple[LineProblem, ...]
    dialect: str = ""
    mapping: tuple[tuple[str, str], ...] = ()


def load(paths: Sequence[Path], *, root: Path) -> tuple[GoldenSet, ...]:
    """Load one golden set per file; the sets and the cases name their files relative to ``root``.

    Rows that were written for another tool are translated: see `pytest_evalgate.golden.dialects`.

    Raises:
        GoldenSetError: anything is wrong with any of the files; lists every problem in file and line order.

    """
    sets: list[GoldenSet] = []
    problems: list[LineProblem] = []
    for path in paths:
        found = read_file(path, relative_name(path, root))
        sets.append(found.golden)
        problems += found.problems
    if problems:
        raise GoldenSetError(problems)
    return tuple(sets)


def read_file(path: Path, name: str) -> ReadFile:
    """Read a file as far as it can be read; problems and cases call it ``name``. Nothing is raised."""
    if (other := check_name(path, name)) is not None:
        return _refused(name, [other])
    lines, problems = jsonl.read(path, name=name)
    if problems and (other := check_start(path, name)) is not None:
        return _refused(name, [other])
    rows = lines[1:] if lines and _is_meta(lines[0]) else lines
    if (other := check_rows(rows, name)) is not None:
        return _refused(name, [other])
    dialect, unclear = recognise(rows, name)
    if unclear:
        return _refused(name, [*problems, *unclear])
    parsed, mapping = _parsed(rows, name, dialect)
    cases = [row.case for row in parsed if row.case is not None]
    problems += [problem for row in parsed for problem in row.problems]
    problems += duplicate_ids(_named(rows, parsed, name))
    if not cases and not problems:
        problems.append(
            LineProblem(name, 0, "", 'holds no case; write one JSON object per line, such as {"input": "…"}')
        )
    golden = GoldenSet(name, tuple(cases), set_digest(cases))
    return ReadFile(golden, _in_order(problems), "" if dialect is None else dialect.name, mapping)


def _parsed(
    rows: Sequence[jsonl.JsonLine], name: str, dialect: Dialect | None
) -> tuple[list[ParsedRow], tuple[tuple[str, str], ...]]:
    if dialect is None:
        return [parse_row(row.value, Place(name, row.number)) for row in rows], ()
    mapped = [translate_row(row.value, Place(name, row.number), dialect) for row in rows]
    return [row.parsed for row in mapped], mapping_of(mapped)


def _named(rows: Sequence[jsonl.JsonLine], parsed: Sequence[ParsedRow], name: str) -> Iterable[tuple[str, Place]]:
    """Yield the id of each row that has a good one; cases made of the same content have the same."""
    for row, made in zip(rows, parsed, strict=True):
        if made.id:
            yield made.id, Place(name, row.number) if made.case is None else made.case.place


def _refused(name: str, problems: Iterable[LineProblem]) -> ReadFile:
    cases: list[Case] = []
    return ReadFile(GoldenSet(name, (), set_digest(cases)), _in_order(problems))


def _in_order(problems: Iterable[LineProblem]) -> tuple[LineProblem, ...]:
    return tuple(sorted(problems, key=attrgetter("line")))


def _is_meta(line: jsonl.JsonLine) -> bool:
    return line.value.keys() == {"_meta"} and isinstance(line.value["_meta"], dict)


def json_schema() -> dict[str, Json]:
    """Return the schema of the canonical record. Fields that it does not name are kept in the metadata."""
    schema = GoldenRow.model_json_schema()
    named = {"id": {"anyOf": [{"type": "string", "minLength": 1, "maxLength": LONGEST_ID}, {"type": "integer"}]}}
    return {
        **schema,
        "title": "A line of a golden set",
        "description": "One case; without an id, a digest of its content names it.",
        "properties": {**named, **schema["properties"]},
        "additionalProperties": True,
    }
