"""Correlations on the screen of ``pytest-evalgate calibrate -v``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.stats.correlation import COEFFICIENTS
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align, truncate_columns
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.judges.correlations import CorrelationReport
    from pytest_evalgate.judges.rates import Statistic

_NAME_WIDTH: Final = 32
_MOST_GROUPS: Final = 20


def correlation_lines(found: CorrelationReport, scales: tuple[str, str] | None) -> Iterator[str]:
    """Yield a table of the correlations; ``scales`` are those of the labels and of the judge if they differ.

    Sample::

          correlation with the labels  Pearson              Spearman             Kendall
          all rows                     0.712 (0.61..0.79)   0.698 (0.59..0.78)   0.554 (0.47..0.63)
    """
    title = "correlation with the labels" if scales is None else "correlation, scales apart"
    rows = [(title, *(name.capitalize() for name in COEFFICIENTS)), ("all rows", *_cells(found.whole))]
    rows += [
        (f"{truncate_columns(one_line(group.group), _NAME_WIDTH)} ({group.n:,})", *_cells(group.values))
        for group in found.groups[:_MOST_GROUPS]
    ]
    if found.mean_of_groups is not None:
        means = found.mean_of_groups
        rows.append(
            (
                f"mean of {count(len(found.groups), 'group')}",
                *(f"{means[name]:.3f}" if name in means else "-" for name in COEFFICIENTS),
            )
        )
    if found.partial is not None:
        rows.append((f"partial, {count(found.controlled, 'row')}", *_cells(found.partial)))
    yield from (f"  {line}" for line in align(rows))
    if len(found.groups) > _MOST_GROUPS:
        yield f"  ... {len(found.groups) - _MOST_GROUPS:,} more groups: --json"


def _cells(values: Mapping[str, Statistic]) -> Iterator[str]:
    for name in COEFFICIENTS:
        found = values[name]
        if found.value is None:
            yield "-"
        elif found.interval is None:
            yield f"{found.value:.3f}"
        else:
            yield f"{found.value:.3f} ({found.interval[0]:.2f}..{found.interval[1]:.2f})"
