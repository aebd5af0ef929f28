"""The target behind HTTP and the placeholders of its requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate import config
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import CallFailed, CallRecord, Reply
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets import TargetFailure
from pytest_evalgate.targets.http import (
    HttpTargetRunner,
    PathError,
    check_request,
    fill,
    fill_url,
    has_placeholder,
    invalid_placeholders,
    look_up,
)

if TYPE_CHECKING:
    from tests.targets.conftest import FakeClient


_CASE = Case("c1", input="a/b?c", vars={"lang": "de"}, place=Place("g.jsonl", 3))
_URL = "https://app.example/{{ vars.lang }}/ask?q={{input}}"


def _target(client: FakeClient, **request: Any) -> HttpTargetRunner:
    return HttpTargetRunner(config.HttpRequest(**{"url": _URL, **request}), "support", "v7", client)


def _answer(client: FakeClient, value: Any, output: str | None = None) -> Output:
    client.reply = Reply(value, metadata={"status": 200}, latency_s=0.5)
    return asyncio.run(_target(client, output=output).answer(_CASE, 0))


def test_the_call_of_a_case(client: FakeClient) -> None:
    target = _target(client, body={"q": "{{ input }}", "n": [1, "{{ case.id }}"]}, headers={"X-A": "{input}"})
    call = target.call_of(_CASE, 1)
    assert (call.kind, call.endpoint, call.model, call.version, call.trial) == ("http", _URL, "", "v7", 1)
    assert (call.route, call.label, call.purpose) == ("support", "support::c1", "target")
    assert call.payload == {
        "method": "POST",
        "url": "https://app.example/de/ask?q=a%2Fb%3Fc",
        "headers": {"X-A": "{input}"},
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
def test_the_output_is_read_from_its_path(client: FakeClient, value: Any, output: str | None, taken: Any) -> None:
    record = CallRecord("target", _URL, 1, latency_s=0.5)
    assert _answer(client, value, output) == Output(taken, {"status": 200}, 0.5, "complete", record)


def test_the_steps_beside_the_output_are_metadata(client: FakeClient) -> None:
    reply = {"answer": {"text": "yes"}, "messages": [{"role": "assistant", "content": "yes"}]}
    assert _answer(client, reply, "answer.text").metadata == {"messages": reply["messages"], "status": 200}
    assert _answer(client, reply, None).metadata == {"status": 200}


@pytest.mark.parametrize(
    ("value", "output", "message"),
    [
        (
            {"status": "ok", "detail": 1},
            "answer.text",
            "in the reply, there is no answer.text: the top level has status, de",
        ),
        ({"answer": "x"}, "answer.text", "in the reply, there is no answer.text: answer is text"),
        ([], "0", "in the reply, there is no 0: the top level is a list of 0"),
        ("oh\nno", "answer", 'in the reply, there is no answer: the top level is text: "oh\\nno"'),
        ({"answer": None}, "answer", "in the reply, answer is null"),
        (None, None, "the reply is null"),
    ],
)
def test_a_reply_without_an_output_is_the_failure_of_the_application(
    client: FakeClient, value: Any, output: str | None, message: str
) -> None:
    with pytest.raises(TargetFailure) as caught:
        _answer(client, value, output)
    assert str(caught.value).startswith(message)


def test_a_failed_transport_is_a_missing_answer(client: FakeClient) -> None:
    client.reply = CallFailed("connection refused")
    with pytest.raises(CallFailed):
        asyncio.run(_target(client).answer(_CASE, 0))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (Case("a", input="x", place=Place("g.jsonl", 9)), "there is no vars.lang: vars has no keys"),
        (Case("a", input="x", vars={"lang": ".."}, place=Place("g.jsonl", 9)), "https://app.example/../ask?q=x would"),
    ],
)
def test_a_case_without_a_needed_value_is_reported(client: FakeClient, case: Case, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _target(client).call_of(case, 0)
    assert str(caught.value).startswith(f"suites.support.target.http: {message}")
    assert str(caught.value).endswith('in case "a" (g.jsonl:9)')


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"url": "http://x/a", "body": {"q": "{{ input|upper }}"}}, 'p: "{{ input|upper }}": write a dotted path'),
        ({"url": "http://x/a"}, "p: every case would send the same request: put {{ input }} into"),
        ({"url": "http://x/a", "body": {"q": "fixed"}}, "p: every case would send the same request"),
    ],
)
def test_a_request_that_cannot_be_filled_is_refused(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_request(config.HttpRequest(**request_), "p")
    assert str(caught.value).startswith(message)


def test_a_request_with_a_placeholder_in_url_or_body_is_fine() -> None:
    check_request(config.HttpRequest(url="http://x/{{ input }}"), "p")
    check_request(config.HttpRequest(url="http://x/", body=["{{ input }}"]), "p")


_VALUES = {"input": "hi", "n": 3, "list": ["a", {"b": None}], "obj": {"k-1": {"x": True}}, "0": "zero"}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{{ input }}", "hi"),
        ("{{input}}", "hi"),
        ("{{ n }}", 3),
        ("n = {{ n }}", "n = 3"),
        ("{{ n }}{{ n }}", "33"),
        ("{{ list }}", ["a", {"b": None}]),
        ("list: {{ list }}", 'list: ["a", {"b": null}]'),
        ("{{ list.1.b }}", None),
        ("{{ obj.k-1.x }}", True),
        ({"{{ input }}": ["{{ input }}", {"a": "{{ n }}!"}]}, {"{{ input }}": ["hi", {"a": "3!"}]}),
        (("a", 1, None, True), ["a", 1, None, True]),
        ("{ input } {input}", "{ input } {input}"),
    ],
)
def test_placeholders_are_replaced_by_values(template: Any, filled: Any) -> None:
    assert fill(template, _VALUES) == filled


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("answer", "there is no answer: the top level has input, n, list, obj, 0"),
        ("list.7", "there is no list.7: list is a list of 2"),
        ("list.b", "there is no list.b: list is a list of 2"),
        ("input.text", "there is no input.text: input is text"),
        ("n.text", "there is no n.text: n is int"),
        ("list.1.b.c", "there is no list.1.b.c: list.1.b is null"),
        ("obj.k-1.y", "there is no obj.k-1.y: obj.k-1 has x"),
        ("input.__class__", "there is no input.__class__: input is text"),
    ],
)
def test_a_missing_path_is_reported_with_its_last_part(path: str, message: str) -> None:
    with pytest.raises(PathError) as caught:
        look_up(_VALUES, path)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    [
        "{{ input|upper }}",
        "{{ 7 * 7 }}",
        "{{ input }} {{",
        "}}",
        "{{ a..b }}",
        "{{ input() }}",
        "{{ a['b'] }}",
        "{{}}",
    ],
)
def test_malformed_placeholders_are_found(text: str) -> None:
    assert list(invalid_placeholders({"a": [text, "{{ input }}"]})) == [text]


def test_whether_there_is_a_placeholder() -> None:
    assert has_placeholder({"a": ["{{ b }}"]})
    assert not has_placeholder({"{{ key }}": ["{ b }", 1, None]})


@given(_JSON)
def test_a_value_is_inserted_whole_and_never_parsed(value: Any) -> None:
    assert fill({"q": "{{ input }}"}, {"input": value}) == {"q": value}


@given(st.text(), st.text())
def test_text_is_inserted_unchanged(one: str, two: str) -> None:
    assert fill("<{{ one }}|{{ two }}>", {"one": one, "two": two}) == f"<{one}|{two}>"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_value_in_a_url_stays_in_its_place(value: str) -> None:
    url = fill_url("https://host.example/a?q={{ v }}&fixed=1", {"v": value})
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("https", "host.example", "/a", "")
    assert parse_qs(parts.query, keep_blank_values=True) == {"q": [value], "fixed": ["1"]}


@given(st.text(alphabet="./\\%?#@:&= a"))
def test_a_value_never_changes_the_path(value: str) -> None:
    try:
        url = fill_url("https://host.example/users/{{ v }}/show", {"v": value})
    except PathError:
        assert value in (".", "..")
    else:
        parts = urlsplit(url)
        assert parts.netloc == "host.example"
        assert parts.path.count("/") == 3
        assert parts.query == parts.fragment == ""
