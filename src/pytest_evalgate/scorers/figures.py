"""Rules on the figures of an output itself: its latency, its cost and its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0)]
Part = Literal["total", "in", "out"]


def latency(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    max: Seconds,  # noqa: A002 - the name that users write
) -> Graded:
    """Pass if the output took at most ``max`` seconds; unknown if its latency is, as that of a recorded output."""
    if output.latency_s is None:
        return None, "the latency of the output is unknown"
    return float(output.latency_s <= max), f"took {output.latency_s:.3g} s, at most {max:g}"


def cost(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    max: Dollars,  # noqa: A002 - the name that users write
) -> Graded:
    """Pass if the call of the output cost at most ``max`` US dollars; unknown without a price of the model."""
    paid = None if output.call is None else output.call.cost_usd
    if paid is None:
        return None, "the cost of the output is unknown: add a price to the model"
    return float(paid <= max), f"cost US${paid:.6f}, at most US${max:g}"


def tokens(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    max: Tokens,  # noqa: A002 - the name that users write
    of: Part = "total",
) -> Graded:
    """Pass if the call of the output used at most ``max`` tokens; unknown if the endpoint did not count them.

    ``of`` names the counted tokens: those of the prompt (``"in"``), of the reply (``"out"``, with its reasoning), or
    both (``"total"``).
    """
    call = output.call
    used_in, used_out = (None, None) if call is None else (call.tokens_in, call.tokens_out)
    counted = {"in": (used_in,), "out": (used_out,), "total": (used_in, used_out)}[of]
    known = [number for number in counted if number is not None]
    if len(known) < len(counted):
        return None, "the tokens of the output are unknown: its call did not count them"
    used = sum(known)
    kind = "" if of == "total" else f" {of}"
    return float(used <= max), f"used {used:,} tokens{kind}, at most {max:,}"
