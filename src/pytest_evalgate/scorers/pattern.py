"""The rule ``regex``, and the parameters of every rule that takes a pattern."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers.text import any_expected, as_texts, format_list, format_value, text_of
from pytest_evalgate.text.jsonl import quote_text

if TYPE_CHECKING:
    from pytest_evalgate.records.results import Case, Graded, Output

TEXT_LIMIT: Final = 1_000_000
"""Characters of a text in which `re` looks for a pattern."""

DEADLINE_S: Final = 0.5
"""Seconds that `re` has for one match; only a pattern that backtracks without end needs more."""

_MOST_COPIES: Final = 20_000
"""The `regex` package copies what must be repeated when it compiles, which has no deadline: ``(a{1000}){1000}`` takes
270 MB, and each of several nested ``+`` doubles what is inside."""

_FLAGS: Final = {"ignorecase": re.IGNORECASE, "multiline": re.MULTILINE, "dotall": re.DOTALL}
_INLINE: Final = {"ignorecase": "i", "multiline": "m", "dotall": "s"}
_PARTS: Final = re.compile(
    r"""
    \\.                                       # an escape
    | \[ \^? \]? (?: \\. | [^]\\] )*+ (?: \]|\Z )   # a class
    | \{ (?P<least>\d+) (?P<more> ,\d* )? \}
    | (?P<nothing> \s | \(\?\# [^)]*+ \)? )   # may stand between a group and its repetition
    | .
    """,
    re.DOTALL | re.VERBOSE,
)

Flags = Sequence[Literal["ignorecase", "multiline", "dotall"]]

How = Literal["search", "full", "last"]
"""``search`` finds the first match, ``last`` the last one, ``full`` one of the whole text."""


def _installed(engine: str) -> str:
    if engine == "re2":
        _re2()
    return engine


def _well_formed(pattern: str, info: ValidationInfo) -> str:
    try:
        _compiled(pattern, info.data.get("engine", "re"), ())
    except ScorerError as error:
        raise ValueError(str(error)) from error
    return pattern


Engine = Annotated[Literal["re", "re2"], AfterValidator(_installed)]
"""``re`` has a deadline; ``re2`` (extra ``re2``) needs none, and knows no look-around and no back-references."""

Pattern = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_well_formed)]
"""A pattern that is compiled when the scorer is built; follows ``engine`` in a rule's signature."""


@dataclass(frozen=True, slots=True)
class Found:
    """The text that a pattern matched: its first group that took part, else the whole match; None without a match.

    ``cut`` is True if the text was longer than `TEXT_LIMIT` and only its head was searched.
    """

    text: str | None
    cut: bool = False


def regex(
    case: Case,
    output: Output,
    /,
    *,
    engine: Engine = "re",
    pattern: Pattern | None = None,
    flags: Flags = (),
    full: bool = False,
) -> Graded:
    r"""Pass when a pattern matches: ``pattern``, or else what the case expects (one of ``expected_any`` will do).

    The engine ``re`` is the `regex` package in its version 0 mode, which can be given a deadline. It accepts what the
    standard library's `re` accepts and finds the same, except that:

    * some of what `re` reads as text is syntax: ``a{e<=1}`` is an approximate match, ``[[:alpha:]]`` a class;
    * some of what `re` refuses is syntax: ``\p{L}``, ``\X``, ``\R``, ``\K``, ``(?R)``, ``(?|...)``,
      ``(?<name>...)``, a look-behind of variable length, a group name that is used twice;
    * patterns whose nested repetitions multiply, such as ``(a{1000}){1000}``, are refused.

    Args:
        case: holds the pattern if none is given.
        output: what the target returned.
        engine: which library matches.
        pattern: the regular expression.
        flags: any of "ignorecase", "multiline", "dotall".
        full: the whole output has to match, not a part of it.

    Returns:
        1.0 or 0.0; None if the output is longer than `TEXT_LIMIT` and its head does not decide.

    Raises:
        ScorerError: matching took too long, or a pattern that the case expects is malformed.

    """
    text = text_of(output)
    patterns = as_texts(any_expected(case, pattern))
    how: How = "full" if full else "search"
    cut = False
    for one in patterns:
        found = find(one, text, engine=engine, flags=flags, how=how)
        if found.text is not None and not (full and found.cut):
            return 1.0, f"{format_value(one)} matches {format_value(found.text)}"
        cut |= found.cut
    return (None, truncated_reason(text)) if cut else (0.0, f"no match of {format_list(patterns)}")


def find(
    pattern: str,
    text: str,
    *,
    engine: str = "re",
    flags: Flags = (),
    how: How = "search",
    deadline_s: float = DEADLINE_S,
) -> Found:
    """Look for ``pattern`` in ``text``; `re` looks in the first `TEXT_LIMIT` characters.

    Raises:
        ScorerError: the pattern is malformed, or `re` took longer than ``deadline_s``.

    """
    compiled = _compiled(pattern, engine, flags)
    if engine == "re2":
        return Found(_matched(compiled, text, how))
    try:
        found = _matched(compiled, text[:TEXT_LIMIT], how, timeout=deadline_s)
    except TimeoutError:
        raise ScorerError(
            f"pattern {quote_text(pattern)} took longer than {deadline_s} s and was stopped: "
            'make it simpler, or use engine = "re2", which cannot hang'
        ) from None
    except MemoryError as error:
        raise ScorerError(f"pattern {quote_text(pattern)} took too much memory: make it simpler") from error
    return Found(found, cut=len(text) > TEXT_LIMIT)


def truncated_reason(text: str) -> str:
    """Say why a pattern could not tell."""
    return f"the output has {len(text):,} characters; a pattern is looked for in the first {TEXT_LIMIT:,} of them"


def _matched(compiled: Any, text: str, how: How, **limits: float) -> str | None:
    if how == "last":
        match = None
        for match in compiled.finditer(text, **limits):  # noqa: B007 - the last one, and a list of all may be long
            pass
    else:
        match = (compiled.fullmatch if how == "full" else compiled.search)(text, **limits)
    if match is None:
        return None
    found: str = next((group for group in match.groups() if group is not None), match[0])
    return found


def _compiled(pattern: str, engine: str, flags: Flags) -> Any:
    if engine == "re2":
        return _re2_compiled(pattern, flags)
    return _re_compiled(pattern, sum(_FLAGS[flag] for flag in set(flags)))


@functools.lru_cache(maxsize=256)
def _re_compiled(pattern: str, flags: int) -> Any:
    import regex as engine  # noqa: PLC0415 - 25 ms, and only patterns need it

    if _copies(pattern) > _MOST_COPIES:
        raise ScorerError(
            f"pattern {quote_text(pattern)}: its repetitions multiply to more than {_MOST_COPIES:,} parts: "
            "make it simpler"
        )
    try:
        return engine.compile(pattern, engine.V0 | flags)
    except (engine.error, ArithmeticError, RecursionError, MemoryError, ValueError) as error:
        raise ScorerError(f"pattern {quote_text(pattern)}: {str(error) or type(error).__name__}") from error


def _copies(pattern: str) -> int:
    """Return about how many parts are compiled on account of ``{n}`` and ``+``, and no fewer."""
    copies = last = 0
    groups = [0]
    for part in _PARTS.finditer(pattern):
        if part["nothing"]:
            groups[-1] += 1
            continue
        match part[0][0]:
            case "(":
                groups.append(1)
                continue
            case ")" if len(groups) > 1:
                last = groups.pop()
            case "+":
                copies += last
            case "{" if part["least"]:
                last *= max(0, int(part["least"].lstrip("0")[:10] or 0) - (not part["more"]))
                copies += last
            case _:
                last = 1
        groups[-1] += last
    return copies


def _re2_compiled(pattern: str, flags: Flags) -> Any:
    re2 = _re2()
    options = re2.Options()
    options.log_errors = False  # it would write to standard error
    inline = "".join(sorted({_INLINE[flag] for flag in flags}))
    try:
        return re2.compile(f"(?{inline}){pattern}" if inline else pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise ScorerError(f"pattern {format_value(pattern)}: {reason}") from error


def _re2() -> Any:
    try:
        return importlib.import_module("re2")
    except ImportError as error:
        raise ValueError('engine = "re2" needs google-re2: pip install "pytest-evalgate[re2]"') from error
