"""The rule ``number``, which finds the number in an output and compares it with the expected one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers.pattern import Engine, Flags, Pattern, find, truncated_reason
from pytest_evalgate.scorers.text import any_expected, format_value, text_of
from pytest_evalgate.text.jsonl import escape_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.records.results import Case, Graded, Json, Output

Distance = Annotated[float, Field(ge=0, allow_inf_nan=False)]

# No two parts can match the same characters, so that `re` takes linear time on any text.
_NUMBER: Final = re.compile(
    r"""
    (?= [-+\u2212$€£¥₹.\d] )                         # fails at once at most positions: three times as fast on prose
    (?: (?<! [\w)\]%.,] ) (?P<sign> [-+\u2212] ) )?  # after a word or a bracket, "-" is a hyphen or a minus
    (?: [$€£¥₹] \s? )?
    (?P<digits>
        (?: \d{1,3} (?: ,\d{3} )+ (?!\d) | \d+ ) (?: \.\d+ )?
        | (?<!\d) \.\d+
    )
    (?P<exponent> [eE][-+]?\d+ )?
    """,
    re.VERBOSE,
)


def number(  # noqa: PLR0913 - its keywords are what users may write
    case: Case,
    output: Output,
    /,
    *,
    engine: Engine = "re",
    pattern: Pattern | None = None,
    flags: Flags = (),
    value: int | float | str | None = None,  # noqa: PYI041 - a large int must not become a float
    tolerance: Distance = 0.0,
    relative: Distance = 0.0,
) -> Graded:
    r"""Pass if the number in the output is the expected one.

    The last number of the output counts. With a ``pattern``, the first number in the pattern's last match counts (in
    its group, if it has one), as with ``'A:\s*(.+)$'``.

    The expected number is ``value``, or any of the case's ``expected_any``, or ``expected``: a number, or text with
    exactly one number in it. ``tolerance`` is the largest distance that passes, ``relative`` the same as a share of
    the expected number; the wider of the two counts. ``engine`` and ``flags`` are those of `regex`.

    Raises:
        ScorerError: The expected value is not one number, or matching took too long.
    """
    wanted = [_wanted(one) for one in any_expected(case, value)]
    text = text_of(output)
    place = "the output"
    if pattern is not None:
        found = find(pattern, text, engine=engine, flags=flags, how="last")
        if found.truncated:
            return None, truncated_reason(text)
        if found.text is None:
            return 0.0, f"no number matches pattern {format_value(pattern)}"
        text, place = found.text, f"{format_value(found.text)}, which matches pattern {format_value(pattern)}"
    got = next(numbers_in(text, backwards=pattern is None), None)
    if got is None:
        return 0.0, f"no number in {place}"
    with localcontext(_UNBOUNDED):
        passed = any(_is_near(got.value, one.value, tolerance, relative) for one in wanted)
    want = " or ".join(escape_text(one.written) for one in wanted[:3])
    return float(passed), f"got {escape_text(got.written)}, wanted {want}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text: its exact value, and its spelling there."""

    value: Decimal
    written: str


def numbers_in(text: str, *, backwards: bool = False) -> Iterator[Number]:
    """Find every number in ``text``, in order or from the last one on.

    Thousands commas, signs (also U+2212), currency signs, exponents and a full stop after the number are understood.
    A per cent sign is ignored, so 50% is 50.
    """
    matches = _NUMBER.finditer(text)
    for match in reversed(list(matches)) if backwards else matches:
        sign = "-" if match["sign"] in ("-", "\u2212") else ""
        written = sign + match["digits"] + (match["exponent"] or "")
        with localcontext(_UNBOUNDED):
            value = Decimal(written.replace(",", ""))
        if value.is_finite():
            yield Number(value, written)


_UNBOUNDED: Final = Context(Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
"""A decimal context in which an exponent beyond all bounds gives NaN instead of an exception."""


def _is_near(got: Decimal, wanted: Decimal, tolerance: float, relative: float) -> bool:
    # repr() keeps 0.1 exact: Decimal(0.1) is 0.1000000000000000055...
    allowed = max(Decimal(repr(tolerance)), Decimal(repr(relative)) * abs(wanted))
    return got == wanted or abs(got - wanted) <= allowed


def _wanted(value: Json) -> Number:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Number(Decimal(repr(value)), repr(value))
    numbers = list(numbers_in(value)) if isinstance(value, str) else []
    if len(numbers) != 1:
        raise ScorerError(f"the expected value {format_value(value)} is not one number: write it as a JSON number")
    return numbers[0]
