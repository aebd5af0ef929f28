from __future__ import annotations

import dataclasses
import inspect
import pickle

import pytest

from pytest_evalgate.records import cases, measured, results, verdicts
from pytest_evalgate.records.cases import Case, GoldenSet, Place
from pytest_evalgate.records.results import CaseResult, PlannedCase, Trial
from pytest_evalgate.records.verdicts import BaselineCase

_PLANNED = PlannedCase("c1", Place("g.jsonl", 1), "f")
_RECORDS = [
    kind
    for module in (cases, results, verdicts, measured)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", _RECORDS)
def test_every_record_is_frozen_and_without_a_dict(kind: type) -> None:
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert hasattr(kind, "__slots__")


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        _PLANNED.id = "c2"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Case("c1").metadata["a"] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("values", "lowest", "highest"),
    [
        ((1.0,), 1.0, 1.0),
        ((None,), 0.0, 1.0),
        ((1.0, None), 0.5, 1.0),
        ((0.0, None, 1.0, None), 0.25, 0.75),
        ((), 0.0, 1.0),
    ],
)
def test_missing_trials_are_completed_both_ways(
    values: tuple[float | None, ...], lowest: float, highest: float
) -> None:
    result = CaseResult(_PLANNED, "errored", tuple(Trial(index, value) for index, value in enumerate(values)))
    assert (result.lowest, result.highest) == (lowest, highest)


def test_small_things() -> None:
    assert str(Place("golden/faq.jsonl", 17)) == "golden/faq.jsonl:17"
    assert BaselineCase("f", (1.0, 0.0, 0.5)).mean == 0.5
    golden = GoldenSet("g.jsonl", (Case("a"), Case("b")), "")
    assert (len(golden), [case.id for case in golden]) == (2, ["a", "b"])
    assert pickle.loads(pickle.dumps(_PLANNED)) == _PLANNED  # noqa: S301 - our own bytes
