from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import pytest

from pytest_evalgate.config import Acknowledgement, Settings, json_schema, load
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
    return str(caught.value).removeprefix("evalgate.toml: ")


def test_what_makes_a_number_of_a_case_is_read(tmp_path: Path) -> None:
    suite = _load(
        tmp_path,
        f'{_SUITE}suites.faq.aggregate = "pass^4"\nsuites.faq.cluster = "metadata.document"\n'
        'suites.faq.stop = "never"\nsuites.faq.trials = 8\n',
    ).suites["faq"]
    assert (suite.aggregate, suite.cluster, suite.stop, suite.trials) == ("pass^4", "metadata.document", "never", 8)


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
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
def test_what_is_no_aggregate_is_refused(tmp_path: Path, aggregate: str) -> None:
    told = _refused(tmp_path, f'{_SUITE}suites.faq.aggregate = "{aggregate}"')
    assert told.startswith("suites.faq.aggregate: String should match pattern")
    assert told.endswith(f"(got '{aggregate}')")


def test_the_history_and_what_somebody_answers_for_are_read(tmp_path: Path) -> None:
    settings = _load(tmp_path, f'history = "runs/history.jsonl"\n{_ACKNOWLEDGED}{_SUITE}')
    assert settings.history == "runs/history.jsonl"
    assert settings.acknowledged == (Acknowledgement(change="suites.faq.gates[0].min", reason="agreed", owner="mia"),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('acknowledged = [{ change = "a", reason = "b" }]', "acknowledged.0.owner: Field required"),
        (
            'acknowledged = [{ change = "a", reason = "", owner = "mia" }]',
            "acknowledged.0.reason: String should have at least 1 character (got '')",
        ),
        (
            'acknowledged = [{ change = "a", reasn = "b", reason = "b", owner = "mia" }]',
            'acknowledged.0.reasn: unknown key: did you mean "reason"?',
        ),
        ("history = 1", "history: Input should be a valid string (got 1)"),
        ('histroy = "a"', 'histroy: unknown key: did you mean "history"?'),
        ("acknowledge = []", 'acknowledge: unknown key: did you mean "acknowledged"?'),
        (f'{_SUITE}suites.faq.clusters = "a"', 'suites.faq.clusters: unknown key: did you mean "cluster"?'),
        (f'{_SUITE}suites.faq.agregate = "mean"', 'suites.faq.agregate: unknown key: did you mean "aggregate"?'),
        (f"{_SUITE}suites.faq.stops = 'never'", 'suites.faq.stops: unknown key: did you mean "stop"?'),
        (
            f'{_SUITE}suites.faq.stop = "eprocess"',
            "suites.faq.stop: Input should be 'certainty' or 'never' (got 'eprocess')",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    assert _refused(tmp_path, text) == told


def _matches_schema(text: str) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(tomllib.loads(text)))


def test_the_schema_knows_the_keys() -> None:
    assert _matches_schema(f'history = "h"\n{_ACKNOWLEDGED}{_SUITE}suites.faq.aggregate = "pass@2"\n')
    assert _matches_schema(f'{_SUITE}suites.faq.stop = "never"\nsuites.faq.cluster = "metadata.doc"\n')
    assert not _matches_schema(f'{_SUITE}suites.faq.aggregate = "pass@0"\n')
    assert not _matches_schema(f'{_SUITE}suites.faq.stop = "early"\n')
    assert not _matches_schema('acknowledged = [{ change = "a", reason = "b" }]\n')
