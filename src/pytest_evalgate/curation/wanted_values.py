"""Coverage that a suite wants: which of its values, such as languages or requirements, have which cases."""

from __future__ import annotations

from collections import defaultdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.lint import LintFinding
from pytest_evalgate.records.covered import CoveredField, CoveredValue
from pytest_evalgate.runs.plan import slice_values
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Case, Place
    from pytest_evalgate.records.results import PlannedCase, SuiteRun

_NAMED: Final = 10
_IDS: Final = 20
"""Ids of each value that a verdict lists; the run file has all."""


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
    return tuple(
        _wanted_field(((case.id, tuple(slice_values(case, by))) for case in cases), by, values)
        for by, values in wanted.items()
    )


def run_coverage(suite: SuiteRun, wanted: Mapping[str, Sequence[str]]) -> tuple[WantedField, ...]:
    """Return the same for the cases of a run, which has their tags and the slices of its suite.

    Other fields are left out: they are not in the run.
    """
    cases = [result.case for result in suite.results if result.case.side != "base"]
    keys = {by for case in cases for by, _ in case.slices}
    keys |= {tag.partition(":")[0] for case in cases for tag in case.tags if ":" in tag}
    known = {by: values for by, values in wanted.items() if by == "tag" or by in keys}
    return tuple(
        _wanted_field(((case.id, _planned_values(case, by)) for case in cases), by, values)
        for by, values in known.items()
    )


def _planned_values(case: PlannedCase, by: str) -> tuple[str, ...]:
    if by == "tag":
        return tuple(tag for tag in case.tags if ":" not in tag)
    sliced = tuple(value for name, value in case.slices if name == by)
    return sliced or tuple(tag.partition(":")[2] for tag in case.tags if tag.startswith(f"{by}:"))


def covered_fields(suite: SuiteRun, wanted: Mapping[str, Sequence[str]]) -> tuple[CoveredField, ...]:
    """Return the coverage of a run for its verdict, which counts the cases and lists the first 20 of each value."""
    passed = {result.case.id for result in suite.results if result.outcome == "passed"}
    return tuple(
        CoveredField(
            field.by,
            tuple(
                CoveredValue(one.value, len(one.cases), sum(id_ in passed for id_ in one.cases), one.cases[:_IDS])
                for one in field.wanted
            ),
            len(field.others),
            field.without,
        )
        for field in run_coverage(suite, wanted)
    )


def _wanted_field(cases: Iterable[tuple[str, tuple[str, ...]]], by: str, values: Sequence[str]) -> WantedField:
    ids: dict[str, list[str]] = defaultdict(list)
    without = 0
    for case_id, of_case in cases:
        without += not of_case
        for value in dict.fromkeys(of_case):
            ids[value].append(case_id)
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
