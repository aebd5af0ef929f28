"""Screen of ``pytest-evalgate compare``: a finished comparison as lines of at most 100 columns."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.compared_sentences import detectable, finding
from pytest_evalgate.cli.printing import WIDTH, wrapped
from pytest_evalgate.reports.metric_tables import change_text as figure_change
from pytest_evalgate.reports.metric_tables import number, subject
from pytest_evalgate.reports.phrases import change_text
from pytest_evalgate.reports.terminal import verdict_line
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align, truncate_columns, width_of
from pytest_evalgate.text.wording import p_value, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.app.compared_sides import SourceRun
    from pytest_evalgate.app.comparing import CaseChange, Changes, Comparison, FlakyPair, SuiteComparison
    from pytest_evalgate.records.measured import MetricResult
    from pytest_evalgate.records.verdicts import Delta, Verdict

    Row = tuple[str, ...]

_MAX_LISTED: Final = 10
_NAME_WIDTH: Final = 20  # leaves room for the numbers of 100,000 pairs
_ID_WIDTH: Final = 40
_NONE: Final = "-"
_DEFAULT_SIDES: Final = ("baseline", "newest")
_CHANGE: Final = ("place", "A -> B", "reason")


def render(found: Comparison, *, regressed_only: bool) -> tuple[str, ...]:
    """Render the comparison, or only all cases that got worse; then the verdict, if there is one."""
    lines = _regressed_only(found) if regressed_only else _whole(found)
    verdict = () if found.gate_verdict is None else ("", one_line(verdict_line(found.gate_verdict).text))
    return (*lines, *verdict)


def _regressed_only(found: Comparison) -> Iterator[str]:
    for suite in found.suites:
        regressed = suite.changes.regressed
        yield from _wrapped(f"{suite.suite}: {len(regressed):,} regressed", indent="")
        yield from _list(("REGRESSED", *_CHANGE), _changed(regressed))


def _whole(found: Comparison) -> Iterator[str]:
    yield from _sources("A", {suite.suite: suite.older for suite in found.suites})
    yield from _sources("B", {suite.suite: suite.newer for suite in found.suites})
    for note in found.notes:
        yield from _wrapped(note, indent="")
    yield ""
    yield from _table(found.suites)
    for side, names in (("A", found.only_older), ("B", found.only_newer)):
        if names:
            yield from _wrapped(f"only in {side}: {', '.join(names)}", indent="")
    for suite in found.suites:
        yield ""
        yield from _suite(suite, _command(found.specs, suite.suite))
    if found.gate_verdict is not None:
        yield from _gates(found.gate_verdict)


def _sources(side: str, sources: dict[str, SourceRun]) -> Iterator[str]:
    """Yield a line for each run of a side; most often all suites come from one run."""
    for source in dict.fromkeys(sources.values()):
        named = [suite for suite, other in sources.items() if other == source]
        whose = "" if len(named) == len(sources) else f"{', '.join(named)}: "
        run = "" if source.name == f"run {source.run_id}" else f", run {source.run_id}"
        commit = "" if source.commit is None else f", commit {source.commit[:12]}"
        yield from _wrapped(f"{side}  {whose}{source.name}{run} of {source.created}{commit}", indent="")


def _table(suites: Iterable[SuiteComparison]) -> list[str]:
    headings = ("suite", "pairs", "A", "B", "change (bounds)", "worse", "better", "p")
    return align([headings, *(row for suite in suites for row in _rows(suite))])


def _rows(suite: SuiteComparison) -> Iterator[Row]:
    """Yield the row of a suite, then the corrected change if a judge decides, then one row for each scorer's gate."""
    delta = suite.delta
    yield truncate_columns(one_line(suite.suite), _NAME_WIDTH), *_numbers(delta)
    if delta is not None and delta.measured is not None:
        yield "  corrected", _NONE, _NONE, _NONE, change_text(delta), _NONE, _NONE, _NONE
    for score in suite.scores:
        yield truncate_columns(f"  {one_line(score.scorer)}", _NAME_WIDTH), *_numbers(score.delta)


def _numbers(delta: Delta | None) -> tuple[str, ...]:
    if delta is None:
        return (_NONE,) * 7
    raw = delta.measured or delta  # the rates are the judge's verdicts, so their change is uncorrected, too
    rates = percent(delta.baseline_rate), percent(delta.baseline_rate + raw.delta)
    return f"{delta.pairs:,}", *rates, change_text(raw), f"{delta.losses:,}", f"{delta.gains:,}", p_value(delta.p)


