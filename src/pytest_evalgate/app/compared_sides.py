"""Sides of a comparison, in the forms that the gates take: the older as a baseline, the newer as a suite of a run.

Flow: ``side_of`` finds the run, file, baseline or commit that an argument names; ``match`` pairs the suites of two
sides and leaves out the cases that cannot be compared; ``check_gateable`` raises if a session would not decide them.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.config import CONFIG_FILE, suite_named
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.errors import BaselineError, RunFileError, SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import PlannedCase, Reading, Run, Score, SuitePlan, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git_tree, run_file
from pytest_evalgate.text import files, foreign, jsonl
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.results import CaseResult
    from pytest_evalgate.records.verdicts import BaselineCase

    SuiteData = SuiteRun | Baseline

UNANSWERED: Final = frozenset({"errored", "not_run", "unscored"})
_GIT: Final = "git:"
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CHOICES: Final = "newest, previous, baseline, git:REF, the id of a run, the name of a file or of a branch"
_REMEDY: Final = "compare another run, or leave out --gate"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison.

    Args:
        spec: The argument that names the side.
        names: Suites that the side may contain.
        find: Function that returns a suite by its name, None if the side does not contain it.
        run: The run. Baselines may come from several runs; theirs is a placeholder with a name only.
    """

    spec: str
    names: tuple[str, ...]
    find: Callable[[str], SuiteData | None]
    run: Run


def side_of(spec: str, project: Project) -> Side:
    """Find the side that ``spec`` names.

    Files are looked up from the working folder, then from the root folder, to which the paths in reports are relative.

    Raises:
        UserError: nothing has that name (the message lists what was tried), or it cannot be read.
    """
    if not spec.isprintable() or spec.strip() in {"", _GIT} or spec.startswith(("-", f"{_GIT}-")):
        raise UserError(f"{spec!r} names no side of a comparison: use {_CHOICES}")
    state = project.state.path
    if spec == "baseline":
        decider = RunDecider(project.root, project.settings, project.state.path, project.settings.suites.get)
        return Side(spec, tuple(project.settings.suites), decider.baseline_of, _placeholder(spec))
    if spec == "newest":
        return _of_run(spec, run_file.newest(state), project)
    if spec == "previous":
        return _of_run(spec, _previous(state), project)
    if spec.startswith(_GIT):
        try:
            return _at_commit(spec, spec.removeprefix(_GIT), project)
        except UserError as error:
            raise UserError(f"{spec}: {error}") from None
    return _of_name(spec, project)


def _of_name(spec: str, project: Project) -> Side:
    stored = run_file.path_of(project.state.path, spec)
    if _RUN_ID.fullmatch(spec) and _is_file(stored):
        return _of_run(spec, stored, project)
    found = [path for path in (Path.cwd() / spec, project.root / spec) if _is_file(path)]
    if found:
        return _of_file(spec, found[0], project)
    try:
        return _at_commit(spec, spec, project)
    except UserError as error:
        raise UserError(
            f"{spec}: there is no run {files.relative_name(stored.parent, project.root)}, no file of this name, "
            f"and {error}; use {_CHOICES}"
        ) from None


def _of_run(spec: str, path: Path, project: Project) -> Side:
    run = run_file.read(path, project.keeps_texts)
    suites = {suite.plan.name: suite for suite in run.suites}
    return Side(spec, tuple(suites), suites.get, run)


