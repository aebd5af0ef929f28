"""Faults of one attempt, classified: retry, give the call up, or stop the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urljoin, urlsplit

from pytest_evalgate.engine.error_body import parse_error
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.jsonl import escape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.engine.error_body import ErrorBody
    from pytest_evalgate.text.redaction import Secret

FaultKind = Literal[
    "rate_limit",
    "overloaded",
    "server",
    "timeout",
    "connection",
    "certificate",
    "malformed",
    "no_answer",
    "quota",
    "auth",
    "forbidden",
    "unknown_model",
    "not_found",
    "bad_parameter",
    "redirect",
    "too_large",
    "bad_request",
]

_EXCERPT: Final = 200


@dataclass(frozen=True, slots=True)
class FaultPolicy:
    """Consequences of a kind of fault.

    Args:
        description: Name of the kind in messages.
        tries: Maximum number of attempts at a call whose last attempt had this fault.
        is_overload: Fewer simultaneous calls, or a wait of all calls, may help.
        stops_run: No other call of the run can succeed either.
        until_success: It stops the run only while no call to the endpoint has succeeded; later it concerns one case.
        is_final: A retry of the job fails in the same way until something is changed.
    """

    description: str
    tries: int = 1
    is_overload: bool = False
    stops_run: bool = False
    until_success: bool = False
    is_final: bool = True


FAULT_POLICIES: Final[Mapping[FaultKind, FaultPolicy]] = {
    "rate_limit": FaultPolicy("rate limit", tries=5, is_overload=True, is_final=False),
    "overloaded": FaultPolicy("unavailable", tries=5, is_overload=True, is_final=False),
    "server": FaultPolicy("server error", tries=5, is_final=False),
    "timeout": FaultPolicy("timeout", tries=5, is_final=False),
    "connection": FaultPolicy("no connection", tries=5, is_final=False),
    "certificate": FaultPolicy("no secure connection"),
    "malformed": FaultPolicy("malformed reply", tries=3, is_final=False),
    "no_answer": FaultPolicy("no answer", tries=3, is_final=False),
    "quota": FaultPolicy("quota used up", stops_run=True),
    "auth": FaultPolicy("key refused", stops_run=True),
    "forbidden": FaultPolicy("refused", stops_run=True, until_success=True),
    "unknown_model": FaultPolicy("unknown model", stops_run=True),
    "not_found": FaultPolicy("not found", stops_run=True, until_success=True),
    "bad_parameter": FaultPolicy("parameter refused", stops_run=True),
    "redirect": FaultPolicy("", stops_run=True, until_success=True),
    "too_large": FaultPolicy("more tokens than the limit of a minute"),
    "bad_request": FaultPolicy("refused"),
}

# Codes of errors inside a 200. Those that concern the whole run, or the input of a case, are in `refusals`.
_BY_CODE_IN_200: Final[Mapping[str, FaultKind]] = {
    "rate_limit_exceeded": "rate_limit",
    "rate_limit_error": "rate_limit",
    "resource_exhausted": "rate_limit",
    "overloaded_error": "overloaded",
    "unavailable": "overloaded",
    "server_error": "server",
    "api_error": "server",
    "internal": "server",
    "permission_error": "forbidden",
    "permission_denied": "forbidden",
    "not_found_error": "not_found",
    "not_found": "not_found",
    "invalid_request_error": "bad_request",
    "invalid_argument": "bad_request",
}
_BY_STATUS: Final[Mapping[int, FaultKind]] = {
    401: "auth",
    402: "quota",
    403: "forbidden",
    404: "not_found",
    408: "timeout",
    409: "overloaded",  # another request holds a lock; the official SDK retries as well
    425: "overloaded",
    429: "rate_limit",
    502: "overloaded",
    503: "overloaded",
    504: "overloaded",
    529: "overloaded",
}
_REDIRECTS: Final = (301, 302, 303, 307, 308)
# An application may return 402, 403 or 404 because of one case's input; only its 401 concerns every call.
_BY_APPLICATION_STATUS: Final[Mapping[int, FaultKind]] = {
    **_BY_STATUS,
    402: "bad_request",
    403: "bad_request",
    404: "bad_request",
}
_ERROR: Final = 400
# Limits, keys and redirects concern this run only: users of the application do not meet them.
_NOT_OF_THE_APPLICATION: Final = ("rate_limit", "auth", "redirect")


class CallFault(Exception):  # noqa: N818 - one failed attempt; a later one may succeed
    """Failed attempt at a call.

    ``detail`` is one printable line without secrets, ``remedy`` what to change. ``retry_after_s`` is the wait that the
    server asked for, if any. ``is_miss``: an application replied with an error, which its users would see as well.
    ``tokens`` are the input and output tokens that the endpoint billed for the attempt.
    """

    tokens: tuple[int, int] = (0, 0)

    def __init__(
        self,
        kind: FaultKind,
        detail: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        remedy: str = "",
        is_miss: bool = False,
    ) -> None:
        """Set the message to the description, ``detail`` and ``remedy``."""
        self.kind: FaultKind = kind
        self.detail = detail
        self.remedy = remedy
        self.status = status
        self.retry_after_s = retry_after_s
        self.is_miss = is_miss
        super().__init__(": ".join(filter(None, [self.description, detail, remedy])))

    @property
    def policy(self) -> FaultPolicy:
        """Consequences of the fault."""
        return FAULT_POLICIES[self.kind]

    @property
    def description(self) -> str:
        """The status, if any, and the kind: ``429 rate limit``."""
        return f"{self.status or ''} {self.policy.description}".strip()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response; the names in ``headers`` are in lower case, or the mapping ignores case.

    ``url`` is the URL of the request, if it is known.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""


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
        return place_of(self.url)

    def fault(self, kind: FaultKind, message: str, response: HttpResponse | None = None) -> CallFault:
        """Return a fault with the ``message`` of the server or the client library."""
        if kind == "connection" and "CERTIFICATE_VERIFY_FAILED" in message:
            kind = "certificate"  # a retry would fail in the same way
        return self._fault(
            kind, message, response, parse_error(b"") if response is None else parse_error(response.body)
        )

    def classify(self, response: HttpResponse) -> CallFault:
        """Return the fault of a response: by its body if that explains the refusal, else by its status."""
        from pytest_evalgate.engine.refusals import refusal_of  # noqa: PLC0415 - its patterns take 25 ms, most runs need none

        if response.status in _REDIRECTS:
            return self._redirect(response)
        body = parse_error(response.body)
        refusal = refusal_of(response.status, body) if self.model else None
        kind: FaultKind = refusal or self._kind_of_status(response.status, body)
        return self._fault(kind, body.message or "no reason given", response, body)

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

    def _fault(self, kind: FaultKind, message: str, response: HttpResponse | None, body: ErrorBody) -> CallFault:
        # redact before truncating: half of a key would not be recognised
        detail = f"{escape_text(' '.join(self.redact(message).split()), _EXCERPT)} ({self.place})"
        if response is None:
            return CallFault(kind, detail, remedy=self._remedy(kind))
        wait_s = None
        if FAULT_POLICIES[kind].tries > 1:
            from pytest_evalgate.engine.retry_after import asked_wait_s  # noqa: PLC0415 - as in `classify`

            wait_s = asked_wait_s(response.headers, body, is_rate_limit=kind == "rate_limit")
        is_miss = not self.model and response.status >= _ERROR and kind not in _NOT_OF_THE_APPLICATION
        return CallFault(
            kind, detail, status=response.status, retry_after_s=wait_s, remedy=self._remedy(kind), is_miss=is_miss
        )

    def _redirect(self, response: HttpResponse) -> CallFault:
        """Return the fault of a redirect, which is not followed: a key is sent to the configured URL only."""
        location = self.redact(response.headers.get("location", "").strip())
        key = "base_url" if self.model else "url"
        sent = response.url or self.url
        target = _place_below(sent, location)
        # the path of the API is appended to base_url unless it ends with it already, see `request_url`
        same = urlsplit(sent).path.rstrip("/") if self.model else _last_part(sent)
        if not location:
            detail = f"it redirects without a location: check {key} ({self.place})"
        elif target is None:
            written = escape_text(location.partition("?")[0], _EXCERPT)
            detail = f"it redirects to {written}, which is no URL: check {key} ({self.place})"
        elif target.rstrip("/").endswith(same):
            detail = f"it redirects to {_without_query(location)}: write that as {key} ({target})"
        else:  # a login page, for example
            detail = f"it redirects to {_without_query(location)}: check {key} ({self.place})"
        return CallFault("redirect", detail, status=response.status)

    def _kind_of_status(self, status: int, body: ErrorBody) -> FaultKind:
        kinds = _BY_STATUS if self.model else _BY_APPLICATION_STATUS
        if 200 <= status < 300:  # noqa: PLR2004 - HTTP's classes of status
            codes = (code.lower() for code in body.codes)
            kind = next((_BY_CODE_IN_200[code] for code in codes if code in _BY_CODE_IN_200), None)
            if kind is not None or body.status is None:
                return kind or "malformed"
            status = body.status
        return kinds.get(status) or ("server" if status >= 500 else "bad_request")  # noqa: PLR2004 - the same

    def _remedy(self, kind: FaultKind) -> str:
        names = " and ".join(secret.name for secret in self.secrets)
        setting = "api_key_env" if self.model else "headers_env"
        key = f"check the environment variable {names}" if names else f"name the key's variable in {setting}"
        remedies: Mapping[FaultKind, str] = {
            "auth": key,
            "forbidden": f"{key}; the key must be allowed to use the model {self.model!r}",
            "quota": "add credit or raise the limit, then run again (replies received so far are cached)",
            "unknown_model": f"check the model name {self.model!r} and base_url",
            "not_found": f"check the model name {self.model!r} and base_url",
            "bad_parameter": "change or remove it where it is set: params of the model, the target or the judge",
            "connection": f"start the server, or correct {'base_url' if self.model else 'url'}",
            "certificate": "check the host name, or set SSL_CERT_FILE to the certificate of its authority",
            "too_large": "shorten the input, lower max_tokens, or raise the limit of the account",
        }
        return remedies.get(kind, "")


def place_of(url: str) -> str:
    """Return a URL without user, password and query, for messages."""
    parts = urlsplit(url)
    return escape_text(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", _EXCERPT)


def _place_below(base: str, location: str) -> str | None:
    """Return the place of a location relative to ``base``; None if it is no URL, such as ``http://[::1``."""
    try:
        return place_of(urljoin(base, location))
    except ValueError:
        return None


def _last_part(url: str) -> str:
    return "/" + urlsplit(url).path.rstrip("/").rpartition("/")[2]


def _without_query(location: str) -> str:
    path = location.partition("?")[0].partition("#")[0]
    return place_of(path) if "://" in path else escape_text(path, _EXCERPT)
