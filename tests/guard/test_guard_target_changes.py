from __future__ import annotations

import tomllib

import pytest

from pytest_evalgate.config import Settings
from pytest_evalgate.guard.settings_changes import settings_changes
from pytest_evalgate.guard.target_changes import target_changes

_CONFIG = """
models.m = { model = "m-1", base_url = "https://a.example/v1" }
models.same = { model = "m-2", base_url = "https://a.example/v1" }
models.other = { model = "m-3", base_url = "https://b.example/v1" }
[suites.s]
golden = "g.jsonl"
target = %s
"""
_MODEL = '{ model = "m" }'
_PYTHON = '{ python = "app:answer" }'
_HTTP = '{ http = { url = "https://bot.example/ask" } }'
_COMMAND = '{ command = ["python", "app.py"] }'
_HOOK = '{ kind = "ours", size = 3 }'
_RECORDED = '{ recorded = "o.jsonl" }'
_CALLED = (_MODEL, _PYTHON, _HTTP, _COMMAND, _HOOK)


def _changes(before: str, now: str, old: str = "", new: str = "") -> list[tuple[str, str, str]]:
    base, head = (Settings.model_validate(tomllib.loads(_CONFIG % target)) for target in (before, now))
    head = Settings.model_validate(tomllib.loads((_CONFIG % now).replace(old, new))) if old else head
    return [(change.what, change.where, change.effect) for change in target_changes(base, head)]


@pytest.mark.parametrize("now", _CALLED)
@pytest.mark.parametrize("before", _CALLED)
def test_a_target_of_another_kind_is_weaker(before: str, now: str) -> None:
    expected = [] if before == now else [("target replaced", "suites.s.target", "weaker")]
    assert _changes(before, now) == expected


@pytest.mark.parametrize("now", _CALLED)
def test_calls_in_place_of_recorded_outputs_are_listed(now: str) -> None:
    assert _changes(_RECORDED, now) == [("target replaced", "suites.s.target", "neutral")]


@pytest.mark.parametrize("before", _CALLED)
def test_recorded_outputs_in_place_of_calls_are_weaker(before: str) -> None:
    base, head = (Settings.model_validate(tomllib.loads(_CONFIG % target)) for target in (before, _RECORDED))
    [change] = settings_changes(base, head)
    assert (change.what, change.effect) == ("target not called any more", "weaker")


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (_PYTHON, '{ python = "cheat:answer" }', ("target replaced", "suites.s.target.python", "weaker")),
        (_COMMAND, '{ command = ["python", "cheat.py"] }', ("target replaced", "suites.s.target.command", "weaker")),
        (_HOOK, '{ kind = "cheat", size = 3 }', ("target replaced", "suites.s.target.kind", "weaker")),
        (_HOOK, '{ kind = "ours", size = 4 }', ("target changed", "suites.s.target.size", "neutral")),
        (_HOOK, '{ kind = "ours" }', ("target changed", "suites.s.target.size", "neutral")),
        (_HTTP, _HTTP.replace("bot.", "evil."), ("endpoint moved", "suites.s.target.http.url", "weaker")),
        (_HTTP, _HTTP.replace("/ask", "/cheat"), ("endpoint moved", "suites.s.target.http.url", "weaker")),
        (
            _HTTP,
            '{ http = { url = "https://bot.example/ask", output = "a" } }',
            ("target changed", "suites.s.target.http.output", "neutral"),
        ),
        (_MODEL, '{ model = "m", prompt = "p.md" }', ("target changed", "suites.s.target.prompt", "neutral")),
        (_MODEL, '{ model = "same" }', ("target changed", "suites.s.target.model", "neutral")),
        (_RECORDED, '{ recorded = "p.jsonl" }', ("target changed", "suites.s.target.recorded", "neutral")),
    ],
)
def test_a_change_of_a_target(before: str, now: str, expected: tuple[str, str, str]) -> None:
    assert _changes(before, now) == [expected]


def test_another_model_at_another_endpoint() -> None:
    assert _changes(_MODEL, '{ model = "other" }') == [
        ("target changed", "suites.s.target.model", "neutral"),
        ("endpoint moved", "suites.s.target.model", "weaker"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("https://a.example/v1", "https://evil.example/v1", ("endpoint moved", "models.m.base_url", "weaker")),
        ("https://b.example/v1", "https://evil.example/v1", ("endpoint moved", "models.other.base_url", "weaker")),
        ('"m-1"', '"m-9"', ("model changed", "models.m.model", "neutral")),
        ('"m-1"', '"m-1", params = { temperature = 1 }', ("model changed", "models.m.params", "neutral")),
        ('"m-1"', '"m-1", api_key_env = "OTHER"', ("model changed", "models.m.api_key_env", "neutral")),
        ("models.same", "models.new", ("model added", "models.new", "neutral")),
    ],
)
def test_a_change_of_a_model(old: str, new: str, expected: tuple[str, str, str]) -> None:
    assert expected in _changes(_MODEL, _MODEL, old, new)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('model = "e-1"', 'model = "e-2"', [("model changed", "models.emb.model", "weaker")]),
        ('api = "embeddings"', 'api = "moderations"', [("model changed", "models.emb.api", "weaker")]),
        (', api = "embeddings"', ', api = "embeddings", max_concurrency = 2', []),
        ('models.emb = { model = "e-1", api = "embeddings" }', "", [("model removed", "models.emb", "weaker")]),
    ],
)
def test_a_model_that_scorers_ask_is_not_under_test(old: str, new: str, expected: list[tuple[str, str, str]]) -> None:
    text = f'models.emb = {{ model = "e-1", api = "embeddings" }}\n{_CONFIG % _PYTHON}'
    base, head = (Settings.model_validate(tomllib.loads(one)) for one in (text, text.replace(old, new)))
    found = [(change.what, change.where, change.effect) for change in target_changes(base, head)]
    assert [one for one in found if one[2] != "neutral"] == expected
