"""The cases of a run as reports show them, drawn from the run file one by one: a hundred thousand do not fit."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from pytest_evalgate.gates.pairing import Pairing, pair
from pytest_evalgate.records.results import Place, Score, golden_id_of
from pytest_evalgate.reports.figures import baseline_scores
from pytest_evalgate.runs import run_file
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.config import Report
    from pytest_evalgate.gates.pairing import Pair
    from pytest_evalgate.records.results import (
        Baseline,
        Calibration,
        CaseResult,
        HistoryRow,
        Json,
        Outcome,
        Run,
        Side,
        SuiteRun,
        SuiteVerdict,
        Verdict,
    )
    from pytest_evalgate.runs.kept import RunFolder
    from pytest_evalgate.runs.run_file import RunInfo

LONGEST: Final = 20_000
"""Characters of one field; the whole of it stands in the run file."""

_EXCERPT: Final = 200
_LEFT_OUT: Final = "(left out)"


@dataclass(frozen=True, slots=True)
class TextPolicy:
    """How values become texts: see ``settings.Report`` for the two keys."""

    content: str = "full"
    redact: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def by(cls, settings: Report) -> TextPolicy:
        """Make texts as configured."""
        return cls(settings.content, tuple(tuple(path.split(".")) for path in settings.redact))

    def of(self, field: str, value: Json) -> str:
        """Return the text of a value; ``field`` is ``input``, ``expected`` or ``output``."""
        if value is None:
            return ""
        for path in self.redact:
            if path[0] == field:
                value = _without(value, path[1:])
        return self.plain(_text(value))

    def reason(self, text: str) -> str:
        """Return why a case was missed; nothing where fields are taken out: it may repeat them in its own words."""
        return self.plain(text) if not self.redact or not text else _LEFT_OUT

    def plain(self, text: str) -> str:
        """Return a text as far as it may be shown."""
        if self.content == "full" and len(text) <= LONGEST:  # nearly every text, of which there are many
            return text
        if self.content == "none":
            return _LEFT_OUT if text else ""
        return truncate(text, _EXCERPT if self.content == "excerpt" else LONGEST)


FULL_TEXT: Final = TextPolicy()
"""Everything is shown."""


def truncate(text: str, longest: int) -> str:
    """Return ``text``, or its beginning and how long the whole is."""
    return text if len(text) <= longest else f"{text[:longest]} ... ({len(text):,} characters)"


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, dict) and "role" in one for one in value):
        return "\n".join(f"{one['role']}: {_text(one.get('content'))}" for one in value)
    return json.dumps(value, ensure_ascii=False, indent=1)


def _without(value: Json, path: tuple[str, ...]) -> Json:
    """Return ``value`` with what stands at ``path`` replaced by three stars; members of lists are all looked at."""
    if isinstance(value, list):
        return [_without(one, path) for one in value]
    if not isinstance(value, dict) or path[0] not in value:
        return value
    inner = "***" if len(path) == 1 else _without(value[path[0]], path[1:])
    return {**value, path[0]: inner}


Change = Literal["regressed", "fixed", "same", "new", "edited", "removed", ""]
"""What became of a case since the baseline; "" where there is none to compare with."""

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial: ``value`` is 1.0, 0.0 or None for no answer. Texts are as the configuration lets them be seen."""

    value: float | None
    output: str
    reason: str = ""
    scores: tuple[Score, ...] = ()
    latency_s: float | None = None
    cost_usd: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case of a suite, with all that is known of it.

    ``value`` is the mean over its trials (None: no answer, or not run), ``before`` the baseline's mean; ``reason``
    says why it is missed, ``baseline_output`` what the baseline's first trial answered, None where that was not kept.
    """

    suite: str
    id: str
    place: Place
    outcome: Outcome
    tags: tuple[str, ...] = ()
    slices: tuple[tuple[str, str], ...] = ()
    side: Side = "both"
    change: Change = ""
    before: float | None = None
    value: float | None = None
    reason: str = ""
    input: str = ""
    expected: str = ""
    trials: tuple[TrialView, ...] = ()
    baseline_output: str | None = None

    @property
    def flaky(self) -> bool:
        """Tell whether it passed in some of its trials and missed in others."""
        return len({trial.value for trial in self.trials}) > 1


@dataclass(frozen=True, slots=True)
class CaseChanges:
    """What is known of one suite's cases from its baseline: change and mean by id, and its outputs by golden id."""

    changes: Mapping[str, tuple[Change, float | None]] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)


_NO_BASELINE = CaseChanges()


