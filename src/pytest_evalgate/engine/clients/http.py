"""Models over plain HTTP: the lean way to any endpoint that speaks as OpenAI's does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_evalgate.engine.clients.opening import connections_of
from pytest_evalgate.engine.clients.shape import PATHS, read_reply
from pytest_evalgate.engine.faults import Sender

if TYPE_CHECKING:
    from pytest_evalgate.calls import Call, Reply
    from pytest_evalgate.engine.secrets import Secret
    from pytest_evalgate.settings import Model


class HttpClient:
    """Makes one attempt at a call, with libraries that are loaded for the first one; whoever sends bounds the time."""

    def __init__(self, model: Model, key: Secret | None) -> None:
        """Send to ``model``, with ``key`` where there is one."""
        self._sender = Sender(model.base_url, model.model, (key,) if key else ())
        self._base_url = model.base_url.rstrip("/")
        self._headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {key.value}"} if key else {}
        )
        self._connections = connections_of(self._sender)

    async def open(self) -> None:
        """Load what the first call would otherwise wait for.

        Raises:
            CallFault: no connection can be made.

        """
        await self._connections.get()

    async def send(self, call: Call) -> Reply:
        """Send ``call`` once.

        Raises:
            CallFault: there is no answer.

        """
        connections = await self._connections.get()
        content = encode(call.payload)
        answer = await connections.exchange("POST", self._base_url + PATHS[call.kind], self._headers, content)
        return read_reply(call.kind, answer, self._sender)

    async def close(self) -> None:
        """Close the connections."""
        if connections := await self._connections.get_if_made():
            await connections.close()


def encode(value: object) -> bytes:
    """Write the body of a request; any Mapping is an object."""
    return json.dumps(value, default=dict, separators=(",", ":"), ensure_ascii=False).encode()
