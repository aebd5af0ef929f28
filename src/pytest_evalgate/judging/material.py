"""What a judge is shown of a trial: the case, the output, and the context that it has to be faithful to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.judging.candidate import text_of, visible

if TYPE_CHECKING:
    from pytest_evalgate.data import Case, Json, Output
    from pytest_evalgate.judging.rubric import Rubric


@dataclass(frozen=True, slots=True)
class Material:
    """One output of one case; ``candidate`` is the output as the judge is shown it."""

    case: Case
    candidate: str
    context: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[Json, ...]:
        """What is wanted; one of them is enough."""
        return references_of(self.case)

    def lacks(self, rubric: Rubric) -> str | None:
        """Say what the rubric needs and the case does not bring, and what to do; None where nothing is missing."""
        if ("reference" in rubric.needs or rubric.pairs) and not self.references:
            return f'the rubric {rubric.name} needs a reference: add "expected" to the case'
        if "context" in rubric.needs and not self.context:
            return f'the rubric {rubric.name} needs a context: add "context" to the case, or to the output\'s metadata'
        return None


def material_of(case: Case, output: Output) -> Material:
    """Return what a judge is shown of an output.

    The context is the one that the output's metadata hold, as what the application has retrieved, else the case's.

    Raises:
        ValueError: the output holds NaN or an infinity.
        TypeError: it holds what JSON cannot.

    """
    return Material(case, visible(text_of(output.value)), _texts(output.metadata.get("context")) or case.context)


def references_of(case: Case) -> tuple[Json, ...]:
    """Return what is wanted of an output: ``expected_any``, else ``expected``, else nothing."""
    return case.expected_any or (() if case.expected is None else (case.expected,))


def _texts(value: Json) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return tuple(value)
    return ()
