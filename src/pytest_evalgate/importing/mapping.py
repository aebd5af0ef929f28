"""Translation of named values, such as the cells of a table, to canonical rows.

Names decide, never positions: ``--map``, else the dialect of a known tool, else the names in
`golden.dialects.columns`. What has no canonical field is kept as metadata.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.golden.dialects import recognise, translate_row
from pytest_evalgate.golden.dialects.columns import COLUMN_NAMES, WEAK_IDS, field_of, normal_name
from pytest_evalgate.golden.dialects.translate import read_alternatives, read_input
from pytest_evalgate.golden.record import FIELDS, canonical_row, normalise, parse_row
from pytest_evalgate.importing.imported import ImportedCase, ImportingError, LeftOut
from pytest_evalgate.importing.prune import pruned
from pytest_evalgate.importing.sheets import cell_text
from pytest_evalgate.records.results import Place
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.jsonl import JsonLine
from pytest_evalgate.text.wording import count, did_you_mean, first_few

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_evalgate.golden.dialects import Dialect
    from pytest_evalgate.golden.record import ParsedRow
    from pytest_evalgate.records.results import Json


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Named values of a row of a source; empty cells are None. ``locate`` returns the place of a value by its name."""

    place: str
    values: Mapping[str, Json]
    locate: Callable[[str], str] | None = None

    def at(self, name: str) -> str:
        """Return the place of a value."""
        return self.place if self.locate is None or name not in self.values else self.locate(name)


@dataclass(frozen=True, slots=True)
class Mapped:
    """Canonical rows of a source. ``dialect`` is the tool that the names belong to, empty if it is none."""

    cases: tuple[ImportedCase, ...]
    mapping: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...] = ()
    dialect: str = ""
    notes: tuple[str, ...] = ()


