"""Trace of a run: its ids, and the times at which a trial or a call began and ended."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

TRACE_VARIABLE: Final = "TRACEPARENT"
"""Environment variable with the trace context of a program, as in OpenTelemetry's specification of context carriers:
https://opentelemetry.io/docs/specs/otel/context/env-carriers/."""

TRACE_HEADER: Final = "traceparent"
"""HTTP header with the trace context of a request: https://www.w3.org/TR/trace-context/."""

_CONTEXT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
_SPAN_DIGITS: Final = 16
_TRIAL, _TARGET, _BASE = slice(0, 16), slice(16, 32), slice(32, 48)
"""Digits of the ids in the digest of a trial's name."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Begin and end of a trial or a call, in seconds since 1970. ``span`` is the id of the call's span."""

    started: float
    ended: float
    span: str = ""


@dataclass(frozen=True, slots=True)
class RunTrace:
    """Ids of a run's trace in hexadecimal, and the begin of the run in seconds since 1970.

    ``parent_id`` is the id of the span in which the run was started; empty if there is none.
    The ids of spans are derived from names, so a worker process that calls a target and the controller that exports
    the spans agree on them without a message.
    """

    trace_id: str
    span_id: str
    started: float
    parent_id: str = ""

    @classmethod
    def begin(cls, environ: Mapping[str, str]) -> Self:
        """Return the ids of a new run, in the trace that `TRACE_VARIABLE` names if there is one."""
        found = _CONTEXT.fullmatch(environ.get(TRACE_VARIABLE, ""))
        span_id, started = secrets.token_hex(_SPAN_DIGITS // 2), time.time()
        if found is None:
            return cls(secrets.token_hex(_SPAN_DIGITS), span_id, started)
        return cls(found[1], span_id, started, found[2])

    @property
    def context(self) -> str:
        """The context of the run's own span."""
        return self.context_of(self.span_id)

    def context_of(self, span_id: str) -> str:
        """Return the value of `TRACE_HEADER` and `TRACE_VARIABLE` for work inside of a span."""
        return f"00-{self.trace_id}-{span_id}-01"

    def case_span(self, label: str) -> str:
        """Return the id of the span of a case; ``label`` is ``suite::case id``."""
        return self._digest(label)[:_SPAN_DIGITS]

    def trial_spans(self, label: str, trial: int) -> TrialSpans:
        """Return the ids of the spans of a trial."""
        digest = self._digest(f"{label}\0{trial}")
        return TrialSpans(digest[_TRIAL], digest[_TARGET], digest[_BASE])

    def _digest(self, name: str) -> str:
        text = f"{self.trace_id}{self.span_id}{name}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class TrialSpans:
    """Ids of a trial's span and of its target's call; ids of other spans differ from ``base`` in a few bits."""

    trial: str
    target: str
    base: str

    def other(self, number: int) -> str:
        """Return the id of a score (0 and above) or of a scorer's call (below 0)."""
        bits = 2 * number if number >= 0 else -2 * number - 1
        return f"{int(self.base, 16) ^ bits:016x}"


def linked_ids(context: str) -> tuple[str, str] | None:
    """Return the trace id and the span id of a context; None if it is malformed."""
    found = _CONTEXT.fullmatch(context)
    return None if found is None else (found[1], found[2])
