"""Both clients against every fault that a server can have, with the calls counted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour
from tests.support.server import Limits, ScriptedServer

from pytest_evalgate.config import Model
from pytest_evalgate.engine.clients import HttpClient, SdkClient, model_client
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import Call, CallFailed, RunStopped

if TYPE_CHECKING:
    from tests.engine.clients.conftest import Caller

    from pytest_evalgate.records.calls import CallKind

_KEY = "sk-canary-0123456789"


def _gap(server: ScriptedServer) -> float:
    first, second = (request.at for request in server.requests)
    return second - first


@pytest.mark.parametrize(("kind", "path"), [("chat", "/v1/chat/completions"), ("responses", "/v1/responses")])
def test_a_call_is_sent_to_its_path_with_payload_and_key(
    server: ScriptedServer, caller: Caller, kind: CallKind, path: str
) -> None:
    server.script(Behaviour.text("hello", usage=(5, 2), model="m-2026"))
    reply = caller.ask_once(kind=kind)
    assert (reply.value, reply.finish, reply.attempts) == ("hello", "complete", 1)
    assert (reply.served_model, reply.tokens_in, reply.tokens_out) == ("m-2026", 5, 2)
    assert reply.latency_s > 0
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", path)
    assert request.headers["authorization"] == f"Bearer {_KEY}"
    assert request.body["model"] == "m"


def test_unknown_parameters_are_sent_unchanged(server: ScriptedServer) -> None:
    payload = {"model": "m", "messages": [{"role": "user", "content": "hé"}], "top_k": 5, "min_p": 0.1}

    async def send(client: Any) -> None:
        model = Model(model="m", base_url=server.base_url, client=client, api_key_env="")
        raw = model_client("a", model, {})
        await raw.send(Call("chat", server.base_url, "m", payload))
        await raw.close()

    for client in ("openai", "http"):
        asyncio.run(send(client))
    assert [request.body for request in server.requests] == [payload, payload]


def test_keys_of_the_environment_are_not_sent_unless_configured(
    server: ScriptedServer, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", _KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", _KEY)
    caller.ask_once(api_key_env="")
    assert "authorization" not in server.requests[0].headers
    assert _KEY not in str(dict(server.requests[0].headers))


@pytest.mark.parametrize("client", ["openai", "http"])
def test_a_missing_key_is_an_error_before_anything_is_sent(client: Any) -> None:
    with pytest.raises(SettingsError, match=r"models\.candidate\.api_key_env: the environment variable MY_KEY"):
        model_client("candidate", Model(model="m", client=client, api_key_env="MY_KEY"), {})


def test_the_setting_selects_the_client() -> None:
    assert isinstance(model_client("a", Model(model="m", api_key_env=""), {}), SdkClient)
    assert isinstance(model_client("a", Model(model="m", api_key_env="", client="http"), {}), HttpClient)


@pytest.mark.parametrize(
    ("behaviour", "least_s"),
    [
        (Behaviour.rate_limited(0.2), 0.2),
        (Behaviour.rate_limited(300, form="milliseconds"), 0.3),
        (Behaviour.rate_limited(1, form="date"), 0.9),
        (Behaviour.rate_limited(1, form="date", skew_s=-7200), 0.9),
    ],
    ids=["F01 seconds", "F02 milliseconds", "F04 date", "F04 date of a wrong clock"],
)
def test_retry_after_of_a_429_is_honoured(
    server: ScriptedServer, caller: Caller, behaviour: Behaviour, least_s: float
) -> None:
    server.queue(behaviour)
    assert caller.ask_once().attempts == 2
    assert _gap(server) >= least_s - 0.02  # the two ends read their clocks apart


@pytest.mark.parametrize("retry_after", ["soon", "1e300", None])
def test_an_invalid_retry_after_of_a_429_is_ignored(
    server: ScriptedServer, caller: Caller, retry_after: str | None
) -> None:
    server.queue(Behaviour.rate_limited(retry_after))
    assert caller.ask_once().attempts == 2


def test_a_permanent_429_fails_after_five_attempts(server: ScriptedServer, caller: Caller) -> None:
    server.script(Behaviour.rate_limited(0.01))
    with pytest.raises(CallFailed, match=r"5 attempts: 429 rate limit \(last Retry-After 0.01 s\)"):
        caller.ask_once()
    assert server.calls == 5


@pytest.mark.parametrize("status", [429, 402, 400])
def test_a_spent_quota_stops_the_run_at_once(server: ScriptedServer, caller: Caller, status: int) -> None:
    server.script(Behaviour.quota(status=status))  # test_engine_faults has every code
    with pytest.raises(RunStopped, match=f"1 attempt: {status} quota used up"):
        caller.ask_once()
    assert server.calls == 1
    assert "quota used up" in str(caller.stop_signal.reason)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_the_run_and_names_the_variable(
    server: ScriptedServer, caller: Caller, status: int
) -> None:
    server.script(Behaviour.status(status, {"error": {"message": f"Incorrect API key: {_KEY}"}}))
    with pytest.raises(RunStopped, match="check the environment variable MY_KEY") as stopped:
        caller.ask_once()
    assert server.calls == 1
    assert _KEY not in f"{stopped.value}{caller.stop_signal.reason}{stopped.value.__cause__}"


def test_an_unknown_model_stops_the_run_and_names_it(server: ScriptedServer, caller: Caller) -> None:
    server.script(Behaviour.unknown_model())
    with pytest.raises(RunStopped, match="check the model name 'm'"):
        caller.ask_once()
    assert server.calls == 1


def test_after_a_stop_no_call_is_sent(server: ScriptedServer, caller: Caller) -> None:
    server.script(Behaviour.quota())
    results = caller.ask(*map(str, range(30)), max_concurrency=2)
    assert [type(result) for result in results] == [RunStopped] * 30
    assert server.calls <= 2


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504, 529])
def test_a_transient_server_error_is_retried(server: ScriptedServer, caller: Caller, status: int) -> None:
    server.queue(Behaviour.status(status), Behaviour.status(status))
    assert caller.ask_once().attempts == 3


@pytest.mark.parametrize(("status", "calls"), [(500, 3), (502, 5), (503, 5), (504, 5), (529, 5)])
def test_a_permanent_server_error_fails_the_call(
    server: ScriptedServer, caller: Caller, status: int, calls: int
) -> None:
    server.script(Behaviour.status(status))
    with pytest.raises(CallFailed, match=f"{calls} attempts: {status}"):
        caller.ask_once()
    assert server.calls == calls


@pytest.mark.parametrize("status", [400, 410, 422])
def test_a_refused_request_is_sent_once(server: ScriptedServer, caller: Caller, status: int) -> None:
    server.script(Behaviour.status(status))
    with pytest.raises(CallFailed, match=f"1 attempt: {status} refused"):
        caller.ask_once()
    assert server.calls == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "says"),
    [
        (
            "/v1/chat/completions/",
            r"to /v1/chat/completions/: write that as base_url \(http://127.0.0.1:\d+/v1/chat/c",
        ),
        ("https://x.org/v1/chat/completions?a=1", r"to https://x.org/v1/chat/completions: write that as base_url"),
        ("/login", r"to /login: check base_url \(http://127.0.0.1:\d+/v1\)"),
        (None, "without a location"),
        ("http://[::1", r"to http://\[::1, which is no URL: check base_url"),
        ("//[x]/a", r"to //\[x\]/a, which is no URL: check base_url"),
    ],
)
def test_a_redirect_is_named_and_not_followed(
    server: ScriptedServer, caller: Caller, status: int, location: str | None, says: str
) -> None:
    server.script(Behaviour.status(status, headers=None if location is None else {"Location": location}))
    with pytest.raises(RunStopped, match=f"1 attempt: {status}: it redirects {says}"):
        caller.ask_once()
    assert server.calls == 1


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/v1?api-version=2026-01-01", "/v1/chat/completions?api-version=2026-01-01"),
        ("/v1/?api-version=1&x=a%20b", "/v1/chat/completions?api-version=1&x=a%20b"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions/"),
        ("/v1/chat/completions?api-version=1", "/v1/chat/completions?api-version=1"),
    ],
)
def test_the_path_is_appended_before_the_query(server: ScriptedServer, caller: Caller, path: str, sent: str) -> None:
    caller.base_url = server.base_url.removesuffix("/v1") + path
    caller.ask("hi")
    assert server.requests[0].path == sent


@pytest.mark.parametrize(
    ("status", "error", "finish"),
    [
        (400, {"message": "too long", "code": "context_length_exceeded"}, "context_length"),
        (413, {"message": "prompt is too long: 9 tokens > 8 maximum"}, "context_length"),
        (403, {"message": "Your input was flagged for violence"}, "content_filter"),
        (400, {"message": "no", "code": "content_filter"}, "content_filter"),
        (200, {"message": "too long", "code": "context_length_exceeded"}, "context_length"),
    ],
)
def test_a_refusal_of_the_input_is_a_reply(
    server: ScriptedServer, caller: Caller, status: int, error: dict[str, str], finish: str
) -> None:
    server.script(Behaviour.status(status, {"error": error}))
    reply = caller.ask_once()
    assert (reply.value, reply.finish) == (error["message"], finish)
    assert server.calls == 1


@pytest.mark.parametrize("behaviour", [Behaviour.reset(), Behaviour.torn()], ids=["reset", "torn"])
def test_a_lost_connection_is_retried(server: ScriptedServer, caller: Caller, behaviour: Behaviour) -> None:
    server.queue(behaviour, behaviour)
    assert caller.ask_once().attempts == 3


def test_a_refused_connection_fails_after_five_attempts(caller: Caller) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        caller.base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(CallFailed, match=r"5 attempts: no connection: Connect(ion)?\w*Error"):
            caller.ask_once()


def test_an_unreachable_server_stops_the_run_after_ten_calls(caller: Caller) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        caller.base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        results = caller.ask(*map(str, range(40)), max_concurrency=4)
    assert Counter(type(result) for result in results)[RunStopped] >= 20
    assert f"10 of the last 10 calls to {caller.base_url} failed (10 x no connection)" in str(
        caller.stop_signal.reason
    )


@pytest.mark.parametrize(
    "behaviour", [Behaviour.hang(), Behaviour.trickle(chunks=1000, every_s=0.05)], ids=["hang", "trickle"]
)
def test_a_reply_that_never_ends_is_a_timeout(server: ScriptedServer, caller: Caller, behaviour: Behaviour) -> None:
    caller.ask_once()  # loads the library, which counts against the time limit as well
    server.script(behaviour)
    with pytest.raises(CallFailed, match="timeout: no complete reply within"):
        caller.ask_once(timeout_s=0.3)
    assert 2 <= server.calls <= 6


def test_replies_that_never_end_block_no_slot(server: ScriptedServer, caller: Caller) -> None:
    caller.ask_once()
    server.queue(*[Behaviour.hang()] * 4)
    replies = caller.ask(*"abcdefgh", max_concurrency=2, timeout_s=0.5)
    assert [reply.finish for reply in replies] == ["complete"] * 8
    assert caller.snapshot is not None
    assert caller.snapshot.in_flight == 0


_MALFORMED = {
    "truncated": Behaviour.truncated(),
    "html": Behaviour.html(),
    "error object": Behaviour.error_object(),
    "no choices": Behaviour.no_choices(),
    "null choices": Behaviour.no_choices(null=True),
    "text": Behaviour.reply("hello"),
    "null": Behaviour.reply(None),
}


@pytest.mark.parametrize("kind", ["chat", "responses"])
@pytest.mark.parametrize("behaviour", _MALFORMED.values(), ids=_MALFORMED.keys())
def test_a_malformed_200_is_retried_twice(
    server: ScriptedServer, caller: Caller, behaviour: Behaviour, kind: CallKind
) -> None:
    server.script(behaviour)
    with pytest.raises(CallFailed, match="3 attempts: 200"):
        caller.ask_once(kind=kind)
    assert server.calls == 3


@pytest.mark.parametrize("kind", ["chat", "responses"])
@pytest.mark.parametrize(
    ("behaviour", "finish"),
    [
        (Behaviour.cut_off(), "length"),
        (Behaviour.content_filter(), "content_filter"),
        (Behaviour.refusal(), "refusal"),
    ],
    ids=["cut off", "content filter", "refusal"],
)
def test_an_incomplete_reply_is_not_retried(
    server: ScriptedServer, caller: Caller, behaviour: Behaviour, finish: str, kind: CallKind
) -> None:
    server.script(behaviour)
    assert caller.ask_once(kind=kind).finish == finish
    assert server.calls == 1


@pytest.mark.parametrize("kind", ["chat", "responses"])
def test_tool_calls_are_returned(server: ScriptedServer, caller: Caller, kind: CallKind) -> None:
    server.script(Behaviour.tool_calls(("look_up", {"id": 7})))
    reply = caller.ask_once(kind=kind)
    assert reply.finish == "complete"
    assert "look_up" in str(reply.metadata["tool_calls"])


def test_concurrency_is_limited_and_connections_are_reused(server: ScriptedServer, caller: Caller) -> None:
    server.script(Behaviour.text("ok", latency_s=0.02))
    replies = caller.ask(*map(str, range(200)), max_concurrency=20)
    assert {reply.value for reply in replies} == {"ok"}
    assert 1 < server.peak_in_flight <= 20
    assert server.connections <= 24


def test_a_server_that_accepts_20_at_a_time_loses_none_of_300_calls(caller: Caller) -> None:
    with ScriptedServer(Limits(capacity=20)) as small:
        small.script(Behaviour.text("ok", latency_s=0.02))
        caller.base_url = small.base_url
        replies = caller.ask(*map(str, range(300)), max_concurrency=64)
    assert Counter(getattr(reply, "value", reply) for reply in replies) == {"ok": 300}


def test_requests_per_minute_are_limited(server: ScriptedServer, caller: Caller) -> None:
    caller.ask_once()  # loads the library: calls that have leave to go while it is loaded go at once afterwards
    caller.ask(*map(str, range(30)), requests_per_minute=1200.0)
    times = [request.at for request in server.requests[1:]]
    opening_s = 0.7  # the same while the client is made
    assert times[-1] - times[0] >= (30 - 5) / 20 - opening_s
    assert all(later >= earlier for earlier, later in pairwise(times))


def test_a_cancelled_call_leaks_no_connection(server: ScriptedServer) -> None:
    server.script(Behaviour.hang())

    async def cancel(client: Any) -> None:
        raw = model_client("a", Model(model="m", base_url=server.base_url, client=client, api_key_env=""), {})
        task = asyncio.create_task(raw.send(Call("chat", server.base_url, "m", {"model": "m", "messages": []})))
        while server.calls == 0:  # noqa: ASYNC110 - the server lives in another thread
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await raw.close()

    for client in ("openai", "http"):
        asyncio.run(cancel(client))


def test_an_invalid_proxy_in_the_environment_is_named_for_each_call(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://nowhere")
    for _ in range(2):
        with pytest.raises(CallFailed, match=r"cannot connect: .*gopher"):
            caller.ask_once()


def test_a_client_that_was_never_used_imports_nothing() -> None:
    code = """
import asyncio, sys
from pytest_evalgate.engine.clients import model_client
from pytest_evalgate.config import Model
for client in ("openai", "http"):
    asyncio.run(model_client("a", Model(model="m", client=client, api_key_env=""), {}).close())
print(sorted({"openai", "httpx", "httpx2", "h11"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"


def test_importing_the_sdk_does_not_block_the_event_loop() -> None:
    code = """
import asyncio
from pytest_evalgate.engine.clients.openai import SdkClient
from pytest_evalgate.config import Model
async def main():
    client = SdkClient(Model(model="m", base_url="http://127.0.0.1:9/v1"), None)
    opening = asyncio.create_task(client._sdk.get())
    turns = 0
    while not opening.done():
        await asyncio.sleep(0.001)
        turns += 1
    await client.close()
    print(turns)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert int(done.stdout) > 10


def test_the_deadline_of_the_run_ends_calls_in_flight(server: ScriptedServer, caller: Caller) -> None:
    server.script(Behaviour.hang())
    caller.stop_signal = StopSignal(0.5)
    results = caller.ask("a", "b", "c", timeout_s=60.0)
    assert all(isinstance(result, CallFailed) for result in results)
