"""Outputs of applications, checked and converted to plain JSON values."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from pytest_evalgate.errors import EvalgateError
from pytest_evalgate.records.results import Output
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.reasoning import split_value

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


def split_output(output: Output) -> Output:
    """Return an output without the reasoning in its value, which is moved to ``reasoning``.

    If no answer is left, or the reasoning has no end, the output is not complete.
    """
    split = split_value(output.value)
    if split.answer is output.value:
        return output
    reasoning = "\n\n".join(filter(None, (output.reasoning, split.reasoning)))
    answered = split.closed and split.answer != ""
    finish = output.finish if answered or output.finish != "complete" else "reasoning"
    return replace(output, value=split.answer, reasoning=reasoning, finish=finish)
