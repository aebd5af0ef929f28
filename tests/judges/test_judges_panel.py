from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.judges.panel import (
    VERDICT_METRICS,
    Panel,
    Preference,
    RatedRow,
    _cells,
    _fleiss_of_draws,
    grade_agreement,
    metrics_of_tables,
    order_bias_of,
    panel_of,
    self_consistency_of,
    verdict_agreement,
)
from pytest_evalgate.judges.rates import Bootstrap, Statistic
from pytest_evalgate.stats.agreement import (
    AgreementGraded,
    agreement_binary,
    agreement_graded,
    fleiss_kappa,
    judge_self_consistency,
    krippendorff_missing,
)

_FEW = Bootstrap(draws=40)


def _rows(seed: int, n: int = 80, missing: float = 0.0) -> list[RatedRow]:
    random = np.random.default_rng(seed)
    truth = random.random(n) < 0.6
    rows = []
    for at, good in enumerate(truth):
        ratings = {name: float(good ^ (random.random() < 0.1)) for name in "abc" if random.random() >= missing}
        rows.append(RatedRow(ratings, at, bool(good ^ (random.random() < 0.3))))
    return rows


def _panel(rows: list[RatedRow], passing: float = 1.0) -> Panel:
    found = panel_of(rows, passing, _FEW)
    assert found is not None
    return found


def test_alpha_and_fleiss_are_those_of_the_statistics() -> None:
    rows = _rows(0)
    found = _panel(rows)
    ratings = [[row.ratings[name] for row in rows] for name in "abc"]
    passes = [sum(row.ratings.values()) for row in rows]
    assert found.alpha.value == krippendorff_missing(ratings, "nominal")
    assert found.fleiss.value == fleiss_kappa([[3 - one, one] for one in passes])
    assert (found.raters, found.rows, found.level) == (("a", "b", "c"), 80, "nominal")
    for one in (found.alpha, found.fleiss, found.human, found.judge):
        assert one.value is not None
        assert one.interval is not None
        assert one.interval[0] <= one.value <= one.interval[1]


def test_draws_of_fleiss_match_the_statistic() -> None:
    counts = np.array([[3.0, 0.0], [1.0, 2.0], [0.0, 3.0], [2.0, 1.0], [0.0, 3.0]])
    bootstrap = Bootstrap(draws=30)
    expected = [fleiss_kappa(counts[rows].tolist()) for rows in bootstrap.samples(range(5))]
    found = _fleiss_of_draws(counts, range(5), bootstrap)
    assert found.tolist() == pytest.approx([np.nan if one is None else one for one in expected], nan_ok=True)


def test_two_raters_are_each_others_ceiling() -> None:
    rows = [RatedRow({name: row.ratings[name] for name in "ab"}, row.cluster, row.judge) for row in _rows(1)]
    found = _panel(rows)
    kappa = agreement_binary([row.ratings["a"] for row in rows], [row.ratings["b"] for row in rows]).kappa
    judge = [
        agreement_binary([row.ratings[name] for row in rows], [float(bool(row.judge)) for row in rows]).kappa
        for name in "ab"
    ]
    assert found.human.value == pytest.approx(kappa)
    assert found.judge.value == pytest.approx(sum(one or 0.0 for one in judge) / 2)


def test_raters_agree_better_than_a_poor_judge() -> None:
    found = _panel(_rows(2, 200))
    assert found.human.value is not None
    assert found.judge.value is not None
    assert found.human.value > found.judge.value + 0.2


def test_ratings_may_be_missing() -> None:
    rows = _rows(3, missing=0.4)
    found = _panel(rows)
    assert found.rows == sum(len(row.ratings) > 1 for row in rows) < 80
    ratings = [[row.ratings.get(name) for row in rows] for name in "abc"]
    assert found.alpha.value == pytest.approx(krippendorff_missing(ratings, "nominal"))


def test_without_a_row_that_all_rated_there_is_no_fleiss() -> None:
    rows = [
        RatedRow({"a": 1.0, "b": 0.0}, 0, judge=True),
        RatedRow({"b": 1.0, "c": 1.0}, 1, judge=True),
        RatedRow({"a": 0.0, "c": 0.0}, 2, None),
    ]
    assert _panel(rows).fleiss == Statistic(None)


def test_grades_are_compared_as_grades_and_pass_where_rows_do() -> None:
    rows = [
        RatedRow({"a": one, "b": other}, at, judge=True)
        for at, (one, other) in enumerate([(0.25, 0.5), (0.75, 1.0)] * 10)
    ]
    assert _panel(rows).level == "ordinal"
    assert _panel(rows, 0.75).human.value == 1.0
    assert _panel(rows, 0.5).human.value == 0.0


def test_without_verdicts_of_a_judge_raters_are_still_compared() -> None:
    found = _panel([RatedRow(row.ratings, row.cluster, None) for row in _rows(0)])
    assert (found.human, found.judge) == (_panel(_rows(0)).human, Statistic(None))


def test_single_ratings_make_no_panel() -> None:
    assert panel_of([RatedRow({"a": 1.0}, 0, judge=True), RatedRow({}, 1, judge=False)], 1.0, _FEW) is None


@given(rows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2))
def test_metrics_of_a_table_are_those_of_its_rows(rows: list[tuple[bool, bool]]) -> None:
    human, judge = [one for one, _ in rows], [other for _, other in rows]
    table = _cells(human, judge).sum(axis=0, keepdims=True)
    expected = agreement_binary([float(one) for one in human], [float(one) for one in judge])
    for name, found in metrics_of_tables(table).items():
        value = getattr(expected, name)
        assert found[0] == pytest.approx(np.nan if value is None else value, nan_ok=True)


