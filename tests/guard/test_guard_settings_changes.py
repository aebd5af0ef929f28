"""Changes of the configuration and the baseline: every weakening is found, and nothing else is called weaker."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config as tables
from pytest_evalgate.config import Acknowledgement, Settings, Suite, Table
from pytest_evalgate.guard.directions import DIRECTIONS, NOT_COMPARED
from pytest_evalgate.guard.settings_changes import (
    acknowledge,
    baseline_changes,
    gate_changes,
    scorer_changes,
    settings_changes,
)
from pytest_evalgate.records.verdicts import GateChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gates.conftest import Build


_BASE = """
on_inconclusive = "fail"
on_missing_baseline = "fail"
max_error_rate = 0.01
cache_auth = "required"
[models.candidate]
model = "m-1"
price = { input_per_mtok = 1.0, output_per_mtok = 4.0 }
[suites.other]
golden = "other.jsonl"
gates = [{ kind = "must-pass" }]
[suites.faq]
golden = ["faq.jsonl", "hard.jsonl"]
target = { model = "candidate", prompt = "p.md" }
scorers = ["exact", { kind = "number", pattern = 'A:(.+)$', threshold = 0.8 }]
trials = 3
slices = ["lang", "topic"]
cluster = "metadata.document"
baseline = "baselines/faq.json"
gates = [
  { kind = "pass-rate", min = 0.85 },
  { kind = "no-regression", alpha = 0.05, margin = 0.05, fail_on = "not_proven" },
  { kind = "no-regression", alpha = 0.05, scorer = "number" },
  { kind = "slice", by = "lang", min = 0.8, min_n = 20 },
  { kind = "slice", by = "topic" },
  { kind = "must-pass", tags = ["safety", "law"] },
  { kind = "budget", max_cost_usd = 2.0, p95_latency_s = 8.0 },
  { kind = "mean-score", scorer = "number", min = 0.9 },
]
"""


def _settings(text: str) -> Settings:
    return Settings.model_validate(tomllib.loads(text))


def _changes(old: str, new: str, *, base: str = _BASE) -> list[GateChange]:
    assert old in base
    return list(settings_changes(_settings(base), _settings(base.replace(old, new, 1))))


_WEAKENINGS = [
    ("min = 0.85", "min = 0.8", "suites.faq.gates[0].min"),
    ("min = 0.85", 'min = 0.85, bound = "point"', "suites.faq.gates[0].bound"),
    ("alpha = 0.05, margin", "alpha = 0.1, margin", "suites.faq.gates[1].alpha"),
    ("margin = 0.05", "margin = 0.1", "suites.faq.gates[1].margin"),
    ('"not_proven"', '"regressed"', "suites.faq.gates[1].fail_on"),
    ('"not_proven"', '"tolerance"', "suites.faq.gates[1].fail_on"),
    ("alpha = 0.05, scorer", "alpha = 0.01, scorer", "suites.faq.gates[2].alpha"),
    ('scorer = "number" }', 'scorer = "exact" }', "suites.faq.gates[2]"),
    ("alpha = 0.05, scorer", "margin = 0.05, scorer", "suites.faq.gates[2].margin"),
    ("min = 0.8, min_n", "min = 0.7, min_n", "suites.faq.gates[3].min"),
    ("min_n = 20", "min_n = 50", "suites.faq.gates[3].min_n"),
    ("min = 0.8, min_n", 'min = 0.8, bound = "point", min_n', "suites.faq.gates[3].bound"),
    ('by = "topic"', 'by = "topic", alpha = 0.01', "suites.faq.gates[4].alpha"),
    ('  { kind = "slice", by = "topic" },\n', "", "suites.faq.gates[4]"),
    ('["safety", "law"]', '["safety"]', "suites.faq.gates[5].tags"),
    ('["safety", "law"]', '["other"]', "suites.faq.gates[5].tags"),
    ("max_cost_usd = 2.0", "max_cost_usd = 2.5", "suites.faq.gates[6].max_cost_usd"),
    ("max_cost_usd = 2.0, ", "", "suites.faq.gates[6].max_cost_usd"),
    ("p95_latency_s = 8.0", "p95_latency_s = 9.0", "suites.faq.gates[6].p95_latency_s"),
    ("min = 0.9", "min = 0.89", "suites.faq.gates[7].min"),
    ('{ kind = "pass-rate", min = 0.85 },', "", "suites.faq.gates[0]"),
    ('[suites.other]\ngolden = "other.jsonl"\ngates = [{ kind = "must-pass" }]', "", "suites.other"),
    (
        'gates = [{ kind = "must-pass" }]',
        'gates = [{ kind = "must-pass", tags = ["a"] }]',
        "suites.other.gates[0].tags",
    ),
    ('gates = [{ kind = "must-pass" }]', "", "suites.other.gates[0]"),
    ("trials = 3", 'trials = 3\nmode = "advisory"', "suites.faq.mode"),
    ('["faq.jsonl", "hard.jsonl"]', '["faq.jsonl"]', "suites.faq.golden"),
    ('["exact", {', "[{", "suites.faq.scorers.exact"),
    ("A:(.+)$", "(.+)", "suites.faq.scorers.number"),
    ("threshold = 0.8", "threshold = 0.7", "suites.faq.scorers.number"),
    ("threshold = 0.8", "threshold = 0.8, weight = 2.0", "suites.faq.scorers.number"),
    ("trials = 3", "trials = 2", "suites.faq.trials"),
    ("trials = 3", "", "suites.faq.trials"),
    ("trials = 3", 'trials = 3\naggregate = "pass@3"', "suites.faq.aggregate"),
    ('cluster = "metadata.document"', "", "suites.faq.cluster"),
    ('baseline = "baselines/faq.json"', 'baseline = "git:HEAD"', "suites.faq.baseline"),
    ('{ model = "candidate", prompt = "p.md" }', '{ recorded = ["a", "b", "c"] }', "suites.faq.target"),
    ('on_inconclusive = "fail"', "", "on_inconclusive"),
    ('on_missing_baseline = "fail"', "", "on_missing_baseline"),
    ('on_missing_baseline = "fail"', 'on_missing_baseline = "record"', "on_missing_baseline"),
    ("max_error_rate = 0.01", "max_error_rate = 0.02", "max_error_rate"),
    ('cache_auth = "required"', "", "cache_auth"),
    ("output_per_mtok = 4.0", "output_per_mtok = 0.4", "models.candidate.price.output_per_mtok"),
    ("price = { input_per_mtok = 1.0, output_per_mtok = 4.0 }", "", "models.candidate.price"),
]


@pytest.mark.parametrize(("old", "new", "where"), _WEAKENINGS, ids=[f"{row[2]}-{row[1][:20]}" for row in _WEAKENINGS])
def test_every_weakening_is_listed_by_its_place(old: str, new: str, where: str) -> None:
    found = _changes(old, new)
    assert where in {change.where for change in found if change.effect == "weaker"}
    assert all(change.before != change.now for change in found)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("min = 0.85", "min = 0.9", "suites.faq.gates[0].min"),
        ("alpha = 0.05, margin", "alpha = 0.01, margin", "suites.faq.gates[1].alpha"),
        ("margin = 0.05", "margin = 0.03", "suites.faq.gates[1].margin"),
        ("alpha = 0.05, scorer", "alpha = 0.1, scorer", "suites.faq.gates[2].alpha"),
        ("min_n = 20", "min_n = 10", "suites.faq.gates[3].min_n"),
        ('["safety", "law"]', '["law", "safety", "money"]', "suites.faq.gates[5].tags"),
        ('tags = ["safety", "law"]', "tags = []", "suites.faq.gates[5].tags"),
        ("p95_latency_s = 8.0", "p95_latency_s = 7.0", "suites.faq.gates[6].p95_latency_s"),
        ("gates = [\n", 'gates = [\n{ kind = "pass-rate", min = 0.5, bound = "point" },', "suites.faq.gates[0]"),
        ('["exact", {', '["exact", "json-valid", {', "suites.faq.scorers.json-valid"),
        ("threshold = 0.8", "threshold = 0.9", "suites.faq.scorers.number"),
        ("trials = 3", "trials = 5", "suites.faq.trials"),
        ("max_error_rate = 0.01", "", "max_error_rate"),
        ("output_per_mtok = 4.0", "output_per_mtok = 5.0", "models.candidate.price.output_per_mtok"),
        ("[suites.other]", '[suites.new]\ngolden = "new.jsonl"\ngates = [{ kind = "must-pass" }]\n[suites.other]', ""),
    ],
)
def test_what_is_stricter_is_listed_and_not_called_weaker(old: str, new: str, where: str) -> None:
    found = _changes(old, new)
    assert {change.effect for change in found} == {"stricter"}
    assert where in {change.where for change in found} | {""}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('slices = ["lang", "topic"]', 'slices = ["topic", "lang", "size"]'),
        ('[{ kind = "must-pass" }]', '[{ kind = "must-pass", tags = [] }]'),
        ("max_error_rate", 'max_duration_s = 60.0\nbudget_usd = 3.0\nxdist = "spread"\nmax_error_rate'),
        ("threshold = 0.8 }", "threshold = 0.80 }"),
        ('["exact", {', '[{ kind = "exact" }, {'),
    ],
)
def test_unrelated_and_equivalent_settings_are_not_listed(old: str, new: str) -> None:
    assert _changes(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('["safety", "law"]', '["law", "safety"]', "suites.faq.gates[5].tags"),
        ('"hard.jsonl"]', '"hard.jsonl", "more.jsonl"]', "suites.faq.golden"),
        ("trials = 3", 'trials = 3\nstop = "never"', "suites.faq.stop"),
    ],
)
def test_what_changes_no_verdict_is_neutral(old: str, new: str, where: str) -> None:
    assert [(change.where, change.effect) for change in _changes(old, new)] == [(where, "neutral")]


def test_nothing_changes_from_a_configuration_to_itself() -> None:
    assert settings_changes(_settings(_BASE), _settings(_BASE)) == ()


def test_a_change_names_both_values() -> None:
    [change] = _changes("min = 0.85", "min = 0.8")
    assert change == GateChange("gate changed", "suites.faq.gates[0].min", "0.85", "0.8", "weaker")


def test_a_removed_gate_is_listed_with_its_old_settings() -> None:
    [change] = _changes('  { kind = "slice", by = "topic" },\n', "")
    assert change == GateChange(
        "gate removed", "suites.faq.gates[4]", '{"by":"topic","kind":"slice"}', "none", "weaker"
    )


_SMALL = 'suites.faq.golden = "g.jsonl"\n'


def _small(before: str, now: str) -> list[tuple[str, str, str]]:
    found = settings_changes(_settings(_SMALL + before), _settings(_SMALL + now))
    return [(change.what, change.where, change.effect) for change in found]


def test_without_gates_a_suite_has_one_no_regression_gate() -> None:
    rate = 'suites.faq.gates = [{ kind = "pass-rate", min = 0.8 }]'
    assert _small("", 'suites.faq.gates = [{ kind = "no-regression" }]') == []
    assert _small("", rate) == [
        ("gate removed", "suites.faq.gates", "weaker"),
        ("gate added", "suites.faq.gates[0]", "stricter"),
    ]
    assert _small(rate, "") == [
        ("gate removed", "suites.faq.gates[0]", "weaker"),
        ("gate added", "suites.faq.gates", "stricter"),
    ]


def test_a_baseline_that_no_gate_needs_may_be_missing_in_ci() -> None:
    assert _small('suites.faq.gates = [{ kind = "no-regression" }]', "") == [
        ("suite changed", "suites.faq.gates", "weaker")
    ]


def _tables() -> Iterator[type[Table]]:
    exported = (getattr(tables, name) for name in tables.__all__)
    yield from (
        table for table in exported if isinstance(table, type) and issubclass(table, Table) and table is not Table
    )


@pytest.mark.parametrize("table", list(_tables()), ids=lambda table: table.__name__)
def test_every_key_has_a_direction_or_a_reason_to_be_left_out(table: type[Table]) -> None:
    directed, left_out = DIRECTIONS.get(table, {}).keys(), NOT_COMPARED[table].keys()
    assert directed | left_out == table.model_fields.keys()
    assert not directed & left_out
    assert all(NOT_COMPARED[table].values())


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("", 'suites.faq.gates = [{ kind = "no-regression" }, { kind = "no-regression", scorer = "exact" }]'),
        (
            "",
            'suites.faq.slices = ["a"]\nsuites.faq.gates = [{ kind = "no-regression" }, { kind = "slice", by = "a" }]',
        ),
        (
            "",
            """suites.faq.slices = ["a"]
            suites.faq.gates = [{ kind = "no-regression" }, { kind = "parity", by = "a", max_gap = 0.1 }]""",
        ),
        (
            'suites.b.golden = "b.jsonl"\nsuites.b.mode = "advisory"',
            'suites.b.golden = "b.jsonl"\nsuites.b.mode = "blocking"',
        ),
    ],
    ids=["gate", "slice", "parity", "mode"],
)
def test_a_further_test_takes_alpha_from_the_others(before: str, now: str) -> None:
    [(what, _, effect)] = [row for row in _small(before, now) if row[2] != "stricter"]
    assert (what, effect) == ("test added", "weaker")


def test_a_suite_that_is_new_takes_no_alpha_from_the_others() -> None:
    [(what, _, effect)] = _small("", 'suites.c.golden = "c.jsonl"')
    assert (what, effect) == ("suite added", "stricter")


@pytest.mark.parametrize(
    "gate",
    [
        '{ kind = "pass-rate", min = 0.8 }',
        '{ kind = "must-pass" }',
        '{ kind = "no-regression", margin = 0.1, fail_on = "not_proven", scorer = "exact" }',
        '{ kind = "slice", by = "a", min = 0.8 }',
        '{ kind = "invariance", max_flip = 0.1 }',
        '{ kind = "violation-rate", max = 0.1 }',
    ],
)
def test_a_gate_that_tests_by_no_alpha_takes_none(gate: str) -> None:
    text = 'suites.faq.slices = ["a"]\nsuites.faq.gates = [{ kind = "no-regression" }%s]'
    assert _small(text % "", text % f", {gate}") == [("gate added", "suites.faq.gates[1]", "stricter")]


def test_a_price_matters_only_where_a_gate_limits_the_cost() -> None:
    model = 'models.m = { model = "x", price = { input_per_mtok = %s, output_per_mtok = 1.0 } }'
    limit = 'suites.faq.gates = [{ kind = "budget", max_cost_usd = 1.0 }]\n'
    assert _small(model % "1.0", model % "0.5") == []
    assert _small(limit + model % "1.0", limit + model % "0.5") == [
        ("price changed", "models.m.price.input_per_mtok", "weaker")
    ]
    changed = ("model changed", "models.m.model", "neutral")
    other = model.replace('"x"', '"y"')
    assert _small(limit + model % "1.0", limit + other % "1.0") == [changed]
    assert _small(limit + model % "1.0", limit + 'models.m = { model = "y" }') == [changed]
    assert _small(limit + model % "1.0", limit + other % "0.5") == [
        changed,
        ("price changed", "models.m.price.input_per_mtok", "weaker"),
    ]


def test_the_price_of_another_model_of_the_target_matters_too() -> None:
    limit = 'suites.faq.gates = [{ kind = "budget", max_cost_usd = 1.0 }]\n'
    model = 'models.%s = { model = "%s", price = { input_per_mtok = %s, output_per_mtok = 1.0 } }\n'
    target = 'suites.faq.target = { model = "%s" }\n'
    first = limit + model % ("m", "x", "1.0")
    listed = [("target changed", "suites.faq.target.model", "neutral"), ("model added", "models.n", "neutral")]
    before = first + target % "m"
    for price, effect in (("0.1", "weaker"), ("2.0", "stricter"), ("1.0", None)):
        found = _small(before, first + model % ("n", "y", price) + target % "n")
        more = [("price changed", "models.n.price.input_per_mtok", effect)] if effect else []
        assert found == [*listed, *more]


def test_recorded_trials_count_by_their_files() -> None:
    target = "suites.faq.target = { recorded = %s }"
    listed = ("target changed", "suites.faq.target.recorded", "neutral")
    assert _small(target % '["a", "b"]', target % '["a"]') == [
        listed,
        ("suite changed", "suites.faq.trials", "weaker"),
    ]
    assert _small(target % '["a", "b"]', "suites.faq.trials = 2\n" + target % '["c", "d"]') == [listed]


_EARLIER = Acknowledgement(change="a.min", reason="was flaky", owner="jo")
_NOW = Acknowledgement(change="b.min", reason="new corpus", owner="ada")


def _weaker(where: str) -> GateChange:
    return GateChange("gate changed", where, "0.9", "0.8", "weaker")


def test_an_acknowledged_change_carries_reason_and_owner() -> None:
    marked = acknowledge([_weaker("a.min"), _weaker("b.min")], [_NOW])
    assert [change.acknowledged for change in marked] == [None, "new corpus (ada)"]


def test_an_acknowledgement_of_the_base_does_not_count_again() -> None:
    marked = acknowledge([_weaker("a.min"), _weaker("b.min")], [_EARLIER, _NOW], known=[_EARLIER])
    assert [change.acknowledged for change in marked] == [None, "new corpus (ada)"]


def test_a_change_of_the_same_place_can_be_acknowledged_anew() -> None:
    again: dict[str, Any] = {**_EARLIER.model_dump(), "reason": "smaller model"}
    [marked] = acknowledge([_weaker("a.min")], [_EARLIER, Acknowledgement(**again)], known=[_EARLIER])
    assert marked.acknowledged == "smaller model (jo)"


_TIERS = """
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


