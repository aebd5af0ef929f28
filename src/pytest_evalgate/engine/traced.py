"""Trace context and times of calls, for runs whose spans are exported. Other runs do not import this module."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass, replace
from pytest_evalgate.records.calls import ApplicationFailure, CallFailed
from pytest_evalgate.records.traces import Timing

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Call, Reply
    from pytest_evalgate.records.traces import RunTrace


@dataclass(frozen=True, slots=True)
class CallTracer:
    """Records when each call began and ended, cached ones included, and adds the trace context to requests.

    Applications get the context. Models get it only if their keys are in ``models``: most are endpoints of other
    companies, which cannot add spans to the trace.
    """

    trace: RunTrace
    models: Collection[str] = ()

    async def send(self, client: ModelClient, call: Call) -> Reply:
        """Return the reply to ``call``; raises like ``client``, with the times in the error's record."""
        is_target = call.purpose == "target"
        span = self.trace.trial_spans(call.label, call.trial).target if is_target else secrets.token_hex(8)
        if call.kind == "http" or call.route in self.models:
            call = replace(call, traceparent=self.trace.context_of(span))
        started = time.time()
        try:
            reply = await client.send(call)
        except (CallFailed, ApplicationFailure) as error:
            if error.record is not None:
                error.record = replace(error.record, timing=Timing(started, time.time(), span))
            raise
        return replace(reply, timing=Timing(started, time.time(), span))
