"""Release pack: the files that show why a release may go out, and a manifest of their digests.

The names are those of a state folder, so that runs are read from a pack as from a project::

    manifest.json    readiness.md     readiness.html    model-card.md     models.json    coverage.json
    sources.json     golden.json      audit.json        environment.json  project/evalgate.toml
    runs/ID/run.jsonl  verdict.json  attempts.jsonl  suites/0.json  calibrations/NAME.json

``project/`` has the configuration, and the files of judges, labels and data cards. The same runs, commit and
environment give the same bytes: nothing in a pack depends on the clock.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.app.decide import in_tier
from pytest_evalgate.app.environment_facts import environment
from pytest_evalgate.app.pack_pages import PackContent, derived_files
from pytest_evalgate.app.past_runs import place_of, project_name
from pytest_evalgate.app.release import brief_from
from pytest_evalgate.app.release_sources import added_by, project_files, release_facts
from pytest_evalgate.app.view import ReportOptions, read_decided, view_of
from pytest_evalgate.config import read_file
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.view import TextPolicy
from pytest_evalgate.runs import history, run_file
from pytest_evalgate.runs.run_file import config_sha256
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.app.release_sources import ReleaseFacts
    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.records.verdicts import HistoryRow
    from pytest_evalgate.reports.brief import Brief
    from pytest_evalgate.runs.kept import RunFolder

MANIFEST: Final = "manifest.json"
PROJECT: Final = "project"
KIND: Final = "evalgate-evidence"
ATTEMPTS: Final = "attempts.jsonl"
LEFT_OUT: Final = ("baseline", "golden set")
"""Roles of files that are not in ``project/``: baselines are beside their runs, golden sets are there with texts."""


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

    @property
    def all_files(self) -> tuple[tuple[str, bytes], ...]:
        """All files by name, the manifest last: a pack that was cut while it was written has none."""
        return (*sorted(self.files.items()), (MANIFEST, self.manifest))


def build_pack(
    project: Project, runs: Sequence[str], *, since: str | None = None, with_texts: bool = False
) -> ReleasePack:
    """Collect the files of decided runs.

    Args:
        project: The project.
        runs: Ids or folders of the runs; the newest one if empty.
        since: The ref of the last release; by default the newest tag before the commit of the runs.
        with_texts: Whether the golden sets are in the pack, and not only their digests.

    Raises:
        UserError: a run was not decided, or has another configuration or commit.
    """
    wanted: tuple[str | None, ...] = tuple(runs) or (None,)
    read = [(kept, read_decided(kept)) for kept in map(project.decided, wanted)]
    found = [pair for _, pair in sorted({pair[1].run.id: pair for pair in read}.items())]
    decided = [one for _, one in found]
    _check(project, decided)
    facts = release_facts(project, decided, since)
    views = [
        view_of(kept, one, ReportOptions(kept.folder, TextPolicy.by(project.settings.report))) for kept, one in found
    ]
    brief = brief_from(list(zip(views, decided, strict=True)), project.settings, facts)
    packed: dict[str, bytes] = {}
    for kept, one in found:
        packed |= dict(_run_files(kept, one)) | dict(_attempt_files(project, one))
    packed |= {f"{PROJECT}/{name}": data for name, data in _project_files(project, decided, with_texts=with_texts)}
    packed["environment.json"] = to_bytes(environment())
    packed |= {name: to_bytes(value) for name, value in facts_as_json(facts).items()}
    packed["audit.json"] = to_bytes(_audit(project, decided, facts))
    packed |= derived_files(PackContent(brief, decided, project.settings, packed))
    return ReleasePack(packed, manifest_of([one.run.id for one in decided], decided[0].run.commit, packed), brief)


def write_folder(pack: ReleasePack, folder: Path) -> None:
    """Write a pack into a new or empty folder; the manifest is written last.

    Raises:
        UserError: the folder contains files, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"--out {folder}: it exists and is not an empty folder: name a new one")
    for name, data in pack.all_files:
        files.write_atomically(folder / name, data)


def facts_as_json(facts: ReleaseFacts) -> dict[str, Any]:
    """Return the facts that have files of their own, by the name of the file."""
    return {
        "golden.json": {name: [dataclasses.asdict(one) for one in some] for name, some in facts.goldens.items()},
        "sources.json": [dataclasses.asdict(one) for one in facts.sources],
    }


def manifest_of(runs: Sequence[str], commit: str | None, found: Mapping[str, bytes]) -> bytes:
    """Return the manifest: the runs, their commit, and the SHA-256 of each file."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}
    return to_bytes({"commit": commit, "files": digests, "kind": KIND, "runs": list(runs), "schema": 1})


def to_bytes(value: Any) -> bytes:
    """Return JSON with sorted keys: the same value gives the same bytes."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def _check(project: Project, decided: Sequence[DecidedRun]) -> None:
    for one in decided:
        run = one.run
        if one.info.config_sha256 != config_sha256(in_tier(project, one.info.tier).settings):
            at = "" if run.commit is None else f" of commit {run.commit[:12]}"
            raise SettingsError(f"run {run.id} has another configuration than {project.root}: use a checkout{at}")
        if run.commit != decided[0].run.commit:
            raise SettingsError(
                f"run {run.id} is of commit {run.commit}, but run {decided[0].run.id} is of {decided[0].run.commit}: "
                "a release has one commit"
            )


