"""Past suites of a project as rows of its history: what trends and reports compare a run with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.records.verdicts import HistoryRow

if TYPE_CHECKING:
    from pytest_evalgate.store.database import Database

MOST_RUNS: Final = 500
"""Runs of one suite that are read: more than a year of a nightly run."""


def past_suites(database: Database, project: str) -> tuple[HistoryRow, ...]:
    """Return the complete, decided suites of a project, oldest first, at most 500 of each suite."""
    return tuple(
        HistoryRow(
            run_id=row["run_id"],
            created=row["created"],
            commit=row["commit_id"],
            suite=row["suite"],
            cases=row["cases"],
            trials=row["trials"],
            pass_rate=_rate(row["pass_rate"], row["passed"], row["missed"]),
            discordance=row["discordance"],
            golden_sha256=row["plan_sha256"] or row["golden_sha256"],
            scorers_sha256=row["scorers_sha256"],
            baseline_run_id=row["baseline_run_id"],
            verdict=row["verdict"],
            stopped=row["stopped"] is not None,
        )
        for row in database.query("past_suites", project=project, last_runs=MOST_RUNS)
    )


def _rate(rate: float | None, passed: int, missed: int) -> float:
    return passed / (passed + missed) if rate is None else rate
