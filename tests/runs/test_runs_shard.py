from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import plan_of, planned

from pytest_evalgate.runs.shard import MOST_SHARDS, Shard, path_of

if TYPE_CHECKING:
    from pytest_evalgate.records.results import SuitePlan


def _plan(slices: list[str], name: str = "faq") -> SuitePlan:
    return plan_of((planned(f"c{at}", at + 1, slices=(("lang", value),)) for at, value in enumerate(slices)), name)


def _dealt(plan: SuitePlan, count: int) -> list[frozenset[str]]:
    return [Shard(index, count).cases_of(plan) for index in range(1, count + 1)]


_plans = st.builds(_plan, st.lists(st.sampled_from(["de", "en", "fr"]), max_size=40), st.sampled_from(["faq", "sql"]))
_counts = st.integers(1, 12)


@given(_plans, _counts)
def test_each_case_is_in_exactly_one_shard(plan: SuitePlan, count: int) -> None:
    held = Counter(case_id for cases in _dealt(plan, count) for case_id in cases)
    assert held == Counter(case.id for case in plan.cases)


@given(_plans, _counts)
def test_shards_are_of_equal_size_overall_and_in_every_slice(plan: SuitePlan, count: int) -> None:
    shards = _dealt(plan, count)
    for value in ("de", "en", "fr"):
        held = {case.id for case in plan.cases if case.slices == (("lang", value),)}
        sizes = [len(cases & held) for cases in shards]
        assert max(sizes) - min(sizes) <= 1
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_the_odd_cases_of_small_suites_do_not_all_fall_to_one_shard() -> None:
    taken = Counter(
        index for name in map(str, range(50)) for index, cases in enumerate(_dealt(_plan(["de"], name), 4)) if cases
    )
    assert taken.keys() == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("text", "shard"), [("1/1", Shard(1, 1)), ("2/4", Shard(2, 4)), ("1000/1000", Shard(1000, 1000))]
)
def test_a_shard_is_read(text: str, shard: Shard) -> None:
    assert Shard.parse(text) == shard


@pytest.mark.parametrize(
    "text",
    ["0/4", "5/4", "x", "", "1/0", "1/1001", "1/4/4", " 1/4", "01/4", "-1/4", "1/4\n", "¹/4", "1.0/4", "1/99999"],
)
def test_an_invalid_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^give I/N such as 2/4: one of N shards, from 1 to N, N at most 1,000$"):
        Shard.parse(text)


@given(_counts.flatmap(lambda count: st.builds(Shard, st.integers(1, count), st.just(count))))
def test_the_name_of_a_file_names_its_shard(shard: Shard) -> None:
    assert Shard.of_file(shard.file_name) == shard
    assert path_of(Path("state"), shard) == Path("state/shards") / shard.file_name


@pytest.mark.parametrize(
    "name",
    ["run.jsonl", "1-of-4.json", "1-of-4.jsonl.bak", "5-of-4.jsonl", "0-of-4.jsonl", "01-of-4.jsonl",
     f"1-of-{MOST_SHARDS + 1}.jsonl", "x1-of-4.jsonl", "1-of-4.jsonl\n", ""],
)  # fmt: skip
def test_other_files_are_no_shards(name: str) -> None:
    assert Shard.of_file(name) is None


def test_a_shard_is_named_in_words() -> None:
    assert str(Shard(2, 4)) == "shard 2 of 4"