def _tier_changes(old: str, new: str, tier: str = "smoke") -> list[tuple[str, str, str, str, str]]:
    assert _TIERS.count(old) == 1
    before, now = (Settings.model_validate(tomllib.loads(text)) for text in (_TIERS, _TIERS.replace(old, new)))
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
    assert _tier_changes(old, new, tier) == [found]


def test_what_tiers_share_is_listed_once() -> None:
    assert _tier_changes("min = 0.9", "min = 0.85") == [
        ("gate changed", "suites.faq.gates[0].min", "0.9", "0.85", "weaker")
    ]


def test_a_tier_that_is_gone_is_listed_by_what_stands_in_for_it() -> None:
    table = _TIERS[_TIERS.index("[suites.faq.tiers.smoke]") : _TIERS.index("[suites.faq.tiers.deep]")]
    elsewhere = "[suites.law.tiers.smoke]\nsample = 7\n"
    assert _tier_changes(table, elsewhere) == [
        ("suite changed", f"{_SMOKE}.trials", "2", "3", "stricter"),
        ("sample changed", f"{_SMOKE}.sample", "100 cases", "all cases", "stricter"),
        ("gate changed", "suites.faq.gates[0].min", "0.8", "0.9", "stricter"),
        ("sample changed", "suites.law.tiers.smoke.sample", "all cases", "7 cases", "weaker"),
    ]


