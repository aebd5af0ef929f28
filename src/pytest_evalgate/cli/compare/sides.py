"""The two forms that the gates want: the older side as a baseline, the newer one as a suite of a run."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.config import CONFIG_FILE
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.errors import BaselineError, RunFileError, SettingsError, UserError
from pytest_evalgate.records.results import Baseline, Place, PlannedCase, Run, Score, SuitePlan, SuiteRun, Trial
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git, run_file
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.results import BaselineCase, CaseResult

    SuiteData = SuiteRun | Baseline

UNANSWERED = frozenset({"errored", "not_run"})


@dataclass(frozen=True, slots=True)
class OlderBaseline:
    """What is compared with: the answered cases as a baseline, and the ids of those that have no answer."""

    baseline: Baseline
    unanswered: frozenset[str] = frozenset()


def older_of(held: SuiteData, run: Run) -> OlderBaseline:
    """Return a suite of ``run`` as a baseline; unlike one that is promoted, it need not be whole.

    Raises:
        BaselineError: no case has an answer.

    """
    if isinstance(held, Baseline):
        return OlderBaseline(held)
    answered = tuple(result for result in held.results if result.outcome not in UNANSWERED)
    lacking = frozenset(
        result.case.golden_id for result in held.results if result.outcome in UNANSWERED and result.case.side != "base"
    )
    part = replace(held, results=answered)
    try:
        found = baselines.promote(replace(run, problems=()), part, reason="compared", now=run.created)
    except BaselineError as error:  # names what stands in the run file
        raise BaselineError(one_line(str(error))) from None
    return OlderBaseline(replace(found, source=f"run {run.id}"), lacking)


def newer_of(held: SuiteData) -> SuiteRun:
    """Return a baseline as a suite of a run; its cases have no place, slices, tags or cluster, as it keeps none."""
    if isinstance(held, SuiteRun):
        return held
    results = tuple(_result(case_id, case, held.scorers) for case_id, case in held.cases.items())
    source = held.provenance
    cases = tuple(result.case for result in results)
    plan = SuitePlan(held.suite, (), source.golden_sha256, source.scorers_sha256, held.trials, cases)
    return SuiteRun(plan, results)


def comparable(suite: SuiteRun, older: OlderBaseline) -> SuiteRun:
    """Leave out the cases that say nothing about a change: not run here, or without an answer in ``older``.

    A suite that was stopped keeps what it did not run: its verdict was certain whatever these cases would have said,
    and those that it did run were not chosen at random.
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
        planned, [Trial(index, value, scores=_scores(columns, index)) for index, value in enumerate(case.values)]
    )


def _scores(columns: dict[str, tuple[float, ...]], index: int) -> tuple[Score, ...]:
    """Return the scorers' marks; whether they passed is not known, as a baseline keeps no thresholds."""
    return tuple(Score(name, column[index], None) for name, column in columns.items() if index < len(column))


_ELSE = "compare another run, or leave out --gate"


@dataclass(frozen=True, slots=True)
class SourceRun:
    """Which run stands behind one suite of a side; ``name`` is its own, or that of its baseline."""

    name: str
    run_id: str
    created: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class SuitePair:
    """One suite on both sides: ``whole`` as the newer one holds it, ``part`` without what cannot be compared."""

    older: OlderBaseline
    older_source: SourceRun
    newer_source: SourceRun
    whole: SuiteRun
    part: SuiteRun

    @property
    def name(self) -> str:
        """The suite."""
        return self.whole.plan.name


@dataclass(frozen=True, slots=True)
class SuitePairs:
    """At least one suite on both sides, the names of those that only A holds, and the suites that only B holds."""

    both: tuple[SuitePair, ...]
    only_older: tuple[str, ...]
    only_newer: tuple[SuiteRun, ...]


def match(older: Side, newer: Side, suite: str | None) -> SuitePairs:
    """Look for every suite on both sides, or for the one that is named.

    Raises:
        UserError: none is on both, or what a side holds of one cannot be used.

    """
    names = (suite,) if suite is not None else tuple(dict.fromkeys((*newer.names, *older.names)))
    before = {name: held for name in names if (held := older.find(name)) is not None}
    now = {name: held for name in names if (held := newer.find(name)) is not None}
    both = tuple(
        _match(before[name], older.run, now[name], newer.run) for name in names if name in before and name in now
    )
    if not both:
        which = "no suite is" if suite is None else f"suite {suite!r} is not"
        raise UserError(
            f"{which} on both sides: {_held('A', older, before)}, {_held('B', newer, now)}{_advice(before)}"
        )
    only_newer = tuple(newer_of(now[name]) for name in now if name not in before)
    return SuitePairs(both, tuple(name for name in before if name not in now), only_newer)


def check_gateable(matches: SuitePairs, older: Run, settings: Settings) -> None:
    """Refuse to judge by less than a session would ask for.

    Raises:
        BaselineError: the older side is invalid or not whole.
        SettingsError: cases come in clusters, and the newer side does not know them.

    """
    for found in matches.both:
        lacking, a, b = found.older.unanswered, found.older_source.name, found.newer_source.name
        if older.problems or lacking:
            why = (
                older.problems[0]
                if older.problems
                else f"{count(len(lacking), 'case')} of {found.name} without an answer"
            )
            raise BaselineError(one_line(f"A ({a}) cannot serve as the baseline: {why}; {_ELSE}"))
        if lacks_clusters(found, settings):
            raise SettingsError(f"suites.{found.name}.cluster: B ({one_line(b)}) does not know its clusters; {_ELSE}")


def lacks_clusters(found: SuitePair, settings: Settings) -> bool:
    """Tell whether cases shall be counted by clusters that the newer side does not know, as no baseline does."""
    suite = settings.suites.get(found.name)
    wanted = suite is not None and suite.cluster is not None
    return wanted and all(case.cluster is None for case in found.whole.plan.cases)


def _match(before: SuiteData, older: Run, now: SuiteData, newer: Run) -> SuitePair:
    whole, compared = newer_of(now), older_of(before, older)
    return SuitePair(compared, _source(before, older), _source(now, newer), whole, comparable(whole, compared))


def _source(held: SuiteData, run: Run) -> SourceRun:
    if isinstance(held, Baseline):
        promoted = held.provenance
        return SourceRun(held.source, promoted.run_id, promoted.created, promoted.commit)
    return SourceRun(f"run {run.id}", run.id, run.created, run.commit)


def _held(which: str, side: Side, held: Iterable[str]) -> str:
    return f"{which} ({side.spec}) holds {one_line(', '.join(held)) or 'none'}"


def _advice(before: Mapping[str, SuiteData]) -> str:
    return "" if before else "; to make a baseline of a run: pytest-evalgate baseline promote"


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
    find: Callable[[str], SuiteData | None]
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
    decider = RunDecider(project.root, project.settings, project.state.path, project.settings.suites.get)
    return Side("baseline", tuple(project.settings.suites), decider.baseline_of, _nameless("baseline"))


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