def parse_map(texts: Sequence[str]) -> dict[str, str]:
    """Return the name of a column by canonical field: ``input=Question,expected="Expected answer"``.

    Raises:
        ValueError: A part is not ``field=name``, or the field is unknown or occurs twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        position = 0
        while position < len(text):
            part = _PART.match(text, position)
            if part is None:
                raise ValueError(f"{text[position:]!r} is not FIELD=COLUMN, such as input=Question")
            into, name = part["field"], part["quoted"] if part["quoted"] is not None else part["plain"].strip()
            if not _is_field(into):
                near = did_you_mean(into, FIELDS)
                raise ValueError(
                    f'no field "{into}"{near}; there are {", ".join(sorted(FIELDS))}, slice.NAME, vars.NAME'
                )
            if into in found:
                raise ValueError(f"{into} is mapped twice: to {found[into]!r} and {name!r}")
            if not name:
                raise ValueError(f"{into}= needs the name of a column")
            found[into] = name
            position = part.end()
    return found


# a comma is part of a name unless the next field follows it
_PART: Final = re.compile(
    r"""\s*(?P<field>[A-Za-z_][\w.\-]*)\s*=\s*
    (?:"(?P<quoted>[^"]*)"\s*|(?P<plain>[^,]*(?:,(?!\s*[A-Za-z_][\w.\-]*\s*=)[^,]*)*))
    (?:,|\Z)""",
    re.VERBOSE,
)
_MEMBERS: Final = ("metadata.", "slice.", "vars.")


def _is_field(name: str) -> bool:
    return name in FIELDS or (name.startswith(_MEMBERS) and not name.endswith("."))


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
    names = tuple(dict.fromkeys(name for row in rows for name in row.values))
    dialect = None if columns else _dialect(rows, names, file, is_table=is_table)
    if dialect is not None:
        return _collect(_translated(rows, dialect, is_table=is_table), dialect.name)
    if not columns and not is_table and any(not _INPUTS.isdisjoint(row.values) for row in rows):
        return _collect([_parsed(row, dict(row.values)) for row in rows], "")
    plan = _plan(rows, names, file, columns)
    return plan.add_notes(_collect([_planned(row, plan) for row in plan.prepare(rows, is_table=is_table)], ""))


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
    plain = is_table and dialect.prepare is None
    for row in _with_lists(_with_json(rows)) if plain else rows:
        values = {
            name: cell_text(value) if is_table and _is_number(value) else value for name, value in row.values.items()
        }
        given = values if dialect.prepare is None else dialect.prepare(values)
        kept, left_out = pruned(dict(given), row.place)
        made = translate_row(kept, Place(row.place, 0), prepared)
        yield _Read(row, made.parsed, made.mapping, tuple(left_out))


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float)


_CELL_LISTS: Final = {"context": "|", "retrieval_context": "|", "tools_called": ";", "expected_tools": ";"}
"""Separators of the lists that deepeval writes into cells."""


def _with_lists(rows: Sequence[SourceRow]) -> Iterator[SourceRow]:
    for row in rows:
        values = {
            name: [part.strip() for part in value.split(_CELL_LISTS[name])]
            if name in _CELL_LISTS and isinstance(value, str)
            else value
            for name, value in row.values.items()
        }
        yield replace(row, values=values)


def _with_json(rows: Sequence[SourceRow]) -> list[SourceRow]:
    """Parse the columns in which every cell is a JSON array or object; in all others, such a cell is text."""
    names = dict.fromkeys(name for row in rows for name in row.values)
    parsed = {name: column for name in names if (column := _json_column([row.values.get(name) for row in rows]))}
    if not parsed:
        return list(rows)
    return [
        replace(
            row, values={name: parsed[name][index] if name in parsed else value for name, value in row.values.items()}
        )
        for index, row in enumerate(rows)
    ]


def _json_column(cells: Sequence[Json]) -> list[Json] | None:
    made: list[Json] = []
    for cell in cells:
        if cell is None:
            made.append(None)
        elif isinstance(cell, str) and cell.lstrip().startswith(("{", "[")):
            try:
                made.append(jsonl.loads(cell))
            except ValueError:
                return None
        else:
            return None
    return made if any(cell is not None for cell in made) else None


@dataclass(frozen=True, slots=True)
class _Plan:
    """The canonical field of each name; names without one are kept as metadata."""

    fields: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """The names by canonical field."""
        return {into: name for name, into in self.fields.items()}

    def prepare(self, rows: Sequence[SourceRow], *, is_table: bool) -> Sequence[SourceRow]:
        """Parse the JSON columns of a table."""
        return _with_json(rows) if is_table else rows

    def add_notes(self, mapped: Mapped) -> Mapped:
        """Add the notes about names."""
        return replace(mapped, notes=(*self.notes, *mapped.notes))


def _plan(rows: Sequence[SourceRow], names: Sequence[str], file: str, columns: Mapping[str, str]) -> _Plan:
    """Choose the field of each name.

    Raises:
        ImportingError: A mapped column does not exist, or no column is the input.
    """
    chosen = _mapped(names, file, columns)
    notes: list[str] = []
    guesses = sorted((rank, name, into) for name in names if (found := field_of(name)) for into, rank in [found])
    for _, name, into in guesses:
        if name in chosen:
            continue
        if into in chosen.values():
            source = next(one for one, field_name in chosen.items() if field_name == into)
            notes.append(
                f"{jsonl.quote_text(name)} is kept as metadata: {into} is read from {jsonl.quote_text(source)}"
                f"{_output_hint(name, into, chosen)}"
            )
        elif into == "id" and (reason := _no_ids(rows, name)):
            notes.append(f"{jsonl.quote_text(name)} is kept as metadata: it cannot be the id, because {reason}")
        else:
            chosen[name] = into
    targets = {one.partition(".")[0] for one in chosen.values()}
    if targets.isdisjoint({"input", "messages", "vars"}):
        raise ImportingError([(file, _no_input(names))])
    if targets.isdisjoint({"expected", "expected_any", "rubric", "asserts", "output"}):
        near = _nearest(names, "expected", chosen)
        notes.append(f"no column has the expected answer{near}: name it with --map expected=COLUMN if there is one")
    return _Plan(chosen, tuple(notes))


def _output_hint(name: str, into: str, chosen: Mapping[str, str]) -> str:
    hint = into == "expected" and normal_name(name) in {"answer", "answers"} and "output" not in chosen.values()
    return f"; if it has recorded outputs, add --map output={_option(name)}" if hint else ""


def _mapped(names: Sequence[str], file: str, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of the mapped names, which may be written in another case."""
    by_normal = {normal_name(name): name for name in reversed(names)}
    chosen: dict[str, str] = {}
    problems = []
    for into, wanted in columns.items():
        name = wanted if wanted in names else by_normal.get(normal_name(wanted))
        if name is None:
            known = first_few([jsonl.quote_text(one) for one in names], 20)
            message = f"no column {jsonl.quote_text(wanted)}{did_you_mean(wanted, names)}; the columns are {known}"
            problems.append((file, f"--map {into}: {message}"))
        elif name in chosen:
            problems.append((file, f"--map {into}: column {jsonl.quote_text(name)} is already {chosen[name]}"))
        else:
            chosen[name] = into
    if problems:
        raise ImportingError(problems)
    return chosen


def _no_ids(rows: Sequence[SourceRow], name: str) -> str:
    """Return the reason why a column with an uncertain name has no ids; empty if it has them."""
    if normal_name(name) not in WEAK_IDS:
        return ""
    values = [row.values.get(name) for row in rows]
    if any(value is None for value in values):
        return "some are empty"
    try:
        ids = [normalise(cell_text(value) if isinstance(value, float) else value) for value in values]
    except ValueError as error:
        return str(error)
    return "some are equal" if len(set(ids)) < len(ids) else ""


def _no_input(names: Sequence[str]) -> str:
    known = first_few([jsonl.quote_text(one) for one in names], 20)
    near = _nearest(names, "input", {})
    first = next(iter(names), "COLUMN")
    example = f"--map input={_option(first)}" if len(names) == 1 else "--map input=COLUMN"
    return f"no column has the input of a case{near}; the columns are {known}: name it, for example {example}"