def _suite(suite: SuiteComparison, command: str) -> Iterator[str]:
    changes = suite.changes
    text = "no case can be compared" if suite.delta is None else finding(suite.delta, suite.alpha, suite.margin)
    yield from _wrapped(f"{suite.suite}: {text}", indent="")
    for score in suite.scores:
        sentence = finding(score.delta, score.alpha, score.margin)
        yield from _wrapped(f"{suite.suite}, {score.scorer}: {sentence}", indent="")
    for sentence in (*_power_line(suite), *suite.notes, *_counts(changes)):
        yield from _wrapped(sentence)
    for metric in suite.metrics:
        yield from _metric(suite.suite, metric)
    yield from _some(("REGRESSED", *_CHANGE), _changed(changes.regressed), command)
    yield from _some(("FIXED", *_CHANGE), _changed(changes.fixed))
    yield from _some(("FLAKY", "place", "A -> B", "p"), _flaky(changes.flaky))
    for word, cases in (("EDITED", changes.edited), ("ADDED", changes.added), ("REMOVED", changes.removed)):
        yield from _some((word, "place"), [(case.case, case.place or _NONE) for case in cases])


def _metric(suite: str, metric: MetricResult) -> Iterator[str]:
    """Yield the figures of a metric on both sides; those of a class only if they changed."""
    rows = [
        (
            subject(one),
            number(one.change.before),
            number(one.change.before + one.change.delta),
            figure_change(one),
        )
        for one in metric.figures
        if one.change is not None and (not one.of or one.change.delta)
    ]
    if not rows:
        yield from _wrapped(f"{suite}, {metric.name}: {metric.notes[-1] if metric.notes else 'no figure to compare'}")
    yield from _list((metric.name.upper(), "A", "B", "change (95% CI)"), rows)


def _power_line(suite: SuiteComparison) -> Iterator[str]:
    if suite.delta is not None:
        yield detectable(suite.delta)


def _counts(changes: Changes) -> Iterator[str]:
    yield f"{changes.passed_both:,} passed on both sides, {changes.missed_both:,} missed on both"
    yield (
        f"{len(changes.regressed):,} regressed, {len(changes.fixed):,} fixed, {len(changes.flaky):,} flaky, "
        f"{len(changes.edited):,} edited, {len(changes.added):,} added, {len(changes.removed):,} removed"
    )


def _changed(cases: Iterable[CaseChange]) -> list[Row]:
    return [
        (case.case, case.place or _NONE, f"{_level(case.before)} -> {_level(case.now)}", case.reason) for case in cases
    ]


def _level(value: float) -> str:
    return {0.0: "miss", 1.0: "pass"}.get(value, f"{value:.2f}")


def _flaky(cases: Iterable[FlakyPair]) -> list[Row]:
    return [
        (
            case.case,
            case.place or _NONE,
            f"{case.before_passes:,}/{case.before_trials:,} -> {case.now_passes:,}/{case.now_trials:,}",
            f"{p_value(case.p)}{' dropped' if case.dropped else ''}",
        )
        for case in cases
    ]


def _some(headings: Row, rows: Sequence[Row], command: str = "--json") -> Iterator[str]:
    """Yield the first cases, then the command that lists the others. The command is not wrapped: it can be pasted."""
    yield from _list(headings, rows[:_MAX_LISTED])
    if len(rows) > _MAX_LISTED:
        more = f"  ... {len(rows) - _MAX_LISTED:,} more:"
        together = f"{more} {one_line(command)}"
        yield from (together,) if width_of(together) <= WIDTH else (more, f"    {one_line(command)}")


def _list(headings: Row, rows: Iterable[Row]) -> Iterator[str]:
    """Yield a table of cases, if there are any. Long lines are truncated at the end, in the reason."""
    cells = [(truncate_columns(one_line(name), _ID_WIDTH), *map(one_line, others)) for name, *others in rows]
    if cells:
        yield from (f"  {truncate_columns(line, WIDTH - 2)}" for line in align([headings, *cells]))


def _gates(verdict: Verdict) -> Iterator[str]:
    """Yield the result of each gate, as the last lines of a session do."""
    yield ""
    for name, suite in verdict.suites.items():
        for gate in suite.gates:
            advisory = " (advisory)" if suite.mode == "advisory" else ""
            word = gate.result.replace("_", " ").upper()
            yield from _wrapped(f"{word}{advisory} {name}, {gate.kind}: {gate.message}", indent="")


def _command(specs: tuple[str, str], suite: str) -> str:
    """Return the command that lists all cases of a suite that got worse."""
    sides = specs if specs[1] != _DEFAULT_SIDES[1] else specs[:1] if specs != _DEFAULT_SIDES else ()
    return shlex.join(["pytest-evalgate", "compare", *sides, "--suite", suite, "--regressed"])


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return wrapped(one_line(text), indent)
