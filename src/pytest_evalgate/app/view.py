"""View builder: the one place that turns a decided run into what the reports show.

``build_view`` pairs each suite with its baseline once; the changed cases, the flaky ones and the reasons of a suite
come from there. The cases themselves stay in the run file: ``StoredCases`` reads them one by one each time a report
iterates over them, because the texts of 100,000 cases do not fit into memory.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.app.worst import (
    changed_row,
    missed_rows,
    raised_in,
    regressed_rows,
    worst_cases,
    worst_ids,
)
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.pairing import pair
from pytest_evalgate.records.cases import Place, golden_id_of
from pytest_evalgate.records.raised import Raised
from pytest_evalgate.records.results import Score
from pytest_evalgate.reports.acknowledging import acknowledgement
from pytest_evalgate.reports.chance import gate_sentences
from pytest_evalgate.reports.view import (
    FULL_TEXT,
    MAX_DETAILED,
    CaseChanges,
    CaseView,
    FlakyCaseRow,
    Reason,
    ReportView,
    SuiteView,
    TrialView,
)
from pytest_evalgate.runs import run_file as run_files
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.gates.pairing import Pair, Pairing
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import CaseResult, Run, SuiteRun, Trial
    from pytest_evalgate.records.verdicts import Baseline, Calibration, HistoryRow, SuiteVerdict, Verdict
    from pytest_evalgate.reports.view import Change, Links, TextPolicy
    from pytest_evalgate.runs.kept import RunFolder
    from pytest_evalgate.runs.run_file import RunInfo

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What a view shows besides the results of the run; everything but the notes and facts is by suite or judge.

    ``baseline_outputs`` are the outputs of the baselines by suite and golden id.
    """

    facts: tuple[tuple[str, str], ...] = ()
    calibrations: Mapping[str, Calibration] = field(default_factory=lambda: _NOTHING)
    history: Mapping[str, tuple[HistoryRow, ...]] = field(default_factory=lambda: _NOTHING)
    scores_before: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=lambda: _NOTHING)
    baseline_outputs: Mapping[str, Mapping[str, Json]] = field(default_factory=lambda: _NOTHING)
    links: Links | None = None
    report_file: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DecidedRun:
    """A run with its verdict and the baselines of its suites."""

    run: Run
    info: RunInfo
    verdict: Verdict
    baselines: Mapping[str, Baseline | None]


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """How a stored run is shown: the folder that file names are relative to, and how much of the texts."""

    root: Path
    texts: TextPolicy = FULL_TEXT
    links: Links | None = None
    report_file: str | None = None


def read_decided(kept: RunFolder, *, texts: bool = True) -> DecidedRun:
    """Read a decided run from its folder. Its view reads the texts that it shows itself.

    Raises:
        UserError: a file of the folder is missing or unusable.
    """
    run, info = run_files.read_with_info(kept.run_file, lambda _: texts)
    verdict = kept.verdict()
    return DecidedRun(run, info, verdict, {name: kept.baseline(verdict, name) for name in verdict.suites})


def view_of(
    kept: RunFolder, decided: DecidedRun, options: ReportOptions, core: ReportView | None = None
) -> ReportView:
    """Return the whole view of a run whose folder is complete.

    Args:
        kept: The folder of the run.
        decided: The run, as it was made or as ``read_decided`` returned it.
        options: How it is shown.
        core: The view of the same run that its session has built; by default it is built here.

    Raises:
        UserError: a file of the folder is missing or unusable.
    """
    verdict, baselines = decided.verdict, decided.baselines
    run_file, verdict_file = (files.relative_name(file, options.root) for file in (kept.run_file, kept.verdict_file))
    if core is None:
        core = build_view(
            verdict, decided.run, baselines, run_file=run_file, verdict_file=verdict_file, texts=options.texts
        )
    compared = {name: baseline for name, baseline in baselines.items() if baseline is not None}
    suites = tuple(
        replace(
            suite,
            verdict=verdict.suites[suite.name],
            history=kept.history(verdict, suite.name),
            scores_before=baseline_scores(compared[suite.name]) if suite.name in compared else _NOTHING,
            sentences=gate_sentences(verdict.suites[suite.name]),
        )
        for suite in core.suites
    )
    outputs = {name: kept.outputs(verdict, name) for name in compared}
    view = replace(
        core,
        verdict=verdict,
        suites=suites,
        run_file=run_file,
        verdict_file=verdict_file,
        facts=tuple(sorted(decided.info.facts.items())),
        calibrations=_calibrations(kept, verdict),
        links=options.links,
        report_file=options.report_file,
        notes=(*takeover_notes(verdict), *decided.info.notes),
        acknowledgement=acknowledgement(verdict),
    )
    return with_cases(view, stored_cases(view, kept.run_file, outputs, options.texts))


