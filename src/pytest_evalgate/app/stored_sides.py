"""Stored runs as sides of a comparison. Their run files may be gone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.compared_sides import Side
from pytest_evalgate.store import questions
from pytest_evalgate.store.restored import RestoredRuns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.store import Database
    from pytest_evalgate.store.filters import RunFilter

_ORDER: Final[Mapping[str, int]] = {"newest": 0, "previous": 1}


def stored_side(database: Database, spec: str, chosen: RunFilter) -> Side:
    """Return the stored run that ``spec`` names: an id, ``newest`` or ``previous`` of the runs that match.

    Raises:
        StoreError: There is no such run.
    """
    chosen = chosen if spec in _ORDER else replace(chosen, run_id=spec)
    row = questions.find_run(database, chosen, skip=_ORDER.get(spec, 0))
    run = RestoredRuns(database).run(row, chosen.suite)
    suites = {suite.plan.name: suite for suite in run.suites}
    return Side(spec, tuple(suites), suites.get, run)
