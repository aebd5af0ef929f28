"""Choice of the canonical field of each column or key: by ``--map``, else by the names that are known for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects.columns import COLUMN_NAMES, WEAK_IDS, field_of, normal_name
from pytest_evalgate.golden.record import FIELDS, normalise
from pytest_evalgate.importing.imported import ImportingError
from pytest_evalgate.importing.sheets import cell_text
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import did_you_mean, first_few

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.importing.source_rows import SourceRow


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
MEMBERS: Final = ("metadata.", "slice.", "vars.")


def _is_field(name: str) -> bool:
    return name in FIELDS or (name.startswith(MEMBERS) and not name.endswith("."))


def is_known_name(name: str, columns: Mapping[str, str]) -> bool:
    """Return whether a column can be read: it is mapped, or its name is known."""
    mapped = {normal_name(one) for one in columns.values()}
    return normal_name(name) in mapped or field_of(name) is not None or name.startswith("__expected")


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """The canonical field of each name; names without one are kept as metadata."""

    fields: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """The names by canonical field."""
        return {into: name for name, into in self.fields.items()}


def choose_columns(
    rows: Sequence[SourceRow], names: Sequence[str], file: str, columns: Mapping[str, str]
) -> ColumnPlan:
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
    return ColumnPlan(chosen, tuple(notes))


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
