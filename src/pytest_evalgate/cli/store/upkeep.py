"""Actions of ``pytest-evalgate store``: push, prune, check."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.project import Project
from pytest_evalgate.app.storing import import_history, project_name, run_folders, source_of
from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.cli.printing import print_result, wrapped
from pytest_evalgate.cli.store_question import require_place
from pytest_evalgate.cli.verb import Actions, Verb
from pytest_evalgate.config import key_variables
from pytest_evalgate.runs.run_file import path_of
from pytest_evalgate.store import Database
from pytest_evalgate.store.case_outcomes import add_missing
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.soundness import damaged_cases, damaged_runs
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.files import relative_name
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse

_MOST_DAYS: Final = 100_000
_DAMAGED: Final = 1


def _add_push(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN_OR_FOLDER", help="folder of a run, or a folder that contains some"
    )
    parser.add_argument("--again", action="store_true", help="replace runs that are stored already")


def _push(args: argparse.Namespace) -> int:
    project = Project.find()
    name, place = project_name(project.root), require_place(project)
    redactor = Redactor.of(key_variables(project.settings), os.environ)
    stored: list[str] = []
    known: list[str] = []
    folders = run_folders(args.runs)
    with Database.open(place) as database:
        from_history = import_history(database, project.settings, name, root=project.root, state=project.state.path)
        for folder in folders:
            source = source_of(folder, name, project.settings, redactor)
            (stored if push(database, source, again=args.again) else known).append(source.run.id)
    lines = [f"{place.name}: stored {count(len(stored), 'run')}, {len(known)} stored already"]
    if from_history:
        lines.append(f"{count(from_history, 'run')} of the history, without results")
    print_result(args, {"stored": stored, "stored_already": known, "from_history": from_history}, lines)
    return 0


def _add_prune(parser: argparse.ArgumentParser) -> None:
    days = whole_number(_MOST_DAYS)
    parser.add_argument(
        "--keep-days",
        type=days,
        required=True,
        metavar="N",
        help="remove the project's runs and shard files that are older than N days",
    )


def _prune(args: argparse.Namespace) -> int:
    project = Project.find()
    place = require_place(project)
    before = f"{datetime.now(UTC) - timedelta(days=args.keep_days):%Y-%m-%dT%H:%M:%SZ}"
    with Database.open(place) as database, database.transaction(exclusive=True):
        key = {"project": project_name(project.root), "before": before}
        removed, shards = database.change("prune", **key), database.change("prune_shards", **key)
    more = f" and {count(shards, 'shard file')}" if shards else ""
    lines = [f"{place.name}: removed {count(removed, 'run')}{more} from before {before}"]
    print_result(args, {"removed": removed, "removed_shards": shards, "before": before}, lines)
    return 0


def _check(args: argparse.Namespace) -> int:
    project = Project.find()
    place = require_place(project)
    with Database.open(place) as database:
        add_missing(database)
        counts = database.query("check_counts")[0]
        runs = list(damaged_runs(database))
        problems = [f"run {run_id}: {one_line(damage)}" for run_id, damage in runs]
        problems += [one_line(damage) for damage in (*damaged_cases(database), *database.driver.damage())]
        version = database.version
    sums = ", ".join(f"{number:,} {name}" for name, number in counts.items())
    lines = [f"{place.name}: schema {version}, {sums}", *problems]
    if problems:
        named = runs[0][0] if runs else "RUN"
        folder = relative_name(path_of(project.state.path, named).parent, project.root)
        lines += wrapped(f"replace what is damaged: pytest-evalgate store push --again {folder}")
    print_result(args, {"schema": version, **counts, "problems": problems}, [*lines, *([] if problems else ["sound"])])
    return _DAMAGED if problems else 0


VERB: Final[Actions] = {
    "push": Verb(
        "Store runs from their folders, each once: also those of CI artefacts.",
        "pytest-evalgate store push .evalgate/runs",
        _push,
        _add_push,
    ),
    "prune": Verb(
        "Remove old runs and shard files of this project. Promotions stay.",
        "pytest-evalgate store prune --keep-days 365",
        _prune,
        _add_prune,
    ),
    "check": Verb(
        "Check that the store is whole; migrate it to the schema of this version.",
        "pytest-evalgate store check",
        _check,
    ),
}
