"""Applications behind HTTP: any path, any JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_evalgate.calls import Reply
from pytest_evalgate.engine.clients.http import encode
from pytest_evalgate.engine.clients.opening import connections_of
from pytest_evalgate.engine.clients.shape import check_size
from pytest_evalgate.engine.faults import Sender
from pytest_evalgate.engine.secrets import read_secret
from pytest_evalgate.jsonl import loads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.calls import Call
    from pytest_evalgate.engine.faults import Answer
    from pytest_evalgate.settings import HttpRequest


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
        self._sender = Sender(request.url, secrets=tuple(keys.values()))
        self._origin = _origin(request.url)
        self._wants_json = request.output is not None
        self._connections = connections_of(self._sender)

    async def open(self) -> None:
        """Load what the first call would otherwise wait for.

        Raises:
            CallFault: no connection can be made.

        """
        await self._connections.get()

    async def send(self, call: Call) -> Reply:
        """Send ``call`` once; the reply's value is JSON where the application says so or has to, else text.

        Raises:
            CallFault: there is no answer.

        """
        url: str = call.payload["url"]
        if _origin(url) != self._origin:
            raise self._sender.fault("bad_request", f"{url} leads to another host than the one that is configured")
        body = call.payload["body"]
        content = None if body is None else encode(body)
        connections = await self._connections.get()
        answer = await connections.exchange(call.payload["method"], url, self._headers(call, content), content)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's class of successes
            raise self._sender.classify(answer)
        return Reply(self._value(answer))

    async def close(self) -> None:
        """Close the connections."""
        if connections := await self._connections.get_if_made():
            await connections.close()

    def _headers(self, call: Call, content: bytes | None) -> dict[str, str]:
        literal = {name.lower(): value for name, value in call.payload["headers"].items()}
        usual = {} if content is None else {"content-type": "application/json"}
        return usual | literal | self._keys

    def _value(self, answer: Answer) -> Any:
        try:
            check_size(answer)
            if self._wants_json or "json" in answer.headers.get("content-type", ""):
                return loads(answer.body)
            return answer.body.decode()
        except ValueError as error:
            raise self._sender.fault("malformed", str(error), answer) from None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()
