"""The view: everything that the reports print, finished; the reports compute nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.gates.pairing import Pairing, pair

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.data import Baseline, CaseResult, Run, SuiteRun, SuiteVerdict, Verdict
    from pytest_evalgate.gates.pairing import Pair


@dataclass(frozen=True, slots=True)
class ChangedCase:
    """A case whose result differs from the baseline's."""

    id: str
    place: str
    tags: tuple[str, ...]
    before: str
    now: str
    reason: str


@dataclass(frozen=True, slots=True)
class FlakyCase:
    """A case that passed in some of its trials and missed in others."""

    id: str
    place: str
    passed: int
    trials: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why cases were missed or have no answer, and how many."""

    count: int
    text: str
    example: str


@dataclass(frozen=True, slots=True)
class SuiteView:
    """One suite: its verdict, and the cases that a reader wants to see."""

    name: str
    verdict: SuiteVerdict
    regressed: tuple[ChangedCase, ...] = ()
    fixed: tuple[ChangedCase, ...] = ()
    missed: tuple[Reason, ...] = ()
    errors: tuple[Reason, ...] = ()
    flaky: tuple[FlakyCase, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportView:
    """One run, ready to be printed."""

    verdict: Verdict
    suites: tuple[SuiteView, ...]
    run_file: str
    verdict_file: str


def build_view(
    verdict: Verdict, run: Run, baselines: Mapping[str, Baseline | None], *, run_file: str, verdict_file: str
) -> ReportView:
    """Build the view of a judged run."""
    suites = tuple(
        _suite_view(suite, verdict.suites[suite.plan.name], baselines.get(suite.plan.name)) for suite in run.suites
    )
    return ReportView(verdict, suites, run_file, verdict_file)


def _suite_view(suite: SuiteRun, verdict: SuiteVerdict, baseline: Baseline | None) -> SuiteView:
    pairing = pair(suite, baseline) if baseline is not None else Pairing((), (), (), (), 0)
    return SuiteView(
        name=suite.plan.name,
        verdict=verdict,
        regressed=tuple(map(_changed, pairing.regressed)),
        fixed=tuple(map(_changed, pairing.fixed)),
        missed=_reasons(result for result in suite.results if result.outcome == "missed"),
        errors=_reasons(result for result in suite.results if result.outcome == "errored"),
        flaky=_flaky(suite.results),
    )


def _flaky(results: Iterable[CaseResult]) -> tuple[FlakyCase, ...]:
    """Return the flaky cases, the most evenly split first."""
    found = [result for result in results if 0 < result.lowest < 1 and result.outcome != "errored"]
    return tuple(
        FlakyCase(
            result.case.id,
            str(result.case.place),
            sum(trial.value == 1 for trial in result.trials),
            len(result.trials),
        )
        for result in sorted(found, key=lambda result: abs(result.lowest - 0.5))
    )


def _changed(changed: Pair) -> ChangedCase:
    result = changed.now
    case = result.case
    now = "no answer" if result.outcome == "errored" else _level(result.lowest)
    reason = result.reason or next((trial.reason for trial in result.trials if not trial.value), "")
    return ChangedCase(case.id, str(case.place), case.tags, _level(changed.before.mean), now, reason)


def _level(value: float) -> str:
    return {0.0: "miss", 1.0: "pass"}.get(value, f"{value:.2f}")


def _reasons(results: Iterable[CaseResult]) -> tuple[Reason, ...]:
    """Group the reasons, the most frequent first; of a group the first case is the example."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for result in results:
        text = result.reason or "no reason given"
        counts[text] += 1
        examples.setdefault(text, str(result.case.place))
    return tuple(Reason(count, text, examples[text]) for text, count in counts.most_common())
