"""A running fault server, and a raw client over ``http.client``."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from tests.support.server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
ASKED = {"model": "gpt-x-mini", "messages": [{"role": "user", "content": "Hello?"}]}


@dataclass(frozen=True)
class Got:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def said(self) -> str:
        text: str = self.json["choices"][0]["message"]["content"]
        return text


@dataclass(frozen=True)
class Client:
    """One connection, kept alive."""

    connection: http.client.HTTPConnection

    def ask(self, path: str = CHAT, body: Any = ASKED, method: str = "POST", **headers: str) -> Got:
        self.connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body), headers)
        response = self.connection.getresponse()
        return Got(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def connect(server: ScriptedServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.base_url).netloc, timeout=60)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    connection = connect(server)
    yield Client(connection)
    connection.close()
