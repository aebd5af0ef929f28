"""Drawing of a golden set from the strata of a log: allocation, near-duplicates, weights, and the plan.

The candidates of a stratum are taken in their random order. One that is nearly the same as an earlier case of the
stratum is represented by that case, whose weight grows by its own. A stratum ends before the candidate that would be
one case too many: of the m candidates before it, each stands for N/m of the stratum's N rows. Ending at the last case
itself would favour duplicates (inverse sampling; Haldane 1945).
"""

from __future__ import annotations

import math
import re
from dataclasses import field
from typing import TYPE_CHECKING, Final

from pytest_evalgate.curation.row_fields import field_reader, number_of
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects.columns import COLUMN_NAMES, WEAK_IDS, field_of, normal_name
from pytest_evalgate.golden.lint import input_text
from pytest_evalgate.golden.masking import mask_row
from pytest_evalgate.golden.near_texts import NearTexts
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.importing.imported import ImportingError
from pytest_evalgate.importing.mapping import map_rows
from pytest_evalgate.importing.source_rows import SourceRow
from pytest_evalgate.records.cases import Place
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import first_few

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.curation.log_files import LogFile
    from pytest_evalgate.curation.row_fields import Row
    from pytest_evalgate.curation.strata import CandidateRow, LogScan, StratumKey
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.text.redaction import Redactor

EDGE_TAG: Final = "edge-case"
"""Tag of the cases that were drawn for their low score."""

_SPARE: Final = 10


def reserve_of(n: int, *, drop: bool) -> int:
    """Return the candidates that a stratum needs at most for ``n`` cases, if near-duplicates are dropped or not."""
    return 2 * n + _SPARE + 1 if drop else n + 1


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """Choices of a draw.

    Args:
        by: Names of the fields whose values make the strata.
        columns: Name of the field to read, by canonical field.
        drop: Whether near-duplicates are represented by one case.
        redactor: Replacement of secrets; None keeps secrets and personal data.
    """

    by: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    drop: bool = True
    redactor: Redactor | None = None


@dataclass(frozen=True, slots=True)
class DrawnCase:
    """A case: its canonical row, its place in the log, and its place in the design.

    ``probability`` is the share of its stratum's rows that were looked at, ``weight`` the number of interactions that
    it stands for, ``rows`` the number of candidates that it represents, itself included.
    """

    place: str
    row: dict[str, Json]
    stratum: StratumKey
    probability: float
    weight: float
    rows: int
    values: Row = field(default_factory=dict)
    is_edge: bool = False


@dataclass(frozen=True, slots=True)
class DrawnStratum:
    """A stratum: its rows, the cases that were allocated and that were drawn, and the candidates looked at."""

    key: StratumKey
    rows: int
    allocated: int
    cases: int
    candidates: int


@dataclass(frozen=True, slots=True)
class Merged:
    """A candidate that is represented by a case: nearly the same, or ``similarity`` 1 for the same row again."""

    place: str
    case_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class DrawnSet:
    """Cases in the order of the log, the strata, what was merged, and the number of masked values by kind."""

    cases: tuple[DrawnCase, ...]
    strata: tuple[DrawnStratum, ...]
    merged: tuple[Merged, ...]
    masked: Mapping[str, int]
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Candidate:
    """A candidate with its row, its case and what represents it."""

    log: int
    row: CandidateRow
    stratum: StratumKey
    values: Row
    place: str
    is_edge: bool = False
    made: dict[str, Json] = field(default_factory=dict)
    case: Case | None = None

    @property
    def order(self) -> tuple[int, int, int]:
        return self.log, self.row.place.number, self.row.place.item


@dataclass(slots=True)
class _Kept:
    """A candidate that became a case; the weight is known when the strata of all that it represents are."""

    index: int
    probability: float = 1.0
    weight: float = 0.0
    rows: int = 0


def draw(logs: Sequence[LogFile], scan: LogScan, allocation: Sequence[int], options: DrawOptions) -> DrawnSet:
    """Draw the allocated number of cases from each stratum.

    Raises:
        ImportingError: Rows cannot become cases; lists every problem.
    """
    found, spans = _fetch(logs, scan, allocation, drop=options.drop)
    columns = _map(logs, found, options)
    taken = _Taking(found, drop=options.drop)
    strata = []
    for stratum, allocated, span in zip(scan.strata, allocation, spans, strict=True):
        cases, candidates = taken.take(span, allocated, stratum.rows)
        strata.append(DrawnStratum(stratum.key, stratum.rows, allocated, cases, candidates))
    masked: dict[str, int] = {}
    by_order = sorted(taken.kept, key=lambda one: found[one.index].order)
    drawn = tuple(_finished(found[one.index], one, options, masked) for one in by_order)
    names = {one.index: case.row["id"] for one, case in zip(by_order, drawn, strict=True)}
    _check_ids(drawn)
    merged = tuple(Merged(found[index].place, str(names[of]), similarity) for index, of, similarity in taken.merged)
    return DrawnSet(drawn, tuple(strata), merged, dict(sorted(masked.items())), columns)


