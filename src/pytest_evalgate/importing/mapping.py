"""Translation of named values, such as the cells of a table, to canonical rows.

Names decide, never positions: ``--map``, else the dialect of a known tool, else the names in
`golden.dialects.columns`. What has no canonical field is kept as metadata.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects import recognise, translate_row
from pytest_evalgate.golden.dialects.translate import read_alternatives, read_input
from pytest_evalgate.golden.record import FIELDS, canonical_row, parse_row
from pytest_evalgate.importing.column_plan import MEMBERS, choose_columns
from pytest_evalgate.importing.imported import ImportedCase, ImportingError, LeftOut
from pytest_evalgate.importing.prune import pruned
from pytest_evalgate.importing.sheets import cell_text
from pytest_evalgate.importing.source_rows import with_json, with_lists
from pytest_evalgate.records.cases import Place
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.jsonl import JsonLine
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.errors import LineProblem
    from pytest_evalgate.golden.dialects import Dialect
    from pytest_evalgate.golden.record import ParsedRow
    from pytest_evalgate.importing.column_plan import ColumnPlan
    from pytest_evalgate.importing.source_rows import SourceRow
    from pytest_evalgate.records.cases import Json


@dataclass(frozen=True, slots=True)
class Mapped:
    """Canonical rows of a source. ``dialect`` is the tool that the names belong to, empty if it is none."""

    cases: tuple[ImportedCase, ...]
    mapping: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...] = ()
    dialect: str = ""
    notes: tuple[str, ...] = ()


def map_rows(rows: Sequence[SourceRow], file: str, columns: Mapping[str, str], *, is_table: bool) -> Mapped:
    """Translate the rows of a source.

    Args:
        rows: They all have the same names in a table; in a document, each has the keys of its object.
        file: Name of the source.
        columns: Name to read, by canonical field; the fields that are not in it are guessed.
        is_table: Whether the values are cells, in which lists are written as text.

    Raises:
        ImportingError: Names are missing or ambiguous, or rows are malformed; lists every problem.
    """
    mapped = _mapped(rows, file, columns, is_table=is_table)
    has_ids = any(into == "id" for _, into in mapped.mapping)
    return mapped if has_ids else replace(mapped, notes=(*mapped.notes, _NO_IDS))


_NO_IDS: Final = "ids are made from the content, so they stay when rows move"


def _mapped(rows: Sequence[SourceRow], file: str, columns: Mapping[str, str], *, is_table: bool) -> Mapped:
    names = tuple(dict.fromkeys(name for row in rows for name in row.values))
    dialect = None if columns else _dialect(rows, names, file, is_table=is_table)
    used = [name for name in names if any(row.values.get(name) is not None for row in rows)]
    if dialect is not None:
        mapped = _collect(_translated(rows, dialect, is_table=is_table), dialect.name, is_table=is_table)
        by_column = dialect.prepare is not None
        return replace(mapped, mapping=_by_column(used) if by_column else _completed(mapped.mapping, used))
    if not columns and not is_table and any(not _INPUTS.isdisjoint(row.values) for row in rows):
        mapped = _collect([_parsed(row, dict(row.values)) for row in rows], "", is_table=is_table)
        return replace(mapped, mapping=_completed((), used))
    plan = choose_columns(rows, names, file, columns)
    read = [_planned(row, plan) for row in (with_json(rows) if is_table else rows)]
    mapped = _collect(read, "", is_table=is_table)
    mapping = tuple((name, plan.fields.get(name, "metadata")) for name in used)
    return replace(mapped, mapping=mapping, notes=(*plan.notes, *mapped.notes))


def _completed(mapping: Sequence[tuple[str, str]], names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the field of each name: ``mapping`` lists the renamed ones, unknown ones are metadata."""
    renamed = {name for name, _ in mapping}
    others = [(name, name if name in FIELDS else "metadata") for name in names if name not in renamed]
    return (*mapping, *others)


_SPECIAL: Final = {"__description": "id", "__providerOutput": "output"}


