"""Metrics in the reports: every report shows them, at any width, and foreign text in them is escaped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.records.measured import ConfusionMatrix, Figure, FigureChange, MetricResult, ReliabilityBin
from pytest_evalgate.reports import metric_tables
from pytest_evalgate.reports.brief import Brief, RunBrief, render_brief, render_brief_text
from pytest_evalgate.reports.html.page import render_html
from pytest_evalgate.reports.junit import render_junit
from pytest_evalgate.reports.markdown import render_comment, render_summary
from pytest_evalgate.reports.terminal import render
from pytest_evalgate.text.layout import width_of

if TYPE_CHECKING:
    from tests.reports.conftest import Screen

    from pytest_evalgate.reports.view import ReportView

_CHANGE = FigureChange(0.932, -0.02, (-0.051, 0.01), 0.2)
CLASSES = MetricResult(
    kind="classification",
    name="intent",
    n=240,
    figures=(
        Figure("accuracy", 0.912, 240, (0.871, 0.944), change=_CHANGE),
        Figure("macro-f1", 0.87, 240, (0.8, 0.921), change=replace(_CHANGE, delta=-0.031)),
        Figure("mcc", -0.01, 240, (-0.1, 0.1)),
        Figure("precision", 0.95, 40, (0.83, 1.0), "refund"),
        Figure("recall", 0.925, 40, (0.8, 0.98), "refund"),
        Figure("precision", None, 0, None, "<b>other</b>"),
    ),
    matrix=ConfusionMatrix(("refund", "<b>other</b>", "(unreadable)"), ((37, 2, 1), (3, 1197, 0), (0, 0, 0))),
    notes=("1 prediction is none of the classes: counted as wrong",),
)
STATED = MetricResult(
    kind="confidence",
    name="confidence",
    n=200,
    figures=(Figure("brier", 0.12, 200, (0.1, 0.14)), Figure("ece", 0.05, 200, (0.03, 0.09))),
    bins=(ReliabilityBin(100, 0.55, 0.5), ReliabilityBin(100, 0.95, 0.99)),
)
UNKNOWN = MetricResult("regression", "price", 0, (), notes=("price: no prediction is a number",))
PARITY = MetricResult("parity", "parity by lang", 60, (Figure("pass gap", 0.1, 60, (0.0, 0.21), "de - en"),))


def _view(screen: Screen, *metrics: MetricResult) -> ReportView:
    view = screen.view(screen.scene("PPPm" * 15, gates=[{"kind": "pass-rate", "min": 0.9}]))
    [suite] = view.suites
    decided = replace(suite.verdict, metrics=metrics)
    return replace(
        view,
        verdict=replace(view.verdict, suites={suite.name: decided}),
        suites=(replace(suite, verdict=decided),),
    )


def _terminal(view: ReportView, width: int) -> list[str]:
    return [line.text for line in render(view, width)]


def test_the_terminal_shows_figures_classes_and_the_matrix(screen: Screen) -> None:
    text = "\n".join(_terminal(_view(screen, CLASSES), 100))
    assert "  intent: support-faq, 240 cases\n    figure    value (95% CI)          change (95% CI)" in text
    assert "    accuracy  0.912 (0.871-0.944)     -0.020 (-0.051..+0.010)\n" in text
    assert "    mcc       -0.010 (-0.100..0.100)  -\n" in text
    assert "    refund        40  0.950 (0.830-1.000)  0.925 (0.800-0.980)" in text
    assert "    true \\ predicted  refund  <b>other</b>  (unreadable)\n" in text
    assert "(unreadable)      0" not in text  # no case has this class
    assert "1 prediction is none of the classes" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(screen: Screen, width: int) -> None:
    view = _view(screen, CLASSES, STATED, UNKNOWN, PARITY)
    assert max(map(width_of, _terminal(view, width))) <= width


def test_a_table_that_is_too_wide_is_split(screen: Screen) -> None:
    names = [f"{match}-{figure}" for match in ("exact", "partial") for figure in ("precision", "recall", "f1")]
    spans = replace(CLASSES, kind="spans", figures=tuple(Figure(name, 0.5, 9, None, "EMAIL") for name in names))
    lines = _terminal(_view(screen, spans), 80)
    assert "    label  n  exact-precision  exact-recall  exact-f1  partial-precision" in lines
    assert "    label  n  partial-recall  partial-f1" in lines
    assert "    EMAIL  9  0.500           0.500" in lines


def test_a_matrix_of_many_classes_is_left_to_the_report(screen: Screen) -> None:
    labels = tuple(f"c{at}" for at in range(11))
    many = replace(CLASSES, matrix=ConfusionMatrix(labels, tuple((1,) * 11 for _ in labels)))
    assert any(
        "confusion matrix of 11 classes: see the report" in line for line in _terminal(_view(screen, many), 200)
    )


def test_a_metric_of_groups_only_has_the_first_of_them_as_its_headline(screen: Screen) -> None:
    assert metric_tables.headline(PARITY) == "pass gap of de - en 0.100 (0.000-0.210)"
    assert metric_tables.figure_rows(PARITY) == []
    assert "    groups   n   pass gap\n" in "\n".join(_terminal(_view(screen, PARITY), 100))


def test_a_metric_without_figures_has_its_reason(screen: Screen) -> None:
    text = "\n".join(_terminal(_view(screen, UNKNOWN), 120))
    assert "  price: support-faq, 0 cases: price: no prediction is a number" in text


def test_markdown_shows_metrics_and_escapes_them(screen: Screen) -> None:
    view = _view(screen, CLASSES, STATED, UNKNOWN, PARITY)
    summary, comment = render_summary(view), render_comment(view)
    assert "- `support-faq`, intent: accuracy 0.912 (0.871-0.944), macro-f1 0.870 (0.800-0.921)" in comment
    assert "- `support-faq`, price: price: no prediction is a number" in comment
    assert "<summary>Metric classification: 240 cases</summary>" in summary
    assert "| `accuracy` | 0.912 (0.871-0.944) | -0.020 (-0.051..+0.010) |" in summary
    assert "| `refund` | 37 | 2 | 1 |" in summary
    assert "<b>other" not in summary.replace("`<b>other</b>`", "")


def test_the_page_shows_tables_and_charts_and_escapes_them(screen: Screen) -> None:
    page = b"".join(render_html(_view(screen, CLASSES, STATED, UNKNOWN))).decode()
    assert '<h2 id="metrics">Metrics</h2>' in page
    assert '<a href="#metrics">Metrics</a>' in page
    assert "support-faq: intent: confusion matrix" in page
    assert "support-faq: confidence: reliability" in page
    assert '<rect class="cell"' in page
    assert '<rect class="cell wrong"' in page
    assert "<b>other" not in page
    assert "no prediction is a number" in page


def test_a_page_without_metrics_has_no_section_of_them(screen: Screen) -> None:
    page = b"".join(render_html(_view(screen))).decode()
    assert 'id="metrics"' not in page


def test_junit_has_a_property_for_each_figure_over_all_cases(screen: Screen) -> None:
    text = "".join(render_junit(_view(screen, CLASSES)))
    assert 'name="evalgate.metric.support-faq.intent.accuracy" value="0.912"' in text
    assert "precision" not in text


def test_the_brief_has_a_line_for_each_metric(screen: Screen) -> None:
    brief = Brief("hold", (RunBrief(_view(screen, CLASSES), "2026-11-21T10:15:00Z", (), ()),))
    line = "support-faq, intent: accuracy 0.912 (0.871-0.944), macro-f1 0.870 (0.800-0.921)"
    assert line.replace("support-faq", "`support-faq`") in render_brief(brief)
    assert any(line in one.text for one in render_brief_text(brief, 120))


def test_a_figure_of_a_gate_on_one_class_is_a_property(screen: Screen) -> None:
    view = _view(screen, CLASSES)
    [suite] = view.suites
    gate = replace(suite.verdict.gates[0], kind="metric", of="recall of refund")
    decided = replace(suite.verdict, gates=(gate,))
    assert dict(metric_tables.gated_figures(decided))["intent.recall of refund"] == "0.925"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.5, "0.500"), (-0.01, "-0.010"), (99.5, "99.500"), (12345.6, "1.235e+04")]
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert metric_tables.number(value) == text