def _calibrations(kept: RunFolder, verdict: Verdict) -> dict[str, Calibration]:
    names = {judge.name for suite in verdict.suites.values() for judge in suite.judges}
    if not names:
        return {}
    from pytest_evalgate.judges import calibration  # noqa: PLC0415 - pydantic and scipy; few runs have a judge

    paths = {name: kept.calibration_file(name) for name in sorted(names)}
    return {name: calibration.read(path) for name, path in paths.items() if path.exists()}


def baseline_scores(baseline: Baseline) -> Mapping[str, Sequence[float]]:
    """Return the scores of a baseline by scorer, one per trial; a scorer without own scores has the trial's value."""
    cases = baseline.cases.values()
    return {
        scorer: [value for case in cases for value in case.scores.get(scorer, case.values)]
        for scorer in baseline.scorers
    }


def build_view(  # noqa: PLR0913 - each is a separate part of the view
    verdict: Verdict,
    run: Run,
    baselines: Mapping[str, Baseline | None],
    *,
    run_file: str,
    verdict_file: str,
    context: ReportContext | None = None,
    texts: TextPolicy = FULL_TEXT,
    cases_from: Path | None = None,
    worst_from: Path | None = None,
) -> ReportView:
    """Build the view of a decided run.

    Args:
        verdict: The verdict of the run.
        run: The run.
        baselines: The baseline of each suite, None for a suite without one.
        run_file: Name of the run file, for the reader.
        verdict_file: Name of the verdict file, for the reader.
        context: What to show besides the results.
        texts: How much of the texts to show.
        cases_from: The run file to read the cases from; None for a view without cases.
        worst_from: The run file to read only the worst cases from.
    """
    context = context or ReportContext()
    pairings = {
        suite.plan.name: pair(suite, baseline)
        for suite in run.suites
        if (baseline := baselines.get(suite.plan.name)) is not None
    }
    view = ReportView(
        verdict,
        tuple(
            _suite_view(suite, verdict.suites[name], pairings.get(name), context, texts)
            for suite in run.suites
            for name in [suite.plan.name]
        ),
        run_file,
        verdict_file,
        facts=context.facts,
        calibrations=context.calibrations,
        links=context.links,
        report_file=context.report_file,
        notes=(*takeover_notes(verdict), *context.notes),
        case_changes={
            name: _case_changes(pairing, baseline)
            for name, pairing in pairings.items()
            if (baseline := baselines[name]) is not None
        },
        acknowledgement=acknowledgement(verdict),
    )
    if cases_from is not None:
        return with_cases(view, stored_cases(view, cases_from, context.baseline_outputs, texts))
    if worst_from is None:
        return view
    stored = stored_cases(view, worst_from, context.baseline_outputs, texts)
    return with_worst(view, replace(stored, numbers=_worst_numbers(view, run)))


def _worst_numbers(view: ReportView, run: Run) -> frozenset[int]:
    """Return the positions of the worst cases among all cases of a run, in the order of its file."""
    wanted = {(suite.name, case_id) for suite in view.suites for case_id in worst_ids(suite)}
    every = ((suite.plan.name, result.case.id) for suite in run.suites for result in suite.results)
    return frozenset(number for number, case in enumerate(every) if case in wanted) if wanted else frozenset()


