from __future__ import annotations

import tomllib
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from pytest_evalgate.config import (
    CommandTarget,
    HookTarget,
    HttpRequest,
    HttpTarget,
    ModelTarget,
    PythonTarget,
    RecordedTarget,
    Settings,
    Target,
    json_schema,
    parse_target,
)
from pytest_evalgate.errors import SettingsError

_URL = "https://app.example/ask"
_HTTP = HttpTarget(
    http=HttpRequest(url=_URL, body={"q": "{{ input }}"}, output="a.b", headers_env={"Authorization": "APP_KEY"}),
    version="v7",
)
_MODEL = ModelTarget(model="m", prompt="p.md", system="s.md", params={"seed": 1})


@pytest.mark.parametrize(
    ("spec", "instead_of", "target"),
    [
        ("recorded:a,b", None, RecordedTarget(recorded=("a", "b"))),
        ("recorded:a", RecordedTarget(recorded=("b",), output="x.y"), RecordedTarget(recorded=("a",), output="x.y")),
        ("recorded:a", _MODEL, RecordedTarget(recorded=("a",))),
        ("python:app:answer", _MODEL, PythonTarget(python="app:answer")),
        ("model:n", None, ModelTarget(model="n")),
        ("model:n", _HTTP, ModelTarget(model="n")),
        ("model:n", _MODEL, ModelTarget(model="n", prompt="p.md", system="s.md", params={"seed": 1})),
        ("http:" + _URL, None, HttpTarget(http=HttpRequest(url=_URL, body={"input": "{{ input }}"}))),
        (_URL, None, HttpTarget(http=HttpRequest(url=_URL, body={"input": "{{ input }}"}))),
        ("http://x/a", None, HttpTarget(http=HttpRequest(url="http://x/a", body={"input": "{{ input }}"}))),
        (
            "http:https://app.example/v2",
            _HTTP,
            HttpTarget(http=_HTTP.http.model_copy(update={"url": "https://app.example/v2"})),
        ),
        ("command:python bot.py 'a b'", None, CommandTarget(command=("python", "bot.py", "a b"))),
    ],
)
def test_a_target_from_the_command_line(spec: str, instead_of: Target | None, target: Target) -> None:
    assert parse_target(spec, instead_of) == target


def test_credentials_are_not_sent_to_another_host() -> None:
    moved = parse_target("https://other.example/ask", _HTTP)
    assert isinstance(moved, HttpTarget)
    assert (moved.http.headers_env, moved.http.output) == ({}, "a.b")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            "bot",
            "write recorded:FILE, python:pkg.mod:name, model:NAME, http:URL, command:'PROGRAM ARGUMENTS' or run:ID",
        ),
        ("model:", "write recorded:FILE"),
        ("kind:mine", "write recorded:FILE"),
        ("http:app.example", "http.url: write https://host/path"),
        ("command:'open", "No closing quotation"),
        ("command: ", "command: must not be empty"),
    ],
)
def test_a_target_that_cannot_be_read(spec: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_target(spec)
    assert str(caught.value).startswith(f"--eval-target {spec}: {told}")


def _table(target: str) -> dict[str, Any]:
    return tomllib.loads(f"models.m.model = 'x'\nsuites.s.golden = 'g'\nsuites.s.target = {target}\n")


def _is_read(table: dict[str, Any]) -> bool:
    try:
        Settings.model_validate(table)
    except ValueError:
        return False
    return True


_URLS = [
    ("https://host/path", True),
    ("http://127.0.0.1:8000", True),
    ("http://[::1]:8000/a?q={{input}}", True),
    ("https://host/{{ vars.lang }}/ask?q={{ input }}&n=1", True),
    ("https://host?q={{ input }}", True),
    ("https://{{ input }}/path", False),
    ("https://host{{ input }}/path", False),
    ("https://user:password@host/path", False),
    ("https://host/a b", False),
    ("https://host/{{ input|upper }}", False),
    ("ftp://host/path", False),
    ("https://", False),
]


@pytest.mark.parametrize(("url", "fine"), _URLS)
def test_a_url_has_a_fixed_host(url: str, fine: bool) -> None:  # noqa: FBT001 - a column of the table
    table = _table(f"{{ http = {{ url = '{url}' }} }}")
    assert _is_read(table) is fine
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(table) is fine


@pytest.mark.parametrize(
    "target",
    [
        "{ model = 'm', prompt = 'p', system = 's', tools = [{ type = 'x' }], params = { n = 1 } }",
        "{ http = { url = 'http://x/', method = 'GET', headers = { A = 'b' }, headers_env = { C = 'D' } } }",
        "{ command = ['python', 'bot.py'], timeout_s = 3, max_concurrency = 2 }",
        "{ python = 'app:answer', max_concurrency = 2, version = '1' }",
        "{ kind = 'mine', anything = [1, 2], at = { all = true } }",
    ],
)
def test_every_kind_of_target_is_read_and_matches_the_schema(target: str) -> None:
    assert _is_read(_table(target))
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(_table(target))


@pytest.mark.parametrize(
    "target",
    [
        "{ model = 'm', promt = 'p' }",
        "{ http = { url = 'http://x/', method = 'DELETE' } }",
        "{ http = { url = 'http://x/', headers_env = { A = 'not a name' } } }",
        "{ command = [] }",
        "{ command = 'python bot.py' }",
        "{ command = ['python'], timeout_s = 0 }",
        "{ python = 'app:answer', max_concurrency = 0 }",
    ],
)
def test_the_schema_refuses_the_same_values(target: str) -> None:
    assert not _is_read(_table(target))
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(_table(target))


def test_the_keys_of_a_hooks_target_are_its_parameters() -> None:
    assert HookTarget.model_validate({"kind": "mine", "a": 1, "b": [2]}).parameters == {"a": 1, "b": [2]}
