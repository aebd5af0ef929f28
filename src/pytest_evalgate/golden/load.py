"""Loading: files of rows to golden sets, or every problem of every file at once."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_evalgate import jsonl
from pytest_evalgate.data import Case, GoldenSet, Place
from pytest_evalgate.errors import GoldenSetError, LineProblem
from pytest_evalgate.files import relative_name
from pytest_evalgate.golden import container
from pytest_evalgate.golden.dialects.recognise import recognise
from pytest_evalgate.golden.dialects.translate import mapping_of, parse_foreign
from pytest_evalgate.golden.fingerprint import set_digest
from pytest_evalgate.golden.identity import repeated
from pytest_evalgate.golden.record import parse_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_evalgate.golden.dialects.dialect import Dialect
    from pytest_evalgate.golden.record import ParsedRow


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
    if (other := container.by_name(path, name)) is not None:
        return _refused(name, [other])
    lines, problems = jsonl.read(path, name=name)
    if problems and (other := container.by_beginning(path, name)) is not None:
        return _refused(name, [other])
    rows = lines[1:] if lines and _is_meta(lines[0]) else lines
    if (other := container.by_row(rows, name)) is not None:
        return _refused(name, [other])
    dialect, unclear = recognise(rows, name)
    if unclear:
        return _refused(name, [*problems, *unclear])
    parsed, mapping = _parsed(rows, name, dialect)
    cases = [row.case for row in parsed if row.case is not None]
    problems += [problem for row in parsed for problem in row.problems]
    problems += repeated(_named(rows, parsed, name))
    if not cases and not problems:
        problems.append(
            LineProblem(name, 0, "", 'holds no case; write one JSON object per line, such as {"input": "…"}')
        )
    golden = GoldenSet(name, tuple(cases), set_digest(cases))
    return ReadFile(golden, _in_order(problems), "" if dialect is None else dialect.name, mapping)


def _parsed(
    rows: Sequence[jsonl.Line], name: str, dialect: Dialect | None
) -> tuple[list[ParsedRow], tuple[tuple[str, str], ...]]:
    if dialect is None:
        return [parse_row(row.value, Place(name, row.number)) for row in rows], ()
    mapped = [parse_foreign(row.value, Place(name, row.number), dialect) for row in rows]
    return [row.parsed for row in mapped], mapping_of(mapped)


def _named(rows: Sequence[jsonl.Line], parsed: Sequence[ParsedRow], name: str) -> Iterable[tuple[str, Place]]:
    """Yield the id of each row that has a good one; cases made of the same content have the same."""
    for row, made in zip(rows, parsed, strict=True):
        if made.id:
            yield made.id, Place(name, row.number) if made.case is None else made.case.place


def _refused(name: str, problems: Iterable[LineProblem]) -> ReadFile:
    cases: list[Case] = []
    return ReadFile(GoldenSet(name, (), set_digest(cases)), _in_order(problems))


def _in_order(problems: Iterable[LineProblem]) -> tuple[LineProblem, ...]:
    return tuple(sorted(problems, key=attrgetter("line")))


def _is_meta(line: jsonl.Line) -> bool:
    return line.value.keys() == {"_meta"} and isinstance(line.value["_meta"], dict)
