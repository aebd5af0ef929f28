from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import pytest

from pytest_evalgate.config import (
    Acknowledgement,
    MustPassGate,
    NoRegressionGate,
    PassRateGate,
    Settings,
    Suite,
    always_planned,
    chosen_tier,
    for_tier,
    json_schema,
    load,
    place_of,
    sample_of,
)
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


_SUITE = 'suites.faq.golden = "g.jsonl"\n'
_ACKNOWLEDGED = 'acknowledged = [{ change = "suites.faq.gates[0].min", reason = "agreed", owner = "mia" }]\n'


def _load(root: Path, text: str) -> Settings:
    (root / "evalgate.toml").write_text(text)
    return load(root)


def _refused(root: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        _load(root, text)
    return re.sub(r"^evalgate\.toml:\d+: ", "", str(caught.value))


def test_aggregate_cluster_stop_and_trials_are_read(tmp_path: Path) -> None:
    suite = _load(
        tmp_path,
        f'{_SUITE}suites.faq.aggregate = "pass^4"\nsuites.faq.cluster = "metadata.document"\n'
        'suites.faq.stop = "never"\nsuites.faq.trials = 8\n',
    ).suites["faq"]
    assert (suite.aggregate, suite.cluster, suite.stop, suite.trials) == ("pass^4", "metadata.document", "never", 8)


def test_missing_keys_have_their_defaults(tmp_path: Path) -> None:
    settings = _load(tmp_path, _SUITE)
    suite = settings.suites["faq"]
    assert (suite.aggregate, suite.cluster, suite.stop) == ("mean", None, "certainty")
    assert (settings.history, settings.acknowledged) == (None, ())


@pytest.mark.parametrize("aggregate", ["mean", "majority", "pass@1", "pass@3", "pass^1", "pass^12", "pass^999"])
def test_aggregates(tmp_path: Path, aggregate: str) -> None:
    assert _load(tmp_path, f'{_SUITE}suites.faq.aggregate = "{aggregate}"').suites["faq"].aggregate == aggregate


@pytest.mark.parametrize(
    "aggregate", ["", "median", "pass", "pass@", "pass@0", "pass^-1", "pass^1000", "pass*3", "MEAN"]
)
def test_an_unknown_aggregate_is_refused(tmp_path: Path, aggregate: str) -> None:
    told = _refused(tmp_path, f'{_SUITE}suites.faq.aggregate = "{aggregate}"')
    assert told.startswith('suites.faq.aggregate: write "mean", "majority", "pass@K"')
    assert told.endswith(f'(got "{aggregate}")')


def test_history_and_acknowledgements_are_read(tmp_path: Path) -> None:
    settings = _load(tmp_path, f'history = "runs/history.jsonl"\n{_ACKNOWLEDGED}{_SUITE}')
    assert settings.history == "runs/history.jsonl"
    assert settings.acknowledged == (Acknowledgement(change="suites.faq.gates[0].min", reason="agreed", owner="mia"),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'acknowledged = [{ change = "a", reason = "b" }]',
            'acknowledged[0].owner: this key is missing: write owner = "..."',
        ),
        (
            'acknowledged = [{ change = "a", reason = "", owner = "mia" }]',
            'acknowledged[0].reason: must not be empty: write reason = "..."',
        ),
        (
            'acknowledged = [{ change = "a", reasn = "b", reason = "b", owner = "mia" }]',
            'acknowledged[0].reasn: unknown key; did you mean "reason"?',
        ),
        ("history = 1", 'history: must be a text in quotes, not 1: write "1"'),
        ('histroy = "a"', 'histroy: unknown key; did you mean "history"?'),
        ("acknowledge = []", 'acknowledge: unknown key; did you mean "acknowledged"?'),
        (f'{_SUITE}suites.faq.clusters = "a"', 'suites.faq.clusters: unknown key; did you mean "cluster"?'),
        (f'{_SUITE}suites.faq.agregate = "mean"', 'suites.faq.agregate: unknown key; did you mean "aggregate"?'),
        (f"{_SUITE}suites.faq.stops = 'never'", 'suites.faq.stops: unknown key; did you mean "stop"?'),
        (
            f'{_SUITE}suites.faq.stop = "eprocess"',
            'suites.faq.stop: must be "certainty" or "never", not "eprocess"',
        ),
    ],
)
def test_problems_are_reported_with_their_place(tmp_path: Path, text: str, told: str) -> None:
    assert _refused(tmp_path, text) == told


def _matches_schema(text: str) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(tomllib.loads(text)))


def test_the_schema_contains_the_keys() -> None:
    assert _matches_schema(f'history = "h"\n{_ACKNOWLEDGED}{_SUITE}suites.faq.aggregate = "pass@2"\n')
    assert _matches_schema(f'{_SUITE}suites.faq.stop = "never"\nsuites.faq.cluster = "metadata.doc"\n')
    assert not _matches_schema(f'{_SUITE}suites.faq.aggregate = "pass@0"\n')
    assert not _matches_schema(f'{_SUITE}suites.faq.stop = "early"\n')
    assert not _matches_schema('acknowledged = [{ change = "a", reason = "b" }]\n')


_TEXT = """
[suites.faq]
golden = "faq.jsonl"
trials = 3
slices = ["lang"]
gates = [{ kind = "pass-rate", min = 0.9 }]
[suites.faq.tiers.smoke]
sample = 100
trials = 1
[suites.faq.tiers.release]
gates = [{ kind = "no-regression" }, { kind = "must-pass", tags = ["safety", "law"] }]
[suites.law]
golden = "law.jsonl"
"""


