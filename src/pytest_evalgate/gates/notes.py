"""Warnings that belong to the numbers: where they rest on less than they seem to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.gates.answers import Hearing
    from pytest_evalgate.gates.evidence import Cases

_FEW_CLUSTERS = 10
_FEW_CASES = 50
_FEW_FAILURES = 5
_FEW_PAIRS = 200


def notes_of(hearing: Hearing) -> Iterator[str]:
    """Iterate over the warnings for one suite."""
    cases = hearing.head.cases
    if cases.clusters is not None:
        number = len(np.unique(cases.clusters))
        if number < _FEW_CLUSTERS:
            yield f"only {count(number, 'cluster')}: bounds that rest on so few are rough; {_FEW_CLUSTERS} are a start"
    if cases.is_mean and _has_repeats(cases) and (len(cases) < _FEW_CASES or _with_failures(cases) < _FEW_FAILURES):
        yield (
            f"several trials of {count(len(cases), 'case')}, {_with_failures(cases):,} of them with a failure: the "
            "lower bound of the pass rate covers less than 95% here; add cases rather than trials"
        )
    margin, compared = hearing.rules.comparison.margin, hearing.compared
    if (
        margin is not None
        and compared.pairing is not None
        and not compared.pairs.single
        and len(compared.pairs) < _FEW_PAIRS
    ):
        yield f"{count(len(compared.pairs), 'pair')} of means: below {_FEW_PAIRS} a margin may be cleared too easily"


def _has_repeats(cases: Cases) -> bool:
    return bool((cases.trials > 1).any())


def _with_failures(cases: Cases) -> int:
    return int(np.count_nonzero(cases.values < 1))
