"""Classes against scikit-learn: union of labels, unreadable verdicts, ordered classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import metrics

from pytest_evalgate.judges.classes import UNREADABLE, ClassRow, compare_classes, load_classes
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.judges.rates import Bootstrap

if TYPE_CHECKING:
    from pathlib import Path

_FEW_DRAWS = Bootstrap(draws=20)


def _rows(truth: list[str], predicted: list[str]) -> list[ClassRow]:
    return [ClassRow(one, other, at) for at, (one, other) in enumerate(zip(truth, predicted, strict=True))]


@pytest.mark.parametrize("seed", range(20))
def test_figures_are_scikit_learns_over_the_union_of_labels(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.choice(["a", "b", "c"], 60).tolist()
    predicted = random.choice(["a", "b", "d", UNREADABLE], 60).tolist()
    found = compare_classes(_rows(truth, predicted), (), _FEW_DRAWS)
    macro = metrics.precision_recall_fscore_support(truth, predicted, average="macro", zero_division=0)
    values = [found.figures[name].value for name in ("macro_precision", "macro_recall", "macro_f1")]
    assert values == pytest.approx(macro[:3])
    assert found.figures["accuracy"].value == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert found.figures["kappa"].value == pytest.approx(metrics.cohen_kappa_score(truth, predicted))
    names = [one.name for one in found.classes]
    assert found.counts == tuple(map(tuple, metrics.confusion_matrix(truth, predicted, labels=names).tolist()))
    each = metrics.precision_recall_fscore_support(truth, predicted, labels=names, zero_division=0)
    assert [(one.precision, one.recall, one.f1, one.labels) for one in found.classes] == [
        pytest.approx(row) for row in zip(*each, strict=True)
    ]
    assert found.unreadable == predicted.count(UNREADABLE)


def test_ordered_classes_have_weighted_kappas_of_the_verdicts_that_could_be_read() -> None:
    truth = ["low", "mid", "high", "low", "mid", "high", "low", "high"]
    predicted = ["low", "high", "high", "mid", "mid", "low", UNREADABLE, "high"]
    found = compare_classes(_rows(truth, predicted), ["low", "mid", "high"], _FEW_DRAWS)
    codes = {"low": 0, "mid": 1, "high": 2}
    read = [(codes[one], codes[other]) for one, other in zip(truth, predicted, strict=True) if other in codes]
    for name, weights in (("kappa_linear", "linear"), ("kappa_quadratic", "quadratic")):
        wanted = metrics.cohen_kappa_score(*zip(*read, strict=True), weights=weights)
        assert found.ordered[name].value == pytest.approx(wanted)
    assert [one.name for one in found.classes] == ["low", "mid", "high", UNREADABLE]


def test_a_perfect_judge_of_one_class_has_no_kappa() -> None:
    found = compare_classes(_rows(["a", "a"], ["a", "a"]), (), _FEW_DRAWS)
    assert found.figures["kappa"].value is None
    assert found.figures["macro_f1"].value == 1.0
    assert found.ordered == {}


def _load(folder: Path, rows: list[dict[str, Any]], *order: str) -> list[tuple[str, str]]:
    path = folder / "l.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return [(row.truth, row.predicted) for row in load_classes(path, "l.jsonl", "judge", order, ())]


def test_missing_and_unknown_verdicts_are_unreadable(tmp_path: Path) -> None:
    rows = [{"id": at, "label": "Good", "judge": verdict} for at, verdict in enumerate(["good ", None, "hm", 3])]
    rows.append({"id": 9, "label": None, "judge": "good"})
    assert _load(tmp_path, rows) == [("good", "good"), ("good", UNREADABLE), ("good", "hm"), ("good", "3")]
    assert [one for _, one in _load(tmp_path, rows, "bad", "good")] == ["good", *[UNREADABLE] * 3]


def test_the_majority_of_raters_is_the_label_and_a_draw_is_none(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "labels": {"a": "x", "b": "x", "c": "y"}, "judge": "x"},
        {"id": 2, "labels": {"a": "x", "b": "y"}, "judge": "x"},
    ]
    assert _load(tmp_path, rows) == [("x", "x")]


@pytest.mark.parametrize(
    ("rows", "order", "message"),
    [
        ([{"id": 1, "label": "x"}], (), "no row has this path; the first row has id, label"),
        ([{"id": 1, "label": "x", "judge": "y"}], ("y", "z"), '"x" is not one of the classes of --order'),
        ([{"id": 1, "label": None, "judge": "y"}], (), "none of 1 rows has a label yet"),
    ],
)
def test_files_that_cannot_be_compared_are_refused(
    tmp_path: Path, rows: list[dict[str, Any]], order: tuple[str, ...], message: str
) -> None:
    with pytest.raises(LabelsError, match=message):
        _load(tmp_path, rows, *order)
