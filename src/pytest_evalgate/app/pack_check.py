"""Check of a release pack: the digests of its files, and that its verdicts and its pages follow from its run files.

Nothing but the pack is read: no project, no code of one, no network, and no file that is not a regular file below its
folder. Taken from the pack, because they need the project: why a judge does not count, the changes of the gate, who
accepted what, the dates of golden sets, and the environment. A pack that was made again as a whole is found only by
its digest or its signature.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import config
from pytest_evalgate.app.pack_archive import name_problem, unpack
from pytest_evalgate.app.pack_decide import PackedRun
from pytest_evalgate.app.pack_pages import DERIVED, PackContent, derived_files
from pytest_evalgate.app.release import brief_from
from pytest_evalgate.app.release_facts import GoldenFile
from pytest_evalgate.app.release_pack import (
    ATTEMPTS,
    KIND,
    LEFT_OUT,
    MANIFEST,
    PROJECT,
    facts_as_json,
    manifest_of,
    to_bytes,
)
from pytest_evalgate.app.release_sources import ReleaseFacts, SourceFile, edited_goldens
from pytest_evalgate.app.view import ReportOptions, read_decided, view_of
from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.verdicts import GateChange
from pytest_evalgate.reports.brief import AcceptedBaseline, GatesSince
from pytest_evalgate.reports.view import TextPolicy
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git_tree
from pytest_evalgate.runs.kept import RunFolder
from pytest_evalgate.runs.run_file import config_sha256
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.config import Settings

_PACKAGE: Final = "pytest-evalgate"
_FIXED: Final = frozenset({*DERIVED, "golden.json", "sources.json", "audit.json", "environment.json"})
"""Files that every pack has, besides its manifest, its runs and the files of the project."""

_OF_RUN: Final = re.compile(
    r"runs/(?P<id>[^/]+)/"
    r"(run\.jsonl|verdict\.json|attempts\.jsonl|suites/\d+(\.history|\.outputs)?\.jsonl?|calibrations/[^/]+\.json)"
)


@dataclass(frozen=True, slots=True)
class PackCheck:
    """The problems of a pack, its digest, and the decision that it states; "" if it cannot be read."""

    problems: tuple[str, ...]
    sha256: str
    decision: str = ""


def check_pack(pack: Path, *, repository: Path | None = None, sha256: str | None = None) -> PackCheck:
    """Check a release pack.

    Args:
        pack: The pack: an archive or a folder.
        repository: A clone of the project, to compare the files of the stated commit with the pack.
        sha256: The digest of the pack as ``evidence`` printed it, which shows that the whole pack was not replaced.
    """
    if pack.is_dir():
        return _check_folder(pack, repository, sha256)
    if not pack.is_file():
        return PackCheck((f"{pack}: neither an archive nor a folder",), "")
    with tempfile.TemporaryDirectory(prefix="evalgate-pack-") as folder:
        if problems := unpack(pack, Path(folder)):
            return PackCheck(tuple(problems), "")
        return _check_folder(Path(folder), repository, sha256)


def _check_folder(folder: Path, repository: Path | None, sha256: str | None) -> PackCheck:
    found, problems = _regular_files(folder)
    manifest = found.get(MANIFEST)
    if manifest is None:
        return PackCheck((*problems, f"{MANIFEST}: missing"), "")
    data = files.read_bytes(manifest)
    digest = hashlib.sha256(data).hexdigest()
    problems += _against_manifest(data, found)
    if sha256 is not None and sha256 != digest:
        problems.append(f"{MANIFEST}: its SHA-256 is {digest}, not {sha256}: this is another pack")
    if problems:  # files that were changed are not parsed
        return PackCheck(tuple(problems), digest)
    try:
        pack = _Pack.read(folder, data, found)
        problems = list(pack.problems())
        if repository is not None:
            problems += _other_commit(pack, repository)
    except (UserError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return PackCheck((f"the verdict cannot be derived: {error}".replace(f"{folder}{os.sep}", ""),), digest)
    return PackCheck(tuple(problem.replace(f"{folder}{os.sep}", "") for problem in problems), digest, pack.decision)


def _regular_files(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the files of a folder by name; symbolic links and other special files are problems."""
    found: dict[str, Path] = {}
    problems = []
    for place, folders, names in os.walk(folder):
        for name in sorted((*folders, *names)):
            path = Path(place, name)
            mode = path.lstat().st_mode
            shown = path.relative_to(folder).as_posix()
            if stat.S_ISREG(mode):
                found[shown] = path
            elif not stat.S_ISDIR(mode):
                problems.append(f"{jsonl.escape_text(shown)}: not a regular file")
    return found, problems


