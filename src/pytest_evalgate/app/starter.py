"""Starter configuration of golden sets: a suite for each, with the scorer and the slices that fit its cases.

``import`` and ``init`` write the same configuration for the same golden set.
"""

from __future__ import annotations

import json
import re
import statistics
import unicodedata
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.records.cases import Place
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.app.application import Application
    from pytest_evalgate.importing import ImportedCase
    from pytest_evalgate.records.cases import Case

Step = tuple[str, str]
"""A command to run next, and its purpose."""

RUN: Final = "pytest --eval-gate"
PROMOTE: Final[Step] = (
    'pytest-evalgate baseline promote --reason "first baseline"',
    "later runs are compared with it",
)
_HEAD: Final = "# Configuration of pytest --eval-gate. All keys: docs/configuration.md, or pytest-evalgate schema\n"
_RECORD: Final = """
# Until the first baseline is promoted, a run is recorded and compared with nothing, also in CI. The verdict says so.
on_missing_baseline = "record"
"""
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")


def suite_name(stem: str) -> str:
    """Return the name of a file without its suffix as the name of a suite, in ASCII."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode("ascii")
    return _NOT_IN_NAMES.sub("-", plain).strip("-_").lower()[:64] or "imported"


def cases_of(imported: Iterable[ImportedCase]) -> tuple[Case, ...]:
    """Return the cases of imported rows."""
    parsed = (parse_row(one.row, Place("", 0)).case for one in imported)
    return tuple(case for case in parsed if case is not None)


@dataclass(frozen=True, slots=True)
class StarterSuite:
    """A suite to write for a golden set.

    Args:
        name: Its name.
        golden: Path of the golden set.
        about: Content of the golden set.
        cases: The cases of the golden set; empty if they are unknown.
        target: The target in TOML; empty if none was found.
        because: Place or reason of the target.
    """

    name: str
    golden: str
    about: str
    cases: Sequence[Case] = ()
    target: str = ""
    because: str = ""

    @property
    def has_outputs(self) -> bool:
        """Whether all cases contain recorded outputs, so that the suite runs without a target."""
        return bool(self.cases) and all(case.output is not None or case.skip is not None for case in self.cases)

    @property
    def is_ready(self) -> bool:
        """Whether the suite can run as it is written."""
        return bool(self.target) or self.has_outputs

    def text(self, prefix: str = "") -> str:
        """Return the table of the suite; ``prefix`` is that of tables in ``pyproject.toml``."""
        return "\n".join(self._lines(prefix)) + "\n"

    def _lines(self, prefix: str) -> Iterator[str]:
        yield f"[{prefix}suites.{self.name}]"
        yield f"golden = {json.dumps(self.golden)}  # {jsonl.escape_text(self.about)}"
        if self.target:
            yield f"target = {self.target}  # {self.because}"
        else:
            if self.has_outputs:
                yield "# The outputs recorded in the golden set are graded. To grade your application, set one target:"
            else:
                yield "# The target is the application under test. Set one of these before the first run:"
            yield '# target = { python = "myapp.bot:answer" }  # a function from the input of a case to the answer'
            yield '# target = { command = ["python", "answer.py"] }  # a program: the case as JSON in, the answer out'
        scorer, reason = choose_scorer(self.cases)
        yield f"scorers = [{scorer}]  # {reason}"
        if slices := choose_slices(self.cases):
            yield f"slices = {json.dumps(slices)}  # pass rates for each value"
        yield f'baseline = "baselines/{self.name}.json"  # written by pytest-evalgate baseline promote; commit it'
        yield 'gates = [{ kind = "no-regression", margin = 0.05 }]  # fails on a proven drop. A fixed bar instead:'
        yield '# gates = [{ kind = "pass-rate", min = 0.8, bound = "point" }]'


def python_target(app: Application) -> tuple[str, str]:
    """Return the target of an application in TOML, and the place that it was found at."""
    env = f", env = {json.dumps(list(app.keys))}" if app.keys else ""
    return f'{{ python = "{app.spec}"{env} }}', f"assumed from {app.file}:{app.line}: {app.signature}"


def with_distinct_names(suites: Iterable[StarterSuite], taken: Iterable[str] = ()) -> Iterator[StarterSuite]:
    """Yield the suites with a number behind each name that is used already, by ``taken`` or an earlier suite."""
    used = set(taken)
    for suite in suites:
        name, number = suite.name, 1
        while name in used:
            number += 1
            name = f"{suite.name}-{number}"
        used.add(name)
        yield suite if number == 1 else replace(suite, name=name)


def starter_text(suites: Sequence[StarterSuite], *tables: str) -> str:
    """Return the whole configuration; ``tables`` are added at its end."""
    return "\n".join((_HEAD.rstrip("\n"), _RECORD, *(suite.text() for suite in suites), *tables))


_LONG: Final = 8
"""Median number of words from which an expected answer is compared by its words."""

_NOT_EMPTY: Final = '{ kind = "length", min = 1 }'


def can_grade(cases: Sequence[Case]) -> bool:
    """Return whether any case says what a good answer is."""
    return any(_wanted(case) or case.asserts or case.rubric for case in cases)


def choose_scorer(cases: Sequence[Case]) -> tuple[str, str]:
    """Return the scorer that can grade every case, in TOML, and the reason; none if every case has its own checks."""
    graded = [case for case in cases if case.skip is None] or cases
    wanted = [value for case in graded for value in _wanted(case)]
    if graded and all(case.asserts for case in graded):
        return "", "the cases have their own checks"
    if any(not _wanted(case) for case in graded):
        return _NOT_EMPTY, "an answer: without expected values, add a judge or checks (docs/judges.md)"
    if not all(isinstance(value, str) for value in wanted):
        return '"exact"', "the output is the expected JSON value"
    if wanted and statistics.median(len(value.split()) for value in wanted) >= _LONG:
        return (
            '{ kind = "squad-f1", threshold = 0.5 }',
            "half of the words of the expected answer; a judge grades the meaning (docs/judges.md)",
        )
    return '"icontains"', "the output contains the expected text"


def _wanted(case: Case) -> tuple[Any, ...]:
    return (case.expected,) if case.expected not in (None, "") else case.expected_any


_FEWEST: Final = 2
_MOST: Final = 12


def choose_slices(cases: Sequence[Case]) -> list[str]:
    """Return up to three keys of tags ``key:value`` and fields of the metadata whose few values recur.

    Nearly all cases (4 of 5) have to have the key.
    """
    values: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        for key, value in _labels(case):
            values[key].append(value)
    found = [
        key
        for key, all_values in values.items()
        if _FEWEST <= len(set(all_values)) <= _MOST
        and len(all_values) >= 2 * len(set(all_values))
        and 5 * len(all_values) >= 4 * len(cases)
    ]
    return found[:3]


def _labels(case: Case) -> Iterator[tuple[str, str]]:
    """Yield what a case can be counted by: its tags with a value, and the texts in its metadata."""
    for tag in case.tags:
        key, colon, value = tag.partition(":")
        if colon and re.fullmatch(r"[\w-]+", key):
            yield key, value
    for name, value in case.metadata.items():
        if isinstance(value, str) and re.fullmatch(r"[\w -]+", name):
            yield f"metadata.{name}", value
