from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.cache import CachedClient, CachedTarget, ReadThroughCache, ReplyCache, key_of
from pytest_evalgate.engine.cache import cached as cached_module
from pytest_evalgate.engine.cache.entries import Entry
from pytest_evalgate.records.calls import CallFailed, CallRecord, Reply, RunStopped
from pytest_evalgate.records.results import Case, Output

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_evalgate.engine.cache import Signer
    from pytest_evalgate.protocols import Target
    from pytest_evalgate.records.calls import Call

    Ask = Callable[..., Call]
    Put = Callable[..., Call]


@dataclass
class _Endpoint:
    """Client that waits for ``open``, then gives ``replies`` in turn; exceptions are raised."""

    replies: list[Any] = field(default_factory=lambda: [Reply("paid", cost_usd=0.5)])
    open: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0

    async def send(self, call: Call) -> Reply:  # noqa: ARG002 - the seam's signature
        reply = self.replies[min(self.sent, len(self.replies) - 1)]
        self.sent += 1
        await self.open.wait()
        if isinstance(reply, BaseException):
            raise reply
        assert isinstance(reply, Reply)
        return reply


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_call_that_is_made_twice_is_sent_once(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint()
    endpoint.open.set()
    client = CachedClient(endpoint, ReadThroughCache(cache))

    async def twice() -> list[Reply]:
        return [await client.send(ask()), await client.send(ask())]

    paid, again = asyncio.run(twice())
    assert endpoint.sent == 1
    assert (paid.attempts, paid.cost_usd) == (1, 0.5)
    assert (again.value, again.attempts, again.cost_usd) == ("paid", 0, 0.0)


def test_a_reply_found_by_an_estimate_is_not_looked_up_again(cache: ReplyCache, put: Put, ask: Ask) -> None:
    put(cache, value="kept")
    cached = ReadThroughCache(cache)
    assert cached.lookup(ask()) is not None
    cache.close()
    assert asyncio.run(CachedClient(_Endpoint(), cached).send(ask())).value == "kept"


def test_a_reply_missed_by_an_estimate_is_looked_up_again(cache: ReplyCache, put: Put, ask: Ask) -> None:
    cached, endpoint = ReadThroughCache(cache, shared=True), _Endpoint()
    assert cached.lookup(ask()) is None
    put(cache, value="of another process")
    assert asyncio.run(CachedClient(endpoint, cached).send(ask())).value == "of another process"
    assert endpoint.sent == 0


def test_an_estimate_keeps_a_limited_number_of_replies(
    cache: ReplyCache, put: Put, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_module, "_MAX_PREFETCHED", 0)
    put(cache, value="kept")
    cached = ReadThroughCache(cache)
    assert cached.lookup(ask()) is not None
    assert asyncio.run(CachedClient(_Endpoint(), cached).send(ask())).value == "kept"


def test_each_trial_is_sent(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint()
    endpoint.open.set()
    client = CachedClient(endpoint, ReadThroughCache(cache))

    async def two_trials() -> None:
        await asyncio.gather(client.send(ask()), client.send(ask(trial=1)))

    asyncio.run(two_trials())
    assert endpoint.sent == 2


def test_concurrent_callers_share_one_call_and_its_cost(cache: ReplyCache, ask: Ask) -> None:
    async def five() -> tuple[int, list[Reply]]:
        endpoint = _Endpoint()
        client = CachedClient(endpoint, ReadThroughCache(cache))
        waiting = [asyncio.ensure_future(client.send(ask())) for _ in range(5)]
        await _settled()
        endpoint.open.set()
        return endpoint.sent, await asyncio.gather(*waiting)

    sent, replies = asyncio.run(five())
    assert sent == 1
    assert sorted(reply.attempts for reply in replies) == [0, 0, 0, 0, 1]
    assert sum(reply.cost_usd or 0 for reply in replies) == 0.5


def test_cancelling_one_caller_does_not_affect_the_others(cache: ReplyCache, ask: Ask) -> None:
    async def cancelled() -> list[Any]:
        endpoint = _Endpoint()
        client = CachedClient(endpoint, ReadThroughCache(cache))
        waiting = [asyncio.ensure_future(client.send(ask())) for _ in range(3)]
        await _settled()
        waiting[0].cancel()
        await _settled()
        endpoint.open.set()
        return [*await asyncio.gather(*waiting, return_exceptions=True), endpoint.sent]

    first, second, third, sent = asyncio.run(cancelled())
    assert isinstance(first, asyncio.CancelledError)
    assert {second.attempts, third.attempts} == {0, 1}
    assert sent == 1


def test_cancelling_all_callers_cancels_the_call(cache: ReplyCache, ask: Ask) -> None:
    async def cancelled() -> tuple[Reply, int]:
        endpoint = _Endpoint()
        send, ended = endpoint.send, []

        async def noted(call: Call) -> Reply:
            try:
                return await send(call)
            except asyncio.CancelledError:
                ended.append(call)
                raise

        endpoint.send = noted  # type: ignore[method-assign]  # the same, noted
        client = CachedClient(endpoint, ReadThroughCache(cache))
        waiting = [asyncio.ensure_future(client.send(ask())) for _ in range(2)]
        await _settled()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await _settled()
        assert ended == [ask()]
        endpoint.open.set()
        return await client.send(ask()), endpoint.sent

    reply, sent = asyncio.run(cancelled())
    assert reply.attempts == 1
    assert sent == 2


@pytest.mark.parametrize("kind", [CallFailed, RunStopped])
def test_all_callers_get_a_failure_and_one_its_record(cache: ReplyCache, ask: Ask, kind: type[CallFailed]) -> None:
    async def failing() -> list[Any]:
        endpoint = _Endpoint([kind("5 attempts", CallRecord("target", "m", 5))])
        client = CachedClient(endpoint, ReadThroughCache(cache))
        waiting = [asyncio.ensure_future(client.send(ask())) for _ in range(3)]
        await _settled()
        endpoint.open.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    errors = asyncio.run(failing())
    assert [type(error) for error in errors] == [kind] * 3
    assert {str(error) for error in errors} == {"5 attempts"}
    assert [error.record.attempts for error in errors if error.record] == [5]


def test_a_failure_is_not_cached(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint([CallFailed("gone"), Reply("there")])
    endpoint.open.set()
    client = CachedClient(endpoint, ReadThroughCache(cache))

    async def again() -> Reply:
        with pytest.raises(CallFailed, match="gone"):
            await client.send(ask())
        return await client.send(ask())

    assert asyncio.run(again()).value == "there"


@pytest.mark.parametrize("finish", ["length", "content_filter", "refusal"])
def test_an_incomplete_reply_is_returned_and_not_cached(cache: ReplyCache, ask: Ask, finish: Any) -> None:
    endpoint = _Endpoint([Reply("half", finish)])
    endpoint.open.set()
    cached = ReadThroughCache(cache)
    reply = asyncio.run(CachedClient(endpoint, cached).send(ask()))
    assert reply.finish == finish
    assert cached.lookup(ask()) is None


def test_a_reply_is_committed_before_it_is_returned(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    write = cache._write

    def noted(signed: Any) -> None:
        write(signed)
        order.append("committed")

    monkeypatch.setattr(cache, "_write", noted)
    endpoint = _Endpoint()
    endpoint.open.set()

    async def send() -> None:
        await CachedClient(endpoint, ReadThroughCache(cache)).send(ask())
        order.append("returned")

    asyncio.run(send())
    assert order == ["committed", "returned"]


# --- leases ---------------------------------------------------------------------------------------------------------


class _Leases:
    """Leases that another process holds until ``often`` attempts to acquire one; then calls ``then``."""

    def __init__(self, often: int, then: Callable[[], object] = lambda: None) -> None:
        self.left = often
        self.then = then
        self.held: list[str] = []

    def acquire(self, key: str) -> bool:
        self.left -= 1
        if self.left == 0:
            self.then()
        if self.left >= 0:
            return False
        self.held.append(key)
        return True

    def release(self, key: str) -> None:
        self.held.remove(key)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_module, "_FIRST_POLL_S", 0.001)
    monkeypatch.setattr(cached_module, "_LONGEST_POLL_S", 0.002)


def _with_leases(cache: ReplyCache, leases: _Leases, monkeypatch: pytest.MonkeyPatch) -> ReadThroughCache:
    monkeypatch.setattr(type(cache), "leases", property(lambda _: leases))
    return ReadThroughCache(cache, shared=True)


@pytest.mark.usefixtures("quick")
def test_a_process_that_waits_for_another_uses_its_reply(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Entry(ask(), Reply("theirs"), "2026-01-01T00:00:00Z", "r0")
    leases = _Leases(3, lambda: cache.add([theirs]))
    endpoint = _Endpoint()
    reply = asyncio.run(CachedClient(endpoint, _with_leases(cache, leases, monkeypatch)).send(ask()))
    assert (reply.value, reply.attempts, endpoint.sent) == ("theirs", 0, 0)
    assert leases.held == []


@pytest.mark.usefixtures("quick")
def test_if_the_other_process_fails_the_waiting_one_sends_the_call(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = _Leases(3)
    endpoint = _Endpoint()
    endpoint.open.set()
    reply = asyncio.run(CachedClient(endpoint, _with_leases(cache, leases, monkeypatch)).send(ask()))
    assert (reply.value, reply.attempts) == ("paid", 1)
    assert leases.held == []


@pytest.mark.usefixtures("quick")
def test_waiting_for_a_suspended_process_has_a_timeout(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_module, "_LEASE_TIMEOUT_S", 0.01)
    endpoint = _Endpoint()
    endpoint.open.set()
    client = CachedClient(endpoint, _with_leases(cache, _Leases(10**9), monkeypatch))
    assert asyncio.run(client.send(ask())).value == "paid"


def test_a_failure_releases_the_lease(cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    leases = _Leases(0)
    endpoint = _Endpoint([CallFailed("gone")])
    endpoint.open.set()
    with pytest.raises(CallFailed, match="gone"):
        asyncio.run(CachedClient(endpoint, _with_leases(cache, leases, monkeypatch)).send(ask()))
    assert leases.held == []


def test_a_cache_that_is_not_shared_takes_no_lease_and_looks_up_once(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(type(cache), "find", lambda _, key: looked.append(key))
    monkeypatch.delattr(type(cache), "leases")
    endpoint = _Endpoint()
    endpoint.open.set()
    assert asyncio.run(CachedClient(endpoint, ReadThroughCache(cache)).send(ask())).value == "paid"
    assert looked == [key_of(ask())]


def test_without_a_usable_cache_calls_are_sent(tmp_path: Path, signer: Signer, ask: Ask) -> None:
    (tmp_path / "file").touch()
    endpoint = _Endpoint()
    endpoint.open.set()
    with ReplyCache(tmp_path / "file", signer) as cache:
        assert asyncio.run(CachedClient(endpoint, ReadThroughCache(cache)).send(ask())).value == "paid"


# --- cassettes and offline ------------------------------------------------------------------------------------------


def _cassette(call: Call, value: str = "taped") -> dict[str, Entry]:
    return {key_of(call): Entry(call, Reply(value, attempts=1, cost_usd=1.0), "2026-01-01T00:00:00Z", "r0")}


def test_a_cassette_is_looked_up_after_the_cache(cache: ReplyCache, put: Put, ask: Ask) -> None:
    cached = ReadThroughCache(cache, cassettes=_cassette(ask()))
    taped = cached.lookup(ask())
    assert taped is not None
    assert (taped.value, taped.attempts, taped.cost_usd) == ("taped", 0, 0.0)
    put(cache, value="newer")
    found = cached.lookup(ask())
    assert found is not None
    assert found.value == "newer"


def _missing(cached: ReadThroughCache, call: Call) -> str:
    endpoint = _Endpoint()
    with pytest.raises(CallFailed) as failed:
        asyncio.run(CachedClient(endpoint, cached).send(call))
    assert endpoint.sent == 0
    assert failed.value.record is None
    return str(failed.value)


def test_offline_a_cached_call_has_its_reply(cache: ReplyCache, put: Put) -> None:
    call = put(cache)
    assert asyncio.run(CachedClient(_Endpoint(), ReadThroughCache(cache, offline=True)).send(call)).value == "hi"


def test_offline_a_miss_names_the_change_and_the_next_step(cache: ReplyCache, put: Put, ask: Ask) -> None:
    put(cache, "old prompt")
    message = _missing(ReadThroughCache(cache, offline=True), ask("new prompt"))
    assert message.startswith("faq::a: not cached, and an offline run sends nothing (changed since 20")
    assert 'payload.messages[0].content: "old prompt" -> "new prompt"' in message
    assert "pytest-evalgate cache import FILE" in message


def test_offline_a_miss_is_compared_with_cassettes_too(cache: ReplyCache, ask: Ask) -> None:
    cached = ReadThroughCache(cache, cassettes=_cassette(ask("taped prompt")), offline=True)
    assert '"taped prompt" -> "new prompt"' in _missing(cached, ask("new prompt"))


def test_offline_a_case_without_cached_calls_is_reported(cache: ReplyCache, put: Put, ask: Ask) -> None:
    put(cache)
    cached = ReadThroughCache(cache, offline=True)
    for other in (ask("x", label="faq::b"), ask("x", trial=1), replace(ask("x"), purpose="judge:tone")):
        assert "no call of this case is cached" in _missing(cached, other)


def test_offline_an_unreadable_cache_is_a_miss(folder: Path, signer: Signer, ask: Ask) -> None:
    with ReplyCache(folder, signer) as cache:
        cached = ReadThroughCache(cache, offline=True)
        cache.path.unlink()
        assert "no call of this case" in _missing(cached, ask())


# --- targets --------------------------------------------------------------------------------------------------------

_CASE = Case("refund-1", input="how long?", fingerprint="f" * 64)


class _App:
    """Target that returns or raises ``output``, and counts its calls."""

    def __init__(self, output: Output | BaseException) -> None:
        self.output = output
        self.calls = 0

    async def answer(self, case: Case, trial: int) -> Output:  # noqa: ARG002 - the seam's signature
        self.calls += 1
        if isinstance(self.output, BaseException):
            raise self.output
        return self.output


def _target(app: _App, cache: ReplyCache, *, version: str = "1", offline: bool = False) -> CachedTarget:
    cached = ReadThroughCache(cache, offline=offline)
    return CachedTarget(app, cached, kind="python", endpoint="app:answer", suite="faq", version=version)


def _answer(target: Target, case: Case = _CASE, trial: int = 0) -> Output:
    async def answer() -> Output:
        return await target.answer(case, trial)

    return asyncio.run(answer())


def test_an_application_is_called_once_for_each_case_and_trial(cache: ReplyCache) -> None:
    app = _App(Output("30 days", {"source": "faq"}, latency_s=0.5))
    target = _target(app, cache)
    first, again = _answer(target), _answer(target)
    assert first == Output(
        "30 days", {"source": "faq"}, 0.5, call=CallRecord("target", "app:answer", 1, None, None, 0.0, 0.5)
    )
    assert again == replace(first, call=CallRecord("target", "app:answer", 0, None, None, 0.0, 0.5))
    _answer(target, trial=1)
    assert app.calls == 2


@pytest.mark.parametrize(
    ("case", "version"),
    [(replace(_CASE, fingerprint="0" * 64), "1"), (replace(_CASE, id="refund-2"), "1"), (_CASE, "2")],
)
def test_another_content_id_or_version_is_another_call(cache: ReplyCache, case: Case, version: str) -> None:
    app = _App(Output("x"))
    _answer(_target(app, cache))
    _answer(_target(app, cache, version=version), case)
    assert app.calls == 2


def test_tags_and_metadata_of_a_case_do_not_change_its_key(cache: ReplyCache) -> None:
    app = _App(Output("x"))
    _answer(_target(app, cache))
    _answer(_target(app, cache), replace(_CASE, tags=("new",), metadata={"a": 1}))
    assert app.calls == 1


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3), CallFailed("no answer")])
def test_an_exception_of_the_application_is_raised_and_not_cached(cache: ReplyCache, error: BaseException) -> None:
    app = _App(error)
    for calls in (1, 2):
        with pytest.raises(type(error)) as raised:
            _answer(_target(app, cache))
        assert raised.value is error
        assert app.calls == calls


def test_an_application_that_exits_does_not_end_the_event_loop(cache: ReplyCache) -> None:
    async def call() -> str:
        try:
            await _target(_App(SystemExit(3)), cache).answer(_CASE, 0)
        except SystemExit:
            await asyncio.sleep(0)
        return "the loop lives"

    assert asyncio.run(call()) == "the loop lives"


def test_an_incomplete_output_is_not_cached(cache: ReplyCache) -> None:
    app = _App(Output("half", finish="length"))
    assert [_answer(_target(app, cache)).finish for _ in range(2)] == ["length", "length"]
    assert app.calls == 2


@pytest.mark.parametrize(("value", "seen"), [((1, 2), [1, 2]), ({1: "a"}, {"1": "a"}), ({"a": None}, {"a": None})])
def test_a_first_and_a_cached_output_are_equal(cache: ReplyCache, value: Any, seen: Any) -> None:
    target = _target(_App(Output(value)), cache)
    assert [_answer(target).value, _answer(target).value] == [seen, seen]


def test_an_output_that_is_no_json_is_returned_and_not_cached(cache: ReplyCache) -> None:
    app = _App(Output({1, 2}))
    target = _target(app, cache)
    assert [_answer(target).value, _answer(target).value] == [{1, 2}, {1, 2}]
    assert app.calls == 2
    assert "faq::refund-1 cannot be cached" in (cache.problem or "")


def test_a_latency_that_the_target_does_not_report_is_measured(cache: ReplyCache) -> None:
    output = _answer(_target(_App(Output("x")), cache))
    assert output.latency_s is not None
    assert output.latency_s >= 0


def test_offline_the_application_is_not_called(cache: ReplyCache) -> None:
    app = _App(Output("x"))
    with pytest.raises(CallFailed, match="faq::refund-1: not cached"):
        _answer(_target(app, cache, offline=True))
    assert app.calls == 0


def test_an_output_is_cached_for_the_next_run(cache: ReplyCache, signer: Signer) -> None:
    _answer(_target(_App(Output("x")), cache))
    cache.close()
    with ReplyCache(cache.path.parent, signer) as later:
        assert _answer(_target(_App(ValueError("called")), later)).value == "x"
