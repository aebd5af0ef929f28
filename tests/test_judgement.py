"""Settings, baselines on disk and a run: what the parts of a judgement make together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.builders import suite_from

from pytest_evalgate import config
from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.config import PassRateGate
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.gates import SuiteRules
from pytest_evalgate.records.results import Run, SuiteRun
from pytest_evalgate.runs import baseline as baselines

if TYPE_CHECKING:
    from pathlib import Path

_NOW = "2026-01-02T00:00:00Z"
_TABLE = """
max_error_rate = 0.02
on_inconclusive = "fail"
[suites.faq]
golden = "faq.jsonl"
aggregate = "pass^2"
stop = "never"
mode = "advisory"
trials = 2
gates = [{ kind = "pass-rate", min = 0.5, bound = "point" }]
[suites.law]
golden = "law.jsonl"
"""


def _judgement(root: Path, text: str = _TABLE, against: str | None = None) -> RunDecider:
    (root / "evalgate.toml").write_text(text)
    table = config.load(root)
    return RunDecider(root, table, root / ".evalgate", table.suites.get, against)


def _suite(name: str, *trials: str) -> SuiteRun:
    """Return a suite of cases with trials written as letters: ``P`` passed, ``m`` missed."""
    return suite_from(trials, name)


def _run(*suites: SuiteRun) -> Run:
    return Run("r1", _NOW, None, suites)


def _promote(root: Path, suite: SuiteRun) -> None:
    promoted = baselines.promote(_run(suite), suite, reason="first", now=_NOW)
    baselines.write(promoted, root / ".evalgate" / "baselines" / f"{suite.plan.name}.json")


def _no_problem(text: str) -> None:
    raise AssertionError(text)


def test_the_rules_of_a_suite_are_those_of_its_table(tmp_path: Path) -> None:
    rules = _judgement(tmp_path).rules(["faq", "law"], _no_problem)
    assert rules["faq"] == SuiteRules(
        gates=(PassRateGate(kind="pass-rate", min=0.5, bound="point"),),
        advisory=True,
        max_error_rate=0.02,
        aggregate="pass^2",
        stop="never",
    )
    assert rules["law"] == SuiteRules(max_error_rate=0.02)


def test_a_suite_without_a_table_has_the_defaults(tmp_path: Path) -> None:
    assert _judgement(tmp_path).rules(["in code"], _no_problem) == {"in code": SuiteRules(max_error_rate=0.02)}


def test_a_run_is_judged_by_the_rules(tmp_path: Path) -> None:
    decider = _judgement(tmp_path)
    run = _run(_suite("faq", "PP", "Pm", "mm"), _suite("law", "P", "P"))
    verdict = decider.decide(run, decider.rules(["faq", "law"], _no_problem))
    assert verdict.suites["faq"].pass_rate == pytest.approx(1 / 3)
    assert (verdict.suites["faq"].verdict, verdict.suites["faq"].mode) == ("fail", "advisory")
    assert (verdict.verdict, verdict.exit_code) == ("inconclusive", 10)  # law: no baseline yet
    assert verdict.suites_not_run == ()


def test_suites_that_are_not_judged_are_named(tmp_path: Path) -> None:
    decider = _judgement(tmp_path)
    run = _run(_suite("law", "P"))
    assert decider.decide(run, decider.rules(["law"], _no_problem)).suites_not_run == ("faq",)


def test_suites_of_one_build_share_alpha_against_their_own_baselines(tmp_path: Path) -> None:
    decider = _judgement(tmp_path, '[suites.faq]\ngolden = "f"\n[suites.law]\ngolden = "l"\n')
    for name in ("faq", "law"):
        _promote(tmp_path, _suite(name, *["P"] * 40))
    run = _run(_suite("faq", *["m"] * 4, *["P"] * 36), _suite("law", *["P"] * 40))
    rules = decider.rules(["faq", "law"], _no_problem)
    assert decider.decide(run, rules).verdict == "pass"
    alone = replace(run, suites=run.suites[:1])
    assert decider.decide(alone, rules).verdict == "fail"
    assert {name: found.source for name, found in decider.baselines.items() if found} == {
        "faq": "file:.evalgate/baselines/faq.json",
        "law": "file:.evalgate/baselines/law.json",
    }


def test_one_baseline_may_stand_in_for_that_of_a_suite(tmp_path: Path) -> None:
    _promote(tmp_path, _suite("law", "P", "P"))
    (tmp_path / ".evalgate" / "baselines" / "law.json").rename(tmp_path / "other.json")
    assert _judgement(tmp_path).baseline_of("law") is None
    found = _judgement(tmp_path, against="other.json").baseline_of("law")
    assert found is not None
    assert found.source == "file:other.json"
    with pytest.raises(BaselineError, match="is the baseline of suite 'law', not of 'faq'"):
        _judgement(tmp_path, against="other.json").baseline_of("faq")


def test_scores_of_a_promoted_run_are_there_to_be_compared(tmp_path: Path) -> None:
    text = '[suites.faq]\ngolden = "f"\ngates = [{ kind = "no-regression", scorer = "tone" }]\n'
    decider = _judgement(tmp_path, text)
    _promote(tmp_path, _suite("faq", "P", "P"))
    run = _run(_suite("faq", "P", "P"))
    verdict = decider.decide(run, decider.rules(["faq"], _no_problem))
    assert verdict.suites["faq"].gates[0].message.startswith("the baseline has no scores of tone")
