"""Metrics of a suite in reports: their headline, and the cells of their tables. Cells may contain foreign text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.markdown_blocks import collapsible, name, prose, table
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import Line, align, align_or_stack, truncate_columns, width_of, wrap_lines
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.records.measured import Figure, MetricResult
    from pytest_evalgate.records.verdicts import SuiteVerdict

Row = tuple[str, ...]

_WIDEST_CLASS: Final = 20
_MOST_CLASSES: Final = 10
"""Classes of a matrix in a terminal, and on a page of Markdown three times as many."""

_HEADLINES: Final = {"classification": ("accuracy", "macro-f1"), "spans": ("exact-f1", "partial-f1")}
_PARTS: Final = {"parity": "groups", "spans": "label"}
"""What the figures of a part of the cases belong to, by kind of metric; else a class."""

_NONE: Final = "-"
FIGURE_HEADINGS: Final = ("figure", "value (95% CI)", "change (95% CI)")


def number(value: float | None) -> str:
    """Format a figure: ``0.912``, ``1,234``; ``-`` if it is undefined."""
    if value is None:
        return _NONE
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.4g}"  # noqa: PLR2004 - seven characters


def value_text(figure: Figure) -> str:
    """Return a figure with its interval: ``0.912 (0.861-0.944)``."""
    if figure.value is None or figure.interval is None:
        return number(figure.value)
    low, high = figure.interval
    between = ".." if low < 0 else "-"
    return f"{number(figure.value)} ({number(low)}{between}{number(high)})"


def change_text(figure: Figure) -> str:
    """Return the change of a figure with its interval: ``-0.020 (-0.051..+0.010)``; ``-`` without a baseline."""
    change = figure.change
    if change is None:
        return _NONE
    low, high = change.interval
    return f"{change.delta:+.3f} ({low:+.3f}..{high:+.3f})"


def headline(metric: MetricResult) -> str:
    """Return the first figures of a metric on one line: ``accuracy 0.912 (0.861-0.944), macro-f1 0.870 (...)``."""
    overall = [figure for figure in metric.figures if not figure.of] or metric.figures
    wanted = _HEADLINES.get(metric.kind)
    shown = overall[:2] if wanted is None else [figure for figure in overall if figure.name in wanted]
    if not shown:
        return metric.notes[0] if metric.notes else f"no figure of {count(metric.n, 'case')}"
    return ", ".join(f"{subject(figure)} {value_text(figure)}" for figure in shown)


def subject(figure: Figure) -> str:
    """Return the name of a figure: ``macro-f1``, ``recall of urgent``."""
    return f"{figure.name} of {figure.of}" if figure.of else figure.name


def figure_rows(metric: MetricResult) -> list[Row]:
    """Return the figures over all cases, the headings first; without a baseline, without a column for the change."""
    overall = [figure for figure in metric.figures if not figure.of]
    if not overall:
        return []
    rows: list[Row] = [FIGURE_HEADINGS, *((one.name, value_text(one), change_text(one)) for one in overall)]
    return rows if any(one.change for one in overall) else [row[:2] for row in rows]


def class_rows(metric: MetricResult, *, intervals: bool) -> list[Row]:
    """Return a row of figures for each class, the headings first; none if no figure is that of a class."""
    of_class = [figure for figure in metric.figures if figure.of]
    names = list(dict.fromkeys(figure.name for figure in of_class))
    cells: dict[str, dict[str, Figure]] = {}
    for figure in of_class:
        cells.setdefault(figure.of, {})[figure.name] = figure
    format_figure = value_text if intervals else lambda figure: number(figure.value)
    rows = [
        (
            of,
            f"{next(iter(figures.values())).n:,}",
            *(format_figure(figures[one]) if one in figures else _NONE for one in names),
        )
        for of, figures in cells.items()
    ]
    return [(_PARTS.get(metric.kind, "class"), "n", *names), *rows] if rows else []


def matrix_rows(metric: MetricResult) -> list[Row]:
    """Return the confusion matrix, the headings first; classes that no case has have no row."""
    if metric.matrix is None:
        return []
    rows = [
        (label, *(f"{cell:,}" for cell in cells))
        for label, cells in zip(metric.matrix.labels, metric.matrix.counts, strict=True)
        if any(cells)
    ]
    return [("true \\ predicted", *metric.matrix.labels), *rows]


def bin_rows(metric: MetricResult) -> list[Row]:
    """Return the bins of the reliability diagram, the headings first."""
    rows = [(f"{one.confidence:.3f}", f"{one.accuracy:.3f}", f"{one.n:,}") for one in metric.bins]
    return [("mean confidence", "passed", "outputs"), *rows] if rows else []


def terminal_lines(suite: str, verdict: SuiteVerdict, width: int) -> Iterator[Line]:
    r"""Render the metrics of a suite.

    ::

        classification: support-faq, 240 cases
          figure    value (95% CI)       change (95% CI)
          accuracy  0.912 (0.871-0.944)  -0.020 (-0.051..+0.010)
          class   n   precision  recall  f1
          refund  40  0.950      0.925   0.937
          true \\ predicted  refund  order
          refund            37      3
    """
    for metric in verdict.metrics:
        head = f"  {one_line(metric.name)}: {one_line(suite)}, {count(metric.n, 'case')}"
        yield from wrap_lines(head if metric.figures else f"{head}: {one_line(headline(metric))}", width)
        if metric.figures:
            yield from _indented(figure_rows(metric), width)
            for part in _class_tables(metric, width - 4):
                yield from _indented(part, width)
            yield from _matrix_lines(metric, width)
            yield from _indented(bin_rows(metric), width)
            for note in metric.notes:
                yield from wrap_lines(f"    {one_line(note)}", width, "yellow")


def _indented(rows: Sequence[Row], width: int) -> Iterator[Line]:
    if rows:
        yield from (Line(f"    {text}") for text in align_or_stack([_cells(row) for row in rows], width - 4, 1))


def _cells(row: Row) -> Row:
    return tuple(
        truncate_columns(one_line(cell), _WIDEST_CLASS) if not at else one_line(cell) for at, cell in enumerate(row)
    )


def _class_tables(metric: MetricResult, room: int) -> Iterator[list[Row]]:
    """Yield the table of classes: with intervals if that fits, else without, below each other if that is too wide."""
    rows = class_rows(metric, intervals=True)
    if not rows or _fits(rows, room):
        yield rows
        return
    rows = class_rows(metric, intervals=False)
    first, columns = 2, len(rows[0])
    while first < columns:
        last = next((end for end in range(columns, first + 1, -1) if _fits(_part(rows, first, end), room)), first + 1)
        yield _part(rows, first, last)
        first = last


def _part(rows: Sequence[Row], first: int, last: int) -> list[Row]:
    return [(*row[:2], *row[first:last]) for row in rows]


def _fits(rows: Sequence[Row], room: int) -> bool:
    return max(map(width_of, align([_cells(row) for row in rows]))) <= room


def _matrix_lines(metric: MetricResult, width: int) -> Iterator[Line]:
    rows = [tuple(truncate_columns(one_line(cell), _WIDEST_CLASS) for cell in row) for row in matrix_rows(metric)]
    if not rows:
        return
    lines = align(rows)
    if len(rows[0]) - 1 > _MOST_CLASSES or max(map(width_of, lines)) > width - 4:
        yield Line(f"    confusion matrix of {len(rows[0]) - 1:,} classes: see the report")
    else:
        yield from (Line(f"    {text}") for text in lines)


def markdown_details(verdict: SuiteVerdict) -> Iterator[str]:
    """Render each metric as a section that a reader can open."""
    for metric in verdict.metrics:
        tables = [figure_rows(metric), class_rows(metric, intervals=True)] if metric.figures else []
        matrix = matrix_rows(metric)
        if matrix and len(matrix[0]) - 1 <= 3 * _MOST_CLASSES:
            tables.append(matrix)
        tables.append(bin_rows(metric))
        blocks = [_markdown_table(rows) for rows in tables if rows]
        notes = [f"- NOTE {prose(note)}" for note in metric.notes]
        title = f"Metric {metric.kind}: {count(metric.n, 'case')}"
        yield collapsible(title, prose(f"{metric.name}: {headline(metric)}"), *blocks, *notes)


def _markdown_table(rows: Sequence[Row]) -> str:
    headings, *body = rows
    return table([prose(cell) for cell in headings], [(name(first), *rest) for first, *rest in body])


def markdown_lines(suite: str, verdict: SuiteVerdict) -> Iterator[str]:
    """Render each metric on one line, for pages with little room."""
    for metric in verdict.metrics:
        yield f"- {name(suite)}, {prose(metric.name)}: {prose(headline(metric))}"


def gated_figures(verdict: SuiteVerdict) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each figure over all cases, and of each figure that a gate names."""
    gated = {phrases.gate_name(gate).removeprefix("metric ") for gate in verdict.gates if gate.kind == "metric"}
    for metric in verdict.metrics:
        for figure in metric.figures:
            if figure.value is not None and (not figure.of or subject(figure) in gated):
                yield f"{metric.name}.{subject(figure)}", f"{figure.value:.6g}"
