from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.behaviours import Behaviour
from tests.support.http1 import Message
from tests.support.server import Counts, Dispatcher, Limits, Traffic

ASKED = Message("POST", "/v1/chat/completions", {"x": "1"}, b'{"messages": [{"role": "user", "content": "Hello?"}]}')


def dispatcher_of(limits: Limits | None = None) -> Dispatcher:
    return Dispatcher(Traffic(), limits or Limits())


def said(dispatcher: Dispatcher) -> str:
    exchange = dispatcher.begin(ASKED)
    dispatcher.end(exchange)
    text: str = json.loads(exchange.response().body)["choices"][0]["message"]["content"]
    return text


def test_it_echoes_until_told_otherwise() -> None:
    assert said(dispatcher_of()) == "Hello?"


def test_what_is_queued_goes_before_the_script() -> None:
    dispatcher = dispatcher_of()
    dispatcher.decide = lambda _: Behaviour.text("usual")
    dispatcher.queue.extend([Behaviour.text("first"), Behaviour.text("second")])
    assert [said(dispatcher) for _ in range(3)] == ["first", "second", "usual"]


def test_a_script_sees_the_request() -> None:
    dispatcher = dispatcher_of()
    dispatcher.decide = lambda request: Behaviour.text(
        f"{request.number} {request.method} {request.path} {request.headers}"
    )
    assert [said(dispatcher), said(dispatcher)] == [
        f"{number} POST /v1/chat/completions {{'x': '1'}}" for number in (1, 2)
    ]


def _raise(_: Any) -> Any:
    raise KeyError("lost")


def _nothing(_: Any) -> Any:
    return None


@pytest.mark.parametrize(
    ("decide", "message"),
    [
        (_raise, "raised KeyError: 'lost'"),
        (_nothing, "raised TypeError: it returned None, expected a Behaviour"),
        (lambda _: Behaviour(_raise), "raised KeyError: 'lost'"),
        (lambda _: Behaviour(_nothing), "raised TypeError: it returned None, expected a Response"),
    ],
)
def test_a_broken_script_is_told_to_the_client(decide: Any, message: str) -> None:
    dispatcher = dispatcher_of()
    dispatcher.decide = decide
    response = dispatcher.begin(ASKED).response()
    assert response.status == 500
    assert json.loads(response.body)["error"]["message"] == f"the script of the fault server {message}"


def test_what_the_limits_refuse_never_reaches_the_script() -> None:
    dispatcher = dispatcher_of(Limits(capacity=1))
    dispatcher.queue.append(Behaviour.text("first"))
    admitted, refused = dispatcher.begin(ASKED), dispatcher.begin(ASKED)
    response = refused.response()
    assert (response.status, response.headers) == (429, {"Retry-After": "1"})
    assert json.loads(admitted.response().body)["choices"][0]["message"]["content"] == "first"
    dispatcher.end(refused)
    assert dispatcher.traffic.in_flight == 1
    dispatcher.end(admitted)
    assert said(dispatcher) == "Hello?"
    assert dispatcher.traffic.counts == Counts(calls=3, refused=1, peak_in_flight=1, connections=0)


def test_asking_for_the_counts_counts_as_nothing() -> None:
    dispatcher = dispatcher_of()
    said(dispatcher)
    for method, path, calls in (("GET", "/_stats", 1), ("POST", "/_reset", 0), ("GET", "/_stats", 0)):
        exchange = dispatcher.begin(Message(method, path, {}, b""))
        dispatcher.end(exchange)
        assert json.loads(exchange.response().body)["calls"] == calls
    assert dispatcher.traffic.in_flight == 0
