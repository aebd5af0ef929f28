"""Age of golden cases: from ``metadata.created``, else from the day on which git last changed their lines."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final

from pytest_evalgate.golden.lint import LintFinding
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Case

_BLAMED: Final = re.compile(r"^[0-9a-f]{40,64} \d+ (\d+)(?: \d+)?$")
_TIME: Final = "author-time "


def blamed_days(porcelain: str) -> dict[int, dt.date]:
    """Return the day of each line, in UTC, from the output of ``git blame --line-porcelain``."""
    found: dict[int, dt.date] = {}
    line = 0
    for text in porcelain.splitlines():
        if (match := _BLAMED.match(text)) is not None:
            line = int(match[1])
        elif text.startswith(_TIME) and line:
            found[line] = dt.datetime.fromtimestamp(int(text[len(_TIME) :]), dt.UTC).date()
    return found


def created_day(case: Case) -> dt.date | None:
    """Return the day in ``metadata.created``, ISO 8601; None if there is none."""
    value = case.metadata.get("created")
    try:
        return dt.datetime.fromisoformat(value).date() if isinstance(value, str) else None
    except ValueError:
        return None


def stale_cases(
    cases: Iterable[Case], days: Mapping[str, Mapping[int, dt.date]], most_days: int, today: dt.date
) -> Iterator[LintFinding]:
    """Find the cases that are older than ``most_days``; ``days`` has the day of each line, by file.

    Cases of unknown age, which are in no commit yet, are new.
    """
    by_file: dict[str, list[tuple[dt.date, Case]]] = {}
    for case in cases:
        day = created_day(case) or days.get(case.place.file, {}).get(case.place.line)
        if day is not None and (today - day).days > most_days:
            by_file.setdefault(case.place.file, []).append((day, case))
    for old in by_file.values():
        yield _finding(sorted(old, key=lambda one: (one[0], one[1].place.line)), most_days)


def _finding(old: Sequence[tuple[dt.date, Case]], most_days: int) -> LintFinding:
    day, case = old[0]
    message = (
        f"{count(len(old), 'case')} older than max_age_days = {most_days}, the oldest of {day.isoformat()}: compare "
        'them with today\'s requests, then renew "created" in their metadata'
    )
    return LintFinding(case.place, "stale", "warning", message)
