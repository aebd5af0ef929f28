"""Votes of a judge: they are cast until their median is known.

A vote whose reply is unreadable has no value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.judges.material import Material
    from pytest_evalgate.records.calls import Call, CallRecord, Reply

Lookup = Callable[["Call"], "Reply | None"]


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote: a value in [0, 1] or None if the reply is unreadable, a short description, and the reason.

    ``may_change``: the value is None for a transient reason. ``rationale`` is the model's own reason.
    """

    value: float | None
    summary: str
    reason: str
    calls: tuple[CallRecord, ...] = ()
    may_change: bool = False
    rationale: str = ""


class Voter(Protocol):
    """Casts the votes of a judge."""

    def calls_of(self, material: Material, index: int, lookup: Lookup | None = None) -> Iterator[Call]:
        """Yield the calls of the 0-based vote ``index``, without retries after unreadable replies. Sends nothing.

        ``lookup`` returns the cached reply to a call, if there is one: later calls may depend on it.
        """

    async def vote(self, material: Material, index: int) -> Vote:
        """Cast the 0-based vote ``index``.

        Raises:
            RunStopped: the run was stopped, or its budget is spent.
        """


async def collect_votes(voter: Voter, material: Material, votes: int) -> list[Vote]:
    """Cast up to ``votes`` votes (odd), stopping as soon as their median is known or can no longer become known."""
    cast: list[Vote] = []
    while len(cast) < votes and decided_value(cast, votes) is None:
        if sum(vote.value is None for vote in cast) > votes // 2:
            break  # most votes are unreadable
        cast.append(await voter.vote(material, len(cast)))
    return cast


def decided_value(cast: Sequence[Vote], votes: int) -> float | None:
    """Return the median of all ``votes`` (odd), which for two-valued votes is the majority.

    A vote that is unreadable or not yet cast may have any value. None if the median depends on such votes.
    """
    known = sorted(vote.value for vote in cast if vote.value is not None)
    unknown, middle = votes - len(known), votes // 2
    lowest = ([0.0] * unknown + known)[middle]
    highest = (known + [1.0] * unknown)[middle]
    return lowest if lowest == highest else None


def agreeing_vote(cast: Sequence[Vote], value: float | None) -> Vote:
    """Return the first vote with the value of the score."""
    return next(vote for vote in cast if vote.value == value)


def reason(cast: Sequence[Vote], value: float | None) -> str:
    """Return the reason of a score: that of the first vote with its value, followed by all votes if there are more."""
    agreeing = agreeing_vote(cast, value)
    text = f"{agreeing.summary}: {agreeing.reason}" if agreeing.reason else agreeing.summary
    return text if len(cast) == 1 else f"{text}; votes: {', '.join(vote.summary for vote in cast)}"
