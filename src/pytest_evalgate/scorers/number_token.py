"""One number in a line: its digits, the sign and currency before them, the factor and unit after them."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.scorers import digits
from pytest_evalgate.scorers.digits import NO_BREAK
from pytest_evalgate.scorers.written import CJK_FACTORS, EM_DASH, EN_DASH, SUPERSCRIPTS

NEEDS_LOCALE: Final = 'set locale, such as "en" or "de"'
MOST_PARTS: Final = 50
"""Numbers side by side that are read; joining more would take quadratic time."""

Factor = int | Fraction

_LARGEST_EXPONENT: Final = 320  # beyond every JSON number, and cheap
_LARGEST_BASE: Final = 10**9
_MOST_FACTORS: Final = 3
_LONGEST_HEX: Final = 64

SPACES: Final = f"[ {NO_BREAK}]"
_SIGNS: Final = f"-+\u00b1{EN_DASH}{EM_DASH}"
_DASHES: Final = frozenset(f"-{EN_DASH}{EM_DASH}")
_SYMBOL: Final = "[$\u00a2-\u00a5\u058f\u060b\u09f2\u09f3\u0bf9\u0e3f\u17db\u20a0-\u20cf\ufdfc]"
_CODE: Final = (
    "USD|EUR|GBP|JPY|CNY|RMB|CHF|CAD|AUD|NZD|HKD|SGD|INR|KRW|BRL|MXN|RUB|TRY|ZAR|SEK|NOK|DKK|PLN|CZK|HUF|ILS|AED|SAR|"
    r"THB|IDR|MYR|PHP|VND|TWD|UAH|NGN|EGP|ARS|CLP|COP|Rs\.?|kr\.?|Fr\.?|z\u0142"
)
_LETTER: Final = r"[^\W\d_]"

CORE: Final = re.compile(
    rf"""
    0(?:[xX][0-9A-Fa-f]++|[bB][01]++|[oO][0-7]++)(?!\w)
    | (?P<digits>
        (?: [0-9]++ | (?<![\w.])\.[0-9]++ )
        (?: [.,'_\u066b\u066c{NO_BREAK}][0-9]++ | [ ][0-9]{{3}}(?![0-9]) )*+
      )
      (?: [eE](?P<exponent>[-+]?[0-9]++)(?!\w) )?+
    """,
    re.VERBOSE,
)
_MONEY_BEFORE: Final = re.compile(rf"(?:(?<!{_LETTER})[A-Z]{{0,3}}{_SYMBOL}|(?<!{_LETTER})(?:{_CODE})){SPACES}?\Z")
_SIGN_BEFORE: Final = re.compile(
    rf"(?:(?P<sign>[{_SIGNS}])|(?<!{_LETTER})(?P<word>(?i:minus|negative|moins|menos|минус|мінус))(?={SPACES}))"
    rf"(?P<space>{SPACES}{{0,3}})\Z"
)
_MONEY_AFTER: Final = re.compile(rf"{SPACES}?(?:{_SYMBOL}|(?:{_CODE})(?!{_LETTER}))")
_POWER_AFTER: Final = re.compile("[\u207a\u207b]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]{1,4}")
_SHARE_AFTER: Final = re.compile(rf"{SPACES}?[%\u2030]|\u00b0")
_WORD_AFTER: Final = re.compile(rf"(?P<space>[ {NO_BREAK}-]?)(?P<word>{_LETTER}{{1,12}}\.?)(?![\w^\u00b2\u00b3])")
_CJK_AFTER: Final = re.compile(f"{SPACES}?([{''.join(CJK_FACTORS)}])")
_GLUED: Final = re.compile(r"[^\W_\u2070\u00b9\u00b2\u00b3\u2074-\u2079]{1,20}")
_UNIT: Final = re.compile(
    r"(?:[cmdkμµn]?m|km|in|ft|yd|mi|[mk]?g|lbs?|oz|t|[mcd]?[lL]|[mμµn]?s|secs?|mins?|h|hrs?|d|yrs?|[kMGT]?Hz|[kKMGT]i?B|"
    r"[mkMGT]?W|[mk]?V|[mk]?A|[kMGT]?Wh|[km]?J|k?cal|[kM]?Pa|bar|[CFN]|px|pt|em|rem|mph|kmh|ppm|pts|pp|"
    r"к?г|[кмс]?м|л|мл|ч|руб|р)[23\u00b2\u00b3]?|st|nd|rd|th"
)
_FACTORS: Final[dict[str, Factor]] = {
    **dict.fromkeys(("hundred", "hundreds"), 100),
    **dict.fromkeys(("dozen", "dozens"), 12),
    **dict.fromkeys(("thousand", "thousands", "tausend", "tsd", "mille", "mil", "тыс", "тысяч", "тысячи"), 10**3),
    **dict.fromkeys(("lakh", "lakhs", "lac"), 10**5),
    **dict.fromkeys(("million", "millions", "mn", "mln", "mio", "million", "millionen", "millones", "millón"), 10**6),
    **dict.fromkeys(("milhão", "milhões", "milioni", "млн", "миллион", "миллиона", "миллионов"), 10**6),
    **dict.fromkeys(("crore", "crores"), 10**7),
    **dict.fromkeys(("billion", "billions", "bn", "mrd", "milliarde", "milliarden", "milliard", "milliards"), 10**9),
    **dict.fromkeys(("miliardi", "млрд", "миллиард", "миллиарда", "миллиардов"), 10**9),
    **dict.fromkeys(("trillion", "trillions", "tn", "billionen", "трлн"), 10**12),
    "tenths": Fraction(1, 10),
    "hundredths": Fraction(1, 100),
    "thousandths": Fraction(1, 1000),
    **dict.fromkeys(("quadrillion", "quadrillions", "billiarde", "billiarden"), 10**15),
}
_PARTS: Final = {"halves": 2, "thirds": 3, "quarters": 4, "fourths": 4, "fifths": 5, "sixths": 6, "eighths": 8}
_LONG_SCALE: Final = {"billion": 10**12, "billions": 10**12, "trillion": 10**18, "trillions": 10**18}
_LETTER_FACTORS: Final[dict[str, Factor]] = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}
_AMBIGUOUS_LETTERS: Final = {"m": 10**6, "b": 10**9}  # a metre or a million, without a currency
_MONEY_LETTERS: Final = {**_LETTER_FACTORS, **_AMBIGUOUS_LETTERS, "MM": 10**6, "mm": 10**6, "T": 10**12, "t": 10**12}

_CLOSERS: Final = frozenset(")]}%")
_BEFORE_SIGN: Final = frozenset(":=([{,>|\u2248~;")


POW: Final = re.compile(rf"\^{SPACES}?\{{?|\*\*{SPACES}?")
_OPERAND: Final = re.compile(rf"{SPACES}?[*/\u00d7\u00b7\u00f7^]{SPACES}?[\w(\\]")
_SYMBOL_AFTER: Final = re.compile(
    rf"(?:[*\u00d7\u00b7\u00f7+]|{SPACES}[*\u00d7\u00b7\u00f7+]{SPACES})(?:{_LETTER}|[(\\])|\^(?!{SPACES}?\{{?[-+]?\d)|\({_LETTER}{{1,2}}\b|{SPACES}(?:squared|cubed|factorial)\b"
    rf"|\+(?=[.,;:)\]]?(?:\s|\Z))(?!\s*[\d(])|{SPACES}?[\u2264\u2265\u2260]|{SPACES}[<>]=?{SPACES}{_LETTER}"
    rf"|{SPACES}?/{SPACES}?\(|,{SPACES}?[-+]?{SPACES}?\u221e|\u221e"
    r"|\\(?:alpha|beta|gamma|delta|theta|lambda|mu|phi|omega|sigma|ln|log|sin|cos|tan|exp)"
)
_DIGIT_WORDS: Final = "zero|one|two|three|four|five|six|seven|eight|nine"
# Words that make the number after them a part of something: an argument, a bound, or the end of a number in words
_WORDS_BEFORE: Final = re.compile(
    rf"""
    (?:
      (?P<argument>
        (?<![^\W_])(?:(?:arc|a)?(?:sin|cos|tan|cot|csc)h?|log|ln|lg|exp|sqrt|cbrt)
        | (?<!\w)(?:(?:root|factorial|logarithm|square|cube|half|third|quarter|multiple)[ ]of
            |twice|thrice|double|triple
            |(?:half|quarter)[ ]past|quarter[ ]to)
      )
      | (?P<bound>
        (?<!not[ ])(?<!no[ ])\b(?:more|less|fewer|greater|larger|smaller|higher|lower|bigger)[ ]than
        | \b(?:exceed(?:s|ing)?|above|below|beyond|over|under)
        | [\u2264\u2265\u2260\u2266\u2267\u2a7d\u2a7e\u226e\u226f] | [<>!]= | (?<![<-])<
      )
      | (?P<words>
        (?<!\w)(?:hundred|thousand|million|billion|trillion|lakh|crore)(?:[ ]and)?
        | (?<!\w)(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)
        | (?<!\w)(?:{_DIGIT_WORDS})[ ]and(?=[ ]\Z)
        | (?:(?<!\w)(?:{_DIGIT_WORDS})|[0-9])[ ](?:point|dot)
      )
    )
    {SPACES}{{0,2}}\Z
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LOGARITHM: Final = re.compile(rf"log_\{{?\w{{1,9}}\}}?{SPACES}?\Z")
_LAST_WORD: Final = re.compile(r"(?:[^\W\d_]|'(?=t)){1,12}[ \u00a0]{0,2}\Z")
_COMPARISONS: Final = frozenset("\u2264\u2265\u2260\u2266\u2267\u2a7d\u2a7e\u226e\u226f<=")
_DECIDING: Final = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "csc",
        "arcsin",
        "arccos",
        "arctan",
        "arccot",
        "asin",
        "acos",
        "atan",
        "acot",
        "sinh",
        "cosh",
        "tanh",
        "coth",
        "log",
        "ln",
        "lg",
        "exp",
        "sqrt",
        "cbrt",
        "of",
        "twice",
        "thrice",
        "double",
        "triple",
        "past",
        "to",
        "than",
        "exceed",
        "exceeds",
        "exceeding",
        "above",
        "below",
        "beyond",
        "over",
        "under",
        "hundred",
        "thousand",
        "million",
        "billion",
        "trillion",
        "lakh",
        "crore",
        "and",
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "point",
        "dot",
        "not",
        "never",
        "except",
        "unlike",
        "excluding",
        "neither",
        "nor",
        "instead",
        "but",
        "or",
        "equal",
        "a",
        "the",
        "exactly",
        "n't",
        "isn't",
        "aren't",
        "wasn't",
        "doesn't",
        "don't",
        "can't",
        "won't",
    ]
)
_PROBLEMS: Final = {"argument": "a part of an expression", "bound": "a bound", "words": "a number in words and digits"}
_GREATER: Final = re.compile(rf"(?:[\w)\]}}$%]{SPACES}?|\A)>{SPACES}?\Z")
_ELEMENT: Final = re.compile(r"<[^<>\s][^<>]*>\s*\Z")
_DENIED: Final = re.compile(
    r"(?:(?<!\w)(?:not|never|except|unlike|excluding|neither|nor"
    r"|(?:rather|other)[ ]than|instead[ ]of|anything[ ]but)|n't)"
    r"(?:[ ]equal[ ]to)?(?:[ ](?:a|the|exactly))?(?:[ ][^\s.,;]{1,20}[ ](?:n?or))?[ ]\Z",
    re.IGNORECASE,
)
_BRACKETED: Final = re.compile(
    rf"(?:[-+*/\u00d7\u00b7\u00f7{EN_DASH}{EM_DASH}]|[0-9)]{SPACES}?[xX]){SPACES}?[(\[{{]{SPACES}?\Z"
)
_PART: Final = re.compile(r"[0-9]{1,3}/|(?<=hundred and )|(?<=thousand and )", re.IGNORECASE)
_INFINITE: Final = re.compile(rf"\u221e{SPACES}?,{SPACES}?\Z")
_BELOW_ZERO: Final = re.compile(
    rf"{SPACES}?\u00b0?{SPACES}?(?:deg(?:ree)?s?)?{SPACES}?(?:C|F|Celsius|Fahrenheit)?{SPACES}below{SPACES}(?:zero|freezing)\b"
)
# 5! ways, 5!/3!, = 5!; in "You get 5! Well done" it is the end of a sentence
_FACTORIAL: Final = re.compile(r"!(?:[^\s!?\"'\u2019\u201d)\].*]|\s(?:[a-z(\\\d]|[-+*/=\u00d7\u00b7\u00f7]\s))")
_FACTORIAL_ALONE: Final = re.compile(r"![)\]}.]?\s*\Z")
_UNIT_POWER: Final = re.compile(r"[\u00b2\u00b3]|\^\{?[23]\}?")
_MANTISSA: Final = re.compile(r"[0-9]\.[0-9]+")
_JOINED: Final = re.compile(r"_\w")
_TRAILING: Final = re.compile(rf"[-{EN_DASH}](?=[.,;)\]]?(?:\s|\Z))(?!\s*[-(]?\d)")


