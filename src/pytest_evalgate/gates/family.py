"""The family of a build: however many tests can fail it, the share of builds that fail by luck stays at alpha.

Overall tests and slice tests share the alpha by the fallback procedure; within each part Holm's step-down. Tests whose
gates want another alpha take part in proportion to it, so the family-wise level is that of the largest one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate import stats

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class TestName:
    """Which test it is: of a suite, by a gate (its place), overall or on one slice."""

    suite: str
    gate: int
    slice: tuple[str, str] | None = None

    __test__ = False  # pytest takes classes of this name for tests


@dataclass(frozen=True, slots=True)
class Question:
    """A test that may fail the build: its p, and the alpha that its gate is configured with."""

    name: TestName
    p: float
    alpha: float


def adjusted(questions: Iterable[Question]) -> Mapping[TestName, float]:
    """Return each test's p, adjusted for the others: it rejects where that is at most its gate's alpha."""
    asked = list(questions)
    overall = [question for question in asked if question.name.slice is None]
    slices = [question for question in asked if question.name.slice is not None]
    found = _holm(overall, factor=2.0 if slices else 1.0)
    all_reject = all(found[question.name] <= question.alpha for question in overall)
    return {**found, **_holm(slices, factor=1.0 if all_reject else 2.0)}


def _holm(questions: Sequence[Question], factor: float) -> dict[TestName, float]:
    if not questions:
        return {}
    least = min(question.alpha for question in questions)
    scaled = [question.p * least / question.alpha for question in questions]
    return {
        question.name: min(1.0, p * factor * question.alpha / least)
        for question, p in zip(questions, stats.holm_adjusted(scaled), strict=True)
    }
