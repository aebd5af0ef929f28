"""Which cases changed between two sides, and which of them only flip."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.cli.compare.sides import UNANSWERED, check_gateable, lacks_clusters, match
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.gates.decide import GateInputs
from pytest_evalgate.gates.pairing import count_outcomes, pair
from pytest_evalgate.runs import kept
from pytest_evalgate.stats.families import holm_adjusted
from pytest_evalgate.stats.stability import flaky_case_midp
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.cli.compare.sides import Side, SourceRun, SuitePair, SuitePairs
    from pytest_evalgate.config import Settings
    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.gates.pairing import Pair, Pairing
    from pytest_evalgate.records.results import CaseResult, Delta, Json, Run, SuiteVerdict, Verdict


@dataclass(frozen=True, slots=True)
class ListedCase:
    """A case and where it stands; the place is empty where the side does not know it."""

    case: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class CaseChange:
    """A case that passes in other shares of its trials than before, each in [0, 1]."""

    case: str
    place: str
    before: float
    now: float
    reason: str


@dataclass(frozen=True, slots=True)
class FlakyPair:
    """A case that passed in some of its trials on both sides.

    ``p`` is the one-sided mid-p of a drop, adjusted for the suite's other flaky cases; ``dropped`` says that it is at
    most alpha: more than flipping.
    """

    case: str
    place: str
    before_passes: int
    before_trials: int
    now_passes: int
    now_trials: int
    p: float
    dropped: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """The cases of a suite, sorted by what became of them.

    ``regressed`` and ``fixed`` begin with the largest change; a flaky case may stand there too. Cases without an
    answer on the newer side are on no list but that of edited or added ones.
    """

    passed_both: int
    missed_both: int
    regressed: tuple[CaseChange, ...] = ()
    fixed: tuple[CaseChange, ...] = ()
    flaky: tuple[FlakyPair, ...] = ()
    edited: tuple[ListedCase, ...] = ()
    added: tuple[ListedCase, ...] = ()
    removed: tuple[ListedCase, ...] = ()


def changes_of(pairing: Pairing, alpha: float) -> Changes:
    """Sort the cases; ``alpha`` is the one-sided level at which a flaky case is said to have dropped."""
    answered = [pair for pair in pairing.pairs if _is_answered(pair)]
    return Changes(
        passed_both=sum(pair.before.mean == pair.now.lowest == 1 for pair in answered),
        missed_both=sum(pair.before.mean == pair.now.lowest == 0 for pair in answered),
        regressed=tuple(_changed(pair) for pair in pairing.regressed if _is_answered(pair)),
        fixed=tuple(_changed(pair) for pair in pairing.fixed if _is_answered(pair)),
        flaky=_flaky(answered, alpha),
        edited=_listed(pairing.edited),
        added=_listed(pairing.added),
        removed=tuple(map(ListedCase, pairing.removed)),
    )


def _is_answered(pair: Pair) -> bool:
    return pair.now.outcome not in UNANSWERED


def _changed(pair: Pair) -> CaseChange:
    result = pair.now
    reason = result.reason or next((trial.reason for trial in result.trials if not trial.value), "")
    return CaseChange(result.case.id, _place(result), pair.before.mean, result.lowest, reason)


def _flaky(pairs: Iterable[Pair], alpha: float) -> tuple[FlakyPair, ...]:
    """Return the flaky cases, the most suspicious first; a family of tests by Holm's procedure."""
    found = [pair for pair in pairs if 0 < pair.before.mean < 1 and 0 < pair.now.lowest < 1 and _is_counted(pair)]
    levels = holm_adjusted([_midp(pair) for pair in found]) if found else []
    cases = [_flaky_case(pair, float(p), alpha) for pair, p in zip(found, levels, strict=True)]
    return tuple(sorted(cases, key=lambda case: case.p))


def _is_counted(pair: Pair) -> bool:
    """Tell whether every trial passed or failed: a baseline may hold graded ones."""
    return {*pair.before.values, *_values(pair.now)} <= {0.0, 1.0}


def _values(result: CaseResult) -> list[float | None]:
    return [trial.value for trial in result.trials]


def _midp(pair: Pair) -> float:
    values = _values(pair.now)
    return flaky_case_midp(
        baseline_passes=pair.before.values.count(1.0),
        baseline_trials=len(pair.before.values),
        candidate_passes=values.count(1.0),
        candidate_trials=len(values),
    )


def _flaky_case(pair: Pair, p: float, alpha: float) -> FlakyPair:
    values = _values(pair.now)
    return FlakyPair(
        case=pair.now.case.id,
        place=_place(pair.now),
        before_passes=pair.before.values.count(1.0),
        before_trials=len(pair.before.values),
        now_passes=values.count(1.0),
        now_trials=len(values),
        p=p,
        dropped=p <= alpha,
    )


def _listed(results: Sequence[CaseResult]) -> tuple[ListedCase, ...]:
    return tuple(ListedCase(result.case.id, _place(result)) for result in results)


def _place(result: CaseResult) -> str:
    place = result.case.place
    return str(place) if place.file else ""


def side_notes(side: str, run: Run) -> Iterator[str]:
    """Iterate over what is wrong with a side as a whole."""
    for problem in run.problems:
        yield f"{side} is invalid: {problem}"
    if run.refused is not None:
        yield f"{side} is not whole: {run.refused}"


def suite_notes(found: SuitePair, rules: SuiteRules, verdict: SuiteVerdict, settings: Settings) -> Iterator[str]:
    """Iterate over what to know about one suite: why it cannot be judged, what was left out, what is rough."""
    refused = GateInputs(found.part, rules, "worst").invalid_result(rules.comparison)
    if refused is not None:
        yield refused.message
    yield from _left_out(found)
    if lacks_clusters(found, settings):
        yield f"B does not know its clusters (suites.{found.name}.cluster): cases count as if there were none"
    yield from verdict.notes


