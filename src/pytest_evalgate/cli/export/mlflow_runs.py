"""Export to MLflow: the newest run, one run, or all stored runs that match the filters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.experiments import SECRETS, Experiment
from pytest_evalgate.app.project import Project
from pytest_evalgate.app.storing import project_name
from pytest_evalgate.cli.export.destination import Destination
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.store_question import MOST_ROWS, asking, filter_of
from pytest_evalgate.config import key_variables
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.kept import RunFolder
from pytest_evalgate.store import questions
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_VARIABLE: Final = "MLFLOW_EXPERIMENT_NAME"
_FILTERS: Final = ("suite", "tier", "branch", "model", "label", "since", "until")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("--to mlflow")
    group.add_argument(
        "--experiment", metavar="NAME", help=f"experiment of MLflow (${_VARIABLE}; default: the project's name)"
    )


def _export(args: argparse.Namespace) -> int:
    project = Project.find()
    folders = list(_folders(args, project))
    redactor = Redactor.of([*key_variables(project.settings), *SECRETS], os.environ)
    name = args.experiment or os.environ.get(_VARIABLE) or project_name(project.root)
    experiment = Experiment(name, redactor)
    sent = [experiment.add(folder, project) for folder in folders]
    lines = [
        f"{one.run_id}: {'exported as' if one.is_new else 'exported before as'} {one.mlflow_id}, experiment {name}"
        for one in sent
    ]
    print_result(args, {"experiment": name, "runs": sent}, lines or ["no stored run matches"])
    return 0


def _folders(args: argparse.Namespace, project: Project) -> Iterator[RunFolder]:
    """Yield the folders of the chosen runs, oldest first; without a filter, that of the newest run.

    The store finds the runs that match. Those of other machines have no folder here, and are left out.
    """
    if not any(getattr(args, name, None) for name in _FILTERS):
        yield project.decided(args.run_id)
        return
    args.limit, args.after = MOST_ROWS, None
    with asking() as question:
        found = questions.runs(question.database, filter_of(args, question.name)).rows
    for row in reversed(found):
        folder = RunFolder(run_file.path_of(project.state.path, row["run_id"]).parent)
        if folder.run_file.exists() and folder.verdict_file.exists():
            yield folder


DESTINATION: Final = Destination(_export, _add_arguments)