def _run_files(kept: RunFolder, decided: DecidedRun) -> Iterator[tuple[str, bytes]]:
    here = f"runs/{decided.run.id}"
    yield f"{here}/run.jsonl", files.read_bytes(kept.run_file)
    yield f"{here}/verdict.json", files.read_bytes(kept.verdict_file)
    for number in range(len(decided.verdict.suites)):
        for ending in (".json", ".history.jsonl", ".outputs.jsonl"):
            path = kept.folder / "suites" / f"{number}{ending}"
            if path.exists():
                yield f"{here}/suites/{path.name}", files.read_bytes(path)
    for judge in sorted({judge.name for suite in decided.verdict.suites.values() for judge in suite.judges}):
        path = kept.calibration_file(judge)
        if path.exists():
            yield f"{here}/calibrations/{path.name}", files.read_bytes(path)


def _attempt_files(project: Project, decided: DecidedRun) -> Iterator[tuple[str, bytes]]:
    """Yield the rows of the attempts at the commit of a run, and the run files of those that it was pooled with.

    Raises:
        SettingsError: one of them is gone, so that the verdict cannot be derived.
    """
    reruns = {name: suite.reruns for name, suite in decided.verdict.suites.items() if suite.reruns is not None}
    if not reruns:
        return
    state = project.state.path
    rows = history.read(history.file_of(project.settings.history, root=project.root, state=state)).attempts
    listed: list[HistoryRow] = []
    wanted: dict[str, None] = {}
    for name, counted in reruns.items():
        of_suite = [row for row in rows if row.suite == name]
        own = next((row for row in of_suite if row.run_id == decided.run.id), None)
        earlier = () if own is None else history.earlier_attempts(of_suite, own)
        if own is None or len(earlier) != counted.attempt - 1:
            raise SettingsError(
                f"run {decided.run.id}: suite {name} is attempt {counted.attempt} of its commit, and the history "
                f"lists {len(earlier)} earlier: restore the history, or commit and run pytest --eval-gate"
            )
        listed += [*earlier, own]
        wanted |= {row.run_id: None for row in earlier if counted.pooled > 1 and row.run_id not in counted.gone}
    yield f"runs/{decided.run.id}/{ATTEMPTS}", b"".join(map(history.dumps, listed))
    for run_id in wanted:
        try:
            yield f"runs/{run_id}/run.jsonl", files.read_bytes(run_file.path_of(state, run_id))
        except OSError:
            raise SettingsError(
                f"run {decided.run.id} was decided together with run {run_id}, whose file is gone: commit, and run "
                "pytest --eval-gate"
            ) from None


def _project_files(
    project: Project, decided: Sequence[DecidedRun], *, with_texts: bool
) -> Iterator[tuple[str, bytes]]:
    """Yield the configuration and the files that decided the runs; golden sets only with texts."""
    for path, role in sorted(project_files(project, decided).items()):
        if role not in LEFT_OUT or (with_texts and role == "golden set"):
            yield path, files.read_bytes(files.existing_path(project.root, path, role))


def _audit(project: Project, decided: Sequence[DecidedRun], facts: ReleaseFacts) -> dict[str, Any]:
    configured = read_file(project.root)
    file = "" if configured is None else configured.name
    return {
        "acknowledgements": [
            {"change": one.change, "owner": one.owner, "reason": one.reason}
            | dict(zip(("commit", "author", "committed"), added_by(project.root, one.change, file), strict=True))
            for one in project.settings.acknowledged
        ],
        "baselines": {run_id: [dataclasses.asdict(one) for one in some] for run_id, some in facts.baselines.items()},
        "promotions": list(_promotions(project, decided)),
        "since": None if facts.since is None else dataclasses.asdict(facts.since),
    }


def _promotions(project: Project, decided: Sequence[DecidedRun]) -> Iterator[dict[str, Any]]:
    """Yield the promotions of the suites that the store lists, oldest first; none without a store.

    Raises:
        UserError: the store cannot be read.
    """
    place = place_of(project.settings, project.state.path)
    if place is None or (place.file is not None and not place.file.exists()):
        return
    from pytest_evalgate.store import Database  # noqa: PLC0415 - a driver

    with Database.reading(place) as database:
        for suite in sorted({name for one in decided for name in one.verdict.suites}):
            for row in database.query("promotions", project=project_name(project.root), suite=suite):
                yield {"suite": suite, **{name: None if value is None else str(value) for name, value in row.items()}}
