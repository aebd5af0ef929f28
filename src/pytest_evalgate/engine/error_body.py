"""Bodies of error responses: codes, message, parameter and hints, as several providers write them."""

from __future__ import annotations

import json
import re
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.jsonl import loads_received

if TYPE_CHECKING:
    from collections.abc import Mapping

# Characters of a message that are searched and shown: a body may have 16 MiB.
_MAX_TEXT: Final = 4_000
_MAX_RAW: Final = 20_000
# Google puts its real code into details[].reason, Azure into innererror.code.
_CODES: Final = ("code", "type", "status", "reason", "error_code")
_STATUS: Final = re.compile(r"[45]\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """A parsed error body.

    Args:
        codes: Machine-readable codes, the most specific ones of the endpoint first.
        message: The message; the whole body if it is not JSON.
        param: The parameter of the request that was refused, if the body names one.
        status: An HTTP status that the body repeats as a code, which matters if the response is a 200.
        error: The object that contains the message.
    """

    codes: tuple[str, ...] = ()
    message: str = ""
    param: str = ""
    status: int | None = None
    error: Mapping[str, Any] = field(default_factory=dict)

    @property
    def details(self) -> tuple[Mapping[str, Any], ...]:
        """The objects in ``error.details``, in which Google reports reasons, quotas and waits."""
        details = self.error.get("details")
        return tuple(item for item in details if isinstance(item, dict)) if isinstance(details, list) else ()

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The object ``error.metadata``, in which OpenRouter reports headers, flags, and the provider's own error."""
        metadata = self.error.get("metadata")
        return metadata if isinstance(metadata, dict) else {}


def parse_error(body: bytes) -> ErrorBody:
    """Parse an error body. A body that is not a JSON object, or a list with one, is the message."""
    try:
        parsed = loads_received(body)
    except ValueError:
        return ErrorBody(message=body[:_MAX_TEXT].decode("utf-8", "replace"))
    if isinstance(parsed, list) and parsed and isinstance(parsed[0], dict):
        parsed = parsed[0]  # Google's compatible endpoint wraps its errors in a list
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else parsed
    if isinstance(error, str) and isinstance(parsed, dict):
        return ErrorBody(tuple(_codes(parsed)), _text(error), error=parsed)
    if not isinstance(error, dict):
        return ErrorBody(message=_text(error))
    if isinstance(error.get("detail"), dict) and "message" not in error:  # FastAPI's HTTPException
        error = error["detail"]
    message = error.get("message") or error.get("detail") or error.get("msg")
    param = error.get("param")
    found = ErrorBody(
        tuple(_codes(error)),
        _text(error if message is None else message),
        param if isinstance(param, str) else "",
        _status(error.get("code")),
        error,
    )
    return _with_provider_error(found)


def _codes(error: Mapping[str, Any]) -> list[str]:
    codes = [value for key in _CODES if isinstance(value := error.get(key), str) and value]
    inner = error.get("innererror") or error.get("inner_error")
    if isinstance(inner, dict) and isinstance(inner.get("code"), str):
        codes.append(inner["code"])
    details = error.get("details")
    if isinstance(details, list):
        codes += [item["reason"] for item in details if isinstance(item, dict) and isinstance(item.get("reason"), str)]
    return codes


def _with_provider_error(found: ErrorBody) -> ErrorBody:
    """Add the error of the provider behind a router, which passes it on as text in ``metadata.raw``."""
    raw = found.metadata.get("raw")
    if not isinstance(raw, str) or not raw or len(raw) > _MAX_RAW:
        return found
    inner = parse_error(raw.encode("utf-8", "replace"))
    return ErrorBody(
        (*found.codes, *inner.codes), f"{found.message}: {inner.message}", inner.param, found.status, found.error
    )


def _status(code: Any) -> int | None:
    """Return a code that is an HTTP status of an error, as a number or as text."""
    number = int(code) if isinstance(code, str) and _STATUS.fullmatch(code) else code
    return number if type(number) is int and 400 <= number <= 599 else None  # noqa: PLR2004 - HTTP's errors


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:_MAX_TEXT]
