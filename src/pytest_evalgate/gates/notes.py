"""Warnings that belong to the numbers: where they rest on less than they seem to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.gates.correction import uncorrected
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.gates.answers import Hearing
    from pytest_evalgate.gates.correction import Correction
    from pytest_evalgate.gates.evidence import Cases

_FEW_CLUSTERS = 10
_FEW_CASES = 50
_FEW_FAILURES = 5
_FEW_PAIRS = 200


def notes_of(hearing: Hearing) -> Iterator[str]:
    """Iterate over the warnings for one suite."""
    cases = hearing.head.cases
    if cases.clusters is not None:
        yield from _of_clusters(len(np.unique(cases.clusters)))
    elif cases.is_mean and bool((cases.trials > 1).any()):
        yield from _of_repeats(cases)
    yield from _of_pairs(hearing)
    yield from _of_judges(hearing)


def _of_clusters(number: int) -> Iterator[str]:
    if number < _FEW_CLUSTERS:
        yield f"only {count(number, 'cluster')}: bounds that rest on so few are rough; {_FEW_CLUSTERS} are a start"


def _of_repeats(cases: Cases) -> Iterator[str]:
    failures = int(np.count_nonzero(cases.values < 1))
    if len(cases) < _FEW_CASES or failures < _FEW_FAILURES:
        yield (
            f"several trials of {count(len(cases), 'case')}, {failures:,} of them with a failure: the lower bound of "
            "the pass rate covers less than 95% here; add cases rather than trials"
        )


def _of_pairs(hearing: Hearing) -> Iterator[str]:
    compared = hearing.compared
    if hearing.rules.comparison.margin is None or compared.pairing is None or compared.pairs.single:
        return
    if len(compared.pairs) < _FEW_PAIRS:
        yield f"{count(len(compared.pairs), 'pair')} of means: below {_FEW_PAIRS} a margin may be cleared too easily"


def _of_judges(hearing: Hearing) -> Iterator[str]:
    why = uncorrected(hearing.suite, hearing.rules)
    if why is not None:
        yield f"rates and changes are not corrected for the errors of judges: {why}"
    if hearing.correction is not None:
        yield from _of_correction(hearing, hearing.correction)


def _of_correction(hearing: Hearing, correction: Correction) -> Iterator[str]:
    errors, judged = correction.errors, hearing.head.corrected.rate.judged
    if judged is not None and not judged.plausible:
        yield (
            f"judge {correction.judge} passed {percent(judged.raw)}, which does not go with its tpr of "
            f"{errors.tpr:.2f} and tnr of {errors.tnr:.2f}: it may err otherwise here than on its labels; label "
            "answers of this suite"
        )
    if hearing.compared.pairing is not None and errors.youden < 1:
        yield (
            f"the change is what judge {correction.judge} sees, divided by its TPR + TNR - 1 of {errors.youden:.2f}: "
            "that assumes the judge errs equally on both"
        )
