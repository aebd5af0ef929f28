"""Client of models through the official SDK, with the proxies, certificates and headers that its users know."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pytest_evalgate.engine.clients.http import traced
from pytest_evalgate.engine.clients.lazy import LazyResource
from pytest_evalgate.engine.clients.reply import PATHS, read_reply, request_url
from pytest_evalgate.engine.faults import FaultFactory, HttpResponse

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai._types import RequestOptions

    from pytest_evalgate.config import Model
    from pytest_evalgate.records.calls import Call, Reply
    from pytest_evalgate.text.redaction import Secret


class SdkClient:
    """Client of a model: makes one attempt at a call with `openai.AsyncOpenAI`.

    `RetryingClient` sets the timeouts: those of the SDK apply to each read, so a reply that trickles outlasts them.
    """

    def __init__(self, model: Model, key: Secret | None) -> None:
        """Send to ``model``; without a ``key`` none is sent, even if the environment contains one."""
        self._fault_factory = FaultFactory(model.base_url, model.model, (key,) if key else ())
        self._base_url = model.base_url
        self._has_key = key is not None
        self._sdk = LazyResource(lambda: _create_sdk(model, key), self._fault_factory)

    async def open(self) -> None:
        """Import the SDK and create its client; raises like `Client.open`."""
        await self._sdk.get()

    async def send(self, call: Call) -> Reply:
        """Send ``call`` once; raises like `Client.send`."""
        return read_reply(
            call.kind, await self._post(call), self._fault_factory, allow_empty=call.allow_empty, texts=call.texts
        )

    async def close(self) -> None:
        """Close the connections."""
        if sdk := await self._sdk.get_if_created():
            await sdk.close()

    async def _post(self, call: Call) -> HttpResponse:
        sdk = await self._sdk.get()
        import openai  # noqa: PLC0415 - already imported by now

        headers = traced(call)
        options: RequestOptions = (
            {"headers": headers} if self._has_key else {"headers": {"Authorization": openai.omit, **headers}}
        )
        url = request_url(self._base_url, PATHS[call.kind])  # the SDK would append the path after a query
        try:
            # not chat.completions.create: building its typed reply takes longer than the rest of the call
            body = await sdk.post(url, body=dict(call.payload), cast_to=bytes, options=options)
        except openai.APIStatusError as error:
            return HttpResponse(error.status_code, error.response.headers, error.response.content, url)
        except openai.APITimeoutError as error:
            raise self._fault_factory.fault("timeout", _cause(error)) from error
        except openai.APIConnectionError as error:
            raise self._fault_factory.fault("connection", _cause(error)) from error
        except openai.OpenAIError as error:
            raise self._fault_factory.fault("malformed", str(error)) from error
        return HttpResponse(200, {}, self._fault_factory.redact_body(body))


def _create_sdk(model: Model, key: Secret | None) -> AsyncOpenAI:
    import openai  # noqa: PLC0415 - 0.4 s

    most = model.max_concurrency
    limits = type(openai.DEFAULT_CONNECTION_LIMITS)(max_connections=most, max_keepalive_connections=most)
    return openai.AsyncOpenAI(
        api_key=key.value if key else "none",  # None would make it read OPENAI_API_KEY
        base_url=model.base_url,
        max_retries=0,  # `RetryingClient` retries
        timeout=None,
        http_client=openai.DefaultAsyncHttpxClient(
            limits=limits, follow_redirects=False, transport=_transport(model.base_url, type(limits))
        ),
    )


def _transport(base_url: str, limits: type) -> Any:
    """Return our transport; None, for that of the SDK, if there is a proxy."""
    from pytest_evalgate.engine.clients.connections import SdkTransport, proxy_of  # noqa: PLC0415 - asyncio and h11

    if proxy_of(base_url) is not None:
        return None
    # the SDK uses httpx, from version 3 on httpx2: take the one that its own class comes from
    library = importlib.import_module(limits.__module__.partition(".")[0])
    return SdkTransport(library, library.create_ssl_context() if base_url.lower().startswith("https:") else None)


def _cause(error: Exception) -> str:
    """Return the error of the HTTP library, since the SDK's own message has no details."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"
