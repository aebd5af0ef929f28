"""Part of a large golden set: the cases that one shard runs.

Of the other rows, only ids and slices are read, with the parser of the standard library, which is ten times as fast as
the strict one. A row that is out of the ordinary ends that: the golden set is then read whole, and problems of all
rows are reported.
"""

from __future__ import annotations

import hashlib
import unicodedata
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.load import parse_canonical
from pytest_evalgate.golden.record import FIELDS, row_digest
from pytest_evalgate.records.cases import Case, GoldenSet, Place
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.files import relative_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pytest_evalgate.text.jsonl import JsonText

LARGE: Final = 16 << 20
"""Size of a golden set in bytes from which a shard reads its own cases only: up to it, that saves less than 2 s."""

_EMPTY: Final = Case("")


@dataclass(frozen=True, slots=True)
class GoldenPart:
    """The cases of a golden set that one shard runs.

    ``golden`` has these cases only; its digest is that of the lines of the whole file. ``size`` is the number of all
    cases, ``at`` the positions of the own ones. ``rows_sha256`` has the digest of each own row.
    """

    golden: GoldenSet
    size: int
    at: tuple[int, ...]
    rows_sha256: tuple[str, ...]


class RowView:
    """The fields of a row that is not checked, as those of a case: what has no value is empty."""

    __slots__ = ("row",)

    def __init__(self, row: dict[str, Any]) -> None:
        """View a row."""
        self.row = row

    def __getattr__(self, name: str) -> Any:
        """Return a field."""
        value = self.row.get(name)
        return getattr(_EMPTY, name) if value is None else value


class _OutOfOrdinary(Exception):  # noqa: N818 - private, and always turned into None
    """A row that has to be read by the strict reader."""


def load_part(path: Path, *, root: Path, choose: Callable[[Iterator[RowView]], Sequence[int]]) -> GoldenPart | None:
    """Load the cases that ``choose`` returns the positions of, in ascending order; it gets all rows.

    Returns:
        None if the file has to be read whole: it is small, its rows are not canonical, a row has no id, an id is
        repeated, or a row of a chosen case has a problem.
    """
    with suppress(OSError, ValueError, KeyError, AttributeError, TypeError, _OutOfOrdinary):
        if path.stat().st_size >= LARGE:
            return _load_part(path, relative_name(path, root), choose)
    return None


def _load_part(path: Path, name: str, choose: Callable[[Iterator[RowView]], Sequence[int]]) -> GoldenPart | None:
    scan = _Scan()
    at = tuple(choose(scan.rows(path)))
    if not at or scan.has_repeated_ids():
        return None
    chosen, cases = set(at), []
    for number, line in enumerate(_cases_of(jsonl.skim(path))):
        if number in chosen:
            parsed = parse_canonical(line.parse().value, Place(name, line.number))
            if parsed.case is None:
                return None
            cases.append(parsed.case)
    golden = GoldenSet(name, tuple(cases), scan.sha256)
    return GoldenPart(golden, scan.size, at, tuple(map(row_digest, cases)))


def _cases_of(lines: Iterator[JsonText]) -> Iterator[JsonText]:
    """Return an iterator over the lines after the ``_meta`` line, if there is one."""
    first = next(lines, None)
    if first is None:
        return lines
    return lines if first.skim().keys() == {"_meta"} else chain([first], lines)


class _Scan:
    """One pass over a file: its digest, the number of its cases, and a 64-bit hash of each id."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._ids: list[int] = []

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def size(self) -> int:
        return len(self._ids)

    def has_repeated_ids(self) -> bool:
        """Return whether an id is repeated; of 1,000,000 ids, two have the same hash once in 10 million files."""
        return len(set(self._ids)) < len(self._ids)

    def rows(self, path: Path) -> Iterator[RowView]:
        """Yield the rows.

        Raises:
            _OutOfOrdinary: A row has other fields, or no id.
            KeyError: A row has no id.
            ValueError: A row is not JSON.
        """
        update, add = self._digest.update, self._ids.append
        for line in _cases_of(jsonl.skim(path)):
            update(line.text if line.text.endswith(b"}\n") else line.text.rstrip() + b"\n")
            row = line.skim()
            case_id = row["id"]
            if not row.keys() <= FIELDS or type(case_id) not in (str, int) or case_id == "":
                raise _OutOfOrdinary
            text = str(case_id)
            add(hash(text if text.isascii() else unicodedata.normalize("NFC", text)))
            yield RowView(row)
