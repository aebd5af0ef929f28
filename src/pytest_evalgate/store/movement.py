"""Trend of a metric over the stored runs: direction, change point with the run at it, and what changed in that run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.stats.trend import CHANGE_POINT_MIN_RUNS, change_point
from pytest_evalgate.store import questions
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.store.database import Database
    from pytest_evalgate.store.drivers import Row
    from pytest_evalgate.store.filters import RunFilter

ALPHA: Final = 0.01
"""Level of the test for a change: at most one alarm in 100 looks at runs that did not change."""

_UNDECIDED: Final = frozenset({"incomplete", "not_evaluated", "invalid"})
_CAUSES: Final = (
    *questions.COMPARED,
    ("commit_id", "commit"),
    ("branch", "branch"),
    ("config_sha256", "configuration"),
)

Direction = Literal["up", "down", "none", "unknown"]


@dataclass(frozen=True, slots=True)
class Movement:
    """The trend of ``runs`` runs; the direction of fewer than 15 is unknown.

    ``since`` is the first run after the change, ``previous`` the one before it, ``before`` and ``now`` are the means
    on both sides: None without a change. ``p`` is the permutation p of the split, which allows for the search over
    all splits.
    """

    direction: Direction
    runs: int
    p: float | None
    since: str | None = None
    previous: str | None = None
    created: str | None = None
    before: float | None = None
    now: float | None = None
    causes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The trend as a sentence."""
        if self.p is None:
            return f"{count(self.runs, 'complete run')} of the {CHANGE_POINT_MIN_RUNS} that a trend needs"
        if self.direction == "none":
            return f"no change in {count(self.runs, 'run')} (p={self.p:.2g})"
        return (
            f"{self.direction} from {self.before:.4g} to {self.now:.4g} since run {self.since} of {self.created} "
            f"(p={self.p:.2g}, {count(self.runs, 'run')})"
        )


def movement(database: Database, suite: str, metric: str, chosen: RunFilter) -> Movement:
    """Return the trend of a metric over the runs that match; runs without a complete verdict are left out.

    Raises:
        StoreError: The metric is not stored.
    """
    found = questions.points(database, suite, metric, chosen)
    rows = [row for row in found if row["verdict"] not in _UNDECIDED]
    if len(rows) < CHANGE_POINT_MIN_RUNS:
        return Movement("unknown", len(rows), None)
    split = change_point([row["value"] for row in rows])
    if split.p > ALPHA:
        return Movement("none", len(rows), split.p)
    previous, first = rows[split.index - 1], rows[split.index]
    return Movement(
        "up" if split.after > split.before else "down",
        *(len(rows), split.p, first["run_id"], previous["run_id"], first["created"], split.before, split.after),
        causes=tuple(_causes(database, previous, first)),
    )


def _causes(database: Database, previous: Row, first: Row) -> Iterator[str]:
    """Yield what is different in the run at the change, with both values if they are short."""
    for key, name in _CAUSES:
        before, now = previous[key], first[key]
        if before != now:
            yield f"{name}: {_short(before)} -> {_short(now)}"
    judges = [_judges(database, row) for row in (previous, first)]
    for judge in sorted(judges[0].keys() | judges[1].keys()):
        if judges[0].get(judge) != judges[1].get(judge):
            yield f"judge {judge}: {_short(judges[0].get(judge))} -> {_short(judges[1].get(judge))}"


def _judges(database: Database, row: Row) -> dict[str, str]:
    return {each["judge"]: each["fingerprint"] for each in database.query("judges_of_run", run_id=row["run_id"])}


def _short(value: str | None) -> str:
    is_digest = value is not None and len(value) >= 40 and value.isalnum()  # noqa: PLR2004 - of SHA-1
    return "none" if value is None else value[:12] if is_digest else value
