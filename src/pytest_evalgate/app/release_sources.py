"""Facts of a release that its runs do not contain: who accepted what, which files were not those of the commit.

They come from the project and its git history. A release pack stores them, so that its pages can be made again.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import golden
from pytest_evalgate.app.decide import compare_golden_sets, in_tier
from pytest_evalgate.app.release_facts import golden_facts
from pytest_evalgate.config import read_file
from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.data_card import card_path
from pytest_evalgate.guard.base_branch import find_base
from pytest_evalgate.reports.brief import AcceptedBaseline, GatesSince
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git
from pytest_evalgate.runs.git_tree import CommitTree
from pytest_evalgate.runs.plan import golden_digest
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.app.release_facts import GoldenFile
    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import Provenance

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that a run was decided by: its role, its path, and the SHA-256 of its bytes, None if it is gone.

    ``committed`` is the SHA-256 at the commit of the run: None if the commit does not contain it, "" if that commit is
    not in this clone.
    """

    role: str
    path: str
    sha256: str | None
    committed: str | None


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """Golden sets by suite, accepted baselines by run, source files, and the changes of the gate.

    ``since`` is None if there is no earlier release.
    """

    goldens: Mapping[str, tuple[GoldenFile, ...]] = field(default_factory=lambda: _NOTHING)
    baselines: Mapping[str, tuple[AcceptedBaseline, ...]] = field(default_factory=lambda: _NOTHING)
    sources: tuple[SourceFile, ...] = ()
    since: GatesSince | None = None


def release_facts(project: Project, runs: Sequence[DecidedRun], since: str | None = None) -> ReleaseFacts:
    """Collect the facts of a release.

    Args:
        project: The project.
        runs: The runs, of one commit.
        since: The ref of the last release; by default the newest tag before the commit of the runs.

    Raises:
        UserError: a file of the project cannot be read.
    """
    return ReleaseFacts(
        golden_facts([one.run for one in runs], project.root),
        {one.run.id: tuple(accepted_baselines(one, project)) for one in runs},
        tuple(_source_files(project, runs)),
        _gates_since(project, runs, since),
    )


_FORMAT: Final = "--format=%h%x00%an%x00%as"
_FIELDS: Final = 3


def accepted_baselines(decided: DecidedRun, project: Project) -> Iterator[AcceptedBaseline]:
    """Yield the baseline of each suite, and who committed it by the git history of the project."""
    for name, suite in decided.verdict.suites.items():
        baseline = decided.baselines.get(name)
        if baseline is None:
            yield AcceptedBaseline(name)
            continue
        origin = baseline.provenance
        source = baseline.source if suite.delta is None else suite.delta.baseline
        commit, author, date = _promotion(project, name, source, origin.run_id)
        yield AcceptedBaseline(
            suite=name,
            source=source,
            run_id=origin.run_id,
            of_commit=origin.commit,
            promoted=origin.promoted,
            reason=origin.reason,
            author=author,
            committed=date,
            commit=commit,
        )


def _promotion(project: Project, suite: str, source: str, run_id: str) -> tuple[str, str, str]:
    """Return commit, author and date of the commit that added the run's id to a baseline file; "" if unknown."""
    kind, _, where = source.partition(":")
    try:
        ref = git.commit_of(project.root, where if kind == "git" else "HEAD")
        file = where if kind == "file" else files.relative_name(project.baseline_file(suite), project.root)
    except UserError:
        return "", "", ""
    return added_by(project.root, run_id, file, ref)


def added_by(root: Path, text: str, file: str, ref: str = "HEAD") -> tuple[str, str, str]:
    """Return commit, author and date of the commit that added a text to a file; "" if unknown."""
    try:
        found = git.output(root, "log", f"-S{text}", _FORMAT, ref, "--", file)
    except UserError:
        return "", "", ""
    fields = found.splitlines()[-1].split("\0") if found else []  # the oldest commit: a later one removed the text
    return (fields[0], fields[1], fields[2]) if len(fields) == _FIELDS else ("", "", "")


def _gates_since(project: Project, runs: Sequence[DecidedRun], since: str | None) -> GatesSince | None:
    commit = runs[0].run.commit
    ref = since or ("" if commit is None else _last_tag(project.root, commit))
    if not ref:
        return None
    state, tier = project.state.path, runs[0].info.tier
    try:
        base = find_base(ref, project.settings, root=project.root, state=state, tier=tier, environ={}).branch
        if base is None:  # never: a ref was given
            return None
        for one in runs:
            compare_golden_sets(base, in_tier(project, one.info.tier), one.run)
        return GatesSince(ref, base.changes)
    except UserError as error:
        return GatesSince(ref, problem=str(error))


def _last_tag(root: Path, commit: str) -> str:
    """Return the newest tag before a commit, "" if there is none. A tag of the commit itself is this release."""
    try:
        return git.output(root, "describe", "--tags", "--abbrev=0", f"{commit}^")
    except UserError:
        return ""


