"""The rule ``regex``, and the parameters of every rule that takes a pattern."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from pytest_evalgate.data import Case, Mark, Output
from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers.pattern_worker import matched
from pytest_evalgate.scorers.safe_regex import TEXT_LIMIT, Found, How, PatternMatcher
from pytest_evalgate.scorers.wanted import any_wanted, as_texts, listed, shown, text_of

Flags = Sequence[Literal["ignorecase", "multiline", "dotall"]]

_FLAGS: Final = {"ignorecase": re.IGNORECASE, "multiline": re.MULTILINE, "dotall": re.DOTALL}
_INLINE: Final = {"ignorecase": "i", "multiline": "m", "dotall": "s"}


def _installed(engine: str) -> str:
    if engine == "re2":
        _re2()
    return engine


def _well_formed(pattern: str, info: ValidationInfo) -> str:
    """Have the engine read the pattern, `re` with its deadline: reading can hang too."""
    matcher: Any = info.context
    try:
        if info.data.get("engine") == "re2":
            _compiled(pattern, ())
        else:
            matcher.check(pattern)
    except ScorerError as error:
        raise ValueError(str(error)) from error
    return pattern


Engine = Annotated[Literal["re", "re2"], AfterValidator(_installed)]
"""``re`` has a deadline; ``re2`` (extra ``regex``) needs none, and knows no look-around and no back-references."""

Pattern = Annotated[str, Field(min_length=1, max_length=10_000), AfterValidator(_well_formed)]
"""A pattern that is read when the scorer is built; stands after ``engine`` in a rule's signature."""


def regex(  # noqa: PLR0913 - its keywords are what users may write
    case: Case,
    output: Output,
    /,
    *,
    matcher: PatternMatcher,
    engine: Engine = "re",
    pattern: Pattern | None = None,
    flags: Flags = (),
    full: bool = False,
) -> Mark:
    """Pass when a pattern matches: ``pattern``, or else what the case expects (one of ``expected_any`` will do).

    Args:
        case: holds the pattern where none is given.
        output: what the target returned.
        matcher: given by the builder.
        engine: which library matches.
        pattern: the regular expression.
        flags: any of "ignorecase", "multiline", "dotall".
        full: the whole output has to match, not a part of it.

    Returns:
        1.0 or 0.0; None where the output is longer than `safe_regex.TEXT_LIMIT` and its head does not decide.

    Raises:
        PatternTimeout: matching took too long.
        PatternError: a pattern that the case expects is malformed.

    """
    text = text_of(output)
    patterns = as_texts(any_wanted(case, pattern))
    how: How = "full" if full else "search"
    cut = False
    for one in patterns:
        found = find(one, text, matcher=matcher, engine=engine, flags=flags, how=how)
        if found.text is not None and not (full and found.cut):
            return Mark(1.0, f"{shown(one)} matches {shown(found.text)}")
        cut |= found.cut
    return Mark(None, beyond(text)) if cut else Mark(0.0, f"no match of {listed(patterns)}")


def find(pattern: str, text: str, *, matcher: PatternMatcher, engine: str, flags: Flags, how: How) -> Found:
    """Look for ``pattern`` with the engine of that name; see `PatternMatcher.find`."""
    if engine == "re":
        return matcher.find(pattern, text, flags=sum(_FLAGS[flag] for flag in set(flags)), how=how)
    return Found(matched(_compiled(pattern, flags), text, how))


def beyond(text: str) -> str:
    """Say why a pattern could not tell."""
    return f"the output has {len(text):,} characters; a pattern is looked for in the first {TEXT_LIMIT:,} of them"


def _compiled(pattern: str, flags: Flags) -> Any:
    re2 = _re2()
    options = re2.Options()
    options.log_errors = False  # it would write to standard error
    inline = "".join(sorted({_INLINE[flag] for flag in flags}))
    try:
        return re2.compile(f"(?{inline}){pattern}" if inline else pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise ScorerError(f"pattern {shown(pattern)}: {reason}") from error


def _re2() -> Any:
    try:
        return importlib.import_module("re2")
    except ImportError as error:
        raise ValueError('engine = "re2" needs google-re2: pip install "pytest-evalgate[regex]"') from error
