from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.cache import CachedClient, CachedTarget, ReadThroughCache, ReplyCache, key_of
from pytest_evalgate.engine.cache import cached as cached_module
from pytest_evalgate.engine.cache.entries import Entry
from pytest_evalgate.errors import CodeExit
from pytest_evalgate.records.calls import CallFailed, CallRecord, Reply, RunStopped
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_evalgate.engine.cache import Signer
    from pytest_evalgate.records.calls import Call

    Ask = Callable[..., Call]
    Put = Callable[..., Call]

_MADE = "2026-01-01T00:00:00Z"


@dataclass
class _Endpoint:
    """Client that waits for its gate, then gives ``replies`` in turn; exceptions are raised."""

    replies: list[Any] = field(default_factory=lambda: [Reply("paid", cost_usd=0.5)])
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    cancelled: int = 0

    async def send(self, call: Call) -> Reply:  # noqa: ARG002 - the seam's signature
        reply = self.replies[min(self.sent, len(self.replies) - 1)]
        self.sent += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(reply, BaseException):
            raise reply
        assert isinstance(reply, Reply)
        return reply

    def open(self) -> _Endpoint:
        self.gate.set()
        return self


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _send_all(client: CachedClient, call: Call, number: int) -> list[asyncio.Task[Reply]]:
    """Start ``number`` equal calls, and wait until they wait."""
    tasks = [asyncio.create_task(client.send(call)) for _ in range(number)]
    await _settle()
    return tasks


