"""Batches of texts: what is sent together, what is not, and what each call gets of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.batching import BatchingClient
from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.records.calls import Call, CallFailed, CallRecord, Reply, RunStopped

if TYPE_CHECKING:
    from collections.abc import Callable


def _call(text: str, **params: Any) -> Call:
    return Call("embeddings", "http://there", "emb", {"model": "emb", "input": text, **params}, route="emb")


def _texts(call: Call) -> list[str]:
    given = call.payload["input"]
    return list(given) if isinstance(given, list) else [given]


@dataclass
class _Endpoint:
    """Replies with the length of each text; ``refuses`` says which requests it refuses."""

    refuses: Callable[[list[str]], Exception | Reply | None] = lambda _: None
    slow_s: float = 1.0
    sent: list[list[str]] = field(default_factory=list)
    in_flight: int = 0
    most: int = 0

    async def send(self, call: Call) -> Reply:
        texts = _texts(call)
        self.sent.append(texts)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        await asyncio.sleep(self.slow_s)
        self.in_flight -= 1
        found = self.refuses(texts)
        if isinstance(found, Exception):
            raise found
        tokens = sum(map(len, texts))
        values = [[float(len(text))] for text in texts]
        return found or Reply(values, tokens_in=tokens, tokens_out=0, cost_usd=tokens / 10)


async def _ask(endpoint: _Endpoint, *texts: str, client: BatchingClient | None = None) -> list[Any]:
    client = client or BatchingClient(endpoint)
    return await asyncio.gather(*(client.send(_call(text)) for text in texts), return_exceptions=True)


async def test_calls_that_wait_at_the_same_time_are_one_request() -> None:
    endpoint = _Endpoint()
    replies = await _ask(endpoint, "a", "bb", "ccc")
    assert endpoint.sent == [["a", "bb", "ccc"]]
    assert [reply.value for reply in replies] == [[[1.0]], [[2.0]], [[3.0]]]
    paid = [(reply.attempts, reply.tokens_in, reply.cost_usd) for reply in replies]
    assert paid == [(1, 6, 0.6), (0, None, 0.0), (0, None, 0.0)]


async def test_texts_wait_while_two_requests_are_in_flight() -> None:
    endpoint = _Endpoint()
    client = BatchingClient(endpoint)

    async def later(text: str, after_s: float) -> Reply:
        await asyncio.sleep(after_s)
        return await client.send(_call(text))

    await asyncio.gather(later("a", 0), later("b", 0.1), *(later(f"c{at}", 0.2 + at / 100) for at in range(5)))
    assert endpoint.sent == [["a"], ["b"], ["c0", "c1", "c2", "c3", "c4"]]
    assert endpoint.most == 2


async def test_a_request_has_at_most_64_texts_and_200_000_characters() -> None:
    endpoint = _Endpoint()
    await _ask(endpoint, *map(str, range(130)))
    assert [len(texts) for texts in endpoint.sent] == [64, 64, 2]
    endpoint = _Endpoint()
    await _ask(endpoint, "x" * 150_000, "y" * 60_000, "z" * 300_000)
    assert [len(texts) for texts in endpoint.sent] == [1, 1, 1]


async def test_calls_with_other_parameters_are_sent_apart() -> None:
    endpoint = _Endpoint()
    client = BatchingClient(endpoint)
    await asyncio.gather(client.send(_call("a")), client.send(_call("b", dimensions=2)), client.send(_call("c")))
    assert endpoint.sent == [["a"], ["b"], ["c"]]


async def test_a_text_that_is_refused_fails_alone() -> None:
    refused = CallFailed("too long", CallRecord("scorer:similar", "emb", 1), is_final=True)
    endpoint = _Endpoint(lambda texts: refused if "long" in texts else None)
    client = BatchingClient(endpoint)
    one, long, other = await _ask(endpoint, "a", "long", "b", client=client)
    assert endpoint.sent == [["a", "long", "b"], ["a"], ["long"], ["b"]]
    assert (one.value, other.value) == ([[1.0]], [[1.0]])
    assert isinstance(long, CallFailed)
    assert one.attempts == 2  # the batch is counted
    await _ask(endpoint, "c", "d", client=client)
    assert endpoint.sent[-1] == ["c", "d"]  # lists are still accepted


@pytest.mark.parametrize("kind", ["bad_request", "malformed"])
async def test_an_endpoint_that_takes_no_list_gets_single_texts_from_then_on(kind: Any) -> None:
    def refuse(texts: list[str]) -> Exception | None:
        if len(texts) == 1:
            return None
        failed = CallFailed("no lists", is_final=kind == "bad_request")
        failed.__cause__ = CallFault(kind, "no lists")
        return failed

    endpoint = _Endpoint(refuse)
    client = BatchingClient(endpoint)
    replies = await _ask(endpoint, "a", "b", client=client) + await _ask(endpoint, "c", "d", "e", client=client)
    assert [reply.value for reply in replies] == [[[1.0]]] * 5
    assert endpoint.sent == [["a", "b"], ["a"], ["b"], ["c"], ["d"], ["e"]]


async def test_a_batch_that_is_too_long_for_the_model_is_sent_one_by_one() -> None:
    endpoint = _Endpoint(lambda texts: Reply("too long", "context_length") if "long" in texts else None)
    one, long = await _ask(endpoint, "a", "long")
    assert (one.value, long.finish) == ([[1.0]], "context_length")


@pytest.mark.parametrize(
    "error", [CallFailed("busy", CallRecord("p", "emb", 5), is_final=False), RunStopped("the budget is spent")]
)
async def test_a_transient_failure_is_that_of_every_call(error: CallFailed) -> None:
    endpoint = _Endpoint(lambda _: error)
    failures = await _ask(endpoint, "a", "b", "c")
    assert endpoint.sent == [["a", "b", "c"]]
    assert [type(failure) for failure in failures] == [type(error)] * 3
    assert [failure.record for failure in failures] == [error.record, None, None]  # paid once


async def test_a_cancelled_call_is_not_sent() -> None:
    endpoint = _Endpoint()
    client = BatchingClient(endpoint)
    first, second = (asyncio.ensure_future(client.send(_call(text))) for text in "ab")
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).value == [[1.0]]
    assert endpoint.sent == [["b"]]
