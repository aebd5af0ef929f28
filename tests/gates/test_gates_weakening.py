"""What changed in the gate (A24): every weakening of a configuration is found, and nothing else is called one."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config as tables
from pytest_evalgate.config import Acknowledgement, Settings, Table
from pytest_evalgate.guard.directions import DIRECTIONS, NOT_COMPARED
from pytest_evalgate.guard.settings_changes import acknowledge, settings_changes
from pytest_evalgate.records.results import GateChange

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        ("p.md", "q.md"),
        ('model = "m-1"', 'model = "m-1"\nbase_url = "https://example.org/v1"'),
        ('slices = ["lang", "topic"]', 'slices = ["topic", "lang", "size"]'),
        ('[{ kind = "must-pass" }]', '[{ kind = "must-pass", tags = [] }]'),
        ("max_error_rate", 'max_duration_s = 60.0\nbudget_usd = 3.0\nxdist = "spread"\nmax_error_rate'),
        ("threshold = 0.8 }", "threshold = 0.80 }"),
        ('["exact", {', '[{ kind = "exact" }, {'),
    ],
)
def test_what_is_under_test_or_says_the_same_is_not_listed(old: str, new: str) -> None:
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


def test_a_removed_gate_is_named_as_it_stood() -> None:
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


def test_a_baseline_that_no_gate_asks_for_any_more_may_be_missing_in_ci() -> None:
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
            'suites.b.golden = "b.jsonl"\nsuites.b.mode = "advisory"',
            'suites.b.golden = "b.jsonl"\nsuites.b.mode = "blocking"',
        ),
    ],
    ids=["gate", "slice", "mode"],
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
    assert _small(limit + model % "1.0", limit + (model % "0.5").replace('"x"', '"y"')) == []


def test_recorded_trials_count_by_their_files() -> None:
    target = "suites.faq.target = { recorded = %s }"
    assert _small(target % '["a", "b"]', target % '["a"]') == [("suite changed", "suites.faq.trials", "weaker")]
    assert _small(target % '["a", "b"]', "suites.faq.trials = 2\n" + target % '["c", "d"]') == []


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
