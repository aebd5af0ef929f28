"""Case results of a run: their selection, counts and totals, and their pairing with a baseline."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.answers import agreement_of
from pytest_evalgate.records.attempts import Repeats
from pytest_evalgate.records.served import served_problem
from pytest_evalgate.records.verdicts import Accounting, Calls, ScoreSummary
from pytest_evalgate.records.weighting import Weighting
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.clusters import icc_anova, mean_se_df
from pytest_evalgate.stats.stability import flip_rate
from pytest_evalgate.stats.weights import kish_n
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.calls import CallRecord
    from pytest_evalgate.records.results import CaseResult, SuiteRun
    from pytest_evalgate.records.verdicts import Baseline, BaselineCase

_DECIMALS = 6  # of a cost in US$, and of the ratio of two weights


def not_skipped(results: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the cases that the gates count: all but those that their golden line skips."""
    return tuple(result for result in results if result.outcome != "skipped")


def head_results(results: Iterable[CaseResult]) -> tuple[CaseResult, ...]:
    """Return the cases of this branch, without those that only the base branch has."""
    return tuple(result for result in results if result.case.side != "base")


def is_missing(result: CaseResult) -> bool:
    """Return whether the case, or one of its scores, has no result, so that its completions can differ."""
    if result.outcome in {"errored", "not_run"}:
        return True
    return any(score.value is None for trial in result.trials for score in trial.scores)


def count_outcomes(results: Iterable[CaseResult]) -> Accounting:
    """Count the outcomes; every planned case has exactly one."""
    counts: Counter[str] = Counter(result.outcome for result in results)
    return Accounting(planned=counts.total(), **counts)


def call_records(results: Iterable[CaseResult]) -> Iterator[CallRecord]:
    """Iterate over every call of ``results``, by the target and by judges, failed ones included."""
    return (record for result in results for trial in result.trials for record in trial.calls)


def total_calls(records: Iterable[CallRecord]) -> Calls:
    """Add up calls. Tokens and cost are those of the calls that were sent: cached ones cost nothing."""
    every = list(records)
    sent = [record for record in every if record.attempts]
    return Calls(
        planned=len(every),
        sent=len(sent),
        cached=len(every) - len(sent),
        retried=sum(record.attempts - 1 for record in sent),
        tokens_in=sum(record.tokens_in or 0 for record in sent),
        tokens_out=sum(record.tokens_out or 0 for record in sent),
        cost_usd=round(math.fsum(record.cost_usd or 0.0 for record in sent), _DECIMALS),
        unknown_price=sum(record.cost_usd is None for record in sent),
        local=sum(record.is_local for record in sent),
    )


def score_summaries(results: Iterable[CaseResult]) -> Mapping[str, ScoreSummary]:
    """Average each scorer's scores over all trials; scores of None are left out."""
    every = list(results)
    values: dict[str, list[float | None]] = {}
    for result in every:
        for trial in result.trials:
            for score in trial.scores:
                values.setdefault(score.name, []).append(score.value)
    known = {name: [value for value in found if value is not None] for name, found in values.items()}
    repeated = any(len(result.trials) > 1 for result in every)
    return {
        name: ScoreSummary(
            sum(k) / len(k) if k else None, len(k), _standard_error(every, name) if repeated and k else None
        )
        for name, k in known.items()
    }


def _standard_error(results: Sequence[CaseResult], name: str) -> float | None:
    """Return the standard error of the mean of a scorer's means per case, or per cluster; None with one of them."""
    means, units = [], []
    for place, result in enumerate(results):
        scores = [score.value for trial in result.trials for score in trial.scores if score.name == name]
        if read := [value for value in scores if value is not None]:
            means.append(sum(read) / len(read))
            units.append(place if result.case.cluster is None else result.case.cluster)
    return mean_se_df(np.array(means), units)[1] if len(set(units)) > 1 else None


def repeats_of(results: Iterable[CaseResult], n_eff: float, judges: Collection[str] = ()) -> Repeats | None:
    """Describe the repeated trials of the cases without missing trials; None if no case has two.

    ``judges`` are the names of scores whose reasons say nothing about the answer.
    """
    whole = [result for result in results if all(trial.value is not None for trial in result.trials)]
    repeated = [result for result in whole if len(result.trials) > 1]
    several = [[trial.value for trial in result.trials if trial.value is not None] for result in repeated]
    if not several:
        return None
    passes, counts = [round(sum(values)) for values in several], [len(values) for values in several]
    flips = flip_rate(passes, counts)
    icc = icc_anova(passes, counts[0]) if len(set(counts)) == 1 else None
    agreements = [agreement_of(result, judges) for result in repeated]
    return Repeats(
        flip_rate=flips.rate,
        flaky=flips.flaky,
        icc=None if icc is None else icc.icc,
        design_effect=None if icc is None else icc.design_effect,
        n_eff=n_eff,
        raw_agreement=_share([None if one is None else one.raw for one in agreements]),
        parsed_agreement=_share([None if one is None else one.parsed for one in agreements]),
        run_sd=float(np.array(several).mean(axis=0).std(ddof=1)) if len(set(counts)) == 1 else None,
    )