def test_a_tier_that_is_new_matters_where_it_runs() -> None:
    table = '[suites.law]\ngolden = "law.jsonl"\n[suites.law.tiers.quick]\nsample = 5\n'
    assert _tier_changes('[suites.law]\ngolden = "law.jsonl"\n', table) == []
    assert _tier_changes('[suites.law]\ngolden = "law.jsonl"\n', table, "quick") == [
        ("sample changed", "suites.law.tiers.quick.sample", "all cases", "5 cases", "weaker")
    ]


@pytest.mark.parametrize("now", ["deep", "default"])
def test_another_default_tier_is_weaker(now: str) -> None:
    assert _tier_changes('default_tier = "smoke"', f'default_tier = "{now}"', now) == [
        ("setting changed", "default_tier", "smoke", now, "weaker")
    ]


def _rates(*minima: float) -> list[dict[str, Any]]:
    return [{"kind": "pass-rate", "min": least} for least in minima]


def _gate_changes(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    def suite(gates: list[dict[str, Any]]) -> Suite:
        return Suite.model_validate({"golden": "g.jsonl", "slices": ["lang"], "gates": gates})

    found = gate_changes("suites.faq", suite(before), suite(now))
    return [(change.what, change.where.removeprefix("suites.faq."), change.effect) for change in found]


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ([0.8, 0.9], [0.9, 0.8], []),
        ([0.8, 0.9], [0.9], [("gate changed", "gates[0].min", "stricter")]),
        ([0.8, 0.9], [0.8], [("gate changed", "gates[0].min", "weaker")]),
        ([0.9], [0.8, 0.95], [("gate changed", "gates[1].min", "stricter"), ("gate added", "gates[0]", "stricter")]),
        (
            [0.9, 0.7],
            [0.8, 0.85],
            [("gate changed", "gates[0].min", "weaker"), ("gate changed", "gates[1].min", "stricter")],
        ),
    ],
)
def test_each_old_gate_is_compared_with_the_strictest_new_one(
    before: list[float], now: list[float], found: list[tuple[str, str, str]]
) -> None:
    assert _gate_changes(_rates(*before), _rates(*now)) == found


