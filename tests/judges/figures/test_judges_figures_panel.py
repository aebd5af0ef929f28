from __future__ import annotations

import numpy as np
import pytest

from pytest_evalgate.judges.figures import Bootstrap, Figure
from pytest_evalgate.judges.panel import Panel, RatedRow, _fleiss_of_draws, panel_of
from pytest_evalgate.stats.agreement import agreement_binary, fleiss_kappa, krippendorff_missing

_FEW = Bootstrap(draws=40)


def _rows(seed: int, n: int = 80, missing: float = 0.0) -> list[RatedRow]:
    random = np.random.default_rng(seed)
    truth = random.random(n) < 0.6
    rows = []
    for at, good in enumerate(truth):
        said = {name: float(good ^ (random.random() < 0.1)) for name in "abc" if random.random() >= missing}
        rows.append(RatedRow(said, at, bool(good ^ (random.random() < 0.3))))
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


def test_draws_of_fleiss_are_what_the_statistics_make_of_each() -> None:
    counts = np.array([[3.0, 0.0], [1.0, 2.0], [0.0, 3.0], [2.0, 1.0], [0.0, 3.0]])
    bootstrap = Bootstrap(draws=30)
    wanted = [fleiss_kappa(counts[rows].tolist()) for rows in bootstrap.samples(range(5))]
    found = _fleiss_of_draws(counts, range(5), bootstrap)
    assert found.tolist() == pytest.approx([np.nan if one is None else one for one in wanted], nan_ok=True)


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


def test_a_good_panel_stands_above_a_poor_judge() -> None:
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
    assert _panel(rows).fleiss == Figure(None)


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
    assert (found.human, found.judge) == (_panel(_rows(0)).human, Figure(None))


def test_single_ratings_make_no_panel() -> None:
    assert panel_of([RatedRow({"a": 1.0}, 0, judge=True), RatedRow({}, 1, judge=False)], 1.0, _FEW) is None