async def test_a_call_that_is_made_twice_is_sent_once(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint().open()
    client = CachedClient(endpoint, ReadThroughCache(cache))
    paid, again = await client.send(ask()), await client.send(ask())
    assert endpoint.sent == 1
    assert (paid.attempts, paid.cost_usd) == (1, 0.5)
    assert (again.value, again.attempts, again.cost_usd) == ("paid", 0, 0.0)


async def test_a_reply_found_by_an_estimate_is_not_looked_up_again(cache: ReplyCache, put: Put, ask: Ask) -> None:
    put(cache, value="old")
    cached = ReadThroughCache(cache)
    assert cached.lookup(ask()) is not None
    cache.close()
    assert (await CachedClient(_Endpoint(), cached).send(ask())).value == "old"


async def test_a_reply_missed_by_an_estimate_is_looked_up_again(cache: ReplyCache, put: Put, ask: Ask) -> None:
    cached, endpoint = ReadThroughCache(cache, shared=True), _Endpoint()
    assert cached.lookup(ask()) is None
    put(cache, value="of another process")
    assert (await CachedClient(endpoint, cached).send(ask())).value == "of another process"
    assert endpoint.sent == 0


async def test_an_estimate_keeps_a_limited_number_of_replies(
    cache: ReplyCache, put: Put, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_module, "_MAX_PREFETCHED", 0)
    put(cache, value="old")
    cached = ReadThroughCache(cache)
    assert cached.lookup(ask()) is not None
    assert (await CachedClient(_Endpoint(), cached).send(ask())).value == "old"


async def test_each_trial_is_sent(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint().open()
    client = CachedClient(endpoint, ReadThroughCache(cache))
    await asyncio.gather(client.send(ask()), client.send(ask(trial=1)))
    assert endpoint.sent == 2


async def test_a_failure_is_not_cached(cache: ReplyCache, ask: Ask) -> None:
    client = CachedClient(_Endpoint([CallFailed("gone"), Reply("there")]).open(), ReadThroughCache(cache))
    with pytest.raises(CallFailed, match="gone"):
        await client.send(ask())
    assert (await client.send(ask())).value == "there"


@pytest.mark.parametrize("finish", ["length", "content_filter", "refusal"])
async def test_an_incomplete_reply_is_returned_and_not_cached(cache: ReplyCache, ask: Ask, finish: Any) -> None:
    cached = ReadThroughCache(cache)
    reply = await CachedClient(_Endpoint([Reply("half", finish)]).open(), cached).send(ask())
    assert reply.finish == finish
    assert cached.lookup(ask()) is None


async def test_a_reply_that_the_call_does_not_accept_is_neither_cached_nor_found(
    cache: ReplyCache, put: Put, ask: Ask
) -> None:
    put(cache, value="prose")
    call = replace(ask(), accepts=lambda reply: reply.value == "verdict")
    cached = ReadThroughCache(cache)
    assert cached.lookup(call) is None
    endpoint = _Endpoint([Reply("more prose"), Reply("verdict")]).open()
    client = CachedClient(endpoint, cached)
    values = [(await client.send(call)).value for _ in range(3)]
    assert (values, endpoint.sent) == (["more prose", "verdict", "verdict"], 2)


async def test_a_reply_may_be_cached_as_that_of_another_call(cache: ReplyCache, ask: Ask) -> None:
    question, endpoint = ask(), _Endpoint([Reply("second")]).open()
    client = CachedClient(endpoint, ReadThroughCache(cache))
    repair = replace(ask(payload={"messages": ["prose", "correct it"]}), cached_as=question)
    assert [(await client.send(call)).value for call in (repair, question, repair)] == ["second"] * 3
    assert endpoint.sent == 1


async def test_a_reply_is_committed_before_it_is_returned(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    write = cache._write

    def noted(signed: Any) -> None:
        write(signed)
        order.append("committed")

    monkeypatch.setattr(cache, "_write", noted)
    await CachedClient(_Endpoint().open(), ReadThroughCache(cache)).send(ask())
    order.append("returned")
    assert order == ["committed", "returned"]


async def test_without_a_usable_cache_calls_are_sent(tmp_path: Path, signer: Signer, ask: Ask) -> None:
    (tmp_path / "file").touch()
    with ReplyCache(tmp_path / "file", signer) as cache:
        client = CachedClient(_Endpoint().open(), ReadThroughCache(cache))
        assert (await client.send(ask())).value == "paid"


# --- single flight --------------------------------------------------------------------------------------------------


async def test_concurrent_callers_share_one_call_and_its_cost(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint()
    tasks = await _send_all(CachedClient(endpoint, ReadThroughCache(cache)), ask(), 5)
    endpoint.open()
    replies = await asyncio.gather(*tasks)
    assert endpoint.sent == 1
    assert sorted(reply.attempts for reply in replies) == [0, 0, 0, 0, 1]
    assert sum(reply.cost_usd or 0 for reply in replies) == 0.5


async def test_cancelling_one_caller_does_not_affect_the_others(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint()
    first, second, third = await _send_all(CachedClient(endpoint, ReadThroughCache(cache)), ask(), 3)
    first.cancel()
    await _settle()
    endpoint.open()
    assert {(await second).attempts, (await third).attempts} == {0, 1}
    assert first.cancelled()
    assert endpoint.sent == 1


async def test_cancelling_all_callers_cancels_the_call(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint()
    client = CachedClient(endpoint, ReadThroughCache(cache))
    tasks = await _send_all(client, ask(), 2)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await _settle()
    assert endpoint.cancelled == 1
    endpoint.open()
    assert (await client.send(ask())).attempts == 1
    assert endpoint.sent == 2


@pytest.mark.parametrize("kind", [CallFailed, RunStopped])
async def test_all_callers_get_a_failure_and_one_its_record(
    cache: ReplyCache, ask: Ask, kind: type[CallFailed]
) -> None:
    endpoint = _Endpoint([kind("5 attempts", CallRecord("target", "m", 5))])
    tasks = await _send_all(CachedClient(endpoint, ReadThroughCache(cache)), ask(), 3)
    endpoint.open()
    errors: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
    assert [(type(error), str(error)) for error in errors] == [(kind, "5 attempts")] * 3
    assert [error.record.attempts for error in errors if error.record] == [5]


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


def _with_leases(cache: ReplyCache, leases: _Leases, monkeypatch: pytest.MonkeyPatch) -> ReadThroughCache:
    monkeypatch.setattr(type(cache), "leases", property(lambda _: leases))
    return ReadThroughCache(cache, shared=True)


async def test_a_process_that_waits_for_another_uses_its_reply(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = _Leases(3, lambda: cache.add([Entry(ask(), Reply("theirs"), _MADE, "r0")]))
    endpoint = _Endpoint()
    reply = await CachedClient(endpoint, _with_leases(cache, leases, monkeypatch)).send(ask())
    assert (reply.value, reply.attempts, endpoint.sent) == ("theirs", 0, 0)
    assert leases.held == []


async def test_if_the_other_process_fails_the_waiting_one_sends_the_call(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = _Leases(3)
    reply = await CachedClient(_Endpoint().open(), _with_leases(cache, leases, monkeypatch)).send(ask())
    assert (reply.value, reply.attempts) == ("paid", 1)
    assert leases.held == []


async def test_waiting_for_a_suspended_process_has_a_timeout(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_module, "_LEASE_TIMEOUT_S", 0.01)
    client = CachedClient(_Endpoint().open(), _with_leases(cache, _Leases(10**9), monkeypatch))
    assert (await client.send(ask())).value == "paid"


async def test_a_failure_releases_the_lease(cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    leases = _Leases(0)
    client = CachedClient(_Endpoint([CallFailed("gone")]).open(), _with_leases(cache, leases, monkeypatch))
    with pytest.raises(CallFailed, match="gone"):
        await client.send(ask())
    assert leases.held == []


async def test_a_cache_that_is_not_shared_takes_no_lease_and_looks_up_once(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str] = []

    def find_nothing(_: ReplyCache, asked: Sequence[str]) -> dict[str, Reply]:
        keys.extend(asked)
        return {}

    monkeypatch.setattr(type(cache), "find_all", find_nothing)
    monkeypatch.delattr(type(cache), "leases")
    assert (await CachedClient(_Endpoint().open(), ReadThroughCache(cache)).send(ask())).value == "paid"
    assert keys == [key_of(ask())]


async def test_look_ups_of_one_wave_share_a_statement(
    cache: ReplyCache, ask: Ask, put: Callable[..., Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(put, cache, "1", "cached")
    waves: list[int] = []
    find_all = type(cache).find_all

    def counted(store: ReplyCache, keys: Sequence[str]) -> dict[str, Reply]:
        waves.append(len(keys))
        return find_all(store, keys)

    monkeypatch.setattr(type(cache), "find_all", counted)
    endpoint = _Endpoint().open()
    client = CachedClient(endpoint, ReadThroughCache(cache))
    calls = [asyncio.ensure_future(client.send(ask(str(number)))) for number in (0, 1, 2, 1)]
    await asyncio.sleep(0)
    calls.pop().cancel()
    assert [(await call).value for call in calls] == ["paid", "cached", "paid"]
    assert waves == [4]
    assert endpoint.sent == 2


async def test_a_look_up_that_fails_fails_its_calls(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object, keys: Sequence[str]) -> dict[str, Reply]:
        raise MemoryError(len(keys))

    monkeypatch.setattr(type(cache), "find_all", fail)
    client = CachedClient(_Endpoint().open(), ReadThroughCache(cache))
    results = await asyncio.gather(*[client.send(ask(str(number))) for number in (1, 2)], return_exceptions=True)
    assert [type(result) for result in results] == [MemoryError, MemoryError]


# --- cassettes and offline ------------------------------------------------------------------------------------------


def _cassette(call: Call) -> dict[str, Entry]:
    return {key_of(call): Entry(call, Reply("taped", attempts=1, cost_usd=1.0), _MADE, "r0")}


def test_a_cassette_is_looked_up_after_the_cache(cache: ReplyCache, put: Put, ask: Ask) -> None:
    cached = ReadThroughCache(cache, cassettes=_cassette(ask()))
    assert cached.lookup(ask()) == Reply("taped", attempts=0, cost_usd=0.0)
    put(cache, value="newer")
    found = cached.lookup(ask())
    assert found is not None
    assert found.value == "newer"


async def _miss(cached: ReadThroughCache, call: Call) -> str:
    """Return the message of a call that is not cached, and check that it is not sent."""
    endpoint = _Endpoint()
    with pytest.raises(CallFailed) as failed:
        await CachedClient(endpoint, cached).send(call)
    assert endpoint.sent == 0
    assert failed.value.record is None
    return str(failed.value)


async def test_offline_a_cached_call_has_its_reply(cache: ReplyCache, put: Put) -> None:
    call = put(cache)
    assert (await CachedClient(_Endpoint(), ReadThroughCache(cache, offline=True)).send(call)).value == "hi"


async def test_offline_a_miss_names_the_change_and_the_next_step(cache: ReplyCache, put: Put, ask: Ask) -> None:
    put(cache, "old prompt")
    message = await _miss(ReadThroughCache(cache, offline=True), ask("new prompt"))
    assert message.startswith("faq::a: not cached, and an offline run sends nothing (changed since 20")
    assert 'payload.messages[0].content: "old prompt" -> "new prompt"' in message
    assert "pytest-evalgate cache import FILE" in message


async def test_offline_a_miss_is_compared_with_cassettes_too(cache: ReplyCache, ask: Ask) -> None:
    cached = ReadThroughCache(cache, cassettes=_cassette(ask("taped prompt")), offline=True)
    assert '"taped prompt" -> "new prompt"' in await _miss(cached, ask("new prompt"))


async def test_offline_a_case_without_cached_calls_is_reported(cache: ReplyCache, put: Put, ask: Ask) -> None:
    put(cache)
    cached = ReadThroughCache(cache, offline=True)
    for other in (ask("x", label="faq::b"), ask("x", trial=1), replace(ask("x"), purpose="judge:tone")):
        assert "no call of this case is cached" in await _miss(cached, other)


async def test_offline_an_unreadable_cache_is_a_miss(folder: Path, signer: Signer, ask: Ask) -> None:
    with ReplyCache(folder, signer) as cache:
        cached = ReadThroughCache(cache, offline=True)
        cache.path.unlink()
        assert "no call of this case" in await _miss(cached, ask())


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


async def test_an_application_is_called_once_for_each_case_and_trial(cache: ReplyCache) -> None:
    app = _App(Output("30 days", {"source": "faq"}, latency_s=0.5))
    target = _target(app, cache)
    first, again = await target.answer(_CASE, 0), await target.answer(_CASE, 0)
    record = CallRecord("target", "app:answer", 1, None, None, 0.0, 0.5)
    assert first == Output("30 days", {"source": "faq"}, 0.5, call=record)
    assert again == replace(first, call=replace(record, attempts=0))
    await target.answer(_CASE, 1)
    assert app.calls == 2


@pytest.mark.parametrize(
    ("case", "version", "calls"),
    [
        (replace(_CASE, fingerprint="0" * 64), "1", 2),
        (replace(_CASE, id="refund-2"), "1", 2),
        (_CASE, "2", 2),
        (replace(_CASE, tags=("new",), metadata={"a": 1}), "1", 1),
    ],
    ids=["content", "id", "version", "tags and metadata"],
)
async def test_the_key_has_content_id_and_version(cache: ReplyCache, case: Case, version: str, calls: int) -> None:
    app = _App(Output("x"))
    await _target(app, cache).answer(_CASE, 0)
    await _target(app, cache, version=version).answer(case, 0)
    assert app.calls == calls


@pytest.mark.parametrize("error", [ValueError("broken"), CodeExit(SystemExit(3)), CallFailed("no answer")])
async def test_an_exception_of_the_application_is_raised_and_not_cached(cache: ReplyCache, error: Exception) -> None:
    app = _App(error)
    for calls in (1, 2):
        with pytest.raises(type(error)) as raised:
            await _target(app, cache).answer(_CASE, 0)
        assert raised.value is error
        assert app.calls == calls


async def test_an_incomplete_output_is_not_cached(cache: ReplyCache) -> None:
    app = _App(Output("half", finish="length"))
    for calls in (1, 2):
        assert (await _target(app, cache).answer(_CASE, 0)).finish == "length"
        assert app.calls == calls


@pytest.mark.parametrize(("value", "seen"), [((1, 2), [1, 2]), ({1: "a"}, {"1": "a"}), ({"a": None}, {"a": None})])
async def test_a_first_and_a_cached_output_are_equal(cache: ReplyCache, value: Any, seen: Any) -> None:
    target = _target(_App(Output(value)), cache)
    assert [(await target.answer(_CASE, 0)).value for _ in range(2)] == [seen, seen]


async def test_an_output_that_is_no_json_is_returned_and_not_cached(cache: ReplyCache) -> None:
    app = _App(Output({1, 2}))
    target = _target(app, cache)
    assert [(await target.answer(_CASE, 0)).value for _ in range(2)] == [{1, 2}, {1, 2}]
    assert app.calls == 2
    assert "faq::refund-1 cannot be cached" in (cache.problem or "")


async def test_a_latency_that_the_target_does_not_report_is_measured(cache: ReplyCache) -> None:
    output = await _target(_App(Output("x")), cache).answer(_CASE, 0)
    assert output.latency_s is not None
    assert output.latency_s >= 0


async def test_offline_the_application_is_not_called(cache: ReplyCache) -> None:
    app = _App(Output("x"))
    with pytest.raises(CallFailed, match="faq::refund-1: not cached"):
        await _target(app, cache, offline=True).answer(_CASE, 0)
    assert app.calls == 0


async def test_an_output_is_cached_for_the_next_run(cache: ReplyCache, signer: Signer) -> None:
    await _target(_App(Output("x")), cache).answer(_CASE, 0)
    cache.close()
    with ReplyCache(cache.path.parent, signer) as later:
        assert (await _target(_App(ValueError("called")), later).answer(_CASE, 0)).value == "x"
