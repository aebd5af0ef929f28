"""Applications behind HTTP: any path, any JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_evalgate.engine.clients.lazy import lazy_transport
from pytest_evalgate.engine.clients.reply import PATHS, check_size, read_reply
from pytest_evalgate.engine.faults import FaultFactory
from pytest_evalgate.records.calls import Reply
from pytest_evalgate.text.jsonl import loads
from pytest_evalgate.text.redaction import read_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.config import HttpRequest, Model
    from pytest_evalgate.engine.faults import HttpResponse
    from pytest_evalgate.records.calls import Call
    from pytest_evalgate.text.redaction import Secret


class HttpClient:
    """Makes one attempt at a call, with libraries that are loaded for the first one; whoever sends bounds the time."""

    def __init__(self, model: Model, key: Secret | None) -> None:
        """Send to ``model``, with ``key`` where there is one."""
        self._fault_factory = FaultFactory(model.base_url, model.model, (key,) if key else ())
        self._base_url = model.base_url.rstrip("/")
        self._headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {key.value}"} if key else {}
        )
        self._transport = lazy_transport(self._fault_factory)

    async def open(self) -> None:
        """Load what the first call would otherwise wait for.

        Raises:
            CallFault: no connection can be made.

        """
        await self._transport.get()

    async def send(self, call: Call) -> Reply:
        """Send ``call`` once.

        Raises:
            CallFault: there is no answer.

        """
        transport = await self._transport.get()
        content = encode(call.payload)
        response = await transport.exchange("POST", self._base_url + PATHS[call.kind], self._headers, content)
        return read_reply(call.kind, response, self._fault_factory)

    async def close(self) -> None:
        """Close the connections."""
        if transport := await self._transport.get_if_created():
            await transport.close()


def encode(value: object) -> bytes:
    """Write the body of a request; any Mapping is an object."""
    return json.dumps(value, default=dict, separators=(",", ":"), ensure_ascii=False).encode()


class EndpointClient:
    """Makes one attempt at a call of an application; whoever sends bounds the time.

    The payload of a call is ``{"method", "url", "headers", "body"}``. Headers that hold keys are added here, so that
    they stand in no record, and go to the configured host only.
    """

    def __init__(self, request: HttpRequest, environ: Mapping[str, str], place: str) -> None:
        """Read the keys.

        Args:
            request: As configured.
            environ: Where its ``headers_env`` are found.
            place: Where it is configured, such as ``suites.bot.target.http``.

        Raises:
            SettingsError: a variable is not set.

        """
        keys = {
            header.lower(): read_secret(name, environ, f"{place}.headers_env.{header}")
            for header, name in request.headers_env.items()
        }
        self._keys = {header: key.value for header, key in keys.items()}
        self._fault_factory = FaultFactory(request.url, secrets=tuple(keys.values()))
        self._origin = _origin(request.url)
        self._wants_json = request.output is not None
        self._transport = lazy_transport(self._fault_factory)

    async def open(self) -> None:
        """Load what the first call would otherwise wait for.

        Raises:
            CallFault: no connection can be made.

        """
        await self._transport.get()

    async def send(self, call: Call) -> Reply:
        """Send ``call`` once; the reply's value is JSON where the application says so or has to, else text.

        Raises:
            CallFault: there is no answer.

        """
        url: str = call.payload["url"]
        if _origin(url) != self._origin:
            raise self._fault_factory.fault(
                "bad_request", f"{url} leads to another host than the one that is configured"
            )
        body = call.payload["body"]
        content = None if body is None else encode(body)
        transport = await self._transport.get()
        response = await transport.exchange(call.payload["method"], url, self._headers(call, content), content)
        if not 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's class of successes
            raise self._fault_factory.classify(response)
        return Reply(self._value(response))

    async def close(self) -> None:
        """Close the connections."""
        if transport := await self._transport.get_if_created():
            await transport.close()

    def _headers(self, call: Call, content: bytes | None) -> dict[str, str]:
        literal = {name.lower(): value for name, value in call.payload["headers"].items()}
        usual = {} if content is None else {"content-type": "application/json"}
        return usual | literal | self._keys

    def _value(self, response: HttpResponse) -> Any:
        try:
            check_size(response)
            if self._wants_json or "json" in response.headers.get("content-type", ""):
                return loads(response.body)
            return response.body.decode()
        except ValueError as error:
            raise self._fault_factory.fault("malformed", str(error), response) from None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()
