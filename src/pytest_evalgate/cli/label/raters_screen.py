"""Screen of ``pytest-evalgate label check``: the agreement of raters as lines of at most 100 columns."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from pytest_evalgate.cli.printing import WIDTH, wrapped
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align_or_stack, truncate_columns
from pytest_evalgate.text.wording import count, interval, p_value, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.judges.rater_drift import RaterDrift
    from pytest_evalgate.judges.raters import BatchAgreement, LabelCost, RaterCheck, RatersReport
    from pytest_evalgate.judges.rates import Statistic

_NONE: Final = "-"
_NAME_WIDTH: Final = 16
_GOOD_ALPHA: Final = 0.667  # Krippendorff 2004: the lowest at which tentative conclusions are acceptable


def render(name: str, found: RatersReport, options: Sequence[str] = ()) -> tuple[str, ...]:
    """Render the check of the label file ``name``, which is read with ``options``.

    Sample::

        labels/support.csv: 2 raters, 60 outputs
          Krippendorff's alpha 0.812 (0.655-0.938) on 60 outputs with two or more labels

          rater  labels  right on gold             as the others             first, last half         min/row
          anna   60      96.7% of 30 (83.3-99.4)   91.7% of 60 (81.9-96.4)   96.7%, 96.7% (p=1)       0.4

          cost: 60.00 for 120 labels, 1.03 for each of 58 accepted outputs
    """
    return (
        one_line(f"{name}: {count(len(found.raters), 'rater')}, {count(found.outputs, 'output')}"),
        f"  {_alpha(found.alpha)}",
        *(f"  batch {one_line(batch.batch)}: {_alpha(batch)}" for batch in found.batches),
        "",
        *_table(found),
        *_cost(found.cost),
        *_advice(shlex.join([name, *options]), found),
    )


def _alpha(found: BatchAgreement) -> str:
    if found.outputs == 0:
        return "no output with two or more labels, so agreement cannot be measured: let two people label some of them"
    value = "undefined (all labels are equal)" if found.alpha is None else f"{found.alpha:.3f}"
    if found.interval is not None:
        value += f" ({found.interval[0]:.3f}-{found.interval[1]:.3f})"
    return f"Krippendorff's alpha {value} on {count(found.outputs, 'output')} with two or more labels"


def _table(found: RatersReport) -> Iterator[str]:
    repeated = any(one.repeat_labels for one in found.raters)
    head = ("rater", "labels", "right on gold", "as the others", "as before", "first, last half", "min/row")
    names = _without_prefix([one.rater for one in found.raters])
    rows = [head, *(_row(name, one) for name, one in zip(names, found.raters, strict=True))]
    shown = [row if repeated else (*row[:4], *row[5:]) for row in rows]
    yield from (f"  {line}" for line in align_or_stack(shown, WIDTH - 2, 3))


def _without_prefix(names: Sequence[str]) -> list[str]:
    """Return names without the path that all share: ``metadata.anna`` and ``metadata.ben`` are anna and ben."""
    prefixes = {name.rpartition(".")[0] for name in names}
    return [name.rpartition(".")[2] for name in names] if len(prefixes) == 1 else list(names)


def _row(name: str, one: RaterCheck) -> tuple[str, str, str, str, str, str, str]:
    return (
        truncate_columns(one_line(name), _NAME_WIDTH),
        f"{one.labels:,}",
        _share(one.gold, one.gold_labels),
        _share(one.others, one.other_labels),
        _share(one.repeats, one.repeat_labels),
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


def _cost(found: LabelCost | None) -> Iterator[str]:
    if found is None:
        return
    yield ""
    each = "" if found.per_accepted is None else f", {found.per_accepted:,.2f} for each"
    yield (
        f"  cost: {found.total:,.2f} for {count(found.labels, 'label')}{each} "
        f"of {count(found.accepted, 'accepted output')}"
    )


def _advice(arguments: str, found: RatersReport) -> Iterator[str]:
    advice: list[str] = []
    if found.alpha.alpha is not None and found.alpha.alpha < _GOOD_ALPHA:
        advice.append(
            f"alpha is below {_GOOD_ALPHA}: discuss the outputs on which labels differ (pytest-evalgate label "
            f"adjudicate {one_line(arguments)}), write the criteria more exactly, and label again"
        )
    advice += [text for one in found.raters if one.drift is not None and (text := _changed(one.rater, one.drift))]
    if advice:
        yield ""
    for text in dict.fromkeys(advice):
        yield from wrapped(text)


def _changed(rater: str, drift: RaterDrift) -> str:
    if not drift.found:
        return ""
    p = f"p={p_value(drift.p_adjusted)} after Holm"
    if drift.tied_with is not None:
        names = " or ".join(map(one_line, sorted((rater, drift.tied_with))))
        return (
            f"{names} labels the last half of the rows differently than the first ({p}): add rows with a gold label, "
            "which show who of the two"
        )
    return (
        f"{one_line(rater)} labels the last half of the rows differently than the first ({p}): let someone else label "
        "some of both halves"
    )
