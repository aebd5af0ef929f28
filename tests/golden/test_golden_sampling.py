"""Samples: exact size, proportional strata, and the same sample for the same seed."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import plan_of, planned

from pytest_evalgate.golden.sampling import draw_sample, sample_plan
from pytest_evalgate.records.cases import BASE_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_evalgate.records.results import PlannedCase, SuitePlan

_Slices = tuple[tuple[str, str], ...]
_Cases = dict[str, _Slices]

_KINDS: st.SearchStrategy[_Slices] = st.lists(
    st.tuples(st.sampled_from(("lang", "type")), st.sampled_from("abcde")), max_size=3
).map(tuple)
_CASES: st.SearchStrategy[_Cases] = st.lists(_KINDS, max_size=80).map(
    lambda kinds: {f"case-{number}": kind for number, kind in enumerate(kinds)}
)
_SIZES = st.integers(1, 90)
_SEEDS = st.text(max_size=5)


def _of_languages(**sizes: int) -> _Cases:
    """Return so many cases of each language."""
    return {f"{lang}-{number}": (("lang", lang),) for lang, size in sizes.items() for number in range(size)}


def _languages(drawn: Iterable[str]) -> Counter[str]:
    return Counter(case.partition("-")[0] for case in drawn)


@given(_CASES, _SIZES, _SEEDS)
def test_the_size_is_exact_and_the_order_is_kept(cases: _Cases, size: int, seed: str) -> None:
    drawn = draw_sample(cases, size, seed=seed)
    assert len(drawn) == min(size, len(cases))
    assert list(drawn) == [case for case in cases if case in set(drawn)]


@given(_CASES, _SIZES, _SEEDS, st.randoms())
def test_the_order_of_cases_and_slices_does_not_matter(cases: _Cases, size: int, seed: str, random: object) -> None:
    shuffled = list(cases)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = {case: tuple(reversed(cases[case])) for case in shuffled}
    assert set(draw_sample(again, size, seed=seed)) == set(draw_sample(cases, size, seed=seed))


@given(_CASES, _SIZES, _SEEDS)
def test_every_slice_keeps_a_case_if_the_sample_is_large_enough(cases: _Cases, size: int, seed: str) -> None:
    slices = {name for kind in cases.values() for name in kind}
    drawn = draw_sample(cases, size, seed=seed)
    if size >= len(slices):
        assert {name for case in drawn for name in cases[case]} == slices


@given(_CASES, _SIZES, _SEEDS, st.sets(st.integers(0, 79), max_size=10))
def test_required_cases_are_always_drawn(cases: _Cases, size: int, seed: str, numbers: set[int]) -> None:
    always = {f"case-{number}" for number in numbers}
    drawn = set(draw_sample(cases, size, seed=seed, always=always))
    assert always & cases.keys() <= drawn
    assert len(drawn) == min(len(cases), max(size, len(always & cases.keys())))


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 40), min_size=1),
    _SIZES,
    _SEEDS,
)
def test_every_stratum_is_within_one_of_its_share(sizes: dict[str, int], size: int, seed: str) -> None:
    total = sum(sizes.values())
    size = min(size, total)
    drawn = _languages(draw_sample(_of_languages(**sizes), size, seed=seed))
    if size < len(sizes) or all(size * number >= total for number in sizes.values()):
        assert all(abs(drawn[lang] - size * number / total) < 1 for lang, number in sizes.items())
    assert all(drawn[lang] <= max(1, math.ceil(size * number / total)) for lang, number in sizes.items())


@given(_CASES, _SIZES)
def test_two_seeds_draw_the_same_number_of_each_stratum_to_within_one(cases: _Cases, size: int) -> None:
    plain = {case: kind[:1] for case, kind in cases.items()}
    one, other = (Counter(plain[case] for case in draw_sample(plain, size, seed=seed)) for seed in ("one", "other"))
    assert all(abs(one[kind] - other[kind]) <= 1 for kind in set(plain.values()))


def test_another_seed_draws_other_cases() -> None:
    cases = _of_languages(en=500)
    assert draw_sample(cases, 50, seed="one") != draw_sample(cases, 50, seed="other")


def test_a_rare_slice_gets_a_case_from_the_share_of_the_common_ones() -> None:
    drawn = _languages(draw_sample(_of_languages(en=970, de=27, fr=1, it=2), 20, seed="x"))
    assert drawn == {"en": 17, "de": 1, "fr": 1, "it": 1}


def test_a_sample_that_is_too_small_for_all_slices_favours_none() -> None:
    rare = {f"r{number}": 1 for number in range(20)}
    drawn = _languages(draw_sample(_of_languages(en=980, **rare), 10, seed="x"))
    assert drawn["en"] >= 9


def test_no_case_is_drawn_more_often_than_another() -> None:
    cases = _of_languages(en=7, de=2, fr=1, it=1, es=1)
    times = Counter(case for seed in range(3000) for case in draw_sample(cases, 3, seed=str(seed)))
    assert set(times) == set(cases)
    expected = 3000 * 3 / 12
    spread = math.sqrt(expected * (1 - 3 / 12))
    assert all(abs(number - expected) < 5 * spread for number in times.values())


def _plan(*cases: PlannedCase, name: str = "faq", sha: str = "1") -> SuitePlan:
    return plan_of(cases, name, golden_sha256=sha)


def _case(name: str, *tags: str, **fields: Any) -> PlannedCase:
    return planned(name, tags=tags, **fields)


_FORTY = [_case(f"case-{number:02}") for number in range(40)]


def _ids(plan: SuitePlan) -> list[str]:
    return [case.id for case in plan.cases]


def test_a_sampled_plan_has_the_number_of_cases_it_was_drawn_from() -> None:
    plan = sample_plan(_plan(*_FORTY), 10)
    assert (len(plan.cases), plan.drawn_from) == (10, 40)
    assert _ids(plan) == sorted(_ids(plan))


@pytest.mark.parametrize("size", [None, 40, 41])
def test_a_plan_that_is_not_larger_stays_whole(size: int | None) -> None:
    plan = _plan(*_FORTY)
    assert sample_plan(plan, size) is plan


def test_a_sample_stays_as_long_as_the_golden_set_does() -> None:
    assert sample_plan(_plan(*_FORTY), 10) == sample_plan(_plan(*_FORTY), 10)
    assert _ids(sample_plan(_plan(*_FORTY), 10)) != _ids(sample_plan(_plan(*_FORTY, sha="2"), 10))
    assert _ids(sample_plan(_plan(*_FORTY), 10)) != _ids(sample_plan(_plan(*_FORTY, name="law"), 10))


def test_skipped_cases_take_no_place_in_a_sample() -> None:
    skipped = [_case(f"skipped-{number}", skip="flaky") for number in range(40)]
    plan = sample_plan(_plan(*skipped, *_FORTY), 30)
    assert [case.skip for case in plan.cases] == [None] * 30


def test_required_cases_are_planned_even_if_they_are_skipped() -> None:
    held = [_case("law", "safety", "en"), _case("old", "safety", skip="flaky")]
    plan = sample_plan(_plan(*_FORTY, *held, _case("other", "en")), 5, ["safety"])
    assert {"law", "old"} <= set(_ids(plan))
    assert len(plan.cases) == 5


def test_an_edited_case_counts_once_and_is_drawn_with_both_its_sides() -> None:
    edited = [_case(f"case-{number:02}{BASE_SUFFIX}", side="base") for number in range(40)]
    plan = sample_plan(_plan(*_FORTY, *edited), 10)
    assert len({case.golden_id for case in plan.cases}) == 10
    assert Counter(case.side for case in plan.cases) == {"both": 10, "base": 10}
