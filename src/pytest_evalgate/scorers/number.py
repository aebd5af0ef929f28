"""The rule ``number``: the number in an answer, however it is dressed."""

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

# No part of it can match the same characters in two ways, so that `re` takes linear time on any text.
_NUMBER: Final = re.compile(
    r"""
    (?= [-+\u2212$€£¥₹.\d] )                         # leaves most places at once: three times as fast on prose
    (?: (?<! [\w)\]%.,] ) (?P<sign> [-+\u2212] ) )?  # after a word or a bracket it is a hyphen or a subtraction
    (?: [$€£¥₹] \s? )?
    (?P<digits>
        (?: \d{1,3} (?: ,\d{3} )+ (?!\d) | \d+ ) (?: \.\d+ )?
        | (?<!\d) \.\d+
    )
    (?P<exponent> [eE][-+]?\d+ )?
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text: its exact value, and how it is written there."""

    value: Decimal
    written: str


def numbers_in(text: str, *, backwards: bool = False) -> Iterator[Number]:
    """Find every number in ``text``, in order or from the last one on.

    Thousands commas, signs (also U+2212), currency signs, exponents and a full stop behind the number are understood;
    a per cent sign is left out, so 50% is 50.
    """
    matches = _NUMBER.finditer(text)
    for match in reversed(list(matches)) if backwards else matches:
        number = _number(match)
        if number.value.is_finite():
            yield number


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
    r"""Pass when the number in the output is the one that is wanted.

    It is the last number of the output; with a ``pattern``, the first number in what the pattern's last match holds
    (in its group, where it has one), as with ``'A:\s*(.+)$'``.

    Args:
        case: wants any of ``expected_any``, or ``expected``: a number, or text with exactly one in it.
        output: what the target returned; no number in it is a miss.
        engine: which library matches ``pattern``.
        pattern: where to look for the number.
        flags: any of "ignorecase", "multiline", "dotall".
        value: what is wanted, in place of the case's.
        tolerance: the distance that still passes, in the unit of the number.
        relative: the distance that still passes, as a share of the wanted number; the wider one counts.

    Raises:
        ScorerError: what is wanted is not one number, or matching took too long.

    """
    wanted = [_wanted(one) for one in any_expected(case, value)]
    text = text_of(output)
    place = "the output"
    if pattern is not None:
        found = find(pattern, text, engine=engine, flags=flags, how="last")
        if found.cut:
            return None, truncated_reason(text)
        if found.text is None:
            return 0.0, f"no number matches pattern {format_value(pattern)}"
        text, place = found.text, f"{format_value(found.text)}, which matches pattern {format_value(pattern)}"
    got = next(numbers_in(text, backwards=pattern is None), None)
    return (0.0, f"no number in {place}") if got is None else _compared(got, wanted, tolerance, relative)


def _compared(got: Number, wanted: list[Number], tolerance: float, relative: float) -> Graded:
    with localcontext(_unbounded()):
        passed = any(_near(got.value, one.value, tolerance, relative) for one in wanted)
    want = " or ".join(escape_text(one.written) for one in wanted[:3])
    return float(passed), f"got {escape_text(got.written)}, wanted {want}"


def _near(got: Decimal, wanted: Decimal, tolerance: float, relative: float) -> bool:
    allowed = max(Decimal(repr(tolerance)), Decimal(repr(relative)) * abs(wanted))
    return got == wanted or abs(got - wanted) <= allowed


def _wanted(value: Json) -> Number:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Number(Decimal(repr(value)), repr(value))
    numbers = list(numbers_in(value)) if isinstance(value, str) else []
    if len(numbers) != 1:
        raise ScorerError(f"{format_value(value)} is wanted, and that is not one number: write it as a JSON number")
    return numbers[0]


def _number(match: re.Match[str]) -> Number:
    sign = "-" if match["sign"] in ("-", "\u2212") else ""
    digits = match["digits"].replace(",", "") + (match["exponent"] or "")
    with localcontext(_unbounded()):
        return Number(Decimal(sign + digits), sign + match["digits"] + (match["exponent"] or ""))


def _unbounded() -> Context:
    """Where an exponent beyond all bounds gives NaN, not an exception."""
    return Context(Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
