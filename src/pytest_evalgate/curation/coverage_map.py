"""Coverage of a log by a golden set: which values of a field have too few cases, and how long the questions are."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from pytest_evalgate.curation.row_fields import field_reader, text_of
from pytest_evalgate.curation.strata import unknown_field
from pytest_evalgate.errors import GoldenSetError, LineProblem, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects.columns import field_of
from pytest_evalgate.golden.lint import input_text, strings
from pytest_evalgate.golden.near_texts import words
from pytest_evalgate.runs.plan import slice_values
from pytest_evalgate.stats.shift import NumberShift, category_distance, number_shift

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.curation.log_files import LogFile
    from pytest_evalgate.curation.row_fields import Row
    from pytest_evalgate.records.cases import Case, Json

State = Literal["missing", "few", "enough", "not in the log"]
"""``few`` is less than half of the log's share."""

_FEW: Final = 0.5
MOST_VALUES: Final = 10_000
_LENGTHS: Final = 100_000
_MOST_PROBLEMS: Final = 50


@dataclass(frozen=True, slots=True)
class ValueCoverage:
    """A value of a field: its cases and their share by weight, its rows in the log and their share."""

    value: str
    cases: int
    share: float
    rows: int
    log_share: float

    @property
    def state(self) -> State:
        """Whether the golden set represents the value as the log does."""
        if not self.rows:
            return "not in the log"
        if not self.cases:
            return "missing"
        return "few" if self.share < _FEW * self.log_share else "enough"


@dataclass(frozen=True, slots=True)
class FieldCoverage:
    """The values of a field, the most frequent in the log first, and the Jensen-Shannon distance of both."""

    by: str
    values: tuple[ValueCoverage, ...]
    distance: float

    def of_state(self, state: State) -> tuple[ValueCoverage, ...]:
        """Return the values with a state."""
        return tuple(one for one in self.values if one.state == state)


@dataclass(frozen=True, slots=True)
class LogCoverage:
    """How golden cases represent a log: each field, and the length of the questions in words."""

    cases: int
    rows: int
    fields: tuple[FieldCoverage, ...]
    lengths: NumberShift | None


def log_coverage(cases: Sequence[Case], logs: Sequence[LogFile], by: Sequence[str], seed: int = 0) -> LogCoverage:
    """Compare cases with a log by its fields ``by``. The lengths of at most 100,000 rows are drawn at random.

    Raises:
        SettingsError: A field is in no row or in no case, or has too many values.
        GoldenSetError: Lines of the log are malformed.
    """
    counts, lengths, rows = _read(logs, by, seed)
    fields = []
    for name, found in zip(by, counts, strict=True):
        if set(found) <= {text_of(None)}:
            raise SettingsError(f"--by {name}: {unknown_field(name, logs)}")
        fields.append(_field(cases, name, found))
    asked = [len(words(input_text(case))) for case in cases]
    shift = number_shift(asked, lengths) if any(asked) and lengths else None
    return LogCoverage(len(cases), rows, tuple(fields), shift)


def _read(logs: Sequence[LogFile], by: Sequence[str], seed: int) -> tuple[list[Counter[str]], list[float], int]:
    readers = [field_reader(name) for name in by]
    counts: list[Counter[str]] = [Counter() for _ in by]
    lengths: list[float] = []
    # a raw generator, whose numbers stay the same in all versions of numpy
    random = np.random.PCG64(np.random.SeedSequence([seed]))
    rows = 0
    problems: list[LineProblem] = []
    for log in logs:
        question = next((name for row in log.first_rows() if (name := _question_name(row)) is not None), None)
        for _, _, _, row in log.rows(None if question is None else (*by, question)):
            if isinstance(row, LineProblem):
                problems.append(row)
                if len(problems) >= _MOST_PROBLEMS:
                    raise GoldenSetError(problems)
                continue
            rows += 1
            for count, read in zip(counts, readers, strict=True):
                count[text_of(read(row))] += 1
            question = question or _question_name(row)
            # Vitter's algorithm R; the words are counted only of the rows that are kept
            place = rows - 1 if rows <= _LENGTHS else int(random.random_raw()) % rows
            if place < _LENGTHS:
                length = 0 if question is None else sum(len(words(text)) for text in strings(row.get(question)))
                lengths[place : place + 1] = [length]
            if any(len(count) > MOST_VALUES for count in counts):
                name = next(name for name, count in zip(by, counts, strict=True) if len(count) > MOST_VALUES)
                raise SettingsError(f"--by {name}: more than {MOST_VALUES:,} values: name a field with fewer")
    if problems:
        raise GoldenSetError(problems)
    return counts, lengths, rows


def _question_name(row: Row) -> str | None:
    fields: dict[str, str] = {}
    for name, value in row.items():
        if value is not None and (found := field_of(name)) is not None:
            fields.setdefault(found[0], name)
    return next((fields[into] for into in ("input", "messages", "vars") if into in fields), None)


def _field(cases: Sequence[Case], name: str, rows: Mapping[str, int]) -> FieldCoverage:
    numbers: Counter[str] = Counter()
    weights: dict[str, float] = defaultdict(float)
    for case in cases:
        for value in _values_of(case, name):
            numbers[value] += 1
            weights[value] += case.weight
    if not weights:
        raise SettingsError(
            f"--by {name}: no case has this field: give the cases a tag such as {name}:value, or a slice of this name"
        )
    total, all_rows = sum(weights.values()), sum(rows.values())
    values = [
        ValueCoverage(value, numbers[value], weights[value] / total, rows.get(value, 0), rows.get(value, 0) / all_rows)
        for value in {**rows, **numbers}
    ]
    values.sort(key=lambda one: (-one.rows, -one.cases, one.value))
    return FieldCoverage(name, tuple(values), category_distance(weights, rows))


def _values_of(case: Case, name: str) -> Iterator[str]:
    """Yield the values of a case: its slices, else the field of its metadata that the log has under this name."""
    found = list(slice_values(case, name))
    if not found:
        value: Json = field_reader(name)({"metadata": dict(case.metadata)})
        found = [] if value is None else [text_of(value)]
    yield from found
