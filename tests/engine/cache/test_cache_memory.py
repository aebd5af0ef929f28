from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.cache import CachedClient, ReadThroughCache, ReplyCache, key_of
from pytest_evalgate.engine.cache import cached as memory_module
from pytest_evalgate.engine.cache.entries import Entry
from pytest_evalgate.records.calls import CallFailed, CallRecord, Reply, RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_evalgate.engine.cache import Signer
    from pytest_evalgate.records.calls import Call

    Ask = Callable[..., Call]
    Put = Callable[..., Call]


@dataclass
class _Endpoint:
    """Answers when it is let, and counts; a list of answers is given out in turn, and an error is raised."""

    answers: list[Any] = field(default_factory=lambda: [Reply("paid", cost_usd=0.5)])
    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0

    async def send(self, call: Call) -> Reply:  # noqa: ARG002 - the seam's signature
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        await self.open.wait()
        if isinstance(answer, BaseException):
            raise answer
        assert isinstance(answer, Reply)
        return answer


async def _settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_is_asked_twice_is_sent_once(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint()
    endpoint.open.set()
    client = CachedClient(endpoint, ReadThroughCache(cache))

    async def twice() -> list[Reply]:
        return [await client.send(ask()), await client.send(ask())]

    paid, again = asyncio.run(twice())
    assert endpoint.asked == 1
    assert (paid.attempts, paid.cost_usd) == (1, 0.5)
    assert (again.value, again.attempts, again.cost_usd) == ("paid", 0, 0.0)


def test_what_an_estimate_has_found_is_not_looked_up_again(cache: ReplyCache, put: Put, ask: Ask) -> None:
    put(cache, value="kept")
    memory = ReadThroughCache(cache)
    assert memory.lookup(ask()) is not None
    cache.close()
    assert asyncio.run(CachedClient(_Endpoint(), memory).send(ask())).value == "kept"


def test_what_an_estimate_has_missed_may_be_there_by_now(cache: ReplyCache, put: Put, ask: Ask) -> None:
    memory, endpoint = ReadThroughCache(cache, shared=True), _Endpoint()
    assert memory.lookup(ask()) is None
    put(cache, value="of another process")
    assert asyncio.run(CachedClient(endpoint, memory).send(ask())).value == "of another process"
    assert endpoint.asked == 0


def test_an_estimate_of_many_calls_keeps_some(
    cache: ReplyCache, put: Put, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_module, "_MAX_PREFETCHED", 0)
    put(cache, value="kept")
    memory = ReadThroughCache(cache)
    assert memory.lookup(ask()) is not None
    assert asyncio.run(CachedClient(_Endpoint(), memory).send(ask())).value == "kept"


def test_each_trial_is_asked_by_itself(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint()
    endpoint.open.set()
    client = CachedClient(endpoint, ReadThroughCache(cache))

    async def two_trials() -> None:
        await asyncio.gather(client.send(ask()), client.send(ask(trial=1)))

    asyncio.run(two_trials())
    assert endpoint.asked == 2


def test_who_asks_meanwhile_waits_for_the_answer_and_pays_nothing(cache: ReplyCache, ask: Ask) -> None:
    async def five() -> tuple[int, list[Reply]]:
        endpoint = _Endpoint()
        client = CachedClient(endpoint, ReadThroughCache(cache))
        waiting = [asyncio.ensure_future(client.send(ask())) for _ in range(5)]
        await _settled()
        endpoint.open.set()
        return endpoint.asked, await asyncio.gather(*waiting)

    asked, replies = asyncio.run(five())
    assert asked == 1
    assert sorted(reply.attempts for reply in replies) == [0, 0, 0, 0, 1]
    assert sum(reply.cost_usd or 0 for reply in replies) == 0.5


def test_the_first_of_them_may_be_cancelled_and_the_others_are_answered(cache: ReplyCache, ask: Ask) -> None:
    async def cancelled() -> list[Any]:
        endpoint = _Endpoint()
        client = CachedClient(endpoint, ReadThroughCache(cache))
        waiting = [asyncio.ensure_future(client.send(ask())) for _ in range(3)]
        await _settled()
        waiting[0].cancel()
        await _settled()
        endpoint.open.set()
        return [*await asyncio.gather(*waiting, return_exceptions=True), endpoint.asked]

    first, second, third, asked = asyncio.run(cancelled())
    assert isinstance(first, asyncio.CancelledError)
    assert {second.attempts, third.attempts} == {0, 1}
    assert asked == 1


def test_when_all_of_them_are_cancelled_so_is_the_call_and_the_next_one_asks_anew(cache: ReplyCache, ask: Ask) -> None:
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
        return await client.send(ask()), endpoint.asked

    reply, asked = asyncio.run(cancelled())
    assert reply.attempts == 1
    assert asked == 2


@pytest.mark.parametrize("kind", [CallFailed, RunStopped])
def test_a_failure_is_told_to_all_and_on_one_account_only(cache: ReplyCache, ask: Ask, kind: type[CallFailed]) -> None:
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


def test_a_failure_is_not_remembered(cache: ReplyCache, ask: Ask) -> None:
    endpoint = _Endpoint([CallFailed("gone"), Reply("there")])
    endpoint.open.set()
    client = CachedClient(endpoint, ReadThroughCache(cache))

    async def again() -> Reply:
        with pytest.raises(CallFailed, match="gone"):
            await client.send(ask())
        return await client.send(ask())

    assert asyncio.run(again()).value == "there"


@pytest.mark.parametrize("finish", ["length", "content_filter", "refusal"])
def test_an_answer_that_is_not_complete_is_returned_and_not_remembered(
    cache: ReplyCache, ask: Ask, finish: Any
) -> None:
    endpoint = _Endpoint([Reply("half", finish)])
    endpoint.open.set()
    memory = ReadThroughCache(cache)
    reply = asyncio.run(CachedClient(endpoint, memory).send(ask()))
    assert reply.finish == finish
    assert memory.lookup(ask()) is None


def test_the_answer_is_committed_before_it_is_returned(
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
    """Leases of which another process holds one until it has been asked for ``often`` times."""

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
    monkeypatch.setattr(memory_module, "_FIRST_POLL_S", 0.001)
    monkeypatch.setattr(memory_module, "_LONGEST_POLL_S", 0.002)


def _with_leases(cache: ReplyCache, leases: _Leases, monkeypatch: pytest.MonkeyPatch) -> ReadThroughCache:
    monkeypatch.setattr(type(cache), "leases", property(lambda _: leases))
    return ReadThroughCache(cache, shared=True)


@pytest.mark.usefixtures("quick")
def test_who_waits_for_another_process_takes_its_answer(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Entry(ask(), Reply("theirs"), "2026-01-01T00:00:00Z", "r0")
    leases = _Leases(3, lambda: cache.add([theirs]))
    endpoint = _Endpoint()
    reply = asyncio.run(CachedClient(endpoint, _with_leases(cache, leases, monkeypatch)).send(ask()))
    assert (reply.value, reply.attempts, endpoint.asked) == ("theirs", 0, 0)
    assert leases.held == []


@pytest.mark.usefixtures("quick")
def test_where_the_other_process_fails_the_waiting_one_asks(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases = _Leases(3)
    endpoint = _Endpoint()
    endpoint.open.set()
    reply = asyncio.run(CachedClient(endpoint, _with_leases(cache, leases, monkeypatch)).send(ask()))
    assert (reply.value, reply.attempts) == ("paid", 1)
    assert leases.held == []


@pytest.mark.usefixtures("quick")
def test_a_process_that_is_halted_is_not_waited_for_for_ever(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_module, "_LEASE_TIMEOUT_S", 0.01)
    endpoint = _Endpoint()
    endpoint.open.set()
    client = CachedClient(endpoint, _with_leases(cache, _Leases(10**9), monkeypatch))
    assert asyncio.run(client.send(ask())).value == "paid"


def test_a_failure_gives_the_lease_back(cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    leases = _Leases(0)
    endpoint = _Endpoint([CallFailed("gone")])
    endpoint.open.set()
    with pytest.raises(CallFailed, match="gone"):
        asyncio.run(CachedClient(endpoint, _with_leases(cache, leases, monkeypatch)).send(ask()))
    assert leases.held == []


def test_a_memory_that_is_not_shared_takes_no_lease_and_looks_once(
    cache: ReplyCache, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(type(cache), "find", lambda _, key: looked.append(key))
    monkeypatch.delattr(type(cache), "leases")
    endpoint = _Endpoint()
    endpoint.open.set()
    assert asyncio.run(CachedClient(endpoint, ReadThroughCache(cache)).send(ask())).value == "paid"
    assert looked == [key_of(ask())]


def test_without_a_cache_calls_are_made_all_the_same(tmp_path: Path, signer: Signer, ask: Ask) -> None:
    (tmp_path / "file").touch()
    endpoint = _Endpoint()
    endpoint.open.set()
    with ReplyCache(tmp_path / "file", signer) as cache:
        assert asyncio.run(CachedClient(endpoint, ReadThroughCache(cache)).send(ask())).value == "paid"


# --- cassettes and offline ------------------------------------------------------------------------------------------


def _cassette(call: Call, value: str = "taped") -> dict[str, Entry]:
    return {key_of(call): Entry(call, Reply(value, attempts=1, cost_usd=1.0), "2026-01-01T00:00:00Z", "r0")}


def test_a_cassette_is_asked_after_the_cache(cache: ReplyCache, put: Put, ask: Ask) -> None:
    memory = ReadThroughCache(cache, cassettes=_cassette(ask()))
    taped = memory.lookup(ask())
    assert taped is not None
    assert (taped.value, taped.attempts, taped.cost_usd) == ("taped", 0, 0.0)
    put(cache, value="newer")
    found = memory.lookup(ask())
    assert found is not None
    assert found.value == "newer"


def _missing(memory: ReadThroughCache, call: Call) -> str:
    endpoint = _Endpoint()
    with pytest.raises(CallFailed) as failed:
        asyncio.run(CachedClient(endpoint, memory).send(call))
    assert endpoint.asked == 0
    assert failed.value.record is None
    return str(failed.value)


def test_offline_what_is_remembered_is_answered(cache: ReplyCache, put: Put) -> None:
    call = put(cache)
    assert asyncio.run(CachedClient(_Endpoint(), ReadThroughCache(cache, offline=True)).send(call)).value == "hi"


def test_offline_a_miss_names_what_has_changed_and_the_next_step(cache: ReplyCache, put: Put, ask: Ask) -> None:
    put(cache, "old prompt")
    said = _missing(ReadThroughCache(cache, offline=True), ask("new prompt"))
    assert said.startswith("faq::a: not cached, and an offline run sends nothing (changed since 20")
    assert 'payload.messages[0].content: "old prompt" -> "new prompt"' in said
    assert "pytest-evalgate cache import FILE" in said


def test_offline_a_miss_is_held_against_the_newest_call_of_cache_and_cassettes(cache: ReplyCache, ask: Ask) -> None:
    memory = ReadThroughCache(cache, cassettes=_cassette(ask("taped prompt")), offline=True)
    assert '"taped prompt" -> "new prompt"' in _missing(memory, ask("new prompt"))


def test_offline_a_case_that_was_never_asked_says_so(cache: ReplyCache, put: Put, ask: Ask) -> None:
    put(cache)
    memory = ReadThroughCache(cache, offline=True)
    for other in (ask("x", label="faq::b"), ask("x", trial=1), replace(ask("x"), purpose="judge:tone")):
        assert "no call of this case is cached" in _missing(memory, other)


def test_offline_a_torn_cache_is_a_miss(folder: Path, signer: Signer, ask: Ask) -> None:
    with ReplyCache(folder, signer) as cache:
        memory = ReadThroughCache(cache, offline=True)
        cache.path.unlink()
        assert "no call of this case" in _missing(memory, ask())