def test_a_gate_of_another_scorer_does_not_stand_in() -> None:
    def gate(scorer: str) -> dict[str, Any]:
        return {"kind": "mean-score", "scorer": scorer, "min": 0.9}

    assert _gate_changes([gate("a")], [gate("b")]) == [
        ("gate removed", "gates[0]", "weaker"),
        ("gate added", "gates[0]", "stricter"),
    ]


def test_a_slice_gate_on_rates_does_not_stand_in_for_one_on_changes() -> None:
    change, rate = {"kind": "slice", "by": "lang"}, {"kind": "slice", "by": "lang", "min": 0.8}
    assert _gate_changes([change], [rate])[0] == ("gate removed", "gates[0]", "weaker")
    assert _gate_changes([rate], [change])[0] == ("gate removed", "gates[0]", "weaker")


_PARITY = {"kind": "parity", "by": "lang", "max_gap": 0.1}


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (_PARITY, {**_PARITY, "max_gap": 0.2}, [("gate changed", "gates[0].max_gap", "weaker")]),
        (_PARITY, {**_PARITY, "max_gap": 0.05}, [("gate changed", "gates[0].max_gap", "stricter")]),
        (_PARITY, {**_PARITY, "min_n": 50}, [("gate changed", "gates[0].min_n", "weaker")]),
        (_PARITY, {**_PARITY, "alpha": 0.1}, [("gate changed", "gates[0].alpha", "weaker")]),
        (
            {"kind": "slice", "by": "lang", "max_gap": 0.1},
            {"kind": "slice", "by": "lang", "max_gap": 0.1, "alpha": 0.1},
            [("gate changed", "gates[0].alpha", "weaker")],
        ),
        (
            {"kind": "slice", "by": "lang", "max_gap": 0.1},
            {"kind": "slice", "by": "lang", "min": 0.1},
            [("gate removed", "gates[0]", "weaker"), ("gate added", "gates[0]", "stricter")],
        ),
        (
            _PARITY,
            {**_PARITY, "of": "tpr", "label": "lang", "positive": "de"},
            [("gate removed", "gates[0]", "weaker"), ("gate added", "gates[0]", "stricter")],
        ),
        (
            {"kind": "violation-rate", "max": 0.01},
            {"kind": "violation-rate", "max": 0.02},
            [("gate changed", "gates[0].max", "weaker")],
        ),
        (
            {"kind": "invariance", "max_flip": 0.05},
            {"kind": "invariance", "max_flip": 0.02},
            [("gate changed", "gates[0].max_flip", "stricter")],
        ),
    ],
)
def test_limits_of_gaps_flips_and_violations(
    before: dict[str, Any], now: dict[str, Any], found: list[tuple[str, str, str]]
) -> None:
    assert _gate_changes([before], [now]) == found