@dataclass(frozen=True, slots=True)
class Token:
    """One sequence of digits with all that belongs to it. ``bare`` numbers have no factor and no unit."""

    begin: int
    end: int
    values: tuple[Fraction, ...]
    problem: str = ""
    bare: bool = True
    signed: bool = False
    is_name: bool = False
    is_operand: bool = False
    power_of_ten: bool = False
    quotient: bool = False


@dataclass(frozen=True, slots=True)
class _Before:
    """Sign and currency before a number; ``signs`` has both if a dash may be punctuation."""

    begin: int
    signs: tuple[int, ...] = (1,)
    signed: bool = False
    money: bool = False
    is_name: bool = False
    is_operand: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _After:
    """What follows the digits; ``factors`` has several values if a letter may be a unit or a factor."""

    end: int
    factors: tuple[Factor, ...] = (1,)
    power: int | None = None
    bare: bool = True
    money: bool = False
    trailing_minus: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TokenReader:
    """The reader of one line, in the spelling of `written.plain`."""

    text: str
    locale: str | None
    comma_is_point: bool

    def token(self, core: re.Match[str], floor: int) -> Token:
        """Read the digits of ``core`` with all that belongs to them; ``floor`` is the end of the number before."""
        before = self._before(core.start(), floor)
        after = self._after(core.end(), money=before.money)
        begin, end = before.begin, after.end
        money = before.money or after.money
        values, problem = self._digits(core, begin, money=money)
        problem = before.problem or after.problem or problem
        is_factorial = self._is_factorial(begin, end)
        if after.power is not None and values:
            values, problem = _powers(values, after.power)
        signs = before.signs
        if not before.signed and self.text[begin - 1 : begin] == "(" and self.text[end : end + 1] == ")":
            begin, end = begin - 1, end + 1
            signs, why = self._accounting(begin, end, values, money=money)
            problem = problem or why
        elif after.trailing_minus and not before.signed:
            signs, problem = (1, -1), problem or "a minus or a dash"
        elif before.signed and self.text.startswith("|", end) and self.text[begin - 1 : begin] == "|":
            signs, problem = (1, -1), problem or "a magnitude or a cell of a table"
        elif len(signs) > 1:
            problem = problem or "a minus or a dash"
        elif len(after.factors) > 1:
            problem = problem or "a unit or a factor"
        unreadable = bool(before.problem or after.problem or is_factorial)
        problem = "a factorial or an exclamation" if is_factorial else problem
        found = values
        if after.factors != (1,) or signs != (1,):
            scales = [sign * factor for factor in after.factors for sign in signs]
            found = tuple(dict.fromkeys(value * scale for value in values for scale in scales))
        return Token(
            begin,
            end,
            () if unreadable else found,
            problem,
            bare=after.bare,
            signed=before.signed,
            is_name=before.is_name,
            is_operand=before.is_operand,
            power_of_ten=after.power is not None and core[0] == "10",
        )

    def _digits(self, core: re.Match[str], begin: int, *, money: bool) -> tuple[tuple[Fraction, ...], str]:
        """Return the values of the digits alone, and why there is not exactly one."""
        spelled: str | None = core["digits"]
        if spelled is None:
            return ((Fraction(int(core[0], 0)),), "") if len(core[0]) <= _LONGEST_HEX else ((), "too long")
        exponent = core["exponent"] or "0"
        if len(exponent) > len(str(_LARGEST_EXPONENT)) + 1 or abs(int(exponent)) > _LARGEST_EXPONENT:
            return (), "its exponent is out of range"
        found = digits.values(spelled, self.locale, comma_is_point=self.comma_is_point)
        problem = NEEDS_LOCALE if len(found) > 1 else ""
        parts = re.split(SPACES, spelled)
        if 1 < len(parts) <= MOST_PARTS and (not found or self._may_be_two(spelled, money=money)):
            found += tuple(value for part in parts for value in digits.values(part, self.locale))
            problem = "several numbers, or spaces between its digits"
        before = self.text[max(0, begin - 2) : begin]
        if before.endswith(".") and (before[:-1].isalpha() or before == ".."):
            found += digits.values(f"0.{spelled}") if spelled.isdigit() else ()
            problem = "a full stop or a decimal point"
        if before.endswith(",") and not before[:-1].strip() and spelled.isdigit():
            found += digits.values(f"0.{spelled}")
            problem = "a comma or a decimal comma"
        if not found:
            problem = "its separators fit no number format"
        if core["exponent"]:
            found = found[:1] if _MANTISSA.fullmatch(spelled) else found
            ten = Fraction(10) ** int(exponent)
            found = tuple(value * ten for value in found)
        return tuple(dict.fromkeys(found)), problem

    def _may_be_two(self, spelled: str, *, money: bool) -> bool:
        """Return whether 1 234 may be two numbers, in a locale that does not group with spaces."""
        if money or not spelled.replace(" ", "").isdigit() or " 0" in spelled:
            return False
        return spelled.count(" ") == 1 and (self.locale is None or not digits.uses_decimal_comma(self.locale))

    def _before(self, start: int, floor: int) -> _Before:
        begin, money, sign, spaced = start, False, "", False
        for _ in range(2):  # the currency is before the sign or after it
            lead = self.text[max(floor, begin - 24) : begin]
            if not money and (found := _MONEY_BEFORE.search(lead)):
                money, begin = True, begin - len(found[0])
                lead = lead[: found.start()]
            if not sign and (found := _SIGN_BEFORE.search(lead)):
                sign, spaced = found["sign"] or "word", bool(found["space"])
                begin -= len(found[0])
        lead = self.text[max(floor, begin - 24) : begin]
        near, far = lead[-1:], lead.rstrip()[-1:]
        if problem := self._context(begin, floor):
            return _Before(begin, signed=bool(sign), money=money, is_name=problem == "denied", problem=problem)
        if sign:
            signs, is_name, problem = _signs(sign, near, far, spaced=spaced, money=money)
            return _Before(begin, signs, signed=True, money=money, is_name=is_name, problem=problem)
        if near == "\u221a" or lead.endswith("\u221a{"):
            return _Before(begin, money=money, problem="a root")
        is_joined = begin - len(lead) == floor > 0 and POW.fullmatch(lead) is not None
        if not money and not is_joined and (near.isalpha() or near in ("_", "^") or lead.endswith("^{")):
            return _Before(begin, is_name=True)
        operand = far in ("/", "\u00d7", "\u00b7", "\u00f7") or (far == "*" and lead.rstrip("* ")[-1:].isalnum())
        return _Before(begin, money=money, is_operand=operand)

    def _context(self, begin: int, floor: int) -> str:  # noqa: PLR0911 - one return for each reason
        """Return why what precedes a number makes it a part of another value, "denied" if it is the wrong one."""
        lead = self.text[max(0, begin - 32) : begin]
        if (last := _LAST_WORD.search(lead)) and last[0].strip().casefold() in _DECIDING:
            if _DENIED.search(lead):
                return "denied"
            is_count = lead.casefold().endswith(" and ") and not _PART.match(self.text, begin)  # five and 6
            if not is_count and (found := _WORDS_BEFORE.search(lead)):
                return _PROBLEMS[found.lastgroup or "argument"]
        if lead.rstrip()[-1:] in _COMPARISONS and lead.strip() and (found := _WORDS_BEFORE.search(lead)):
            return _PROBLEMS[found.lastgroup or "argument"]
        if lead.endswith(("_", "}", " ")) and "log" in lead and _LOGARITHM.search(lead):
            return "a part of an expression"
        if (
            _GREATER.search(lead)
            and not _ELEMENT.search(self.text[max(0, begin - 120) : begin])
            and self._is_bound(begin)
        ):
            return "a bound"
        if (floor < begin and _BRACKETED.search(lead)) or _INFINITE.search(lead):
            return "a part of an expression"
        return ""

    def _is_bound(self, begin: int) -> bool:
        """Return whether the > before a number is no quotation mark at the begin of the line."""
        before = self.text[max(0, begin - 32) : begin].lstrip()
        return begin > 32 or before.strip("> ") != "" or before == ">"  # noqa: PLR2004 - the length of the lead

    def _after(self, end: int, *, money: bool) -> _After:
        text, power = self.text, None
        if found := _POWER_AFTER.match(text, end):
            power, end = int(found[0].translate(SUPERSCRIPTS)), found.end()
        bare_end = end
        factors, end = self._scaled(end, money=money)
        if end > bare_end and text[end : end + 1].isdigit():
            return _After(end, bare=False, problem="a number in several parts")
        is_bare = end == bare_end
        paid = _MONEY_AFTER.match(text, end)
        end = bare_end = paid.end() if paid else end
        share = _SHARE_AFTER.match(text, end)
        end, problem = self._unit(share.end() if share else end)
        trailing_minus = _TRAILING.match(text, end) is not None
        return _After(end, factors, power, is_bare and end == bare_end, paid is not None, trailing_minus, problem)

    def _scaled(self, end: int, *, money: bool) -> tuple[tuple[Factor, ...], int]:
        """Return the factors of the words after a number, such as hundred thousand, and their end."""
        factors: list[Factor] = [1]
        for _ in range(_MOST_FACTORS):
            if found := _CJK_AFTER.match(self.text, end):
                scales: tuple[Factor, ...] = (CJK_FACTORS[found[1]],)
            elif found := _WORD_AFTER.match(self.text, end):
                scales = self._factors(found, money=money)
            if found is None or not scales:
                break
            factors = [one * scale for one in factors for scale in scales]
            end += len(found[0].rstrip("."))
        return tuple(factors), end

    def _unit(self, end: int) -> tuple[int, str]:
        """Return the end of the letters that follow directly, and the problem if they are not a unit."""
        if found := _GLUED.match(self.text, end):
            exponent = _UNIT_POWER.match(self.text, found.end())
            return (exponent or found).end(), "" if _UNIT.fullmatch(found[0]) else "a name or an unknown unit"
        if _JOINED.match(self.text, end):
            return end, "a part of a name"
        if _BELOW_ZERO.match(self.text, end):
            return end, "a number below zero"
        return end, "a part of an expression" if _SYMBOL_AFTER.match(self.text, end) else ""

    def _factors(self, found: re.Match[str], *, money: bool) -> tuple[Factor, ...]:
        """Return the possible factors of the word after a number: 1 too if it may be a unit, none for another word."""
        word, space = found["word"].rstrip("."), found["space"]
        known = word.casefold()
        if known in _FACTORS:
            long = _LONG_SCALE.get(known) if self.locale and digits.uses_decimal_comma(self.locale) else None
            return (_FACTORS[known],) if long is None else (_FACTORS[known], long)
        if known in _PARTS:
            return (1, Fraction(1, _PARTS[known]))
        if space == "-":
            return ()
        if money and word in _MONEY_LETTERS:
            return (_MONEY_LETTERS[word],)
        if word in _LETTER_FACTORS:
            return (1, _LETTER_FACTORS[word]) if space else (_LETTER_FACTORS[word],)
        return (1, _AMBIGUOUS_LETTERS[word]) if word in _AMBIGUOUS_LETTERS and not space else ()

    def _is_factorial(self, begin: int, end: int) -> bool:
        if not self.text.startswith("!", end):
            return False
        is_alone = self.text[max(0, begin - 8) : begin].rstrip()[-1:] in ("", *"=([{:")
        return bool(_FACTORIAL.match(self.text, end) or (is_alone and _FACTORIAL_ALONE.match(self.text, end)))

    def _accounting(
        self, begin: int, end: int, values: tuple[Fraction, ...], *, money: bool
    ) -> tuple[tuple[int, ...], str]:
        """Return the signs of a number that is alone in parentheses, which is how accountants write a negative one."""
        lead = self.text[max(0, begin - 8) : begin]
        near, far = lead[-1:], lead.rstrip()[-1:]
        if near.isalnum() or near in (")", "]", "}") or _OPERAND.match(self.text, end):
            return (1, -1), "an argument or a factor"
        if _MONEY_BEFORE.search(lead):
            return (-1,), ""
        if (money or any(abs(value) >= 1000 for value in values)) and far in ("", ":", "=", "|"):  # noqa: PLR2004 - a group
            return (-1,), ""
        return (1, -1), "in parentheses, as accountants write negative numbers"


