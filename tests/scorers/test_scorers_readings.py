"""Values that metrics read from cases and outputs."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.config import (
    ClassificationMetric,
    ConfidenceMetric,
    Metric,
    RankingMetric,
    RegressionMetric,
    SpansMetric,
)
from pytest_evalgate.errors import ScorerError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers.readings import MetricReader, labels_of

CLASSES = ClassificationMetric(kind="classification")
NUMBERS = RegressionMetric(kind="regression")
STATED = ConfidenceMetric(kind="confidence", confidence="output.confidence")
SPANS = SpansMetric(kind="spans")


def _read(metric: Metric, output: Any, **case: Any) -> tuple[str | float | None, ...]:
    given = None if output is None else Output(output, case.pop("of_output", {}))
    return MetricReader(metric).read(Case("a", **case), given).values


@pytest.mark.parametrize(
    ("output", "read"),
    [
        ("refund", "refund"),
        (" refund\n", "refund"),
        ("Refund", "Refund"),
        (True, "true"),
        (3, "3"),
        ("", None),
        (None, None),
        (["refund"], None),
        ("It is about a refund, I think. " * 9, None),
    ],
)
def test_a_class_is_a_short_text_without_space_around_it(output: Any, read: str | None) -> None:
    assert _read(CLASSES, output, expected="refund") == ("refund", read)


def test_paths_lead_into_the_case_and_the_output() -> None:
    metric = ClassificationMetric(kind="classification", label="metadata.intent", predicted="output.label.name")
    case = {"metadata": {"intent": "refund"}}
    assert _read(metric, {"label": {"name": "order"}}, **case) == ("refund", "order")
    assert _read(metric, '{"label": {"name": "order"}}', **case) == ("refund", "order")
    assert _read(metric, "no JSON", **case) == ("refund", None)
    own = ClassificationMetric(kind="classification", predicted="metadata.label")
    assert _read(own, "text", expected="a", of_output={"label": "b"}) == ("a", "b")


@pytest.mark.parametrize(
    ("output", "read"),
    [
        (4, 4.0),
        ("4.5", 4.5),
        ("It costs 1,234 euros", 1234.0),
        ("the total is -3", -3.0),
        ("2 or 3", None),
        ("none", None),
        (True, None),
    ],
)
def test_a_number_is_read_as_the_rule_number_reads_it(output: Any, read: float | None) -> None:
    assert _read(NUMBERS, output, expected=5) == (5.0, read)


@pytest.mark.parametrize(
    ("stated", "read"), [(0.9, 0.9), ("0.9", 0.9), ("90 %", 0.9), ("85%", 0.85), (1.2, None), ("high", None)]
)
def test_a_confidence_is_a_number_from_0_to_1_or_a_percentage(stated: Any, read: float | None) -> None:
    assert _read(STATED, {"confidence": stated})[0] == pytest.approx(read)


def test_a_ranking_is_measured_and_one_that_cannot_be_read_is_none() -> None:
    metric = RankingMetric(kind="ranking", k=2)
    ranked = {"reference_context": ("x", "y")}
    first, *others = _read(metric, ["x", "z"], **ranked)
    assert first == pytest.approx(0.6131, abs=1e-4)
    assert others == [1.0, 0.5, 0.5]
    assert _read(metric, "nothing", **ranked) == (None,) * 4
    assert _read(metric, ["x"], expected=[]) == ()
    graded = RankingMetric(kind="ranking", relevant="metadata.grades", k=1)
    assert _read(graded, ["y"], metadata={"grades": {"x": 2, "y": 1}})[0] == 0.5


def test_spans_are_counted_by_label() -> None:
    gold = [{"start": 0, "end": 4, "label": "name"}, {"start": 9, "end": 12, "label": "email"}]
    found = [{"start": 0, "end": 4, "label": "name"}, {"start": 10, "end": 15, "label": "email"}]
    assert _read(SPANS, found, expected=gold) == ("email", 1, 1, 0, 1, 1, "name", 1, 1, 1, 1, 1)
    assert _read(SPANS, "prose", expected=gold) == (None, "email", 1, 0, 0, 0, 0, "name", 1, 0, 0, 0, 0)
    assert _read(SPANS, [], expected=[]) == ()


@pytest.mark.parametrize(
    ("metric", "case", "message"),
    [
        (CLASSES, {}, 'the case has no "expected", not a class'),
        (CLASSES, {"expected": ["a"]}, r'expected is \["a"\], not a class'),
        (ClassificationMetric(kind="classification", labels=("a",)), {"expected": "b"}, "which is not in labels"),
        (NUMBERS, {"expected": "many"}, 'expected is "many", not one number'),
        (SPANS, {"expected": [{"start": 3}]}, "is not a span"),
    ],
)
def test_a_label_that_cannot_be_read_is_a_problem_of_the_case(metric: Metric, case: Any, message: str) -> None:
    with pytest.raises(ScorerError, match=message):
        _read(metric, None, **case)
    assert MetricReader(metric).case_problem(Case("a", **case)) is not None


def test_a_reader_names_its_metric_and_the_field_that_it_reads() -> None:
    assert MetricReader(CLASSES).name == "metric classification"
    assert MetricReader(CLASSES).reads(Case("a")) == {"expected"}
    assert MetricReader(STATED).reads(Case("a")) == frozenset()
    assert MetricReader(RankingMetric(kind="ranking")).reads(Case("a")) == {"reference_context", "expected"}


def test_labels_of_cases() -> None:
    cases = [Case("a", expected="x"), Case("b", expected="y"), Case("c", expected=None)]
    assert labels_of(CLASSES, cases) == {"x", "y"}
    assert labels_of(SPANS, [Case("a", expected=[{"start": 0, "end": 1, "label": "pin"}])]) == {"pin"}
    assert labels_of(NUMBERS, cases) == frozenset()


def test_another_definition_reads_other_values() -> None:
    other = ClassificationMetric(kind="classification", label="human_label")
    assert CLASSES.key != other.key
    assert CLASSES.key == ClassificationMetric(kind="classification", labels=("a", "b")).key
    assert CLASSES.key.startswith("classification:")
