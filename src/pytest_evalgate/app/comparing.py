"""Comparison of two sides: the test of each suite, the cases that changed, and with ``--gate`` the verdict.

Flow: pair the suites; take the rules of each, with the levels of the command line; decide; sort the cases into
regressed, fixed, flaky, edited, added and removed ones; collect notes on what was left out.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_evalgate.app.compared_sides import (
    UNANSWERED,
    SourceRun,  # the HTTP API describes comparisons by the types of their fields
    check_gateable,
    lacks_clusters,
    match,
)
from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.config import NoRegressionGate, suite_named
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.decide import GateInputs
from pytest_evalgate.gates.pairing import count_outcomes, pair
from pytest_evalgate.records.measured import MetricResult  # noqa: TC001 - as `SourceRun`
from pytest_evalgate.records.verdicts import Delta, Verdict  # noqa: TC001 - as `SourceRun`
from pytest_evalgate.runs import kept
from pytest_evalgate.stats.families import holm_adjusted
from pytest_evalgate.stats.stability import flaky_case_midp
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.app.compared_sides import Side, SuitePair, SuitePairs
    from pytest_evalgate.app.project import Project
    from pytest_evalgate.config import Settings
    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.gates.pairing import Pair, Pairing
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import CaseResult, Run
    from pytest_evalgate.records.verdicts import SuiteVerdict


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """Options of the command line; None means the value of the settings."""

    suite: str | None = None
    gate: bool = False
    alpha: float | None = None
    margin: float | None = None

    @property
    def levels(self) -> Mapping[str, Any]:
        """Levels that were given, by their key in a gate."""
        given = {"alpha": self.alpha, "margin": self.margin}
        return {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SuiteComparison:
    """One suite; ``delta`` is None if nothing can be tested.

    ``alpha`` and ``margin`` are those of ``delta``. ``scores`` are the changes of the scorers that have a gate.
    ``metrics`` are those of the newer side, with their changes.
    ``notes`` describe what was left out and approximated.
    """

    suite: str
    older: SourceRun
    newer: SourceRun
    alpha: float
    margin: float | None
    delta: Delta | None
    changes: Changes
    scores: tuple[ScoreChange, ...] = ()
    notes: tuple[str, ...] = ()
    metrics: tuple[MetricResult, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """Change of the scores of one scorer, with the level and the margin of its gate."""

    scorer: str
    alpha: float
    margin: float | None
    delta: Delta


@dataclass(frozen=True, slots=True)
class Comparison:
    """All suites on both sides, the arguments that named the sides, and the verdict with ``--gate``."""

    specs: tuple[str, str]
    suites: tuple[SuiteComparison, ...]
    only_older: tuple[str, ...]
    only_newer: tuple[str, ...]
    notes: tuple[str, ...]
    gate_verdict: Verdict | None = None

    def as_json(self, *, regressed_only: bool) -> Json:
        """Return the comparison as JSON, or a row for each case that got worse."""
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


@dataclass(frozen=True, slots=True)
class ListedCase:
    """A case and its place, which is empty if the side does not contain it."""

    case: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class CaseChange:
    """A case whose share of passed trials, in [0, 1], changed."""

    case: str
    place: str
    before: float
    now: float
    reason: str


@dataclass(frozen=True, slots=True)
class FlakyPair:
    """A case that passed in some of its trials on both sides, but not in all.

    ``p`` is the one-sided mid-p of a drop, adjusted for the suite's other flaky cases. ``dropped`` is True if it is at
    most alpha: the case got worse, and did not only flip.
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
    """The cases of a suite by kind of change.

    ``regressed`` and ``fixed`` begin with the largest change, and may contain flaky cases. Cases without an output on
    the newer side are listed only if they were edited or added.
    """

    passed_both: int
    missed_both: int
    regressed: tuple[CaseChange, ...] = ()
    fixed: tuple[CaseChange, ...] = ()
    flaky: tuple[FlakyPair, ...] = ()
    edited: tuple[ListedCase, ...] = ()
    added: tuple[ListedCase, ...] = ()
    removed: tuple[ListedCase, ...] = ()


def compare(project: Project, older: Side, newer: Side, options: CompareOptions) -> Comparison:
    """Compare two sides, and decide the newer one if ``options.gate`` is set.

    Raises:
        UserError: no suite is on both sides, one cannot be used, or a session would not decide them.
    """
    matches = match(older, newer, options.suite)
    if options.gate:
        check_gateable(matches, older.run, project.settings)
    suite_of = partial(suite_named, project.settings)
    decider = RunDecider(project.root, project.settings, project.state.path, suite_of)
    rules = _rules(decider, matches, options)
    part = replace(newer.run, suites=tuple(found.part for found in matches.both))
    verdicts = decider.decide(part, rules).suites
    return Comparison(
        specs=(older.spec, newer.spec),
        suites=tuple(
            _suite(found, rules[found.name], verdicts[found.name], project.settings) for found in matches.both
        ),
        only_older=matches.only_older,
        only_newer=tuple(suite.plan.name for suite in matches.only_newer),
        notes=(*_side_notes("A", older.run), *_side_notes("B", newer.run)),
        gate_verdict=_gate_verdict(decider, matches, newer.run, rules) if options.gate else None,
    )


