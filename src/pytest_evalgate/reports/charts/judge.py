"""Charts of a calibrated judge: its reliability diagram and its ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports.charts import svg as charts_svg
from pytest_evalgate.reports.charts.svg import Axis, Chart, line, path, polyline, px, rect, shown, svg, text, texts
from pytest_evalgate.text.wording import interval, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.judges.rates import JudgeRate
    from pytest_evalgate.judges.threshold import Bin, Point

_SIDE: Final = 320
_LEFT: Final = 60
_TOP: Final = 44
_BARS: Final = 56
_WIDTH: Final = _LEFT + _SIDE + 24
_AXES: Final = _TOP + _SIDE + 50
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_X: Final = Axis(0, 100, _LEFT, _LEFT + _SIDE)
_Y: Final = Axis(0, 100, _TOP + _SIDE, _TOP)
_DIAGONAL: Final = line("even", (_X.at(0), _Y.at(0)), (_X.at(1), _Y.at(1)))


def reliability(name: str, bins: Sequence[Bin], *, probabilities: bool) -> Chart:
    """Draw the reliability diagram: share of human passes by score of the judge, with the size of each bin below.

    ``bins`` are those that are not empty. If scores are ``probabilities``, a diagonal shows perfect calibration.
    """
    title = f"{name}: reliability of its scores"
    description = "; ".join(f"score {one.score:.2f}: {one.passed:.0%} of {one.n} rows" for one in bins)
    parts = [
        *_axes("score of the judge", "share of human passes"),
        *([_DIAGONAL] if probabilities else []),
        *(_upright(_X.at(one.score), one.interval) for one in bins),
        path("now", (charts_svg.circle(_X.at(one.score), _Y.at(one.passed)) for one in bins)),
        *_counts(bins),
    ]
    return Chart(
        svg=svg(title, description, (_WIDTH, _AXES + _BARS + 34), parts),
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
    x, y = _X.at(1 - tnr.value), _Y.at(tpr.value)
    area = "" if auc is None else f", area under the curve {auc:.3f}"
    description = (
        f"It passes {percent(tpr.value)} of the human passes and fails {percent(tnr.value)} of the human fails{area}."
    )
    labels = [f"TPR {percent(tpr.value)}, TNR {percent(tnr.value)}", *([] if auc is None else [f"AUC {auc:.3f}"])]
    corner = (_X.at(1) - 6, _Y.at(0) - 10)
    parts = [
        *_axes("human fails that the judge passes", "human passes that the judge passes"),
        _DIAGONAL,
        polyline("curve", ((_X.at(one.false_pass_rate), _Y.at(one.true_pass_rate)) for one in points)),
        _upright(x, tpr.interval),
        line("range", (_X.at(1 - tnr.interval[0]), y), (_X.at(1 - tnr.interval[1]), y)),
        path("now", [charts_svg.circle(x, y)]),
        texts("end", "", (((corner[0], corner[1] - 18 * row), words) for row, words in enumerate(labels))),
    ]
    return Chart(
        svg=svg(title, description, (_WIDTH, _AXES), parts),
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


def _axes(x_label: str, y_label: str) -> Iterator[str]:
    for tick in _TICKS:
        yield line("grid", (_X.at(tick), _Y.at(0)), (_X.at(tick), _Y.at(1)))
        yield line("grid", (_X.at(0), _Y.at(tick)), (_X.at(1), _Y.at(tick)))
    yield texts("middle", "", (((_X.at(tick), _Y.at(0) + 16), f"{tick:g}") for tick in _TICKS))
    yield texts("end", "", (((_X.at(0) - 8, _Y.at(tick) + 4), f"{tick:g}") for tick in _TICKS))
    yield text((_X.at(0.5), _Y.at(0) + 34), x_label, anchor="middle")
    turned = f'transform="rotate(-90 16 {px(_Y.at(0.5))})" text-anchor="middle"'
    yield f"<g {turned}>{text((16, _Y.at(0.5)), y_label)}</g>"


def _upright(x: float, bounds: tuple[float, float]) -> str:
    low, high = bounds
    return line("range", (x, _Y.at(low)), (x, _Y.at(high)))


def _counts(bins: Sequence[Bin]) -> Iterator[str]:
    """Draw a bar for each bin, as high as its number of rows."""
    base = _AXES + 10 + _BARS
    most = max([1, *(one.n for one in bins)])
    for one in bins:
        left, width, height = _X.at(one.low) + 1, _X.at(one.high) - _X.at(one.low) - 2, _BARS * one.n / most
        yield rect("count", (left, base - height), (width, height))
    middles = ((_X.at((one.low + one.high) / 2), base + 14) for one in bins)
    yield texts("middle", "small", zip(middles, (f"{one.n:,}" for one in bins), strict=True))
    yield text((_LEFT - 8, base + 14), "rows", anchor="end")
