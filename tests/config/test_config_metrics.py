"""Tables of metrics, and the gate on their figures."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pytest_evalgate.config import Suite
from pytest_evalgate.config.advice import about_unknown

CLASSES = {"kind": "classification"}


def _suite(*metrics: Any, gates: Any = None) -> Suite:
    return Suite.model_validate({"golden": "g.jsonl", "metrics": metrics, "gates": gates})


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["classification"], 'a metric is a table with a kind, such as { kind = "classification" }'),
        ([{"label": "expected"}], "a metric needs a kind"),
        ([{"kind": "clasification"}], "clasification"),
        ([{**CLASSES, "label": "output"}], "write a dotted path into the case"),
        ([{**CLASSES, "predicted": "expected"}], "write a dotted path into the output"),
        ([CLASSES, CLASSES], 'two metrics are named "classification"'),
        ([{"kind": "confidence"}], "confidence"),
        ([{"kind": "ranking", "k": 0}], "greater than or equal to 1"),
    ],
)
def test_a_malformed_metric_is_refused(metrics: Any, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        _suite(*metrics)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ({"name": "macro-f1"}, "a metric gate needs min, max_drop, or both"),
        ({"name": "mae", "min": 1.0}, "mae is an error, so lower is better: write max in place of min"),
        ({"name": "macro-f1", "max": 1.0}, "write min in place of max"),
        ({"name": "macro-f2", "min": 0.8}, 'no metric has a figure "macro-f2"; did you mean "macro-f1"?'),
        ({"name": "recall", "min": 0.8}, 'no metric has a figure "recall"'),
        ({"name": "macro-f1", "of": "a", "min": 0.8}, 'no metric has a figure "macro-f1" of one class'),
        ({"name": "macro-f1", "metric": "clas", "min": 0.8}, 'no metric is named "clas"'),
        ({"name": "macro-f1", "max_drop": -0.1}, "greater than or equal to 0"),
    ],
)
def test_a_gate_without_a_figure_is_refused(gate: Any, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        _suite(CLASSES, gates=[{"kind": "metric", **gate}])
    assert message in str(error.value)


def test_a_gate_names_its_metric_if_several_have_the_figure() -> None:
    metrics = [CLASSES, {**CLASSES, "name": "strict"}]
    gate = {"kind": "metric", "name": "macro-f1", "min": 0.8}
    with pytest.raises(ValidationError, match="is a figure of several metrics"):
        _suite(*metrics, gates=[gate])
    suite = _suite(*metrics, gates=[{**gate, "metric": "strict"}])
    assert suite.gates is not None
    [chosen] = suite.gates
    assert chosen.kind == "metric"
    assert chosen.of_metrics(suite.metrics) is suite.metrics[1]


def test_a_table_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(ValidationError, match="metrics is a list of tables: write metrics = "):
        Suite.model_validate({"golden": "g.jsonl", "metrics": CLASSES})


def test_the_key_that_was_meant_is_named() -> None:
    settings = {"suites": {"faq": {"metrics": [{"kind": "spans", "lable": "expected"}]}}}
    assert about_unknown(("suites", "faq", "metrics", 0, "lable"), settings) == '; did you mean "label"?'


def test_a_suite_without_metrics_has_no_metric_gate() -> None:
    with pytest.raises(ValidationError, match="the suite has no metrics"):
        _suite(gates=[{"kind": "metric", "name": "macro-f1", "min": 0.8}])


def test_the_gate_of_a_class_and_that_of_a_cutoff() -> None:
    gates = [
        {"kind": "metric", "name": "recall", "of": "urgent", "min": 0.9},
        {"kind": "metric", "name": "ndcg@5", "min": 0.7, "bound": "point"},
    ]
    suite = _suite(CLASSES, {"kind": "ranking", "k": 5}, gates=gates)
    assert [gate.subject for gate in suite.gates or () if gate.kind == "metric"] == ["recall of urgent", "ndcg@5"]
