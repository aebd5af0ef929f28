"""Outputs of applications, checked and converted to plain JSON values."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import EvalgateError
from pytest_evalgate.records.calls import FINISH_MESSAGES, CallRecord
from pytest_evalgate.records.results import Output
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.exceptions import safe_repr, type_name
from pytest_evalgate.text.reasoning import split_text, split_value

if TYPE_CHECKING:
    from pytest_evalgate.records.calls import Reply
    from pytest_evalgate.records.cases import Case

MAX_BYTES: Final = 4 << 20
_MAX_DEPTH: Final = 64


class TargetFailure(EvalgateError):  # noqa: N818 - the application failed: a missed case, not an error of ours
    """A failure of the application itself. The trial is a miss, with this message as its reason."""


def as_output(returned: object) -> Output:
    """Convert the return value of a target to an Output of plain JSON values.

    Raises:
        TypeError: The value is not a str, a dict or an Output, is not JSON, is nested deeper than 64 levels, or is
            larger than 4 MiB.
    """
    if not isinstance(returned, str | dict | Output):
        raise TypeError(f"the target returned {type(returned).__name__}: return a str, a dict or an Output")
    output = returned if isinstance(returned, Output) else Output(returned)
    if problem := _field_problem(output):
        raise TypeError(f"the target returned {problem}")
    try:
        plain = json.dumps([output.value, dict(output.metadata), output.latency_s], allow_nan=False)
    except (RecursionError, TypeError, ValueError) as error:
        raise TypeError(f"the target returned a value that is not JSON: {error}") from error
    if len(plain) > MAX_BYTES:
        raise TypeError(f"the target returned {len(plain):,} bytes: return at most {MAX_BYTES:,}")
    if not isinstance(output.value, str) and jsonl.depth(plain.encode("ascii")) > _MAX_DEPTH:
        raise TypeError(f"the target returned a value that is nested deeper than {_MAX_DEPTH}: return a flatter one")
    value, metadata, latency_s = json.loads(plain)
    return replace(output, value=value, metadata=metadata, latency_s=latency_s)


def _field_problem(output: Output) -> str:
    """Return what is wrong with a field beside the value, which no run file could hold; empty if nothing is."""
    fields: dict[str, Any] = {name: getattr(output, name) for name in ("metadata", "latency_s", "call", "reasoning")}
    types = {"reasoning": (str, "a str"), "metadata": (Mapping, "a dict"), "call": (CallRecord | None, "None")}
    for name, (kind, wanted) in types.items():
        if not isinstance(fields[name], kind):
            return f"{name} of type {type_name(fields[name])}: return {wanted}"
    latency_s = fields["latency_s"]
    is_number = isinstance(latency_s, int | float) and not isinstance(latency_s, bool)
    if latency_s is not None and not (is_number and 0 <= latency_s <= sys.float_info.max):
        return f"latency_s = {safe_repr(latency_s)}: return seconds, 0 or more, or None"
    finishes = ("complete", *FINISH_MESSAGES)
    if output.finish not in finishes:
        return f"finish = {safe_repr(output.finish)}: return one of {', '.join(finishes)}"
    return ""


def split_output(output: Output) -> Output:
    """Return an output without the reasoning in its value, which is moved to ``reasoning``.

    If the reasoning has no end, the output is not complete.
    """
    split = split_value(output.value)
    if split.answer is output.value:
        return output
    reasoning = "\n\n".join(filter(None, (output.reasoning, split.reasoning)))
    finish = output.finish if split.closed or output.finish != "complete" else "reasoning"
    return replace(output, value=split.answer, reasoning=reasoning, finish=finish)


def is_empty(output: Output) -> bool:
    """Return whether an output is a text without content: an application that failed often returns one."""
    return isinstance(output.value, str) and not output.value.strip()


def expects_empty(case: Case) -> bool:
    """Return whether an empty text is one of the expected outputs of a case."""
    return "" in (case.expected, *case.expected_any, *(one.get("value") for one in case.asserts))


def has_answer(reply: Reply) -> bool:
    """Return whether the complete reply of a model has a text beside its reasoning, or tool calls."""
    if reply.finish != "complete" or reply.metadata.get("tool_calls"):
        return True
    return isinstance(reply.value, str) and bool(split_text(reply.value).answer.strip())
