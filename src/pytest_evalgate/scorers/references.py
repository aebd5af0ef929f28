"""The texts that an output is held against by a measure of likeness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.data import Case, Output
from pytest_evalgate.scorers.wanted import all_wanted, text_of

if TYPE_CHECKING:
    from collections.abc import Callable


def references(case: Case, value: str | None = None) -> tuple[str, ...]:
    """Return the reference texts: ``value``, else ``expected_any``, else ``expected``, which may be a list.

    Raises:
        ScorerError: there is none.

    """
    return tuple(text_of(Output(one)) for one in all_wanted(case, None if value is None else (value,)))


def nearest(measure: Callable[[str, str], float], output: str, wanted: tuple[str, ...]) -> tuple[float, str]:
    """Return the largest ``measure(output, reference)``, and the first reference that has it."""
    return max(((measure(output, one), one) for one in wanted), key=lambda pair: pair[0])
