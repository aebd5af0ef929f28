"""Plain spelling of a text for the number reader: one for the digits of every script, LaTeX, Markdown and dashes."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

from pytest_evalgate.scorers.digits import NO_BREAK

EN_DASH: Final = "\u2013"
EM_DASH: Final = "\u2015"
NEUTRAL: Final = "\u00a6"
"""Replacement for the letters of scripts without spaces: they never belong to the number beside them."""

SUPERSCRIPTS: Final = str.maketrans(
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b", "0123456789+-"
)
CJK_FACTORS: Final = {
    **dict.fromkeys("百백", 100),
    **dict.fromkeys("千천", 1000),
    **dict.fromkeys("万萬만", 10**4),
    **dict.fromkeys("億亿억", 10**8),
    **dict.fromkeys("兆조", 10**12),
}

_INVISIBLE: Final = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u061c"
)
_NARROW: Final = "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f"
_CHARACTERS: Final = str.maketrans(
    {
        **dict.fromkeys(_INVISIBLE, ""),
        **dict.fromkeys(_NARROW, NO_BREAK),
        **dict.fromkeys("\u2010\u2011\u2212\ufe63\u2796\u207b\u208b\u02d7", "-"),
        **dict.fromkeys("\u2012\u2013", EN_DASH),
        **dict.fromkeys("\u2014\u2015\u2500\u2501\u2e3a\ufe58", EM_DASH),
        **dict.fromkeys("\u2019\u2018\u02bc\u02b9\u2032\u00b4", "'"),
        **dict.fromkeys("\u2044\u2215", "/"),
        **dict.fromkeys("\u22c5\u2219", "\u00b7"),
        **dict.fromkeys("\u2217\u2731", "*"),
        **dict.fromkeys("\u301c\u223c\u02dc", "~"),
        "\u2795": "+",
        "\u2213": "\u00b1",
        "\u066a": "%",
        "\u3000": " ",
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full-width forms of ASCII
    }
)
_SUPERSCRIPT_MINUS: Final = re.compile("\u207b(?=[\u2070\u00b9\u00b2\u00b3\u2074-\u2079])")
# Accountants in Japan write a negative number with a triangle
_NEGATIVE: Final = re.compile(r"(?:マイナス|[负負△▲])(?=\s?[^\s\w]?\d)")
_LONG_VOWEL: Final = re.compile(r"(?<![\u3040-\u30ff])ー(?=\d)")  # long-vowel mark, used as a dash
_UNSPACED: Final = re.compile(
    "[\u0e01-\u0e3a\u0e40-\u0e4f\u0e80-\u0ecf\u1000-\u109f\u1780-\u17da\u3005-\u3007\u3040-\u30ff\u3400-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
_METRIC: Final = re.compile("千(?=[克米瓦卡帕赫焦])")  # a prefix of a unit, not a factor

_VULGAR: Final = re.compile("(?<=(\\d))?[\u00bc-\u00be\u2150-\u215e\u2189]")
_SIGNED: Final = re.compile(r"-?[0-9](?:[0-9.,]*[0-9])?")
_FRACTION: Final = re.compile(r"(?<=(\d))?\\[dtc]?frac\s?(?:\{([^{}]{0,40})\}\s?\{([^{}]{0,40})\}|(\d)\s?(\d))")
_LATEX: Final = (
    (re.compile(r"\{([.,])\}"), r"\1"),
    (re.compile(r"\\[,;:! ]"), NO_BREAK),
    (re.compile(r"\\([$%#&_])"), r"\1"),
    (re.compile(r"\\[()\[\]]|\\(?:left|right|displaystyle|quad|qquad|approx)(?![a-zA-Z])"), " "),
    (re.compile(r"-\s?\\boxed\s?\{"), " [-"),
    (re.compile(r"\\boxed\s?\{"), " ["),
    (re.compile(r"\\(?:text|math)?(?:bf|it|rm|sf|tt|normal)?\s?\{"), "{"),
    (re.compile(r"\\times(?![a-zA-Z])"), "\u00d7"),
    (re.compile(r"\\cdot(?![a-zA-Z])"), "\u00b7"),
    (re.compile(r"\\div(?![a-zA-Z])"), "\u00f7"),
    (re.compile(r"\\pm(?![a-zA-Z])"), "\u00b1"),
    (re.compile(r"\\sqrt(?:\[[^\]]{0,9}\])?"), "\u221a"),
    (re.compile(r"\\pi(?![a-zA-Z])"), "\u03c0"),
    (re.compile(r"\^\{?\\circ\}?"), "\u00b0"),
    (re.compile(r"\\(?:le|leq|leqslant|lt)(?![a-zA-Z])"), "\u2264"),
    (re.compile(r"\\(?:ge|geq|geqslant|gt)(?![a-zA-Z])"), "\u2265"),
    (re.compile(r"\\neq?(?![a-zA-Z])"), "\u2260"),
    (re.compile(r"\\[bp]?mod(?![a-zA-Z])"), "mod"),
    (re.compile(r"\\infty(?![a-zA-Z])"), "\u221e"),
    (re.compile(r"\{-\}"), "-"),
    (re.compile(r"(?<=-)\{(?=\s?[0-9.$])"), ""),
    (re.compile(r"_\{"), "_"),
)
_KEY: Final = re.compile(
    r"""
    "[^"\n]*+"\s*+:
    | (?<=[{,\s])'[^'\n{},]{1,80}'\s?:
    | (?<=[{,])\s?[0-9]{1,80}\s?:(?=\s)
""",
    re.VERBOSE,
)
_ADDRESS: Final = re.compile(r"(?<![a-zA-Z])(?:[a-zA-Z]{2,10}://|www\.)\S++")
# An exponent in brackets is one only if it is a whole number: 2^{1/2} is not 2^1 / 2
_EXPONENT: Final = re.compile(r"\^\s?(?:\{\s?([^{}]{1,40})\}|\(\s?([^()]{1,40})\))|\*\*\(([-+0-9./* ]{1,40})\)")
_WHOLE: Final = re.compile(r"[-+]?[0-9]{1,9}\s?")
_ARGUMENTS: Final = re.compile(r"\}\s?\{")
_HTML: Final = re.compile(r"<su(p|b)>\s?(\[?[-+]?[0-9]{1,4}\]?)\s?</su\1>", re.IGNORECASE)
_RAISED: Final = {digit: code for code, digit in SUPERSCRIPTS.items()}
# Citations and references are no numbers of the text: "5 [1][2]", "30 days [1].", "5 (see page 3)", "[1]: https://..."
_MARK: Final = (
    r"(?:\^?\[\^?[0-9]{1,3}(?:\s?[,\u2013-]\s?[0-9]{1,3})*\]|\u3010[0-9:]{1,9}(?:\u2020[^\u3010\u3011]{0,99})?\u3011)"
)
_PLACE: Final = (
    r"(?:pages?|pp?\.|sections?|sec\.|chapters?|ch\.|figures?|fig\.|tables?|(?:foot)?notes?|sources?|refs?\.?|references?"
    r"|appendix|faq|doc(?:ument)?s?|citations?|eq\.|equation|\u00a7)"
)
_CITATION: Final = re.compile(
    rf"(?<=[\w%.,;:!?)\]}}\u00b0$*\"'])(?<!is)(?<!=)(?<!:){_MARK}+"
    rf"|(?<=[0-9%.)\]]) {_MARK}(?:\s?,?\s?{_MARK})*(?!\s?[-+*/^=(])"
    rf"|(?<=\s)(?<!\bis )(?<!\bin )(?<!\bare )(?<!\bwas )(?<!\bbe )(?<!\bor )(?<!\band )(?<!answer )(?<!result )"
    rf"(?<!equals )"
    rf"(?<=[^\W\d_] ){_MARK}+(?=\s?(?:[.,;]|\Z|\n))"
    rf"|^\s{{0,3}}{_MARK}:(?=\s)"
    rf"|(?<=[^\s([] )[(\[](?:(?:see|cf\.?|from|on|in|source):?\s)?{_PLACE}\s?\#?[0-9][0-9.,\u2013 -]{{0,12}}[)\]]",
    re.IGNORECASE | re.MULTILINE,
)
_BACKTICK: Final = re.compile(r"(?<=[0-9])`(?=[0-9]{3}(?![0-9]))")
_PARTS: Final = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10}
_AND_PART: Final = re.compile(rf"(?<=[0-9]) and (a|one|two|three)[ -]({'|'.join(_PARTS)})s?\b", re.IGNORECASE)
# Emphasis: a run of * that no two operands enclose, and a run of _ that does not join two parts of a name
_STARS: Final = re.compile(r"(?<![\w)\]}*])\*++(?=\S)|(?<=[^\s*])\*++(?![\w(\[{$\u221a*-])")
_LINES: Final = re.compile(r"(?<![^\W_])(?<!_)_++|(?<!_)_++(?![^\W_])")


def plain(text: str) -> str:  # noqa: C901 - each step is skipped by a test that costs nothing
    """Return ``text`` with one spelling for each digit, dash, space and operator; letters are kept."""
    if "&" in text and ";" in text:
        text = html.unescape(text)
    if "<su" in text or "<SU" in text:
        text = _HTML.sub(_raised, text)
    if not text.isascii():
        text = _LONG_VOWEL.sub(EM_DASH, _METRIC.sub(NEUTRAL, _NEGATIVE.sub("-", text)))
        text = _SUPERSCRIPT_MINUS.sub("\u207a\u207a", text).translate(_CHARACTERS).replace("\u207a\u207a", "\u207b")
        text = _VULGAR.sub(_with_slash, text)
        text = "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in text)
        text = _UNSPACED.sub(lambda found: found[0] if found[0] in CJK_FACTORS else NEUTRAL, text)
    if "://" in text or "www." in text:
        text = _ADDRESS.sub(NEUTRAL, text)
    if "{" in text:
        text = _KEY.sub(NEUTRAL, text)
    if "\\" in text or "{" in text:
        text = _FRACTION.sub(_quotient, text)
        if "frac" in text:  # one with braces inside: a part of it is no number
            text = _ARGUMENTS.sub(")/(", text)
        for pattern, replacement in _LATEX:
            text = pattern.sub(replacement, text)
    if "^" in text or "**" in text:
        text = _EXPONENT.sub(_exponent, text)
    if "[" in text or "\u3010" in text or "(" in text:
        text = _CITATION.sub(NEUTRAL, text)
    if "`" in text:
        text = _BACKTICK.sub("'", text)
    if " and " in text:
        text = _AND_PART.sub(_and_part, text)
    return _LINES.sub(" ", _STARS.sub("", text))


def _raised(found: re.Match[str]) -> str:
    if found[2][0] == "[":
        return ""
    return found[2].translate(_RAISED) if found[1] in "pP" else f"_{found[2]}"


def _exponent(found: re.Match[str]) -> str:
    inner = found[1] or found[2] or found[3]
    return f"^{inner.strip()}{NEUTRAL}" if _WHOLE.fullmatch(inner) else f"^n{NEUTRAL}"


def _and_part(found: re.Match[str]) -> str:
    count = {"two": 2, "three": 3}.get(found[1].lower(), 1)
    return f" and {count}/{_PARTS[found[2].lower()]}"


def _with_slash(found: re.Match[str]) -> str:
    spelled = unicodedata.normalize("NFKC", found[0]).replace("\u2044", "/")
    return f" {spelled}" if found[1] is not None else spelled


def _quotient(found: re.Match[str]) -> str:
    over, under = (found[2], found[3]) if found[2] is not None else (found[4], found[5])
    if under.strip().startswith("-") and _SIGNED.fullmatch(under.strip()) and over.strip()[:1].isdigit():
        over, under = f"-{over.strip()}", under.strip()[1:]
    over = over.strip() if _SIGNED.fullmatch(over.strip()) else f"({over})"
    under = under.strip() if under.strip()[:1].isdigit() and _SIGNED.fullmatch(under.strip()) else f"({under})"
    return f" {over}/{under}" if found[1] is not None else f"{over}/{under}"
