"""Project of a command: root folder, settings and state, searched for from the working directory upwards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pytest_evalgate import config
from pytest_evalgate.errors import RunFileError, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.baseline import file_of
from pytest_evalgate.runs.kept import RunFolder
from pytest_evalgate.runs.state import STATE_VARIABLE, state_of
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.results import Run, SuiteRun
    from pytest_evalgate.runs.state import StateFolder


@dataclass(frozen=True, slots=True)
class Project:
    """A root folder with its settings and its state folder."""

    root: Path
    settings: Settings
    state: StateFolder

    @classmethod
    def find(cls) -> Self:
        """Find the project that contains the working directory.

        Raises:
            SettingsError: the configuration cannot be used.
        """
        root = config.find_root(Path.cwd())
        return cls(root, config.load(root), state_of(root, os.environ.get(STATE_VARIABLE)))

    def run(self, run_id: str | None) -> Run:
        """Read a stored run: the newest one, or the one with the id ``run_id``.

        Raises:
            RunFileError: there is no such run, or its file cannot be read.
        """
        return run_file.read(self.run_path(run_id))

    def keeps_texts(self, name: str) -> bool:
        """Return whether the gates of a suite need its outputs: those that judges grade may have been labelled."""
        suite = config.suite_named(self.settings, name)
        return suite is not None and bool(suite.judges or suite.run_labels)

    def run_path(self, run_id: str | None) -> Path:
        """Return the path of a stored run: the newest one, or the one with the id ``run_id``."""
        return run_file.newest(self.state.path) if run_id is None else run_file.path_of(self.state.path, run_id)

    def decided(self, run: str | None) -> RunFolder:
        """Return the folder of a decided run: the newest one, the one with an id, or that folder itself.

        Raises:
            RunFileError: there is no such run, or it was not decided.
        """
        is_folder = run is not None and Path(run).is_dir()
        kept = RunFolder(Path(run) if run and is_folder else self.run_path(run).parent)
        if not kept.run_file.exists():
            raise RunFileError(f"no run is stored in {kept.folder}: run pytest --eval-gate")
        if not kept.verdict_file.exists():
            raise RunFileError(
                f"{kept.folder}: the run was not decided: it was aborted, or it is a shard (pytest-evalgate merge)"
            )
        return kept

    def baseline_file(self, suite: str) -> Path:
        """Return the path of the baseline of ``suite``.

        Raises:
            BaselineError: the path is outside of the root folder.
        """
        configured = config.suite_named(self.settings, suite)
        spec = None if configured is None else configured.baseline
        return file_of(spec, suite=suite, root=self.root, state=self.state.path)


def resolve_path(root: Path, path: str, place: str) -> Path:
    """Resolve ``path`` below ``root``.

    Raises:
        SettingsError: it is outside of ``root``; the message begins with ``place``.
    """
    return files.configured_path(root, path, place)


def suites_of(run: Run, name: str | None) -> tuple[SuiteRun, ...]:
    """Return the suites of ``run``, or only the suite ``name``.

    Raises:
        SettingsError: the run has no such suite.
    """
    found = tuple(suite for suite in run.suites if name in (None, suite.plan.name))
    if not found:
        names = ", ".join(suite.plan.name for suite in run.suites) or "none"
        raise SettingsError(f"run {run.id} has no suite {name!r} (its suites: {names})")
    return found
