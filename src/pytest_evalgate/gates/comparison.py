"""The pairs of a run and its baseline as columns, and the delta tests on them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_evalgate.stats.clusters import cluster_delta
from pytest_evalgate.stats.families import fewest_losses
from pytest_evalgate.stats.findings import Finding, finding, finding_name, finding_of_means
from pytest_evalgate.stats.numeric import ROUNDING
from pytest_evalgate.stats.paired import standard_error
from pytest_evalgate.stats.planning import drop_on_top, mde_mcnemar
from pytest_evalgate.stats.power import mde_mean

if TYPE_CHECKING:
    import numpy.typing as npt

POWER = 0.8
_STEPS = 40


@dataclass(frozen=True, slots=True)
class Pairs:
    """Columns of pairs: the case's number in the baseline and now, and its cluster (None where there are none).

    ``single`` says that both runs hold one trial a case, passed or failed: then McNemar's test is the right one.
    ``youden`` is the J of the judge that decided them: it sees J times the change (STATISTICS section 6).
    """

    before: npt.NDArray[np.float64]
    now: npt.NDArray[np.float64]
    clusters: npt.NDArray[np.int64] | None = None
    single: bool = True
    youden: float = 1.0

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.before)

    def take(self, places: npt.NDArray[np.intp]) -> Pairs:
        """Return some of the pairs."""
        clusters = None if self.clusters is None else self.clusters[places]
        return Pairs(self.before[places], self.now[places], clusters, self.single, self.youden)

    @property
    def losses(self) -> int:
        """Pairs that got worse."""
        return int(np.count_nonzero(self.now < self.before - ROUNDING))

    @property
    def gains(self) -> int:
        """Pairs that got better."""
        return int(np.count_nonzero(self.now > self.before + ROUNDING))

    @property
    def are_testable(self) -> bool:
        """Tell whether there are pairs, and more than one cluster of them where they come in clusters."""
        return len(self) > 0 and (self.clusters is None or len(np.unique(self.clusters)) > 1)

    def finding(self, alpha: float, margin: float | None = None) -> Finding:
        """Test testable pairs for a drop at one-sided ``alpha``.

        With one trial in both runs: McNemar's mid-p test and Tango's bounds. Otherwise the per-case numbers, or the
        sums of clusters, enter the sign-flip or the paired t test (STATISTICS section 2). Of what a judge decided, the
        p is that of its verdicts; the change and its bounds are those behind it, and are held against the margin.
        """
        found = self._of_verdicts(alpha, margin)
        if self.youden == 1:
            return found
        delta, lower, upper = (max(-1.0, min(1.0, x / self.youden)) for x in (found.delta, found.lower, found.upper))
        name = finding_name(found.p, lower, alpha, margin)
        return replace(found, name=name, delta=delta, lower=lower, upper=upper)

    def _of_verdicts(self, alpha: float, margin: float | None) -> Finding:
        if not self._is_table:
            clusters = None if self.clusters is None else self.clusters.tolist()
            return finding_of_means(
                baseline=self.before, candidate=self.now, clusters=clusters, alpha=alpha, margin=margin
            )
        both_pass = int(np.count_nonzero((self.before == 1) & (self.now == 1)))
        both_fail = len(self) - self.losses - self.gains - both_pass
        return finding(
            both_pass=both_pass, losses=self.losses, gains=self.gains, both_fail=both_fail, alpha=alpha, margin=margin
        )

    def p_beyond(self, drop: float) -> float:
        """Return the p that the true drop is larger than ``drop``: the alpha at which the upper bound touches it.

        At most 0.5, which stands for everything above.
        """
        low, high = math.log(1e-12), math.log(0.5)  # bounds of the search, in log alpha

        def is_proven(log_alpha: float) -> bool:
            return self.finding(math.exp(log_alpha)).upper < -drop

        if not is_proven(high - 1e-9):
            return 0.5
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if is_proven(middle) else (middle, high)
        return math.exp(high)

    def smallest_drop(self, alpha: float) -> float | None:
        """Return the smallest drop that these pairs can show with a power of 80 %; None where they can show none."""
        return self._behind_the_judge(self._smallest_drop_of_verdicts(alpha))

    def _smallest_drop_of_verdicts(self, alpha: float) -> float | None:
        n, differ = len(self), self.losses + self.gains
        if self._is_table:
            found = mde_mcnemar(n, discordance=(differ + 1) / (n + 2), alpha_one_sided=alpha, power=POWER)
            return found.mde if found.reachable else None
        units, se = self._units_and_error()
        if units == 1:
            return None
        se = se or 1 / math.sqrt(units * (units + 2))  # none differs: as if one of two more did
        drop = mde_mean(se, units - 1, alpha, POWER)
        return drop if drop < 1 else None

    def visible_drop(self, alpha: float) -> float | None:
        """Return the smallest drop that another run like this one could show; None where it could show none."""
        drop = self.smallest_drop(alpha)
        if drop is not None or not self._is_table or len(self) < fewest_losses(alpha):
            return drop
        discordance = (self.losses + self.gains) / (len(self) + 1)
        return self._behind_the_judge(drop_on_top(len(self), discordance, alpha, POWER))

    def _behind_the_judge(self, drop: float | None) -> float | None:
        return None if drop is None or drop / self.youden > 1 else drop / self.youden

    @property
    def _is_table(self) -> bool:
        return self.single and self.clusters is None and bool(np.isin(self.before, (0.0, 1.0)).all())

    def _units_and_error(self) -> tuple[int, float]:
        """Return the number of cases, or of clusters, and the standard error of the mean change."""
        change = self.now - self.before
        if self.clusters is not None:
            found = cluster_delta(change, self.clusters.tolist())
            return found.df + 1, found.se
        return len(change), standard_error(change)