def _fetch(
    logs: Sequence[LogFile], scan: LogScan, allocation: Sequence[int], *, drop: bool
) -> tuple[list[_Candidate], list[range]]:
    """Read the rows of the candidates that may be looked at; return them, and the range of those of each stratum."""
    wanted = [(key, row, True) for key, row in scan.lowest]
    spans = []
    for stratum, allocated in zip(scan.strata, allocation, strict=True):
        first = len(wanted)
        wanted += [(stratum.key, row, False) for row in stratum.candidates[: reserve_of(allocated, drop=drop)]]
        spans.append(range(first, len(wanted)))
    rows = [log.fetch([row.place for _, row, _ in wanted if row.file == index]) for index, log in enumerate(logs)]
    found = []
    for key, row, is_edge in wanted:
        place = f"{logs[row.file].name}:{row.place.number}"
        values = rows[row.file].get(row.place)
        if values is None:
            raise ImportingError([(place, "has changed since the log was read: keep the file as it is meanwhile")])
        found.append(_Candidate(row.file, row, key, values, place, is_edge))
    return found, spans


_IDS: Final = {normal_name(name) for name in COLUMN_NAMES["id"] if name not in WEAK_IDS}


def _map(logs: Sequence[LogFile], found: Sequence[_Candidate], options: DrawOptions) -> tuple[tuple[str, str], ...]:
    """Translate the rows to canonical ones, each different row once; return (name, field) of each name."""
    problems: list[tuple[str, str]] = []
    mapping: dict[tuple[str, str], None] = {}
    for index, log in enumerate(logs):
        different: dict[str, _Candidate] = {}
        for one in found:
            if one.log == index:
                different.setdefault(_digest(one.values), one)
        if not different:
            continue
        has_ids = "id" in options.columns or any(
            normal_name(name) in _IDS for one in different.values() for name in one.values
        )
        rows = [
            SourceRow(f"{one.place}#{number}", one.values if has_ids else {**one.values, "id": f"log-{key[:12]}"})
            for number, (key, one) in enumerate(different.items())
        ]
        columns = _columns(log, rows, options.columns)
        asked = [columns[into] for into in _QUESTIONS if into in columns]
        unasked = [one for one in different.values() if asked and all(_is_blank(one.values.get(n)) for n in asked)]
        if unasked:
            problems.append(_unasked([one.place for one in sorted(unasked, key=lambda one: one.order)], asked[0]))
            continue
        try:
            mapped = map_rows(rows, log.name, columns, is_table=log.is_table)
        except ImportingError as error:
            problems += map(_in_log, error.problems)
            continue
        mapping |= dict.fromkeys(log.format.columns or mapped.mapping)
        by_place = {one.place: one.row for one in mapped.cases}
        for row, one in zip(rows, different.values(), strict=True):
            if row.place in by_place:
                one.made = by_place[row.place]
                one.case = parse_row(one.made, Place(one.place, 0)).case
            else:
                problems.append((one.place, f"is the same case as another row: {_OTHER_ID}"))
    if problems:
        raise ImportingError(problems)
    return tuple(mapping)


_QUESTIONS: Final = ("input", "messages", "vars")
_HASH: Final = re.compile(r"#\d+(?=\)|$)")
_NAMED: Final = 5


def _in_log(problem: tuple[str, str]) -> tuple[str, str]:
    """Return a problem with the places of the log, and the next step for ids that repeat."""
    place, message = (_HASH.sub("", text) for text in problem)
    return place, f"{message}: {_OTHER_ID}" if message.startswith("duplicate id") else message


_OTHER_ID: Final = "name another field with --map id=FIELD"


def _is_blank(value: Json) -> bool:
    return not value.strip() if isinstance(value, str) else value in (None, [], {})


def _unasked(places: Sequence[str], name: str) -> tuple[str, str]:
    """Return one problem for all rows without a question."""
    others = f" (and {first_few(places[1:], _NAMED)})" if len(places) > 1 else ""
    option = jsonl.escape_text(f"--only '{name}=*'")
    return places[0], f"no question in {jsonl.quote_text(name)}{others}: skip such rows with {option}"


def _digest(values: Row) -> str:
    """Return the digest of a row, without the names whose value is null."""
    return jsonl.digest({name: value for name, value in values.items() if value is not None})


REPLIES: Final = ("outputs", "answer", "reply")
"""Names of the output in a log, in a golden set those of the expected value."""


