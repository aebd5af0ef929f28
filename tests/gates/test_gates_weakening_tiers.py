"""What changed in the gate, tier by tier."""

from __future__ import annotations

import tomllib

import pytest

from pytest_evalgate.config import Settings
from pytest_evalgate.guard.settings_changes import settings_changes

_BASE = """
default_tier = "smoke"
[suites.faq]
golden = "faq.jsonl"
trials = 3
gates = [{ kind = "pass-rate", min = 0.9 }]
[suites.faq.tiers.smoke]
sample = 100
trials = 2
gates = [{ kind = "pass-rate", min = 0.8 }]
[suites.faq.tiers.deep]
sample = 500
[suites.law]
golden = "law.jsonl"
"""
_SMOKE = "suites.faq.tiers.smoke"


def _changes(old: str, new: str, tier: str = "smoke") -> list[tuple[str, str, str, str, str]]:
    assert _BASE.count(old) == 1
    before, now = (Settings.model_validate(tomllib.loads(text)) for text in (_BASE, _BASE.replace(old, new)))
    found = settings_changes(before, now, tier)
    return [(change.what, change.where, change.before, change.now, change.effect) for change in found]


@pytest.mark.parametrize("tier", ["default", "smoke", "deep"])
@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("sample = 100", "sample = 50", ("sample changed", f"{_SMOKE}.sample", "100 cases", "50 cases", "weaker")),
        ("sample = 100", "sample = 200", ("sample changed", f"{_SMOKE}.sample", "100 cases", "200 cases", "stricter")),
        ("sample = 100\n", "", ("sample changed", f"{_SMOKE}.sample", "100 cases", "all cases", "stricter")),
        ("trials = 2", "trials = 1", ("suite changed", f"{_SMOKE}.trials", "2", "1", "weaker")),
        ("trials = 2\n", "", ("suite changed", f"{_SMOKE}.trials", "2", "3", "stricter")),
        ("min = 0.8", "min = 0.7", ("gate changed", f"{_SMOKE}.gates[0].min", "0.8", "0.7", "weaker")),
    ],
)
def test_a_change_of_a_tier_is_listed_whichever_tier_runs(
    tier: str, old: str, new: str, found: tuple[str, ...]
) -> None:
    assert _changes(old, new, tier) == [found]


def test_what_tiers_share_is_listed_once() -> None:
    assert _changes("min = 0.9", "min = 0.85") == [
        ("gate changed", "suites.faq.gates[0].min", "0.9", "0.85", "weaker")
    ]


def test_a_tier_that_is_gone_is_listed_by_what_stands_in_for_it() -> None:
    table = _BASE[_BASE.index("[suites.faq.tiers.smoke]") : _BASE.index("[suites.faq.tiers.deep]")]
    elsewhere = "[suites.law.tiers.smoke]\nsample = 7\n"
    assert _changes(table, elsewhere) == [
        ("suite changed", f"{_SMOKE}.trials", "2", "3", "stricter"),
        ("sample changed", f"{_SMOKE}.sample", "100 cases", "all cases", "stricter"),
        ("gate changed", "suites.faq.gates[0].min", "0.8", "0.9", "stricter"),
        ("sample changed", "suites.law.tiers.smoke.sample", "all cases", "7 cases", "weaker"),
    ]


def test_a_tier_that_is_new_matters_where_it_runs() -> None:
    table = '[suites.law]\ngolden = "law.jsonl"\n[suites.law.tiers.quick]\nsample = 5\n'
    assert _changes('[suites.law]\ngolden = "law.jsonl"\n', table) == []
    assert _changes('[suites.law]\ngolden = "law.jsonl"\n', table, "quick") == [
        ("sample changed", "suites.law.tiers.quick.sample", "all cases", "5 cases", "weaker")
    ]


@pytest.mark.parametrize("now", ["deep", "default"])
def test_another_default_tier_is_weaker(now: str) -> None:
    assert _changes('default_tier = "smoke"', f'default_tier = "{now}"', now) == [
        ("setting changed", "default_tier", "smoke", now, "weaker")
    ]
