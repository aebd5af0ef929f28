from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.engine.cache import ReplyCache, Signer
from pytest_evalgate.records.calls import Call, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def ask() -> Callable[..., Call]:
    def ask(text: str = "hello", **fields: Any) -> Call:
        values: dict[str, Any] = {
            "kind": "chat",
            "endpoint": "http://127.0.0.1/v1",
            "model": "m",
            "payload": {"messages": [{"role": "user", "content": text}]},
            "label": "faq::a",
        }
        return Call(**values | fields)

    return ask


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def signer() -> Signer:
    return Signer(b"a key of thirty-two random bytes")


@pytest.fixture
def cache(folder: Path, signer: Signer) -> Iterator[ReplyCache]:
    with ReplyCache(folder, signer, run="r1") as cache:
        assert cache.problem is None
        yield cache


@pytest.fixture
def put(ask: Callable[..., Call]) -> Callable[..., Call]:
    """Put the reply to a question into a cache; return the call."""

    def put(cache: ReplyCache, text: str = "hello", value: Any = "hi", **fields: Any) -> Call:
        call = ask(text, **fields)
        with ThreadPoolExecutor(1) as thread:  # the test may run an event loop already
            reply = Reply(value, tokens_in=3, tokens_out=2, latency_s=0.5)
            thread.submit(asyncio.run, cache.put(call, reply)).result()
        return call

    return put
