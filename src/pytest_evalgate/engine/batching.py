"""Batches of texts: calls for embeddings and moderations that wait at the same time are sent as one request.

Each call has one text, so that each text has its own entry in the cache, for any texts beside it. While two requests
are in flight, further texts wait, and go out together when one of them returns.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.engine.cache.entries import as_cached
from pytest_evalgate.engine.faults import CallFault
from pytest_evalgate.records.calls import CallFailed, RunStopped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Call, Reply

_MOST_TEXTS: Final = 64
_MOST_CHARACTERS: Final = 200_000  # the API of OpenAI takes 300,000 tokens a request
_MOST_REQUESTS: Final = 2

_Waiting = tuple["Call", "asyncio.Future[Reply]"]


class BatchingClient:
    """Client that sends the texts of waiting calls together. Used on one event loop, by the calls of one route.

    The first call of a batch has the attempts, the tokens and the cost of the request. The others are like cached
    ones, as those of calls that wait for the same reply are.

    If a batch is refused, its texts are sent alone, so that only the text that is too long fails. If they all succeed,
    the endpoint accepts no list: from then on, each text is a request.
    """

    def __init__(self, inner: ModelClient) -> None:
        """Send through ``inner``, which limits, retries and meters the requests."""
        self._inner = inner
        self._waiting: list[_Waiting] = []
        self._requests: set[asyncio.Task[None]] = set()
        self._most_texts = _MOST_TEXTS
        self._is_scheduled = False

    async def send(self, call: Call) -> Reply:
        """Return the reply to ``call``, a list of one value; raises like ``inner``."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        self._waiting.append((call, future))
        if not self._is_scheduled:  # after this pass of the loop: calls that start together are sent together
            self._is_scheduled = True
            loop.call_soon(self._start)
        return await future

    def _start(self) -> None:
        self._is_scheduled = False
        while self._waiting and (len(self._requests) < _MOST_REQUESTS or self._most_texts == 1):
            batch = self._take()
            if batch:
                task = asyncio.get_running_loop().create_task(self._send_batch(batch))
                self._requests.add(task)
                task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        self._start()

    def _take(self) -> list[_Waiting]:
        """Remove the texts of the next request from the queue; those of cancelled calls are dropped."""
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < self._most_texts:
            call, future = self._waiting[0]
            size += len(call.payload["input"])
            if batch and (size > _MOST_CHARACTERS or not _is_alike(call, batch[0][0])):
                break
            self._waiting.pop(0)
            if not future.done():
                batch.append((call, future))
        return batch

    async def _send_batch(self, batch: Sequence[_Waiting]) -> None:
        try:
            if len(batch) == 1:
                await self._send_alone(*batch[0])
            else:
                await self._send_together(batch)
        finally:
            for _, future in batch:  # the engine was stopped
                future.cancel()

    async def _send_together(self, batch: Sequence[_Waiting]) -> None:
        first = batch[0][0]
        texts = [call.payload["input"] for call, _ in batch]
        attempts = 0
        try:
            reply = await self._inner.send(replace(first, payload={**first.payload, "input": texts}))
        except CallFailed as failed:
            if isinstance(failed, RunStopped) or not (failed.is_final or _is_malformed(failed)):
                _fail(batch, failed)
                return
            attempts = 0 if failed.record is None else failed.record.attempts
        except Exception as error:  # noqa: BLE001 - each of the waiting calls has to end
            _fail(batch, error)
            return
        else:
            if reply.finish == "complete":
                _split(batch, reply)
                return
            attempts = reply.attempts
        await asyncio.gather(
            *(self._send_alone(*one, attempts=attempts if at == 0 else 0) for at, one in enumerate(batch))
        )
        if all(_has_succeeded(future) for _, future in batch):
            self._most_texts = 1

    async def _send_alone(self, call: Call, future: asyncio.Future[Reply], *, attempts: int = 0) -> None:
        """Send one text. ``attempts`` of the batch before are counted as its own."""
        try:
            reply = await self._inner.send(call)
        except Exception as error:  # noqa: BLE001 - the waiting call raises it
            _fail([(call, future)], error)
            return
        if not future.done():
            future.set_result(replace(reply, attempts=reply.attempts + attempts))


def _is_alike(call: Call, other: Call) -> bool:
    """Return whether two calls differ in nothing but their text."""
    rest = [{name: value for name, value in one.payload.items() if name != "input"} for one in (call, other)]
    return (call.kind, call.purpose, rest[0]) == (other.kind, other.purpose, rest[1])


def _is_malformed(failed: CallFailed) -> bool:
    """Return whether the reply to a batch had another shape: some servers reply to the first text only."""
    return isinstance(failed.__cause__, CallFault) and failed.__cause__.kind == "malformed"


def _has_succeeded(future: asyncio.Future[Reply]) -> bool:
    return (
        future.done()
        and not future.cancelled()
        and future.exception() is None
        and future.result().finish == "complete"
    )


def _split(batch: Sequence[_Waiting], reply: Reply) -> None:
    for at, ((_, future), value) in enumerate(zip(batch, reply.value, strict=True)):
        if not future.done():
            own = replace(reply, value=[value])
            future.set_result(own if at == 0 else as_cached(replace(own, tokens_in=None, tokens_out=None)))


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    """Let each call of a batch fail; the first one has the record of the request."""
    for at, (_, future) in enumerate(batch):
        if future.done():
            continue
        if at and isinstance(error, CallFailed):
            future.set_exception(type(error)(str(error), is_final=error.is_final))
        else:
            future.set_exception(error)