def _nearest(names: Sequence[str], into: str, taken: Mapping[str, str]) -> str:
    """Return a question with the free name that is most similar to those of a field."""
    import difflib  # noqa: PLC0415 - only a message needs it

    rated = [
        (max(difflib.SequenceMatcher(None, normal_name(name), known).ratio() for known in COLUMN_NAMES[into]), name)
        for name in names[:100]
        if name not in taken
    ]
    ratio, name = max(rated, default=(0.0, ""))
    return f" (did you mean {jsonl.quote_text(name)}?)" if ratio >= _SIMILAR else ""


_SIMILAR: Final = 0.75


def _option(name: str) -> str:
    """Return a name as a shell argument of ``--map``."""
    import shlex  # noqa: PLC0415 - only a message needs it

    return shlex.quote(jsonl.escape_text(name))


_TEXTS: Final = frozenset(
    {"id", "input", "expected", "output", "rubric", "context", "reference_context", "split", "human_label"}
)
_OBJECTS: Final = frozenset({"vars", "slice", "metadata"})
_SPLIT: Final = re.compile(r"[,;\n]")
_YES: Final = frozenset({"true", "yes", "x", "1"})
_NO: Final = frozenset({"false", "no", "0"})


def _planned(row: SourceRow, plan: _Plan) -> _Read:
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
        elif into.startswith(_MEMBERS):
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


def _value(into: str, value: Json) -> dict[str, Any]:
    """Return the canonical fields that a value gives."""
    if into in _TEXTS:
        value = _as_text(value)
    if into == "input":
        return read_input(value)
    if into == "expected":
        return read_alternatives(value)
    if into in {"tags", "expected_tools"} and isinstance(value, str):
        return {into: [part for one in _SPLIT.split(value) if (part := one.strip())]}
    if into == "expected_any" and isinstance(value, str):
        return {into: [part for one in value.splitlines() if (part := one.strip())]}
    if into == "messages" and isinstance(value, str):
        return {"input": value}
    if into in {"weight", "trials"} and isinstance(value, str):
        return {into: _number(value)}
    if into == "skip":
        text = cell_text(value).strip().lower() if isinstance(value, str | int | float) else ""
        return {} if text in _NO else {into: True if text in _YES else value}
    return {into: value}


def _number(text: str) -> Json:
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _parsed(row: SourceRow, values: dict[str, Any], names: Mapping[str, str] | None = None) -> _Read:
    given = {name: value for name, value in values.items() if value is not None or name == "input"}
    return _Read(row, parse_row(given, Place(row.place, 0)), names=names or {})


_HEAD: Final = re.compile(r"[^.\[]+")


def _collect(read: Sequence[_Read] | Iterator[_Read], dialect: str) -> Mapped:
    """Gather the cases; leave out rows that occur twice, and note those without an expected value if others have one.

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
        for problem in one.parsed.problems:
            head = _HEAD.match(problem.field)
            name = one.names.get(head[0], head[0]) if head else ""
            shown = f"{name}{problem.field[head.end() :]}" if head else ""
            problems.append((one.row.at(name), f"{shown}: {problem.message}" if shown else problem.message))
        if one.parsed.case is None:
            continue
        case = ImportedCase(one.row.place, canonical_row(one.parsed.case))
        first = cases.setdefault(one.parsed.case.id, case)
        if first is case:
            continue
        if first.row == case.row:
            left_out.append(LeftOut(case.place, f"the case {_named(case)}", f"it is the same as {first.place}"))
        else:
            problems.append((case.place, _repeated(case, first)))
    if problems:
        raise ImportingError(problems)
    return Mapped(tuple(cases.values()), tuple(mapping), tuple(left_out), dialect, _ungraded(list(cases.values())))


_GRADED: Final = frozenset({"expected", "expected_any", "asserts", "rubric"})


def _ungraded(cases: Sequence[ImportedCase]) -> tuple[str, ...]:
    bare = [case.place for case in cases if _GRADED.isdisjoint(case.row)]
    if not bare or len(bare) == len(cases):
        return ()
    return (f"{count(len(bare), 'case')} without an expected value, unlike the others: {first_few(bare)}",)


def _named(case: ImportedCase) -> str:
    return jsonl.quote_text(str(case.row["id"]), 40)


def _repeated(case: ImportedCase, first: ImportedCase) -> str:
    differing = [name for name in (*first.row, *case.row) if first.row.get(name) != case.row.get(name)]
    if any(name in {"input", "messages", "vars", "expected"} for name in differing):
        return f"duplicate id {_named(case)} (first at {first.place})"
    return (
        f"the same input and expected answer as {first.place}, but another {', '.join(dict.fromkeys(differing))}: add a "
        "column with an id for each row, and name it with --map id=COLUMN"
    )


def is_known_name(name: str, columns: Mapping[str, str]) -> bool:
    """Return whether a column can be read: it is mapped, or its name is known."""
    mapped = {normal_name(one) for one in columns.values()}
    return normal_name(name) in mapped or field_of(name) is not None or name.startswith("__expected")
