"""Screen of ``pytest-evalgate calibrate --classes``: agreement on classes as lines of at most 100 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.judges.classes import UNREADABLE
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align, truncate_columns
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.judges.classes import ClassReport
    from pytest_evalgate.judges.rates import Statistic

_NAME_WIDTH: Final = 32
_MATRIX_CLASSES: Final = 10
_NAMES: Final[Mapping[str, str]] = {
    "accuracy": "accuracy",
    "kappa": "Cohen's kappa",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "krippendorff_nominal": "Krippendorff's alpha",
    "kappa_linear": "kappa, linear weights",
    "kappa_quadratic": "kappa, quadratic weights",
    "krippendorff_ordinal": "alpha, ordinal",
    "spearman": "Spearman's rho",
    "kendall_tau_b": "Kendall's tau-b",
}


def render_classes(judge: str, found: ClassReport, labels: str) -> tuple[str, ...]:
    """Render the agreement of stored verdicts with labels that are classes."""
    unread = f", {found.unreadable:,} of them unreadable" if found.unreadable else ""
    return (
        one_line(f"{judge}: {count(found.rows, 'verdict')} compared with {labels} as classes{unread}"),
        "",
        *_figures(found.figures),
        *(["", "  by the order of the classes, over readable verdicts"] if found.ordered else []),
        *_figures(found.ordered),
        "",
        *_classes(found),
        *_matrix(found),
        "",
        "classes do not calibrate a judge: name those that pass with --pass-label, without --classes",
    )


def _figures(figures: Mapping[str, Statistic]) -> Iterator[str]:
    rows = []
    for name, figure in figures.items():
        value = "-" if figure.value is None else f"{figure.value:.3f}"
        low_high = "" if figure.interval is None else f"{figure.interval[0]:.3f} to {figure.interval[1]:.3f}"
        rows.append((_NAMES[name], value, low_high))
    if rows:
        yield from (f"  {line}" for line in align(rows))


def _classes(found: ClassReport) -> Iterator[str]:
    rows = [("class", "precision", "recall", "F1", "labels", "verdicts")]
    rows += [
        (
            truncate_columns(one_line(one.name), _NAME_WIDTH),
            percent(one.precision),
            percent(one.recall),
            percent(one.f1),
            f"{one.labels:,}",
            f"{one.verdicts:,}",
        )
        for one in found.classes
    ]
    yield from (f"  {line}" for line in align(rows))


def _matrix(found: ClassReport) -> Iterator[str]:
    """Yield the confusion matrix, with numbers in place of names, which are those of the rows above."""
    if len(found.classes) > _MATRIX_CLASSES:
        return
    yield ""
    yield "  labels (rows) by verdicts (columns)"
    numbers = [str(at + 1) for at in range(len(found.classes))]
    rows = [("", *numbers)]
    rows += [
        (f"{number} {truncate_columns(one_line(one.name), _NAME_WIDTH)}", *(f"{n:,}" for n in counts))
        for number, one, counts in zip(numbers, found.classes, found.counts, strict=True)
        if one.labels or one.name != UNREADABLE
    ]
    yield from (f"  {line}" for line in align(rows))
