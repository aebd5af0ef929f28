"""Trials of a suite as columns: the values that one metric read, with their case and their share of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.gates.evidence import weights_of
from pytest_evalgate.stats.arrays import np
from pytest_evalgate.stats.weights import relative_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from pytest_evalgate.gates.pairing import Pair
    from pytest_evalgate.records.results import CaseResult, Trial
    from pytest_evalgate.stats.resampling import Array

Values = tuple[str | float | None, ...]


@dataclass(frozen=True, slots=True)
class TrialColumns:
    """The trials of ``cases`` cases, each of shape (t,).

    ``values`` are those that the metric read; None if even the label of the case is unknown, since the case ended
    before it was read. Of a ``missing`` trial there is no output. ``passed`` is NaN if that is unknown. The shares of
    the trials of a case add up to its weight: 1, unless ``is_weighted``; then the mean weight is 1.
    """

    values: Sequence[Values | None]
    case: npt.NDArray[np.intp]
    share: Array
    missing: npt.NDArray[np.bool_]
    passed: Array
    cases: int
    is_weighted: bool = False

    def is_known(self) -> npt.NDArray[np.bool_]:
        """Return which trials have values."""
        return np.fromiter((one is not None for one in self.values), np.bool_, len(self.values))

    def take(self, kept: npt.NDArray[np.bool_]) -> TrialColumns:
        """Return the trials that are ``kept``; the cases keep their numbers."""
        values = [one for one, keep in zip(self.values, kept.tolist(), strict=True) if keep]
        return replace(
            self,
            values=values,
            case=self.case[kept],
            share=self.share[kept],
            missing=self.missing[kept],
            passed=self.passed[kept],
        )

    def by_case(self, rows: Array) -> Array:
        """Return the sums of the cases, shape (n, D), from those of the trials, shape (t, D)."""
        if len(rows) == self.cases and bool((self.share == 1).all()):
            return rows
        sums = np.zeros((self.cases, rows.shape[1]))
        np.add.at(sums, self.case, rows * self.share[:, None])
        return sums


def columns_of(results: Sequence[CaseResult], metric: str) -> TrialColumns | None:
    """Return the trials of ``results`` with the values of a metric; None if an output lacks them."""
    rows: list[tuple[int, float, Values | None, bool, float]] = []
    for case, result in enumerate(results):
        if not result.trials:
            rows.append((case, 1.0, None, True, np.nan))
        for trial in result.trials:
            values = next((one.values for one in trial.readings if one.metric == metric), None)
            missing = _is_missing(trial)
            if values is None and not missing:
                return None
            passed = np.nan if trial.value is None else trial.value
            rows.append((case, 1 / len(result.trials), values, missing, passed))
    return _columns(rows, results)


def columns_before(pairs: Sequence[Pair], metric: str) -> TrialColumns | None:
    """Return the trials of the baseline's cases in ``pairs``; None if the baseline lacks the values of a metric."""
    rows: list[tuple[int, float, Values | None, bool, float]] = []
    for case, pair in enumerate(pairs):
        read = pair.before.readings.get(metric)
        if read is None:
            return None
        rows += [
            (case, 1 / len(read), values, False, passed)
            for values, passed in zip(read, pair.before.values, strict=True)
        ]
    return _columns(rows, [pair.now for pair in pairs])  # both sides have the weights of this run


def _is_missing(trial: Trial) -> bool:
    return trial.output is None and trial.value is None


def _columns(
    rows: Iterable[tuple[int, float, Values | None, bool, float]], results: Sequence[CaseResult]
) -> TrialColumns:
    case, share, values, missing, passed = zip(*rows, strict=True)
    of_case, weights = np.array(case, dtype=np.intp), weights_of(results)
    shares = np.array(share, dtype=np.float64)
    return TrialColumns(
        values,
        of_case,
        shares if weights is None else shares * relative_weights(weights)[of_case],
        np.array(missing, dtype=np.bool_),
        np.array(passed, dtype=np.float64),
        len(results),
        is_weighted=weights is not None,
    )
