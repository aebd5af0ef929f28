from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.verdicts import HistoryRow
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import kept
from pytest_evalgate.runs import kept as kept_files
from pytest_evalgate.runs.kept import SHOWN_RUNS, RunFolder
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import Verdict


def _verdict(run: Run, **changed: Any) -> Verdict:
    verdict = decide(run, {"faq": SuiteRules()}, warn_inconclusive=True)
    return replace(verdict, **changed)


def _row(number: int, suite: str = "faq") -> HistoryRow:
    return HistoryRow(
        f"r{number}", "2026-01-01T00:00:00Z", None, suite, 10, 1, 0.5, None, "g" * 64, "s" * 64, None, "pass"
    )


def test_a_run_folder_is_read_as_it_was_written(run: Run, tmp_path: Path) -> None:
    verdict = _verdict(run, suites={"a/../b": _verdict(run).suites["faq"], **_verdict(run).suites})
    baseline = baselines.promote(run, run.suites[0], reason="first", now="2026-01-01T00:01:00Z")
    rows = [*(_row(number) for number in range(SHOWN_RUNS + 5)), _row(0, "another")]
    kept = RunFolder(tmp_path)
    kept.keep(verdict, {"faq": (baseline, b'{"id":"c1","output":{"n":1}}\n')}, rows, Redactor())
    assert kept.verdict() == verdict
    found = kept.baseline(verdict, "faq")
    assert found is not None
    assert found.cases == baseline.cases
    assert kept.outputs(verdict, "faq") == {"c1": {"n": 1}}
    assert [row.run_id for row in kept.history(verdict, "faq")] == [
        f"r{number}" for number in range(5, SHOWN_RUNS + 5)
    ]
    assert kept.baseline(verdict, "a/../b") is None
    assert kept.outputs(verdict, "a/../b") == {}
    assert kept.history(verdict, "a/../b") == ()
    assert not (tmp_path.parent / "b.json").exists()


def test_suites_in_any_order_keep_their_own_baselines(run: Run, tmp_path: Path) -> None:
    suites = {name: _verdict(run).suites["faq"] for name in ("support-faq", "support", "another")}
    baseline = baselines.promote(run, run.suites[0], reason="first", now="2026-01-01T00:01:00Z")
    kept = RunFolder(tmp_path)
    compared = {name: (replace(baseline, suite=name), b"") for name in suites}
    kept.keep(_verdict(run, suites=suites), compared, [], Redactor())
    read = kept.verdict()
    assert [*read.suites] != [*suites]
    assert [one.suite for name in suites if (one := kept.baseline(read, name))] == [*suites]


def test_secrets_are_removed_from_the_verdict(run: Run, tmp_path: Path) -> None:
    key = "sk-12345678"
    RunFolder(tmp_path).keep(_verdict(run, problems=(f"said {key}",)), {}, (), Redactor.of(["K"], {"K": key}))
    assert RunFolder(tmp_path).verdict().problems == ("said ***",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON at column 1: the text ends too early; run again with: pytest --eval-gate"),
        ("[]", "not a verdict of pytest-evalgate"),
        ('{"schema": 2}', "schema 2 is newer than 1: upgrade pytest-evalgate"),
        ('{"schema": 1}', "verdict: "),
        ('{"schema": 1, "verdict": "green"}', 'verdict: must be "pass", '),
    ],
)
def test_a_malformed_verdict_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "verdict.json").write_text(text)
    with pytest.raises(RunFileError) as caught:
        kept_files.read(tmp_path / "verdict.json")
    assert said in str(caught.value)


def test_a_missing_verdict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RunFileError,
        match=r"verdict\.json: cannot be read: .*; run again with: pytest --eval-gate",
    ):
        RunFolder(tmp_path).verdict()


_TOP = {
    "schema", "verdict", "exit_code", "run_id", "commit", "tier", "accounting", "suites", "calls", "duration_s",
    "changed_in_gate", "suites_not_run", "problems", "refused", "resumed",
    "side_by_side",
}  # fmt: skip
_SUITE = {
    "cases", "trials", "passed", "pass_rate", "interval", "golden_sha256", "verdict", "scores", "delta", "slices",
    "gates", "judges", "mode", "accounting", "repeats", "stopped", "trend", "notes", "other_models", "corrected",
    "reruns", "metrics", "weighting",
}  # fmt: skip
_DELTA = {
    "baseline", "pairs", "losses", "gains", "delta", "p", "lower", "upper", "test", "finding", "mde", "added",
    "removed", "edited", "baseline_rate", "p_adjusted", "equivalent", "youden", "p_better", "measured",
}  # fmt: skip
_GATE = {
    "kind", "result", "value", "bound", "required", "message", "of", "delta", "p", "blind_below", "cases_to_see",
}  # fmt: skip
_SLICE = {"by", "value", "n", "passed", "delta", "interval", "pass_rate", "shrunken", "gated", "n_eff"}
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
    assert set(suite["gates"][0]) == _GATE
    assert set(suite["slices"][0]) == _SLICE
    assert set(suite["repeats"]) == {
        "flip_rate", "flaky", "icc", "design_effect", "n_eff", "raw_agreement", "parsed_agreement", "run_sd"
    }  # fmt: skip
    assert set(suite["slices"][0]["delta"]) == _DELTA
    assert suite["scores"] == {"exact": {"mean": 0.75, "n": 4, "se": 0.25}}


def test_the_numbers_are_those_of_the_run(verdict: Verdict) -> None:
    held = kept.encode(verdict)
    assert (held["schema"], held["verdict"], held["exit_code"]) == (1, "pass", 0)
    assert held["accounting"] == {
        "planned": 3, "passed": 1, "missed": 1, "errored": 0, "skipped": 1, "not_run": 0,
    }  # fmt: skip
    assert (held["suites"]["faq"]["cases"], held["suites"]["faq"]["pass_rate"]) == (2, 0.75)
    assert held["suites_not_run"] == ("other",)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_nan_and_infinity_are_never_written(verdict: Verdict, tmp_path: Path, number: float) -> None:
    (tmp_path / "verdict.json").write_text("old")
    with pytest.raises(ValueError, match="JSON"):
        kept.write(replace(verdict, duration_s=number), tmp_path / "verdict.json")
    assert (tmp_path / "verdict.json").read_text() == "old"