def with_worst(view: ReportView, cases: Iterable[CaseView]) -> ReportView:
    """Add the worst cases to the suites of a view; ``cases`` contains them."""
    wanted = {(suite.name, case_id) for suite in view.suites for case_id in worst_ids(suite)}
    if not wanted:
        return view
    found: dict[str, dict[str, CaseView]] = {suite.name: {} for suite in view.suites}
    for case in cases:
        if (case.suite, case.id) in wanted and case.change != "removed":
            found[case.suite][case.id] = case
    suites = tuple(replace(suite, worst=worst_cases(suite, found[suite.name])) for suite in view.suites)
    return replace(view, suites=suites)


def takeover_notes(verdict: Verdict) -> tuple[str, ...]:
    """Return the note on the answers that were reused from an interrupted run, if there are any."""
    found = verdict.resumed
    if found is None or not found.answers:
        return ()
    return (f"{count(found.answers, 'answer')} reused from the interrupted run {found.run_id}",)


def stored_cases(
    view: ReportView, file: Path, outputs: Mapping[str, Mapping[str, Json]], texts: TextPolicy
) -> StoredCases:
    """Return the cases of a run file, with the outputs of the baselines by suite and golden id."""
    changes = {
        name: replace(changes, outputs=outputs.get(name, _NOTHING)) for name, changes in view.case_changes.items()
    }
    return StoredCases(file, changes, texts)


def with_cases(view: ReportView, cases: Iterable[CaseView]) -> ReportView:
    """Add the cases of a run to its view, and to each suite the cases that are shown in full.

    These are at most 200 per suite: the cases that regressed, then at most 50 fixed ones, then missed and errored ones
    in the order of the plan.
    """
    wanted = {suite.name: _changed_ids(suite) for suite in view.suites}
    found: dict[str, dict[str, CaseView]] = {name: {} for name in wanted}
    room = {name: max(0, MAX_DETAILED - len(ids)) for name, ids in wanted.items()}
    accounting = view.verdict.accounting
    if accounting.missed or accounting.errored or any(suite.fixed for suite in view.suites):
        left = sum(map(len, wanted.values())) + sum(room.values())
        for case in cases:
            if left == 0:  # of a million cases, the first thousands are often enough
                break
            if case.id in wanted[case.suite]:
                left -= case.id not in found[case.suite]
                found[case.suite][case.id] = case
            elif case.outcome in {"missed", "errored"} and room[case.suite] > 0:
                found[case.suite][case.id] = case
                room[case.suite] -= 1
                left -= 1
    suites = tuple(
        replace(suite, details=found[suite.name], worst=worst_cases(suite, found[suite.name])) for suite in view.suites
    )
    return replace(view, suites=suites, cases=cases)


