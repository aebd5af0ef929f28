"""Fakes of a target and a scorer, and `grade_once`."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import field
from typing import TYPE_CHECKING, Any

from pytest_evalgate.errors import MissingOutput
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.scorers import Context, build_all, grade
from pytest_evalgate.targets.outputs import split_output
from pytest_evalgate.usercode import UserCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_evalgate.records.cases import Case, Json


@dataclass(frozen=True)
class ScriptedTarget:
    """A target that returns scripted outputs.

    Args:
        script: Output by case id. An exception is raised; a case without an entry raises `MissingOutput`.
        asked: The calls so far, as (case id, trial).
    """

    script: Mapping[str, Json | BaseException]
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def answer(self, case: Case, trial: int) -> Output:
        """Return the scripted output."""
        self.asked.append((case.id, trial))
        if case.id not in self.script:
            raise MissingOutput(f"the script has no output for {case.id}")
        value = self.script[case.id]
        if isinstance(value, BaseException):
            raise value
        return Output(value)


@dataclass(frozen=True)
class FixedScorer:
    """A scorer that gives every output the same value; None means that it could not tell."""

    value: float | None
    name: str = "fixed"

    async def score(self, case: Case, output: Output) -> Score:  # noqa: ARG002 - the seam's signature
        """Return the value as a score that passes if it is at least 1."""
        return Score(self.name, self.value, None if self.value is None else self.value >= 1)


def grade_once(
    *specs: str | Mapping[str, Any], case: Case, output: Json, root: Path | None = None
) -> tuple[Score, ...]:
    """Grade one output with scorers as the configuration would.

    Args:
        specs: Scorers, such as ``"exact"`` or ``{"kind": "number", "tolerance": 0.1}``.
        case: The case, with its input and expected output.
        output: The output to grade; the reasoning of a model in it is not graded.
        root: The folder from which your own functions are imported.

    Raises:
        SettingsError: A scorer cannot be built.
        ScorerError: A scorer failed.
    """
    with contextlib.closing(UserCode()) as code:
        built = build_all(specs, context=Context(roots=() if root is None else (root,), code=code))
        return asyncio.run(grade(case, split_output(Output(output)), built))
