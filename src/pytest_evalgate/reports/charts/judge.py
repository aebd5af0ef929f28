"""Charts of a calibrated judge: its reliability diagram and its ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.reports.charts import svg as charts_svg
from pytest_evalgate.reports.charts.svg import Chart, line, path, polyline, rect, shown, svg, text, texts
from pytest_evalgate.reports.charts.unit_square import AXES, BARS, DIAGONAL, LEFT, WIDTH, X, Y, axes
from pytest_evalgate.text.wording import interval, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.judges.rates import JudgeRate
    from pytest_evalgate.judges.threshold import Bin, Point


def reliability(name: str, bins: Sequence[Bin], *, probabilities: bool) -> Chart:
    """Draw the reliability diagram: share of human passes by score of the judge, with the size of each bin below.

    ``bins`` are those that are not empty. If scores are ``probabilities``, a diagonal shows perfect calibration.
    """
    title = f"{name}: reliability of its scores"
    description = "; ".join(f"score {one.score:.2f}: {one.passed:.0%} of {one.n} rows" for one in bins)
    parts = [
        *axes("score of the judge", "share of human passes"),
        *([DIAGONAL] if probabilities else []),
        *(_upright(X.at(one.score), one.interval) for one in bins),
        path("now", (charts_svg.circle(X.at(one.score), Y.at(one.passed)) for one in bins)),
        *_counts(bins),
    ]
    return Chart(
        svg=svg(title, description, (WIDTH, AXES + BARS + 34), parts),
        title=shown(title),
        headings=("scores", "rows", "mean score", "human passes", "95% interval"),
        rows=tuple(
            (
                f"{one.low:g} to {one.high:g}",
                f"{one.n:,}",
                f"{one.score:.3f}",
                percent(one.passed),
                interval(one.interval),
            )
            for one in bins
        ),
    )


def roc(name: str, points: Sequence[Point], tpr: JudgeRate, tnr: JudgeRate, auc: float | None) -> Chart:
    """Draw the ROC curve of a judge, and its operating point with the intervals of both rates.

    ``points`` are the curve, from nothing passes to everything passes; ``auc`` is the area under it, None for a judge
    that returns only pass or fail.
    """
    title = f"{name}: ROC"
    x, y = X.at(1 - tnr.value), Y.at(tpr.value)
    area = "" if auc is None else f", area under the curve {auc:.3f}"
    description = (
        f"It passes {percent(tpr.value)} of the human passes and fails {percent(tnr.value)} of the human fails{area}."
    )
    labels = [f"TPR {percent(tpr.value)}, TNR {percent(tnr.value)}", *([] if auc is None else [f"AUC {auc:.3f}"])]
    corner = (X.at(1) - 6, Y.at(0) - 10)
    parts = [
        *axes("human fails that the judge passes", "human passes that the judge passes"),
        DIAGONAL,
        polyline("curve", ((X.at(one.false_pass_rate), Y.at(one.true_pass_rate)) for one in points)),
        _upright(x, tpr.interval),
        line("range", (X.at(1 - tnr.interval[0]), y), (X.at(1 - tnr.interval[1]), y)),
        path("now", [charts_svg.circle(x, y)]),
        texts("end", "", (((corner[0], corner[1] - 18 * row), words) for row, words in enumerate(labels))),
    ]
    return Chart(
        svg=svg(title, description, (WIDTH, AXES), parts),
        title=shown(title),
        headings=("passes from score", "human fails passed", "human passes passed"),
        rows=tuple(
            (
                "-" if one.threshold is None else f"{one.threshold:.4g}",
                percent(one.false_pass_rate),
                percent(one.true_pass_rate),
            )
            for one in points
        ),
    )


def _upright(x: float, bounds: tuple[float, float]) -> str:
    low, high = bounds
    return line("range", (x, Y.at(low)), (x, Y.at(high)))


def _counts(bins: Sequence[Bin]) -> Iterator[str]:
    """Draw a bar for each bin, as high as its number of rows."""
    base = AXES + 10 + BARS
    most = max([1, *(one.n for one in bins)])
    for one in bins:
        left, width, height = X.at(one.low) + 1, X.at(one.high) - X.at(one.low) - 2, BARS * one.n / most
        yield rect("count", (left, base - height), (width, height))
    middles = ((X.at((one.low + one.high) / 2), base + 14) for one in bins)
    yield texts("middle", "small", zip(middles, (f"{one.n:,}" for one in bins), strict=True))
    yield text((LEFT - 8, base + 14), "rows", anchor="end")
