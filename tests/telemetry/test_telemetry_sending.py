from __future__ import annotations

import pytest
from tests.support.collector import Answer, Collector

from pytest_evalgate.telemetry.sending import NotSentError, Sender


def _reason(sender: Sender, url: str, headers: dict[str, str] | None = None) -> str:
    with pytest.raises(NotSentError) as raised:
        sender.post(url, headers or {}, b"")
    return str(raised.value)


def test_the_budget_is_that_of_all_requests() -> None:
    with Collector(Answer(hangs=True)) as collector:
        sender = Sender(wait_s=0.1)
        assert _reason(sender, f"{collector.url}/v1/traces").startswith("no response within ")
        assert _reason(sender, f"{collector.url}/v1/traces") == "no time is left of 0.1 s"
    assert len(collector.received) == 1


def test_a_pause_that_does_not_fit_is_not_waited_for() -> None:
    with Collector(Answer(503, headers={"retry-after": "3600"})) as collector:
        assert _reason(Sender(wait_s=1.0), f"{collector.url}/v1/traces") == "HTTP 503 (1 try)"


def test_a_redirect_is_not_followed() -> None:
    with Collector() as elsewhere, Collector(Answer(302, headers={"location": elsewhere.url})) as collector:
        assert "a redirect, which is not followed" in _reason(Sender(), f"{collector.url}/v1/traces")
    assert not elsewhere.received


def test_the_body_and_the_headers_arrive() -> None:
    with Collector(Answer(body=b"ok")) as collector:
        assert Sender().post(f"{collector.url}/v1/traces", {"x-team": "search"}, b"") == b"ok"
    (request,) = collector.received
    assert request.headers["content-type"] == "application/x-protobuf"
    assert (request.headers["x-team"], request.headers["user-agent"]) == ("search", "pytest-evalgate")


@pytest.mark.parametrize(
    ("url", "headers", "reason"),
    [
        ("http://127.0.0.1:1/v1/traces", {}, "ConnectionRefusedError: the collector cannot be reached (3 tries)"),
        ("http://127.0.0.1:1/v1/traces", {"a": "x\ny"}, "ValueError: the URL or a header cannot be used (1 try)"),
        ("http://[::1", {}, "ValueError: the URL or a header cannot be used (1 try)"),
    ],
)
def test_what_cannot_be_sent(url: str, headers: dict[str, str], reason: str) -> None:
    assert _reason(Sender(), url, headers) == reason