def test_a_must_pass_gate_may_stand_in_for_two() -> None:
    def gate(*tags: str) -> dict[str, Any]:
        return {"kind": "must-pass", "tags": tags}

    assert {effect for _, _, effect in _gate_changes([gate("a"), gate("b")], [gate("a", "b")])} == {"stricter"}
    assert {effect for _, _, effect in _gate_changes([gate("a", "b")], [gate()])} == {"stricter"}
    assert "weaker" in {effect for _, _, effect in _gate_changes([gate()], [gate("a", "b")])}


_Specs = Sequence[str | dict[str, Any]]


def _scorer_changes(before: _Specs, now: _Specs) -> list[tuple[str, str, str]]:
    old, new = (Suite(golden=("g.jsonl",), scorers=tuple(specs)) for specs in (before, now))
    return [
        (change.what, change.where.removeprefix("s.scorers."), change.effect)
        for change in scorer_changes("s", old, new)
    ]


_PYTHON = {"python": "app.judge:polite"}
_WARN = {"severity": "warn"}


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (["exact"], [{"kind": "exact"}], []),
        (["exact", "number"], ["number", "exact"], []),
        (["exact"], ["exact", "number"], [("scorer added", "number", "stricter")]),
        (["exact", "number"], ["exact"], [("scorer removed", "number", "weaker")]),
        (["exact"], ["iexact"], [("scorer removed", "exact", "weaker"), ("scorer added", "iexact", "stricter")]),
        ([_PYTHON], [{**_PYTHON, "threshold": 0.6}], [("scorer changed", "polite", "stricter")]),
        ([_PYTHON], [{**_PYTHON, "threshold": 0.5}], [("scorer changed", "polite", "neutral")]),
        ([_PYTHON], [{**_PYTHON, "threshold": 0.4}], [("scorer changed", "polite", "weaker")]),
        (
            [{"kind": "json-fields"}],
            [{"kind": "json-fields", "threshold": 0.9}],
            [("scorer changed", "json-fields", "weaker")],
        ),
        (["exact", _PYTHON], ["exact", {**_PYTHON, "weight": 2}], [("scorer changed", "polite", "weaker")]),
        ([{**_PYTHON, "weight": 2}], [{**_PYTHON, "weight": 2}, "exact"], [("scorer added", "exact", "weaker")]),
        (["exact", _PYTHON], ["exact", {**_PYTHON, **_WARN}], [("scorer changed", "polite", "weaker")]),
        (["exact", {**_PYTHON, **_WARN}], ["exact", _PYTHON], [("scorer changed", "polite", "stricter")]),
        ([{**_PYTHON, **_WARN}], [{**_PYTHON, **_WARN, "threshold": 0.1}], [("scorer changed", "polite", "neutral")]),
        (["exact"], ["exact", {**_PYTHON, **_WARN}], [("scorer added", "polite", "neutral")]),
        (["exact", {**_PYTHON, **_WARN}], ["exact"], [("scorer removed", "polite", "neutral")]),
        (
            [{"kind": "exact", "name": "a"}],
            ["exact"],
            [("scorer removed", "a", "weaker"), ("scorer added", "exact", "stricter")],
        ),
    ],
)
def test_what_a_change_of_the_scorers_does(before: _Specs, now: _Specs, found: list[tuple[str, str, str]]) -> None:
    assert _scorer_changes(before, now) == found


