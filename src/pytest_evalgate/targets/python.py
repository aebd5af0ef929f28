"""A callable as the target, sync or async."""

from __future__ import annotations

import inspect
import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_evalgate import jsonl
from pytest_evalgate.data import Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.data import Case, Json

_MOST_BYTES = 4 << 20
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class PythonTarget:
    """Calls ``function`` with the case's input; a parameter named ``case`` is given the whole case."""

    function: Callable[..., Any]
    wants_input: bool
    wants_case: bool

    async def answer(self, case: Case, trial: int) -> Output:  # noqa: ARG002 - each trial is a call of its own
        """Return what the callable returned: a str, a dict or an Output."""
        start = time.perf_counter()
        asked = (question(case),) if self.wants_input else ()
        returned = self.function(*asked, **({"case": case} if self.wants_case else {}))
        if inspect.isawaitable(returned):
            returned = await returned
        output = as_output(returned)
        return output if output.latency_s is not None else replace(output, latency_s=time.perf_counter() - start)


def wrap(function: Callable[..., Any]) -> PythonTarget:
    """Make a target of ``function``."""
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # written in C, without a signature to read
        return PythonTarget(function, wants_input=True, wants_case=False)
    return PythonTarget(function, wants_input=parameters.keys() != {"case"}, wants_case="case" in parameters)


def question(case: Case) -> Json:
    """Return what a target is asked: the input, else the messages, else the vars."""
    if case.input is not None:
        return case.input
    return [dict(message) for message in case.messages] or dict(case.vars) or None


def as_output(returned: object) -> Output:
    """Make an Output of what a target returned, as plain JSON values of our own.

    Raises:
        TypeError: it is not a str, a dict or an Output, holds what JSON cannot hold, is nested deeper than 64 or
            larger than 4 MiB.

    """
    if not isinstance(returned, str | dict | Output):
        raise TypeError(f"the target returned {type(returned).__name__}: return a str, a dict or an Output")
    output = returned if isinstance(returned, Output) else Output(returned)
    try:
        plain = json.dumps([output.value, dict(output.metadata), output.latency_s], allow_nan=False)
    except (RecursionError, TypeError, ValueError) as error:
        raise TypeError(f"the target returned what JSON cannot hold: {error}") from error
    if len(plain) > _MOST_BYTES:
        raise TypeError(f"the target returned {len(plain):,} bytes: return at most {_MOST_BYTES:,}")
    if not isinstance(output.value, str) and jsonl.depth(plain.encode("ascii")) > _DEEPEST:
        raise TypeError(f"the target returned values nested deeper than {_DEEPEST}: return a flatter one")
    return Output(*json.loads(plain))
