"""Requirements of a release: each is decided by the verdicts, the runs, their calibrations and their golden sets.

Of several runs, those that a requirement is about decide it, and the worst decision counts. One run of the tier is
enough.

Ages are counted up to the day of the run, so that the same files always give the same decision.
"""

from __future__ import annotations

import hashlib
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from pytest_evalgate.config import (
    GateKept,
    GoldenFresh,
    JudgeCalibrated,
    SuitePasses,
    TierRan,
    ValuesCovered,
    owner_of,
)
from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.brief import RequirementResult
from pytest_evalgate.runs import git
from pytest_evalgate.text import files
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.config import Requirement, Settings
    from pytest_evalgate.records.results import PlannedCase, Run
    from pytest_evalgate.records.verdicts import Calibration, Verdict
    from pytest_evalgate.reports.brief import Decision


@dataclass(frozen=True, slots=True)
class GoldenFile:
    """A golden set: its path, the SHA-256 of its bytes, and the day of its last commit.

    ``sha256`` is None if the file is gone; ``changed`` is "" if it has no commit, or changes that are not committed.
    """

    path: str
    sha256: str | None
    changed: str


@dataclass(frozen=True, slots=True)
class ReleaseRun:
    """A decided run of a release, with the calibrations of its judges."""

    decided: DecidedRun
    calibrations: Mapping[str, Calibration]

    @property
    def day(self) -> date:
        """The day of the run, up to which ages are counted."""
        return date.fromisoformat(self.decided.run.created[:10])


def golden_facts(runs: Sequence[Run], root: Path) -> dict[str, tuple[GoldenFile, ...]]:
    """Return the golden sets of each suite of some runs, as they are in the project now."""
    paths = {suite.plan.name: suite.plan.golden for run in runs for suite in run.suites}
    return {name: tuple(_golden_file(path, root) for path in some) for name, some in paths.items()}


def _golden_file(path: str, root: Path) -> GoldenFile:
    full = files.configured_path(root, path, "golden set")
    try:
        sha256 = hashlib.sha256(files.read_bytes(full)).hexdigest()
    except OSError:
        return GoldenFile(path, None, "")
    try:
        is_changed = git.output(root, "status", "--porcelain", "--", path)
        changed = "" if is_changed else git.output(root, "log", "-1", "--format=%cs", "HEAD", "--", path)
    except UserError:
        changed = ""
    return GoldenFile(path, sha256, changed)


def requirement_results(
    settings: Settings, runs: Sequence[ReleaseRun], goldens: Mapping[str, tuple[GoldenFile, ...]]
) -> Iterator[RequirementResult]:
    """Yield the decision of each requirement of the configuration."""
    for requirement in settings.release.requires:
        yield RequirementResult(_name(requirement), *_decide(requirement, runs, goldens))


def _name(requirement: Requirement) -> str:
    match requirement:
        case SuitePasses():
            return f"suite {requirement.suite} passes"
        case TierRan():
            return f"tier {requirement.tier} ran"
        case JudgeCalibrated():
            return f"judge {requirement.judge} is calibrated within {count(requirement.max_age_days, 'day')}"
        case GoldenFresh():
            return f"golden sets of {requirement.suite} changed within {count(requirement.max_age_days, 'day')}"
        case ValuesCovered():
            return f"suite {requirement.suite} covers {requirement.by} {first_few(requirement.values)}"
        case GateKept():
            return "no weakening of the gate without acknowledgement"


_Found = tuple["Decision", str]


def _decide(
    requirement: Requirement, runs: Sequence[ReleaseRun], goldens: Mapping[str, tuple[GoldenFile, ...]]
) -> _Found:
    match requirement:
        case SuitePasses():
            found = [(one, _suite_passes(one.decided.verdict, requirement.suite)) for one in runs]
            return _worst(found, "it did not run")
        case TierRan():
            tiers = list(dict.fromkeys(one.decided.verdict.tier for one in runs))
            ran = requirement.tier in tiers
            return "go" if ran else "hold", f"the run is of tier {requirement.tier if ran else ', '.join(tiers)}"
        case JudgeCalibrated():
            return _worst([(one, _calibrated(requirement, one)) for one in runs], "no suite of the run asked it")
        case GoldenFresh():
            return _fresh(requirement, goldens, max(one.day for one in runs))
        case ValuesCovered():
            return _covered(requirement, [one.decided.run for one in runs])
        case GateKept():
            return _worst([(one, _gate_kept(one.decided.verdict)) for one in runs], "")


_WORST_FIRST: Final[tuple[Decision, ...]] = ("hold", "go with guardrails", "go")