@dataclass(frozen=True, slots=True)
class StoredCases:
    """The cases of a run file in the order of its plans, each suite's removed ones behind; can be drawn again."""

    path: Path
    case_changes: Mapping[str, CaseChanges] = field(default_factory=dict)
    texts: TextPolicy = FULL_TEXT

    def __iter__(self) -> Iterator[CaseView]:
        """Draw them from the file."""
        suite = None
        for row in run_file.rows(self.path):
            if suite is not None and row["suite"] != suite:
                yield from self._removed(suite)
            suite = row["suite"]
            yield self._case(row, self.case_changes.get(suite, _NO_BASELINE))
        if suite is not None:
            yield from self._removed(suite)

    def _case(self, row: Mapping[str, Json], case_changes: CaseChanges) -> CaseView:
        trials = tuple(self._trial(trial) for trial in row.get("trials", ()))
        change, before = case_changes.changes.get(row["id"], ("", None))
        question = row.get("question", _NOTHING)
        side = row.get("side", "both")
        output = case_changes.outputs.get(golden_id_of(row["id"], side))
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
            value=_mean(trials),
            reason=self.texts.reason(row.get("reason") or next((one.reason for one in trials if not one.value), "")),
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
            cost_usd=_sum(call.get("cost_usd") for call in calls),
            tokens=_sum(call.get(name) for call in calls for name in ("tokens_in", "tokens_out")),
        )

    def _score(self, score: Mapping[str, Json]) -> Score:
        reason, counts = self.texts.reason(score.get("reason", "")), score.get("counts", True)
        return Score(score["name"], score["value"], score["passed"], reason, score.get("weight"), counts)

    def _removed(self, suite: str) -> Iterator[CaseView]:
        case_changes = self.case_changes.get(suite, _NO_BASELINE)
        for case_id in case_changes.removed:
            before = case_changes.changes.get(case_id, ("", None))[1]
            yield CaseView(suite, case_id, Place("", 0), "not_run", change="removed", before=before)


def _mean(trials: tuple[TrialView, ...]) -> float | None:
    values = [trial.value for trial in trials if trial.value is not None]
    return sum(values) / len(values) if values else None


def _sum(values: Iterator[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


_REPOSITORY: Final = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_SERVER: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True, slots=True)
class Links:
    """A repository at one commit. ``folder`` is the root folder within it, ``run`` the page of the job's run."""

    repository: str
    commit: str
    folder: str = ""
    run: str | None = None

    def line(self, place: Place) -> str:
        """Return the address of a line."""
        path = "/".join(filter(None, (self.folder, place.file)))
        return f"{self.repository}/blob/{self.commit}/{quote(path, errors='surrogatepass')}#L{place.line}"


def on_github(environ: Mapping[str, str]) -> bool:
    """Tell whether this is a job of GitHub's, whose runner reads the log for commands."""
    return environ.get("GITHUB_ACTIONS") == "true"


def links_of(environ: Mapping[str, str], root: Path) -> Links | None:
    """Return what the environment of a GitHub runner says of the checkout at ``root``; None anywhere else."""
    server, name = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
    commit = _head_of(environ) or environ.get("GITHUB_SHA", "")
    if not (_SERVER.fullmatch(server) and _REPOSITORY.fullmatch(name) and _COMMIT.fullmatch(commit)):
        return None
    number = environ.get("GITHUB_RUN_ID", "")
    run = f"{server}/{name}/actions/runs/{number}" if number.isdigit() else None
    return Links(f"{server}/{name}", commit, _folder(environ.get("GITHUB_WORKSPACE"), root), run)


def _head_of(environ: Mapping[str, str]) -> str | None:
    """Return the newest commit of a pull request: what is checked out is a merge of it that no page shows for long."""
    try:
        event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_bytes())
        sha = event["pull_request"]["head"]["sha"]
    except (KeyError, OSError, TypeError, ValueError):
        return None
    return sha if isinstance(sha, str) else None


def _folder(workspace: str | None, root: Path) -> str:
    if not workspace:
        return ""
    top, here = Path(workspace).resolve(), root.resolve()
    return here.relative_to(top).as_posix().removeprefix(".") if here.is_relative_to(top) else ""


MAX_DETAILED: Final = 200
"""So many cases of a suite are shown whole where a report shows only those that matter."""

_VIEW_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChangedCaseRow:
    """A case whose result differs from the baseline's."""

    id: str
    place: Place
    tags: tuple[str, ...]
    before: str
    now: str
    reason: str


