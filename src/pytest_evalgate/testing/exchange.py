"""One exchange with the scripted server: the request as it arrived, the answer as it is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON: Final = "application/json"

_NOTHING: Mapping[str, str] = MappingProxyType({})


def _nothing() -> Mapping[str, str]:
    return _NOTHING


@dataclass(frozen=True, slots=True)
class Request:
    """A request that arrived whole.

    Args:
        number: 1 for the first since the server started.
        method: such as ``POST``.
        path: with its query, such as ``/v1/chat/completions``.
        headers: by lower-case name; left out of the repr, since one of them holds the key.
        body: parsed where it is JSON, else its text; None where there is none.
        at: monotonic time of its arrival, in seconds.

    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: Any
    at: float

    @property
    def route(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]

    @property
    def model(self) -> str:
        """The model that is asked; empty where none is."""
        return str(self.body.get("model", "")) if isinstance(self.body, dict) else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; the server adds the length of the body."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=_nothing)


def body_of(raw: bytes) -> Any:
    """Return a request's body: parsed where it is JSON, else its text; None where there is none."""
    if not raw:
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] = _NOTHING) -> Answer:
    """Return an answer whose body is ``value`` as JSON."""
    return Answer(status, json.dumps(value).encode("ascii"), JSON, headers)
