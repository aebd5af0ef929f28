"""Loading: files of canonical rows to golden sets, or every problem of every file at once."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_evalgate import jsonl
from pytest_evalgate.data import Case, GoldenSet, Place
from pytest_evalgate.errors import GoldenSetError, LineProblem
from pytest_evalgate.files import relative_name
from pytest_evalgate.golden.fingerprint import set_digest
from pytest_evalgate.golden.identity import repeated
from pytest_evalgate.golden.record import parse_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def load(paths: Sequence[Path], *, root: Path) -> tuple[GoldenSet, ...]:
    """Load one golden set per file; the sets and the cases name their files relative to ``root``.

    Raises:
        GoldenSetError: anything is wrong with any of the files; lists every problem in file and line order.

    """
    sets, problems = [], []
    for path in paths:
        golden, wrong = _load_file(path, relative_name(path, root))
        sets.append(golden)
        problems += wrong
    if problems:
        raise GoldenSetError(problems)
    return tuple(sets)


def _load_file(path: Path, name: str) -> tuple[GoldenSet, list[LineProblem]]:
    lines, problems = jsonl.read(path, name=name)
    cases: list[Case] = []
    named: list[tuple[str, Place]] = []
    for line in lines[1:] if lines and _is_meta(lines[0]) else lines:
        place = Place(name, line.number)
        row = parse_row(line.value, place)
        named += [(row.id, place)] if row.id else []
        cases += [row.case] if row.case else []
        problems += row.problems
    problems += repeated(named)
    if not cases and not problems:
        problems.append(
            LineProblem(name, 0, "", 'holds no case; write one JSON object per line, such as {"input": "…"}')
        )
    return GoldenSet(name, tuple(cases), set_digest(cases)), sorted(problems, key=attrgetter("line"))


def _is_meta(line: jsonl.Line) -> bool:
    return line.value.keys() == {"_meta"} and isinstance(line.value["_meta"], dict)