def test_intervals_contain_their_statistics() -> None:
    random = np.random.default_rng(1)
    human = random.random(300) < 0.7
    judge = human ^ (random.random(300) < 0.2)
    found = verdict_agreement(human.tolist(), judge.tolist(), range(300), Bootstrap(draws=400))
    assert tuple(found) == VERDICT_METRICS
    for one in found.values():
        assert one.value is not None
        assert one.interval is not None
        assert one.interval[0] < one.value < one.interval[1]
    low, high = found["kappa"].interval or (0.0, 0.0)
    chance = human.mean() * judge.mean() + (1 - human.mean()) * (1 - judge.mean())
    se = math.sqrt(0.8 * 0.2 / 300) / (1 - chance)
    assert high - low == pytest.approx(2 * 1.96 * se, rel=0.15)


def test_perfect_agreement_has_no_interval() -> None:
    found = verdict_agreement([True, False] * 20, [True, False] * 20, range(40), Bootstrap(draws=100))
    assert (found["kappa"].value, found["kappa"].interval) == (1.0, None)


def test_clusters_make_intervals_wider() -> None:
    human = ([True] * 10 + [False] * 10) * 10
    judge = ([True] * 20 + [False] * 20) * 5
    alone, clustered = (
        verdict_agreement(human, judge, clusters, Bootstrap(draws=300))["kappa"].interval
        for clusters in (range(200), [at // 10 for at in range(200)])
    )
    assert alone is not None
    assert clustered is not None
    assert clustered[1] - clustered[0] > 1.5 * (alone[1] - alone[0])


def test_grades_have_every_metric_with_an_interval() -> None:
    random = np.random.default_rng(2)
    human = random.integers(0, 5, 120) / 4
    judge = np.clip(human + random.integers(-1, 2, 120) / 4, 0, 1)
    found = grade_agreement(human.tolist(), judge.tolist(), range(120), Bootstrap(draws=60))
    expected = agreement_graded(human, judge)
    assert list(found) == [field.name for field in dataclasses.fields(AgreementGraded)]
    for name, one in found.items():
        assert one.value == getattr(expected, name)
        assert one.interval is not None
        assert one.interval[0] < getattr(expected, name) < one.interval[1]


def test_self_consistency_of_repeated_verdicts() -> None:
    verdicts: list[list[float]] = [[1, 1, 0], [0, 0], [1], [1, 0], [1, 1]] * 6
    found = self_consistency_of(verdicts, range(30), Bootstrap(draws=100))
    assert found is not None
    expected = judge_self_consistency([row for row in verdicts if len(row) > 1])
    assert (found.items, found.flip_rate.value, found.unanimous.value) == (24, expected.flip_rate, expected.unanimous)
    assert found.flip_rate.interval is not None
    assert found.flip_rate.interval[0] < expected.flip_rate < found.flip_rate.interval[1]


def test_single_verdicts_give_no_self_consistency() -> None:
    assert self_consistency_of([[1.0], []], range(2), Bootstrap(draws=5)) is None


def test_pairs_are_counted_in_both_orders() -> None:
    human = [True, True, False, False, True]
    first: list[Preference] = ["X", "X", "X", "Y", None]
    swapped: list[Preference] = ["X", "Y", "Y", "Y", None]
    found = order_bias_of(human, first, swapped)
    assert found is not None
    assert (found.pairs, found.right_first, found.right_swapped, found.right_both, found.agree) == (4, 3, 3, 2, 2)
    assert (found.first_wins, found.second_wins, found.p) == (2, 0, 0.5)
    assert (found.consistency.value, found.unread) == (0.5, 1)


@pytest.mark.parametrize(
    ("first", "swapped", "pairs", "consistency"),
    [
        pytest.param([*"X" * 30, *"X" * 10], [*"X" * 30, *"Y" * 10], 40, 0.75, id="all read"),
        pytest.param(
            ["X"] * 40 + [None] * 40, ["X"] * 40 + [None] * 20 + ["tie"] * 20, 40, 1.0, id="unread, and a tie"
        ),
        pytest.param(["X"] * 20 + [None] * 20, ["Y"] * 20 + [None] * 20, 20, 0.0, id="unread pairs do not agree"),
        pytest.param(["tie"] * 10 + ["X"] * 10, ["tie"] * 10 + ["tie"] * 10, 20, 0.5, id="a tie is a verdict"),
    ],
)
def test_consistency_is_over_the_pairs_that_were_read(
    first: list[Preference], swapped: list[Preference], pairs: int, consistency: float
) -> None:
    found = order_bias_of([True] * len(first), first, swapped)
    assert found is not None
    assert (found.pairs, found.consistency.value, found.unread) == (pairs, consistency, len(first) - pairs)


def test_pairs_that_were_not_read_give_no_order_bias() -> None:
    assert order_bias_of([True, False], [None, "X"], ["X", None]) is None


def test_a_judge_that_prefers_the_first_position_is_biased() -> None:
    found = order_bias_of([True] * 12, ["X"] * 12, ["Y"] * 12)
    assert found is not None
    assert (found.right_both, found.first_wins, found.consistency.value) == (0, 12, 0.0)
    assert found.p == pytest.approx(2**-11)


def test_no_pairs_give_no_order_bias() -> None:
    assert order_bias_of([], [], []) is None