def _signs(sign: str, near: str, far: str, *, spaced: bool, money: bool) -> tuple[tuple[int, ...], bool, str]:
    """Return the signs that ``sign`` can mean after these characters, whether it belongs to a name, and a problem."""
    signs: tuple[int, ...] = (-1,)
    is_name, problem = False, ""
    if near and near in f"{_SIGNS}":
        problem = "two signs"
    elif sign == "\u00b1":
        signs = (1, -1)
    elif sign == "+":
        signs = (1,)
        before = far if spaced else near
        problem = "a part of an expression" if before.isalnum() or before in _CLOSERS else ""
    elif sign in _DASHES and spaced:
        signs = (-1,) if far in _BEFORE_SIGN and sign != EM_DASH else (1, -1)
    elif sign in _DASHES and (near.isalpha() or near == "_"):
        is_name = sign == "-" and not money
        signs = (1, -1)
    elif sign in _DASHES:
        problem = "a part of an expression" if near in _CLOSERS else ""
        signs = (1, -1) if sign == EM_DASH or (far in _DASHES and far) else (-1,)
    return signs, is_name, problem


def _powers(values: tuple[Fraction, ...], power: int) -> tuple[tuple[Fraction, ...], str]:
    """Return 10 to a power; after another number, the power may be a footnote."""
    if values == (Fraction(10),):
        return power_of(values[0], Fraction(power)), ""
    return (*values, *(one for value in values for one in power_of(value, Fraction(power)))), "a power or a footnote"


def power_of(base: Fraction, exponent: Fraction) -> tuple[Fraction, ...]:
    """Return the power; nothing if the exponent is not whole, or the power is too large."""
    largest = _LARGEST_EXPONENT if base == 10 else 64  # noqa: PLR2004 - the base of scientific notation
    is_bounded = abs(exponent) <= largest and max(abs(base.numerator), base.denominator) <= _LARGEST_BASE
    if not is_bounded or exponent.denominator != 1 or (not base and exponent < 0):
        return ()
    return (Fraction(base ** int(exponent)),)