def _changed_ids(suite: SuiteView) -> frozenset[str]:
    changed = [*suite.regressed[:MAX_DETAILED], *suite.fixed[: MAX_DETAILED // 4]]
    return frozenset((*worst_ids(suite), *(case.id for case in changed[:MAX_DETAILED])))


def _suite_view(
    suite: SuiteRun, verdict: SuiteVerdict, pairing: Pairing | None, context: ReportContext, texts: TextPolicy
) -> SuiteView:
    name = suite.plan.name
    return SuiteView(
        name=name,
        verdict=verdict,
        regressed=regressed_rows(pairing, verdict, texts),
        fixed=() if pairing is None else tuple(changed_row(one, texts) for one in pairing.fixed),
        missed=_reasons((result for result in suite.results if result.outcome == "missed"), texts),
        errors=_reasons((result for result in suite.results if result.outcome == "errored"), texts),
        uncached=_count_uncached(
            suite.results, frozenset(judge.name for judge in verdict.judges), is_kept=_is_kept(context, name)
        ),
        flaky=_flaky_rows(suite.results),
        history=context.history.get(name, ()),
        scores_before=context.scores_before.get(name, _NOTHING),
        missed_cases=missed_rows(suite, pairing, verdict, texts),
        sentences=gate_sentences(verdict),
        warned=_warned(suite.results, frozenset(judge.name for judge in verdict.judges), texts),
    )


def _warned(results: Iterable[CaseResult], judges: frozenset[str], texts: TextPolicy) -> tuple[Reason, ...]:
    """Count the cases that each scorer with ``severity = "warn"`` misses; judges have a section of their own."""
    first: dict[str, Reason] = {}
    counts: Counter[str] = Counter()
    for result in results:
        missed = {
            score.name: score.reason
            for trial in result.trials
            for score in trial.scores
            if not score.counts and score.passed is False and score.name not in judges
        }
        counts.update(missed.keys())
        for name, reason in missed.items():
            why = texts.reason(reason)
            first.setdefault(name, Reason(0, f"{name}: {why}" if why else name, str(result.case.place)))
    return tuple(replace(first[name], count=number) for name, number in counts.most_common())


def _is_kept(context: ReportContext, name: str) -> bool:
    """Return whether later runs use the cached outputs of a suite: of a model, or of an application with a version."""
    target = dict(context.facts).get(f"{name}: target", "")
    return not target.startswith("{") or "version" in jsonl.loads(target)


def _count_uncached(results: Iterable[CaseResult], judges: frozenset[str], *, is_kept: bool = True) -> int:
    """Count the cases for which a rerun repeats a call: failed, truncated, withheld, or without a judge's verdict.

    The outputs of an application without a version are not used by later runs, unless the run was interrupted.
    """

    def is_uncached(trial: Trial) -> bool:
        output = trial.output
        if not is_kept:
            return True
        # a reply with unclosed reasoning is complete, so it is cached
        if (
            (trial.value is None and not trial.is_unscored)
            or output is None
            or output.finish not in ("complete", "reasoning")
        ):
            return True
        return any(score.value is None and any(map(score.is_of, judges)) for score in trial.scores)

    return sum(
        result.outcome == "errored" or any(map(is_uncached, result.trials))
        for result in results
        if result.outcome not in ("skipped", "not_run")
    )


def _reasons(results: Iterator[CaseResult], texts: TextPolicy) -> tuple[Reason, ...]:
    """Group cases by reason, most frequent first, with the first case of each group as the example."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for result in results:
        text = texts.reason_at(result.reason, raised_in(result)) or "no reason given"
        counts[text] += 1
        examples.setdefault(text, str(result.case.place))
    return tuple(Reason(count, text, examples[text]) for text, count in counts.most_common())


def _flaky_rows(results: Iterable[CaseResult]) -> tuple[FlakyCaseRow, ...]:
    """Return the flaky cases, the most evenly split first."""
    flaky = [result for result in results if 0 < result.lowest < 1 and result.outcome != "errored"]
    return tuple(
        FlakyCaseRow(
            result.case.id,
            str(result.case.place),
            sum(trial.value == 1 for trial in result.trials),
            len(result.trials),
        )
        for result in sorted(flaky, key=lambda result: abs(result.lowest - 0.5))
    )


def _case_changes(pairing: Pairing, baseline: Baseline) -> CaseChanges:
    def mean_before(golden_id: str) -> float | None:
        return baseline.cases[golden_id].mean

    changes: dict[str, tuple[Change, float | None]] = {
        one.now.case.id: (_direction(one), one.before.mean) for one in pairing.pairs
    }
    changes |= {result.case.id: ("edited", mean_before(result.case.golden_id)) for result in pairing.edited}
    changes |= {result.case.id: ("new", None) for result in pairing.added}
    changes |= {case_id: ("removed", mean_before(case_id)) for case_id in pairing.removed}
    return CaseChanges(changes, pairing.removed)


def _direction(one: Pair) -> Change:
    if one.now.outcome == "not_run" or one.change == 0:
        return "same"
    return "regressed" if one.change < 0 else "fixed"


@dataclass(frozen=True, slots=True)
class StoredCases:
    """The cases of a run file, in the order of its plans; the removed cases of a suite follow its other cases.

    Each iteration reads the file anew. With ``numbers`` only the cases at these positions are parsed.
    """

    path: Path
    changes: Mapping[str, CaseChanges] = field(default_factory=dict)
    texts: TextPolicy = FULL_TEXT
    numbers: frozenset[int] | None = None

    def __iter__(self) -> Iterator[CaseView]:
        """Read the cases from the file, one by one."""
        suite = None
        for row in run_files.rows(self.path, self.numbers):
            if suite is not None and row["suite"] != suite:
                yield from self._removed(suite)
            suite = row["suite"]
            yield self._case(row, self.changes.get(suite, CaseChanges()))
        if suite is not None:
            yield from self._removed(suite)

    def _case(self, row: Mapping[str, Json], suite_changes: CaseChanges) -> CaseView:
        trials = tuple(self._trial(trial) for trial in row.get("trials", ()))
        change, before = suite_changes.changes.get(row["id"], ("", None))
        question = row.get("question", _NOTHING)
        side = row.get("side", "both")
        output = suite_changes.outputs.get(golden_id_of(row["id"], side))
        values = [trial.value for trial in trials if trial.value is not None]
        return CaseView(
            suite=row["suite"],
            id=row["id"],
            place=Place(row["file"], row["line"]),
            outcome=row["outcome"],
            tags=tuple(row.get("tags", ())),
            slices=tuple((by, value) for by, value in row.get("slices", ())),
            side=side,
            change=change,
            before=before,
            value=sum(values) / len(values) if values else None,
            reason=self.texts.reason_at(
                row.get("reason") or next((one.reason for one in trials if not one.value), ""),
                next((one.raised for one in trials if one.raised is not None), None),
            ),
            input=self.texts.of("input", question.get("input")),
            expected=self.texts.of("expected", question.get("expected")),
            trials=trials,
            baseline_output=None if output is None else self.texts.of("output", output),
        )

    def _trial(self, trial: Mapping[str, Json]) -> TrialView:
        calls = trial.get("calls", ())
        return TrialView(
            value=trial["value"],
            output=self.texts.of("output", trial.get("output", _NOTHING).get("value")),
            reason=self.texts.reason(trial.get("reason", "")),
            scores=tuple(self._score(score) for score in trial.get("scores", ())),
            latency_s=trial.get("latency_s"),
            cost_usd=_sum_known(call.get("cost_usd") for call in calls),
            tokens=_sum_known(call.get(name) for call in calls for name in ("tokens_in", "tokens_out")),
            reasoning=self.texts.reason(trial.get("output", _NOTHING).get("reasoning", "")),
            raised=self._raised(trial.get("raised")),
        )

    def _raised(self, raised: Mapping[str, Json] | None) -> Raised | None:
        return None if raised is None else Raised(raised["place"], self.texts.reason(raised.get("traceback", "")))

    def _score(self, score: Mapping[str, Json]) -> Score:
        reason, rationale = (self.texts.reason(score.get(key, "")) for key in ("reason", "rationale"))
        counts = score.get("counts", True)
        return Score(
            *(score["name"], score["value"], score["passed"], reason, score.get("weight"), counts),
            rationale=rationale,
        )

    def _removed(self, suite: str) -> Iterator[CaseView]:
        suite_changes = self.changes.get(suite, CaseChanges())
        for case_id in suite_changes.removed:
            before = suite_changes.changes.get(case_id, ("", None))[1]
            yield CaseView(suite, case_id, Place("", 0), "not_run", change="removed", before=before)


def _sum_known(values: Iterable[Any]) -> Any:
    """Add up the known values; None if there are none: an unknown cost is not zero."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None
