"""Soundness of a store: what was lost or changed since it was stored, as sentences. A sound store has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.store.ingest import CASE_COLUMNS, case_digest
from pytest_evalgate.text.jsonl import quote_text
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.store.database import Database

_PAGE: Final = 5_000


def damaged_runs(database: Database) -> Iterator[tuple[str, str]]:
    """Yield the id of a damaged run and the damage, several times for a run with several damages."""
    for row in database.query("check_rows"):
        yield row["run_id"], f"{row['present']:,} of {count(row['expected'], 'row')} of {row['table_name']}"
    for row in database.query("check_parents"):
        lost = count(row["lost"], "row")
        yield row["run_id"], f"{lost} of {row['table_name']} without {row['parent']}"
    for row in database.query("check_outcomes"):
        stored = f"{row['passed']:,} of {count(row['planned'], 'case')} passed"
        found = f"{row['found_passed']:,} of {row['found']:,} in its results"
        yield row["run_id"], f"suite {row['suite']}: {stored} when it was stored, {found}"


def damaged_cases(database: Database) -> Iterator[str]:
    """Yield the damage of each case that is not the one that was stored."""
    after = ""
    while rows := database.query("check_cases", after=after, limit=_PAGE):
        for row in rows:
            if row["case_sha256"] != case_digest([row[name] for name in CASE_COLUMNS[1:]]):
                yield f"case {quote_text(row['case_id'])} of suite {row['suite']} has changed since it was stored"
        after = rows[-1]["case_sha256"]