def _contains(value: str, **more: str) -> dict[str, Any]:
    return {"kind": "contains", "value": value, **more}


def test_a_scorer_that_takes_over_the_name_of_another_is_a_change() -> None:
    gated = [_contains("a"), _contains("b")]  # named contains and contains-2
    assert ("scorer changed", "contains-2", "weaker") in _scorer_changes(
        gated, [_contains("z", name="contains-2"), *gated]
    )
    assert _scorer_changes(gated, [gated[1], gated[0]]) == [
        ("scorer changed", "contains", "weaker"),
        ("scorer changed", "contains-2", "weaker"),
    ]


def test_scorers_of_an_unknown_kind_are_distinguished_by_their_options() -> None:
    [first, second] = _scorer_changes([{"judge": "faq"}], [{"judge": "other"}])
    assert (first[0], first[2], second[0]) == ("scorer removed", "weaker", "scorer added")


def test_the_same_baseline_is_no_change(build: Build) -> None:
    assert list(baseline_changes(build.baseline("PPm"), replace(build.baseline("PPm"), source="git:main"))) == []
    assert list(baseline_changes(None, None)) == []


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ("Pmm", "3 cases, 33.3% passed: 1 changed, 0 removed, 0 added; worse: c001"),
        ("PPP", "3 cases, 100.0% passed: 1 changed, 0 removed, 0 added"),
        ("PP", "2 cases, 100.0% passed: 0 changed, 1 removed, 0 added"),
        ("PPmm", "4 cases, 50.0% passed: 0 changed, 0 removed, 1 added"),
    ],
)
def test_an_edited_baseline_is_weaker_whichever_way(build: Build, now: str, message: str) -> None:
    [change] = baseline_changes(build.baseline("PPm"), build.baseline(now))
    assert (change.what, change.where, change.effect) == ("baseline edited", "suites.faq.baseline", "weaker")
    assert (change.before, change.now) == ("run r0, 3 cases, 66.7% passed", f"run r0, {message}")


