"""Which charts a report shows of a suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports.charts import RateRow, history_line, score_histogram, slice_rates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.data import Baseline, HistoryRow, SliceResult, SuiteVerdict
    from pytest_evalgate.reports.charts import Chart


def baseline_scores(baseline: Baseline) -> Mapping[str, Sequence[float]]:
    """Return the scores of a baseline by scorer, one a trial."""
    cases = baseline.cases.values()
    return {
        scorer: [value for case in cases for value in case.scores.get(scorer, case.values)]
        for scorer in baseline.scorers
    }


def suite_charts(
    name: str,
    verdict: SuiteVerdict,
    scores_now: Mapping[str, Sequence[float]],
    scores_before: Mapping[str, Sequence[float]],
    history: Sequence[HistoryRow],
    thresholds: Mapping[str, float],
) -> tuple[Chart, ...]:
    """Draw what there is to draw of a suite: its slices, the scores of each scorer, and its history.

    Args:
        name: The suite.
        verdict: What its gates say.
        scores_now: Its scores in [0, 1], by scorer.
        scores_before: Those of its baseline, empty without one.
        history: Rows of any suites, oldest first.
        thresholds: From which score on an output passes, by scorer, where that is known.

    """
    return (
        *_rates(name, verdict),
        *_scores(name, scores_now, scores_before, thresholds),
        *_past(name, verdict, history),
    )


def _rates(name: str, verdict: SuiteVerdict) -> Iterator[Chart]:
    if verdict.pass_rate is None or verdict.interval is None:
        return
    whole = RateRow(
        name="all cases",
        n=verdict.cases,
        rate=verdict.pass_rate,
        interval=verdict.interval,
        before=None if verdict.delta is None else verdict.delta.baseline_rate,
        required=_required(verdict, "pass-rate"),
        dropped=verdict.delta is not None and verdict.delta.finding == "regressed",
    )
    slices = sorted((_slice(piece, verdict) for piece in verdict.slices), key=lambda row: not row.dropped)
    yield slice_rates(f"{name}: pass rates", [whole, *slices])


def _slice(piece: SliceResult, verdict: SuiteVerdict) -> RateRow:
    return RateRow(
        name=f"{piece.by}={piece.value}",
        n=piece.n,
        rate=piece.pass_rate,
        interval=piece.interval,
        before=None if piece.delta is None else piece.delta.baseline_rate,
        required=_required(verdict, "slice", piece.by),
        dropped=piece.delta is not None and piece.delta.finding == "regressed",
    )


def _required(verdict: SuiteVerdict, kind: str, of: str = "") -> float | None:
    """Return the most that gates of a kind ask for, None where none asks for a rate."""
    asked = (gate.required for gate in verdict.gates if (gate.kind, gate.of) == (kind, of))
    return max((share for share in asked if share is not None), default=None)


def _scores(
    name: str,
    now: Mapping[str, Sequence[float]],
    before: Mapping[str, Sequence[float]],
    thresholds: Mapping[str, float],
) -> Iterator[Chart]:
    for scorer, values in now.items():
        if values:
            title = f"{name}: scores of {scorer}"
            yield score_histogram(title, values, before.get(scorer, ()), thresholds.get(scorer))


def _past(name: str, verdict: SuiteVerdict, history: Sequence[HistoryRow]) -> Iterator[Chart]:
    rows = [row for row in history if row.suite == name]
    if rows:
        yield history_line(f"{name}: history", rows, _required(verdict, "pass-rate"))
