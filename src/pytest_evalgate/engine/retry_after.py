"""How long a reply asks us to wait, in the three forms that servers use."""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

LONGEST_S: Final = 86_400.0
"""Whoever asks for more than a day is not understood."""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read ``retry-after-ms``, else ``Retry-After`` in seconds or as an HTTP date.

    A date counts from the reply's own ``Date``, since the two clocks may differ.

    Args:
        headers: Of the reply; the names in lower case, or a mapping that ignores case.

    Returns:
        Seconds from 0 to `LONGEST_S`; None where nothing is said that makes sense.

    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _sensible(milliseconds / 1000)
    said = headers.get("retry-after", "")
    seconds = _number(said)
    return _sensible(_until(said, headers.get("date", "")) if seconds is None else seconds)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _until(then: str, now: str) -> float | None:
    start, end = _date(now), _date(then)
    return None if start is None or end is None else (end - start).total_seconds()


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):  # the parser stumbles over garbage in more than one way
        return None
    return date if date.tzinfo else None


def _sensible(seconds: float | None) -> float | None:
    if seconds is None or math.isnan(seconds) or not 0 <= seconds <= LONGEST_S:
        return None
    return seconds
