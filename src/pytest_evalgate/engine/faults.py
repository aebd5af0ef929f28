"""Faults of one attempt, classified: retry, give the call up, or stop the run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from pytest_evalgate.text.jsonl import escape_text, loads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pytest_evalgate.text.redaction import Secret

FaultKind = Literal[
    "rate_limit",
    "overloaded",
    "server",
    "timeout",
    "connection",
    "malformed",
    "no_answer",
    "quota",
    "auth",
    "unknown_model",
    "bad_request",
]

# A Retry-After of more than a day is ignored.
LONGEST_S: Final = 86_400.0

_EXCERPT: Final = 200


@dataclass(frozen=True, slots=True)
class FaultPolicy:
    """Consequences of a kind of fault.

    Args:
        description: Name of the kind in messages.
        tries: Maximum number of attempts at a call whose last attempt had this fault.
        is_overload: Fewer simultaneous calls may help.
        stops_run: No other call of the run can succeed either.
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
    "no_answer": FaultPolicy("no answer", tries=3),
    "quota": FaultPolicy("quota used up", stops_run=True),
    "auth": FaultPolicy("key refused", stops_run=True),
    "unknown_model": FaultPolicy("unknown model", stops_run=True),
    "bad_request": FaultPolicy("refused"),
}

# The code in the body decides first, since several servers report a spent quota as 429, or any error as 200.
_BY_CODE: Final[Mapping[str, FaultKind]] = {
    "insufficient_quota": "quota",
    "credit_balance_exhausted": "quota",
    "organization_usage_limit_exceeded": "quota",
    "enforced_spend_limit_reached": "quota",
    "invalid_api_key": "auth",
    "model_not_found": "unknown_model",
}
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
    409: "overloaded",  # another request holds a lock; the official SDK retries as well
    425: "overloaded",
    429: "rate_limit",
    502: "overloaded",
    503: "overloaded",
    504: "overloaded",
    529: "overloaded",
}
# An application may return 402, 403 or 404 because of one case's input; only its 401 concerns every call.
_BY_APPLICATION_STATUS: Final[Mapping[int, FaultKind]] = {
    **_BY_STATUS,
    402: "bad_request",
    403: "bad_request",
    404: "bad_request",
}


class CallFault(Exception):  # noqa: N818 - one failed attempt; a later one may succeed
    """Failed attempt at a call.

    ``detail`` is one printable line without secrets; ``retry_after_s`` is the wait that the server asked for, if any.
    ``tokens`` are the input and output tokens that the endpoint billed for the attempt.
    """

    tokens: tuple[int, int] = (0, 0)

    def __init__(
        self, kind: FaultKind, detail: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        """Set the message to the description and ``detail``."""
        self.kind: FaultKind = kind
        self.detail = detail
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(f"{self.description}: {detail}")

    @property
    def policy(self) -> FaultPolicy:
        """Consequences of the fault."""
        return FAULT_POLICIES[self.kind]

    @property
    def description(self) -> str:
        """The status, if any, and the kind: ``429 rate limit``."""
        return f"{self.status or ''} {self.policy.description}".lstrip()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response; the names in ``headers`` are in lower case, or the mapping ignores case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class FaultFactory:
    """Makes the faults of one endpoint, with messages that never contain its ``secrets``: keys sent with requests.

    ``model`` is empty for an application.
    """

    url: str
    model: str = ""
    secrets: tuple[Secret, ...] = ()

    @property
    def place(self) -> str:
        """The URL without user, password and query."""
        parts = urlsplit(self.url)
        return escape_text(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", _EXCERPT)

    def fault(self, kind: FaultKind, message: str, response: HttpResponse | None = None) -> CallFault:
        """Return a fault with the ``message`` of the server or the client library."""
        # redact before truncating: half of a key would not be recognised
        detail = f"{escape_text(' '.join(self.redact(message).split()), _EXCERPT)} ({self.place})"
        if remedy := self._remedy(kind):
            detail = f"{detail}: {remedy}"
        if response is None:
            return CallFault(kind, detail)
        return CallFault(kind, detail, status=response.status, retry_after_s=retry_after_s(response.headers))

    def classify(self, response: HttpResponse) -> CallFault:
        """Return the fault of a response: by the code in its body if that is known, else by its status."""
        codes, message = error_of(response.body)
        kind = (self.model and _kind_of_codes(codes)) or self._kind_of_status(response.status, codes)
        return self.fault(kind, message or "no reason given", response)

    def redact(self, text: str) -> str:
        """Replace the keys in ``text``: some servers repeat them."""
        for secret in self.secrets:
            text = secret.redact(text)
        return text

    def redact_body(self, body: bytes) -> bytes:
        """Replace the keys in the body of a response, which is cached and reported."""
        for secret in self.secrets:
            body = secret.redact_bytes(body)
        return body

    def _kind_of_status(self, status: int, codes: tuple[str, ...]) -> FaultKind:
        kinds = _BY_STATUS if self.model else _BY_APPLICATION_STATUS
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's classes of status
            return next((_BY_CODE_IN_200[code] for code in codes if code in _BY_CODE_IN_200), "malformed")
        return kinds.get(status) or ("server" if status >= 500 else "bad_request")  # noqa: PLR2004 - the same

    def _remedy(self, kind: FaultKind) -> str:
        names = " and ".join(secret.name for secret in self.secrets)
        remedies: Mapping[FaultKind, str] = {
            "auth": f"check the environment variable {names}" if names else "name the key's variable in api_key_env",
            "quota": "add credit or raise the limit there, then run again (replies received so far are cached)",
            "unknown_model": f"check the model name {self.model!r} and base_url",
        }
        return remedies.get(kind, "")


def error_of(body: bytes) -> tuple[tuple[str, ...], str]:
    """Return the codes and the message of an error body; a body that is not a JSON object is the message."""
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


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait that a server asks for: ``retry-after-ms``, else ``Retry-After`` in seconds or as an HTTP date.

    A date is relative to the ``Date`` of the response, since the clocks of server and client may differ. Returns
    seconds from 0 to `LONGEST_S`; None if there is no valid value.
    """
    seconds = _number(headers.get("retry-after-ms", ""))
    if seconds is not None:
        seconds /= 1000
    else:
        value = headers.get("retry-after", "")
        seconds = _number(value)
        if seconds is None:
            start, end = _date(headers.get("date", "")), _date(value)
            seconds = None if start is None or end is None else (end - start).total_seconds()
    return seconds if seconds is not None and 0 <= seconds <= LONGEST_S else None  # NaN fails both comparisons


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):  # the parser raises any of them for invalid dates
        return None
    return date if date.tzinfo else None
