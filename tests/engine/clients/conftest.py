"""Client tests: a chain of clients against a scripted server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.server import ScriptedServer

from pytest_evalgate.config import Model
from pytest_evalgate.engine.clients import model_client
from pytest_evalgate.engine.limiter import Limiter, LimiterSnapshot, Limits
from pytest_evalgate.engine.retry import RetryingClient, RetryPolicy
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.records.calls import CallKind, Reply

KEY = "sk-canary-0123456789"


@dataclass
class Caller:
    """Calls a model at ``base_url`` through all layers below the budget."""

    base_url: str
    client: str
    stop_signal: StopSignal = field(default_factory=StopSignal)
    snapshot: LimiterSnapshot | None = None

    def ask(self, *questions: str, kind: CallKind = "chat", timeout_s: float = 60.0, **settings: Any) -> list[Any]:
        """Send all questions at the same time; return the replies, or the errors in their place."""
        return asyncio.run(self._ask(questions, kind, timeout_s, settings))

    def ask_once(self, **settings: Any) -> Reply:
        """Send one question; return its reply or raise its error."""
        (reply,) = self.ask("hi", **settings)
        if isinstance(reply, BaseException):
            raise reply
        return reply  # type: ignore[no-any-return]

    async def _ask(
        self, questions: tuple[str, ...], kind: CallKind, timeout_s: float, settings: dict[str, Any]
    ) -> list[Any]:
        table = {"model": "m", "base_url": self.base_url, "client": self.client, "api_key_env": "MY_KEY"} | settings
        model = Model(**table)
        raw = model_client("candidate", model, {"MY_KEY": KEY})
        limiter = Limiter(Limits(model.max_concurrency, model.requests_per_minute), self.stop_signal)
        retry_policy = RetryPolicy(timeout_s, first_pause_s=0.01)
        client = RetryingClient(raw, limiter, self.stop_signal, self.base_url, retry_policy)
        calls = [client.send(_call(kind, self.base_url, question)) for question in questions]
        try:
            return await asyncio.gather(*calls, return_exceptions=True)
        finally:
            await raw.close()
            self.snapshot = limiter.snapshot


def _call(kind: CallKind, base_url: str, question: str) -> Call:
    messages = [{"role": "user", "content": question}]
    return Call(
        kind, base_url, "m", {"model": "m", "messages" if kind == "chat" else "input": messages}, label=question
    )


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(params=["openai", "http"])
def caller(request: pytest.FixtureRequest, server: ScriptedServer) -> Caller:
    """Return a caller for each of the two clients."""
    return Caller(server.base_url, request.param)
