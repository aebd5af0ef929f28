"""What applications return, made into outputs of our own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from pytest_evalgate.errors import EvalgateError
from pytest_evalgate.records.results import Output
from pytest_evalgate.text import jsonl

MAX_BYTES: Final = 4 << 20
_DEEPEST: Final = 64


class TargetFailure(EvalgateError):  # noqa: N818 - it is the application that failed, and a missed case, not an error
    """The application answered with a failure of its own: the trial is a miss with this as its reason."""


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
    if len(plain) > MAX_BYTES:
        raise TypeError(f"the target returned {len(plain):,} bytes: return at most {MAX_BYTES:,}")
    if not isinstance(output.value, str) and jsonl.depth(plain.encode("ascii")) > _DEEPEST:
        raise TypeError(f"the target returned values nested deeper than {_DEEPEST}: return a flatter one")
    value, metadata, latency_s = json.loads(plain)
    return replace(output, value=value, metadata=metadata, latency_s=latency_s)
