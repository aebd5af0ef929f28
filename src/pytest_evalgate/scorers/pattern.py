"""The rule ``regex``, and the bounded search of every rule with a pattern.

A pattern comes from a configuration or a golden set, and its search may take exponential time. The engine ``re`` is
the `regex` package (https://github.com/mrabarnett/mrab-regex), because it has a timeout; the standard library has
none.
"""

from __future__ import annotations

import functools
import importlib
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.scorers.text import any_expected, as_texts, format_list, format_value, text_of
from pytest_evalgate.text.jsonl import quote_text

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output

TEXT_LIMIT: Final = 1_000_000
"""Largest number of characters that `re` searches."""

DEADLINE_S: Final = 0.5
"""Time limit of one match of `re`, in seconds; only a pattern with exponential backtracking needs more."""

_MOST_COPIES: Final = 20_000
"""Compiling has no timeout, and the `regex` package copies the repeated parts: ``(a{1000}){1000}`` takes 270 MB, and
each of several nested ``+`` doubles the inner part."""

_FLAGS: Final = {"ignorecase": re.IGNORECASE, "multiline": re.MULTILINE, "dotall": re.DOTALL}
_INLINE: Final = {"ignorecase": "i", "multiline": "m", "dotall": "s"}
_PARTS: Final = re.compile(
    r"""
    \\.                                       # an escape
    | \[ \^? \]? (?: \\. | [^]\\] )*+ (?: \]|\Z )   # a class
    | \{ (?P<least>\d+) (?P<more> ,\d* )? \}
    | (?P<nothing> \s | \(\?\# [^)]*+ \)? )   # allowed between a group and its repetition
    | .
    """,
    re.DOTALL | re.VERBOSE,
)

Flags = Sequence[Literal["ignorecase", "multiline", "dotall"]]

How = Literal["search", "full", "last"]
"""``search`` finds the first match, ``last`` the last one, ``full`` a match of the whole text."""


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
"""``re`` has a deadline. ``re2`` (extra ``re2``) needs none; it has no look-around and no back-references."""

Pattern = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_well_formed)]
"""A pattern that is compiled when the scorer is built. It has to follow ``engine`` in a rule's signature, because that
engine compiles it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The matched text: the first group that took part, else the whole match; None without a match.

    ``truncated`` is True if the text was longer than `TEXT_LIMIT` and only its beginning was searched.
    """

    text: str | None
    truncated: bool = False


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
    r"""Pass if a pattern matches: ``pattern``, or else the one that the case expects (any of ``expected_any``).

    The engine ``re`` is the `regex` package in its version 0 mode. It accepts the patterns of the standard library's
    `re` and finds the same matches, except that:

    * some literal text of `re` is syntax: ``a{e<=1}`` is an approximate match, ``[[:alpha:]]`` a class;
    * some errors of `re` are syntax: ``\p{L}``, ``\X``, ``\R``, ``\K``, ``(?R)``, ``(?|...)``,
      ``(?<name>...)``, a look-behind of variable length, a group name that is used twice;
    * patterns whose nested repetitions multiply, such as ``(a{1000}){1000}``, are refused.

    If ``full`` is True, the whole output has to match, not a part of it. The score is unknown (None) if the output is
    longer than `TEXT_LIMIT` and its beginning does not decide.

    Raises:
        ScorerError: Matching took too long, or a pattern of the case is malformed.
    """
    text = text_of(output)
    patterns = wanted_patterns(case, engine=engine, pattern=pattern, flags=flags)
    how: How = "full" if full else "search"
    truncated = False
    for one in patterns:
        found = find(one, text, engine=engine, flags=flags, how=how)
        if found.text is not None and not (full and found.truncated):
            return 1.0, f"{format_value(one)} matches {format_value(found.text)}"
        truncated |= found.truncated
    return (None, truncated_reason(text)) if truncated else (0.0, f"no match of {format_list(patterns)}")


def wanted_patterns(
    case: Case,
    *,
    engine: str = "re",
    pattern: str | None = None,
    flags: Flags = (),
) -> tuple[str, ...]:
    """Return the patterns of which one has to match; raise ScorerError if one cannot be compiled."""
    patterns = as_texts(any_expected(case, pattern))
    for one in patterns:
        _compiled(one, engine, flags)
    return patterns


def find(
    pattern: str,
    text: str,
    *,
    engine: str = "re",
    flags: Flags = (),
    how: How = "search",
    deadline_s: float = DEADLINE_S,
) -> Found:
    """Search ``text`` for ``pattern``; `re` searches the first `TEXT_LIMIT` characters.

    Without a match, both are searched in NFC: ``é`` finds an ``e`` with a combining accent.

    Raises:
        ScorerError: The pattern is malformed, or `re` took longer than ``deadline_s``.
    """
    found = _find(pattern, text, engine, flags, how, deadline_s)
    normal = unicodedata.normalize("NFC", pattern), unicodedata.normalize("NFC", text)
    if found.text is None and normal != (pattern, text):
        found = _find(*normal, engine, flags, how, deadline_s)
    return found


def _find(pattern: str, text: str, engine: str, flags: Flags, how: How, deadline_s: float) -> Found:
    compiled = _compiled(pattern, engine, flags)
    if engine == "re2":
        return Found(_matched(compiled, text, how))
    try:
        found = _matched(compiled, text[:TEXT_LIMIT], how, timeout=deadline_s)
    except TimeoutError:
        raise ScorerError(
            f"pattern {quote_text(pattern)} took longer than {deadline_s} s: "
            'make it simpler, or use engine = "re2", which takes linear time'
        ) from None
    except MemoryError as error:
        raise ScorerError(f"pattern {quote_text(pattern)} took too much memory: make it simpler") from error
    return Found(found, truncated=len(text) > TEXT_LIMIT)


def truncated_reason(text: str) -> str:
    """Return the reason of an unknown score."""
    return f"the output has {len(text):,} characters, of which only the first {TEXT_LIMIT:,} were searched"


def _matched(compiled: Any, text: str, how: How, **limits: float) -> str | None:
    if how == "last":
        match = None
        for match in compiled.finditer(text, **limits):  # noqa: B007 - the last one, and a list of all may be long
            pass
    else:
        match = (compiled.fullmatch if how == "full" else compiled.search)(text, **limits)
    return None if match is None else next((group for group in match.groups() if group is not None), match[0])


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
    """Return an upper bound of the number of parts that the repetitions ``{n}`` and ``+`` compile to."""
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
    options.log_errors = False  # RE2 would write them to stderr
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