def test_a_worse_baseline_names_the_cases_that_are_lost(build: Build) -> None:
    [change] = baseline_changes(build.baseline("P" * 30), build.baseline("mP" * 15))
    assert change.now.partition("worse: ")[2].count(",") == 9
    assert change.now.endswith(" and 5 more")


def test_a_baseline_of_other_contents_is_edited(build: Build) -> None:
    [change] = baseline_changes(build.baseline("PPm"), build.baseline("PPm", fingerprint="other"))
    assert change.now.endswith("3 changed, 0 removed, 0 added")


def test_a_removed_baseline_is_weaker(build: Build) -> None:
    [change] = baseline_changes(build.baseline("PPm"), None)
    assert (change.what, change.now, change.effect) == ("baseline removed", "none", "weaker")


def test_a_first_baseline_is_neutral(build: Build) -> None:
    [change] = baseline_changes(None, build.baseline("PPm"))
    assert (change.what, change.before, change.effect) == ("baseline added", "none", "neutral")


def test_another_origin_of_the_same_values_is_listed(build: Build) -> None:
    base = build.baseline("PPm")
    [change] = baseline_changes(base, replace(base, provenance=replace(base.provenance, run_id="r9")))
    assert (change.what, change.before, change.now, change.effect) == ("baseline relabelled", "r0", "r9", "neutral")


