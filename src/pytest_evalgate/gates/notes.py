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
        yield from _of_clusters(len(np.unique(cases.clusters)))
    elif cases.is_mean and bool((cases.trials > 1).any()):
        yield from _of_repeats(cases)
    yield from _of_pairs(hearing)


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
