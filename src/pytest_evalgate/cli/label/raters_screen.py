"""Screen of ``pytest-evalgate label check``: the agreement of raters as lines of at most 100 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.cli.printing import WIDTH, wrapped
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align_or_stack, truncate_columns
from pytest_evalgate.text.wording import count, interval, p_value, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.judges.raters import BatchAgreement, RaterCheck, RaterDrift, RatersReport
    from pytest_evalgate.judges.rates import Statistic

_NONE: Final = "-"
_NAME_WIDTH: Final = 16
_GOOD_ALPHA: Final = 0.667  # Krippendorff 2004: the lowest at which tentative conclusions are acceptable
_DRIFT_ALPHA: Final = 0.05


def render(name: str, found: RatersReport) -> tuple[str, ...]:
    """Render the check of the label file ``name``.

    Sample::

        labels/support.csv: 2 raters, 60 outputs
          Krippendorff's alpha 0.812 on 60 outputs with two or more labels

          rater  labels  right on gold             as the others             first, last half         min/row
          anna   60      96.7% of 30 (83.3-99.4)   91.7% of 60 (81.9-96.4)   96.7%, 96.7% (p=1)       0.4
    """
    return (
        one_line(f"{name}: {count(len(found.raters), 'rater')}, {count(found.outputs, 'output')}"),
        f"  {_alpha(found.alpha)}",
        *(f"  batch {one_line(batch.batch)}: {_alpha(batch)}" for batch in found.batches),
        "",
        *_table(found),
        *_advice(found),
    )


def _alpha(found: BatchAgreement) -> str:
    if found.outputs == 0:
        return "no output with two or more labels, so agreement cannot be measured: let two people label some of them"
    value = "undefined (all labels are equal)" if found.alpha is None else f"{found.alpha:.3f}"
    return f"Krippendorff's alpha {value} on {count(found.outputs, 'output')} with two or more labels"


def _table(found: RatersReport) -> Iterator[str]:
    rows = [("rater", "labels", "right on gold", "as the others", "first, last half", "min/row")]
    rows += [_row(one) for one in found.raters]
    yield from (f"  {line}" for line in align_or_stack(rows, WIDTH - 2, 3))


def _row(one: RaterCheck) -> tuple[str, str, str, str, str, str]:
    return (
        truncate_columns(one_line(one.rater), _NAME_WIDTH),
        f"{one.labels:,}",
        _share(one.gold, one.gold_labels),
        _share(one.others, one.other_labels),
        _NONE if one.drift is None else _halves(one.drift),
        _NONE if one.minutes_per_row is None else f"{one.minutes_per_row:.1f}",
    )


def _share(found: Statistic, n: int) -> str:
    if found.value is None or found.interval is None:
        return _NONE
    return f"{percent(found.value)} of {n:,} ({interval(found.interval)})"


def _halves(drift: RaterDrift) -> str:
    first, last = (percent(hits / n) for hits, n in (drift.first, drift.last))
    return f"{first}, {last} (p={p_value(drift.p)})"


def _advice(found: RatersReport) -> Iterator[str]:
    advice: list[str] = []
    if found.alpha.alpha is not None and found.alpha.alpha < _GOOD_ALPHA:
        advice.append(
            f"alpha is below {_GOOD_ALPHA}: discuss the outputs on which labels differ, write the criteria more "
            "exactly, and label again"
        )
    advice += [
        f"{one_line(one.rater)} labels the last half of the rows differently than the first "
        f"(p={p_value(one.drift.p_adjusted)} after Holm): let someone else label some of both halves"
        for one in found.raters
        if one.drift is not None and one.drift.p_adjusted <= _DRIFT_ALPHA
    ]
    if advice:
        yield ""
    for text in advice:
        yield from wrapped(text)
