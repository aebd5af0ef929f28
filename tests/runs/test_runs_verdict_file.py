from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import kept

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.results import Run, Verdict

_TOP = {
    "schema", "verdict", "exit_code", "run_id", "commit", "tier", "accounting", "suites", "calls", "duration_s",
    "changed_in_gate", "suites_not_run", "problems", "refused",
}  # fmt: skip
_SUITE = {
    "cases", "trials", "passed", "pass_rate", "interval", "golden_sha256", "verdict", "scores", "delta", "slices",
    "gates", "judges", "mode", "accounting", "repeats", "stopped", "trend", "notes",
}  # fmt: skip
_DELTA = {
    "baseline", "pairs", "losses", "gains", "delta", "p", "lower", "upper", "test", "finding", "mde", "added",
    "removed", "edited", "baseline_rate", "p_adjusted", "equivalent", "youden",
}  # fmt: skip
_SLICE = {"by", "value", "n", "passed", "delta", "interval", "pass_rate", "shrunken", "gated"}
_CALLS = {"planned", "sent", "cached", "retried", "tokens_in", "tokens_out", "cost_usd", "unknown_price"}


@pytest.fixture
def verdict(run: Run) -> Verdict:
    baseline = baselines.promote(run, run.suites[0], reason="x", now="2026-01-01T00:00:00Z")
    return decide(run, {"faq": SuiteRules(baseline=baseline)}, warn_inconclusive=True, not_run=["other"])


def test_the_keys_are_those_that_tools_rely_on(verdict: Verdict, tmp_path: Path) -> None:
    kept.write(verdict, tmp_path / "verdict.json")
    held = json.loads((tmp_path / "verdict.json").read_text("ascii"))
    suite = held["suites"]["faq"]
    assert set(held) == _TOP
    assert set(suite) == _SUITE
    assert set(suite["delta"]) == _DELTA
    assert set(held["calls"]) == _CALLS
    assert set(held["accounting"]) == {"planned", "passed", "missed", "errored", "skipped", "not_run"}
    assert set(suite["gates"][0]) == {"kind", "result", "value", "bound", "required", "message", "of"}
    assert set(suite["slices"][0]) == _SLICE
    assert set(suite["repeats"]) == {"flip_rate", "flaky", "icc", "design_effect", "n_eff"}
    assert set(suite["slices"][0]["delta"]) == _DELTA
    assert suite["scores"] == {"exact": {"mean": 0.75, "n": 4}}


def test_the_numbers_are_those_of_the_run(verdict: Verdict) -> None:
    held = kept.encode(verdict)
    assert (held["schema"], held["verdict"], held["exit_code"]) == (1, "pass", 0)
    assert held["accounting"] == {
        "planned": 3, "passed": 1, "missed": 1, "errored": 0, "skipped": 1, "not_run": 0,
    }  # fmt: skip
    assert (held["suites"]["faq"]["cases"], held["suites"]["faq"]["pass_rate"]) == (2, 0.75)
    assert held["suites_not_run"] == ("other",)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_never_written(verdict: Verdict, tmp_path: Path, number: float) -> None:
    (tmp_path / "verdict.json").write_text("old")
    with pytest.raises(ValueError, match="JSON"):
        kept.write(replace(verdict, duration_s=number), tmp_path / "verdict.json")
    assert (tmp_path / "verdict.json").read_text() == "old"
