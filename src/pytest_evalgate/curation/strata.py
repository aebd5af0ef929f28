"""One pass over the files of a log: the rows of each stratum are counted, and some of them drawn at random.

Each row gets a random priority of 64 bits. The candidates of a stratum are its rows with the lowest priorities, in
their order: any first m of them are a simple random sample of m rows without replacement (Fan, Muller and Rezucha
1962). Only their places are kept, 38 bytes each, so memory does not depend on the size of the log.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pytest_evalgate.curation.log_files import RowPlace
from pytest_evalgate.curation.row_fields import ANY, NONE, field_reader, number_of, text_of
from pytest_evalgate.errors import GoldenSetError, LineProblem, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import did_you_mean, first_few

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_evalgate.curation.log_files import LogFile
    from pytest_evalgate.curation.row_fields import Row
    from pytest_evalgate.records.cases import Json

StratumKey = tuple[str, ...]
"""Value of each field of `--by`."""

MOST_STRATA: Final = 2_000
MOST_CANDIDATES: Final = 2_000_000
"""Most candidates of all strata together: 76 MB."""

_BATCH: Final = 4_096
_MOST_PROBLEMS: Final = 50

_CANDIDATE: Final = np.dtype(
    [
        ("priority", np.uint64),
        ("number", np.uint64),
        ("offset", np.uint64),
        ("stratum", np.uint32),
        ("item", np.uint32),
        ("file", np.uint16),
        ("weight", np.float32),
    ]
)


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """What is read of each row.

    Args:
        by: Fields whose values make the strata.
        pilot: Field with a result: true or false, or a number.
        weight: Field with the number of interactions that a row stands for; None if each stands for one.
        lowest: Field with a score, and the number of rows with its lowest values that are drawn for certain.
        score: Replaces the reader of the field in ``lowest``; the whole row is read for it.
        only: Field and value of the rows that count, ``*`` for any value; the others are skipped.
    """

    by: tuple[str, ...] = ()
    pilot: str | None = None
    weight: str | None = None
    lowest: tuple[str, int] | None = None
    only: tuple[tuple[str, str], ...] = ()
    score: Callable[[Row], Json] | None = None

    @property
    def fields(self) -> tuple[str, ...] | None:
        """All fields that are read; None for whole rows."""
        if self.score is not None:
            return None
        lowest = None if self.lowest is None else self.lowest[0]
        optional = [name for name in (self.pilot, self.weight, lowest) if name is not None]
        return (*self.by, *optional, *(name for name, _ in self.only))


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A drawn row: index of its file and place in it, its own weight, and its score if it was drawn for that."""

    file: int
    place: RowPlace
    weight: float = 1.0
    score: float | None = None


@dataclass(frozen=True, slots=True)
class LogStratum:
    """A stratum: its rows, the sum of their own weights, its candidates, and the sums of the pilot's results.

    Rows that are drawn for their low score are not part of it. The pilot's results are those of all rows.
    """

    key: StratumKey
    rows: int
    weight: float
    candidates: tuple[CandidateRow, ...]
    pilot: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class LogScan:
    """The strata of a log in the order of their keys, the rows with the lowest scores, and what was left out.

    ``skipped`` is the number of rows that `LogQuestion.only` excludes, ``problems`` are malformed lines. ``pilot`` is
    the number of the pilot's results and their sum, of all rows.
    """

    strata: tuple[LogStratum, ...]
    lowest: tuple[tuple[StratumKey, CandidateRow], ...]
    rows: int
    skipped: int
    problems: tuple[LineProblem, ...]
    pilot: tuple[float, float] = (0.0, 0.0)


def scan(
    logs: Sequence[LogFile], question: LogQuestion, reserve: int, seed: int, *, skip_malformed: bool = False
) -> LogScan:
    """Read the files once, and draw at most ``reserve`` candidates of each stratum.

    Raises:
        GoldenSetError: Lines are malformed, and ``skip_malformed`` is false; lists the first 50.
        SettingsError: A field is not in any row, has unusable values, or makes too many strata.
    """
    pass_ = _Pass(question, reserve)
    for index, log in enumerate(logs):
        pass_.read(index, log, seed, skip_malformed=skip_malformed)
    pass_.check(logs)
    return pass_.result()


_NAMED: Final = 20


def unknown_field(name: str, logs: Sequence[LogFile]) -> str:
    """Return a message that no row has a field, with the fields that the first rows have."""
    known: dict[str, None] = {}
    for row in (row for log in logs for row in log.first_rows()):
        inner = row.get("metadata")
        known |= dict.fromkeys(one for one in row if one != "metadata" or not isinstance(inner, dict))
        known |= dict.fromkeys(inner) if isinstance(inner, dict) else {}
    shown = [jsonl.quote_text(one, 40) for one in known]
    return f"no row has this field{did_you_mean(name, tuple(known))}; the fields are {first_few(shown, _NAMED)}"


@dataclass(slots=True)
class _Batch:
    """Columns of up to `_BATCH` rows."""

    stratum: list[int] = field(default_factory=list)
    place: list[tuple[int, int, int]] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    pilot: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)


