"""Rules about how long an output is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from pytest_evalgate.scorers.wanted import text_of

if TYPE_CHECKING:
    from pytest_evalgate.data import Case, Graded, Output


def _bounding(most: int | None, info: ValidationInfo) -> int | None:
    least = info.data.get("min")
    if most is None and not least:
        raise ValueError('bounds nothing: give "min", "max" or both')
    if most is not None and least is not None and most < least:
        raise ValueError(f"max = {most} is below min = {least}")
    return most


Least = Annotated[int, Field(ge=0)]
Most = Annotated[Least | None, Field(validate_default=True), AfterValidator(_bounding)]


def length(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    min: Least | None = None,  # noqa: A002 - the name that users write
    max: Most = None,  # noqa: A002 - the name that users write
) -> Graded:
    """Pass when the output has at least ``min`` and at most ``max`` characters."""
    return _bounded(len(text_of(output)), min, max, "characters")


def word_count(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    min: Least | None = None,  # noqa: A002 - the name that users write
    max: Most = None,  # noqa: A002 - the name that users write
) -> Graded:
    """Pass when the output has at least ``min`` and at most ``max`` words, which white space sets apart."""
    return _bounded(len(text_of(output).split()), min, max, "words")


def _bounded(count: int, least: int | None, most: int | None, unit: str) -> Graded:
    if least is not None and count < least:
        return 0.0, f"{count:,} {unit}, fewer than {least:,}"
    if most is not None and count > most:
        return 0.0, f"{count:,} {unit}, more than {most:,}"
    return 1.0, f"{count:,} {unit}"