def _against_manifest(data: bytes, found: Mapping[str, Path]) -> list[str]:
    try:
        digests = _digests(data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return [f"{MANIFEST}: not the manifest of a release pack: {error}"]
    problems = [f"{jsonl.escape_text(name)}: missing" for name in digests if name not in found]
    for name, path in found.items():
        if name == MANIFEST:
            continue
        if name not in digests:
            problems.append(f"{jsonl.escape_text(name)}: not in {MANIFEST}")
        elif hashlib.sha256(files.read_bytes(path)).hexdigest() != digests[name]:
            problems.append(f"{jsonl.escape_text(name)}: its content differs from its digest in {MANIFEST}")
    return problems


def _digests(data: bytes) -> dict[str, str]:
    """Return the digests of a manifest. Its bytes are those that the same values give, so that no byte is free."""
    manifest = jsonl.loads(data)
    digests: dict[str, str] = manifest["files"]
    is_whole = to_bytes(manifest) == data and manifest["kind"] == KIND and manifest["schema"] == 1
    if not is_whole or not all(isinstance(value, str) for value in digests.values()):
        raise ValueError("it was edited")
    if problem := next(filter(None, map(name_problem, digests)), ""):
        raise ValueError(problem)
    return digests


@dataclass(frozen=True, slots=True)
class _Pack:
    """A pack whose files have their digests: its runs, its configuration and its facts."""

    folder: Path
    manifest: bytes
    files: Mapping[str, bytes]
    runs: tuple[DecidedRun, ...]
    settings: Settings
    facts: ReleaseFacts
    made: Mapping[str, bytes]
    decision: str

    @classmethod
    def read(cls, folder: Path, manifest: bytes, found: Mapping[str, Path]) -> _Pack:
        """Read a pack, and make the files that follow from the others."""
        data = {name: files.read_bytes(path) for name, path in found.items() if name != MANIFEST}
        names = jsonl.loads(manifest)["runs"]
        runs = tuple(read_decided(RunFolder(folder / "runs" / name)) for name in names)
        if not runs:
            raise ValueError(f"{MANIFEST}: it names no run")
        for name, one in zip(names, runs, strict=True):
            if one.run.id != name:
                raise ValueError(f"runs/{name}/run.jsonl: it is of run {one.run.id}")
        if missing := sorted(_FIXED - data.keys()):
            raise ValueError(f"{missing[0]}: missing")
        settings = config.load(folder / PROJECT)
        facts = _facts(data)
        views = [_view(folder, one, settings) for one in runs]
        brief = brief_from(list(zip(views, runs, strict=True)), settings, facts)
        made = derived_files(PackContent(brief, runs, settings, data))
        return cls(folder, manifest, data, runs, settings, facts, made, brief.decision)

    def problems(self) -> Iterator[str]:
        """Yield what does not follow from the run files, and what no pack contains."""
        names = [one.run.id for one in self.runs]
        if manifest_of(names, self.runs[0].run.commit, self.files) != self.manifest:
            yield f"{MANIFEST}: its runs or its commit are not those of the run files"
        yield from self._unknown_files()
        for one in self.runs:
            identity = list(self._identity(one))
            yield from identity
            if not identity:
                yield from PackedRun(self.folder, one, self.settings).differences()
            yield from self._other_baselines(one)
        yield from self._other_sources()
        for name, value in facts_as_json(self.facts).items():
            if self.files[name] != to_bytes(value):
                yield f"{name}: not the form that evidence writes"
        for name, data in self.made.items():
            if self.files.get(name) != data:
                yield f"{name}: it does not follow from the other files ({self.decision}){self._other_version()}"

    def _unknown_files(self) -> Iterator[str]:
        """Yield the files that belong to nothing: neither to a run, nor to the project, nor to every pack."""
        decided = {one.run.id for one in self.runs}
        stated = {f"{PROJECT}/{one.path}" for one in self.facts.sources}
        attempts = {f"runs/{name}/run.jsonl" for name in self._attempts()}
        for name in self.files:
            of_run = _OF_RUN.fullmatch(name)
            if name in stated or name in _FIXED or name in attempts or (of_run and of_run["id"] in decided):
                continue
            yield f"{jsonl.escape_text(name)}: evidence writes no such file"

    def _attempts(self) -> set[str]:
        rows = (data for name, data in self.files.items() if name.endswith(f"/{ATTEMPTS}"))
        return {str(jsonl.loads(line)["run_id"]) for data in rows for line in data.splitlines()}

    def _identity(self, one: DecidedRun) -> Iterator[str]:
        run, verdict, here = one.run, one.verdict, f"runs/{one.run.id}"
        if (verdict.run_id, verdict.commit, verdict.tier) != (run.id, run.commit, one.info.tier):
            yield f"{here}/verdict.json: it belongs to run {verdict.run_id}, not to run {run.id} of run.jsonl"
        if run.commit != self.runs[0].run.commit:
            yield f"{here}/run.jsonl: it is of another commit than run {self.runs[0].run.id}"
        if one.info.config_sha256 != config_sha256(config.for_tier(self.settings, one.info.tier)):
            yield f"{PROJECT}: the run of {here}/run.jsonl has another configuration"

    def _other_baselines(self, one: DecidedRun) -> Iterator[str]:
        stated = self.facts.baselines.get(one.run.id, ())
        compared = {name: "" if found is None else found.provenance.run_id for name, found in one.baselines.items()}
        if {found.suite: found.run_id for found in stated} != compared:
            yield "audit.json: its baselines are not those of the run"

    def _other_sources(self) -> Iterator[str]:
        """Yield the files of the project that are missing, or whose digest or cases are not those that are stated."""
        stated = {one.path: one for one in self.facts.sources}
        for path, one in stated.items():
            name = f"{PROJECT}/{path}"
            data = self.files.get(name)
            if data is None and one.sha256 is not None and one.role not in LEFT_OUT:
                yield f"{jsonl.escape_text(name)}: missing, but sources.json lists it"
            elif data is not None and one.sha256 not in (None, hashlib.sha256(data).hexdigest()):
                yield f"{jsonl.escape_text(name)}: its digest is not that of sources.json"
        for run in (one.run for one in self.runs):
            here = {path for suite in run.suites for path in suite.plan.golden if f"{PROJECT}/{path}" in self.files}
            for path in sorted(here & set(edited_goldens(run, self.folder / PROJECT))) if here else ():
                if path not in stated or stated[path].sha256 is not None:
                    yield f"{PROJECT}/{path}: its cases are not those of runs/{run.id}/run.jsonl"
        for file in (file for some in self.facts.goldens.values() for file in some):
            if file.path not in stated or stated[file.path].sha256 not in (None, file.sha256):
                yield f"golden.json: the digest of {file.path} is not that of sources.json"

    def _other_version(self) -> str:
        """Return a hint if another version of this package wrote the pack: its pages may have other words."""
        listed = jsonl.loads(self.files["environment.json"])["distributions"]
        wrote = next((one["version"] for one in listed if one["name"] == _PACKAGE), None)
        own = metadata.version(_PACKAGE)
        return "" if wrote in (None, own) else f"; {_PACKAGE} {wrote} wrote it, and this is {own}: verify with {wrote}"


def _view(folder: Path, one: DecidedRun, settings: Settings) -> Any:
    kept = RunFolder(folder / "runs" / one.run.id)
    return view_of(kept, one, ReportOptions(kept.folder, TextPolicy.by(settings.report)))


def _facts(found: Mapping[str, bytes]) -> ReleaseFacts:
    goldens, sources, audit = (jsonl.loads(found[name]) for name in ("golden.json", "sources.json", "audit.json"))
    since = audit["since"]
    return ReleaseFacts(
        {name: tuple(GoldenFile(**one) for one in some) for name, some in goldens.items()},
        {run_id: tuple(AcceptedBaseline(**one) for one in some) for run_id, some in audit["baselines"].items()},
        tuple(SourceFile(**one) for one in sources),
        None
        if since is None
        else GatesSince(since["ref"], tuple(GateChange(**one) for one in since["changes"]), since["problem"]),
    )


def _other_commit(pack: _Pack, repository: Path) -> Iterator[str]:
    """Yield the files that are not those of the commit of the runs."""
    commit = pack.runs[0].run.commit
    if commit is None:
        yield "run.jsonl: it states no commit"
        return
    for one in pack.facts.sources:
        if one.role == "baseline":
            continue
        data = git_tree.file_at(repository, commit, one.path)
        sha256 = None if data is None else hashlib.sha256(data).hexdigest()
        if sha256 is None or sha256 != one.sha256:
            yield f"{jsonl.escape_text(one.path)}: it is not that of commit {commit[:12]}"
    yield from _other_baseline_files(pack.runs, pack.facts.sources, commit, repository)


def _other_baseline_files(
    runs: Sequence[DecidedRun], sources: Sequence[SourceFile], commit: str, repository: Path
) -> Iterator[str]:
    paths = {f"file:{one.path}": one.path for one in sources if one.role == "baseline"}
    for one in runs:
        for name, found in one.baselines.items():
            delta = one.verdict.suites[name].delta
            path = None if found is None or delta is None else paths.get(delta.baseline)
            if found is None or path is None:
                continue
            try:
                committed = baselines.find(f"git:{commit}", suite=name, file=repository / path, root=repository)
            except UserError:
                committed = None
            if committed is None or (committed.provenance, committed.cases) != (found.provenance, found.cases):
                yield f"{jsonl.escape_text(path)}: it is not that of commit {commit[:12]}"
