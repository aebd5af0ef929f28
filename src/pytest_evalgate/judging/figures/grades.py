"""Grades of a judge against those of people: weighted kappa, Krippendorff's alpha, rank correlations."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.judging.figures.figure import Figure, figure
from pytest_evalgate.stats.agreement import AgreementGraded, agreement_graded

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pytest_evalgate.judging.figures.figure import Bootstrap


def grade_figures(
    human: Sequence[float], judge: Sequence[float], clusters: Sequence[Hashable], bootstrap: Bootstrap
) -> dict[str, Figure]:
    """Compare n grades of a judge with those of people on one scale; every figure of `AgreementGraded`, by name.

    Shapes: (n,) each.
    """
    people, machine = np.array(human, dtype=np.float64), np.array(judge, dtype=np.float64)
    found = agreement_graded(people, machine)
    drawn = [agreement_graded(people[rows], machine[rows]) for rows in bootstrap.samples(clusters)]
    names = [field.name for field in dataclasses.fields(AgreementGraded)]
    return {name: figure(getattr(found, name), [getattr(one, name) for one in drawn]) for name in names}
