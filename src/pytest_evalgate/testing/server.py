"""Scripted OpenAI-compatible server on the loopback interface, for tests of your own target."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections import deque
from dataclasses import field
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any, Final, Self

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HOST: Final = "127.0.0.1"
_POLL_S: Final = 0.02  # how often socketserver checks for shutdown; its default of 0.5 s would be added to each test
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A request that the server received.

    Args:
        method: For example ``POST``.
        path: With its query, for example ``/v1/chat/completions``.
        headers: By lower-case name. Not part of the repr, because one of them contains the API key.
        body: Parsed JSON; the text if it is not JSON; None if it is empty.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: Any


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The response to one request. Use the class methods.

    Args:
        body: Text and bytes are sent unchanged, other values as JSON.
        code: HTTP status.
        headers: Additional response headers.
        usage: Input and output tokens, if ``body`` is the reply of a model.
        latency_s: Seconds between the request and its response.
        model: The model that the reply names; the requested one if it is empty.
    """

    body: Any
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    usage: tuple[int, int] | None = None
    latency_s: float = 0.0
    model: str = ""

    @classmethod
    def text(
        cls, text: str, *, usage: tuple[int, int] = (10, 5), latency_s: float = 0.0, model: str = ""
    ) -> Behaviour:
        """Reply with ``text``: a chat completion, a response object or plain text, depending on the path.

        ``usage`` is the number of input and output tokens. For structured output, ``text`` is the JSON text.
        ``model`` is the model that the reply names, the requested one if it is empty.
        """
        return cls(text, usage=usage, latency_s=latency_s, model=model)

    @classmethod
    def reply(cls, value: Any, *, latency_s: float = 0.0) -> Behaviour:
        """Respond 200 with a JSON value as the whole body, for applications that are not OpenAI-compatible."""
        return cls(json.dumps(value), headers={"Content-Type": _JSON}, latency_s=latency_s)

    @classmethod
    def status(
        cls, code: int, body: Any = None, *, headers: Mapping[str, str] | None = None, latency_s: float = 0.0
    ) -> Behaviour:
        """Respond with a status, such as 401 or 500. Without ``body`` it sends an error as OpenAI does."""
        error = {"error": {"message": f"scripted error {code}", "type": "scripted_error", "param": None, "code": None}}
        return cls(error if body is None else body, code, headers or {}, latency_s=latency_s)

    @classmethod
    def rate_limited(cls, retry_after: float | str | None = 1, *, latency_s: float = 0.0) -> Behaviour:
        """Respond 429. ``retry_after`` is the header ``Retry-After`` in seconds; None leaves it out."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls.status(429, headers=headers, latency_s=latency_s)


class ScriptedServer:
    """Server in a background thread. It replies "ok" until a script is set. `requests` lists the received requests.

    Example::

        with ScriptedServer() as server:
            server.script(Behaviour.text("42"))
            server.queue(Behaviour.rate_limited(retry_after=0))
            ask(base_url=server.base_url)  # a 429, then "42"
            assert server.calls == 2
    """

    def __init__(self) -> None:
        """Create a server that is not running yet."""
        self.requests: list[Request] = []
        self._decide: Callable[[Request], Behaviour] = lambda _: Behaviour.text("ok")
        self._queue: deque[Behaviour] = deque()
        self._lock = threading.Lock()
        self._listener: _Listener | None = None

    def script(self, behaviour: Behaviour) -> None:
        """Use ``behaviour`` for every request from now on."""
        self._decide = lambda _: behaviour

    def answer_with(self, decide: Callable[[Request], Behaviour]) -> None:
        """Use the behaviour that ``decide`` returns for a request, from now on. It runs in the server's threads."""
        self._decide = decide

    def queue(self, *behaviours: Behaviour) -> None:
        """Use ``behaviours`` for the next requests, in order, and the script after them."""
        self._queue.extend(behaviours)

    @property
    def calls(self) -> int:
        """The number of requests so far."""
        return len(self.requests)

    @property
    def base_url(self) -> str:
        """The base URL for a client, for example ``http://127.0.0.1:40123/v1``."""
        if self._listener is None:
            raise RuntimeError("the server is not running: use it in a with statement")
        return f"http://{_HOST}:{self._listener.server_address[1]}/v1"

    def __enter__(self) -> Self:
        """Start to listen on a free port."""
        self._listener = _Listener(self._choose)
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection and end the threads."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def _choose(self, request: Request) -> Behaviour:
        with self._lock:  # the n-th request gets the n-th behaviour
            self.requests.append(request)
            behaviour = self._queue.popleft() if self._queue else self._decide(request)
        if isinstance(request.body, dict) and request.body.get("stream"):
            return Behaviour.status(400, {"error": {"message": "the scripted server does not support stream=True"}})
        return behaviour


class _Listener(ThreadingTCPServer):
    """The listening socket, and a thread for each connection.

    Not `http.server.HTTPServer`, which looks up the host's name: without a reverse DNS entry that takes seconds.
    """

    request_queue_size = 128

    def __init__(self, choose: Callable[[Request], Behaviour]) -> None:
        super().__init__((_HOST, 0), _Handler)
        self.choose = choose
        self.stopping = threading.Event()
        self._sockets: set[Any] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_S,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        for connected in tuple(self._sockets):
            with contextlib.suppress(OSError):  # the client has closed it
                connected.shutdown(socket.SHUT_RDWR)
        self.server_close()  # waits for the threads of the connections
        self._thread.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._sockets.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # an OSError is a client that closed its connection early
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"  # keeps connections open
    wbufsize = -1  # sends head and body in one segment: delayed acknowledgement costs 40 ms if there are two

    def handle_request(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, _parse(raw))
        behaviour = self.server.choose(request)
        if self.server.stopping.wait(behaviour.latency_s):
            self.close_connection = True
            return
        content = behaviour.body if behaviour.usage is None else _model_reply(request, behaviour)
        body, content_type = _encode(content)
        self.send_response(behaviour.code)
        for name, value in {"Content-Type": content_type, **behaviour.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_request  # noqa: N815 - names that http.server looks up

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parameter's name there
        """Print nothing."""


def _encode(content: Any) -> tuple[bytes, str]:
    if isinstance(content, bytes):
        return content, "application/octet-stream"
    return (content.encode(), _TEXT) if isinstance(content, str) else (json.dumps(content).encode(), _JSON)


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode("utf-8", "replace")


def _model_reply(request: Request, behaviour: Behaviour) -> Any:
    """Return the text of ``behaviour`` as the API of the path returns it."""
    text, usage = behaviour.body, behaviour.usage or (0, 0)
    model = behaviour.model or (request.body.get("model", "") if isinstance(request.body, dict) else "")
    route = request.path.partition("?")[0]
    if route.endswith("/chat/completions"):
        message = {"role": "assistant", "content": text}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)},
        }
    if route.endswith("/responses"):
        content = {"type": "output_text", "text": text, "annotations": []}
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 0,
            "status": "completed",
            "model": model,
            "output": [{"type": "message", "id": "msg_1", "role": "assistant", "content": [content]}],
            "usage": {"input_tokens": usage[0], "output_tokens": usage[1], "total_tokens": sum(usage)},
        }
    return text
