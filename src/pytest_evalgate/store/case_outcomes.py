"""Outcomes of the cases of a run as two short texts: a trend reads one row a run instead of its results.

A case is its id and its fingerprint: an edited case is another one, and one that moved to another line is the same.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import field
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.arrays import np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.stats.run_changes import Array
    from pytest_evalgate.store.database import Database

COLUMNS: Final = ("run_id", "suite", "case_keys", "marks")

_BYTES: Final = 9
"""Bytes of a key: two of 100,000 cases share one with a probability of 1e-12."""

_KEY: Final = 12  # characters of a key in base64
_MARKS: Final = {"passed": b"1", "missed": b"0"}
_NO_MARK: Final = b"-"  # smaller than the others: of two rows of a case the larger mark counts


@dataclass(slots=True)
class CaseOutcomes:
    """The outcomes of one suite in one run, in the order of its plan."""

    case_keys: bytearray = field(default_factory=bytearray)
    marks: bytearray = field(default_factory=bytearray)

    def add(self, case_id: str, fingerprint: str, outcome: str, *, has_trial: bool) -> None:
        """Add a case."""
        digest = hashlib.blake2b(f"{case_id}\n{fingerprint}".encode(), digest_size=_BYTES).digest()
        self.case_keys += b64encode(digest)
        self.marks += _MARKS.get(outcome, _NO_MARK) if has_trial else _NO_MARK

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.marks)

    @property
    def texts(self) -> tuple[str, str]:
        """The keys of the cases and their marks, as they are stored."""
        return self.case_keys.decode("ascii"), self.marks.decode("ascii")


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """The outcomes of n cases in R runs; ``passed`` is None if there are none.

    ``passed`` has shape (R, n), oldest run first: 1.0 for passed, 0.0 for missed, NaN for neither.
    ``places`` is the newest run that has each case, and the place of the case in it. Shape (n, 2).
    """

    runs: tuple[str, ...] = ()
    passed: Array | None = None
    places: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, database: Database, parameters: Mapping[str, Any]) -> OutcomeTable:
        """Return the outcomes of the runs that the query ``outcomes`` finds."""
        runs: list[str] = []
        keys: list[bytes] = []
        marks: list[bytes] = []
        for row in reversed(database.query("outcomes", **parameters)):
            texts = row["case_keys"] or "", row["marks"] or ""
            if not texts[0] or len(texts[0]) != _KEY * len(texts[1]):  # of an older version, or damaged
                texts = recount(database, row["run_id"], parameters["suite"]).texts
            runs.append(row["run_id"])
            keys.append(texts[0].encode("ascii"))
            marks.append(texts[1].encode("ascii"))
        plans = tuple(dict.fromkeys(keys))  # mostly one: runs of the same cases have equal keys
        found, columns = np.unique(np.frombuffer(b"".join(plans), dtype=f"S{_KEY}"), return_inverse=True)
        ends = np.cumsum([len(plan) // _KEY for plan in plans])[:-1]
        of_plan = dict(zip(plans, np.split(columns, ends), strict=True)) if plans else {}
        table = np.full((len(runs), len(found)), ord(_NO_MARK), dtype=np.uint8)
        places = np.zeros((len(found), 2), dtype=np.int64)
        for run, plan in enumerate(keys):
            np.maximum.at(table[run], of_plan[plan], np.frombuffer(marks[run], dtype=np.uint8))
            places[of_plan[plan], 0] = run
            places[of_plan[plan], 1] = np.arange(len(of_plan[plan]))
        has_mark = table != ord(_NO_MARK)
        known = has_mark.any(axis=0)
        if not known.any():
            return cls()
        passed = np.where(has_mark, table == ord(b"1"), np.nan)[:, known]
        return cls(tuple(runs), passed, tuple((int(run), int(place)) for run, place in places[known]))

    def names(self, database: Database, suite: str, columns: Iterable[int], split: int) -> tuple[str, ...]:
        """Return the ids of the cases of columns of ``passed``, in order.

        Neighbours with the same outcomes before and from run ``split`` are equally sure; they are sorted by id.
        """
        found: list[str] = []
        ids: dict[int, dict[int, str]] = {}
        for _, equal in groupby(columns, partial(self._counts, split)):
            group = []
            for column in equal:
                run, place = self.places[column]
                if run not in ids:
                    rows = database.query("outcomes_of_run", run_id=self.runs[run], suite=suite)
                    ids[run] = {row["place"]: row["case_id"] for row in rows}
                group.append(ids[run].get(place, "a case whose result was lost"))
            found += sorted(group)
        return tuple(found)

    def _counts(self, split: int, column: int) -> list[tuple[float, int]]:
        """Return the passes and trials of a case on both sides of a split."""
        outcomes = np.empty(0) if self.passed is None else self.passed[:, column]
        return [
            (float(np.nansum(side)), int((~np.isnan(side)).sum())) for side in (outcomes[:split], outcomes[split:])
        ]


def recount(database: Database, run_id: str, suite: str) -> CaseOutcomes:
    """Return the outcomes of a suite in a run from its results."""
    found = CaseOutcomes()
    for _, case_id, fingerprint, trial, outcome in database.tuples("outcomes_of_run", run_id=run_id, suite=suite):
        found.add(case_id, fingerprint, outcome, has_trial=trial > 0)
    return found


def is_recounted(database: Database, run_id: str, suite: str) -> bool:
    """Return whether the stored texts of a suite in a run are those of its results."""
    stored = database.tuples("texts_of_run", run_id=run_id, suite=suite)
    return stored == [recount(database, run_id, suite).texts]


def add_missing(database: Database) -> int:
    """Add the texts of the runs that an older version stored; return the number of their suites."""
    if not _missing(database):
        return 0
    with database.transaction(exclusive=True):
        missing = _missing(database)  # another process may have added some meanwhile
        for run_id, suite in missing:
            database.insert("outcomes", COLUMNS, [(run_id, suite, *recount(database, run_id, suite).texts)])
    return len(missing)


def _missing(database: Database) -> list[tuple[str, str]]:
    return [(row["run_id"], row["suite"]) for row in database.query("check_texts") if not row["present"]]
