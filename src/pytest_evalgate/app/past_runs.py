"""Past runs of a project: the place of its store, and the runs in it that trends and reports compare a run with."""

from __future__ import annotations

import os
import threading
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.runs import history
from pytest_evalgate.store import Database, StoreError, StorePlace
from pytest_evalgate.store.ingest import push_history
from pytest_evalgate.store.past_suites import past_suites
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_evalgate.config import Settings

READ_WAIT_S: Final = 5.0
"""Longest time that a session waits for the past runs of a server. Without them it has no trend."""

SQLITE_NAME: Final = "store.db"


def place_of(settings: Settings, state: Path) -> StorePlace | None:
    """Return the place of a project's store; None if it is switched off.

    Raises:
        StoreError: The variable of ``store_env`` has no address.
    """
    if settings.store == "off":
        return None
    if settings.store_env is not None:
        return StorePlace.of_variable(settings.store_env, os.environ)
    return StorePlace.at(state / SQLITE_NAME)


def project_name(root: Path) -> str:
    """Return the name of a project: that in pyproject.toml, else that of its folder."""
    try:
        found = tomllib.loads((root / "pyproject.toml").read_text("utf-8")).get("project", {}).get("name")
    except (OSError, ValueError, AttributeError):
        found = None
    return found if isinstance(found, str) and found else root.resolve().name or "project"


def import_history(database: Database, settings: Settings, project: str, *, root: Path, state: Path) -> int:
    """Store the runs of the history file, if the store has no run of the project yet; return their number."""
    if database.query("project_known", project=project):
        return 0
    return push_history(
        database, project, history.read(history.file_of(settings.history, root=root, state=state)).rows
    )


def past_runs(settings: Settings, *, root: Path, state: Path) -> history.History:
    """Return the past runs of a project, for advice: trends, reports and alerts.

    They are in the store. If it has no run of the project yet, they are those of the history file, which the next run
    imports. Without a store there are none. A store that cannot be read has none either: the session reports that
    when it stores its own run.
    """
    try:
        place = place_of(settings, state)
        if place is None:
            return history.History()
        found = _stored(place, project_name(root))
    except Exception:  # noqa: BLE001 - a store that fails changes no verdict, and is reported once
        return history.History()
    return found or history.read(history.file_of(settings.history, root=root, state=state))


def _stored(place: StorePlace, project: str) -> history.History | None:
    """Return the past runs in a store; None if it has no run of the project."""

    def read() -> history.History | None:
        with Database.reading(place) as database:
            known = database.query("project_known", project=project)
            return history.History(past_suites(database, project)) if known else None

    if place.file is not None:
        return read() if place.file.exists() else None
    found: history.History | None = within(READ_WAIT_S, place, read)
    return found


def within(seconds: float, place: StorePlace, work: Callable[[], Any]) -> Any:
    """Run ``work`` in a thread and return its result: a server must not keep a session from its end.

    Raises:
        StoreError: It takes longer than ``seconds``.
    """
    found: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread
            errors.append(error)

    thread = threading.Thread(target=run, name="evalgate-store", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        report_expired("store", seconds)
        raise StoreError(f"{place.name}: no answer within {seconds:g} s: check the load of the server")
    if errors:
        raise errors[0]
    return found[0]