def _gate_verdict(decider: RunDecider, matches: SuitePairs, run: Run, rules: Mapping[str, SuiteRules]) -> Verdict:
    """Decide all suites of the newer side, including cases without an output, as the session of that run did."""
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
        scores=tuple(_score_changes(rules, verdict)),
        notes=tuple(_suite_notes(found, rules, verdict, settings)),
        metrics=verdict.metrics,
    )


def _score_changes(rules: SuiteRules, verdict: SuiteVerdict) -> Iterator[ScoreChange]:
    for gate, result in zip(rules.effective_gates, verdict.gates, strict=True):
        if isinstance(gate, NoRegressionGate) and gate.scorer is not None and result.delta is not None:
            yield ScoreChange(gate.scorer, gate.alpha, gate.margin, result.delta)


def _rules(decider: RunDecider, matches: SuitePairs, options: CompareOptions) -> dict[str, SuiteRules]:
    """Return the rules for each suite of the newer side; a suite that the older side lacks has no baseline.

    Raises:
        SettingsError: ``--gate`` was given with other levels than those of the suite's own gates.
    """
    before = {found.name: found.older.baseline for found in matches.both}
    names = (*before, *(suite.plan.name for suite in matches.only_newer))
    rules = decider.rules(names, lambda _: None)  # problems of the suites' own baselines do not matter here
    return {name: _at_levels(name, replace(rules[name], baseline=before.get(name)), options) for name in names}


def _at_levels(name: str, rules: SuiteRules, options: CompareOptions) -> SuiteRules:
    if not options.levels:
        return rules
    if options.gate and rules.gates:
        raise SettingsError(
            f"suites.{name}.gates: with --gate the configured gates decide: leave out --alpha and --margin, or change "
            "the gates"
        )
    comparison = rules.comparison.model_copy(update=options.levels)
    others = [gate for gate in rules.effective_gates if gate is not rules.comparison]
    return replace(rules, gates=(comparison, *others))


def changes_of(pairing: Pairing, alpha: float) -> Changes:
    """Sort the cases by kind of change; ``alpha`` is the one-sided level at which a flaky case counts as dropped."""
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
    """Return the flaky cases, smallest p first; p is adjusted by Holm's procedure."""
    flaky, midp = [], []
    for each in pairs:
        before, now = each.before.values, [trial.value for trial in each.now.trials]
        counted = {*before, *now} <= {0.0, 1.0}  # a baseline may contain grades
        if counted and 0 < each.before.mean < 1 and 0 < each.now.lowest < 1:
            before_passes, now_passes = before.count(1.0), now.count(1.0)
            flaky.append((each.now, (before_passes, len(before), now_passes, len(now))))
            midp.append(
                flaky_case_midp(
                    baseline_passes=before_passes,
                    baseline_trials=len(before),
                    candidate_passes=now_passes,
                    candidate_trials=len(now),
                )
            )
    adjusted = holm_adjusted(midp) if flaky else []
    cases = [
        FlakyPair(result.case.id, _place(result), *counts, p=float(p), dropped=bool(p <= alpha))
        for (result, counts), p in zip(flaky, adjusted, strict=True)
    ]
    return tuple(sorted(cases, key=lambda case: case.p))


def _listed(results: Sequence[CaseResult]) -> tuple[ListedCase, ...]:
    return tuple(ListedCase(result.case.id, _place(result)) for result in results)


def _place(result: CaseResult) -> str:
    place = result.case.place
    return str(place) if place.file else ""


def _side_notes(side: str, run: Run) -> Iterator[str]:
    for problem in run.problems:
        yield f"{side} is invalid: {problem}"
    if run.refused is not None:
        yield f"{side} is a partial run: {run.refused}"


def _suite_notes(found: SuitePair, rules: SuiteRules, verdict: SuiteVerdict, settings: Settings) -> Iterator[str]:
    """Yield the reason why a suite cannot be decided, the cases that were left out, and the approximations."""
    refused = GateInputs(found.part, rules, "worst").invalid_result(rules.comparison)
    if refused is not None:
        yield refused.message
    yield from _left_out(found)
    if lacks_clusters(found, settings):
        yield f"B does not contain the clusters (suites.{found.name}.cluster): cases are counted without them"
    yield from verdict.notes


def _left_out(found: SuitePair) -> Iterator[str]:
    if found.older.unanswered:
        yield f"{count(len(found.older.unanswered), 'case')} without an output in A: left out"
    not_run, errored = count_outcomes(found.whole.results).not_run, count_outcomes(found.part.results).errored
    if found.whole.stopped is not None:
        number = count(not_run, "case")
        yield f"B stopped early, when its verdict was certain: {number} not run; the change is a lower limit"
    elif not_run:
        yield f"{count(not_run, 'case')} not run in B: left out"
    if errored:
        yield f"{count(errored, 'case')} without an output in B: counted as missed, and not listed"
