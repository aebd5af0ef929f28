"""The rule ``number``, which finds the number in an output and compares it with the expected one."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.scorers.digits import Locale  # noqa: TC001 - read at run time from the signature
from pytest_evalgate.scorers.number_reader import (
    Number,
    alternatives,
    exactly,
    format_number,
    read_numbers,
    read_value,
)
from pytest_evalgate.scorers.number_token import NEEDS_LOCALE
from pytest_evalgate.scorers.pattern import Engine, Flags, Pattern, find, truncated_reason
from pytest_evalgate.scorers.text import any_expected, format_value, text_of
from pytest_evalgate.text.jsonl import escape_text, loads

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Graded, Output

Distance = Annotated[float, Field(ge=0, allow_inf_nan=False)]

_FENCED: Final = re.compile(r"\s*```\w*\s*\n(.*)\n\s*```\s*", re.DOTALL)


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
    locale: Locale | None = None,
) -> Graded:
    r"""Pass if the number in the output is the expected one.

    The last number of the output counts. With a ``pattern``, the first number in the pattern's last match counts (in
    its group, if it has one), as with ``'A:\s*(.+)$'``. Of JSON, the values count and not the keys.

    A number is read as a whole, with its sign, separators, power and factor. An output misses if its number can be
    read in several ways that differ in whether they pass, or cannot be read as one number; the reason names it. A
    bound (``> 5``, ``less than 5``), a part of an expression (``log 5``) and one of two units (``5 ft 10 in``) are
    not the number. Citations (``[1]``) and what follows "not" or "instead of" do not count.
    ``locale`` is the language in which numbers are written, such as ``"de"``. Without it, ``1,234`` is 1234, and
    ``1.234`` can be 1.234 or 1234: the score is unknown (None) if that decides.

    The expected number is ``value``, or any of the case's ``expected_any``, or ``expected``: a number, or text with
    exactly one number in it. ``tolerance`` is the largest distance that passes, ``relative`` the same as a share of
    the expected number; the wider of the two counts. ``engine`` and ``flags`` are those of `regex`.

    Raises:
        ScorerError: The expected value is not one number, or matching took too long.
    """
    compared = _compare(case, output, engine, pattern, flags, value, tolerance, relative, locale)
    return compared.graded(passed=compared.is_wanted is True)


@functools.wraps(number)
def not_number(case: Case, output: Output, /, **params: Any) -> Graded:
    """Pass if the number in the output is certainly not the expected one; parameters as for `number`."""
    compared = _compare(case, output, **{**(number.__kwdefaults__ or {}), **params})
    return compared.graded(passed=compared.is_wanted is False)


@dataclass(frozen=True, slots=True)
class _Compared:
    """The comparison; ``is_wanted`` is None if it depends on how the number is read.

    ``is_open`` is True if the score is unknown, not missed.
    """

    reason: str
    is_wanted: bool | None = False
    is_open: bool = False

    def graded(self, *, passed: bool) -> Graded:
        # If a locale would decide, the score is unknown. Any other output without exactly one number is a miss.
        return (None if self.is_open else float(passed)), self.reason


def _compare(  # noqa: PLR0913, PLR0917 - the keywords of `number`
    case: Case,
    output: Output,
    engine: str,
    pattern: str | None,
    flags: Flags,
    value: Json,
    tolerance: float,
    relative: float,
    locale: str | None,
) -> _Compared:
    wanted = wanted_numbers(case, value=value, locale=locale)
    place = "the output"
    if pattern is None:
        got = _last_number(output.value, locale)
    else:
        text = text_of(output)
        found = find(pattern, text, engine=engine, flags=flags, how="last")
        if found.truncated:
            return _Compared(truncated_reason(text), None, is_open=True)
        if found.text is None:
            return _Compared(f"no number matches pattern {format_value(pattern)}")
        place = f"{format_value(found.text)}, which matches pattern {format_value(pattern)}"
        got = next(read_numbers(found.text, locale), None)
    if got is None:
        return _Compared(f"no number in {place}")
    want = " or ".join(escape_text(one.written) for one in wanted[:3])
    verdicts = {any(_is_near(read, one.values[0], tolerance, relative) for one in wanted) for read in got.values}
    if len(verdicts) != 1:
        is_open = got.problem == NEEDS_LOCALE
        return _Compared(f"could not tell: {_uncertain(got)}; wanted {want}", None, is_open=is_open)
    return _Compared(f"got {escape_text(got.written)}, wanted {want}", verdicts.pop())


def wanted_numbers(
    case: Case,
    *,
    value: Json = None,
    locale: str | None = None,
) -> list[Number]:
    """Return the expected numbers, each with one value.

    Raises:
        ScorerError: There is none, or one of them is not one number.
    """
    return [_wanted(one, locale) for one in any_expected(case, value)]


def _wanted(value: Json, locale: str | None) -> Number:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return exactly(value)
    numbers = list(read_numbers(value, locale)) if isinstance(value, str) else []
    if len(numbers) != 1 or len(numbers[0].values) != 1:
        why = f" ({_uncertain(numbers[0])})" if len(numbers) == 1 else ""
        raise ScorerError(
            f"the expected value {format_value(value)} is not one number{why}: write it as a JSON number"
        )
    return numbers[0]


def _last_number(value: Json, locale: str | None) -> Number | None:
    """Return the number of an output. Those of an object or a list must all agree, because they have no order."""
    members = _members(value)
    if not isinstance(members, Mapping | list | tuple):
        return next(reversed(read_value(members, locale)), None)
    numbers = read_value(members, locale)
    return alternatives(numbers) if len(numbers) > 1 else next(iter(numbers), None)


def _members(value: Json) -> Json:
    """Return the object or the list that a text is, bare or fenced, and any other value unchanged."""
    if not isinstance(value, str):
        return value
    fenced = _FENCED.fullmatch(value)
    text = (fenced[1] if fenced else value).strip()
    if not text.startswith(("{", "[")):
        return value
    try:
        return loads(text)
    except ValueError:
        return value


def _uncertain(read: Number) -> str:
    name = f'"{escape_text(read.written)}"'
    if not read.values:
        return f"{name} is not one number ({read.problem})"
    can_be = " or ".join(escape_text(format_number(value)) for value in read.values[:3])
    return f"{name} can be {can_be} ({read.problem})" if read.problem else f"{name} can be {can_be}"


def _is_near(got: Fraction, wanted: Fraction, tolerance: float, relative: float) -> bool:
    # repr() keeps 0.1 exact: Fraction(0.1) is 0.1000000000000000055...
    allowed = max(_exact(tolerance), _exact(relative) * abs(wanted))
    return abs(got - wanted) <= allowed


def _exact(value: float) -> Fraction:
    return Fraction(Decimal(repr(value)))