def _by_column(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the field of each column of a table of promptfoo: those without ``__`` are variables."""
    return tuple(
        (
            name,
            "asserts"
            if name.startswith("__expected")
            else _SPECIAL.get(name, "metadata" if name[:2] == "__" else "vars"),
        )
        for name in names
    )


_INPUTS: Final = frozenset({"input", "messages", "vars"})
_GUESSED: Final = "question and answer"
"""The dialect of direct loading that has the general names, which tables write in more ways."""


def _dialect(rows: Sequence[SourceRow], names: Sequence[str], file: str, *, is_table: bool) -> Dialect | None:
    """Return the dialect of a tool that the names belong to.

    Raises:
        ImportingError: Rows fit two dialects, or the rows of a document are of several.
    """
    if is_table:
        lines = [JsonLine(1, dict.fromkeys(names))]
    else:
        lines = [JsonLine(number, dict(row.values)) for number, row in enumerate(rows, start=1)]
    dialect, problems = recognise(lines, file)
    if problems:
        place = file if is_table else rows[problems[0].line - 1].place
        message = _ITEM.sub(lambda found: f"that of {rows[int(found[1]) - 1].place} is", problems[0].message)
        raise ImportingError([(place, f"{message}; or name the columns with --map")])
    return None if dialect is not None and is_table and dialect.name == _GUESSED else dialect


_ITEM: Final = re.compile(r"that of line (\d+) is")


@dataclass(frozen=True, slots=True)
class _Read:
    """A row, translated: a case or problems, the mapping that it used, and what it left out."""

    row: SourceRow
    parsed: ParsedRow | None
    mapping: tuple[tuple[str, str], ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # name in the source, by canonical field


def _translated(rows: Sequence[SourceRow], dialect: Dialect, *, is_table: bool) -> Iterator[_Read]:
    """Translate the rows of a dialect; checks that have no equivalent are left out."""
    prepared = replace(dialect, prepare=None)
    if is_table and dialect.prepare is None:
        rows = with_json(rows)
        rows = list(with_lists(rows)) if dialect.name.startswith("deepeval") else rows
    for row in rows:
        values = {
            name: cell_text(value) if is_table and _is_number(value) else value for name, value in row.values.items()
        }
        given = values if dialect.prepare is None else dialect.prepare(values)
        kept, left_out = pruned(dict(given), row.place)
        made = translate_row(kept, Place(row.place, 0), prepared)
        yield _Read(row, made.parsed, made.mapping, tuple(left_out))


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float)


_TEXTS: Final = frozenset(
    {"id", "input", "expected", "output", "rubric", "context", "reference_context", "split", "human_label"}
)
_OBJECTS: Final = frozenset({"vars", "slice", "metadata"})
_SPLIT: Final = re.compile(r"[,;\n]")
_YES: Final = frozenset({"true", "yes", "x", "1"})
_NO: Final = frozenset({"false", "no", "0"})


def _planned(row: SourceRow, plan: ColumnPlan) -> _Read:
    """Translate a row by the fields of its names."""
    made: dict[str, Any] = {}
    metadata: dict[str, Json] = {}
    mapping = [(name, into) for name, into in plan.fields.items() if name in row.values and name != into]
    for name, value in row.values.items():
        if value is None:
            continue
        into = plan.fields.get(name)
        if into is None or (into in _OBJECTS and not isinstance(value, dict)):
            metadata[name] = value
        elif into.startswith(MEMBERS):
            whole, _, member = into.partition(".")
            made.setdefault(whole, {})[member] = value if whole == "metadata" else _as_text(value)
        elif into == "metadata":
            metadata |= {key: member for key, member in value.items() if key not in metadata}
        else:
            for target, part in _value(into, value).items():
                made[target] = {**made[target], **part} if target in _OBJECTS and target in made else part
    if _CONTENT.isdisjoint(made):
        shown = next((cell_text(one) for one in row.values.values() if isinstance(one, str | int | float)), "")
        what = f"the row {jsonl.quote_text(shown, 40)}"
        return _Read(row, None, left_out=(LeftOut(row.place, what, "it has no input and no expected answer"),))
    if metadata:
        made["metadata"] = {**metadata, **made.get("metadata", {})}
    kept, left_out = pruned(made, row.place)
    return replace(_parsed(row, kept, plan.names), mapping=tuple(mapping), left_out=tuple(left_out))


_CONTENT: Final = frozenset({"input", "messages", "vars", "output", "expected", "expected_any", "asserts", "rubric"})


def _as_text(value: Json) -> Json:
    return cell_text(value) if isinstance(value, int | float) else value


def _value(into: str, value: Json) -> Mapping[str, Any]:
    """Return the canonical fields that a value gives."""
    value = _as_text(value) if into in _TEXTS else value
    if into in _READERS:
        return _READERS[into](value)
    if not isinstance(value, str) or into not in _IN_CELLS:
        return {into: value}
    return {"input" if into == "messages" else into: _IN_CELLS[into](value)}


def _skip(value: Json) -> dict[str, Any]:
    text = cell_text(value).strip().lower() if isinstance(value, str | int | float) else ""
    return {} if text in _NO else {"skip": True if text in _YES else value}


def _parts(text: str) -> list[str]:
    return [part for one in _SPLIT.split(text) if (part := one.strip())]


def _lines(text: str) -> list[str]:
    return [part for one in text.splitlines() if (part := one.strip())]


def _number(text: str) -> Json:
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


_READERS: Final[Mapping[str, Callable[[Json], Mapping[str, Any]]]] = {
    "input": read_input,
    "expected": read_alternatives,
    "skip": _skip,
}
_IN_CELLS: Final[Mapping[str, Callable[[str], Json]]] = {
    "tags": _parts,
    "expected_tools": _parts,
    "trajectory": _parts,
    "expected_any": _lines,
    "messages": str,
    "weight": _number,
    "trials": _number,
}
"""Readers of fields that are written as text."""


def _parsed(row: SourceRow, values: dict[str, Any], names: Mapping[str, str] | None = None) -> _Read:
    given = {name: value for name, value in values.items() if value is not None or name == "input"}
    return _Read(row, parse_row(given, Place(row.place, 0)), names=names or {})


_HEAD: Final = re.compile(r"[^.\[]+")


def _collect(read: Iterable[_Read], dialect: str, *, is_table: bool) -> Mapped:
    """Gather the cases; leave out rows that occur twice, and skip cells that are not filled in yet.

    Raises:
        ImportingError: Rows are malformed, or two different ones have the same id.
    """
    cases: dict[str, ImportedCase] = {}
    mapping: dict[tuple[str, str], None] = {}
    left_out: list[LeftOut] = []
    problems: list[tuple[str, str]] = []
    for one in read:
        mapping |= dict.fromkeys(one.mapping)
        left_out += one.left_out
        if one.parsed is None:
            continue
        problems += [_placed(problem, one) for problem in one.parsed.problems]
        if one.parsed.case is None:
            continue
        case = ImportedCase(one.row.place, _without_nulls(canonical_row(one.parsed.case)))
        first = cases.setdefault(one.parsed.case.id, case)
        if first is case:
            continue
        if first.row == case.row:
            left_out.append(LeftOut(case.place, f"the case {_named(case)}", f"it is the same as {first.place}"))
        else:
            problems.append((case.place, _repeated(case, first)))
    if problems:
        raise ImportingError(problems)
    made, notes = _without_gaps(list(cases.values())) if is_table else (list(cases.values()), ())
    return Mapped(tuple(made), tuple(mapping), tuple(left_out), dialect, notes)


def _placed(problem: LineProblem, read: _Read) -> tuple[str, str]:
    """Return the place of a problem, and its message with the name that the source has for the field."""
    if not problem.field and (
        column := read.names.get("input")
    ):  # the other problem of a whole row is a missing input
        return read.row.at(column), f"{column}: the cell is empty, but the row has an expected value or an output"
    head = _HEAD.match(problem.field)
    if head is None:
        return read.row.place, problem.message
    name = read.names.get(head[0], head[0])
    return read.row.at(name), f"{name}{problem.field[head.end() :]}: {problem.message}"


_GRADED: Final = frozenset({"expected", "expected_any", "asserts", "rubric"})


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without the metadata that is null, as the unset fields of other tools are."""
    kept = {name: value for name, value in row.get("metadata", {}).items() if value is not None}
    others = {name: value for name, value in row.items() if name != "metadata"}
    return {**others, **({"metadata": kept} if kept else {})}


def _without_gaps(cases: list[ImportedCase]) -> tuple[list[ImportedCase], tuple[str, ...]]:
    """Skip the cases that nothing grades, if most others have an expected value: it is not filled in yet."""
    bare = [case.place for case in cases if _GRADED.isdisjoint(case.row)]
    if not bare or 2 * len(bare) > len(cases):
        return cases, ()
    reason = "no expected value yet"
    filled = [
        replace(case, row={**case.row, "skip": case.row.get("skip", reason)}) if _GRADED.isdisjoint(case.row) else case
        for case in cases
    ]
    return filled, (f"{count(len(bare), 'case')} without an expected value, to be skipped: {first_few(bare)}",)


def _named(case: ImportedCase) -> str:
    return jsonl.quote_text(str(case.row["id"]), 40)


def _repeated(case: ImportedCase, first: ImportedCase) -> str:
    differing = [name for name in (*first.row, *case.row) if first.row.get(name) != case.row.get(name)]
    if any(name in {"input", "messages", "vars", "expected"} for name in differing):
        return f"duplicate id {_named(case)} (first at {first.place})"
    return (
        f"the same input and expected answer as {first.place}, but another {', '.join(dict.fromkeys(differing))}: add "
        "a column with an id for each row, and name it with --map id=COLUMN"
    )