def _columns(log: LogFile, rows: Sequence[SourceRow], given: Mapping[str, str]) -> Mapping[str, str]:
    """Return the names to read: those that the user has given, the question, and the output if its name is unusual.

    With a name, the others are kept as metadata: a log has names that no golden set has, such as ``tag``.
    """
    if log.format.rows is not None:
        return given
    names = dict.fromkeys(name for row in rows for name in row.values)
    fields = {into: name for name in reversed(names) if (into := (field_of(name) or ("", 0))[0])}
    chosen = dict(given)
    if chosen.keys().isdisjoint(_QUESTIONS):
        chosen |= next(({into: fields[into]} for into in _QUESTIONS if into in fields), {})
    if "output" not in {*chosen, *fields}:
        chosen |= next(({"output": name} for name in REPLIES if name in names and name not in chosen.values()), {})
    return chosen


class _Taking:
    """Candidates that became cases, and those of the same stratum that are represented by one."""

    def __init__(self, found: Sequence[_Candidate], *, drop: bool) -> None:
        self._found = found
        self.kept: list[_Kept] = []
        self.merged: list[tuple[int, int, float]] = []
        self._exact: dict[str, _Kept] = {}
        self._strata: dict[StratumKey, list[int]] = {}
        for index, one in enumerate(found):
            self._strata.setdefault(one.stratum, []).append(index)
        self._near = {key: NearTexts(_texts(found, places)) for key, places in self._strata.items()} if drop else {}
        self._position = {index: at for places in self._strata.values() for at, index in enumerate(places)}
        self._by_index: dict[int, _Kept] = {}
        edges = [index for index, one in enumerate(found) if one.is_edge]
        self.take(edges, len(edges), len(edges))

    def take(self, indices: Sequence[int], quota: int, rows: int) -> tuple[int, int]:
        """Take candidates of a stratum of ``rows`` rows; return the new cases and the candidates looked at."""
        looked_at: list[tuple[int, _Kept]] = []
        new = 0
        for index in indices:
            kept, similarity = self._known(index)
            if kept is None:
                if new == quota:
                    break
                new += 1
                kept = self._keep(index)
            else:
                self.merged.append((index, kept.index, similarity))
            looked_at.append((index, kept))
        for index, kept in looked_at:
            kept.weight += rows / len(looked_at) * self._found[index].row.weight
            kept.rows += 1
            if kept.index == index:
                kept.probability = len(looked_at) / rows
        return new, len(looked_at)

    def _known(self, index: int) -> tuple[_Kept | None, float]:
        same = self._exact.get(self._digest(index))
        if same is not None:
            return same, 1.0
        key = self._found[index].stratum
        near = self._near[key].find(self._position[index]) if self._near else None
        return (None, 0.0) if near is None else (self._by_index[self._strata[key][near[0]]], near[1])

    def _keep(self, index: int) -> _Kept:
        kept = _Kept(index)
        self.kept.append(kept)
        self._exact[self._digest(index)] = kept
        self._by_index[index] = kept
        if self._near:
            self._near[self._found[index].stratum].add(self._position[index])
        return kept

    def _digest(self, index: int) -> str:
        return _digest(self._found[index].values)


def _texts(found: Sequence[_Candidate], places: Sequence[int]) -> list[tuple[str, str]]:
    cases = [found[index].case for index in places]
    return [("", "") if case is None else (input_text(case), "\n".join(case.context)) for case in cases]


def _finished(one: _Candidate, kept: _Kept, options: DrawOptions, masked: dict[str, int]) -> DrawnCase:
    """Return the case with its slices and its weight, without secrets and personal data."""
    row = dict(one.made)
    if options.by:
        row["slice"] = {**row.get("slice", {}), **dict(zip(options.by, one.stratum, strict=True))}
    if one.is_edge:
        row["tags"] = [*row.get("tags", []), EDGE_TAG]
    if options.redactor is not None:
        row, values = mask_row(row, options.redactor)
        for value in values:
            masked[value.kind] = masked.get(value.kind, 0) + 1
        if row["id"] != one.made["id"]:
            row["id"] = f"log-{jsonl.digest(one.values)[:12]}"
    weight = float(f"{kept.weight:.8g}")
    return DrawnCase(
        one.place,
        {**row, "weight": weight},
        one.stratum,
        float(f"{kept.probability:.8g}"),
        weight,
        kept.rows,
        one.values,
        one.is_edge,
    )


def _check_ids(cases: Sequence[DrawnCase]) -> None:
    first: dict[str, DrawnCase] = {}
    problems = []
    for case in cases:
        earlier = first.setdefault(str(case.row["id"]), case)
        if earlier is not case:
            name = jsonl.quote_text(str(case.row["id"]), 40)
            problems.append((case.place, f"duplicate id {name} (first at {earlier.place}): {_OTHER_ID}"))
        if parsed := parse_row(case.row, Place(case.place, 0)).problems:
            problems += [(case.place, f"{one.field}: {one.message}") for one in parsed]
    if problems:
        raise ImportingError(problems)


def results_of(cases: Sequence[DrawnCase], name: str) -> Iterator[tuple[float, float]]:
    """Yield (weight, result) of each case whose row has a result under ``name``."""
    read = field_reader(name)
    for case in cases:
        value = number_of(read(case.values))
        if value is not None and not math.isnan(value):
            yield case.weight, value
