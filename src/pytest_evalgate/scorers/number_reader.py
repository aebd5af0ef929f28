r"""Number reader. It reads every number of a text as a whole, or reports why it cannot.

A fragment of a token is never a number: ``9{,}500`` is 9500, ``192.168.0.1`` is not 0.1, ``CO2`` is a name, and
``3 + 4`` is neither 3 nor 4. Flow: `written.plain` gives each character one spelling; every sequence of digits is read
with its sign and currency before it and its power, factor and unit after it; numbers that an operator joins become one
token.

If a number has several readings and only some of them pass, the case is missed, and the reason starts with "could not
tell". If a ``locale`` (``"en"``, ``"de"``, ``"de-CH"``) would decide, the case is neither passed nor missed.
``not-number`` passes only if no reading is the expected number. Words for numbers ("five") are not read.

* ``1,234.5`` ``1.234,5`` ``1 234,5`` ``1'234.5`` ``1_234`` ``12,34,567`` ``9{,}500``, and digits of every script: one
  number. Spaces may be no-break, thin or narrow.
* ``1,234``: 1234; 1.234 with ``locale = "de"``; both if the text has a decimal comma elsewhere.
* ``1.234``: 1.234 with ``locale = "en"``, 1234 with ``locale = "de"``; both without a locale.
* ``12 345`` with plain spaces: 12345 with a currency or with a locale that groups with spaces, else also 12 and 345;
  ``1 234 567`` and ``10 000`` are one number.
* ``-5`` ``-$5`` ``$-5`` ``-USD 5`` ``minus 5``, with any kind of minus: -5. After a colon, an equals sign or an
  opening bracket, ``- 5`` is -5; elsewhere a dash with a space is a minus or punctuation.
* ``(1,200)`` ``($5)`` alone on a line, or after ``:`` or ``=``: -1200, -5; any other number alone in parentheses is
  both.
* ``1/2`` ``1 1/2`` ``\frac{1}{2}``: 0.5, 1.5, 0.5.
* ``2 million`` ``1.5M`` ``3k`` ``2 dozen``: with the factor; ``5m`` is 5 or 5,000,000, ``$5m`` is 5,000,000.
* ``1e3`` ``3 x 10^5`` ``3 * 10**5`` ``2^10``: the power; 25 with a superscript 2 is 625, or 25 with a footnote.
* ``0x1F`` ``0b11`` ``0o17``: 31, 3, 15.
* ``50%`` ``5 km`` ``3rd``: 50, 5, 3: percent and units are not compared. ``**5**`` ``_5_`` ``$5$`` ``\boxed{5}``: 5.
* ``CO2`` ``GPT-4`` ``x_1``, web addresses, keys of JSON objects: no number.
* ``3 + 4`` ``x + 5`` ``2x`` ``10-20`` ``12:30`` ``2024-01-05`` ``192.168.0.1`` ``1,2,3`` ``5abc``: not one number.
* ``5 or 6`` ``(3, 4)`` ``Answer: 3, 4`` ``9 out of 10``, several numbers in an object or a list: each of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import field, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.scorers import digits, written
from pytest_evalgate.scorers.digits import NO_BREAK
from pytest_evalgate.scorers.number_token import CORE, MOST_PARTS, POW, SPACES, Token, TokenReader, power_of
from pytest_evalgate.scorers.written import EM_DASH, EN_DASH, NEUTRAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.records.cases import Json

_MOST_SHOWN: Final = 20
_LONGEST_JOINT: Final = 20
_LONGEST_LINE: Final = 20_000  # of which 7,000 numbers are read in 0.5 s
_COMMAS: Final = re.compile(r"[0-9][0-9.,]*+")
_TIMES: Final = re.compile(rf"{SPACES}?[\u00d7xX*\u00b7]{SPACES}?")
_OVER: Final = re.compile(rf"{SPACES}?/{SPACES}?")
_OPERATOR: Final = re.compile(
    rf"{SPACES}?[-+/*\u00d7\u00f7\u00b7xX~^{EN_DASH}{EM_DASH}]{{1,2}}{SPACES}?|:|\.{{1,3}}|\u2026"
    rf"|{SPACES}(?:plus|times|divided by|over|modulo|to the power of|choose|by|off|per|\(?mod|\(?base){SPACES}"
)
_RATIO: Final = re.compile(rf"{SPACES}:{SPACES}?")
_LABEL: Final = re.compile(r"\W*[^\W\d]+[ \u00a0]\Z")
_WRAPPERS: Final = " `\"'$)]}([{"
_POINT: Final = re.compile(rf"{SPACES}{{0,2}}[.,]{SPACES}{{0,2}}")
_SPACED_UNIT: Final = re.compile(
    rf"{SPACES}?-?(?P<unit>[A-Za-z]{{1,11}}|['\"\u00b0])?\.?,?{SPACES}{{0,2}}(?:and{SPACES})?"
)
_NEXT_UNIT: Final = re.compile(rf"{SPACES}?-?(?P<unit>[A-Za-z]{{1,11}}|['\"\u2033])")
# A quantity in two units is one number, of neither unit: 5 ft 10 in, 1 hour and 30 minutes
_SMALLER: Final[dict[str, str]] = {
    **dict.fromkeys(("ft", "foot", "feet", "'"), "in inch inche \" ' \u2033"),
    **dict.fromkeys(("h", "hr", "hour"), "m min minute s sec second"),
    **dict.fromkeys(("m", "min", "minute"), "s sec second cm centimeter centimetre"),
    **dict.fromkeys(("meter", "metre"), "cm centimeter centimetre"),
    **dict.fromkeys(("dollar", "euro", "pound", "rupee", "franc"), "cent penny pence p paise paisa oz ounce centime"),
    **dict.fromkeys(("lb", "st", "stone"), "oz ounce lb pound"),
    **dict.fromkeys(("km", "kilometer", "kilometre"), "m meter metre"),
    **dict.fromkeys(("kg", "kilo", "kilogram", "l", "liter", "litre"), "g gram ml"),
    **dict.fromkeys(("year", "yr"), "month mo week day"),
    **dict.fromkeys(("month", "week"), "week day"),
    **dict.fromkeys(("day", "d"), "h hr hour minute"),
    **dict.fromkeys(("mile", "yard", "yd"), "yard foot feet ft inch inche in"),
    **dict.fromkeys(("gallon", "quart", "cup"), "quart pint cup ounce oz tablespoon teaspoon"),
    **dict.fromkeys(("\u00b0", "deg", "degree"), "' minute"),
}
_LIST: Final = re.compile(
    rf"{SPACES}?;{SPACES}?|,?{SPACES}(?:and|or|to|through|until|till?|out{SPACES}of|of(?:{SPACES}the)?|in|und|oder|bis|von|et|ou|и|или|&){SPACES}"
    rf"(?:[A-Za-z]{SPACES}?={SPACES}?)?|,{SPACES}?"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written, with every value that it can have; ``problem`` is why there is not exactly one."""

    written: str
    values: tuple[Fraction, ...]
    problem: str = ""