@dataclass(frozen=True, slots=True)
class FlakyCaseRow:
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
    regressed: tuple[ChangedCaseRow, ...] = ()
    fixed: tuple[ChangedCaseRow, ...] = ()
    missed: tuple[Reason, ...] = ()
    errors: tuple[Reason, ...] = ()
    flaky: tuple[FlakyCaseRow, ...] = ()
    details: Mapping[str, CaseView] = field(default_factory=lambda: _VIEW_NOTHING)
    history: tuple[HistoryRow, ...] = ()
    scores_before: Mapping[str, Sequence[float]] = field(default_factory=lambda: _VIEW_NOTHING)


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
    calibrations: Mapping[str, Calibration] = field(default_factory=lambda: _VIEW_NOTHING)
    links: Links | None = None
    report_file: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What is known of a run beside its results; every field is that of a view, ``history`` and scores by suite."""

    facts: tuple[tuple[str, str], ...] = ()
    calibrations: Mapping[str, Calibration] = field(default_factory=lambda: _VIEW_NOTHING)
    history: Mapping[str, tuple[HistoryRow, ...]] = field(default_factory=lambda: _VIEW_NOTHING)
    scores_before: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=lambda: _VIEW_NOTHING)
    links: Links | None = None
    report_file: str | None = None
    notes: tuple[str, ...] = ()


_UNKNOWN: Final = ReportContext()


def build_view(  # noqa: PLR0913 - what a report is made of, by name
    verdict: Verdict,
    run: Run,
    baselines: Mapping[str, Baseline | None],
    *,
    run_file: str,
    verdict_file: str,
    context: ReportContext = _UNKNOWN,
    texts: TextPolicy = FULL_TEXT,
) -> ReportView:
    """Build the view of a judged run, without its cases: ``with_cases`` adds them."""
    suites = tuple(
        _suite_view(suite, verdict.suites[suite.plan.name], baselines.get(suite.plan.name), context, texts)
        for suite in run.suites
    )
    return ReportView(
        verdict,
        suites,
        run_file,
        verdict_file,
        facts=context.facts,
        calibrations=context.calibrations,
        links=context.links,
        report_file=context.report_file,
        notes=context.notes,
    )


def case_changes(
    run: Run, baselines: Mapping[str, Baseline | None], outputs: Mapping[str, Mapping[str, Json]] = _VIEW_NOTHING
) -> dict[str, CaseChanges]:
    """Say of each suite's cases what became of them since its baseline; ``outputs`` are those of the baselines."""
    return {
        suite.plan.name: _compared(pair(suite, baseline), baseline, outputs.get(suite.plan.name, _VIEW_NOTHING))
        for suite in run.suites
        if (baseline := baselines.get(suite.plan.name)) is not None
    }


def with_cases(view: ReportView, cases: Iterable[CaseView]) -> ReportView:
    """Add the cases of a run to its view, and to each suite those that are shown whole."""
    wanted = {suite.name: _detailed_ids(suite) for suite in view.suites}
    found: dict[str, dict[str, CaseView]] = {name: {} for name in wanted}
    room = {suite.name: MAX_DETAILED - len(wanted[suite.name]) for suite in view.suites}
    for case in cases if _has_any(view) else ():
        if case.id in wanted[case.suite]:
            found[case.suite][case.id] = case
        elif case.outcome in {"missed", "errored"} and room[case.suite] > 0:
            found[case.suite][case.id] = case
            room[case.suite] -= 1
    suites = tuple(replace(suite, details=found[suite.name]) for suite in view.suites)
    return replace(view, suites=suites, cases=cases)


