"""Repetitions: the trials of a case, reruns of one commit, and an interrupted run that was resumed."""

from __future__ import annotations

from typing import Literal

from pytest_evalgate.frozen import dataclass

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


@dataclass(frozen=True, slots=True)
class TrialAgreement:
    """Whether all ``trials`` of a case have the same output (``raw``), and the scorers read the same (``parsed``)."""

    trials: int
    raw: bool
    parsed: bool


@dataclass(frozen=True, slots=True)
class Repeats:
    """The agreement of the trials of a suite.

    ``flip_rate`` is the probability that two trials of one case differ, ``flaky`` the number of cases with different
    trials. ``icc`` is the intraclass correlation of trials and ``design_effect`` the factor by which it increases the
    variance (both None if undefined). ``n_eff`` is the effective number of independent cases.

    ``raw_agreement`` is the share of cases whose trials all have the same output, ``parsed_agreement`` that of cases
    in whose trials the scorers read the same (total agreement rates, Atil et al. 2024). ``run_sd`` is the standard
    deviation of the suite's mean from one trial of all cases to the next; None if cases differ in their trials.
    """

    flip_rate: float
    flaky: int
    icc: float | None
    design_effect: float | None
    n_eff: float
    raw_agreement: float | None = None
    parsed_agreement: float | None = None
    run_sd: float | None = None