def read_numbers(text: str, locale: str | None = None, *, backwards: bool = False) -> Iterator[Number]:
    """Yield every number of ``text``, in order or from the last one on, also those that cannot be read.

    Digits in names (``CO2``, ``GPT-4``), in web addresses and in the keys of JSON objects are not numbers. No number
    continues on the next line.
    """
    lines = written.plain(text).splitlines()
    if backwards:
        lines = [_end_of(line) for line in lines]
    comma_is_point = locale is None and any(digits.has_decimal_comma(found[0]) for found in _COMMAS.finditer(text))
    for line in reversed(lines) if backwards else lines:
        reader = TokenReader(line, locale, comma_is_point=comma_is_point)
        numbers = (_resolved(line, chain) for chain in _chains(reader))
        yield from reversed(list(numbers)) if backwards else numbers


def _end_of(line: str) -> str:
    """Return the end of a line that is very long; reading all of its numbers takes a minute for 1 MB."""
    if len(line) <= _LONGEST_LINE:
        return line
    end = line[-_LONGEST_LINE:]
    return end.partition(" ")[2] or end


def read_value(value: Json, locale: str | None = None) -> list[Number]:
    """Return the numbers of a JSON value: each JSON number, and the last number of each text, but not of its keys."""
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        return [exactly(value)] if math.isfinite(value) else []
    if isinstance(value, str):
        return list(islice(read_numbers(value, locale, backwards=True), 1))
    members = value.values() if isinstance(value, Mapping) else value
    return [number for member in members for number in read_value(member, locale)]


def exactly(value: float) -> Number:
    """Return a JSON number; repr() keeps 0.1 exact, because Fraction(0.1) is 0.1000000000000000055..."""
    return Number(repr(value), (Fraction(Decimal(repr(value))),))


