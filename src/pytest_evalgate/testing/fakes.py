"""Fakes of the seams, and one output graded as the configuration would."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_evalgate.data import Output, Score
from pytest_evalgate.errors import MissingAnswer
from pytest_evalgate.scorers import Context, build_all, grade

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_evalgate.data import Case, Json


@dataclass(frozen=True)
class ScriptedTarget:
    """A target that answers from a script: the output of each case by its id.

    An exception in the script is raised; a case that is not in it has no answer. ``asked`` lists the calls as
    (case id, trial).
    """

    script: Mapping[str, Json | BaseException]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def answer(self, case: Case, trial: int) -> Output:
        """Return what the script says."""
        self.asked.append((case.id, trial))
        if case.id not in self.script:
            raise MissingAnswer(f"the script has no output for {case.id}")
        said = self.script[case.id]
        if isinstance(said, BaseException):
            raise said
        return Output(said)


@dataclass(frozen=True)
class FixedScorer:
    """A scorer that gives every output the same value; None for "could not tell"."""

    value: float | None
    name: str = "fixed"

    async def score(self, case: Case, output: Output) -> Score:  # noqa: ARG002 - the seam's signature
        """Return the value as a score that passes from 1.0 on."""
        return Score(self.name, self.value, None if self.value is None else self.value >= 1)


def grade_once(
    *specs: str | Mapping[str, Any], case: Case, output: Json, root: Path | None = None
) -> tuple[Score, ...]:
    """Grade one output with scorers as they stand in the configuration.

    Args:
        specs: Scorers, such as ``"exact"`` or ``{"kind": "number", "tolerance": 0.1}``.
        case: What is asked and wanted.
        output: What the target returned.
        root: The folder below which functions of your own lie.

    Raises:
        SettingsError: a scorer cannot be built.
        ScorerError: a scorer broke.

    """
    built = build_all(specs, context=Context(roots=() if root is None else (root,)))
    return asyncio.run(grade(case, Output(output), built, threshold=1.0))
