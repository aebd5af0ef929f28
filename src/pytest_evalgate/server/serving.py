"""Serving: bind a port, print the address, open a browser, and answer until Ctrl-C."""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
from typing import TYPE_CHECKING, Final

import uvicorn

from pytest_evalgate.errors import UserError
from pytest_evalgate.server import openapi
from pytest_evalgate.server.app import MOST_HEAD_BYTES, Site
from pytest_evalgate.server.view_sources import ViewSources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.server.access import Access

_BACKLOG: Final = 128


def prepare(project: Project) -> None:
    """Check that the store can be read, and import now what the first answers would wait for.

    Raises:
        UserError: The store is switched off, empty, or cannot be used.
    """
    with ViewSources.opened(project):
        openapi.document()  # imports scipy, 0.8 s


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that listens; ``port`` 0 takes a free one.

    Raises:
        UserError: The address cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--host {host}: {error}") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise UserError(
            f"--port {port}: {error.strerror}: another program uses it, or it is not yours; for a free port: "
            "pytest-evalgate view --port 0"
        ) from None
    return made


def make_server(project: Project, access: Access, report: Callable[[str], None]) -> uvicorn.Server:
    """Return a server that has not started. ``report`` prints a line about an error."""
    return uvicorn.Server(
        uvicorn.Config(
            Site(project, access, report),
            http="h11",  # the other parser of uvicorn does not limit the head of a request
            ws="none",
            lifespan="off",
            loop="asyncio",
            h11_max_incomplete_event_size=MOST_HEAD_BYTES,
            access_log=False,  # the address of the login has the token
            log_level="error",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=3,
        )
    )


@contextlib.contextmanager
def ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a server in order, also before it has started and after it has finished.

    uvicorn handles them only while it runs, and then raises them again.
    """

    def end(*_: object) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(server: uvicorn.Server, listening: socket.socket) -> None:
    """Answer requests until a signal ends the server."""
    gc.collect()
    gc.freeze()  # later collections skip what was imported: a comparison took up to 110 ms of CPU instead of 75
    server.run([listening])