def alternatives(numbers: Iterable[Number]) -> Number:
    """Return several numbers, of which one is wanted, as one that can have the value of each."""
    numbers = list(numbers)
    if any(not one.values for one in numbers):
        return next(one for one in numbers if not one.values)
    values = tuple(dict.fromkeys(value for one in numbers for value in one.values))
    return Number(", ".join(one.written for one in numbers[:9]), values, "several numbers")


def format_number(value: Fraction) -> str:
    """Format an exact value: as a decimal number if it has at most 20 digits, else as a fraction or rounded."""
    with localcontext(prec=_MOST_SHOWN):
        decimal = Decimal(value.numerator) / Decimal(value.denominator)
    if Fraction(decimal) == value and abs(decimal.adjusted()) < _MOST_SHOWN:
        text = f"{decimal:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if max(abs(value.numerator), value.denominator) < 10**_MOST_SHOWN:
        return f"{value.numerator}/{value.denominator}"
    return f"{decimal:.6g}"


@dataclass(frozen=True, slots=True)
class _Chain:
    """Tokens that operators join; ``joints`` has the text between each two of them."""

    tokens: list[Token]
    joints: list[str] = field(default_factory=list)


def _chains(reader: TokenReader) -> Iterator[_Chain]:
    """Yield the numbers of a line, each with the numbers that an operator joins to it."""
    chain: _Chain | None = None
    floor = 0
    for core in CORE.finditer(reader.text):
        if core.start() < floor:  # digits of a unit, such as m2
            continue
        token = reader.token(core, floor)
        floor = token.end
        joint = None if chain is None else _joint(reader.text, chain, token)
        if chain is not None and joint is not None:
            is_name = chain.tokens[-1].is_name and not any(map(str.isspace, joint))
            chain.tokens.append(replace(token, is_name=is_name or token.is_name))
            chain.joints.append(joint)
            continue
        yield from _unless_name(chain)
        # x / 5: an operand of such an expression is not a number
        chain = _Chain([replace(token, values=()) if token.is_operand else token])
    yield from _unless_name(chain)


def _joint(text: str, chain: _Chain, token: Token) -> str | None:  # noqa: PLR0911 - one return for each kind of joint
    """Return the text that joins a number to the one before it; None if nothing joins them."""
    last = chain.tokens[-1]
    gap = text[last.end : token.begin]
    if len(gap) > _LONGEST_JOINT or "\t" in gap:
        return None
    if last.is_name or token.is_name:
        return gap if last.is_name and (not gap or gap in "-/.:_^") and not token.is_name else None
    if gap in ("", " ", NO_BREAK):
        return "-" if token.signed else gap.replace(NO_BREAK, " ") or "?"
    if any(pattern.fullmatch(gap) for pattern in (POW, _TIMES, _OVER, _OPERATOR)):
        return gap
    if not gap.strip():  # several spaces
        return ";"
    if _is_compound(text, gap, token) or (gap.strip() == "(" and text.startswith("\u00b1", token.begin)):
        return "?"
    if _POINT.fullmatch(gap) and _is_broken(text[last.begin : last.end], gap, text[token.begin : token.end]):
        return "?"
    if _RATIO.fullmatch(gap) and not _LABEL.fullmatch(text[max(0, last.begin - _LONGEST_JOINT) : last.begin]):
        return "?"
    bare = gap.strip(_WRAPPERS)
    if bare and any(one in gap for one in _WRAPPERS.strip()) and _LIST.fullmatch(f" {bare} "):
        return ";" if bare != "," or gap[0] in "}`$" or _is_whole(text, chain, token) else None
    is_list = _LIST.fullmatch(gap) and (gap.strip() != "," or _is_whole(text, chain, token))
    return ";" if is_list else None


def _is_compound(text: str, gap: str, other: Token) -> bool:
    """Return whether two numbers are one quantity: the second has the smaller unit of the first."""
    found, after = _SPACED_UNIT.fullmatch(gap), _NEXT_UNIT.match(text, other.end)
    if found is None or found["unit"] is None:
        return False
    unit = _stem(found["unit"])
    smaller = _SMALLER.get(unit, "").split()
    if after is None:
        return unit in ("foot", "'") and " " in gap and not text[other.end :].strip(" .")
    return _stem(after["unit"]) in smaller


