from __future__ import annotations

import tomllib

import pytest

from pytest_evalgate.config import HttpTarget, Settings
from pytest_evalgate.guard.keys import KeyPolicy, origin_of

_BASE = """
models.a = { model = "m", base_url = "https://a.example/v1", api_key_env = "A_KEY" }
models.b = { model = "m", base_url = "https://b.example/v1", api_key_env = "B_KEY" }
[suites.bot]
golden = "g.jsonl"
target = { http = { url = "https://bot.example/{{ input }}", headers_env = { authorization = "BOT_KEY" } } }
"""


def _settings(text: str) -> Settings:
    return Settings.model_validate(tomllib.loads(text))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.example/v1", "https://a.example:443"),
        ("https://A.example:443", "https://a.example:443"),
        ("https://a.example./v1", "https://a.example:443"),
        ("http://a.example?x", "http://a.example:80"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        # no two programs agree on these: they equal nothing but themselves
        ("https://a.example@evil.example/v1", "https://a.example@evil.example/v1"),
        ("https://a.example:443@evil.example/", "https://a.example:443@evil.example/"),
        ("https://evil.example\\@a.example/", "https://evil.example\\@a.example/"),
        ("https://a.example%2f.evil.example/", "https://a.example%2f.evil.example/"),
        ("https://a.example:443:80/", "https://a.example:443:80/"),
    ],
)
def test_the_origin_of_a_url(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("variable", "url", "allowed"),
    [
        ("A_KEY", "https://a.example/v1", True),
        ("A_KEY", "https://a.example/v2", True),
        ("A_KEY", "https://A.EXAMPLE:443/v1", True),
        ("NEW_KEY", "https://a.example/v1", True),
        ("A_KEY", "https://evil.example/v1", False),
        ("A_KEY", "http://a.example/v1", False),
        ("A_KEY", "https://a.example:8443/v1", False),
        ("A_KEY", "https://a.example.evil.example/v1", False),
        ("A_KEY", "https://a.example@evil.example/v1", False),
        ("A_KEY", "http://127.0.0.1:8000/v1", False),
        ("A_KEY", "https://b.example/v1", False),
        ("NEW_KEY", "https://evil.example/v1", False),
        ("BOT_KEY", "https://bot.example/x", True),
        ("A_KEY", "https://bot.example/x", False),
    ],
)
def test_a_key_goes_where_the_base_sends_it(variable: str, url: str, *, allowed: bool) -> None:
    assert KeyPolicy.of(_settings(_BASE)).allows(variable, url) is allowed


def test_a_model_that_moved_has_no_key() -> None:
    head = _settings(_BASE.replace("https://a.example", "https://evil.example"))
    policy = KeyPolicy.of(_settings(_BASE))
    models = policy.models(head.models)
    assert {name: model.api_key_env for name, model in models.items()} == {"a": "", "b": "B_KEY"}
    assert [(use.place, use.variable, use.origin) for use in policy.withheld(head)] == [
        ("models.a", "A_KEY", "https://evil.example:443")
    ]


def test_an_application_that_moved_has_no_secret_header() -> None:
    head = _settings(_BASE.replace("https://bot.example", "https://evil.example"))
    policy = KeyPolicy.of(_settings(_BASE))
    target = head.suites["bot"].target
    assert isinstance(target, HttpTarget)
    assert policy.request(target.http).headers_env == {}
    unmoved = _settings(_BASE).suites["bot"].target
    assert isinstance(unmoved, HttpTarget)
    assert policy.request(unmoved.http) == unmoved.http


def test_a_base_without_endpoints_has_none_to_send_keys_to() -> None:
    head = _settings(_BASE)
    assert [use.variable for use in KeyPolicy.of(Settings()).withheld(head)] == ["A_KEY", "B_KEY", "BOT_KEY"]


def test_a_collector_gets_a_key_only_at_the_origin_of_the_base() -> None:
    table = '[telemetry]\notlp = "https://{}/otlp"\nheaders_env = {{ Authorization = "OTLP_KEY" }}\n'
    policy = KeyPolicy.of(_settings(table.format("collector.example")))
    kept, moved = (_settings(table.format(host)).telemetry for host in ("collector.example:443", "evil.example"))
    assert kept is not None
    assert moved is not None
    assert policy.telemetry(kept) == kept
    assert policy.telemetry(moved).headers_env == {}
    assert [use.place for use in policy.withheld(_settings(table.format("evil.example")))] == ["telemetry"]
