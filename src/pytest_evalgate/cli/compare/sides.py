"""What ``compare`` may be given: a word for a side, told apart as a run, a file, or baselines at a commit."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import files, jsonl
from pytest_evalgate.data import Run
from pytest_evalgate.errors import RunFileError, UserError
from pytest_evalgate.judgement import Judgement
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git, run_file
from pytest_evalgate.settings import CONFIG_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.data import Baseline, SuiteRun

    Held = SuiteRun | Baseline

_GIT = "git:"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WORDS = "newest, previous, baseline, git:REF, the id of a run, the name of a file or of a branch"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison.

    ``spec`` is how it was asked for. ``names`` are the suites that it may hold, and ``find`` returns what it holds of
    one. ``run`` is the run; of baselines, which may come of several, it only carries a name.
    """

    spec: str
    names: tuple[str, ...]
    find: Callable[[str], Held | None]
    run: Run


def side_of(spec: str, project: Project) -> Side:
    """Find what ``spec`` names.

    Files are looked for from the working folder, then from the root folder, since that is how reports name them.

    Raises:
        UserError: there is nothing of that name (says what was looked for), or it cannot be read.

    """
    if not spec.isprintable() or spec.strip() in {"", _GIT} or spec.startswith(("-", f"{_GIT}-")):
        raise UserError(f"{spec!r} cannot be compared: name {_WORDS}")
    state = project.state.path
    if spec == "baseline":
        return _configured(project)
    if spec == "newest":
        return _of_run(spec, run_file.newest(state))
    if spec == "previous":
        return _of_run(spec, _previous(state))
    if spec.startswith(_GIT):
        return _at_commit(spec, spec.removeprefix(_GIT), project)
    return _of_name(spec, project)


def _of_name(spec: str, project: Project) -> Side:
    stored = run_file.path_of(project.state.path, spec)
    if _RUN_ID.fullmatch(spec) and _is_file(stored):
        return _of_run(spec, stored)
    found = [path for path in (Path.cwd() / spec, project.root / spec) if _is_file(path)]
    if found:
        return _of_file(spec, found[0], project)
    try:
        return _at_commit(spec, spec, project)
    except UserError as error:
        raise UserError(
            f"{spec}: there is no run {files.relative_name(stored.parent, project.root)}, no file of this name, "
            f"and no such branch, tag or commit ({error}); name {_WORDS}"
        ) from None


def _of_run(spec: str, path: Path) -> Side:
    run = run_file.read(path)
    suites = {suite.plan.name: suite for suite in run.suites}
    return Side(spec, tuple(suites), suites.get, run)


def _of_file(spec: str, path: Path, project: Project) -> Side:
    """Read a run file, whose first line is an object, or a baseline, whose first line is a bracket."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{spec}: cannot be read: {error.strerror}") from None
    first = data.partition(b"\n")[0].strip()
    if first.startswith(b"{") and first != b"{":
        return _of_run(spec, path)
    try:
        value = jsonl.loads(data)
    except ValueError as error:
        raise UserError(
            f"{spec}: a file that is neither a run nor a baseline ({error}); if a branch is meant: git:{spec}"
        ) from None
    suite = str(value.get("suite")) if isinstance(value, dict) else ""
    held = {suite: baselines.find(str(path.absolute()), suite=suite, file=path, root=project.root)}
    return Side(spec, (suite,), held.get, _nameless(spec))


def _configured(project: Project) -> Side:
    judgement = Judgement(project.root, project.settings, project.state.path, project.settings.suites.get)
    return Side("baseline", tuple(project.settings.suites), judgement.baseline_of, _nameless("baseline"))


def _at_commit(spec: str, ref: str, project: Project) -> Side:
    git.file_at(project.root, ref, CONFIG_FILE)  # whether it is there or not: git knows the commit, or says why not

    def find(suite: str) -> Baseline | None:
        file = project.baseline_file(suite)
        if git.file_at(project.root, ref, files.relative_name(file, project.root)) is None:
            return None
        return baselines.find(f"{_GIT}{ref}", suite=suite, file=file, root=project.root)

    return Side(spec, tuple(project.settings.suites), find, _nameless(f"{_GIT}{ref}"))


def _nameless(spec: str) -> Run:
    return Run(id=spec, created="", commit=None, suites=())


def _previous(state: Path) -> Path:
    """Return the run file of the run before the newest one, in the order that the newest one was found by."""
    newest = run_file.newest(state)
    others = [path for path in newest.parent.parent.glob(f"*/{newest.name}") if path != newest]
    if not others:
        raise RunFileError(f"only one run is stored in {newest.parent.parent}: run again, or name another side")
    return max(others, key=lambda path: (path.parent.name.partition("-")[0], path.stat().st_mtime_ns))


def _is_file(path: Path) -> bool:
    with contextlib.suppress(OSError):  # a name that is too long for the file system
        return path.is_file()
    return False
