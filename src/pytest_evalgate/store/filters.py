"""Filters of questions: which runs count. They reach the database as parameters only."""

from __future__ import annotations

import re
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs.run_tags import parse_tag
from pytest_evalgate.store.drivers import StoreError
from pytest_evalgate.text.jsonl import quote_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_LABELS: Final = 3
_SPAN: Final = re.compile(r"(\d{1,5})([hdw])")
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_DAY_START: Final = "T00:00:00Z"
_NAMES: Final = ("suite", "run_id", "tier", "branch", "model", "after")
MOST_CHARACTERS: Final = 1000
"""Characters of a name that is looked for."""


class FilterError(StoreError):
    """A filter that cannot be used. ``parameter`` is its name on the command line and in a URL."""

    def __init__(self, parameter: str, reason: str) -> None:
        """Keep the name and the reason, for answers that print them apart."""
        self.parameter, self.reason = parameter, reason
        super().__init__(f"--{parameter} {reason}")


@dataclass(frozen=True, slots=True)
class RunFilter:
    """The runs of a project that count, newest first: at most ``limit`` after the run ``after``.

    ``since`` is included, ``until`` is not. ``labels`` are at most three ``key=value``; a run must have all of them.
    """

    project: str
    suite: str | None = None
    run_id: str | None = None
    tier: str | None = None
    branch: str | None = None
    model: str | None = None
    since: str | None = None
    until: str | None = None
    labels: tuple[str, ...] = field(default=())
    limit: int = 50
    after: str | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the queries.

        Raises:
            FilterError: There are too many labels.
        """
        if len(self.labels) > MOST_LABELS:
            raise FilterError("label", f"is given {len(self.labels)} times: give at most {MOST_LABELS}")
        names = ("project", "suite", "run_id", "tier", "branch", "model", "since", "until", "limit", "after")
        values = {name: getattr(self, name) for name in names}
        padded = (*self.labels, *(None,) * MOST_LABELS)[:MOST_LABELS]
        return {**values, **{f"label_{number}": label for number, label in enumerate(padded, 1)}}


def read_filter(project: str, given: Mapping[str, str | None], labels: Sequence[str], now: datetime) -> RunFilter:
    """Return the filter that the command line or a URL gives.

    Args:
        project: Name of the project.
        given: Texts of suite, run_id, tier, branch, model, since, until and after; None if not given.
        labels: Texts such as ``team=search``.
        now: The time that ``since`` and ``until`` such as ``30d`` count from.

    Raises:
        FilterError: One of them cannot be used.
    """
    chosen = RunFilter(
        project,
        since=_time("since", given.get("since"), now),
        until=_time("until", given.get("until"), now),
        labels=tuple(map(_label, labels)),
    )
    names: dict[str, Any] = {name: plain_text(name.removesuffix("_id"), given.get(name)) for name in _NAMES}
    return replace(chosen, **names)


def plain_text(parameter: str, text: str | None) -> str | None:
    """Return a text that a database can look for.

    Raises:
        FilterError: It is too long, or has characters that no name has: PostgreSQL refuses NUL, and no database stores
            half of a surrogate pair.
    """
    if text is not None and len(text) > MOST_CHARACTERS:
        raise FilterError(parameter, f"has {len(text):,} characters: give at most {MOST_CHARACTERS:,}")
    if text is not None and ("\0" in text or any("\ud800" <= char <= "\udfff" for char in text)):
        raise FilterError(parameter, f"{quote_text(text)} has a character that no name can have")
    return text


def _time(parameter: str, text: str | None, now: datetime) -> str | None:
    try:
        return None if text is None else time_of(text, now)
    except StoreError as error:
        raise FilterError(parameter, str(error)) from None


def _label(text: str) -> str:
    try:
        return "=".join(parse_tag(text, "label"))
    except SettingsError as error:
        raise FilterError("label", str(error).removeprefix("label ")) from None


def time_of(text: str, now: datetime) -> str:
    """Return the time that ``30d``, ``12h``, ``4w`` (before ``now``), a day or a time of ISO 8601 names, in UTC.

    Raises:
        StoreError: It is none of them.
    """
    span = _SPAN.fullmatch(text)
    try:
        if span is not None:
            found = now - timedelta(**{_UNITS[span[2]]: int(span[1])})
        elif len(text) == len("2026-01-31"):
            found = datetime.fromisoformat(f"{text}{_DAY_START}")
        else:
            found = datetime.fromisoformat(text)
        utc = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        return f"{utc.replace(microsecond=0, tzinfo=None).isoformat()}Z"
    except (ValueError, OverflowError):
        raise StoreError(f"{text!r} is no time: write 30d, 12h, 2026-01-31 or 2026-01-31T08:00:00Z") from None
