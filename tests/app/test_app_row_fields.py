"""No field of a row is silent: it has an effect on the run, or a warning says that nothing uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.plugin.conftest import jsonl

from pytest_evalgate import golden, scorers
from pytest_evalgate.app import fit
from pytest_evalgate.engine.trial import run_sync
from pytest_evalgate.golden.record import GoldenRow
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.targets import RowTargetRunner
from pytest_evalgate.targets.prompts import load_prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_evalgate.records.cases import Case, GoldenSet

_UNREAD: dict[str, Any] = {
    "expected": "x",
    "expected_any": ["x"],
    "rubric": "is polite",
    "reference_context": ["x"],
    "expected_tools": ["search"],
    "trajectory": ["search"],
    "split": "test",
    "human_label": "pass",
}
"""Fields that a scorer or a key of the suite reads. A run in which none does has a warning."""


def _planned(field: str) -> Callable[[GoldenSet, Path], object]:
    def read(golden_set: GoldenSet, _: Path) -> object:
        plan = make_plan("s", [golden_set], scorers=[], trials=1, slices=["lang", "metadata.kind", "tag"])
        return getattr(plan.cases[0], field)

    return read


def _prompt(name: str) -> Callable[[GoldenSet, Path], object]:
    def read(golden_set: GoldenSet, folder: Path) -> object:
        path = folder / "prompt.md"
        path.write_text(f"{{{{ {name} }}}}")
        return load_prompt(path, name="prompt.md").render(_first(golden_set))

    return read


def _first(golden_set: GoldenSet) -> Case:
    return golden_set.cases[0]


def _asserts(golden_set: GoldenSet, _: Path) -> object:
    return [one.name for one in scorers.case_scorers(_first(golden_set), context=scorers.Context())]


_EFFECTS: dict[str, tuple[Any, Callable[[GoldenSet, Path], object], object]] = {
    "input": ("hello", _prompt("input"), "hello"),
    "messages": ([{"role": "user", "content": "hi"}], lambda one, _: _first(one).messages[0]["content"], "hi"),
    "vars": ({"name": "Ada"}, _prompt("vars.name"), "Ada"),
    "context": (["a fact"], lambda one, _: _first(one).context, ("a fact",)),
    "output": ("done", lambda one, _: run_sync(RowTargetRunner().answer(_first(one), 0)).value, "done"),
    "asserts": ([{"kind": "contains", "value": "x"}], _asserts, ["contains"]),
    "tags": (["lang:de"], _planned("slices"), (("lang", "de"),)),
    "slice": ({"lang": "de"}, _planned("slices"), (("lang", "de"),)),
    "metadata": ({"kind": "k"}, _planned("slices"), (("metadata.kind", "k"),)),
    "weight": (2.5, _planned("weight"), 2.5),
    "trials": (4, _planned("trials"), 4),
    "threshold": (0.5, lambda one, _: _first(one).threshold, 0.5),
    "skip": ("later", _planned("skip"), "later"),
}
"""Fields with an effect of their own: a value, and where it arrives."""


def test_every_field_of_a_row_is_here() -> None:
    assert {*_UNREAD, *_EFFECTS} == {*GoldenRow.model_fields}


def _load(tmp_path: Path, *rows: dict[str, Any]) -> GoldenSet:
    (tmp_path / "g.jsonl").write_text(jsonl([{"input": "?", **row} for row in rows]))
    [loaded] = golden.load([tmp_path / "g.jsonl"], root=tmp_path)
    return loaded


@pytest.mark.parametrize("field", _UNREAD)
def test_a_field_that_nothing_reads_has_a_warning(tmp_path: Path, field: str) -> None:
    loaded = _load(tmp_path, {"id": "a", field: _UNREAD[field]}, {"id": "b", "input": "other"})
    length = scorers.build({"kind": "length", "max": 5}, context=scorers.Context())
    [(_, message)] = fit.describe(fit.unread_fields(loaded, lambda _: [length]))
    assert message.startswith(f"{field}: ")


@pytest.mark.parametrize("field", _EFFECTS)
def test_a_field_with_an_effect_arrives(tmp_path: Path, field: str) -> None:
    value, read, expected = _EFFECTS[field]
    loaded = _load(tmp_path, {"id": "a", field: value})
    assert read(loaded, tmp_path) == expected


def test_a_label_of_a_recorded_output_is_for_a_judge_and_has_no_warning(tmp_path: Path) -> None:
    loaded = _load(tmp_path, {"id": "a", "human_label": "pass", "output": "x"})
    assert not list(fit.unread_fields(loaded, lambda _: []))
