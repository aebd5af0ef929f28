"""Properties for any data, and exactness against integer arithmetic."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_evalgate.stats.clusters import cluster_mean_ci, repeats_effective_n
from pytest_evalgate.stats.intervals import (
    Interval,
    clopper_pearson_interval,
    clopper_pearson_lower_one_sided,
    wilson_interval,
)
from pytest_evalgate.stats.numeric import upper_z
from pytest_evalgate.stats.paired import (
    _tango_z,
    finding_of_means,
    mcnemar_midp,
    sign_flip_midp,
    tango_bounds,
    unpaired_newcombe,
)

holds = settings(deadline=None, database=None)

counts = st.one_of(st.integers(0, 12), st.integers(0, 20_000))
confidences = st.sampled_from([0.8, 0.9, 0.95, 0.99])
alphas = st.sampled_from([0.01, 0.025, 0.05, 0.1])
thirds = st.sampled_from([0.0, 1 / 3, 2 / 3, 1.0])
means = st.lists(st.tuples(thirds, thirds), min_size=2, max_size=16)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, int]:
    table = {name: draw(counts) for name in ("both_pass", "losses", "gains", "both_fail")}
    assume(sum(table.values()) > 0)
    return table


@st.composite
def rates(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.one_of(st.integers(1, 30), st.integers(1, 100_000)))
    return draw(st.integers(0, n)), n


def contains(interval: Interval, value: float) -> bool:
    return interval.lower - 1e-12 <= value <= interval.upper + 1e-12


def exact_at_least(losses: int, discordant: int) -> Fraction:
    return Fraction(sum(math.comb(discordant, x) for x in range(losses, discordant + 1)), 2**discordant)


@pytest.mark.parametrize(
    ("losses", "gains"),
    [(0, 1), (1, 0), (0, 9), (9, 0), (5, 5), (16, 6), (60, 30), (64, 293), (293, 64), (1000, 0), (1100, 900)],
)
def test_mcnemar_is_exact_far_into_the_tail(losses: int, gains: int) -> None:
    m = losses + gains
    same_or_more, more = exact_at_least(losses, m), exact_at_least(losses + 1, m)
    assert mcnemar_midp(losses, gains) == pytest.approx(float((same_or_more + more) / 2), rel=1e-12, abs=0)


def test_fewest_losses_that_can_fail() -> None:
    assert mcnemar_midp(3, 0) > 0.05 >= mcnemar_midp(4, 0)
    assert mcnemar_midp(5, 0) > 0.01 >= mcnemar_midp(6, 0)
    assert mcnemar_midp(7, 0) == 2.0**-8


@holds
@given(losses=counts, gains=counts)
def test_midp_falls_with_each_loss_and_rises_with_each_gain(losses: int, gains: int) -> None:
    p = mcnemar_midp(losses, gains)
    assert 0 <= p <= 1
    assert mcnemar_midp(losses + 1, gains) <= p * (1 + 1e-12)
    assert mcnemar_midp(losses, gains + 1) >= p * (1 - 1e-12) or losses + gains == 0


@holds
@given(losses=counts, gains=counts)
def test_midps_of_a_drop_and_a_rise_add_up_to_one(losses: int, gains: int) -> None:
    assume(losses + gains > 0)
    assert mcnemar_midp(losses, gains) + mcnemar_midp(gains, losses) == pytest.approx(1.0, abs=1e-12)


@holds
@given(table=tables(), alpha=alphas)
def test_tangos_bounds_contain_the_estimate_and_mirror_it(table: dict[str, int], alpha: float) -> None:
    losses, gains, n = table["losses"], table["gains"], sum(table.values())
    found, mirrored = tango_bounds(losses, gains, n, alpha), tango_bounds(gains, losses, n, alpha)
    assert contains(found, (gains - losses) / n)
    assert -1 - 1e-12 <= found.lower < found.upper <= 1 + 1e-12
    assert (found.lower, found.upper) == pytest.approx((-mirrored.upper, -mirrored.lower), abs=1e-12)


@holds
@given(table=tables(), alpha=alphas)
def test_the_score_test_is_on_the_edge_at_tangos_bounds(table: dict[str, int], alpha: float) -> None:
    losses, gains, n = table["losses"], table["gains"], sum(table.values())
    bounds = tango_bounds(losses, gains, n, alpha)
    assert _tango_z((gains - losses) / n, losses, gains, n) == pytest.approx(0.0, abs=1e-6)
    z, near = upper_z(alpha), 1e-8  # in d: at the ends of its range the statistic is too steep to compare values
    if bounds.lower > -1 + 2 * near:
        assert _tango_z(bounds.lower - near, losses, gains, n) >= z >= _tango_z(bounds.lower + near, losses, gains, n)
    if bounds.upper < 1 - 2 * near:
        assert _tango_z(bounds.upper - near, losses, gains, n) >= -z >= _tango_z(bounds.upper + near, losses, gains, n)


@holds
@given(n=st.integers(1, 100_000), alpha=alphas)
def test_tango_without_a_discordant_pair_has_a_closed_form(n: int, alpha: float) -> None:
    z2 = upper_z(alpha) ** 2
    bounds = tango_bounds(0, 0, n, alpha)
    assert (bounds.lower, bounds.upper) == pytest.approx((-z2 / (n + z2), z2 / (n + z2)), rel=1e-6)


@holds
@given(rate=rates(), confidence=confidences)
def test_intervals_of_a_rate_contain_it(rate: tuple[int, int], confidence: float) -> None:
    passes, n = rate
    for interval in (wilson_interval, clopper_pearson_interval):
        found = interval(passes, n, confidence)
        assert contains(found, passes / n)
        assert 0 <= found.lower < found.upper <= 1
    mirrored, found = (
        clopper_pearson_interval(n - passes, n, confidence),
        clopper_pearson_interval(passes, n, confidence),
    )
    assert found.lower == pytest.approx(1 - mirrored.upper, abs=1e-9)


@holds
@given(rate=rates(), confidence=confidences)
def test_exact_lower_bound_is_below_the_rate_and_rises_with_a_pass(rate: tuple[int, int], confidence: float) -> None:
    passes, n = rate
    lower = clopper_pearson_lower_one_sided(passes, n, confidence)
    assert 0 <= lower <= passes / n
    if passes < n:
        assert clopper_pearson_lower_one_sided(passes + 1, n, confidence) > lower


@pytest.mark.parametrize("n", [1, 7, 20, 50])
def test_exact_lower_bound_never_covers_less_than_its_confidence(n: int) -> None:
    lower = [clopper_pearson_lower_one_sided(x, n) for x in range(n + 1)]
    for rate in (i / 200 for i in range(100, 200)):
        covered = sum(math.comb(n, x) * rate**x * (1 - rate) ** (n - x) for x in range(n + 1) if lower[x] <= rate)
        assert covered >= 0.95 - 1e-12


@holds
@given(before=rates(), after=rates())
def test_unpaired_interval_contains_the_difference(before: tuple[int, int], after: tuple[int, int]) -> None:
    found = unpaired_newcombe(
        baseline_passes=before[0], baseline_n=before[1], candidate_passes=after[0], candidate_n=after[1]
    )
    assert contains(found.ci95, found.delta)
    assert found.delta == after[0] / after[1] - before[0] / before[1]


@holds
@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=16))
def test_sign_flip_is_mcnemar_on_passes_and_failures(pairs: list[tuple[bool, bool]]) -> None:
    losses, gains = pairs.count((True, False)), pairs.count((False, True))
    flipped = sign_flip_midp(np.array([float(after) - float(before) for before, after in pairs]))
    assert flipped == pytest.approx(mcnemar_midp(losses, gains), rel=1e-12)


@settings(holds, max_examples=40)
@given(pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=9))
def test_sign_flip_counts_every_sign_vector(pairs: list[tuple[int, int]]) -> None:
    moved = [after - before for before, after in pairs if after != before]
    totals = [sum(map(int.__mul__, signs, moved)) for signs in itertools.product((-1, 1), repeat=len(moved))]
    below, same = (sum(map(compare, totals)) for compare in (sum(moved).__gt__, sum(moved).__eq__))
    flipped = sign_flip_midp(np.array([after / 5 - before / 5 for before, after in pairs]))
    assert flipped == ((below + same / 2) / len(totals) if moved else 1.0)


@holds
@given(pairs=means, random=st.randoms(use_true_random=False))
def test_order_of_pairs_does_not_matter(pairs: list[tuple[float, float]], random: object) -> None:
    shuffled = sorted(pairs, key=lambda _: random.random())  # type: ignore[attr-defined]
    one, other = (
        finding_of_means(baseline=[before for before, _ in order], candidate=[after for _, after in order])
        for order in (pairs, shuffled)
    )
    for name in ("delta", "p", "lower", "upper"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-9)


@holds
@given(pairs=means)
def test_clusters_of_one_are_no_clusters(pairs: list[tuple[float, float]]) -> None:
    before, after = map(list, zip(*pairs, strict=True))
    alone = finding_of_means(baseline=before, candidate=after)
    clustered = finding_of_means(baseline=before, candidate=after, clusters=range(len(pairs)))
    assert (clustered.p, clustered.delta, clustered.lower, clustered.upper) == pytest.approx(
        (alone.p, alone.delta, alone.lower, alone.upper)
    )


@holds
@given(cases=st.lists(st.tuples(st.integers(0, 4), st.integers(4, 6)), min_size=1, max_size=30))
def test_effective_n_lies_between_cases_and_trials(cases: list[tuple[int, int]]) -> None:
    passes, trials = map(list, zip(*cases, strict=True))
    found = repeats_effective_n(passes, trials)
    assert len(cases) <= found.n_eff <= sum(trials)
    assert found.lower_one_sided_exact <= found.mean
    assert contains(found.wilson_two_sided, found.mean)


@holds
@given(values=st.lists(thirds, min_size=4, max_size=30))
def test_cluster_effective_n_lies_between_clusters_and_cases(values: list[float]) -> None:
    found = cluster_mean_ci(values, [i % 3 for i in range(len(values))])
    assert 3 <= found.n_eff <= len(values)
    assert found.lower_one_sided_exact <= found.mean
    assert contains(found.ci, found.mean)
