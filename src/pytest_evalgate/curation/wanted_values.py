"""Coverage that a suite wants: which of its values, such as languages or requirements, have which cases."""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.lint import LintFinding
from pytest_evalgate.runs.plan import slice_values
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Case, Place

_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class WantedValue:
    """A value or a pattern that a suite wants, and the ids of the cases that have it."""

    value: str
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WantedField:
    """Coverage of one field: what is wanted, the other values with the number of their cases, and cases without."""

    by: str
    wanted: tuple[WantedValue, ...]
    others: tuple[tuple[str, int], ...]
    without: int

    @property
    def missing(self) -> tuple[str, ...]:
        """The wanted values and patterns that no case has."""
        return tuple(one.value for one in self.wanted if not one.cases)


def wanted_coverage(cases: Sequence[Case], wanted: Mapping[str, Sequence[str]]) -> tuple[WantedField, ...]:
    """Return which cases have the wanted values of each field; ``*`` in a value stands for any characters."""
    return tuple(_wanted_field(cases, by, values) for by, values in wanted.items())


def _wanted_field(cases: Sequence[Case], by: str, values: Sequence[str]) -> WantedField:
    ids: dict[str, list[str]] = defaultdict(list)
    without = 0
    for case in cases:
        found = tuple(dict.fromkeys(slice_values(case, by)))
        without += not found
        for value in found:
            ids[value].append(case.id)
    wanted = tuple(
        WantedValue(
            value, tuple(dict.fromkeys(name for one in sorted(ids) if fnmatchcase(one, value) for name in ids[one]))
        )
        for value in values
    )
    others = tuple((one, len(ids[one])) for one in sorted(ids) if not any(fnmatchcase(one, value) for value in values))
    return WantedField(by, wanted, others, without)


def coverage_findings(suite: str, fields: Sequence[WantedField], place: Place) -> Iterator[LintFinding]:
    """Find what a suite wants and no case has; ``place`` is that of its configuration."""
    for field in fields:
        key = f"suites.{suite}.coverage.{field.by}"
        if field.missing:
            yield LintFinding(place, "coverage", "error", f"{key}: no case has {first_few(field.missing, _NAMED)}")
        if field.others:
            names = first_few([f"{value} ({count(number, 'case')})" for value, number in field.others], _NAMED)
            yield LintFinding(place, "coverage", "note", f"{key}: not wanted, but in the golden set: {names}")
        if field.without:
            yield LintFinding(place, "coverage", "note", f"{key}: {count(field.without, 'case')} without a value")


def coverage_lines(suite: str, fields: Sequence[WantedField]) -> Iterator[str]:
    """Yield the coverage map of a suite: each wanted value with its cases."""
    yield f"coverage of suite {suite}:"
    for field in fields:
        for one in field.wanted:
            ids = f"{count(len(one.cases), 'case')}: {first_few(one.cases)}" if one.cases else "no case"
            yield f"  {field.by} {one.value}: {ids}"
