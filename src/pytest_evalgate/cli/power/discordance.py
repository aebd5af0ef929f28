"""How often the cases of a suite differ between two identical runs, from the best evidence that there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.gates.foresight import USUAL_DISCORDANCE
from pytest_evalgate.gates.pairing import pair
from pytest_evalgate.stats.stability import flip_rate
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_evalgate.data import Baseline, CaseResult, Run, SuiteRun

_FEWEST_TRIALS = 2


@dataclass(frozen=True, slots=True)
class Discordance:
    """The share of cases that differ between two identical runs, in (0, 1), and where it comes from, in words."""

    share: float
    source: str


def estimate(baseline: Baseline | None, run: Run | None, suite: SuiteRun | None) -> Discordance:
    """Estimate the discordance of ``suite``, which ``run`` holds; an assumption where nothing is known.

    The baseline's own trials come first, then the run against the baseline, then the run's own trials.
    """
    return (
        _of_baseline(baseline)
        or _of_comparison(baseline, run, suite)
        or _of_run(run, suite)
        or Discordance(USUAL_DISCORDANCE, "an assumption; to measure it: pytest-evalgate aa")
    )


def _of_baseline(baseline: Baseline | None) -> Discordance | None:
    if baseline is None:
        return None
    return _of_trials((case.values for case in baseline.cases.values()), "the baseline's own trials")


def _of_comparison(baseline: Baseline | None, run: Run | None, suite: SuiteRun | None) -> Discordance | None:
    if baseline is None or run is None or suite is None or run.id == baseline.provenance.run_id:
        return None  # a run compared with itself would say that nothing ever differs
    pairs = [(found.before.mean, found.now.lowest) for found in pair(suite, baseline).pairs if _answered(found.now)]
    if not pairs:
        return None
    differing = sum(before * (1 - now) + now * (1 - before) for before, now in pairs)
    share = (differing + 1) / (len(pairs) + 2)
    return Discordance(share, f"run {run.id} against the baseline, {count(len(pairs), 'pair')}")


def _of_run(run: Run | None, suite: SuiteRun | None) -> Discordance | None:
    if run is None or suite is None:
        return None
    values = ([trial.value for trial in result.trials] for result in suite.results if _answered(result))
    return _of_trials(values, f"the trials of run {run.id}")


def _of_trials(cases: Iterable[Sequence[float | None]], whose: str) -> Discordance | None:
    usable = [values for values in cases if len(values) >= _FEWEST_TRIALS and set(values) <= {0.0, 1.0}]
    if not usable:
        return None
    trials = [len(values) for values in usable]
    flips = flip_rate([values.count(1.0) for values in usable], trials)
    n = len(usable)
    share = min(max(flips.rate, 1 / (n + 2)), (n + 1) / (n + 2))  # no flip in n cases is not yet "never"
    least, most = min(trials), max(trials)
    number = f"{least}" if least == most else f"{least} to {most}"
    return Discordance(share, f"{whose}, {number} of each of {count(n, 'case')}")


def _answered(result: CaseResult) -> bool:
    return bool(result.trials) and all(trial.value is not None for trial in result.trials)
