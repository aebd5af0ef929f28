"""Check of a release pack: the digests of its files, and that its verdict and its pages follow from its run file.

Nothing but the pack is read, and no file is opened that is not a regular file below its folder. The judges' reasons
not to count, the changes of the gate, and the dates of golden sets are taken from the pack: they need the project.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import stat
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import config
from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.app.release import brief_from
from pytest_evalgate.app.release_facts import GoldenFile
from pytest_evalgate.app.release_pack import KIND, MANIFEST, PROJECT, manifest_of, readiness_files, to_bytes
from pytest_evalgate.app.view import ReportOptions, read_decided, view_of
from pytest_evalgate.config import for_tier, owner_of, suite_named
from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates import decide
from pytest_evalgate.gates.rules import JudgeRule
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.reports.brief import AcceptedBaseline
from pytest_evalgate.reports.view import TextPolicy
from pytest_evalgate.runs import git_tree
from pytest_evalgate.runs.kept import RunFolder, encode
from pytest_evalgate.runs.run_file import config_sha256
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.config import Settings, Suite
    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.records.verdicts import Baseline, SuiteVerdict, Verdict

_TOLERANCE: Final = 1e-9
"""Relative difference between figures that other versions of scipy may cause."""

_OF_SESSION: Final = frozenset(
    {"exit_code", "duration_s", "problems", "refused", "resumed", "changed_in_gate", "base_problem"}
)
"""Fields of a verdict that its session knows, and its run file and configuration do not determine."""

_OF_HISTORY: Final = frozenset({"trend", "notes", "reruns"})


@dataclass(frozen=True, slots=True)
class PackCheck:
    """The problems of a pack, its digest, and the decision that it states; "" if it cannot be read."""

    problems: tuple[str, ...]
    sha256: str
    decision: str = ""


def check_pack(folder: Path, *, repository: Path | None = None, sha256: str | None = None) -> PackCheck:
    """Check a release pack.

    Args:
        folder: The pack.
        repository: A clone of the project, to compare the files of the stated commit with the pack.
        sha256: The digest of the pack as ``evidence`` printed it, which shows that the whole pack was not replaced.
    """
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
        decision, derived = _derive(folder, data, found, repository)
    except (UserError, ValueError, TypeError, KeyError) as error:
        return PackCheck((f"the verdict cannot be derived: {error}",), digest)
    return PackCheck(tuple(derived), digest, decision)


def _regular_files(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the files of a folder by name; symbolic links and other special files are problems."""
    found: dict[str, Path] = {}
    problems = []
    if not folder.is_dir():
        return {}, [f"{folder}: not a folder"]
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
    return digests


def _derive(
    folder: Path, manifest: bytes, found: Mapping[str, Path], repository: Path | None
) -> tuple[str, list[str]]:
    """Decide the run of a pack again; return the decision of its page, and what does not follow from the run."""
    decided = read_decided(RunFolder(folder))
    settings = config.load(folder / PROJECT)
    goldens = _goldens(found["golden.json"])
    problems = list(_identity(decided, settings, manifest, found))
    if not problems:
        problems += _other_verdict(folder, decided, for_tier(settings, decided.info.tier))
    view = view_of(RunFolder(folder), decided, ReportOptions(folder, TextPolicy.by(settings.report)))
    audit = jsonl.loads(files.read_bytes(found["audit.json"]))
    baselines = tuple(AcceptedBaseline(**one) for one in audit["baselines"])
    problems += _other_baselines(baselines, decided)
    brief = brief_from(view, decided, settings, goldens, baselines)
    for name, page in readiness_files(brief).items():
        if name not in found or files.read_bytes(found[name]) != page:
            problems.append(f"{name}: it does not follow from the verdict ({brief.decision})")
    if repository is not None:
        problems += _other_commit(decided, found, goldens, repository)
    return brief.decision, problems


def _goldens(path: Path) -> dict[str, tuple[GoldenFile, ...]]:
    value = jsonl.loads(files.read_bytes(path))
    return {name: tuple(GoldenFile(**one) for one in some) for name, some in value.items()}


def _identity(decided: DecidedRun, settings: Settings, manifest: bytes, found: Mapping[str, Path]) -> Iterator[str]:
    run, verdict = decided.run, decided.verdict
    names = {name: files.read_bytes(path) for name, path in found.items() if name != MANIFEST}
    if manifest_of(decided, names) != manifest:
        yield f"{MANIFEST}: its run or its commit is not that of run.jsonl"
    if (verdict.run_id, verdict.commit, verdict.tier) != (run.id, run.commit, decided.info.tier):
        yield f"verdict.json: it belongs to run {verdict.run_id}, not to run {run.id} of run.jsonl"
    if decided.info.config_sha256 != config_sha256(for_tier(settings, decided.info.tier)):
        yield f"{PROJECT}: the run of run.jsonl has another configuration"


def _other_baselines(stated: tuple[AcceptedBaseline, ...], decided: DecidedRun) -> Iterator[str]:
    compared = {name: "" if one is None else one.provenance.run_id for name, one in decided.baselines.items()}
    if {one.suite: one.run_id for one in stated} != compared:
        yield "audit.json: its baselines are not those of the run"