def _source_files(project: Project, runs: Sequence[DecidedRun]) -> Iterator[SourceFile]:
    """Yield the files of the project. The digest of one that was edited after the run is None."""
    at_commit = _AtCommit.of(project.root, runs[0].run.commit)
    compared = {path: origin for one in runs for path, origin in _baseline_files(project, one).items()}
    edited = {path for one in runs for path in edited_goldens(one.run, project.root)}
    for path, role in sorted(project_files(project, runs).items()):
        full = files.configured_path(project.root, path, role)
        try:
            sha256 = hashlib.sha256(files.read_bytes(full)).hexdigest()
        except OSError:
            sha256 = None
        if path in edited or (path in compared and not _is_of(full, *compared[path])):
            sha256 = None
        yield SourceFile(role, path, sha256, at_commit.sha256(path))


def _is_of(file: Path, suite: str, origin: Provenance) -> bool:
    """Return whether a baseline file is still the one that a run was compared with."""
    try:
        found = baselines.find(None, suite=suite, file=file, root=file.parent)
    except UserError:
        return False
    return found is not None and found.provenance == origin


def edited_goldens(run: Run, root: Path) -> Iterator[str]:
    """Yield the golden sets below ``root`` that do not have the cases that a run was planned from."""
    for suite in run.suites:
        try:
            paths = [files.configured_path(root, path, "golden set") for path in suite.plan.golden]
            digest = golden_digest(golden.load(paths, root=root)) if paths else ""
        except UserError:
            digest = ""
        if digest != suite.plan.golden_sha256:
            yield from suite.plan.golden


def project_files(project: Project, runs: Sequence[DecidedRun]) -> dict[str, str]:
    """Return the role of each file of the project that decided the runs, by its path.

    Files of judges and data cards are left out if they do not exist.
    """
    found: dict[str, str] = {}
    configured = read_file(project.root)
    if configured is not None:
        found[configured.name] = "configuration"
    for one in runs:
        settings = in_tier(project, one.info.tier).settings
        found |= {suite.run_labels: "run labels" for suite in settings.suites.values() if suite.run_labels is not None}
        for suite_run in one.run.suites:
            for path in suite_run.plan.golden:
                found[path] = "golden set"
                card = card_path(Path(path)).as_posix()
                found |= {card: "data card"} if (project.root / card).is_file() else {}
        found |= dict.fromkeys(_baseline_files(project, one), "baseline")
        judges = {judge.name for suite in one.verdict.suites.values() for judge in suite.judges}
        for path, role in _files_of_judges(settings, judges):
            found |= {path: role} if (project.root / path).is_file() else {}
    calibrations = [path for path, role in found.items() if role == "calibration"]
    return found | dict(_labels_of(project.root, calibrations))


def _labels_of(root: Path, calibrations: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the label files of calibrations, as far as they are below ``root``."""
    if not calibrations:
        return
    from pytest_evalgate.judges import calibration  # noqa: PLC0415 - pydantic and scipy; few runs have a judge

    for path in calibrations:
        labels = calibration.read(root / path).labels
        if files.configured_path(root, labels, f"labels of {path}").is_file():
            yield labels, "labels"


def _baseline_files(project: Project, decided: DecidedRun) -> dict[str, tuple[str, Provenance]]:
    """Return suite and provenance of each baseline that was read from a file, by its path."""
    found = {}
    for name, baseline in decided.baselines.items():
        delta = decided.verdict.suites[name].delta
        kind, _, path = ("file", "", "") if delta is None else delta.baseline.partition(":")
        if baseline is not None and kind == "file":
            path = path or files.relative_name(project.baseline_file(name), project.root)
            found[path] = (name, baseline.provenance)
    return found


def _files_of_judges(settings: Settings, judges: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(judges & settings.judges.keys()):
        judge = settings.judges[name]
        named = ((judge.rubric, "rubric"), (judge.few_shots, "few-shots"), (judge.calibration, "calibration"))
        yield from ((path, role) for path, role in named if path is not None)
        if judge.calibration is not None:
            path = Path(judge.calibration)
            yield path.with_name(f"{path.stem}.drift.json").as_posix(), "drift record"


@dataclass(frozen=True, slots=True)
class _AtCommit:
    """The files of the project at a commit; ``tree`` is None if the commit is unknown."""

    tree: CommitTree | None

    @classmethod
    def of(cls, root: Path, commit: str | None) -> _AtCommit:
        if commit is None:
            return cls(None)
        try:
            git.require_repository(root)
            return cls(CommitTree(root, git.commit_of(root, commit)))
        except UserError:
            return cls(None)

    def sha256(self, path: str) -> str | None:
        """Return the digest of a file; None if the commit does not contain it, "" if that is unknown."""
        if self.tree is None:
            return ""
        try:
            data = self.tree.read(os.path.normpath(path))
        except UserError:
            return ""
        return None if data is None else hashlib.sha256(data).hexdigest()
