from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_evalgate.testing import Behaviour, Counts, Limits
from pytest_evalgate.testing.desk import Desk
from pytest_evalgate.testing.http1 import Message
from pytest_evalgate.testing.traffic import Traffic

ASKED = Message("POST", "/v1/chat/completions", {"x": "1"}, b'{"messages": [{"role": "user", "content": "Hello?"}]}')


def desk_of(limits: Limits | None = None) -> Desk:
    return Desk(Traffic(), limits or Limits())


def said(desk: Desk) -> str:
    job = desk.begin(ASKED)
    desk.end(job)
    text: str = json.loads(job.answer().body)["choices"][0]["message"]["content"]
    return text


def test_it_echoes_until_told_otherwise() -> None:
    assert said(desk_of()) == "Hello?"


def test_what_is_queued_goes_before_the_script() -> None:
    desk = desk_of()
    desk.decide = lambda _: Behaviour.text("usual")
    desk.queue.extend([Behaviour.text("first"), Behaviour.text("second")])
    assert [said(desk) for _ in range(3)] == ["first", "second", "usual"]


def test_a_script_sees_the_request() -> None:
    desk = desk_of()
    desk.decide = lambda request: Behaviour.text(f"{request.number} {request.method} {request.path} {request.headers}")
    assert [said(desk), said(desk)] == [f"{number} POST /v1/chat/completions {{'x': '1'}}" for number in (1, 2)]


def _raise(_: Any) -> Any:
    raise KeyError("lost")


def _nothing(_: Any) -> Any:
    return None


@pytest.mark.parametrize(
    ("decide", "message"),
    [
        (_raise, "raised KeyError: 'lost'"),
        (_nothing, "raised TypeError: it made None, which is no Behaviour"),
        (lambda _: Behaviour(_raise), "raised KeyError: 'lost'"),
        (lambda _: Behaviour(_nothing), "raised TypeError: it made None, which is no Answer"),
    ],
)
def test_a_broken_script_is_told_to_the_client(decide: Any, message: str) -> None:
    desk = desk_of()
    desk.decide = decide
    answer = desk.begin(ASKED).answer()
    assert answer.status == 500
    assert json.loads(answer.body)["error"]["message"] == f"the script of the test server {message}"


def test_what_the_limits_refuse_never_reaches_the_script() -> None:
    desk = desk_of(Limits(capacity=1))
    desk.queue.append(Behaviour.text("first"))
    admitted, refused = desk.begin(ASKED), desk.begin(ASKED)
    answer = refused.answer()
    assert (answer.status, answer.headers) == (429, {"Retry-After": "1"})
    assert json.loads(admitted.answer().body)["choices"][0]["message"]["content"] == "first"
    desk.end(refused)
    assert desk.traffic.in_flight == 1
    desk.end(admitted)
    assert said(desk) == "Hello?"
    assert desk.traffic.counts == Counts(calls=3, refused=1, peak_in_flight=1, connections=0)


def test_asking_for_the_counts_counts_as_nothing() -> None:
    desk = desk_of()
    said(desk)
    for method, path, calls in (("GET", "/_stats", 1), ("POST", "/_reset", 0), ("GET", "/_stats", 0)):
        job = desk.begin(Message(method, path, {}, b""))
        desk.end(job)
        assert json.loads(job.answer().body)["calls"] == calls
    assert desk.traffic.in_flight == 0