def _other_verdict(folder: Path, decided: DecidedRun, settings: Settings) -> list[str]:
    """Return the first difference from the verdict that the gates give.

    The base branch and the variable CI decide whether a suite without a baseline may be recorded: each case is tried.
    """
    found: list[str] = []
    for may_record, is_new in itertools.product((True, False), (False, True)):
        derived = _decide_again(folder, decided, settings, may_record=may_record, is_new=is_new)
        found = list(itertools.islice(_differences(decided.verdict, derived), 1))
        if not found:
            break
    return found


def _decide_again(folder: Path, decided: DecidedRun, settings: Settings, *, may_record: bool, is_new: bool) -> Verdict:
    claimed = decided.verdict
    problems: list[str] = []
    baselines = {name: _with_source(one, claimed.suites[name]) for name, one in decided.baselines.items()}
    root = folder / PROJECT
    decider = RunDecider(root, settings, root, partial(_without_judges, settings), _baselines=baselines)
    names = [suite.plan.name for suite in decided.run.suites]
    rules: dict[str, SuiteRules] = {
        name: replace(
            rule,
            judges=_judge_rules(folder, settings, name, claimed),
            record_without_baseline=may_record,
            is_new=is_new and rule.baseline is None,
        )
        for name, rule in decider.rules(names, problems.append).items()
    }
    if problems:
        raise UserError("; ".join(problems))
    return decide(
        decided.run,
        rules,
        warn_inconclusive=settings.on_inconclusive == "warn",
        not_run=[name for name in settings.suites if name not in rules and name not in map(owner_of, rules)],
        changes=claimed.changed_in_gate or (),
        tier=settings.default_tier,
    )


def _with_source(baseline: Baseline | None, suite: SuiteVerdict) -> Baseline | None:
    if baseline is None or suite.delta is None:
        return baseline
    return replace(baseline, source=suite.delta.baseline)


def _without_judges(settings: Settings, name: str) -> Suite | None:
    """Return a suite without its judges, whose rubrics are not in the pack."""
    suite = suite_named(settings, name)
    if suite is None:
        return None
    rules = tuple(spec for spec in suite.scorers if not (isinstance(spec, dict) and "judge" in spec))
    return suite.model_copy(update={"scorers": rules})


def _judge_rules(folder: Path, settings: Settings, name: str, claimed: Verdict) -> dict[str, JudgeRule]:
    """Return the rules of the judges of a suite, from their calibrations and the reasons in the verdict."""
    suite = suite_named(settings, name)
    of_verdict = {judge.name: judge for judge in claimed.suites[name].judges}
    found = {}
    for spec in () if suite is None else suite.scorers:
        if not isinstance(spec, dict) or "judge" not in spec:
            continue
        judge = str(spec["judge"])
        path = RunFolder(folder).calibration_file(judge)
        calibration = calibrations.read(path) if path.exists() else None
        told = of_verdict.get(judge)
        counts = told is not None and told.why_not is None
        if told is not None and counts and calibration is not None and calibration.fingerprint != told.fingerprint:
            raise UserError(f"judge {judge}: its calibration is of another judge")
        found[str(spec.get("name") or judge)] = JudgeRule(
            name=judge,
            calibration=calibration,
            fingerprint="" if told is None else told.fingerprint,
            why_not=None if told is None else told.why_not,
            report_only=settings.judges[judge].report_only or spec.get("severity") == "warn",
        )
    return found


def _differences(claimed: Verdict, derived: Verdict) -> Iterator[str]:
    if derived.exit_code != 0 and claimed.exit_code == 0:
        yield f"verdict.json: exit_code is 0, but the gates give {derived.exit_code}"
    here, there = encode(claimed), encode(derived)
    for value in (here, there):
        for name in _OF_SESSION:
            value.pop(name, None)
        for suite in value["suites"].values():
            for name in _OF_HISTORY:
                suite.pop(name, None)
    for place, one, other in _unequal(_plain(here), _plain(there), ""):
        yield f"verdict.json: {place} is {one}, but the run file and the gates give {other}"


def _plain(value: Any) -> Any:
    return jsonl.loads(to_bytes(value))


def _unequal(one: Any, other: Any, place: str) -> Iterator[tuple[str, str, str]]:
    """Yield the places at which two JSON values differ, with both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _unequal(one.get(key), other.get(key), f"{place}.{key}" if place else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _unequal(*pair, f"{place}[{number}]")
    elif isinstance(one, float) and isinstance(other, (int, float)):
        if not math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            yield place, str(one), str(other)
    elif one != other:
        yield place, jsonl.escape_text(str(one)[:80]), jsonl.escape_text(str(other)[:80])


def _other_commit(
    decided: DecidedRun,
    found: Mapping[str, Path],
    goldens: Mapping[str, tuple[GoldenFile, ...]],
    repository: Path,
) -> Iterator[str]:
    """Yield the files of the project that are not those of the commit of the run."""
    commit = decided.run.commit
    if commit is None:
        yield "run.jsonl: it states no commit"
        return
    prefix = f"{PROJECT}/"
    stated = {name.removeprefix(prefix): _sha256(path) for name, path in found.items() if name.startswith(prefix)}
    stated |= {file.path: file.sha256 or "" for some in goldens.values() for file in some}
    for name, sha256 in stated.items():
        if hashlib.sha256(git_tree.show(repository, commit, name)).hexdigest() != sha256:
            yield f"{jsonl.escape_text(name)}: it is not that of commit {commit[:12]}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(files.read_bytes(path)).hexdigest()
