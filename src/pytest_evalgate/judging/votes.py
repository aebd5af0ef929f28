"""Votes of one judge on one output, one after the other, until those that are left cannot change the outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.calls import Call, CallRecord
    from pytest_evalgate.judging.material import Material


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote: a value in [0, 1], None where there is no knowing; how people call it, and why."""

    value: float | None
    words: str
    because: str
    calls: tuple[CallRecord, ...] = ()


class Voter(Protocol):
    """Casts the votes of a judge."""

    def calls_of(self, material: Material, index: int) -> Iterator[Call]:
        """Yield the calls of the 0-based vote ``index``, those of a repair left out; sends nothing."""

    async def vote(self, material: Material, index: int) -> Vote:
        """Cast the 0-based vote ``index``.

        Raises:
            RunStopped: no call of this run can succeed, or may be paid.

        """


async def poll(voter: Voter, material: Material, votes: int) -> list[Vote]:
    """Have votes cast until `settled` knows the outcome of all ``votes`` (odd), or cannot know it any more.

    Raises:
        RunStopped: no call of this run can succeed, or may be paid.

    """
    cast: list[Vote] = []
    while len(cast) < votes and settled(cast, votes) is None and _is_open(cast, votes):
        cast.append(await voter.vote(material, len(cast)))
    return cast


def settled(cast: Sequence[Vote], votes: int) -> float | None:
    """Return the median of all ``votes`` (odd), which for two values is what most of them say.

    A vote without a value, or not cast yet, may have any: None where the median depends on it.
    """
    known = sorted(vote.value for vote in cast if vote.value is not None)
    unknown, middle = votes - len(known), votes // 2
    lowest = ([0.0] * unknown + known)[middle]
    highest = (known + [1.0] * unknown)[middle]
    return lowest if lowest == highest else None


def reason(cast: Sequence[Vote], value: float | None) -> str:
    """Say what the votes say: the first that agrees with the outcome says why; several are listed."""
    speaker = next(vote for vote in cast if vote.value == value)
    told = f"{speaker.words}: {speaker.because}" if speaker.because else speaker.words
    return told if len(cast) == 1 else f"{told}; votes: {', '.join(vote.words for vote in cast)}"


def _is_open(cast: Sequence[Vote], votes: int) -> bool:
    """Tell whether the votes that are left may still settle it: half of them or more without a value cannot."""
    return sum(vote.value is None for vote in cast) <= votes // 2
