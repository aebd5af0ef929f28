"""Comparison of the candidates of a suite: paired tests between all pairs, adjusted by Holm, and groups of equals."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Final

from pytest_evalgate.config import owner_of
from pytest_evalgate.gates.evidence import Measure, Pairs, clusters_of, weights_of
from pytest_evalgate.gates.pairing import call_records, head_results, is_missing, not_skipped, total_calls
from pytest_evalgate.records.side_by_side import CandidatePair, CandidateResult, SideBySide
from pytest_evalgate.stats.families import holm_adjusted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.gates.evidence import Completion
    from pytest_evalgate.gates.rules import SuiteRules
    from pytest_evalgate.records.results import CaseResult, SuiteRun
    from pytest_evalgate.records.verdicts import SuiteVerdict

ALPHA: Final = 0.05
"""Level of the tests between candidates, over all pairs of a suite."""

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def compare_candidates(
    suites: Sequence[SuiteRun], rules: Mapping[str, SuiteRules], verdicts: Mapping[str, SuiteVerdict]
) -> tuple[SideBySide, ...]:
    """Compare the candidates of each suite that has several in this run."""
    by_owner: dict[str, list[SuiteRun]] = defaultdict(list)
    for suite in suites:
        by_owner[owner_of(suite.plan.name)].append(suite)
    return tuple(
        _side_by_side(owner, several, rules, verdicts) for owner, several in by_owner.items() if len(several) > 1
    )


def _side_by_side(
    owner: str, suites: Sequence[SuiteRun], rules: Mapping[str, SuiteRules], verdicts: Mapping[str, SuiteVerdict]
) -> SideBySide:
    # highest rate first; equal rates and unknown ones keep the order of the run
    ranked = sorted(suites, key=lambda suite: -(verdicts[suite.plan.name].pass_rate or 0.0))
    tests: list[CandidatePair] = []
    notes: list[str] = []
    for first, second in combinations(ranked, 2):
        names = first.plan.name, second.plan.name
        measure = Measure(rules[names[0]].aggregate)
        found = _test(first, second, measure) if all(verdicts[name].pass_rate is not None for name in names) else None
        if isinstance(found, CandidatePair):
            tests.append(found)
        else:
            notes.append(
                f"{names[0]} and {names[1]} are not compared: {found or 'one of them did not run as a whole'}"
            )
    if any(rules[suite.plan.name].deciding_judges for suite in suites):
        notes.append("rates and tests are those of the judge's verdicts, not corrected for its errors")
    adjusted = holm_adjusted([one.p for one in tests]) if tests else ()
    pairs = tuple(replace(one, p_adjusted=p, differ=p <= ALPHA) for one, p in zip(tests, adjusted, strict=True))
    groups = _groups([suite.plan.name for suite in ranked], pairs)
    candidates = tuple(_candidate(suite, verdicts[suite.plan.name], groups[suite.plan.name]) for suite in ranked)
    return SideBySide(owner, candidates, pairs, tuple(notes))


def _candidate(suite: SuiteRun, verdict: SuiteVerdict, groups: str) -> CandidateResult:
    results = not_skipped(head_results(suite.results))
    calls = total_calls(record for record in call_records(results) if record.purpose == "target")
    latencies = [
        None if trial.output is None else trial.output.latency_s for result in results for trial in result.trials
    ]
    known = sorted(latency for latency in latencies if latency is not None)
    is_known = bool(known) and len(known) == len(latencies)
    return CandidateResult(
        suite=suite.plan.name,
        cases=verdict.cases,
        pass_rate=verdict.pass_rate,
        interval=verdict.interval,
        cost_usd=calls.cost_usd if calls.sent and not (calls.unknown_price or calls.local) else None,
        cached=calls.cached,
        p95_latency_s=known[-(-95 * len(known) // 100) - 1] if is_known else None,  # nearest rank
        groups=groups,
    )


def _test(first: SuiteRun, second: SuiteRun, measure: Measure) -> CandidatePair | str:
    """Test two candidates on their common cases; return the reason if that is not possible."""
    of_second = {result.case.id: result for result in not_skipped(head_results(second.results))}
    ours = [result for result in not_skipped(head_results(first.results)) if result.case.id in of_second]
    theirs = [of_second[result.case.id] for result in ours]
    pairs = _pairs(ours, theirs, measure, "worst", "worst")
    if not pairs.are_testable:
        return "no common case" if not ours else "all cases are in one cluster"
    completions = [pairs]
    if any(map(is_missing, (*ours, *theirs))):
        completions = [
            _pairs(ours, theirs, measure, "worst", "best"),
            _pairs(ours, theirs, measure, "best", "worst"),
        ]
    intervals = [one.finding(ALPHA / 2) for one in completions]
    p = max(min(1.0, 2 * min(one.finding(ALPHA).p, one.swapped.finding(ALPHA).p)) for one in completions)
    return CandidatePair(
        first=first.plan.name,
        second=second.plan.name,
        pairs=len(pairs),
        better=pairs.gains,
        worse=pairs.losses,
        delta=pairs.finding(ALPHA).delta,
        lower=min(one.lower for one in intervals),
        upper=max(one.upper for one in intervals),
        p=p,
        p_adjusted=p,
        differ=p <= ALPHA,
    )


def _pairs(
    first: Sequence[CaseResult], second: Sequence[CaseResult], measure: Measure, now: Completion, before: Completion
) -> Pairs:
    return Pairs(
        before=measure.of_results(second, before),
        now=measure.of_results(first, now),
        clusters=clusters_of(first),
        weights=weights_of(first),
        single_trial=all(len(result.trials) <= 1 for result in (*first, *second)),
    )


def _groups(names: Sequence[str], pairs: Sequence[CandidatePair]) -> dict[str, str]:
    """Return the letters of each candidate: one for each largest set of candidates of which no two differ.

    A pair that was not tested counts as not distinguishable.
    """
    differing = {frozenset((one.first, one.second)) for one in pairs if one.differ}
    alike = {name: {one for one in names if one != name and frozenset((one, name)) not in differing} for name in names}
    order = {name: place for place, name in enumerate(names)}
    cliques = sorted(sorted(order[name] for name in clique) for clique in _cliques(set(names), alike))
    letters: dict[str, str] = dict.fromkeys(names, "")
    for number, clique in enumerate(cliques):
        letter = _LETTERS[number] if number < len(_LETTERS) else f"({number + 1})"
        for place in clique:
            letters[names[place]] += letter
    return letters


def _cliques(
    candidates: set[str],
    alike: Mapping[str, set[str]],
    chosen: frozenset[str] = frozenset(),
    seen: set[str] | None = None,
) -> Iterator[frozenset[str]]:
    """Yield the maximal cliques of a graph (Bron & Kerbosch 1973)."""
    seen = set() if seen is None else seen
    if not candidates and not seen:
        yield chosen
    for one in sorted(candidates):
        yield from _cliques(candidates & alike[one], alike, chosen | {one}, seen & alike[one])
        candidates = candidates - {one}
        seen = seen | {one}
