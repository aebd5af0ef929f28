"""Webhooks: send messages within a bounded time, also if the receiver never answers."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import field
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

TRIES: Final = 3
TIMEOUT_S: Final = 10.0
_TRY_TIMEOUT_S: Final = 3.0  # three tries and their pauses fit into the 10 s
_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 3.0
_TEMPORARY: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Message:
    """A message: the URL of its receiver, which may be a secret, and its body as JSON."""

    url: str = field(repr=False)
    body: bytes


def send_all(messages: Sequence[Message], timeout_s: float = TIMEOUT_S) -> list[str | None]:
    """Send all messages at the same time; return for each why it was not sent, None if it was.

    The function returns after ``timeout_s`` at the latest. Threads that still wait then are daemons, so that they do
    not keep the process alive. The reasons contain no URL.
    """
    if not messages:
        return []
    import httpx  # noqa: F401, PLC0415 - one import, before the threads start

    deadline = time.monotonic() + timeout_s
    reasons: list[str | None] = [f"no response within {timeout_s:g} s"] * len(messages)

    def send(place: int, message: Message) -> None:
        reasons[place] = _send(message, deadline)

    threads = [
        threading.Thread(target=send, args=(place, message), name="evalgate-webhook", daemon=True)
        for place, message in enumerate(messages)
    ]
    for place, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError as error:  # no thread can be started
            reasons[place] = str(error)
    for thread in threads:
        with contextlib.suppress(RuntimeError):  # it was not started
            thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        report_expired("a webhook", timeout_s)
    return list(reasons)


def _send(message: Message, deadline: float) -> str | None:
    """Send a message in at most three tries; return why it was not sent."""
    import httpx  # noqa: PLC0415 - imported by `send_all`

    reason = ""
    try:
        # A redirect is not followed: the message is for the configured receiver only.
        with httpx.Client(follow_redirects=False, headers={"user-agent": "pytest-evalgate"}) as client:
            for number in range(1, TRIES + 1):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                answer = _try(client, message, min(_TRY_TIMEOUT_S, left))
                if answer is None:
                    return None
                reason = f"{answer.reason} ({number} {'try' if number == 1 else 'tries'})"
                pause = answer.pause_s * number
                if not answer.is_temporary or number == TRIES or time.monotonic() + pause >= deadline:
                    break
                time.sleep(pause)
    except Exception as error:  # noqa: BLE001 - an invalid URL, certificate or proxy, none of which may end the run
        return f"{type(error).__name__}: the URL, a certificate or a proxy cannot be used"
    return reason or "no time was left"


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    is_temporary: bool = True
    pause_s: float = _PAUSE_S


def _try(client: httpx.Client, message: Message, timeout_s: float) -> _Failure | None:
    import httpx  # noqa: PLC0415 - imported by `send_all`

    try:
        # the body of the response is not read: it may be endless
        with client.stream(
            "POST", message.url, content=message.body, headers={"content-type": "application/json"}, timeout=timeout_s
        ) as response:
            status, after = response.status_code, response.headers.get("retry-after", "")
    except httpx.TimeoutException:
        return _Failure(f"no response within {timeout_s:.2g} s")
    except httpx.TransportError as error:
        return _Failure(f"{type(error).__name__}: the receiver cannot be reached")
    if status in _OK:
        return None
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's class of redirects
        return _Failure(f"HTTP {status}: a redirect, which is not followed", is_temporary=False)
    pause = min(int(after), _LONGEST_PAUSE_S) if after.isascii() and after.isdecimal() else _PAUSE_S
    return _Failure(f"HTTP {status}", status in _TEMPORARY or status >= _SERVER_ERROR, pause)
