"""The view: everything that the reports print, finished; the reports compute nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.gates.pairing import Pairing, pair
from pytest_evalgate.reports.cases import Compared
from pytest_evalgate.reports.texts import SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.data import (
        Baseline,
        Calibration,
        CaseResult,
        HistoryRow,
        Json,
        Place,
        Run,
        SuiteRun,
        SuiteVerdict,
        Verdict,
    )
    from pytest_evalgate.gates.pairing import Pair
    from pytest_evalgate.reports.cases import CaseView, Change
    from pytest_evalgate.reports.links import Links
    from pytest_evalgate.reports.texts import Texts

DETAILED: Final = 200
"""So many cases of a suite are shown whole where a report shows only those that matter."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChangedCase:
    """A case whose result differs from the baseline's."""

    id: str
    place: Place
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
    """One suite: its verdict, and the cases that a reader wants to see.

    ``regressed`` and ``fixed`` stand worst and best first. ``details`` holds at most 200 cases whole, by id: those
    that regressed, then those that are missed, then the fixed ones. ``history`` are its last runs, this one included.
    ``scores_before`` are the baseline's scores in [0, 1] by scorer, one a trial.
    """

    name: str
    verdict: SuiteVerdict
    regressed: tuple[ChangedCase, ...] = ()
    fixed: tuple[ChangedCase, ...] = ()
    missed: tuple[Reason, ...] = ()
    errors: tuple[Reason, ...] = ()
    flaky: tuple[FlakyCase, ...] = ()
    details: Mapping[str, CaseView] = field(default_factory=lambda: _NOTHING)
    history: tuple[HistoryRow, ...] = ()
    scores_before: Mapping[str, Sequence[float]] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class ReportView:
    """One run, ready to be printed.

    ``cases`` can be drawn again and again, and never stand all in memory. ``facts`` say how the run came about, by
    name. ``calibrations`` are those of the judges. ``links`` lead to the repository, where it is known.
    ``report_file`` is the HTML report, where one is written. ``notes`` stand below the numbers.
    """

    verdict: Verdict
    suites: tuple[SuiteView, ...]
    run_file: str
    verdict_file: str
    cases: Iterable[CaseView] = ()
    facts: tuple[tuple[str, str], ...] = ()
    calibrations: Mapping[str, Calibration] = field(default_factory=lambda: _NOTHING)
    links: Links | None = None
    report_file: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of a run beside its results; every field is that of a view, ``history`` and scores by suite."""

    facts: tuple[tuple[str, str], ...] = ()
    calibrations: Mapping[str, Calibration] = field(default_factory=lambda: _NOTHING)
    history: Mapping[str, tuple[HistoryRow, ...]] = field(default_factory=lambda: _NOTHING)
    scores_before: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=lambda: _NOTHING)
    links: Links | None = None
    report_file: str | None = None
    notes: tuple[str, ...] = ()


_UNKNOWN: Final = Surroundings()


def build_view(  # noqa: PLR0913 - what a report is made of, by name
    verdict: Verdict,
    run: Run,
    baselines: Mapping[str, Baseline | None],
    *,
    run_file: str,
    verdict_file: str,
    around: Surroundings = _UNKNOWN,
    texts: Texts = SHOWN,
) -> ReportView:
    """Build the view of a judged run, without its cases: ``with_cases`` adds them."""
    suites = tuple(
        _suite_view(suite, verdict.suites[suite.plan.name], baselines.get(suite.plan.name), around, texts)
        for suite in run.suites
    )
    return ReportView(
        verdict,
        suites,
        run_file,
        verdict_file,
        facts=around.facts,
        calibrations=around.calibrations,
        links=around.links,
        report_file=around.report_file,
        notes=around.notes,
    )


def compared(
    run: Run, baselines: Mapping[str, Baseline | None], outputs: Mapping[str, Mapping[str, Json]] = _NOTHING
) -> dict[str, Compared]:
    """Say of each suite's cases what became of them since its baseline; ``outputs`` are those of the baselines."""
    return {
        suite.plan.name: _compared(pair(suite, baseline), baseline, outputs.get(suite.plan.name, _NOTHING))
        for suite in run.suites
        if (baseline := baselines.get(suite.plan.name)) is not None
    }


