"""Wording of numbers, and the fixed phrases by which one module recognises a message of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OPTIONS: Final = "options"
"""Name of the fact that lists the command line options of a run which change its cases, outputs or baseline."""

NO_BASELINE: Final = "no baseline yet: pytest-evalgate baseline promote"
"""Start of every message about a missing baseline."""

RETRY: Final = "retry the job"
"""Start of the advice about missing results, only if another run may get all of them."""

UNSCORED: Final = "nothing decides its cases: its judges only report"
"""Start of the message of every gate of a suite whose cases are unscored."""

LEFT_OUT: Final = "(left out)"
"""Text in place of one that the configuration keeps out of reports."""

STOPPED: Final = "STOPPED: "
"""Start of the note that gives the reason why a run stopped sending calls."""

TARGET_REPLACED: Final = "target replaced"
TARGET_NOT_CALLED: Final = "target not called any more"
ENDPOINT_MOVED: Final = "endpoint moved"
CONFIGURATION_MOVED: Final = "configuration moved"
BASE_REPLACED: Final = "base replaced"
LISTED_FIRST: Final = (BASE_REPLACED, CONFIGURATION_MOVED, TARGET_REPLACED, TARGET_NOT_CALLED, ENDPOINT_MOVED)
"""Changes of the gate that are listed first among those of their effect: they can make the others meaningless."""

OUTPUTS_CHANGED: Final = "recorded outputs changed"
PROMPT_CHANGED: Final = "prompt changed"
TARGET_CODE_CHANGED: Final = "code of the target changed"
UNDER_TEST: Final = frozenset({OUTPUTS_CHANGED, PROMPT_CHANGED, TARGET_CODE_CHANGED})
"""Changes of the application under test, as in every ordinary pull request."""


def percent(share: float) -> str:
    """Format a share with one decimal: ``0.391`` is ``39.1%``."""
    return f"{100 * share:.1f}%"


def interval(bounds: tuple[float, float]) -> str:
    """Format the bounds of a share in percent, without the sign: ``88.0-94.9``."""
    return f"{100 * bounds[0]:.1f}-{100 * bounds[1]:.1f}"


def points(share: float) -> str:
    """Format a difference of shares in percentage points: ``-0.062`` is ``-6.2 pp``."""
    rounded = round(100 * share, 1)
    return f"{rounded:+.1f} pp" if rounded else "0.0 pp"


def p_value(p: float) -> str:
    """Format a p-value with two significant digits: ``0.0013``, ``2.4e-36``."""
    return f"{p:.2g}"


def count(number: int, noun: str) -> str:
    """Format a number with its noun: ``1 case``, ``1,319 cases``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def first_few(names: Sequence[str], most: int = 3) -> str:
    """List the first names and count the others: ``de, fr, it and 2 more``."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def label_command(suite: str) -> str:
    """Return the command that draws outputs of the last run of a suite for people to label."""
    import shlex  # noqa: PLC0415 - only for suites without a decision

    return f"pytest-evalgate label sample --suite {shlex.quote(suite)} --out {shlex.quote(f'labels/{suite}.csv')}"


def usd(amount: float) -> str:
    """Format US dollars in cents, or small amounts with more digits: ``US$0.83``, ``US$0.0012``, ``US$0.000030``."""
    if amount >= 0.005 or amount == 0:  # noqa: PLR2004 - half a cent
        return f"US${amount:,.2f}"
    return f"US${amount:.4f}" if amount >= 0.0001 else f"US${max(amount, 1e-6):.6f}"  # noqa: PLR2004 - four digits


def seconds(duration: float) -> str:
    """Format a latency with three significant digits: ``0.834 s``, ``12.3 s``."""
    return f"{duration:.3g} s" if duration < 1000 else f"{duration:,.0f} s"  # noqa: PLR2004 - no exponent


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``; did you mean "x"?`` if a known word is close to ``word``, else an empty string.

    ``cutoff`` is the smallest similarity, between 0 and 1.
    """
    import difflib  # noqa: PLC0415 - only a message about a wrong word needs it

    known = list(known)
    swapped = [other for other in known if other != word and sorted(other) == sorted(word)]
    close = swapped or difflib.get_close_matches(word, known, n=1, cutoff=cutoff)
    return f'; did you mean "{close[0]}"?' if close else ""
