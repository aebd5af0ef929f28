"""Starter configuration of imported golden sets: a suite for each, with what its rows show about it."""

from __future__ import annotations

import json
import re
import statistics
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.importing.imported import ImportedCase

HEAD: Final = "# Configuration of pytest --eval-gate. All keys: docs/configuration.md, or pytest-evalgate schema\n"
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")


def suite_name(stem: str) -> str:
    """Return the name of a file without its suffix as the name of a suite, in ASCII."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode("ascii")
    return _NOT_IN_NAMES.sub("-", plain).strip("-_").lower()[:64] or "imported"


@dataclass(frozen=True, slots=True)
class StarterSuite:
    """A suite for a golden set: its name, the path of the golden set, the file it came from, and the cases."""

    name: str
    golden: str
    source: str
    cases: Sequence[ImportedCase]

    @property
    def has_outputs(self) -> bool:
        """Whether all rows contain recorded outputs, so that the suite runs without a target."""
        return all(case.row.get("output") is not None or "skip" in case.row for case in self.cases)

    def text(self) -> str:
        """Return the table of the suite."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"[suites.{self.name}]"
        origin = jsonl.escape_text(self.source)
        yield f"golden = {json.dumps(self.golden)}  # {count(len(self.cases), 'case')} from {origin}"
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
        yield "# Without gates, a proven drop below the baseline fails the build. A fixed bar instead:"
        yield '# gates = [{ kind = "pass-rate", min = 0.8, bound = "point" }]'


_LONG: Final = 8
"""Median number of words from which an expected answer is compared by its words."""

_NOT_EMPTY: Final = '{ kind = "length", min = 1 }'


def choose_scorer(cases: Sequence[ImportedCase]) -> tuple[str, str]:
    """Return the scorer that can grade every case, in TOML, and the reason; none if every case has its own checks."""
    rows = [case.row for case in cases if "skip" not in case.row] or [case.row for case in cases]
    wanted = [value for row in rows for value in _expected(row)]
    if all("asserts" in row for row in rows):
        return "", "the cases have their own checks"
    if any(not _expected(row) for row in rows):
        return _NOT_EMPTY, "an answer: without expected values, add a judge or checks (docs/judges.md)"
    if not all(isinstance(value, str) for value in wanted):
        return '"exact"', "the output is the expected JSON value"
    if statistics.median(len(value.split()) for value in wanted) >= _LONG:
        return (
            '{ kind = "squad-f1", threshold = 0.5 }',
            "half of the words of the expected answer; a judge grades the meaning (docs/judges.md)",
        )
    return '"icontains"', "the output contains the expected text"


def _expected(row: dict[str, Any]) -> list[Any]:
    return [row["expected"]] if row.get("expected") not in (None, "") else list(row.get("expected_any", ()))


_FEWEST: Final = 2
_MOST: Final = 12


def choose_slices(cases: Sequence[ImportedCase]) -> list[str]:
    """Return up to three fields of the metadata whose few values recur, as paths."""
    values: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        for name, value in (case.row.get("metadata") or {}).items():
            if isinstance(value, str) and re.fullmatch(r"[\w -]+", name):
                values[name].append(value)
    found = [
        f"metadata.{name}"
        for name, all_values in values.items()
        if _FEWEST <= len(set(all_values)) <= _MOST and len(all_values) >= 2 * len(set(all_values))
    ]
    return found[:3]


def starter_text(suites: Sequence[StarterSuite]) -> str:
    """Return the whole configuration."""
    return "\n".join([HEAD, *(suite.text() for suite in suites)])
