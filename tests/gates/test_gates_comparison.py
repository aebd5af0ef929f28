from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.gates.evidence import Pairs
from pytest_evalgate.stats.clusters import cluster_delta
from pytest_evalgate.stats.paired import finding
from pytest_evalgate.stats.planning import mde_mcnemar, mde_mean, mde_with_flips


def _pairs(
    before: list[float], now: list[float], clusters: list[int] | None = None, *, single_trial: bool = True
) -> Pairs:
    codes = None if clusters is None else np.array(clusters, dtype=np.int64)
    return Pairs(np.array(before, dtype=np.float64), np.array(now, dtype=np.float64), codes, single_trial)


def _table(n: int, losses: int, gains: int) -> Pairs:
    same = n - losses - gains
    return _pairs([1.0] * losses + [0.0] * gains + [1.0] * same, [0.0] * losses + [1.0] * gains + [1.0] * same)


def _means(losses: int, n: int, drop: float = 1 / 3) -> Pairs:
    return _pairs([1.0] * n, [1.0 - drop] * losses + [1.0] * (n - losses), single_trial=False)


@pytest.mark.parametrize(
    ("pairs", "test"),
    [
        (_table(50, 20, 3), "mcnemar-midp"),
        (_means(16, 40), "sign-flip-midp"),
        (_means(17, 40), "paired-t"),
        (_pairs([0.5, 1.0], [1.0, 1.0]), "sign-flip-midp"),
        (_pairs([1.0] * 4, [0.0, 1.0, 1.0, 1.0], [0, 0, 1, 1]), "cluster-sign-flip-midp"),
        (_pairs([1.0] * 40, [0.0] * 34 + [1.0] * 6, [case // 2 for case in range(40)]), "cluster-t"),
    ],
)
def test_the_test_follows_the_trials_and_the_clusters(pairs: Pairs, test: str) -> None:
    assert pairs.finding(0.05).test == test


def test_single_trials_are_a_table_of_pairs() -> None:
    found, wanted = _table(60, 9, 2).finding(0.05, 0.1), finding(both_pass=49, losses=9, gains=2, both_fail=0)
    assert (found.p, found.lower, found.upper) == (wanted.p, wanted.lower, wanted.upper)
    assert found.delta == -7 / 60


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_means_of_single_trials_have_the_p_of_the_table(table: list[tuple[bool, bool]]) -> None:
    before, now = ([float(side) for side in sides] for sides in zip(*table, strict=True))
    single_trial, means = _pairs(before, now).finding(0.05), _pairs(before, now, single_trial=False).finding(0.05)
    assert means.p == pytest.approx(single_trial.p, abs=1e-12)
    assert means.delta == pytest.approx(single_trial.delta)


def test_cases_of_one_cluster_are_one_observation() -> None:
    now = [0.0] * 10 + [1.0] * 40
    alone = _pairs([1.0] * 50, now)
    together = _pairs([1.0] * 50, now, [case // 10 for case in range(50)])
    assert alone.finding(0.05).p < 0.001
    assert together.finding(0.05).p == 0.25  # one cluster of five changed: a fair coin, its mid-p
    assert together.finding(0.05).delta == alone.finding(0.05).delta
    assert together.finding(0.05).lower < alone.finding(0.05).lower


def test_each_case_in_a_cluster_of_its_own_is_as_good_as_none() -> None:
    before, now = [0.5, 1.0, 0.75, 1.0, 0.0], [0.25, 1.0, 1.0, 0.5, 0.0]
    assert _pairs(before, now, list(range(5)), single_trial=False).finding(0.05).p == pytest.approx(
        _pairs(before, now, single_trial=False).finding(0.05).p
    )


def test_losses_and_gains_are_pairs_that_moved_however_little() -> None:
    pairs = _pairs([0.5, 0.3, 0.1 + 0.2, 1.0], [0.4, 0.6, 0.3, 1.0], single_trial=False)
    assert (pairs.losses, pairs.gains, len(pairs)) == (1, 1, 4)


@pytest.mark.parametrize(
    ("pairs", "testable"),
    [
        (_table(1, 0, 0), True),
        (_pairs([], []), False),
        (_pairs([1.0, 1.0], [1.0, 0.0], [7, 7]), False),
        (_pairs([1.0, 1.0], [1.0, 0.0], [7, 8]), True),
    ],
)
def test_what_can_be_tested(pairs: Pairs, testable: bool) -> None:  # noqa: FBT001 - a column of a table
    assert pairs.are_testable is testable


def test_a_part_keeps_its_clusters_and_its_test() -> None:
    part = _pairs([1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [4, 5, 6], single_trial=False).take(np.array([0, 2]))
    assert part.before.tolist() == [1.0, 1.0]
    assert part.now.tolist() == [0.0, 1.0]
    assert part.clusters is not None
    assert part.clusters.tolist() == [4, 6]
    assert not part.single_trial


_DROPS = [
    _table(200, 40, 5),
    _means(30, 100),
    _pairs([1.0] * 60, [0.0] * 24 + [1.0] * 36, [i // 3 for i in range(60)]),
]


@pytest.mark.parametrize("pairs", _DROPS, ids=["table", "means", "clusters"])
@pytest.mark.parametrize("drop", [0.01, 0.03, 0.08])
def test_the_p_of_a_larger_drop_is_the_alpha_at_which_its_bound_touches(pairs: Pairs, drop: float) -> None:
    p = pairs.p_beyond(drop)
    if p < 0.5:
        assert pairs.finding(p).upper == pytest.approx(-drop, abs=1e-6)
    assert (pairs.finding(0.05).upper < -drop) == (p <= 0.05)


def test_the_p_of_a_larger_drop_has_its_ends() -> None:
    assert _table(100, 3, 3).p_beyond(0.01) == 0.5
    assert _table(2000, 1000, 0).p_beyond(0.01) < 1e-11
    assert _table(200, 40, 5).p_beyond(0.01) < _table(200, 40, 5).p_beyond(0.1)


@pytest.mark.parametrize("n", [100, 500])
def test_the_smallest_drop_of_single_trials_is_connors(n: int) -> None:
    wanted = mde_mcnemar(n, discordance=21 / (n + 2), alpha_one_sided=0.05, power=0.8)
    assert _table(n, 10, 10).detectable_drop(0.05) == wanted.mde


def test_the_smallest_drop_of_means_follows_their_spread() -> None:
    quiet, noisy = _means(20, 100, drop=0.2), _means(20, 100, drop=0.8)
    assert quiet.detectable_drop(0.05) == pytest.approx((noisy.detectable_drop(0.05) or 0) / 4)
    se = float((noisy.now - noisy.before).std(ddof=1)) / 10
    assert noisy.detectable_drop(0.05) == pytest.approx(mde_mean(se, 99, 0.05, 0.8))


def test_the_smallest_drop_of_clusters_has_their_degrees_of_freedom() -> None:
    pairs = _pairs([1.0] * 60, [0.0] * 6 + [1.0] * 54, [case // 6 for case in range(60)])
    found = cluster_delta((pairs.now - pairs.before).tolist(), [case // 6 for case in range(60)])
    assert pairs.detectable_drop(0.05) == mde_mean(found.se, 9, 0.05, 0.8)
    assert (pairs.detectable_drop(0.05) or 0) > (_table(60, 6, 0).detectable_drop(0.05) or 1) / 2


def test_pairs_without_any_change_can_show_a_drop_all_the_same() -> None:
    assert _means(0, 1000).detectable_drop(0.05) == pytest.approx(mde_mean(1 / math.sqrt(1000 * 1002), 999))
    assert _means(0, 1000).expected_detectable_drop(0.05) == _means(0, 1000).detectable_drop(0.05)
    assert _table(1000, 0, 0).expected_detectable_drop(0.05) == mde_with_flips(1000, 0.0, 0.05, 0.8)


def test_a_few_pairs_show_what_adds_to_their_flips() -> None:
    few = _table(20, 2, 1)
    assert few.detectable_drop(0.05) is None
    assert few.expected_detectable_drop(0.05) == mde_with_flips(20, 3 / 21, 0.05, 0.8)
    assert (
        _table(3, 1, 1).expected_detectable_drop(0.05) is None
    )  # four losses are the fewest that a test can reject by


@pytest.mark.parametrize("pairs", [_means(1, 1), _table(3, 1, 1), _pairs([1.0, 1.0], [1.0, 0.0], [0, 1])])
def test_a_handful_of_pairs_can_show_no_drop(pairs: Pairs) -> None:
    assert pairs.detectable_drop(0.05) is None


numbers = st.floats(0, 1).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30))
def test_the_bounds_of_means_hold_the_change_and_the_lower_one_is_never_the_nearer(
    table: list[tuple[float, float]],
) -> None:
    before, now = (list(side) for side in zip(*table, strict=True))
    found = _pairs(before, now, single_trial=False).finding(0.05)
    swapped = _pairs(now, before, single_trial=False).finding(0.05)
    assert found.lower <= found.delta <= found.upper
    assert found.delta == pytest.approx(-swapped.delta, abs=1e-12)
    assert found.lower <= -swapped.upper + 1e-9


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 60))
def test_swapping_the_runs_mirrors_the_bounds_of_a_table(losses: int, gains: int, same: int) -> None:
    n = losses + gains + same + 1
    found, swapped = _table(n, losses, gains).finding(0.05), _table(n, gains, losses).finding(0.05)
    assert (found.lower, found.upper) == (-swapped.upper, -swapped.lower)
    assert found.delta == -swapped.delta


def test_what_a_judge_decided_is_scaled_to_what_lies_behind_it() -> None:
    seen = _table(200, 20, 4)
    behind = replace(seen, youden=0.5)
    one, other = seen.finding(0.05), behind.finding(0.05)
    assert (other.p, other.test) == (one.p, one.test)
    assert (other.delta, other.lower, other.upper) == (2 * one.delta, 2 * one.lower, 2 * one.upper)
    assert behind.detectable_drop(0.05) == pytest.approx(2 * (seen.detectable_drop(0.05) or 0))
    assert behind.take(np.arange(30)).youden == 0.5


def test_no_change_behind_a_judge_is_larger_than_all_cases() -> None:
    found = replace(_table(20, 18, 0), youden=0.5).finding(0.05)
    assert (found.delta, found.lower, found.upper) == (-1.0, -1.0, -1.0)


def test_a_drop_that_only_a_better_judge_could_show_is_none() -> None:
    seen = _table(30, 3, 3)
    assert seen.expected_detectable_drop(0.05) is not None
    assert replace(seen, youden=0.2).expected_detectable_drop(0.05) is None


@given(losses=st.integers(0, 30), gains=st.integers(0, 30), margin=st.floats(0.01, 0.5), youden=st.floats(0.3, 1.0))
def test_the_margin_is_held_against_the_scaled_bound(losses: int, gains: int, margin: float, youden: float) -> None:
    pairs = replace(_table(80, losses, gains), youden=youden)
    found = pairs.finding(0.05, margin)
    assert (found.lower > -margin) == (found.name in {"regressed_within_margin", "no_regression_beyond_margin"})
    assert (found.p <= 0.05) == found.name.startswith("regressed")
