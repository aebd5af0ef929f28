"""Facts, slices and models: counts that are right, and findings only where something is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.config import Model, Suite
from pytest_evalgate.golden import read_file
from pytest_evalgate.golden.lint import LintFinding, floating_models, small_slices, summarise_file
from pytest_evalgate.records.results import Place, PlannedCase

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PLACE = Place("evalgate.toml", 0)


def _planned(sizes: dict[str, int], *, tags: tuple[str, ...] = (), skip: str | None = None) -> Iterable[PlannedCase]:
    for value, size in sizes.items():
        for number in range(size):
            place = Place("g.jsonl", number + 1)
            yield PlannedCase(f"{value}{number}", place, "f", tags=tags, slices=(("lang", value),), skip=skip)


def _slices(
    gates: list[dict[str, Any]], cases: Iterable[PlannedCase], slices: tuple[str, ...] = ("lang",)
) -> list[str]:
    suite = Suite.model_validate({"golden": "g.jsonl", "slices": slices, "gates": gates})
    found = small_slices("faq", suite, list(cases), _PLACE)
    return [f"{finding.severity} {finding}" for finding in found]


def test_a_finding_is_a_line_that_editors_understand() -> None:
    assert str(LintFinding(Place("g.jsonl", 3), "secret", "error", "m")) == "g.jsonl:3: secret: m"
    assert str(LintFinding(Place("g.jsonl", 0), "secret", "error", "m")) == "g.jsonl: secret: m"


def test_the_facts_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    rows = [
        '{"input": "x", "target": "a", "tags": ["de", "safety", "de"]}',
        '{"input": "y", "target": "b", "tags": ["de"], "skip": true, "trials": 3}',
    ]
    path.write_text("\n".join(rows), "utf-8")
    facts = summarise_file(read_file(path, "set.jsonl"))
    assert facts.lines() == (
        "set.jsonl: dialect: inspect (target -> expected)",
        "set.jsonl: counts: 2 cases, 1 skipped, 1 with trials of their own, tags: de 2, safety 1",
    )
    assert facts.as_json()["mapping"] == [{"name": "target", "field": "expected"}]


def test_the_facts_of_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "set.jsonl").write_text('{"input": "x"}', "utf-8")
    said = summarise_file(read_file(tmp_path / "set.jsonl", "set.jsonl")).lines()
    assert said == ("set.jsonl: dialect: canonical", "set.jsonl: counts: 1 case, no tags")


def test_a_slice_that_nobody_is_in() -> None:
    told = (
        "evalgate.toml: empty-slice: suites.faq: no case has a slice by region: tag the cases, or take it out of the "
        "suite"
    )
    assert _slices([], _planned({"de": 20}), ("lang", "region")) == [f"warning {told}"]
    gate = {"kind": "slice", "by": "region"}
    assert _slices([gate], _planned({"de": 20}), ("region",)) == [f"error {told}"]


def test_slices_below_the_size_that_a_gate_wants() -> None:
    gate = {"kind": "slice", "by": "lang", "min": 0.8, "min_n": 50}
    [below] = _slices([gate], _planned({"de": 50, "fr": 49, "it": 3}))
    assert below == (
        "warning evalgate.toml: tiny-slice: suites.faq: slices by lang below min_n = 50 are shown and not judged: "
        "it (3 cases), fr (49 cases)"
    )


def test_slices_that_are_judged_on_very_few_cases() -> None:
    [few] = _slices([], _planned({"de": 20, "fr": 19}))
    assert few == "note evalgate.toml: tiny-slice: suites.faq: slices by lang with fewer than 20 cases: fr (19 cases)"
    [many] = _slices([], _planned({f"l{number}": 1 for number in range(7)}))
    assert many.endswith("l4 (1 case), 2 more")


def test_skipped_cases_do_not_fill_a_slice() -> None:
    assert len(_slices([], [*_planned({"de": 19}), *_planned({"de": 5}, skip="slow")])) == 1


def test_must_pass_wants_a_case_with_its_tag() -> None:
    gate = {"kind": "must-pass", "tags": ["safety"]}
    assert _slices([gate], _planned({"de": 20}, tags=("safety",))) == []
    [missing] = _slices([gate], _planned({"de": 20}))
    assert missing.startswith("error ")
    assert "no case carries a tag of the must-pass gate: safety" in missing
    assert _slices([{"kind": "must-pass"}], _planned({"de": 20})) == []


@pytest.mark.parametrize(
    "model",
    [
        "gpt-x-mini-2026-09-01",
        "claude-x-20260901",
        "gpt-x-0613",
        "gemini-x-002",
        "x@20260901",
        "mistral-x-2411",
        "model-v2:0",
        "gpt-x-1106-preview",
        "ft:gpt-x-0613:acme",
    ],
)
def test_a_dated_model_stays(model: str) -> None:
    assert list(floating_models({"m": Model(model=model)}, _PLACE)) == []


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-x", "claude-x-5-sonnet", "llama-3-70b", "gpt-4.1-mini"])
def test_a_hosted_model_without_a_date_moves(model: str) -> None:
    [finding] = floating_models({"m": Model(model=model)}, _PLACE)
    assert str(finding).startswith(f"evalgate.toml: floating-model: models.m: {model} has no date or version")
    assert finding.severity == "warning"


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "http://127.0.0.1:8080/v1"])
@pytest.mark.parametrize("model", ["gpt-x-latest", "llama:latest", "latest"])
def test_the_latest_moves_wherever_it_is(model: str, url: str) -> None:
    [finding] = floating_models({"m": Model(model=model, base_url=url)}, _PLACE)
    assert "is another model whenever its host says so" in finding.message


@pytest.mark.parametrize("host", ["localhost:11434", "127.0.0.1", "10.0.0.7", "[::1]:80", "gpu.internal", "vllm"])
def test_a_model_of_ones_own_stays(host: str) -> None:
    assert list(floating_models({"m": Model(model="llama-3-70b", base_url=f"http://{host}/v1")}, _PLACE)) == []
