"""Remembered targets: an application that is asked once for each case, until its version changes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate import jsonl
from pytest_evalgate.calls import Call, Reply, record_of
from pytest_evalgate.data import Output

if TYPE_CHECKING:
    from pytest_evalgate.calls import CallKind
    from pytest_evalgate.data import Case, Json
    from pytest_evalgate.engine.cache.memory import Memory
    from pytest_evalgate.protocols import Target


class _Exited(Exception):  # noqa: N818 - carries a SystemExit past the loop, which it would end
    def __init__(self, exited: SystemExit) -> None:
        self.exited = exited
        super().__init__()


@dataclass(frozen=True, slots=True)
class RememberedTarget:
    """Answers from ``memory``, or from ``inner``, whose exceptions are raised and not remembered.

    Args:
        inner: The target: a function, a command, or one that a hook brings.
        memory: What is remembered.
        kind: How it is asked.
        endpoint: The name of the function or command.
        suite: Whose cases they are.
        version: Changes when the application may answer otherwise.

    """

    inner: Target
    memory: Memory
    kind: CallKind
    endpoint: str
    suite: str
    version: str

    async def answer(self, case: Case, trial: int) -> Output:
        """Return the output of ``trial`` of ``case``; raises as ``inner``, and CallFailed offline."""
        call = self.call_of(case, trial)
        try:
            reply = await self.memory.remember(call, lambda: self._ask(case, trial))
        except _Exited as error:
            raise error.exited from None
        return Output(reply.value, reply.metadata, reply.latency_s, reply.finish, record_of(call, reply))

    def call_of(self, case: Case, trial: int) -> Call:
        """Return the call as which an answer is remembered: the case stands in it by its content."""
        return Call(
            self.kind,
            self.endpoint,
            "",
            {"id": case.id, "fingerprint": case.fingerprint},
            trial,
            self.version,
            route=self.suite,
            label=f"{self.suite}::{case.id}",
        )

    async def _ask(self, case: Case, trial: int) -> Reply:
        start = time.perf_counter()
        try:
            output = await self.inner.answer(case, trial)
        except SystemExit as exited:
            raise _Exited(exited) from exited
        taken_s = time.perf_counter() - start if output.latency_s is None else output.latency_s
        return Reply(_as_json(output.value), output.finish, _as_json(output.metadata), latency_s=taken_s, cost_usd=0.0)


def _as_json(value: Json) -> Json:
    """Return ``value`` as it would be remembered, so that a case is graded alike each time; else as it is."""
    try:
        return json.loads(jsonl.canonical(value))
    except (TypeError, ValueError, RecursionError):
        return value
