from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import CallFailed, CallRecord, Reply
from pytest_evalgate.records.results import Case, Output, Place
from pytest_evalgate.targets import HttpTarget, TargetFailure
from pytest_evalgate.targets.http import check_request

if TYPE_CHECKING:
    from tests.targets.conftest import FakeClient

_CASE = Case("c1", input="a/b?c", vars={"lang": "de"}, place=Place("g.jsonl", 3))
_URL = "https://app.example/{{ vars.lang }}/ask?q={{input}}"


def _target(client: FakeClient, **request: Any) -> HttpTarget:
    return HttpTarget(config.HttpRequest(**{"url": _URL, **request}), "support", "v7", client)


def _answer(client: FakeClient, value: Any, output: str | None = None) -> Output:
    client.reply = Reply(value, metadata={"status": 200}, latency_s=0.5)
    return asyncio.run(_target(client, output=output).answer(_CASE, 0))


def test_the_call_of_a_case(client: FakeClient) -> None:
    target = _target(client, body={"q": "{{ input }}", "n": [1, "{{ case.id }}"]}, headers={"X-A": "{{ input }}"})
    call = target.call_of(_CASE, 1)
    assert (call.kind, call.endpoint, call.model, call.version, call.trial) == ("http", _URL, "", "v7", 1)
    assert (call.route, call.label, call.purpose) == ("support", "support::c1", "target")
    assert call.payload == {
        "method": "POST",
        "url": "https://app.example/de/ask?q=a%2Fb%3Fc",
        "headers": {"X-A": "{{ input }}"},
        "body": {"q": "a/b?c", "n": [1, "c1"]},
    }
    assert client.calls == []


def test_secrets_are_no_part_of_the_call(client: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_KEY", "CANARY")
    call = _target(client, headers_env={"Authorization": "APP_KEY"}).call_of(_CASE, 0)
    assert "CANARY" not in repr(call)


@pytest.mark.parametrize(
    ("value", "output", "taken"),
    [
        ("text", None, "text"),
        ({"a": 1}, None, {"a": 1}),
        ({"answer": {"text": "yes"}}, "answer.text", "yes"),
        ({"choices": [{"text": "no"}, {"text": "yes"}]}, "choices.1.text", "yes"),
        ({"answer": False}, "answer", False),
    ],
)
def test_the_output_stands_at_its_path(client: FakeClient, value: Any, output: str | None, taken: Any) -> None:
    record = CallRecord("target", _URL, 1, latency_s=0.5)
    assert _answer(client, value, output) == Output(taken, {"status": 200}, 0.5, "complete", record)


@pytest.mark.parametrize(
    ("value", "output", "told"),
    [
        (
            {"status": "ok", "detail": 1},
            "answer.text",
            "in the reply there is no answer.text: the whole has status, de",
        ),
        ({"answer": "x"}, "answer.text", "in the reply there is no answer.text: answer is text"),
        ([], "0", "in the reply there is no 0: the whole is a list of 0"),
        ("oh\nno", "answer", 'in the reply there is no answer: the whole is text: "oh\\nno"'),
        ({"answer": None}, "answer", "in the reply answer is null"),
        (None, None, "in the reply the whole is null"),
    ],
)
def test_a_reply_without_an_output_is_the_failure_of_the_application(
    client: FakeClient, value: Any, output: str | None, told: str
) -> None:
    with pytest.raises(TargetFailure) as caught:
        _answer(client, value, output)
    assert str(caught.value).startswith(told)


def test_a_failed_transport_is_a_missing_answer(client: FakeClient) -> None:
    client.reply = CallFailed("connection refused")
    with pytest.raises(CallFailed):
        asyncio.run(_target(client).answer(_CASE, 0))


@pytest.mark.parametrize(
    ("case", "told"),
    [
        (Case("a", input="x", place=Place("g.jsonl", 9)), "there is no vars.lang: vars has no keys"),
        (Case("a", input="x", vars={"lang": ".."}, place=Place("g.jsonl", 9)), "https://app.example/../ask?q=x would"),
    ],
)
def test_a_case_that_does_not_fit_is_told(client: FakeClient, case: Case, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _target(client).call_of(case, 0)
    assert str(caught.value).startswith(f"suites.support.target.http: {told}")
    assert str(caught.value).endswith('in case "a" (g.jsonl:9)')


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"url": "http://x/a", "body": {"q": "{{ input|upper }}"}}, 'p: "{{ input|upper }}": between double braces'),
        ({"url": "http://x/a"}, "p: every case would send the same request: put {{ input }} into"),
        ({"url": "http://x/a", "body": {"q": "fixed"}}, "p: every case would send the same request"),
    ],
)
def test_a_request_that_cannot_be_filled_is_refused(request_: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_request(config.HttpRequest(**request_), "p")
    assert str(caught.value).startswith(told)


def test_a_request_with_a_placeholder_in_url_or_body_is_fine() -> None:
    check_request(config.HttpRequest(url="http://x/{{ input }}"), "p")
    check_request(config.HttpRequest(url="http://x/", body=["{{ input }}"]), "p")
