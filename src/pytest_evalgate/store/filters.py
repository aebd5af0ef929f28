"""Filters of questions: which runs count. They reach the database as parameters only."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pytest_evalgate.store.drivers import StoreError

MOST_LABELS: Final = 3
_SPAN: Final = re.compile(r"(\d{1,5})([hdw])")
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_DAY_START: Final = "T00:00:00Z"


@dataclass(frozen=True, slots=True)
class RunFilter:
    """The runs of a project that count, newest first: at most ``limit`` after the run ``after``.

    ``since`` is included, ``until`` is not. ``labels`` are ``key=value``, and a run must have all of them.
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
            StoreError: There are too many labels.
        """
        if len(self.labels) > MOST_LABELS:
            raise StoreError(f"--label: {len(self.labels)} labels: give at most {MOST_LABELS}")
        names = ("project", "suite", "run_id", "tier", "branch", "model", "since", "until", "limit", "after")
        values = {name: getattr(self, name) for name in names}
        padded = (*self.labels, *(None,) * MOST_LABELS)[:MOST_LABELS]
        return {**values, **{f"label_{number}": label for number, label in enumerate(padded, 1)}}


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
        return f"{(found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError):
        raise StoreError(f"{text!r} is no time: write 30d, 12h, 2026-01-31 or 2026-01-31T08:00:00Z") from None
