"""Rules about the text of an output: equality, and what it holds, starts with or ends with.

All of them pass or miss: the value is 1.0 or 0.0. With ``ignore_case`` both sides are case-folded.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.data import Json  # noqa: TC001 - the builder reads it from the signature
from pytest_evalgate.scorers.wanted import (
    Text,
    Texts,
    Values,
    all_wanted,
    any_wanted,
    as_texts,
    listed,
    same,
    shown,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_evalgate.data import (
        Case,
        Graded,
        Output,
    )


def exact(
    case: Case, output: Output, /, *, value: Json = None, strip: bool = True, ignore_case: bool = False
) -> Graded:
    """Pass when the output equals what is wanted.

    Two strings are compared without the white space around them; anything else is compared as JSON values, so 1
    equals 1.0 and True does not equal 1. Text that holds JSON is not parsed.

    Args:
        case: wants any of ``expected_any``, or ``expected``.
        output: what the target returned.
        value: what is wanted, in place of the case's.
        strip: drop white space around strings.
        ignore_case: case-fold strings.

    """
    return _equal(output, any_wanted(case, value), strip=strip, ignore_case=ignore_case)


def one_of(
    case: Case,
    output: Output,
    /,
    *,
    values: Values | None = None,
    strip: bool = True,
    ignore_case: bool = False,
) -> Graded:
    """Pass when the output equals one of ``values``, or of the case's list of expected values; compares as `exact`."""
    return _equal(output, all_wanted(case, values), strip=strip, ignore_case=ignore_case)


def contains(case: Case, output: Output, /, *, value: Text | None = None, ignore_case: bool = False) -> Graded:
    """Pass when the output holds ``value``, or else what the case expects (one of ``expected_any`` will do)."""
    return _related(output, as_texts(any_wanted(case, value)), _HAS, ignore_case=ignore_case)


def contains_any(case: Case, output: Output, /, *, values: Texts | None = None, ignore_case: bool = False) -> Graded:
    """Pass when the output holds at least one of ``values``, or of the case's list of expected values."""
    return _related(output, as_texts(all_wanted(case, values)), _HAS, ignore_case=ignore_case)


def contains_all(case: Case, output: Output, /, *, values: Texts | None = None, ignore_case: bool = False) -> Graded:
    """Pass when the output holds each of ``values``, or of the case's list of expected values."""
    return _related(output, as_texts(all_wanted(case, values)), _HAS, need=all, ignore_case=ignore_case)


def starts_with(case: Case, output: Output, /, *, value: Text | None = None, ignore_case: bool = False) -> Graded:
    """Pass when the output starts with ``value``, or else with what the case expects."""
    return _related(output, as_texts(any_wanted(case, value)), _STARTS, ignore_case=ignore_case)


def ends_with(case: Case, output: Output, /, *, value: Text | None = None, ignore_case: bool = False) -> Graded:
    """Pass when the output ends with ``value``, or else with what the case expects."""
    return _related(output, as_texts(any_wanted(case, value)), _ENDS, ignore_case=ignore_case)


@dataclass(frozen=True, slots=True)
class _Relation:
    """A relation of an output to a text, and the words for it."""

    holds: Callable[[str, str], bool]
    yes: str
    no: str


_HAS: Final = _Relation(operator.contains, "has", "lacks")
_STARTS: Final = _Relation(str.startswith, "starts with", "does not start with")
_ENDS: Final = _Relation(str.endswith, "ends with", "does not end with")


def _related(
    output: Output,
    wanted: Sequence[str],
    relation: _Relation,
    *,
    need: Callable[[Sequence[bool]], bool] = any,
    ignore_case: bool,
) -> Graded:
    fold = str.casefold if ignore_case else str
    text = fold(text_of(output))
    held = [relation.holds(text, fold(one)) for one in wanted]
    passed = need(held)
    deciding = [one for one, holds in zip(wanted, held, strict=True) if holds == passed]
    return float(passed), f"{relation.yes if passed else relation.no} {listed(deciding)}"


def _equal(output: Output, wanted: Sequence[Json], *, strip: bool, ignore_case: bool) -> Graded:
    def form(value: Json) -> Json:
        if not isinstance(value, str):
            return value
        stripped = value.strip() if strip else value
        return stripped.casefold() if ignore_case else stripped

    got = form(output.value)
    passed = any(same(got, form(one)) for one in wanted)
    if passed:
        return 1.0, f"is {shown(output.value)}"
    return 0.0, f"wanted {' or '.join(map(shown, wanted[:3]))}, got {shown(output.value)}"
