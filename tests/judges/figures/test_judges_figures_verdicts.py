from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.judges.figures import VERDICT_FIGURES as FIGURES
from pytest_evalgate.judges.figures import Bootstrap, cells_of, grade_figures, of_tables, verdict_figures
from pytest_evalgate.stats.agreement import AgreementGraded, agreement_binary, agreement_graded


@given(rows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2))
def test_figures_of_a_table_are_those_of_its_rows(rows: list[tuple[bool, bool]]) -> None:
    human, judge = [one for one, _ in rows], [other for _, other in rows]
    table = cells_of(human, judge).sum(axis=0, keepdims=True)
    wanted = agreement_binary([float(one) for one in human], [float(one) for one in judge])
    for name, found in of_tables(table).items():
        value = getattr(wanted, name)
        assert found[0] == pytest.approx(np.nan if value is None else value, nan_ok=True)


def test_intervals_lie_around_their_figures() -> None:
    random = np.random.default_rng(1)
    human = random.random(300) < 0.7
    judge = human ^ (random.random(300) < 0.2)
    found = verdict_figures(human.tolist(), judge.tolist(), range(300), Bootstrap(draws=400))
    assert tuple(found) == FIGURES
    for one in found.values():
        assert one.value is not None
        assert one.interval is not None
        assert one.interval[0] < one.value < one.interval[1]
    low, high = found["kappa"].interval or (0.0, 0.0)
    chance = human.mean() * judge.mean() + (1 - human.mean()) * (1 - judge.mean())
    se = math.sqrt(0.8 * 0.2 / 300) / (1 - chance)
    assert high - low == pytest.approx(2 * 1.96 * se, rel=0.15)


def test_perfect_agreement_has_no_interval() -> None:
    found = verdict_figures([True, False] * 20, [True, False] * 20, range(40), Bootstrap(draws=100))
    assert (found["kappa"].value, found["kappa"].interval) == (1.0, None)


def test_clusters_make_intervals_wider() -> None:
    human = ([True] * 10 + [False] * 10) * 10
    judge = ([True] * 20 + [False] * 20) * 5
    alone, clustered = (
        verdict_figures(human, judge, clusters, Bootstrap(draws=300))["kappa"].interval
        for clusters in (range(200), [at // 10 for at in range(200)])
    )
    assert alone is not None
    assert clustered is not None
    assert clustered[1] - clustered[0] > 1.5 * (alone[1] - alone[0])


def test_grades_have_every_figure_with_an_interval() -> None:
    random = np.random.default_rng(2)
    human = random.integers(0, 5, 120) / 4
    judge = np.clip(human + random.integers(-1, 2, 120) / 4, 0, 1)
    found = grade_figures(human.tolist(), judge.tolist(), range(120), Bootstrap(draws=60))
    wanted = agreement_graded(human, judge)
    assert list(found) == [field.name for field in dataclasses.fields(AgreementGraded)]
    for name, one in found.items():
        assert one.value == getattr(wanted, name)
        assert one.interval is not None
        assert one.interval[0] < getattr(wanted, name) < one.interval[1]