class _Pass:
    """State of a pass. The arrays of the strata grow with their number."""

    def __init__(self, question: LogQuestion, reserve: int) -> None:
        self._question = question
        self._reserve = reserve
        self._by = [field_reader(path) for path in question.by]
        self._only = [(field_reader(path), value) for path, value in question.only]
        self._pilot = None if question.pilot is None else field_reader(question.pilot)
        self._weight = None if question.weight is None else field_reader(question.weight)
        self._score = question.score or (None if question.lowest is None else field_reader(question.lowest[0]))
        self._index: dict[StratumKey, int] = {}
        self._sums = np.zeros((5, 0))  # rows, weight, and count, sum and sum of squares of the pilot
        self._pool = np.zeros(0, _CANDIDATE)
        self._bound = np.zeros(0, np.uint64)  # priorities above it cannot be candidates
        self._lowest = np.zeros(0, _CANDIDATE)
        self._scores = np.zeros(0)
        self._seen = [False] * len(question.by)
        self._others: list[dict[str, None]] = [{} for _ in question.only]  # some values of skipped rows
        self._rows = self._skipped = 0
        self._problems: list[LineProblem] = []

    def read(self, index: int, log: LogFile, seed: int, *, skip_malformed: bool) -> None:
        """Read one file."""
        # raw numbers of a bit generator stay the same in all versions of numpy, those of its methods may change
        random = np.random.PCG64(np.random.SeedSequence([seed, index]))
        batch = _Batch()
        strata = self._index
        for number, offset, item, row in log.rows(self._question.fields):
            if isinstance(row, LineProblem):
                self._problems.append(row)
                if not skip_malformed and len(self._problems) >= _MOST_PROBLEMS:
                    break
                continue
            if self._only and self._is_skipped(row):
                self._skipped += 1
                continue
            key = self._key(row)
            stratum = strata.get(key)
            if stratum is None:
                stratum = strata[key] = self._new(key)
            batch.stratum.append(stratum)
            batch.place.append((number, offset, item))
            self._numbers(batch, row, log, number)
            if len(batch.stratum) == _BATCH:
                self._add(batch, index, random)
                batch = _Batch()
        if self._problems and not skip_malformed:
            raise GoldenSetError(
                [*self._problems, LineProblem(log.name, 0, "", "repair these lines, or add --skip-malformed")]
            )
        if batch.stratum:
            self._add(batch, index, random)

    def _is_skipped(self, row: Row) -> bool:
        for index, (read, value) in enumerate(self._only):
            found = text_of(read(row))
            if found == NONE if value == ANY else found != value:
                others = self._others[index]
                if len(others) < _NAMED:
                    others[found] = None
                return True
        return False

    def _key(self, row: Row) -> StratumKey:
        values = [read(row) for read in self._by]
        for index, value in enumerate(values):
            if value is not None:
                self._seen[index] = True
        return tuple(value if value.__class__ is str and value else text_of(value) for value in values)

    def _new(self, key: StratumKey) -> int:
        if len(self._index) >= MOST_STRATA or (len(self._index) + 1) * self._reserve > MOST_CANDIDATES:
            names = ",".join(self._question.by)
            raise SettingsError(
                f"--by {names}: more than {len(self._index):,} combinations of values, such as "
                f"{jsonl.quote_text(', '.join(key))}: name fields with fewer values, or a smaller --n"
            )
        self._sums = np.hstack([self._sums, np.zeros((5, 1))])
        self._bound = np.append(self._bound, np.iinfo(np.uint64).max)
        return len(self._index)

    def _numbers(self, batch: _Batch, row: Row, log: LogFile, number: int) -> None:
        question = self._question
        if self._pilot is not None:
            batch.pilot.append(_number(self._pilot(row), question.pilot or "", log.name, number, required=False))
        if self._weight is not None:
            weight = _number(self._weight(row), question.weight or "", log.name, number, required=True)
            if not 0 < weight < np.inf:
                raise SettingsError(
                    f"{log.name}:{number}: {question.weight}: a weight must be positive, got {weight:g}"
                )
            batch.weight.append(weight)
        if self._score is not None and question.lowest is not None:
            batch.score.append(_number(self._score(row), question.lowest[0], log.name, number, required=False))

    def _add(self, batch: _Batch, index: int, random: np.random.PCG64) -> None:
        size = len(batch.stratum)
        self._rows += size
        rows = np.zeros(size, _CANDIDATE)
        rows["stratum"] = batch.stratum
        rows["priority"] = random.random_raw(size)
        places = np.asarray(batch.place, dtype=np.uint64)
        rows["number"], rows["offset"], rows["item"] = places[:, 0], places[:, 1], places[:, 2]
        rows["file"] = index
        rows["weight"] = batch.weight or 1.0
        self._count(rows["stratum"], 0, np.ones(size))
        self._count(rows["stratum"], 1, np.asarray(batch.weight or np.ones(size)))
        if batch.pilot:
            pilot = np.asarray(batch.pilot)
            known = ~np.isnan(pilot)
            for line, power in ((2, 0), (3, 1), (4, 2)):
                self._count(rows["stratum"][known], line, pilot[known] ** power)
        if batch.score:
            self._keep_lowest(rows, np.asarray(batch.score))
        kept = rows[rows["priority"] < self._bound[rows["stratum"]]]
        self._pool = np.concatenate([self._pool, kept])
        if len(self._pool) > 2 * self._reserve * len(self._index) + _BATCH * 4:
            self._prune()

    def _count(self, strata: npt.NDArray[np.uint32], line: int, values: npt.NDArray[np.float64]) -> None:
        self._sums[line] += np.bincount(strata, values, self._sums.shape[1])

    def _keep_lowest(self, rows: npt.NDArray[Any], scores: npt.NDArray[np.float64]) -> None:
        most = 0 if self._question.lowest is None else self._question.lowest[1]
        known = ~np.isnan(scores)
        self._lowest = np.concatenate([self._lowest, rows[known]])
        self._scores = np.concatenate([self._scores, scores[known]])
        best = np.lexsort((self._lowest["priority"], self._scores))[:most]
        self._lowest, self._scores = self._lowest[best], self._scores[best]

    def _prune(self) -> None:
        """Keep the first `_reserve` candidates of each stratum, and bound the priorities of those to come."""
        self._pool = self._pool[np.lexsort((self._pool["priority"], self._pool["stratum"]))]
        sizes = np.bincount(self._pool["stratum"], minlength=len(self._index))
        starts = np.cumsum(sizes) - sizes
        rank = np.arange(len(self._pool)) - starts[self._pool["stratum"]]
        full = sizes >= self._reserve
        self._bound[full] = self._pool["priority"][starts[full] + self._reserve - 1]
        self._pool = self._pool[rank < self._reserve]

    def check(self, logs: Sequence[LogFile]) -> None:
        """Raise SettingsError if there is no row, or no row has one of the fields."""
        question = self._question
        if not self._rows:
            for (name, value), others in zip(question.only, self._others, strict=True):
                if found := [jsonl.quote_text(one, 40) for one in others if one != NONE]:
                    there_are = first_few(found, _NAMED)
                    raise SettingsError(f"--only {name}={value}: no row has this value; there are {there_are}")
                if others:
                    raise SettingsError(f"--only {name}: {unknown_field(name, logs)}")
            raise SettingsError("the log has no row to draw: check --only and --format")
        absent = [f"--by {name}" for name, seen in zip(question.by, self._seen, strict=True) if not seen]
        if question.pilot is not None and not self._sums[2].any():
            absent.append(f"--pilot {question.pilot}")
        if question.lowest is not None and not len(self._lowest):
            if question.score is not None:
                raise SettingsError(f"--lowest {question.lowest[0]}: no row has an output that it can grade")
            absent.append(f"--lowest {question.lowest[0]}")
        if absent:
            raise SettingsError(f"{absent[0]}: {unknown_field(absent[0].partition(' ')[2], logs)}")

    def result(self) -> LogScan:
        """Return what was found."""
        self._prune()
        keys = list(self._index)
        lowest = tuple(
            (keys[one["stratum"]], _candidate(one, float(score)))
            for one, score in zip(self._lowest, self._scores, strict=True)
        )
        self._take_out()
        by_stratum: list[list[CandidateRow]] = [[] for _ in keys]
        for one in self._pool:
            by_stratum[one["stratum"]].append(_candidate(one))
        strata = [
            LogStratum(
                key,
                int(self._sums[0, index]),
                float(self._sums[1, index]),
                tuple(by_stratum[index]),
                (float(self._sums[2, index]), float(self._sums[3, index]), float(self._sums[4, index])),
            )
            for key, index in sorted(self._index.items())
            if self._sums[0, index]
        ]
        pilot = float(self._sums[2].sum()), float(self._sums[3].sum())
        return LogScan(tuple(strata), lowest, self._rows, self._skipped, tuple(self._problems), pilot)

    def _take_out(self) -> None:
        """Remove the rows that are drawn for their score from their strata."""
        if not len(self._lowest):
            return
        self._count(self._lowest["stratum"], 0, -np.ones(len(self._lowest)))
        self._count(self._lowest["stratum"], 1, -self._lowest["weight"].astype(np.float64))
        taken = {(one["file"], one["number"], one["item"]) for one in self._lowest}
        kept = [(one["file"], one["number"], one["item"]) not in taken for one in self._pool]
        self._pool = self._pool[np.asarray(kept, dtype=bool)]


def _candidate(one: Any, score: float | None = None) -> CandidateRow:
    place = RowPlace(int(one["number"]), int(one["offset"]), int(one["item"]))
    return CandidateRow(int(one["file"]), place, float(one["weight"]), score)


def _number(value: Json, name: str, file: str, number: int, *, required: bool) -> float:
    """Return a result as a number, NaN if there is none.

    Raises:
        SettingsError: The value is no number.
    """
    found = number_of(value)
    if found is None:
        shown = jsonl.escape_text(jsonl.canonical(value), 40)
        raise SettingsError(f"{file}:{number}: {name}: must be a number, true or false, not {shown}")
    if required and math.isnan(found):
        raise SettingsError(f"{file}:{number}: {name}: the row has no value")
    return found
