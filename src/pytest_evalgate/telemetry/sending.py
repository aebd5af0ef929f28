"""Requests to a collector: at most three tries each, and a limit of the time that all of them together may take.

By the standard library, because importing httpx takes 90 ms, and many runs do not need it.
"""

from __future__ import annotations

import http.client
import threading
import time
import urllib.error
import urllib.request
from dataclasses import field
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Mapping

WAIT_S: Final = 10.0
TRIES: Final = 3
_TRY_TIMEOUT_S: Final = 3.0
_PAUSE_S: Final = 0.25
_TEMPORARY: Final = frozenset({408, 429, 502, 503, 504})
_MAX_RESPONSE: Final = 1 << 16


class NotSentError(Exception):
    """A request that the collector did not accept. The message contains neither its URL nor a header.

    ``is_away``: there was no response, so that further requests have no chance either.
    """

    def __init__(self, message: str, *, is_away: bool = True) -> None:
        """Store the message."""
        super().__init__(message)
        self.is_away = is_away


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: spans are for the configured collector only."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


@dataclass(slots=True)
class Sender:
    """Sender of requests that together wait for the collector at most ``wait_s`` seconds."""

    wait_s: float = field(default_factory=lambda: WAIT_S)
    _waited_s: float = 0.0
    _opener: urllib.request.OpenerDirector = field(default_factory=lambda: urllib.request.build_opener(_NoRedirect))

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Send a message of OTLP and return the beginning of the response.

        Raises:
            NotSentError: The collector cannot be reached, or refuses the message, or no time is left.
        """
        left = self.wait_s - self._waited_s
        if left <= 0:
            raise NotSentError(f"no time is left of {self.wait_s:g} s")
        started = time.monotonic()
        result: list[bytes | NotSentError] = []
        thread = threading.Thread(
            target=lambda: result.append(self._try(url, headers, body, started + left)),
            name="evalgate-telemetry",
            daemon=True,  # a collector that sends a byte each second must not keep the process alive
        )
        try:
            thread.start()
        except RuntimeError as error:
            raise NotSentError(str(error)) from None
        thread.join(left)
        self._waited_s += time.monotonic() - started
        if not result:
            report_expired("a collector", self.wait_s)
            raise NotSentError(f"no response within {self.wait_s:g} s")
        if isinstance(found := result[0], NotSentError):
            raise found
        return found

    def _try(self, url: str, headers: Mapping[str, str], body: bytes, deadline: float) -> bytes | NotSentError:
        reason, is_away = "no time was left", True
        for number in range(1, TRIES + 1):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            answer = self._once(url, headers, body, min(_TRY_TIMEOUT_S, left))
            if isinstance(answer, bytes):
                return answer
            reason, is_away = f"{answer.reason} ({number} {'try' if number == 1 else 'tries'})", answer.is_away
            pause = answer.pause_s * number
            if not answer.is_temporary or number == TRIES or time.monotonic() + pause >= deadline:
                break
            time.sleep(pause)
        return NotSentError(reason, is_away=is_away)

    def _once(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> bytes | _Failure:
        every = {"user-agent": "pytest-evalgate", **headers, "content-type": "application/x-protobuf"}
        try:
            request = urllib.request.Request(url, body, every, method="POST")  # noqa: S310 - checked: http or https
            with self._opener.open(request, timeout=timeout_s) as response:
                found: bytes = response.read(_MAX_RESPONSE)
                return found
        except urllib.error.HTTPError as error:
            with error:
                return _refused(error.code, error.headers.get("retry-after", ""))
        except TimeoutError:
            return _Failure(f"no response within {timeout_s:.2g} s")
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(cause, TimeoutError):
                return _Failure(f"no response within {timeout_s:.2g} s")
            return _Failure(f"{type(cause).__name__}: the collector cannot be reached")
        except ValueError as error:  # a header or a URL that cannot be sent
            return _Failure(f"{type(error).__name__}: the URL or a header cannot be used", is_temporary=False)


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    is_temporary: bool = True
    pause_s: float = _PAUSE_S
    is_away: bool = True


def _refused(status: int, after: str) -> _Failure:
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP's class of redirects
        return _Failure(f"HTTP {status}: a redirect, which is not followed", is_temporary=False, is_away=False)
    pause = min(int(after), _TRY_TIMEOUT_S) if after.isascii() and after.isdecimal() else _PAUSE_S
    return _Failure(f"HTTP {status}", status in _TEMPORARY, pause, is_away=False)
