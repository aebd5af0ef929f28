"""Reruns of one commit. They are counted. With ``on_rerun = "pool"`` they are decided on the trials of all attempts.

Rerunning until the gate passes weakens the gate: with three attempts the detection of a drop of 5 points falls from
60 % to 33 % (n = 200). With pooling, each rerun adds trials and makes the verdict more certain.

An attempt is a decided run in the history with the same commit, uncommitted changes, configuration, target, cases and
scorers. Only answers that were not cached in their run are pooled, so that each answer counts once.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import field, replace
from typing import TYPE_CHECKING

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.errors import RunFileError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.pairing import call_records, total_calls
from pytest_evalgate.records.attempts import Reruns
from pytest_evalgate.runs import run_file
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.records.attempts import OnRerun
    from pytest_evalgate.records.results import CaseResult, Run, SuiteRun, Trial
    from pytest_evalgate.records.verdicts import HistoryRow, Verdict

    CaseKey = tuple[str, str]  # id and fingerprint


@dataclass(frozen=True, slots=True)
class PooledRun:
    """Run whose suites have the trials of all attempts, with the attempts of each suite that is a rerun."""

    run: Run
    reruns: Mapping[str, Reruns] = field(default_factory=dict)

    def annotate(self, verdict: Verdict, own: Run, policy: OnRerun) -> Verdict:
        """Add the attempts to the verdict of the pooled run, and the calls of its ``own`` run only."""
        if not self.reruns:
            return verdict
        suites = {
            name: suite
            if (found := self.reruns.get(name)) is None
            else replace(suite, reruns=found, notes=(rerun_note(found, policy), *suite.notes))
            for name, suite in verdict.suites.items()
        }
        calls = total_calls(record for suite in own.suites for record in call_records(suite.results))
        return replace(verdict, suites=suites, calls=calls)


def rerun_note(found: Reruns, policy: OnRerun) -> str:
    """Return the note on a rerun: ``attempt 3 of this commit: decided on the trials of 3 attempts``."""
    text = f"attempt {found.attempt} of this commit"
    if policy == "count":
        return f'{text}: counted only (on_rerun = "count")'
    if found.pooled > 1:
        text += f": decided on the trials of {count(found.pooled, 'attempt')}; lists of cases are those of this one"
    elif len(found.gone) < found.attempt - 1:
        text += ": there are no other fresh answers to pool"
    if found.gone:
        files = "the run file of an earlier one is gone, so it only counts"
        if len(found.gone) > 1:
            files = f"the run files of {len(found.gone):,} earlier ones are gone, so they only count"
        text += f"; {files}: {', '.join(found.gone)}"
    return text


def pool(
    run: Run,
    attempts: Mapping[str, Sequence[HistoryRow]],
    baselines: Mapping[str, str | None],
    *,
    state: Path,
    policy: OnRerun,
) -> PooledRun:
    """Add the fresh trials of earlier attempts to the suites of ``run``.

    Args:
        run: The run.
        attempts: The earlier attempts of each of its suites, oldest first.
        baselines: The run of each suite's baseline. It counts as an attempt, and is not compared with itself.
        state: The state folder, with the run files of kept runs.
        policy: With "count", nothing is added.
    """
    suites: list[SuiteRun] = []
    reruns: dict[str, Reruns] = {}
    stored = _StoredRuns(state)
    for suite in run.suites:
        earlier = attempts.get(suite.plan.name, ())
        if not earlier:
            suites.append(suite)
            continue
        if policy == "count":
            suites.append(suite)
            reruns[suite.plan.name] = Reruns(len(earlier) + 1)
            continue
        own = stored.suite(run.id, suite.plan.name) or suite
        ids = [row.run_id for row in earlier if row.run_id != baselines.get(suite.plan.name)]
        kept = [(run_id, stored.suite(run_id, suite.plan.name)) for run_id in ids]
        gone = tuple(run_id for run_id, found in kept if found is None)
        pooled, used = _pooled(suite, own, [found for _, found in kept if found is not None])
        suites.append(pooled)
        reruns[suite.plan.name] = Reruns(len(earlier) + 1, used, gone)
    return PooledRun(replace(run, suites=tuple(suites)), reruns)


@dataclass(frozen=True, slots=True)
class _StoredRuns:
    """Runs of a state folder, each read once."""

    state: Path
    _runs: dict[str, Run | None] = field(default_factory=dict)

    def suite(self, run_id: str, name: str) -> SuiteRun | None:
        """Return a suite of a stored run; None if its run file is missing or unusable."""
        if run_id not in self._runs:
            self._runs[run_id] = self._read(run_id)
        run = self._runs[run_id]
        return None if run is None else next((suite for suite in run.suites if suite.plan.name == name), None)

    def _read(self, run_id: str) -> Run | None:
        try:
            run = run_file.read(run_file.path_of(self.state, run_id))
        except RunFileError:
            return None
        return run if run.id == run_id and not run.problems else None


def _pooled(suite: SuiteRun, own: SuiteRun, earlier: Sequence[SuiteRun]) -> tuple[SuiteRun, int]:
    """Return ``suite`` with the trials of all attempts, and the number of attempts that have a trial in it.

    ``own`` is the same suite with its outputs. A repeated set of outputs without calls, such as a file of recorded
    outputs, is pooled once.
    """
    seen = {_outputs_sha256(own)}
    fresh: dict[CaseKey, list[Trial]] = defaultdict(list)
    used = 0
    for attempt in earlier:
        digest = _outputs_sha256(attempt)
        found = dict(_fresh_trials(attempt.results)) if digest not in seen or _sends_calls(attempt) else {}
        seen.add(digest)
        used += any(found.values())
        for key, trials in found.items():
            fresh[key] += trials
    results = tuple(_with(result, fresh.get(_key(result), ())) for result in suite.results)
    most = max(suite.plan.trials, *(len(result.trials) for result in results))
    plan = replace(suite.plan, trials=most)
    used += any(_is_fresh(trial) for result in suite.results for trial in result.trials)
    return replace(suite, plan=plan, results=results), max(1, used)


def _with(result: CaseResult, earlier: Sequence[Trial]) -> CaseResult:
    """Return a case with the trials of earlier attempts, without its own trials that repeat one of them."""
    if not earlier or not result.trials:
        return result
    own = [trial for trial in result.trials if _is_fresh(trial)]
    trials = [*own, *earlier]
    if len(trials) < len(result.trials):
        trials = [*result.trials]
    combined = combine_trials(result.case, [replace(trial, index=index) for index, trial in enumerate(trials)])
    return replace(combined, question=result.question)


def _fresh_trials(results: Iterable[CaseResult]) -> Iterator[tuple[CaseKey, list[Trial]]]:
    """Yield the fresh trials that have a value, by case. Their calls are left out: they are costs of their own run."""
    for result in results:
        trials = [trial for trial in result.trials if trial.value is not None and _is_fresh(trial)]
        yield _key(result), [replace(trial, calls=()) for trial in trials]


def _is_fresh(trial: Trial) -> bool:
    """Return whether the answer did not come from the cache."""
    return not any(call.purpose == "target" and call.attempts == 0 for call in trial.calls)


def _key(result: CaseResult) -> CaseKey:
    return result.case.id, result.case.fingerprint


def _sends_calls(suite: SuiteRun) -> bool:
    return any(call.purpose == "target" for call in call_records(suite.results))


def _outputs_sha256(suite: SuiteRun) -> str:
    return jsonl.digest(
        [
            [result.case.id, [None if trial.output is None else trial.output.value for trial in result.trials]]
            for result in suite.results
        ]
    )