def _stem(unit: str) -> str:
    return unit.lower().removesuffix("s") or "s"


def _is_broken(one: str, gap: str, other: str) -> bool:
    """Return whether a full stop or a comma with a space beside it may be that of one number: 1 ,000 and 0. 5."""
    return gap[0] in f" {NO_BREAK}" or one in ("0", "-0") or (len(other) > 1 and other[0] == "0" and other.isdigit())


def _is_whole(text: str, chain: _Chain, token: Token) -> bool:
    """Return whether the numbers are a whole list: in brackets, or alone in the line or in its last part."""
    begin, end = chain.tokens[0].begin, token.end
    before = text[max(0, begin - _LONGEST_JOINT) : begin].rstrip()[-1:]
    after = text[end : end + _LONGEST_JOINT].lstrip()[:2]
    return before in ("", *"([{:=") and (after[:1] in ("", *",;)]}") or after == ".")


def _unless_name(chain: _Chain | None) -> Iterator[_Chain]:
    if chain is not None and not chain.tokens[-1].is_name:
        yield chain


def _resolved(text: str, chain: _Chain) -> Number:
    """Return the number that a chain forms, with its problem if it does not have exactly one value."""
    first, last = chain.tokens[0], chain.tokens[-1]
    spelled = " ".join(text[first.begin : last.end].replace(NEUTRAL, "").split())
    tokens, joints = chain.tokens, chain.joints
    if len(tokens) > MOST_PARTS:
        return Number(spelled, (), "several numbers")
    if broken := next((one for one in tokens if not one.values), None):
        return Number(spelled, (), broken.problem or "a part of an expression")
    for reduce in (_power, _scientific, _quotient, _mixed):
        for index in reversed(range(len(joints))) if reduce is _power else range(len(joints)):
            if index < len(joints) and (made := reduce(tokens[index], joints[index], tokens[index + 1])):
                tokens[index : index + 2] = [made]
                del joints[index]
    if not joints:
        [only] = tokens
        return Number(spelled, only.values, only.problem if len(only.values) != 1 else "")
    if all(joint in (" ", ";") for joint in joints):
        values = tuple(dict.fromkeys(value for token in tokens for value in token.values))
        return Number(spelled, values, "several numbers" if len(values) > 1 else "")
    return Number(spelled, (), "an expression, a range, a date or a time")


def _joined(one: Token, other: Token, values: tuple[Fraction, ...], **flags: bool) -> Token | None:
    if not values:
        return None
    return replace(one, end=other.end, values=values, problem=one.problem or other.problem, **flags)


def _power(base: Token, joint: str, exponent: Token) -> Token | None:
    if not POW.fullmatch(joint) or not base.bare or len(base.values) != 1 or len(exponent.values) != 1:
        return None
    is_ten = abs(base.values[0]) == 10  # noqa: PLR2004 - the base of scientific notation
    # a sign belongs to the power as a whole
    sign = -1 if base.values[0] < 0 else 1
    powers = tuple(sign * one for one in power_of(abs(base.values[0]), exponent.values[0]))
    return _joined(base, exponent, powers, power_of_ten=is_ten)


def _scientific(one: Token, joint: str, other: Token) -> Token | None:
    if not _TIMES.fullmatch(joint) or not other.power_of_ten or other.signed or not one.bare:
        return None
    # 1.234 x 10^6: the first factor of scientific notation is below 10
    factors = tuple(value for value in one.values if abs(value) < 10) or one.values  # noqa: PLR2004
    return _joined(one, other, tuple(left * right for left in factors for right in other.values))


def _quotient(one: Token, joint: str, other: Token) -> Token | None:
    is_plain = one.bare and other.bare and not other.signed and not one.quotient
    if not _OVER.fullmatch(joint) or not is_plain or len(other.values) != 1 or not other.values[0]:
        return None
    return _joined(one, other, tuple(value / other.values[0] for value in one.values), quotient=True)


def _mixed(one: Token, joint: str, other: Token) -> Token | None:
    is_whole = one.bare and not one.quotient and all(value.denominator == 1 for value in one.values)
    if (
        joint not in (" ", ";")
        or not is_whole
        or not other.quotient
        or not all(0 < value < 1 for value in other.values)
    ):
        return None
    sums = tuple(whole + (part if whole >= 0 else -part) for whole in one.values for part in other.values)
    return _joined(one, other, sums)