def _worst(found: Sequence[tuple[ReleaseRun, _Found | None]], none: str) -> _Found:
    """Return the worst decision of the runs that a requirement is about, with the id of the run if there are several.

    ``none`` is the reason to hold if it is about none of them.
    """
    about = [(one, result) for one, result in found if result is not None]
    if not about:
        return "hold", none
    run, (decision, reason) = min(about, key=lambda pair: _WORST_FIRST.index(pair[1][0]))
    return decision, reason if len(about) == 1 else f"{reason} (run {run.decided.run.id})"


def _suite_passes(verdict: Verdict, name: str) -> _Found | None:
    suites = {one: suite for one, suite in verdict.suites.items() if name in (one, owner_of(one))}
    if not suites:
        return None
    failed = [f"{one}: {phrases.word(suite.verdict)}" for one, suite in suites.items() if suite.verdict != "pass"]
    if any(suite.verdict not in ("pass", "inconclusive") for suite in suites.values()):
        return "hold", first_few(failed)
    if failed:
        return "go with guardrails", first_few(failed)
    if any(not phrases.is_blocking(suite) for suite in suites.values()):
        return "go with guardrails", "it passed, but is advisory"
    return "go", "it passed"


def _calibrated(requirement: JudgeCalibrated, run: ReleaseRun) -> _Found | None:
    name = requirement.judge
    used = [judge for suite in run.decided.verdict.suites.values() for judge in suite.judges if judge.name == name]
    if not used:
        return None
    if why_not := next((judge.why_not for judge in used if judge.why_not is not None), None):
        return "hold", f"it does not count: {why_not}"
    found = run.calibrations.get(name)
    if found is None or not all(judge.calibrated for judge in used):
        return "hold", "it is not calibrated"
    age = (run.day - date.fromisoformat(found.created[:10])).days
    reason = f"its calibration of {found.created[:10]} was {count(age, 'day')} old"
    return "go" if 0 <= age <= requirement.max_age_days else "hold", reason


def _fresh(requirement: GoldenFresh, goldens: Mapping[str, tuple[GoldenFile, ...]], day: date) -> _Found:
    found = [file for name, some in goldens.items() if requirement.suite in (name, owner_of(name)) for file in some]
    if not found:
        return "hold", "the suite did not run"
    undated = [file.path for file in found if not file.changed]
    if undated:
        return "hold", f"not committed, so of unknown age: {first_few(undated)}"
    oldest = min(found, key=lambda file: file.changed)
    age = (day - date.fromisoformat(oldest.changed)).days
    reason = f"{oldest.path} was last changed on {oldest.changed}"
    return "go" if age <= requirement.max_age_days else "hold", f"{reason}, {count(max(age, 0), 'day')} before the run"


def _covered(requirement: ValuesCovered, runs: Sequence[Run]) -> _Found:
    outcomes: dict[str, list[str]] = {value: [] for value in requirement.values}
    for suite in (suite for run in runs for suite in run.suites):
        if requirement.suite not in (suite.plan.name, owner_of(suite.plan.name)):
            continue
        for result in suite.results:
            for value in _values(result.case, requirement.by):
                for wanted, found in outcomes.items():
                    if fnmatchcase(value, wanted):
                        found.append(result.outcome)
    if none := [value for value, found in outcomes.items() if not found]:
        return "hold", f"no case has {first_few(none)}"
    if failed := [value for value, found in outcomes.items() if "passed" not in found]:
        return "hold", f"no case passed of {first_few(failed)}"
    if partly := [value for value, found in outcomes.items() if set(found) != {"passed"}]:
        return "go with guardrails", f"not every case passed of {first_few(partly)}"
    return "go", f"{count(sum(map(len, outcomes.values())), 'case')} passed"


def _values(case: PlannedCase, by: str) -> set[str]:
    tagged = {tag.removeprefix(f"{by}:") for tag in case.tags if tag.startswith(f"{by}:")}
    return tagged | {value for name, value in case.slices if name == by}


def _gate_kept(verdict: Verdict) -> _Found:
    if verdict.changed_in_gate is None or verdict.base_problem is not None:
        return "hold", f"the gate could not be compared: {verdict.base_problem or 'the base branch is unknown'}"
    weaker = [change for change in verdict.changed_in_gate if change.effect == "weaker"]
    if silent := [change.where for change in weaker if change.acknowledged is None]:
        return "hold", f"weakened without acknowledgement: {first_few(silent)}"
    if weaker:
        return "go with guardrails", f"acknowledged: {first_few([change.where for change in weaker])}"
    return "go", "no weakening is on record"