def with_cases(view: ReportView, cases: Iterable[CaseView]) -> ReportView:
    """Add the cases of a run to its view, and to each suite those that are shown whole."""
    wanted = {suite.name: _wanted(suite) for suite in view.suites}
    found: dict[str, dict[str, CaseView]] = {name: {} for name in wanted}
    room = {suite.name: DETAILED - len(wanted[suite.name]) for suite in view.suites}
    for case in cases if _has_any(view) else ():
        if case.id in wanted[case.suite]:
            found[case.suite][case.id] = case
        elif case.outcome in {"missed", "errored"} and room[case.suite] > 0:
            found[case.suite][case.id] = case
            room[case.suite] -= 1
    suites = tuple(replace(suite, details=found[suite.name]) for suite in view.suites)
    return replace(view, suites=suites, cases=cases)


def _wanted(suite: SuiteView) -> frozenset[str]:
    changed = [*suite.regressed[:DETAILED], *suite.fixed[: DETAILED // 4]]
    return frozenset(case.id for case in changed[:DETAILED])


def _has_any(view: ReportView) -> bool:
    """Tell whether any case is worth to be shown whole."""
    accounting = view.verdict.accounting
    return bool(accounting.missed or accounting.errored or any(suite.fixed for suite in view.suites))


def _suite_view(
    suite: SuiteRun, verdict: SuiteVerdict, baseline: Baseline | None, around: Surroundings, texts: Texts
) -> SuiteView:
    pairing = pair(suite, baseline) if baseline is not None else Pairing((), (), (), (), 0)
    return SuiteView(
        name=suite.plan.name,
        verdict=verdict,
        regressed=tuple(_changed(one, texts) for one in pairing.regressed),
        fixed=tuple(_changed(one, texts) for one in pairing.fixed),
        missed=_reasons((result for result in suite.results if result.outcome == "missed"), texts),
        errors=_reasons((result for result in suite.results if result.outcome == "errored"), texts),
        flaky=_flaky(suite.results),
        history=around.history.get(suite.plan.name, ()),
        scores_before=around.scores_before.get(suite.plan.name, _NOTHING),
    )


def _compared(pairing: Pairing, baseline: Baseline, outputs: Mapping[str, Json]) -> Compared:
    changes: dict[str, tuple[Change, float | None]] = {
        one.now.case.id: (_direction(one), one.before.mean) for one in pairing.pairs
    }
    changes |= {result.case.id: ("edited", _mean_before(result, baseline)) for result in pairing.edited}
    changes |= {result.case.id: ("new", None) for result in pairing.added}
    changes |= {case_id: ("removed", baseline.cases[case_id].mean) for case_id in pairing.removed}
    return Compared(changes, pairing.removed, outputs)


def _direction(one: Pair) -> Change:
    if one.now.outcome == "not_run" or one.change == 0:
        return "same"
    return "regressed" if one.change < 0 else "fixed"


def _mean_before(result: CaseResult, baseline: Baseline) -> float | None:
    return baseline.cases[result.case.golden_id].mean


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


def _changed(changed: Pair, texts: Texts) -> ChangedCase:
    result = changed.now
    case = result.case
    now = "no answer" if result.outcome == "errored" else level(result.lowest)
    reason = result.reason or next((trial.reason for trial in result.trials if not trial.value), "")
    return ChangedCase(case.id, case.place, case.tags, level(changed.before.mean), now, texts.reason(reason))


def level(value: float | None) -> str:
    """Write a case's mean over its trials: ``pass``, ``miss``, ``0.67``; nothing where there is none."""
    if value is None:
        return ""
    return {0.0: "miss", 1.0: "pass"}.get(value, f"{value:.2f}")


def _reasons(results: Iterator[CaseResult], texts: Texts) -> tuple[Reason, ...]:
    """Group the reasons, the most frequent first; of a group the first case is the example."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for result in results:
        text = texts.reason(result.reason) or "no reason given"
        counts[text] += 1
        examples.setdefault(text, str(result.case.place))
    return tuple(Reason(count, text, examples[text]) for text, count in counts.most_common())
