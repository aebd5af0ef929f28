"""Numbers that no estimator can use are refused by name and value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.stats.clusters import cluster_delta, cluster_mean_ci, icc_anova, repeats_effective_n
from pytest_evalgate.stats.intervals import (
    cases_needed,
    clopper_pearson_interval,
    clopper_pearson_lower_one_sided,
    passes_needed,
    wilson_interval,
)
from pytest_evalgate.stats.paired import (
    finding,
    finding_name,
    finding_of_means,
    mcnemar_midp,
    tango_bounds,
    unpaired_newcombe,
)
from pytest_evalgate.stats.planning import mcnemar_sample_size, mde_mcnemar

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = {"both_pass": 10, "losses": 3, "gains": 1, "both_fail": 6}
EMPTY = dict.fromkeys(TABLE, 0)
RATE_FUNCTIONS = [
    wilson_interval,
    clopper_pearson_interval,
    clopper_pearson_lower_one_sided,
]


@pytest.mark.parametrize("function", RATE_FUNCTIONS)
@pytest.mark.parametrize(
    ("passes", "n", "confidence", "message"),
    [
        (0, 0, 0.95, "n must be positive and finite, got 0"),
        (0, -1, 0.95, "n must be positive and finite, got -1"),
        (0, math.nan, 0.95, "n must be positive and finite, got nan"),
        (11, 10, 0.95, "passes must be from 0 to 10, got 11"),
        (-1, 10, 0.95, "passes must be from 0 to 10, got -1"),
        (math.nan, 10, 0.95, "passes must be from 0 to 10, got nan"),
        (5, 10, 1.0, r"confidence must be strictly between 0(\.5)? and 1, got 1.0"),
        (5, 10, 0.0, r"confidence must be strictly between 0(\.5)? and 1, got 0.0"),
        (5, 10, math.nan, "confidence must be strictly between .* got nan"),
    ],
)
def test_rates(function: Callable[..., object], passes: float, n: float, confidence: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(passes, n, confidence)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (EMPTY, r"table of pairs is empty \(n = 0\)"),
        (TABLE | {"losses": -1}, "losses must be a whole number, 0 or more, got -1"),
        (TABLE | {"gains": math.nan}, "gains must be a whole number, 0 or more, got nan"),
        (TABLE | {"both_pass": 1.5}, "both_pass must be a whole number, 0 or more, got 1.5"),
        (TABLE | {"both_fail": math.inf}, "both_fail must be a whole number, 0 or more, got inf"),
    ],
)
def test_tables(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        finding(**table)


@pytest.mark.parametrize(
    ("baseline", "candidate", "message"),
    [
        ([], [], "one or more numbers"),
        ([1.0, 1.0], [1.0], "one entry per case is needed in each of .*'baseline': 2, 'candidate': 1"),
        ([1.0, math.nan], [1.0, 1.0], r"baseline\[1\] must be a number from 0 to 1, got nan"),
        ([1.0, 1.0], [1.0, 1.5], r"candidate\[1\] must be a number from 0 to 1, got 1.5"),
        ([1.0, 1.0], [-0.1, 1.0], r"candidate\[0\] must be a number from 0 to 1, got -0.1"),
        ([1.0, 1.0], [1.0, None], r"candidate\[1\] must be a number from 0 to 1, got nan"),
    ],
)
def test_pairs(baseline: list[float], candidate: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        finding_of_means(baseline=baseline, candidate=candidate)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -0.1, 1.0, math.nan])
def test_alpha(alpha: float) -> None:
    calls: list[Callable[[], object]] = [
        lambda: finding(**TABLE, alpha=alpha),
        lambda: finding_of_means(baseline=[1.0, 0.0], candidate=[1.0, 1.0], alpha=alpha),
        lambda: finding_name(0.5, -0.1, alpha),
        lambda: tango_bounds(3, 1, 20, alpha),
        lambda: mcnemar_sample_size(0.1, 0.05, alpha),
        lambda: mde_mcnemar(100, 0.1, alpha),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"must be strictly between 0 and 0.5, got {alpha}"):
            call()


@pytest.mark.parametrize("margin", [0.0, -0.05, 1.0, 5, math.nan])
def test_margin(margin: float) -> None:
    calls: list[Callable[[], object]] = [
        lambda: finding(**TABLE, margin=margin),
        lambda: finding_of_means(baseline=[1.0, 0.0], candidate=[1.0, 1.0], margin=margin),
        lambda: finding_name(0.5, -0.1, 0.05, margin),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"margin must be strictly between 0 and 1, got {margin}"):
            call()


def test_an_unknown_p_or_bound_is_never_no_regression() -> None:
    with pytest.raises(ValueError, match="p must be from 0 to 1, got nan"):
        finding_name(math.nan, -0.01, 0.05, 0.05)
    with pytest.raises(ValueError, match="lower must be from -inf to inf, got nan"):
        finding_name(0.5, math.nan, 0.05, 0.05)


@pytest.mark.parametrize("function", [cluster_delta, cluster_mean_ci])
def test_clusters(function: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="at least 2 different ones are needed, got 1"):
        function([1.0, 0.0, 1.0], ["a", "a", "a"])
    with pytest.raises(ValueError, match="one entry per case is needed in each of"):
        function([1.0, 0.0], ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"\[1\] must be a number from .* got nan"):
        function([1.0, math.nan], ["a", "b"])
    with pytest.raises(ValueError, match=r"\[0\] must be a number from .* got 1.1"):
        function([1.1, 0.0], ["a", "b"])


def test_single_pairs_have_no_spread() -> None:
    with pytest.raises(ValueError, match="at least 2 different ones are needed"):
        finding_of_means(baseline=[1.0], candidate=[0.0], clusters=["a"])


@pytest.mark.parametrize(
    ("passes", "trials", "message"),
    [
        ([], [], "one or more numbers"),
        ([1], [1, 1], "one entry per case"),
        ([1, 6], [5, 5], r"passes\[1\] must be a number from 0 to 5, got 6"),
        ([1, 3], [5, 2], r"passes\[1\] must be a number from 0 to 2, got 3"),
        ([0, 0], [5, 0], r"trials\[1\] must be a number from 1 "),
        ([-1, 0], [5, 5], r"passes\[0\] must be a number from 0 to 5, got -1"),
        ([math.nan, 0], [5, 5], r"passes\[0\] must be a number from 0 to 5, got nan"),
    ],
)
def test_repeats(passes: list[float], trials: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        repeats_effective_n(passes, trials)


def test_trials_of_the_icc() -> None:
    with pytest.raises(ValueError, match="k must be a whole number, 1 or more, got 0"):
        icc_anova([0, 0], 0)
    with pytest.raises(ValueError, match=r"passes\[0\] must be a number from 0 to 3, got 4"):
        icc_anova([4, 0], 3)


def test_planning() -> None:
    with pytest.raises(ValueError, match=r"p_loss must exceed p_gain for there to be a drop, got 0.05 and 0.05"):
        mcnemar_sample_size(0.05, 0.05)
    with pytest.raises(ValueError, match=r"p_loss must be from 0 to 0.4, got 0.7"):
        mcnemar_sample_size(0.7, 0.6)
    with pytest.raises(ValueError, match="n must be a whole number, 1 or more, got 0"):
        mde_mcnemar(0, 0.1)
    with pytest.raises(ValueError, match="discordance must be strictly between 0 and 1, got 0"):
        mde_mcnemar(100, 0.0)
    with pytest.raises(ValueError, match=r"power must be strictly between 0.5 and 1, got 1.0"):
        mde_mcnemar(100, 0.1, power=1.0)
    with pytest.raises(ValueError, match="n must be a whole number, 1 or more, got 0"):
        passes_needed(0, 0.8)
    with pytest.raises(ValueError, match="threshold must be from 0 to 1, got 80"):
        passes_needed(20, 80)
    with pytest.raises(ValueError, match="rate must be from 0 to 1, got nan"):
        cases_needed(math.nan, 0.8)


def test_counts_that_do_not_fit_together() -> None:
    with pytest.raises(ValueError, match="n must be a whole number, 4 or more, got 3"):
        tango_bounds(3, 1, 3)
    with pytest.raises(ValueError, match="losses must be a whole number, 0 or more, got -1"):
        mcnemar_midp(-1, 3)
    with pytest.raises(ValueError, match="n must be positive and finite, got 0"):
        unpaired_newcombe(baseline_passes=0, baseline_n=0, candidate_passes=1, candidate_n=2)
