from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.gates.family import GateTest, TestName, adjusted
from pytest_evalgate.stats.paired import mcnemar_midp

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_evalgate.gates.family import Family


def _overall(p: float, alpha: float = 0.05, suite: str = "faq") -> GateTest:
    return GateTest(TestName(suite, 0), p, alpha)


def _slices(*ps: float, alpha: float = 0.05, suite: str = "faq") -> list[GateTest]:
    return [GateTest(TestName(suite, 1, ("lang", str(index))), p, alpha) for index, p in enumerate(ps)]


def _rejected(questions: Sequence[GateTest]) -> list[bool]:
    found = adjusted(questions)
    return [found.p[question.name] <= question.alpha for question in questions]


def test_a_single_test_has_all_of_alpha() -> None:
    assert adjusted([_overall(0.03)]) == adjusted(iter([_overall(0.03)]))
    assert adjusted([_overall(0.03)]).p == {TestName("faq", 0): 0.03}


def test_no_tests_are_no_family() -> None:
    assert adjusted([]).p == {}


@pytest.mark.parametrize(("p", "rejected"), [(0.025, True), (0.026, False)])
def test_beside_slices_the_overall_test_has_half_of_alpha(p: float, rejected: bool) -> None:  # noqa: FBT001 - a column of a table
    assert _rejected([_overall(p), *_slices(0.9)])[0] is rejected


@pytest.mark.parametrize(
    ("overall", "slices", "rejected"),
    [
        (0.5, [0.012, 0.5], [True, False]),
        (0.5, [0.013, 0.5], [False, False]),
        (0.02, [0.025, 0.5], [True, False]),
        (0.02, [0.025, 0.05], [True, True]),
        (0.5, [0.012, 0.026], [True, False]),
        (0.5, [0.012, 0.025], [True, True]),
    ],
)
def test_slices_have_the_other_half_and_all_of_it_once_the_overall_test_rejects(
    overall: float, slices: list[float], rejected: list[bool]
) -> None:
    assert _rejected([_overall(overall), *_slices(*slices)])[1:] == rejected


def test_slices_without_an_overall_test_have_all_of_alpha() -> None:
    assert _rejected(_slices(0.025, 0.05)) == [True, True]
    assert adjusted(_slices(0.025)).slices_share == 1.0


def test_every_overall_test_has_to_reject_before_slices_have_all_of_alpha() -> None:
    both = [_overall(0.01), _overall(0.02, suite="law"), *_slices(0.04)]
    one = [_overall(0.01), _overall(0.2, suite="law"), *_slices(0.04)]
    assert (_rejected(both)[2], adjusted(both).slices_share) == (True, 1.0)
    assert (_rejected(one)[2], adjusted(one).slices_share) == (False, 0.5)


def test_several_suites_step_down_by_holm() -> None:
    questions = [_overall(p, suite=name) for name, p in {"a": 0.01, "b": 0.02, "c": 0.04}.items()]
    found = adjusted(questions)
    assert [found.p[question.name] for question in questions] == pytest.approx([0.03, 0.04, 0.04])
    assert _rejected([*questions, _overall(0.2, suite="d")]) == [True, False, False, False]


def test_a_gate_with_a_smaller_alpha_takes_part_in_proportion() -> None:
    strict, usual = _overall(0.004, 0.01, suite="strict"), _overall(0.03, 0.05, suite="usual")
    found = adjusted([strict, usual])
    assert found.p[strict.name] == pytest.approx(0.008)  # the smaller share of its alpha: times two
    assert found.p[usual.name] == pytest.approx(0.04)  # the last one by Holm, but no earlier than 0.008 of 0.01
    assert _rejected([strict, usual]) == [True, True]
    assert _rejected([_overall(0.006, 0.01, suite="strict"), usual]) == [False, False]


def test_a_weighted_family_spends_the_mean_of_its_alphas_on_the_first_step() -> None:
    alphas = {"a": 0.01, "b": 0.05, "c": 0.1}
    at_the_border = [_overall(alpha / 3, alpha, suite=name) for name, alpha in alphas.items()]
    assert sum(question.p for question in at_the_border) == pytest.approx(np.mean(list(alphas.values())))
    assert all(_rejected([one]) == [True] for one in at_the_border)


def test_the_slices_of_one_gate_are_distinguished() -> None:
    ours, other = _slices(0.01, 0.2), _slices(0.01, suite="law")
    family = adjusted([_overall(0.01), *ours, *other])
    assert list(family.slices("faq", 1)) == [("lang", "0"), ("lang", "1")]
    assert family.slices("faq", 0) == {}
    assert list(family.slices("law", 1)) == [("lang", "0")]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.01, 0.05])), min_size=1, max_size=4),
    st.lists(st.floats(0, 1), max_size=5),
    st.integers(0, 8),
    st.floats(0, 1),
)
def test_a_smaller_p_never_saves_a_test_that_was_rejected(
    overall: list[tuple[float, float]], slices: list[float], place: int, factor: float
) -> None:
    questions = [_overall(p, alpha, suite=str(index)) for index, (p, alpha) in enumerate(overall)]
    questions += _slices(*slices)
    place %= len(questions)
    lower = GateTest(questions[place].name, questions[place].p * factor, questions[place].alpha)
    after = _rejected([*questions[:place], lower, *questions[place + 1 :]])
    assert all(now or not before for before, now in zip(_rejected(questions), after, strict=True))


def _family_of(rng: np.random.Generator, suites: int, cases: int, slices: int) -> Family:
    """Judge a build in which nothing changed: a tenth of the cases flips, losses as often as gains."""
    questions: list[GateTest] = []
    for suite in map(str, range(suites)):
        flips = rng.choice([-1, 0, 1], size=cases, p=[0.05, 0.9, 0.05])
        members = rng.integers(slices, size=cases)
        questions.append(_overall(_midp(flips), suite=suite))
        questions += _slices(*(_midp(flips[members == piece]) for piece in range(slices)), suite=suite)
    return adjusted(questions)


def _midp(flips: npt.NDArray[np.int64]) -> float:
    return mcnemar_midp(int(np.sum(np.equal(flips, -1))), int(np.sum(np.equal(flips, 1))))


def test_a_build_of_several_suites_and_slices_fails_by_luck_in_alpha_at_most() -> None:
    rng = np.random.default_rng(20261121)
    builds = 400
    failed = sum(min(_family_of(rng, suites=3, cases=120, slices=4).p.values()) <= 0.05 for _ in range(builds))
    unadjusted = 15 * 0.04  # what as many tests would come to, were each to have its own alpha
    assert failed / builds <= 0.05
    assert failed / builds < unadjusted / 5
