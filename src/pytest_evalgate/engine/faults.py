"""What can go wrong with one attempt, and what follows from it: wait and ask again, give up, or stop the run."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from pytest_evalgate.text.jsonl import escape_text, loads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pytest_evalgate.text.redaction import Secret

LONGEST_S: Final = 86_400.0
"""Whoever asks for more than a day is not understood."""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read ``retry-after-ms``, else ``Retry-After`` in seconds or as an HTTP date.

    A date counts from the reply's own ``Date``, since the two clocks may differ.

    Args:
        headers: Of the reply; the names in lower case, or a mapping that ignores case.

    Returns:
        Seconds from 0 to `LONGEST_S`; None where nothing is said that makes sense.

    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _sensible(milliseconds / 1000)
    value = headers.get("retry-after", "")
    seconds = _number(value)
    return _sensible(_until(value, headers.get("date", "")) if seconds is None else seconds)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _until(then: str, now: str) -> float | None:
    start, end = _date(now), _date(then)
    return None if start is None or end is None else (end - start).total_seconds()


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):  # the parser stumbles over garbage in more than one way
        return None
    return date if date.tzinfo else None


def _sensible(seconds: float | None) -> float | None:
    if seconds is None or math.isnan(seconds) or not 0 <= seconds <= LONGEST_S:
        return None
    return seconds


FaultKind = Literal[
    "rate_limit",
    "overloaded",
    "server",
    "timeout",
    "connection",
    "malformed",
    "quota",
    "auth",
    "unknown_model",
    "bad_request",
]

_EXCERPT: Final = 200


@dataclass(frozen=True, slots=True)
class FaultPolicy:
    """What follows from a kind of fault.

    Args:
        words: What a person calls it.
        tries: Attempts in all that a call may make while it ends like this.
        crowded: Fewer calls at a time may help.
        stops_run: No call of the run can fare better.

    """

    description: str
    tries: int = 1
    is_overload: bool = False
    stops_run: bool = False


FAULT_POLICIES: Final[Mapping[FaultKind, FaultPolicy]] = {
    "rate_limit": FaultPolicy("rate limit", tries=5, is_overload=True),
    "overloaded": FaultPolicy("unavailable", tries=5, is_overload=True),
    "server": FaultPolicy("server error", tries=5),
    "timeout": FaultPolicy("timeout", tries=5),
    "connection": FaultPolicy("no connection", tries=5),
    "malformed": FaultPolicy("malformed reply", tries=3),
    "quota": FaultPolicy("quota used up", stops_run=True),
    "auth": FaultPolicy("key refused", stops_run=True),
    "unknown_model": FaultPolicy("unknown model", stops_run=True),
    "bad_request": FaultPolicy("refused"),
}

_BY_CODE: Final[Mapping[str, FaultKind]] = {
    "insufficient_quota": "quota",
    "credit_balance_exhausted": "quota",
    "organization_usage_limit_exceeded": "quota",
    "enforced_spend_limit_reached": "quota",
    "invalid_api_key": "auth",
    "model_not_found": "unknown_model",
}
"""What a body says for certain, whatever the status."""

_BY_CODE_IN_200: Final[Mapping[str, FaultKind]] = {
    "rate_limit_exceeded": "rate_limit",
    "overloaded_error": "overloaded",
    "server_error": "server",
}
_BY_STATUS: Final[Mapping[int, FaultKind]] = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "unknown_model",
    408: "timeout",
    409: "overloaded",  # another request holds a lock; the official clients ask again as well
    425: "overloaded",
    429: "rate_limit",
    502: "overloaded",
    503: "overloaded",
    504: "overloaded",
    529: "overloaded",
}
_BY_APPLICATION_STATUS: Final[Mapping[int, FaultKind]] = {
    **_BY_STATUS,
    402: "bad_request",
    403: "bad_request",
    404: "bad_request",
}
"""An application may forbid, or not find, what a single case asks for: only its 401 is about us."""


class CallFault(Exception):  # noqa: N818 - one attempt went wrong; whether that is an error shows later
    """One attempt brought no answer.

    ``detail`` is one printable line without a key in it; ``retry_after_s`` is what the server asked for, if it did.
    """

    def __init__(
        self, kind: FaultKind, detail: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        """Keep all of it."""
        self.kind: FaultKind = kind
        self.detail = detail
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.description}: {detail}")

    @property
    def policy(self) -> FaultPolicy:
        """What follows from it."""
        return FAULT_POLICIES[self.kind]

    @property
    def description(self) -> str:
        """The status, if there was one, and what a person calls it: ``429 rate limit``."""
        return f"{self.status or ''} {self.policy.description}".lstrip()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A reply as it came over the wire; the names in ``headers`` are in lower case, or the mapping ignores case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class FaultFactory:
    """Whose faults these are: what a message may name, and what it must never show.

    Args:
        url: Where the requests go.
        model: The model's own name; empty for an application.
        secrets: The keys that go with the requests.

    """

    url: str
    model: str = ""
    secrets: tuple[Secret, ...] = ()

    @property
    def place(self) -> str:
        """The URL without a user, a password or a query."""
        parts = urlsplit(self.url)
        return escape_text(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", _EXCERPT)

    def fault(self, kind: FaultKind, message: str, response: HttpResponse | None = None) -> CallFault:
        """Make a fault of what was ``message``, by the server or by the client library."""
        detail = f"{self._excerpt(message)} ({self.place})"
        if remedy := self._remedy(kind):
            detail = f"{detail}: {remedy}"
        if response is None:
            return CallFault(kind, detail)
        return CallFault(kind, detail, status=response.status, retry_after_s=retry_after_s(response.headers))

    def classify(self, response: HttpResponse) -> CallFault:
        """Say what is wrong with an answer: by what its body says, where it says something, else by its status."""
        codes, message = error_of(response.body)
        kind = (self.model and _kind_of_codes(codes)) or self._kind_of_status(response.status, codes)
        return self.fault(kind, message or "it does not say why", response)

    def redact(self, text: str) -> str:
        """Take the keys out of ``text``: some servers repeat them."""
        for secret in self.secrets:
            text = secret.redact(text)
        return text

    def redact_body(self, body: bytes) -> bytes:
        """Take the keys out of the body of an answer: what it says is kept and shown."""
        for secret in self.secrets:
            body = secret.redact_bytes(body)
        return body

    def _kind_of_status(self, status: int, codes: tuple[str, ...]) -> FaultKind:
        kinds = _BY_STATUS if self.model else _BY_APPLICATION_STATUS
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own classes of status
            return next((_BY_CODE_IN_200[code] for code in codes if code in _BY_CODE_IN_200), "malformed")
        return kinds.get(status) or ("server" if status >= 500 else "bad_request")  # noqa: PLR2004 - the same

    def _excerpt(self, message: str) -> str:
        return escape_text(" ".join(self.redact(message).split()), _EXCERPT)

    def _remedy(self, kind: FaultKind) -> str:
        names = " and ".join(secret.name for secret in self.secrets)
        remedies: Mapping[FaultKind, str] = {
            "auth": f"check the environment variable {names}" if names else "name the key's variable in api_key_env",
            "quota": "pay or raise the limit there, then run again: what is answered is kept",
            "unknown_model": f"is {self.model!r} the model's name there, and base_url right?",
        }
        return remedies.get(kind, "")


def error_of(body: bytes) -> tuple[tuple[str, ...], str]:
    """Return the codes and the message of an error's body; where it is no JSON object, the text is the message."""
    try:
        parsed = loads(body)
    except ValueError:
        return (), body[: 2 * _EXCERPT].decode("utf-8", "replace")
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else parsed
    if not isinstance(error, dict):
        return (), _text(error)
    codes = tuple(value for key in ("code", "type") if isinstance(value := error.get(key), str))
    message = error.get("message") or error.get("detail")
    return codes, _text(error if message is None else message)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _kind_of_codes(codes: tuple[str, ...]) -> FaultKind | None:
    if any(code.endswith("_spend_limit_exceeded") or code.startswith("billing") for code in codes):
        return "quota"
    return next((_BY_CODE[code] for code in codes if code in _BY_CODE), None)
