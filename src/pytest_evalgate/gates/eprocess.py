"""The e-process of a suite that may stop as soon as the evidence is there: ``stop = "eprocess"``.

A fifth of the gate's alpha pays for looking after every case, the rest for the test after the last one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_evalgate import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_evalgate.data import PlannedCase
    from pytest_evalgate.gates.evidence import Evidence
    from pytest_evalgate.settings import NoRegressionGate

LOOKING: Final = 0.2
"""The share of alpha that the looks have: 0.01 of 0.05."""


def place_in_order(case: PlannedCase) -> bytes:
    """Return what sorts the cases into an order that has nothing to do with their outcomes."""
    return hashlib.sha256(case.golden_id.encode()).digest()


def p_while_looking(gate: NoRegressionGate, evidence: Evidence) -> float:
    """Return the p of a drop at whatever case one looks: of the e-process, and of the last test once all cases are in.

    Where cases are left, it is 0 on the worst completion and that of the looks on the best: a drop is decided where
    both reject, however many other tests share the alpha.
    """
    pairing = evidence.pairing
    if pairing is None or not evidence.pairs.single:
        return evidence.pairs.finding(gate.alpha).p
    cases = [pair.now for pair in pairing.pairs]
    order = sorted(range(len(cases)), key=lambda place: place_in_order(cases[place].case))
    seen = _answered(order, [result.outcome == "not_run" for result in cases])
    changes = np.rint(evidence.pairs.now - evidence.pairs.before)[seen]
    looks = _p_of_looks(changes, gate, evidence.pairs.youden) if len(seen) else 1.0
    if looks is None:
        return 1.0
    if len(seen) == len(order):
        return min(1.0, looks, evidence.pairs.finding(gate.alpha).p / (1 - LOOKING))
    return 0.0 if evidence.completion == "worst" else looks


def _answered(order: Sequence[int], not_run: Sequence[bool]) -> list[int]:
    """Return the places up to the first case that has not run."""
    until = next((index for index, place in enumerate(order) if not_run[place]), len(order))
    return list(order[:until])


def _p_of_looks(changes: npt.NDArray[np.float64], gate: NoRegressionGate, youden: float) -> float | None:
    """Return the p of all looks together; None where a drop of the margin was ruled out before one was proven.

    A judge shows a share ``youden`` of a drop, so it is that share of the margin that has to be ruled out.
    """
    e_values = stats.eprocess_mixture(changes).e_values
    level = gate.alpha * LOOKING
    drop = stats.first_crossing(e_values, level)
    if gate.margin is not None:
        proof = stats.first_crossing(stats.noninferiority_mixture(changes, gate.margin * youden).e_values, level)
        if proof is not None and (drop is None or proof < drop):
            return None
    return min(1.0, 1 / (LOOKING * max(1.0, *e_values)))
