"""How often a judge is right, from a sample that was drawn by what the judge said.

Such a sample holds far more of the outputs that the judge fails than the run does. Its plain shares would flatter the
judge: what people fail and the judge passes hides among the many outputs that it passes, of which few were drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.judging.figures.rates import Rate, rate_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Marked:
    """A labelled row: what people and the judge say, the outputs that it stands for, and what it belongs to."""

    human: bool
    judge: bool
    weight: float
    cluster: Hashable | None = None

    @property
    def right(self) -> bool:
        """Whether the judge agrees with people."""
        return self.human is self.judge


@dataclass(frozen=True, slots=True)
class Rates:
    """Of human passes the share that the judge passes, of human fails the share that it fails; None without a label.

    ``accuracy`` is the share of outputs on which it agrees with people.
    """

    tpr: Rate | None
    tnr: Rate | None
    accuracy: Rate


def rates_of(rows: Sequence[Marked]) -> Rates:
    """Estimate the rates of n >= 1 rows.

    Where weights differ, rows of one weight and one verdict of the judge are a stratum. The share of human passes in
    each of them is that of Jeffreys' prior, ``(x + 1/2) / (k + 1)``: so a stratum without an error is not taken for
    one that has none. A rate is a quotient of sums over strata, worth ``p (1 - p) / var`` rows by the delta method, at
    most as many as were labelled. In simulated samples of 100 and 200 the lower bound held in 98 % or more. Clusters
    count as in `rate_of`. Source: Begg & Greenes 1983 for samples drawn by a verdict.
    """
    passes, fails = ([row for row in rows if row.human is human] for human in (True, False))
    if len({row.weight for row in rows}) == 1:
        return Rates(_plain(passes) if passes else None, _plain(fails) if fails else None, _plain(rows))
    strata = list(_strata(rows))
    return Rates(
        tpr=_quotient((stratum.of(human=True) for stratum in strata), passes) if passes else None,
        tnr=_quotient((stratum.of(human=False) for stratum in strata), fails) if fails else None,
        accuracy=_quotient((part for stratum in strata for part in stratum.both), rows),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """The outputs of a stratum that people pass, or those that they fail: how many, and how surely."""

    right: bool
    outputs: float
    variance: float


@dataclass(frozen=True, slots=True)
class _Stratum:
    """Labelled rows of one weight and one verdict of the judge, of which people pass some."""

    weight: float
    judge: bool
    labelled: int
    passed: int

    def of(self, *, human: bool) -> _Part:
        found = self.passed if human else self.labelled - self.passed
        share, outputs = (found + 0.5) / (self.labelled + 1), self.weight * self.labelled
        variance = outputs**2 * share * (1 - share) / (self.labelled + 2)
        return _Part(self.judge is human, outputs * share, variance)

    @property
    def both(self) -> tuple[_Part, _Part]:
        return self.of(human=True), self.of(human=False)


def _strata(rows: Iterable[Marked]) -> Iterable[_Stratum]:
    found: dict[tuple[float, bool], list[bool]] = {}
    for row in rows:
        found.setdefault((row.weight, row.judge), []).append(row.human)
    for (weight, judge), humans in found.items():
        yield _Stratum(weight, judge, len(humans), sum(humans))


def _plain(rows: Sequence[Marked]) -> Rate:
    clustered = any(row.cluster is not None for row in rows)
    return rate_of([row.right for row in rows], [row.cluster for row in rows] if clustered else None)


def _quotient(parts: Iterable[_Part], rows: Sequence[Marked]) -> Rate:
    """Return the outputs on which the judge is right, of all; ``rows`` are those that were labelled."""
    right, wrong = [0.0, 0.0], [0.0, 0.0]
    for part in parts:
        side = right if part.right else wrong
        side[0] += part.outputs
        side[1] += part.variance
    value = right[0] / (right[0] + wrong[0])
    variance = (wrong[0] ** 2 * right[1] + right[0] ** 2 * wrong[1]) / (right[0] + wrong[0]) ** 4
    plain = _plain(rows)
    worth = min(plain.n, value * (1 - value) / variance) * plain.worth / plain.n
    return Rate.of(value, plain.hits, plain.n, worth)
