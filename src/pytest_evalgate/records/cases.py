"""Cases: the lines of golden sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping  # noqa: TC003 - `runs.record_file` validates records by their types
from dataclasses import field
from types import MappingProxyType
from typing import Any, Literal

from pytest_evalgate.frozen import dataclass

Json = Any


"""Any JSON value: None, bool, int, float, str, list, or dict with str keys."""


Side = Literal["both", "head", "base"]


"""The side of a case: on this branch (head) and at its base, or on one of them only."""


BASE_SUFFIX = "@base"


_NOTHING: Mapping[str, Any] = MappingProxyType({})


def nothing() -> Mapping[str, Any]:
    """Return the empty mapping that is the default of fields."""
    return _NOTHING


def golden_id_of(case_id: str, side: Side) -> str:
    """Return the id in the golden set of the case ``case_id`` of a run."""
    return case_id.removesuffix(BASE_SUFFIX) if side == "base" else case_id


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a case: a file, relative to the root folder, and a line, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        """Return ``file:line``."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a golden set.

    ``fingerprint`` is the SHA-256 of the input and of what is expected (input, messages, vars, expected, rubric,
    contexts, expected tools, asserts), by which cases of two runs are paired. Tags, metadata and the line number are
    not part of it. ``side`` is "base" if only the base branch has the case in this form; its id then ends in
    ``@base``. ``expected_tools`` and ``trajectory``, the steps that led to ``output``, are None if the case has none;
    an empty tuple means that no tool should be called, or was called.
    """

    id: str
    input: Json = None
    messages: tuple[Mapping[str, Json], ...] = ()
    vars: Mapping[str, Json] = field(default_factory=nothing)
    expected: Json = None
    expected_any: tuple[Json, ...] = ()
    rubric: str | tuple[str, ...] | None = None
    context: tuple[str, ...] = ()
    reference_context: tuple[str, ...] = ()
    output: Json = None
    trajectory: tuple[Json, ...] | None = None
    expected_tools: tuple[Json, ...] | None = None
    asserts: tuple[Mapping[str, Json], ...] = ()
    tags: tuple[str, ...] = ()
    slice: Mapping[str, str] = field(default_factory=nothing)
    metadata: Mapping[str, Json] = field(default_factory=nothing)
    split: str | None = None
    weight: float = 1.0
    trials: int | None = None
    threshold: float | None = None
    skip: str | None = None
    human_label: Json = None
    place: Place = Place("", 0)
    fingerprint: str = ""
    side: Side = "both"

    @property
    def golden_id(self) -> str:
        """The id in the golden set, which targets and recorded outputs use."""
        return golden_id_of(self.id, self.side)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes for judges, each of which is asked for separately: those of ``rubric``."""
        return (self.rubric,) if isinstance(self.rubric, str) else self.rubric or ()

    @property
    def question(self) -> dict[str, Json]:
        """The ``input`` and ``expected`` of the case for reports, if it has them."""
        asked = self.input if self.input is not None else [*self.messages] or dict(self.vars) or None
        expected = (
            self.expected if self.expected is not None else [*self.expected_any] or "\n".join(self.notes) or None
        )
        return {name: value for name, value in (("input", asked), ("expected", expected)) if value is not None}


@dataclass(frozen=True, slots=True)
class GoldenSet:
    """The cases of one JSONL file, in line order; ``sha256`` does not depend on line or key order."""

    path: str
    cases: tuple[Case, ...]
    sha256: str

    def __iter__(self) -> Iterator[Case]:
        """Iterate over the cases in line order."""
        return iter(self.cases)

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.cases)
