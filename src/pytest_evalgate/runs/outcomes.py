"""Production outcomes: a CSV file with one row for each release or day, to be compared with stored runs."""

from __future__ import annotations

import csv
import io
import math
import re
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import files
from pytest_evalgate.text.jsonl import quote_text
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

JoinKey = Literal["commit", "release", "day"]
JOIN_KEYS: Final[tuple[JoinKey, ...]] = ("commit", "release", "day")
"""Columns by which rows are joined with runs, the most precise first. A release is a tag or branch of git."""

_MOST_BYTES: Final = 16 << 20
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}")


class OutcomesError(UserError):
    """A file of outcomes that cannot be used."""


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One row: the commit, release or day, and the value. ``place`` is ``file:line``."""

    key: str
    value: float
    place: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The rows of one column of outcomes, in the order of the file. Rows without a value are left out."""

    key: JoinKey
    column: str
    rows: tuple[OutcomeRow, ...]


def read_outcomes(path: Path, column: str | None = None) -> Outcomes:
    """Read a column of outcomes; without a name, the only one that is not a key.

    Raises:
        OutcomesError: the file cannot be read, lacks a key or the column, or has a wrong value; with ``file:line``.
    """
    try:
        files.require_regular(path)
        if path.stat().st_size > _MOST_BYTES:
            raise OutcomesError(f"{path}: larger than {_MOST_BYTES >> 20} MiB")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise OutcomesError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OutcomesError(f"{path}: not UTF-8: save it as CSV in UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        names = [(name or "").strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        key = next((key for key in JOIN_KEYS if key in names), None)
        if key is None:
            raise OutcomesError(f"{path}:1: no column is named commit, release or day: rename one of {_list(names)}")
        chosen = _column(path, names, column)
        lines = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise OutcomesError(f"{path}: not a CSV file: {error}") from None
    rows = [found for number, row in lines if (found := _outcome(row, key, chosen, f"{path}:{number}"))]
    seen: dict[str, str] = {}
    for row in rows:
        if row.key in seen:
            raise OutcomesError(f"{row.place}: {key} {quote_text(row.key)} is repeated (first at {seen[row.key]})")
        seen[row.key] = row.place
    return Outcomes(key, chosen, tuple(rows))


def _column(path: Path, names: list[str], wanted: str | None) -> str:
    others = [name for name in names if name and name not in JOIN_KEYS]
    if wanted is not None:
        if wanted not in others:
            raise OutcomesError(
                f"{path}:1: no column {wanted!r}{did_you_mean(wanted, others)}; it has {_list(others)}"
            )
        return wanted
    if len(others) != 1:
        raise OutcomesError(f"{path}:1: name the column of the outcomes with --outcome: one of {_list(others)}")
    return others[0]


def _outcome(row: dict[str, str | None], key: JoinKey, column: str, place: str) -> OutcomeRow | None:
    name, text = (row.get(key) or "").strip(), (row.get(column) or "").strip()
    if not name or not text:
        return None
    if key == "day" and not _DAY.fullmatch(name):
        raise OutcomesError(f"{place}: day: {quote_text(name)}: write it as 2026-01-31")
    if key == "commit" and not _COMMIT.fullmatch(name.lower()):
        raise OutcomesError(f"{place}: commit: {quote_text(name)}: give 7 or more digits of its id")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise OutcomesError(f"{place}: {column}: {quote_text(text)} is not a number such as 12.5")
    return OutcomeRow(name.lower() if key == "commit" else name, value, place)


def _list(names: list[str]) -> str:
    return ", ".join(names) or "nothing"