@pytest.mark.parametrize(
    ("before", "effect"),
    [
        ("", "neutral"),
        ('[suites.a]\ngolden = "a"\n', "neutral"),
        ('[suites.a]\ngolden = "a"\ngates = [{ kind = "pass-rate", min = 0.5 }]\n', "neutral"),
        ('[suites.a]\ngolden = "a"\ngates = [{ kind = "no-regression" }]\n', "weaker"),
        ('[suites.a]\ngolden = "a"\ntiers.deep.gates = [{ kind = "no-regression" }]\n', "weaker"),
        ('on_missing_baseline = "fail"\n', "weaker"),
    ],
)
def test_a_first_configuration_may_record_without_a_baseline(before: str, effect: str) -> None:
    base = Settings.model_validate(tomllib.loads(before))
    head = base.model_copy(update={"on_missing_baseline": "record"})
    [change] = settings_changes(base, head)
    assert (change.where, change.effect) == ("on_missing_baseline", effect)


_METRICS = """
[suites.intents]
golden = "intents.jsonl"
metrics = [{ kind = "classification" }, { kind = "regression", name = "price" }]
gates = [
  { kind = "metric", name = "macro-f1", min = 0.8, max_drop = 0.02 },
  { kind = "metric", name = "recall", of = "urgent", min = 0.9 },
  { kind = "metric", name = "mae", max = 2.0 },
]
"""


@pytest.mark.parametrize(
    ("old", "new", "where", "effect"),
    [
        ("min = 0.8,", "min = 0.7,", "gates[0].min", "weaker"),
        ("min = 0.8, ", "", "gates[0].min", "weaker"),
        ("min = 0.8,", "min = 0.85,", "gates[0].min", "stricter"),
        ("max_drop = 0.02", "max_drop = 0.03", "gates[0].max_drop", "weaker"),
        (", max_drop = 0.02", "", "gates[0].max_drop", "weaker"),
        ("max_drop = 0.02", "max_drop = 0.01", "gates[0].max_drop", "stricter"),
        ("max_drop = 0.02", "max_drop = 0.02, alpha = 0.01", "gates[0].alpha", "weaker"),
        ("max = 2.0", "max = 3.0", "gates[2].max", "weaker"),
        ("max = 2.0", "max = 1.0", "gates[2].max", "stricter"),
        ('of = "urgent", min = 0.9', 'of = "urgent", min = 0.9, bound = "point"', "gates[1].bound", "weaker"),
        ('of = "urgent"', 'of = "other"', "gates[1]", "weaker"),
        (
            'kind = "classification"',
            'kind = "classification", label = "human_label"',
            "metrics.classification.label",
            "weaker",
        ),
        ('{ kind = "classification" }', '{ kind = "classification" }, { kind = "spans" }', "metrics.spans", "neutral"),
        ('name = "price" }', 'name = "price", unreadable = 0.0 }', "metrics.price.unreadable", "weaker"),
        (
            '{ kind = "regression", name = "price" }',
            '{ kind = "ranking", name = "price" }, { kind = "regression" }',
            "metrics.price",
            "weaker",
        ),
        ('name = "price"', 'name = "cost"', "metrics.price", "weaker"),
    ],
)
def test_the_changes_of_metrics_and_their_gates(old: str, new: str, where: str, effect: str) -> None:
    found = _changes(old, new, base=_METRICS)
    assert (f"suites.intents.{where}", effect) in {(change.where, change.effect) for change in found}


def test_a_gate_on_the_change_of_a_figure_shares_alpha_with_the_other_tests() -> None:
    found = _changes(
        '{ kind = "metric", name = "mae", max = 2.0 }',
        '{ kind = "metric", name = "mae", max = 2.0, max_drop = 0.1 }',
        base=_METRICS,
    )
    assert ("test added", "weaker") in {(change.what, change.effect) for change in found}