def weighting_of(results: Sequence[CaseResult], pairing: Pairing | None) -> Weighting | None:
    """Describe the weights of at least one case; None if all weigh alike.

    Weights that differ from the baseline's by one factor are the same weights.
    """
    weights = [result.case.weight for result in results]
    pairs = () if pairing is None else pairing.pairs
    if len({*weights, *(one.now.case.weight for one in pairs), *(one.before.weight for one in pairs)}) <= 1:
        return None
    ratios = Counter(round(one.now.case.weight / one.before.weight, _DECIMALS) for one in pairs)
    changed = ratios.total() - max(ratios.values(), default=0)
    return Weighting(kish_n(weights), changed) if changed or len(set(weights)) > 1 else None


def _share(agreeing: Sequence[bool | None]) -> float | None:
    """Return the share of cases that agree; None if the outputs of one are unknown."""
    known = [one for one in agreeing if one is not None]
    return sum(known) / len(known) if len(known) == len(agreeing) else None


def weighting_notes(weighting: Weighting | None) -> Iterator[str]:
    """Yield a note if cases weigh another amount than in the baseline."""
    if weighting is not None and weighting.changed:
        weigh = "weighs" if weighting.changed == 1 else "weigh"
        changed = f"{count(weighting.changed, 'case')} {weigh} another amount than in the baseline"
        yield f"{changed}: this run's weights are used for both"


@dataclass(frozen=True, slots=True)
class Pair:
    """One case in both runs."""

    now: CaseResult
    before: BaselineCase

    @property
    def change(self) -> float:
        """Candidate minus baseline, missing results counted as misses."""
        return self.now.lowest - self.before.mean


@dataclass(frozen=True, slots=True)
class Pairing:
    """Pairs in plan order, and the unpaired cases; only ``pairs`` enter a delta.

    ``edited`` cases differ in their fingerprint, ``added`` ones are not in the baseline, ``removed`` are ids that only
    the baseline has. ``problem`` is the reason why no case is paired, if there is one. With ``scorers_changed`` all
    cases are edited: scorers are part of every fingerprint.
    """

    pairs: tuple[Pair, ...]
    edited: tuple[CaseResult, ...]
    added: tuple[CaseResult, ...]
    removed: tuple[str, ...]
    baseline_cases: int
    problem: str | None = None
    scorers_changed: bool = False

    @property
    def share(self) -> float:
        """Share of the baseline's cases that are paired."""
        return len(self.pairs) / self.baseline_cases if self.baseline_cases else 0.0

    @property
    def regressed(self) -> tuple[Pair, ...]:
        """Pairs that got worse, the largest drop first, without cases that did not run."""
        worse = (pair for pair in self.pairs if pair.change < 0 and pair.now.outcome != "not_run")
        return tuple(sorted(worse, key=lambda pair: pair.change))

    @property
    def fixed(self) -> tuple[Pair, ...]:
        """Pairs that got better, the largest gain first."""
        return tuple(sorted((pair for pair in self.pairs if pair.change > 0), key=lambda pair: -pair.change))

    @property
    def partial(self) -> Pairing:
        """The same pairing with a baseline of only the cases that were run."""
        return replace(self, removed=(), baseline_cases=len(self.pairs) + len(self.edited))

    def in_slice(self, name: tuple[str, str]) -> Pairing:
        """Return the part in one slice, without removed cases: the baseline does not store slices."""
        pairs = tuple(pair for pair in self.pairs if name in pair.now.case.slices)
        edited = tuple(result for result in self.edited if name in result.case.slices)
        added = tuple(result for result in self.added if name in result.case.slices)
        return Pairing(pairs, edited, added, (), 0).partial


def pair(suite: SuiteRun, baseline: Baseline) -> Pairing:
    """Pair the counted cases of ``suite`` with ``baseline``.

    A case that this branch changed is paired in its version of the base branch. Cases that a sample does not contain
    are not reported as removed. No case is paired if another model replied than at the baseline.
    """
    found = pair_results([result for result in not_skipped(suite.results) if result.case.side != "head"], baseline)
    if (problem := served_problem(suite.results, baseline.other_models)) is not None:
        edited = (*found.edited, *(one.now for one in found.pairs))
        found = replace(found, pairs=(), edited=edited, problem=problem)
    changed = suite.plan.scorers_sha256 != baseline.provenance.scorers_sha256
    found = replace(found, scorers_changed=changed)
    return found if suite.plan.drawn_from is None else found.partial


def pair_results(results: Sequence[CaseResult], baseline: Baseline) -> Pairing:
    """Pair ``results`` with the cases of ``baseline`` by case id and fingerprint."""
    pairs: list[Pair] = []
    edited: list[CaseResult] = []
    added: list[CaseResult] = []
    for result in results:
        before = baseline.cases.get(result.case.golden_id)
        if before is None:
            added.append(result)
        elif before.fingerprint != result.case.fingerprint:
            edited.append(result)
        else:
            pairs.append(Pair(result, before))
    here = {result.case.golden_id for result in results}
    removed = tuple(case_id for case_id in baseline.cases if case_id not in here)
    return Pairing(tuple(pairs), tuple(edited), tuple(added), removed, len(baseline.cases))