def _settings(text: str = _TEXT) -> Settings:
    return Settings.model_validate(tomllib.loads(text))


def _faq(tier: str) -> Suite:
    return for_tier(_settings(), tier).suites["faq"]


def _refused_tier(root: Path, text: str) -> str:
    (root / "evalgate.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(root)
    return re.sub(r"^evalgate\.toml:\d+: ", "", str(caught.value))


def test_a_tier_overrides_trials_and_gates() -> None:
    assert (sample_of(_faq("smoke")), _faq("smoke").trials) == (100, 1)
    assert _faq("smoke").gates == (PassRateGate(kind="pass-rate", min=0.9),)
    assert (sample_of(_faq("release")), _faq("release").trials) == (None, 3)
    assert _faq("release").gates == (
        NoRegressionGate(kind="no-regression"),
        MustPassGate(kind="must-pass", tags=("safety", "law")),
    )


@pytest.mark.parametrize("tier", ["default", "smoke", "release", "unheard-of"])
def test_a_suite_without_the_tier_is_unchanged(tier: str) -> None:
    assert for_tier(_settings(), tier).suites["law"] == _settings().suites["law"]


def test_the_default_tier_is_the_unchanged_suite_unless_defined() -> None:
    assert (_faq("default").trials, sample_of(_faq("default"))) == (3, None)
    defined = for_tier(_settings(_TEXT + "[suites.law.tiers.default]\nsample = 5\n"), "default")
    assert sample_of(defined.suites["law"]) == 5


def test_the_chosen_tier_is_the_default_of_its_settings() -> None:
    assert for_tier(_settings(), "smoke").default_tier == "smoke"


@pytest.mark.parametrize("tier", ["default", "smoke", "release"])
def test_choosing_twice_is_choosing_once(tier: str) -> None:
    once = for_tier(_settings(), tier)
    assert for_tier(once, tier) == once


def test_settings_of_two_tiers_differ() -> None:
    text = '[suites.faq]\ngolden = "g.jsonl"\n[suites.faq.tiers.a]\nsample = 1\n[suites.faq.tiers.b]\nsample = 2\n'
    assert for_tier(_settings(text), "a").suites != for_tier(_settings(text), "b").suites


@pytest.mark.parametrize(
    ("default", "asked", "chosen"),
    [
        ("", None, "default"),
        ("", "", "default"),
        ("", "smoke", "smoke"),
        ('default_tier = "smoke"\n', None, "smoke"),
        ('default_tier = "smoke"\n', "release", "release"),
        ('default_tier = "smoke"\n', "default", "default"),
    ],
)
def test_which_tier_runs(default: str, asked: str | None, chosen: str) -> None:
    assert chosen_tier(_settings(default + _TEXT), asked) == chosen


def test_an_undefined_tier_cannot_be_requested() -> None:
    with pytest.raises(SettingsError) as caught:
        chosen_tier(_settings(), "smok")
    assert str(caught.value) == (
        '--eval-tier smok: no suite defines the tier "smok"; known are: default, release, smoke. '
        "Define it in [suites.NAME.tiers.smok]"
    )


def test_an_undefined_tier_cannot_be_the_default(tmp_path: Path) -> None:
    said = _refused_tier(tmp_path, f'default_tier = "deep"\n{_TEXT}')
    assert said.startswith('default_tier: no suite defines the tier "deep"; known are: default, release, smoke')


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("sample = 0", "suites.law.tiers.deep.sample: must be at least 1, not 0"),
        ("sample = 1.5", "suites.law.tiers.deep.sample: must be a whole number, not 1.5"),
        ("trials = 0", "suites.law.tiers.deep.trials: must be at least 1, not 0"),
        ("golden = 'x'", "suites.law.tiers.deep.golden: unknown key"),
        ("samples = 5", 'suites.law.tiers.deep.samples: unknown key; did you mean "sample"?'),
        ("gates = [{ kind = 'slice', by = 'lang' }]", 'suites.law.gates: a slice gate is by "lang"'),
    ],
)
def test_invalid_tiers_are_refused(tmp_path: Path, table: str, said: str) -> None:
    assert _refused_tier(tmp_path, f"{_TEXT}[suites.law.tiers.deep]\n{table}\n").startswith(said)


def test_a_name_of_a_tier_is_plain(tmp_path: Path) -> None:
    assert "suites.law.tiers" in _refused_tier(tmp_path, f'{_TEXT}[suites.law.tiers."a b"]\nsample = 5\n')


def test_samples_include_the_tags_of_must_pass_gates_of_the_tier() -> None:
    assert always_planned(_faq("release")) == {"safety", "law"}
    assert always_planned(_faq("smoke")) == frozenset()
    assert always_planned(Suite(golden=("g.jsonl",), gates=(MustPassGate(kind="must-pass"),))) == frozenset()


def test_the_place_of_a_key_is_the_suite_or_its_tier() -> None:
    assert place_of(_faq("smoke"), "trials") == "tiers.smoke.trials"
    assert place_of(_faq("smoke"), "gates") == "gates"
    assert place_of(_faq("default"), "trials") == "trials"


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ('suites.faq.target = { model = "emb" }', "suites.faq.target.model"),
        ('judges.j = { model = "emb", criteria = "is polite", calibration = "c.json" }', "judges.j.model"),
    ],
)
def test_a_model_that_writes_no_text_is_no_target_and_no_judge(tmp_path: Path, table: str, place: str) -> None:
    text = f'{_SUITE}models.emb = {{ model = "e-1", api = "embeddings" }}\n{table}\n'
    found = _refused(tmp_path, text)
    assert found == f'{place}: models.emb.api is "embeddings", so it writes no text: name another model'
