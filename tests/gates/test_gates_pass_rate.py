from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.config import PassRateGate
from pytest_evalgate.gates import unattainable
from pytest_evalgate.gates.pass_rate import decide_pass_rate

if TYPE_CHECKING:
    from tests.gates.conftest import Build


def _gate(minimum: float, bound: str = "ci") -> PassRateGate:
    return PassRateGate.model_validate({"kind": "pass-rate", "min": minimum, "bound": bound})


@pytest.mark.parametrize(
    ("minimum", "passes", "n"),
    [
        (0.80, 20, 20),
        (0.80, 28, 30),
        (0.80, 45, 50),
        (0.80, 87, 100),
        (0.80, 170, 200),
        (0.80, 416, 500),
        (0.90, 30, 30),
        (0.90, 49, 50),
        (0.90, 96, 100),
        (0.90, 188, 200),
        (0.90, 462, 500),
    ],
)
def test_one_pass_less_than_needed_leaves_the_gate_inconclusive(
    build: Build, minimum: float, passes: int, n: int
) -> None:
    enough = build.suite("P" * passes + "m" * (n - passes)).results
    short = build.suite("P" * (passes - 1) + "m" * (n - passes + 1)).results
    assert decide_pass_rate(_gate(minimum), build.seen(enough).rate).result == "pass"
    assert decide_pass_rate(_gate(minimum), build.seen(short).rate).result == "inconclusive"


@pytest.mark.parametrize(
    ("letters", "bound", "result"),
    [
        ("P" * 80 + "m" * 20, "ci", "inconclusive"),
        ("P" * 79 + "m" * 21, "ci", "fail"),
        ("P" * 80 + "m" * 20, "point", "pass"),
        ("P" * 79 + "m" * 21, "point", "fail"),
        ("P" * 4 + "m", "point", "pass"),
        ("m" * 5, "ci", "fail"),
    ],
)
def test_around_the_minimum(build: Build, letters: str, bound: str, result: str) -> None:
    assert decide_pass_rate(_gate(0.8, bound), build.seen(build.suite(letters)).rate).result == result


def test_a_gate_result_carries_its_numbers(build: Build) -> None:
    result = decide_pass_rate(_gate(0.8), build.seen(build.suite("P" * 35 + "m" * 5)).rate)
    assert (result.value, result.required) == (0.875, 0.8)
    assert result.bound == pytest.approx(0.7541, abs=1e-3)
    assert "40 cases cannot decide this gate. 87.5% passed" in result.message
    assert "more cases" in result.message
    assert decide_pass_rate(_gate(0.8, "point"), build.seen(build.suite("PPPPm")).rate).bound is None


@pytest.mark.parametrize(("minimum", "wanted"), [(0.07, 7), (0.55, 55), (0.29, 29), (0.8, 80), (0.805, 81)])
def test_the_passes_wanted_by_a_point_gate_are_not_rounded_past(build: Build, minimum: float, wanted: int) -> None:
    below = build.suite("P" * (wanted - 1) + "m" * (101 - wanted)).results
    reached = build.suite("P" * wanted + "m" * (100 - wanted)).results
    assert decide_pass_rate(_gate(minimum, "point"), build.seen(below).rate).message.endswith(f"{wanted} needed")
    assert decide_pass_rate(_gate(minimum, "point"), build.seen(reached).rate).result == "pass"


def test_missing_answers_count_as_their_completion_says(build: Build) -> None:
    results = build.suite("P" * 8 + "??").results
    assert decide_pass_rate(_gate(0.9, "point"), build.seen(results).rate).value == 0.8
    assert decide_pass_rate(_gate(0.9, "point"), build.seen(results, completion="best").rate).value == 1.0


@pytest.mark.parametrize(
    ("minimum", "cases", "text"),
    [
        (0.9, 20, "cannot pass with 20 cases, even if all pass: use at least 29 cases, a lower min"),
        (0.8, 13, "use at least 14 cases"),
        (0.9999, 100, "use at least 29,956 cases"),
        (1.0, 100, 'even if all pass: use a lower min, or bound = "point"'),
    ],
)
def test_a_gate_that_cannot_pass_says_what_would_do(minimum: float, cases: int, text: str) -> None:
    assert text in str(unattainable(_gate(minimum), cases))


@pytest.mark.parametrize(("minimum", "cases", "bound"), [(0.9, 29, "ci"), (0.8, 14, "ci"), (1.0, 1, "point")])
def test_a_gate_that_can_pass(minimum: float, cases: int, bound: str) -> None:
    assert unattainable(_gate(minimum, bound), cases) is None


def test_trials_of_one_case_are_not_counted_as_cases(build: Build) -> None:
    agreeing = build.seen(build.suite(" ".join(["PPPP"] * 30 + ["mmmm"] * 20))).rate
    single = build.seen(build.suite("P" * 30 + "m" * 20)).rate
    noisy = build.seen(build.suite(" ".join(["PPPm"] * 40 + ["mmmm"] * 10))).rate
    assert agreeing == single
    assert noisy.value == pytest.approx(0.6)
    assert noisy.n == 50
    assert noisy.lower > single.lower


@given(passes=st.integers(0, 60), misses=st.integers(1, 60), minimum=st.floats(0.01, 0.99))
def test_a_further_miss_never_turns_a_gate_to_the_better(
    build: Build, passes: int, misses: int, minimum: float
) -> None:
    order = ["fail", "inconclusive", "pass"]
    before = decide_pass_rate(_gate(minimum), build.seen(build.suite("P" * (passes + 1) + "m" * (misses - 1))).rate)
    after = decide_pass_rate(_gate(minimum), build.seen(build.suite("P" * passes + "m" * misses)).rate)
    assert order.index(after.result) <= order.index(before.result)
