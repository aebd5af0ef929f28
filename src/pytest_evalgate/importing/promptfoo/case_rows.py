"""Canonical rows from the cases of a promptfoo configuration."""

from __future__ import annotations

import unicodedata
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.record import LONGEST_ID, normalise
from pytest_evalgate.importing.imported import ImportingError
from pytest_evalgate.importing.promptfoo.assertions import ReadAsserts, Reader, as_text
from pytest_evalgate.importing.promptfoo.nunjucks import NunjucksError, render
from pytest_evalgate.importing.promptfoo.source import place_of, plain, slug
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.importing.promptfoo.source import ConfigSource
    from pytest_evalgate.importing.promptfoo.test_cases import TestCase
    from pytest_evalgate.records.cases import Place

_MOST_CHARACTERS: Final = 256 << 20
_ANSWERED: Final = {"kind": "length", "min": 1, "name": "answered"}
"""The check of a case without asserts: promptfoo passes it with any output."""


@dataclass(frozen=True, slots=True)
class TestRow:
    """A canonical row, the case that it was made from, and what the rest of the import needs to know about it.

    ``has_rule`` is False if only a judge, or nothing, grades the case. ``asked`` are the providers of the models that
    rules ask, by API.
    """

    __test__ = False  # pytest would collect the class by its name

    case: TestCase
    row: dict[str, Any]
    has_rule: bool
    has_notes: bool
    grader: tuple[Any, Place] | None = None
    asked: tuple[tuple[str, tuple[Any, Place]], ...] = ()


@dataclass(slots=True)
class RowMaker:
    """Maker of rows.

    ``used`` are the variables that some prompt or target reads; None for all. ``filled`` are those that a prompt needs
    and a test may lack, which Nunjucks renders as nothing. ``transform`` changes the outputs of all providers.
    """

    source: ConfigSource
    used: frozenset[str] | None
    filled: frozenset[str]
    transform: str = ""
    has_tools: bool = False
    naming: tuple[str, ...] = ()
    taken: dict[str, int] = field(default_factory=dict)

    def rows(self, cases: Sequence[TestCase]) -> list[TestRow]:
        """Return the row of each case; ids are unique."""
        self.naming = _most_telling(cases)
        made: list[TestRow] = []
        size = 0
        for case in cases:
            made.append(self._row(case))
            size += len(jsonl.canonical(made[-1].row))
            if size > _MOST_CHARACTERS:
                message = f"the cases have more than {_MOST_CHARACTERS:,} characters: their variables multiply"
                raise ImportingError([(str(case.place), message)])
        return made

    def _row(self, case: TestCase) -> TestRow:
        transforms = (self.transform, case.options.get("transform") or case.options.get("postprocess"))
        grading = Reader(self.source, case.variables, transforms, self.has_tools, case.threshold).read(case.asserts)
        metadata = dict(case.metadata)
        row: dict[str, Any] = {"id": self._identity(case), **self._question(case, metadata)}
        if grading.expected is not None:
            row["expected"] = grading.expected
        row["asserts"] = [_tidy(spec) for spec in grading.specs] or [dict(_ANSWERED)]
        if grading.notes:
            row["rubric"] = grading.notes[0] if len(grading.notes) == 1 else grading.notes
        if grading.threshold is not None:
            row["threshold"] = grading.threshold
        if case.trials is not None:
            row["trials"] = case.trials
        if case.output is not None:
            row["output"] = case.output
        if case.description and row["id"] != case.description:
            metadata.setdefault("description", case.description)
        for key in ("prefix", "suffix"):
            if text := self._affix(case, key):
                metadata[key] = text
        if metadata:
            row["metadata"] = metadata
        asked = tuple((api, self._asked(case, *named)) for api, named in grading.asked.items())
        return TestRow(case, row, bool(grading.specs), bool(grading.notes), self._grader(case, grading), asked)

    def _question(self, case: TestCase, metadata: dict[str, Any]) -> dict[str, Any]:
        """Return the variables that prompts read; the others only occur in asserts, and go into the metadata."""
        asked = {name: value for name, value in case.variables.items() if self.used is None or name in self.used}
        unused = {name: value for name, value in case.variables.items() if name not in asked}
        if unused:
            metadata["vars"] = unused
        asked |= {name: "" for name in sorted(self.filled) if name not in asked}
        row: dict[str, Any] = {}
        if "input" in asked:
            row["input"] = asked["input"]
        elif len(asked) == 1:
            row["input"] = next(iter(asked.values()))
        elif not asked:
            row["input"] = None
        if asked:
            row["vars"] = asked
        context = case.variables.get("context")
        if isinstance(context, str) and context:
            row["context"] = [context]
        return row

    def _identity(self, case: TestCase) -> str:
        """Return the description, or the beginning of the most telling variable; numbered if it occurs again."""
        words = [as_text(case.variables[name]) for name in self.naming if name in case.variables]
        base = _usable(case.description) or next(filter(None, (slug(_ascii(word)) for word in words)), "") or "case"
        base = base[: LONGEST_ID - 8]
        count = self.taken.get(base, 0) + 1
        self.taken[base] = count
        made = base if count == 1 else f"{base}-{count}"
        if count > 1 and made in self.taken:
            return self._identity(case)
        self.taken.setdefault(made, 1)
        return made

    def _affix(self, case: TestCase, key: str) -> str:
        given = case.options.get(key)
        if not isinstance(given, str) or not given:
            return ""
        try:
            return render(given, case.variables, self.source.env)
        except NunjucksError as error:
            self.source.leave_out(place_of(case.options, key), key, str(error))
            return ""

    def _asked(self, case: TestCase, named: Any, place: Place) -> tuple[Any, Place]:
        """Return the provider that an assert names, else that of the test, if it has one for embeddings."""
        given = case.options.get("provider")
        if named is None and isinstance(given, dict) and "embedding" in given:
            return given, place_of(case.options, "provider")
        return named, place

    def _grader(self, case: TestCase, grading: ReadAsserts) -> tuple[Any, Place] | None:
        if grading.grader is not None or not grading.notes:
            return grading.grader
        given = case.options.get("provider")
        return (given, place_of(case.options, "provider")) if given else None


def _most_telling(cases: Sequence[TestCase]) -> tuple[str, ...]:
    """Return the variables in the order of their numbers of different values, the largest first."""
    values: dict[str, set[str]] = {}
    for case in cases:
        for name, value in case.variables.items():
            values.setdefault(name, set()).add(as_text(value))
    return tuple(sorted(values, key=lambda name: -len(values[name])))


def _tidy(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule with its kind first and short numbers."""
    weight = spec.get("weight")
    made = dict(spec) if weight is None else {**spec, "weight": round(weight, 6)}
    return {"kind": made.pop("kind"), **plain(made)}


def _usable(text: str) -> str:
    """Return a description as an id; empty if it cannot be one."""
    try:
        return normalise(" ".join(text.split())) if text.strip() else ""
    except ValueError:
        return slug(_ascii(text))


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text[:400]).encode("ascii", "ignore").decode("ascii")


def restricted(rows: Sequence[TestRow]) -> dict[tuple[tuple[str, ...] | None, tuple[str, ...] | None], list[TestRow]]:
    """Return the rows by the prompts and providers that their tests are limited to; None is no limit."""
    groups: dict[tuple[tuple[str, ...] | None, tuple[str, ...] | None], list[TestRow]] = {}
    for row in rows:
        groups.setdefault((row.case.prompts, row.case.providers), []).append(row)
    return groups
