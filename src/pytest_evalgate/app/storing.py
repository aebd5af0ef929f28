"""Storing of decided runs in the store of a project. A store that fails changes no verdict: it is one line."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.past_runs import import_history, place_of, project_name, within
from pytest_evalgate.config import suite_named
from pytest_evalgate.errors import StorageError, UserError
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.kept import RunFolder
from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.stored_run import Eval, StoredSource, TextRule
from pytest_evalgate.text import files
from pytest_evalgate.text.exceptions import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pytest_evalgate.app.decide import RunDecider
    from pytest_evalgate.config import Settings, Suite
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import Verdict
    from pytest_evalgate.runs.run_file import RunInfo
    from pytest_evalgate.text.redaction import Redactor

__all__ = [
    "STORE_WAIT_S",
    "import_history",
    "place_of",
    "project_name",
    "run_folders",
    "source_of",
    "store_decided",
    "text_rule",
]

STORE_WAIT_S: Final = 60.0
"""Longest time that a session waits for its store."""


def text_rule(settings: Settings, redactor: Redactor) -> TextRule:
    """Return the rule by which texts are stored: what a report shows of them, without API keys."""
    from pytest_evalgate.reports.view import TextPolicy  # noqa: PLC0415 - sessions have imported it

    policy = TextPolicy.by(settings.report)

    def reason(text: str) -> str:
        return policy.reason(redactor.redact(text))

    def text(name: str, value: Json) -> str:
        return reason(value) if name == "reason" else policy.of(name, redactor.redact_json(value))

    return TextRule(text if settings.store_texts else None, reason)


def evals_of(names: Iterable[str], suite_of: Callable[[str], Suite | None]) -> dict[str, Eval]:
    """Return what the configuration says about the suites of a run, as far as it has them."""
    found = ((name, suite_of(name)) for name in names)
    return {name: Eval(suite.owner, suite.description) for name, suite in found if suite is not None}


def store_decided(
    decider: RunDecider, run: Run, info: RunInfo, verdict: Verdict, *, file: Path, redactor: Redactor
) -> str | None:
    """Store a decided run; return the line about a failure, None if it is stored or the store is switched off."""
    if not run.suites:
        return None
    try:
        place = place_of(decider.settings, decider.state)
        if place is None:
            return None
        baselines = {name: found.provenance.run_id for name, found in decider.baselines.items() if found is not None}
        source = StoredSource(
            project_name(decider.root),
            *(run, info, verdict),
            rows=lambda: run_file.rows(file),
            baselines=baselines,
            texts=text_rule(decider.settings, redactor),
            redactor=redactor,
            evals=evals_of((suite.plan.name for suite in run.suites), decider.suite_of),
        )
        if place.file is not None:
            _store(decider, place, source)
        else:
            within(STORE_WAIT_S, place, lambda: _store(decider, place, source))
    except (UserError, StorageError) as error:
        return f"results not stored: {error}; the verdict stands; store them with: {_again(decider, file)}"
    except Exception as error:  # noqa: BLE001 - a failed store does not change the verdict
        return f"results not stored: {describe_error(error)}; the verdict stands"
    return None


def _again(decider: RunDecider, file: Path) -> str:
    return f"pytest-evalgate store push {files.relative_name(file.parent, decider.root)}"


def _store(decider: RunDecider, place: StorePlace, source: StoredSource) -> None:
    with Database.open(place) as database:
        import_history(database, decider.settings, source.project, root=decider.root, state=decider.state)
        push(database, source)


def run_folders(paths: Iterable[Path]) -> list[RunFolder]:
    """Return the folders of the runs at ``paths``: run files, their folders, or folders that contain such folders.

    Raises:
        UserError: A path contains no run.
    """
    found: dict[Path, None] = {}
    for path in paths:
        below = [path] if path.is_file() else sorted(path.rglob(run_file.RUN_FILE))
        if not below:
            raise UserError(f"{path}: there is no run ({run_file.RUN_FILE}) in this folder")
        found.update(dict.fromkeys(file.parent for file in below))
    return [RunFolder(folder) for folder in found]


def source_of(folder: RunFolder, project: str, settings: Settings, redactor: Redactor) -> StoredSource:
    """Read the run of a folder, checked, to store it.

    Raises:
        RunFileError: It is damaged.
        UserError: It was not decided.
    """
    run, info = run_file.read_with_info(folder.run_file)
    if not folder.verdict_file.exists():
        raise UserError(
            f"{folder.folder}: the run was not decided: it was aborted, or it is a shard (pytest-evalgate merge)"
        )
    verdict = folder.verdict()
    baselines = {
        name: found.provenance.run_id
        for name in verdict.suites
        if (found := folder.baseline(verdict, name)) is not None
    }
    return StoredSource(
        *(project, run, info, verdict),
        rows=lambda: run_file.rows(folder.run_file),
        baselines=baselines,
        texts=text_rule(settings, redactor),
        redactor=redactor,
        evals=evals_of(verdict.suites, partial(suite_named, settings)),
    )
