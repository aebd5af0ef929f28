"""Release pack: a folder with the files that show why a run may be released, and a manifest of their digests.

The names are those of the folder of a decided run (``runs.kept``), and ``project/`` for files of the project::

    manifest.json    run.jsonl       verdict.json    suites/0.json    calibrations/NAME.json
    readiness.md     readiness.html  golden.json     audit.json       project/evalgate.toml

The same run and commit give the same bytes: nothing in it depends on the clock.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.app.decide import in_tier
from pytest_evalgate.app.release import accepted_baselines, brief_of
from pytest_evalgate.app.release_facts import golden_facts
from pytest_evalgate.app.view import ReportOptions, read_decided, view_of
from pytest_evalgate.config import read_file
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.brief import render_brief, render_brief_page
from pytest_evalgate.reports.view import TextPolicy
from pytest_evalgate.runs import git
from pytest_evalgate.runs.run_file import config_sha256
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.reports.brief import Brief
    from pytest_evalgate.runs.kept import RunFolder

MANIFEST: Final = "manifest.json"
PROJECT: Final = "project"
READINESS: Final = ("readiness.md", "readiness.html")
KIND: Final = "evalgate-evidence"
_FORMAT: Final = "--format=%h%x00%an%x00%as"


@dataclass(frozen=True, slots=True)
class ReleasePack:
    """The files of a pack by name, without its manifest, and its brief."""

    files: Mapping[str, bytes]
    manifest: bytes
    brief: Brief

    @property
    def sha256(self) -> str:
        """The digest of the manifest, which identifies the pack."""
        return hashlib.sha256(self.manifest).hexdigest()


def build_pack(project: Project, run: str | None) -> ReleasePack:
    """Collect the files of a decided run.

    Raises:
        UserError: the run was not decided, has another configuration, or was decided together with earlier attempts.
    """
    kept = project.decided(run)
    decided = read_decided(kept)
    _check(project, decided)
    texts = TextPolicy.by(project.settings.report)
    view = view_of(kept, decided, ReportOptions(kept.folder, texts))
    brief = brief_of(view, decided, project)
    found = dict(_run_files(kept, decided))
    found |= {f"{PROJECT}/{name}": data for name, data in _project_files(project, decided)}
    goldens = {
        name: [dataclasses.asdict(one) for one in some]
        for name, some in golden_facts(decided.run, project.root).items()
    }
    found["golden.json"] = to_bytes(goldens)
    found["audit.json"] = to_bytes(_audit(project, decided))
    found |= readiness_files(brief)
    return ReleasePack(found, manifest_of(decided, found), brief)


def write_pack(pack: ReleasePack, folder: Path) -> None:
    """Write a pack into a new or empty folder; the manifest is written last.

    Raises:
        UserError: the folder contains files, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"--out {folder}: it exists and is not an empty folder: name a new one")
    for name, data in (*sorted(pack.files.items()), (MANIFEST, pack.manifest)):
        files.write_atomically(folder / name, data)


def readiness_files(brief: Brief) -> dict[str, bytes]:
    """Return the pages of a brief, by name."""
    return dict(zip(READINESS, (render_brief(brief).encode(), render_brief_page(brief).encode()), strict=True))


def manifest_of(decided: DecidedRun, found: Mapping[str, bytes]) -> bytes:
    """Return the manifest: the run, its commit, and the SHA-256 of each file."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}
    return to_bytes(
        {"commit": decided.run.commit, "files": digests, "kind": KIND, "run_id": decided.run.id, "schema": 1}
    )


def to_bytes(value: Any) -> bytes:
    """Return JSON with sorted keys: the same value gives the same bytes."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def _check(project: Project, decided: DecidedRun) -> None:
    run, info = decided.run, decided.info
    if info.config_sha256 != config_sha256(in_tier(project, info.tier).settings):
        at = "" if run.commit is None else f" of commit {run.commit[:12]}"
        raise SettingsError(f"run {run.id} has another configuration than {project.root}: use a checkout{at}")
    for name, suite in decided.verdict.suites.items():
        if suite.reruns is not None and suite.reruns.pooled > 1:
            raise SettingsError(
                f"run {run.id}: suite {name} was decided together with earlier attempts at its commit, so its run "
                "file does not show the verdict: commit, and run pytest --eval-gate"
            )


def _run_files(kept: RunFolder, decided: DecidedRun) -> Iterator[tuple[str, bytes]]:
    yield "run.jsonl", files.read_bytes(kept.run_file)
    yield "verdict.json", files.read_bytes(kept.verdict_file)
    for number in range(len(decided.verdict.suites)):
        for ending in (".json", ".history.jsonl", ".outputs.jsonl"):
            path = kept.folder / "suites" / f"{number}{ending}"
            if path.exists():
                yield f"suites/{path.name}", files.read_bytes(path)
    for judge in sorted({judge.name for suite in decided.verdict.suites.values() for judge in suite.judges}):
        path = kept.calibration_file(judge)
        if path.exists():
            yield f"calibrations/{path.name}", files.read_bytes(path)


def _project_files(project: Project, decided: DecidedRun) -> Iterator[tuple[str, bytes]]:
    """Yield the configuration, and the labels of runs that gates read."""
    configured = read_file(project.root)
    if configured is not None:
        yield configured.name, files.read_bytes(project.root / configured.name)
    settings = in_tier(project, decided.info.tier).settings
    for name in sorted({suite.run_labels for suite in settings.suites.values() if suite.run_labels is not None}):
        path = files.existing_path(project.root, name, "run_labels")
        yield files.relative_name(path, project.root), files.read_bytes(path)


def _audit(project: Project, decided: DecidedRun) -> dict[str, Any]:
    configured = read_file(project.root)
    known = {one.change: one for one in project.settings.acknowledged}
    return {
        "acknowledgements": [
            {"change": change, "owner": one.owner, "reason": one.reason}
            | _author_of(project, change, "" if configured is None else configured.name)
            for change, one in known.items()
        ],
        "baselines": [dataclasses.asdict(one) for one in accepted_baselines(decided, project)],
    }


def _author_of(project: Project, text: str, file: str) -> dict[str, str]:
    """Return commit, author and date of the commit that added a text to a file; "" if unknown."""
    try:
        found = git.output(project.root, "log", f"-S{text}", _FORMAT, "HEAD", "--", file).splitlines()
    except UserError:
        found = []
    fields = found[-1].split("\0") if found else ["", "", ""]
    return dict(zip(("commit", "author", "committed"), fields, strict=True))
