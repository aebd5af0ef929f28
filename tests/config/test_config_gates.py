from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from pytest_evalgate.config import (
    BudgetGate,
    Gate,
    MeanScoreGate,
    MustPassGate,
    NoRegressionGate,
    SliceGate,
    json_schema,
    load,
)
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_SUITE = 'suites.faq.golden = "g.jsonl"\nsuites.faq.slices = ["lang"]\n'


def _gates(root: Path, *gates: str) -> tuple[Gate, ...]:
    (root / "evalgate.toml").write_text(f"{_SUITE}suites.faq.gates = [{', '.join(gates)}]\n")
    return load(root).suites["faq"].gates or ()


def _refused(root: Path, gate: str) -> str:
    with pytest.raises(SettingsError) as caught:
        _gates(root, gate)
    return str(caught.value).removeprefix("evalgate.toml:3: suites.faq.gates[0]")


def test_every_gate_is_read(tmp_path: Path) -> None:
    assert _gates(
        tmp_path,
        '{ kind = "no-regression", scorer = "tone", alpha = 0.01 }',
        '{ kind = "slice", by = "lang", min = 0.8, min_n = 50, bound = "point" }',
        '{ kind = "slice", by = "lang", alpha = 0.1 }',
        '{ kind = "mean-score", scorer = "tone", min = 0.7, bound = "point" }',
        '{ kind = "must-pass", tags = "safety" }',
        '{ kind = "budget", p95_latency_s = 8 }',
    ) == (
        NoRegressionGate(kind="no-regression", scorer="tone", alpha=0.01),
        SliceGate(kind="slice", by="lang", min=0.8, min_n=50, bound="point"),
        SliceGate(kind="slice", by="lang", alpha=0.1),
        MeanScoreGate(kind="mean-score", scorer="tone", min=0.7, bound="point"),
        MustPassGate(kind="must-pass", tags=("safety",)),
        BudgetGate(kind="budget", p95_latency_s=8.0),
    )


def test_missing_keys_have_their_defaults(tmp_path: Path) -> None:
    change, rates, scores = _gates(
        tmp_path,
        '{ kind = "no-regression" }',
        '{ kind = "slice", by = "lang" }',
        '{ kind = "mean-score", scorer = "tone", min = 0.7 }',
    )
    assert isinstance(change, NoRegressionGate)
    assert change.scorer is None
    assert isinstance(rates, SliceGate)
    assert (rates.min, rates.min_n, rates.bound, rates.alpha) == (None, 20, "ci", 0.05)
    assert isinstance(scores, MeanScoreGate)
    assert scores.bound == "ci"


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        ('{ kind = "slice", by = "lang", minn = 0.8 }', '.minn: unknown key; did you mean "min_n"?'),
        ('{ kind = "slice", by = "lang", alhpa = 0.1 }', '.alhpa: unknown key; did you mean "alpha"?'),
        ('{ kind = "mean-score", scorers = "a", min = 0.7 }', '.scorer: this key is missing: write scorer = "exact"'),
        (
            '{ kind = "mean-score", scorer = "a", min = 0.7, bounds = "ci" }',
            '.bounds: unknown key; did you mean "bound"?',
        ),
        ('{ kind = "no-regression", scorers = "a" }', '.scorers: unknown key; did you mean "scorer"?'),
        ('{ kind = "no-regression", by = "lang" }', ".by: unknown key; it belongs in"),
    ],
)
def test_unknown_keys_are_reported_with_a_suggestion(tmp_path: Path, gate: str, told: str) -> None:
    assert _refused(tmp_path, gate).startswith(told)


_REFUSED: list[tuple[str, str]] = [
    ('{ kind = "slice" }', '.by: this key is missing: write by = "lang"'),
    ('{ kind = "slice", by = "lang", min = 0 }', ".min: must be greater than 0, not 0"),
    ('{ kind = "slice", by = "lang", min = 80 }', ".min: must be at most 1, not 80: write 0.8 for 80%"),
    ('{ kind = "slice", by = "lang", min_n = 0 }', ".min_n: must be at least 1, not 0"),
    ('{ kind = "slice", by = "lang", min_n = 2.5 }', ".min_n: must be a whole number, not 2.5"),
    ('{ kind = "slice", by = "lang", alpha = 0.5 }', ".alpha: must be less than 0.5, not 0.5"),
    ('{ kind = "slice", by = "lang", bound = "wald" }', '.bound: must be "ci" or "point", not "wald"'),
    ('{ kind = "mean-score", scorer = "tone" }', ".min: this key is missing: write min = 0.8"),
    ('{ kind = "mean-score", min = 0.7 }', '.scorer: this key is missing: write scorer = "exact"'),
    (
        '{ kind = "mean-score", scorer = "tone", min = 4.0 }',
        ".min: scores of a scale from 1 to 5 are mapped to 0 to 1: write 0.75 for 4 (got 4.0)",
    ),
    ('{ kind = "no-regression", scorer = 1 }', '.scorer: must be a text in quotes, not 1: write "1"'),
]


@pytest.mark.parametrize(("gate", "told"), _REFUSED)
def test_wrong_values_are_reported_with_their_place(tmp_path: Path, gate: str, told: str) -> None:
    assert _refused(tmp_path, gate) == told


def test_a_slice_gate_needs_a_slice_of_its_suite(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        _gates(tmp_path, '{ kind = "slice", by = "topic" }')
    assert str(caught.value) == (
        'evalgate.toml:3: suites.faq.gates: a slice gate is by "topic", which is not in slices = ["lang"]'
    )


def _matches_schema(gate: dict[str, Any]) -> bool:
    suites = {"faq": {"golden": "g.jsonl", "slices": ["lang"], "gates": [gate]}}
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid({"suites": suites}))


def test_the_schema_contains_the_gates() -> None:
    assert _matches_schema({"kind": "slice", "by": "lang", "min": 0.8, "min_n": 5})
    assert _matches_schema({"kind": "mean-score", "scorer": "tone", "min": 0.5})
    assert _matches_schema({"kind": "no-regression", "scorer": "tone"})
    assert not _matches_schema({"kind": "slice", "by": "lang", "min_n": 0})
    assert not _matches_schema({"kind": "slice", "by": "lang", "scorer": "tone"})
    assert not _matches_schema({"kind": "mean-score", "scorer": "tone", "min": 4})