def _left_out(found: SuitePair) -> Iterator[str]:
    if found.older.unanswered:
        yield f"{count(len(found.older.unanswered), 'case')} without an answer in A: left out"
    not_run, errored = count_outcomes(found.whole.results).not_run, count_outcomes(found.part.results).errored
    if found.whole.stopped is not None:
        told = count(not_run, "case")
        yield f"B was stopped, its verdict certain: {told} not run; the change is the least that it can be"
    elif not_run:
        yield f"{count(not_run, 'case')} not run in B: left out"
    if errored:
        yield f"{count(errored, 'case')} without an answer in B: counted as missed, and on no list"


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What was asked for; None stands for what the settings say."""

    suite: str | None = None
    gate: bool = False
    alpha: float | None = None
    margin: float | None = None

    @property
    def levels(self) -> Mapping[str, Any]:
        """The levels that were asked for, by the key of a gate."""
        given = {"alpha": self.alpha, "margin": self.margin}
        return {key: value for key, value in given.items() if value is not None}


def rules_of(decider: RunDecider, matches: SuitePairs, options: CompareOptions) -> dict[str, SuiteRules]:
    """Return how each suite of the newer side is judged; those that the older one does not hold have no baseline.

    Raises:
        SettingsError: a suite shall be judged by other levels than those of its own gates.

    """
    before = {found.name: found.older.baseline for found in matches.both}
    names = (*before, *(suite.plan.name for suite in matches.only_newer))
    rules = decider.rules(names, lambda _: None)  # the suites' own baselines are not looked at
    return {name: _at_levels(name, replace(rules[name], baseline=before.get(name)), options) for name in names}


def _at_levels(name: str, rules: SuiteRules, options: CompareOptions) -> SuiteRules:
    if not options.levels:
        return rules
    if options.gate and rules.gates:
        raise SettingsError(
            f"suites.{name}.gates: this suite has gates of its own, and --gate judges by them: leave out --alpha and "
            "--margin, or change the gates"
        )
    shown = rules.comparison.model_copy(update=options.levels)
    others = [gate for gate in rules.effective_gates if gate is not rules.comparison]
    return replace(rules, gates=(shown, *others))


@dataclass(frozen=True, slots=True)
class SuiteComparison:
    """One suite; ``delta`` is None where nothing can be tested.

    ``alpha`` and ``margin`` are those that ``delta`` is shown with. ``notes`` say what was left out, and what the
    numbers rest on.
    """

    suite: str
    older: SourceRun
    newer: SourceRun
    alpha: float
    margin: float | None
    delta: Delta | None
    changes: Changes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """All suites that both sides hold, how the sides were asked for, and the verdict where one was asked for."""

    specs: tuple[str, str]
    suites: tuple[SuiteComparison, ...]
    only_older: tuple[str, ...]
    only_newer: tuple[str, ...]
    notes: tuple[str, ...]
    gate_verdict: Verdict | None = None

    def as_json(self, *, regressed_only: bool) -> Json:
        """Return what ``--json`` prints: everything, or a row for each case that got worse."""
        if regressed_only:
            return [
                {"suite": found.suite, **dataclasses.asdict(case)}
                for found in self.suites
                for case in found.changes.regressed
            ]
        return {
            "suites": [dataclasses.asdict(found) for found in self.suites],
            "only_older": list(self.only_older),
            "only_newer": list(self.only_newer),
            "notes": list(self.notes),
            "verdict": None if self.gate_verdict is None else kept.encode(self.gate_verdict),
        }


def compare(project: Project, older: Side, newer: Side, options: CompareOptions) -> Comparison:
    """Compare two sides, and judge the newer one where ``options`` says so.

    Raises:
        UserError: no suite is on both sides, one cannot be used, or they cannot be judged.

    """
    matches = match(older, newer, options.suite)
    if options.gate:
        check_gateable(matches, older.run, project.settings)
    decider = RunDecider(project.root, project.settings, project.state.path, project.settings.suites.get)
    rules = rules_of(decider, matches, options)
    part = replace(newer.run, suites=tuple(found.part for found in matches.both))
    verdicts = decider.decide(part, rules).suites
    return Comparison(
        specs=(older.spec, newer.spec),
        suites=tuple(
            _suite(found, rules[found.name], verdicts[found.name], project.settings) for found in matches.both
        ),
        only_older=matches.only_older,
        only_newer=tuple(suite.plan.name for suite in matches.only_newer),
        notes=(*side_notes("A", older.run), *side_notes("B", newer.run)),
        gate_verdict=_gate_verdict(decider, matches, newer.run, rules) if options.gate else None,
    )


def _gate_verdict(decider: RunDecider, matches: SuitePairs, run: Run, rules: Mapping[str, SuiteRules]) -> Verdict:
    """Judge all that the newer side holds, whole, as the session did that it comes from."""
    suites = (*(found.whole for found in matches.both), *matches.only_newer)
    return decider.decide(replace(run, suites=suites), rules)


def _suite(found: SuitePair, rules: SuiteRules, verdict: SuiteVerdict, settings: Settings) -> SuiteComparison:
    gate = rules.comparison
    return SuiteComparison(
        suite=found.name,
        older=found.older_source,
        newer=found.newer_source,
        alpha=gate.alpha,
        margin=gate.margin,
        delta=verdict.delta,
        changes=changes_of(pair(found.part, found.older.baseline), gate.alpha),
        notes=tuple(suite_notes(found, rules, verdict, settings)),
    )
