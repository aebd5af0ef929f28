"""Attempts at one verdict: an interrupted run that was resumed, and reruns of one commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OnRerun = Literal["pool", "count"]
"""What a rerun of one commit does: it is decided on the trials of all attempts, or it is only counted."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The interrupted run that a run resumed, and the number of its answers that the run took over."""

    run_id: str
    answers: int


@dataclass(frozen=True, slots=True)
class Reruns:
    """The attempts at one commit with the same cases, scorers and trials.

    This run is number ``attempt``. Its numbers are those of the trials of ``pooled`` attempts, this one included; 1 if
    nothing is pooled. ``gone`` are earlier attempts whose run file is missing or unusable: they count, and cannot be
    pooled.
    """

    attempt: int
    pooled: int = 1
    gone: tuple[str, ...] = ()
