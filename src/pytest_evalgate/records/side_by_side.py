"""Candidates side by side: the suites of one run that differ only in their target, and the tests between them."""

from __future__ import annotations

from pytest_evalgate.frozen import dataclass


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """One candidate: its suite, with the rate, the cost and the latency of this run.

    ``cost_usd`` is that of the target's sent calls, None if it is unknown; ``cached`` calls cost nothing.
    ``p95_latency_s`` is None unless every output has a latency. Candidates with a letter of ``groups`` in common are
    not distinguishable.
    """

    suite: str
    cases: int
    pass_rate: float | None
    interval: tuple[float, float] | None
    cost_usd: float | None
    cached: int
    p95_latency_s: float | None
    groups: str = ""


@dataclass(frozen=True, slots=True)
class CandidatePair:
    """The paired test of two candidates over ``pairs`` cases; ``delta`` is ``first`` minus ``second``.

    ``better`` cases pass with the first only, or have the higher mean. ``lower`` and ``upper`` are the limits of the
    two-sided 95 % interval. ``p`` is two-sided, ``p_adjusted`` Holm's over all pairs of the suite; they ``differ`` if
    that is at most 0.05. Missing outputs are counted once against the one and once against the other, and the larger
    p is used.
    """

    first: str
    second: str
    pairs: int
    better: int
    worse: int
    delta: float
    lower: float
    upper: float
    p: float
    p_adjusted: float
    differ: bool


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The candidates of one suite, the highest rate first, and the tests of all pairs of them.

    It describes; each candidate's own gates decide. ``notes`` are reasons why a pair could not be tested.
    """

    suite: str
    candidates: tuple[CandidateResult, ...]
    pairs: tuple[CandidatePair, ...]
    notes: tuple[str, ...] = ()
