"""HTTP clients: models without the SDK, and applications with any path and any JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pytest_evalgate.engine.clients.lazy import LazyResource
from pytest_evalgate.engine.clients.reply import PATHS, check_size, read_reply, request_url
from pytest_evalgate.engine.faults import FaultFactory
from pytest_evalgate.records.calls import Reply
from pytest_evalgate.records.traces import TRACE_HEADER
from pytest_evalgate.text.jsonl import loads_received
from pytest_evalgate.text.redaction import read_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.config import HttpRequest, Model
    from pytest_evalgate.engine.clients.transport import HttpTransport
    from pytest_evalgate.engine.faults import HttpResponse
    from pytest_evalgate.records.calls import Call
    from pytest_evalgate.text.redaction import Secret


class _TransportClient:
    """Base of the HTTP clients: opens and closes their transport. `RetryingClient` sets the timeouts."""

    def __init__(self, fault_factory: FaultFactory) -> None:
        self._fault_factory = fault_factory
        self._transport = LazyResource(self._create_transport, fault_factory)

    async def open(self) -> None:
        """Create the transport; raises like `Client.open`."""
        await self._transport.get()

    async def close(self) -> None:
        """Close the connections."""
        if transport := await self._transport.get_if_created():
            await transport.close()

    def _create_transport(self) -> HttpTransport:
        from pytest_evalgate.engine.clients.transport import HttpTransport  # noqa: PLC0415 - httpx, h11

        return HttpTransport(self._fault_factory)


class HttpClient(_TransportClient):
    """Client of a model: makes one attempt at a call."""

    def __init__(self, model: Model, key: Secret | None) -> None:
        """Send to ``model``, with ``key`` if there is one."""
        super().__init__(FaultFactory(model.base_url, model.model, (key,) if key else ()))
        self._base_url = model.base_url
        self._headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {key.value}"} if key else {}
        )

    async def send(self, call: Call) -> Reply:
        """Send ``call`` once; raises like `Client.send`."""
        transport = await self._transport.get()
        url, content = request_url(self._base_url, PATHS[call.kind]), _encode(call.payload)
        response = await transport.exchange("POST", url, self._headers | traced(call), content)
        return read_reply(call.kind, response, self._fault_factory, allow_empty=call.allow_empty, texts=call.texts)


class EndpointClient(_TransportClient):
    """Client of an application: makes one attempt at a call.

    The payload of a call is ``{"method", "url", "headers", "body"}``. Headers with keys are added here, so that no
    record contains them, and are sent to the configured origin only.
    """

    def __init__(self, request: HttpRequest, environ: Mapping[str, str], place: str) -> None:
        """Read the keys from ``environ``. ``place`` is the key of ``request``, such as ``suites.bot.target.http``.

        Raises:
            SettingsError: a variable named in ``headers_env`` is not set.
        """
        keys = {
            header.lower(): read_secret(name, environ, f"{place}.headers_env.{header}")
            for header, name in request.headers_env.items()
        }
        super().__init__(FaultFactory(request.url, secrets=tuple(keys.values())))
        self._keys = {header: key.value for header, key in keys.items()}
        self._origin = _origin(request.url)
        self._wants_json = request.output is not None

    async def send(self, call: Call) -> Reply:
        """Send ``call`` once; raises like `Client.send`.

        The value of the reply is JSON if the content type is JSON or an output field is configured, else text.
        """
        url: str = call.payload["url"]
        if _origin(url) != self._origin:
            raise self._fault_factory.fault("bad_request", f"{url} has another host than the configured URL")
        content = None if (body := call.payload["body"]) is None else _encode(body)
        defaults = {} if content is None else {"content-type": "application/json"}
        literal = {name.lower(): value for name, value in call.payload["headers"].items()}
        headers = defaults | literal | self._keys | traced(call)
        transport = await self._transport.get()
        response = await transport.exchange(call.payload["method"], url, headers, content)
        if not 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's class of successes
            raise self._fault_factory.classify(response)
        return Reply(self._value(response))

    def _value(self, response: HttpResponse) -> Any:
        try:
            check_size(response)
            if self._wants_json or "json" in response.headers.get("content-type", ""):
                return loads_received(response.body)
            return response.body.decode()
        except ValueError as error:
            raise self._fault_factory.fault("malformed", str(error), response) from None


def traced(call: Call) -> dict[str, str]:
    """Return the header with the trace context of ``call``, if it has one."""
    return {TRACE_HEADER: call.traceparent} if call.traceparent else {}


_ENCODER: Final = json.JSONEncoder(default=dict, separators=(",", ":"), ensure_ascii=False)


def _encode(value: object) -> bytes:
    return _ENCODER.encode(value).encode()


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()
