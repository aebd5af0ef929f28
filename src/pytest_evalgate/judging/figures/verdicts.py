"""Passes and fails of a judge against those of people, in one figure: kappa, MCC and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.judging.figures.figure import Figure, figure
from pytest_evalgate.stats.agreement import agreement_binary

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy.typing as npt

    from pytest_evalgate.judging.figures.figure import Bootstrap

FIGURES = ("balanced_accuracy", "kappa", "mcc", "krippendorff_nominal", "f1")


def verdict_figures(
    human: Sequence[bool], judge: Sequence[bool], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> dict[str, Figure]:
    """Compare n verdicts of a judge with those of people; every figure of `FIGURES`, by name.

    Shapes: (n,) each.
    """
    found = agreement_binary([float(one) for one in human], [float(one) for one in judge])
    drawn = of_tables(bootstrap.tables(cells_of(human, judge), clusters))
    return {name: figure(getattr(found, name), drawn[name]) for name in FIGURES}


def cells_of(human: Sequence[bool], judge: Sequence[bool]) -> npt.NDArray[np.float64]:
    """Mark which of four each row is: both pass, only people pass, only the judge passes, both fail; shape (n, 4)."""
    people, machine = np.array(human, dtype=bool), np.array(judge, dtype=bool)
    columns = (people & machine, people & ~machine, ~people & machine, ~people & ~machine)
    return np.stack(columns, axis=1).astype(np.float64)


def of_tables(tables: npt.NDArray[np.float64]) -> Mapping[str, npt.NDArray[np.float64]]:
    """Return the figures of many tables of the four counts at once, shape (B, 4) to (B,) each; NaN is undefined.

    The same as `pytest_evalgate.stats.agreement_binary` on one of them.
    """
    both, people, machine, neither = tables.T
    n = tables.sum(axis=1)
    human, judge = both + people, both + machine
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (human * judge + (n - human) * (n - judge)) / n**2
        spread = np.sqrt(human * judge * (n - human) * (n - judge))
        mixed = 2 * (human + judge) * (2 * n - human - judge) / (2 * n * (2 * n - 1))
        return {
            "balanced_accuracy": (both / human + neither / (n - human)) / 2,
            "kappa": ((both + neither) / n - chance) / (1 - chance),
            "mcc": np.where(spread > 0, (both * neither - people * machine) / spread, 0.0),
            "krippendorff_nominal": 1 - (people + machine) / n / mixed,
            "f1": 2 * both / (human + judge),
        }