def _of_file(spec: str, path: Path, project: Project) -> Side:
    """Read a run file (JSON Lines: the first line is an object) or a baseline (JSON whose first line is a bracket)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{spec}: cannot be read: {error.strerror}") from None
    first = data.partition(b"\n")[0].strip()
    if first.startswith(b"{") and first != b"{":
        return _of_run(spec, path, project)
    try:
        value = jsonl.loads(data)
    except ValueError as error:
        what = foreign.name_foreign(data) or error
        raise UserError(
            f"{spec}: the file is neither a run nor a baseline ({what}); to name a branch: git:{spec}"
        ) from None
    suite = str(value.get("suite")) if isinstance(value, dict) else ""
    baseline = baselines.find(str(path.absolute()), suite=suite, file=path, root=project.root)
    return Side(spec, (suite,), {suite: baseline}.get, _placeholder(spec))


def _at_commit(spec: str, ref: str, project: Project) -> Side:
    git_tree.file_at(project.root, ref, CONFIG_FILE)  # raises if there is no such commit; the file may be missing

    def find(suite: str) -> Baseline | None:
        file = project.baseline_file(suite)
        if git_tree.file_at(project.root, ref, files.relative_name(file, project.root)) is None:
            return None
        return baselines.find(f"{_GIT}{ref}", suite=suite, file=file, root=project.root)

    return Side(spec, tuple(project.settings.suites), find, _placeholder(f"{_GIT}{ref}"))


def _placeholder(spec: str) -> Run:
    return Run(id=spec, created="", commit=None, suites=())


def _previous(state: Path) -> Path:
    """Return the run file of the run before the newest one, in the order of ``run_file.newest``."""
    newest = run_file.newest(state)
    others = [path for path in newest.parent.parent.glob(f"*/{newest.name}") if path != newest]
    if not others:
        raise RunFileError(f"only one run is stored in {newest.parent.parent}: run again, or name another side")
    return max(others, key=lambda path: (path.parent.name.partition("-")[0], path.stat().st_mtime_ns))


def _is_file(path: Path) -> bool:
    with contextlib.suppress(OSError):  # a name that is too long for the file system
        return path.is_file()
    return False


@dataclass(frozen=True, slots=True)
class SourceRun:
    """The run that one suite of a side comes from; ``name`` is that of the run or of its baseline."""

    name: str
    run_id: str
    created: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class SuitePair:
    """A suite on both sides: ``whole`` as on the newer side, ``part`` without the cases that cannot be compared."""

    older: OlderBaseline
    older_source: SourceRun
    newer_source: SourceRun
    whole: SuiteRun
    part: SuiteRun

    @property
    def name(self) -> str:
        """Name of the suite."""
        return self.whole.plan.name


@dataclass(frozen=True, slots=True)
class SuitePairs:
    """At least one suite on both sides, names of the suites on side A only, and suites on side B only."""

    both: tuple[SuitePair, ...]
    only_older: tuple[str, ...]
    only_newer: tuple[SuiteRun, ...]


def match(older: Side, newer: Side, suite: str | None) -> SuitePairs:
    """Pair the suites of two sides, or the one named ``suite``.

    Raises:
        UserError: no suite is on both sides, or one cannot be used.
    """
    names = (suite,) if suite is not None else tuple(dict.fromkeys((*newer.names, *older.names)))
    before = {name: found for name in names if (found := older.find(name)) is not None}
    now = {name: found for name in names if (found := newer.find(name)) is not None}
    both = tuple(
        _match(before[name], older.run, now[name], newer.run) for name in names if name in before and name in now
    )
    if not both:
        which = "no suite is" if suite is None else f"suite {suite!r} is not"
        remedy = "" if before else "; to make a baseline of a run: pytest-evalgate baseline promote"
        raise UserError(f"{which} on both sides: {_suites('A', older, before)}, {_suites('B', newer, now)}{remedy}")
    only_newer = tuple(newer_of(now[name]) for name in now if name not in before)
    return SuitePairs(both, tuple(name for name in before if name not in now), only_newer)


def check_gateable(matches: SuitePairs, older: Run, settings: Settings) -> None:
    """Raise if a session would not decide these pairs.

    Raises:
        BaselineError: the older side is invalid or incomplete.
        SettingsError: cases are clustered, and the newer side lacks the clusters.
    """
    for found in matches.both:
        problems = list(older.problems)
        if found.older.unanswered:
            problems.append(f"{count(len(found.older.unanswered), 'case')} of {found.name} without an output")
        if problems:
            name = found.older_source.name
            raise BaselineError(one_line(f"A ({name}) cannot be the baseline: {problems[0]}; {_REMEDY}"))
        if lacks_clusters(found, settings):
            name = one_line(found.newer_source.name)
            raise SettingsError(f"suites.{found.name}.cluster: B ({name}) does not contain the clusters; {_REMEDY}")


def lacks_clusters(found: SuitePair, settings: Settings) -> bool:
    """Return whether the suite has clusters that the newer side does not contain. Baselines never contain them."""
    suite = suite_named(settings, found.name)
    configured = suite is not None and suite.cluster is not None
    return configured and all(case.cluster is None for case in found.whole.plan.cases)


def _match(before: SuiteData, older: Run, now: SuiteData, newer: Run) -> SuitePair:
    whole, compared = newer_of(now), older_of(before, older)
    return SuitePair(compared, _source(before, older), _source(now, newer), whole, comparable(whole, compared))


def _source(suite: SuiteData, run: Run) -> SourceRun:
    if isinstance(suite, Baseline):
        promoted = suite.provenance
        return SourceRun(suite.source, promoted.run_id, promoted.created, promoted.commit)
    return SourceRun(f"run {run.id}", run.id, run.created, run.commit)


def _suites(letter: str, side: Side, names: Iterable[str]) -> str:
    return f"{letter} ({side.spec}) has {one_line(', '.join(names)) or 'none'}"


@dataclass(frozen=True, slots=True)
class OlderBaseline:
    """The older side of a suite: cases with an output as a baseline, and the ids of the cases without one."""

    baseline: Baseline
    unanswered: frozenset[str] = frozenset()


def older_of(suite: SuiteData, run: Run) -> OlderBaseline:
    """Return a suite of ``run`` as a baseline; unlike a promoted run, it may be incomplete.

    Raises:
        BaselineError: no case has an output.
    """
    if isinstance(suite, Baseline):
        return OlderBaseline(suite)
    answered = tuple(result for result in suite.results if result.outcome not in UNANSWERED)
    unanswered = frozenset(
        result.case.golden_id
        for result in suite.results
        if result.outcome in UNANSWERED and result.case.side != "base"
    )
    part = replace(suite, results=answered)
    try:
        found = baselines.promote(replace(run, problems=()), part, reason="compared", now=run.created)
    except BaselineError as error:  # its message quotes the run file, which may contain control characters
        raise BaselineError(one_line(str(error))) from None
    return OlderBaseline(replace(found, source=f"run {run.id}"), unanswered)


def newer_of(suite: SuiteData) -> SuiteRun:
    """Return a baseline as a suite of a run. Its cases have no place, slices, tags or cluster: baselines lack them."""
    if isinstance(suite, SuiteRun):
        return suite
    results = tuple(_result(case_id, case, suite.scorers) for case_id, case in suite.cases.items())
    source = suite.provenance
    cases = tuple(result.case for result in results)
    plan = SuitePlan(suite.suite, (), source.golden_sha256, source.scorers_sha256, suite.trials, cases)
    return SuiteRun(plan, results)


def comparable(suite: SuiteRun, older: OlderBaseline) -> SuiteRun:
    """Leave out the cases that cannot be compared: not run, or without an output in ``older``.

    A suite that stopped early keeps the cases that it did not run: the cases that it did run are no random sample, and
    its verdict was certain for every possible result of the others.
    """
    kept = tuple(
        result
        for result in suite.results
        if result.case.golden_id not in older.unanswered and not (result.outcome == "not_run" and not suite.stopped)
    )
    return replace(suite, plan=replace(suite.plan, cases=tuple(result.case for result in kept)), results=kept)


def _result(case_id: str, case: BaselineCase, scorers: tuple[str, ...]) -> CaseResult:
    planned = PlannedCase(case_id, Place("", 0), case.fingerprint)
    columns = {name: case.scores.get(name, case.values) for name in scorers}
    return combine_trials(
        planned,
        [
            Trial(index, value, scores=_scores(columns, index), readings=_readings(case, index))
            for index, value in enumerate(case.values)
        ],
    )


def _readings(case: BaselineCase, index: int) -> tuple[Reading, ...]:
    return tuple(Reading(name, rows[index]) for name, rows in case.readings.items())


def _scores(columns: dict[str, tuple[float, ...]], index: int) -> tuple[Score, ...]:
    """Return the scores of one trial. Whether they passed is unknown: baselines do not contain thresholds."""
    return tuple(Score(name, column[index], None) for name, column in columns.items() if index < len(column))
