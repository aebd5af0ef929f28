from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import config
from pytest_evalgate.config.candidates import labels_of, with_requested
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_MODELS = '[models.mini]\nmodel = "m"\n[models.large]\nmodel = "l"\n'


def _load(tmp_path: Path, suite: str) -> config.Settings:
    (tmp_path / "evalgate.toml").write_text(f'{_MODELS}[suites.faq]\ngolden = "g.jsonl"\n{suite}\n')
    return config.load(tmp_path)


def test_candidates_beside_a_target_are_advisory_suites(tmp_path: Path) -> None:
    found = _load(tmp_path, 'target = { model = "mini" }\ntargets = { big = { model = "large" } }').suites
    assert {name: suite.mode for name, suite in found.items()} == {"faq": "blocking", "faq[big]": "advisory"}
    assert not any(suite.targets for suite in found.values())


def test_candidates_without_a_target_replace_their_suite(tmp_path: Path) -> None:
    found = _load(tmp_path, 'targets = { a = { model = "mini" }, b = { model = "large" } }').suites
    assert {name: suite.mode for name, suite in found.items()} == {"faq[a]": "blocking", "faq[b]": "blocking"}


@pytest.mark.parametrize(
    ("suite", "problem"),
    [
        ('targets = { a = { model = "maxi" } }', r"evalgate.toml:\d+: suites.faq.targets.a.model: no model is named"),
        ("targets = { a = {} }", "suites.faq.targets.a: a target has exactly one of"),
        ('targets = { a = { modell = "mini" } }', "suites.faq.targets.a"),
        ('targets = { "a b" = { model = "mini" } }', "suites.faq.targets"),
    ],
)
def test_a_candidate_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, suite: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        _load(tmp_path, suite)


def test_several_targets_of_the_command_line_replace_target_and_candidates(tmp_path: Path) -> None:
    settings = _load(tmp_path, 'target = { model = "mini" }\ntargets = { big = { model = "large" } }')
    found = with_requested(settings, ["model:mini", "python:app.bot:answer"]).suites
    assert {name: suite.mode for name, suite in found.items()} == {"faq[mini]": "blocking", "faq[answer]": "blocking"}
    assert with_requested(settings, ["model:mini"]) is settings


@pytest.mark.parametrize(
    ("specs", "labels"),
    [
        (["model:mini", "model:large"], ["mini", "large"]),
        (["recorded:a/out.jsonl", "recorded:b/out.jsonl"], ["out", "out-2"]),
        (["python:app.bot:answer", "http:http://h:8000/v1/answer/"], ["answer", "answer-2"]),
        (["run:20261201T101500Z-3f9c", "run:last"], ["20261201T101500Z-3f9c", "last"]),
        (["command:python bot.py --fast", "model:!!"], ["python-bot.py-fast", "target"]),
    ],
)
def test_a_candidate_of_the_command_line_is_named_by_its_target(specs: list[str], labels: list[str]) -> None:
    assert labels_of(specs) == labels


@pytest.mark.parametrize(
    ("name", "owner"), [("faq", "faq"), ("faq[mini]", "faq"), ("faq[a-2]", "faq"), ("a.b", "a.b"), ("x]y", "x]y")]
)
def test_the_owner_of_a_candidate_is_its_suite(name: str, owner: str) -> None:
    assert config.owner_of(name) == owner


def test_a_candidate_that_is_not_configured_has_the_settings_of_its_suite(tmp_path: Path) -> None:
    settings = _load(tmp_path, 'target = { model = "mini" }\ntrials = 3')
    found = config.suite_named(settings, "faq[other]")
    assert found is not None
    assert found.trials == 3
    assert config.suite_named(settings, "nope[other]") is None


def test_outputs_of_a_run_are_a_target_of_the_command_line_only(tmp_path: Path) -> None:
    assert config.parse_target("run:last") == config.RunTarget(run="last")
    with pytest.raises(SettingsError, match="a target has exactly one of"):
        _load(tmp_path, 'target = { run = "last" }')