def _detailed_ids(suite: SuiteView) -> frozenset[str]:
    changed = [*suite.regressed[:MAX_DETAILED], *suite.fixed[: MAX_DETAILED // 4]]
    return frozenset(case.id for case in changed[:MAX_DETAILED])


def _has_any(view: ReportView) -> bool:
    """Tell whether any case is worth to be shown whole."""
    accounting = view.verdict.accounting
    return bool(accounting.missed or accounting.errored or any(suite.fixed for suite in view.suites))


def _suite_view(
    suite: SuiteRun, verdict: SuiteVerdict, baseline: Baseline | None, context: ReportContext, texts: TextPolicy
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
        history=context.history.get(suite.plan.name, ()),
        scores_before=context.scores_before.get(suite.plan.name, _VIEW_NOTHING),
    )


def _compared(pairing: Pairing, baseline: Baseline, outputs: Mapping[str, Json]) -> CaseChanges:
    changes: dict[str, tuple[Change, float | None]] = {
        one.now.case.id: (_direction(one), one.before.mean) for one in pairing.pairs
    }
    changes |= {result.case.id: ("edited", _mean_before(result, baseline)) for result in pairing.edited}
    changes |= {result.case.id: ("new", None) for result in pairing.added}
    changes |= {case_id: ("removed", baseline.cases[case_id].mean) for case_id in pairing.removed}
    return CaseChanges(changes, pairing.removed, outputs)


def _direction(one: Pair) -> Change:
    if one.now.outcome == "not_run" or one.change == 0:
        return "same"
    return "regressed" if one.change < 0 else "fixed"


def _mean_before(result: CaseResult, baseline: Baseline) -> float | None:
    return baseline.cases[result.case.golden_id].mean


def _flaky(results: Iterable[CaseResult]) -> tuple[FlakyCaseRow, ...]:
    """Return the flaky cases, the most evenly split first."""
    found = [result for result in results if 0 < result.lowest < 1 and result.outcome != "errored"]
    return tuple(
        FlakyCaseRow(
            result.case.id,
            str(result.case.place),
            sum(trial.value == 1 for trial in result.trials),
            len(result.trials),
        )
        for result in sorted(found, key=lambda result: abs(result.lowest - 0.5))
    )


def _changed(changed: Pair, texts: TextPolicy) -> ChangedCaseRow:
    result = changed.now
    case = result.case
    now = "no answer" if result.outcome == "errored" else format_mean(result.lowest)
    reason = result.reason or next((trial.reason for trial in result.trials if not trial.value), "")
    return ChangedCaseRow(case.id, case.place, case.tags, format_mean(changed.before.mean), now, texts.reason(reason))


def format_mean(value: float | None) -> str:
    """Write a case's mean over its trials: ``pass``, ``miss``, ``0.67``; nothing where there is none."""
    if value is None:
        return ""
    return {0.0: "miss", 1.0: "pass"}.get(value, f"{value:.2f}")


def _reasons(results: Iterator[CaseResult], texts: TextPolicy) -> tuple[Reason, ...]:
    """Group the reasons, the most frequent first; of a group the first case is the example."""
    examples: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for result in results:
        text = texts.reason(result.reason) or "no reason given"
        counts[text] += 1
        examples.setdefault(text, str(result.case.place))
    return tuple(Reason(count, text, examples[text]) for text, count in counts.most_common())


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Where a run is shown: the root folder that files are named from, and what may be shown of the cases."""

    root: Path
    texts: TextPolicy = FULL_TEXT
    links: Links | None = None
    report_file: str | None = None


@dataclass(frozen=True, slots=True)
class DecidedRun:
    """A run, how it came about, what its gates said, and what it was compared with."""

    run: Run
    origin: RunInfo
    verdict: Verdict
    baselines: Mapping[str, Baseline | None]


def read_decided(kept: RunFolder) -> DecidedRun:
    """Read a judged run from its folder.

    Raises:
        UserError: a file of the folder is missing, or cannot be used.

    """
    run, origin = run_file.read_with_info(kept.run_file)
    verdict = kept.verdict()
    return DecidedRun(run, origin, verdict, {name: kept.baseline(verdict, name) for name in verdict.suites})


def view_of(kept: RunFolder, decided: DecidedRun, setting: ReportOptions) -> ReportView:
    """Build the view of a judged run.

    Args:
        kept: Its folder.
        decided: What stands there, as it was made or as it was read.
        setting: Where it is shown.

    Raises:
        UserError: a file of the folder is missing, or cannot be used.

    """
    run, origin, verdict, baselines = decided.run, decided.origin, decided.verdict, decided.baselines
    outputs = {name: kept.outputs(verdict, name) for name, found in baselines.items() if found is not None}
    context = ReportContext(
        facts=tuple(sorted(origin.facts.items())),
        calibrations=_calibrations(kept, verdict),
        history={name: kept.history(verdict, name) for name in verdict.suites},
        scores_before={name: baseline_scores(found) for name, found in baselines.items() if found is not None},
        links=setting.links,
        report_file=setting.report_file,
        notes=origin.notes,
    )
    view = build_view(
        verdict,
        run,
        baselines,
        run_file=files.relative_name(kept.run_file, setting.root),
        verdict_file=files.relative_name(kept.verdict_file, setting.root),
        context=context,
        texts=setting.texts,
    )
    return with_cases(view, StoredCases(kept.run_file, case_changes(run, baselines, outputs), setting.texts))


def _calibrations(kept: RunFolder, verdict: Verdict) -> dict[str, Calibration]:
    names = {judge.name for suite in verdict.suites.values() for judge in suite.judges}
    if not names:
        return {}
    from pytest_evalgate.judges import calibration as calibrations  # noqa: PLC0415 - few runs have a judge

    found = {name: kept.calibration_file(name) for name in sorted(names)}
    return {name: calibrations.read(path) for name, path in found.items() if path.exists()}
