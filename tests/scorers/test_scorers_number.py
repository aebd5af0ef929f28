from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.scorers.number import numbers_in

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("no number here", []),
        ("18", ["18"]),
        ("The answer is 18.", ["18"]),
        ("1,234,567.5", ["1234567.5"]),
        ("$70,000", ["70000"]),
        ("-$5 and $-5 and \u22125", ["-5", "-5", "-5"]),
        ("€ 1,200.50 per month", ["1200.50"]),
        ("+7", ["7"]),
        ("50%", ["50"]),
        (".5 and 0.5", [".5", "0.5"]),
        ("6.02e23, 1E-3", ["6.02E+23", "0.001"]),
        ("16-7=9", ["16", "7", "9"]),
        ("10 - 5", ["10", "5"]),
        ("x = -5", ["-5"]),
        ("gpt-4", ["4"]),
        ("(3)-2", ["3", "2"]),
        ("1,2,3", ["1", "2", "3"]),
        ("1,2345", ["1", "2345"]),
        ("12,34,567", ["12", "34567"]),
        ("v1.2.3", ["1.2", "3"]),
        ("3 eggs", ["3"]),
        ("US$100k", ["100"]),
        ("٤٢", ["42"]),
        ("9e99999999999999999999999 then 1", ["1"]),
        ("NaN, Infinity", []),
    ],
)
def test_numbers_in(text: str, numbers: list[str]) -> None:
    assert [one.value for one in numbers_in(text)] == [Decimal(number) for number in numbers]
    assert [one.value for one in numbers_in(text, backwards=True)] == [Decimal(number) for number in numbers][::-1]


@given(
    st.decimals(min_value=-(10**15), max_value=10**15, places=3),
    st.sampled_from(["{}", "It is {}.", "= {} apples", "${}", "**{}**", "{}%", "A: {}\nDone"]),
)
def test_numbers_with_thousands_commas_are_read_back(number: Decimal, dress: str) -> None:
    [found] = numbers_in(dress.format(f"{number:,}"))
    assert found.value == number


@given(st.integers())
def test_every_integer_is_read_exactly(number: int) -> None:
    [found] = numbers_in(f"{number:,}")
    assert found.value == number


A_LINE = {"kind": "number", "pattern": r"A:\s*(.+)$", "flags": ["multiline"]}

TABLE: list[tuple[str | dict[str, Any], Any, Any, bool]] = [
    ("number", 18, "3 + 15 = 18", True),
    ("number", 18, "18 eggs, of which 3 are broken", False),
    ("number", "70,000", "She made $70,000.", True),
    ("number", "$70,000.00", "70000", True),
    ("number", 0.1, "0.10", True),
    ("number", 12345678901234567890, "12,345,678,901,234,567,890", True),
    ("number", 12345678901234567890, "12345678901234567891", False),
    ("number", 42, 42.0, True),
    ("number", 42, {"answer": 42}, True),
    ("number", 1, True, False),
    ("number", 42, "I cannot help with that", False),
    ("number", 1, "1e999999999999", False),
    ("not-number", 42, "41", True),
    ({"kind": "number", "value": 7}, 42, "7", True),
    ({"kind": "number", "value": "1,000"}, 42, "1000", True),
    ({"kind": "number", "tolerance": 0.3}, 0.1, "0.4", True),  # 0.4 - 0.1 > 0.3 in binary floats
    ({"kind": "number", "tolerance": 0.3}, 0.1, "0.41", False),
    ({"kind": "number", "relative": 0.01}, 200, "202", True),
    ({"kind": "number", "relative": 0.01}, -200, "-202.1", False),
    ({"kind": "number", "relative": 0.01, "tolerance": 5}, 200, "204", True),
    (A_LINE, 18, "A: 18 eggs (3 are broken)", True),
    (A_LINE, 18, "A: 17\nno, wait\nA: $18.\nThat is 5 words", True),
    (A_LINE, 18, "18", False),
    (A_LINE, 18, "A: 18\nA: none", False),
    ({"kind": "number", "pattern": r"\d+ eggs"}, 18, "17 eggs, 18 eggs, 19 hens", True),
    ({"kind": "number", "pattern": r"A: (\d+)|B: (\d+)"}, 2, "A: 1 B: 2", True),
    (A_LINE | {"engine": "re2"}, 18, "A: 17\nA: 18\nbye", True),
    (A_LINE | {"engine": "re2"}, 18, "A: 18\nA: 17\nbye", False),
]


@pytest.mark.parametrize(("spec", "expected", "output", "passed"), TABLE)
def test_number(spec: str | dict[str, Any], expected: Any, output: Any, *, passed: bool, score_of: ScoreOf) -> None:
    assert score_of(spec, output, expected=expected).passed is passed


@pytest.mark.parametrize(
    ("spec", "output", "reason"),
    [
        ("number", "about 1,234", "got 1234, wanted 18"),
        ("number", "none", "no number in the output"),
        (A_LINE, "18", 'no number matches pattern "A:\\\\s*(.+)$"'),
        (A_LINE, "A: none", 'no number in "none", which matches pattern "A:\\\\s*(.+)$"'),
    ],
)
def test_reason(spec: str | dict[str, Any], output: str, reason: str, score_of: ScoreOf) -> None:
    assert score_of(spec, output, expected=18).reason == reason.replace("\\\\", "\\").replace("1234", "1,234")


@pytest.mark.parametrize("expected", ["five", "5 or 6", True, [5], {"a": 5}])
def test_expected_must_be_one_number(expected: Any, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match="not one number: write it as a JSON number"):
        score_of("number", "5", expected=expected)


def test_any_of_several_expected(score_of: ScoreOf) -> None:
    assert score_of("number", "7", expected_any=(5, "7")).passed is True


@pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf"), "1", True])
def test_tolerance_is_a_distance(tolerance: Any, score_of: ScoreOf) -> None:
    with pytest.raises(SettingsError, match="tolerance = "):
        score_of({"kind": "number", "tolerance": tolerance}, "5", expected=5)


def test_a_pattern_is_unknown_beyond_the_text_limit(score_of: ScoreOf) -> None:
    score = score_of(A_LINE, "A: 18\n" + "x" * 1_000_000, expected=18)
    assert (score.value, score.passed) == (None, None)
    assert "1,000,006 characters" in score.reason
    assert score_of("number", "x" * 1_000_001 + "18", expected=18).passed is True


@pytest.mark.parametrize("text", ["1,", "1,111", "-", "$ ", "1e", ".1", ",111", "1", "--$"])
def test_finding_numbers_takes_linear_time(text: str) -> None:
    start = time.process_time()
    list(numbers_in(text * (400_000 // len(text))))
    assert time.process_time() - start < 4  # quadratic would be hours


# In the form of worked solutions that end in a line "A: ...": final answer, expected, and whether it is right.
SOLUTIONS: list[tuple[str, str, bool]] = [
    ("18", "18", True),
    ("19", "18", False),
    ("3", "3", True),
    ("3.0", "3", True),
    ("70000", "70,000", True),
    ("70,000", "70,000", True),
    ("7,000", "70,000", False),
    ("$540", "540", True),
    ("540 meters", "540", True),
    ("450 meters", "540", False),
    ("20 cups", "20", True),
    ("$64.00", "64", True),
    ("$46.00", "64", False),
    ("260 sheep", "260", True),
    ("160", "160", True),
    ("160.", "160", True),
    ("45 miles", "45", True),
    ("-45", "45", False),
    ("$460", "460", True),
    ("$366", "366", True),
    ("694", "694", True),
    ("694.5", "694", False),
    ("13", "13", True),
    ("18%", "18", True),
    ("60 years", "60", True),
    ("125.0", "125", True),
    ("230", "230", True),
    ("57,500", "57500", True),
    ("57,501", "57500", False),
    ("7 pounds", "7", True),
    ("6", "6", True),
    ("15 dollars", "15", True),
    ("14", "14", True),
    ("7", "7", True),
    ("8 bags", "8", True),
    ("1/26", "26", False),
    ("2", "2", True),
    ("243 pages", "243", True),
    ("unknown", "16", False),
    ("+25", "25", True),
]


@pytest.mark.parametrize("spec", [A_LINE, {"kind": "number", "pattern": r"A:\s*(.+)$"}])
def test_forty_worked_solutions(spec: dict[str, Any], score_of: ScoreOf) -> None:
    work = "She has 3 + 15 = <<3+15=18>>18 eggs\nShe sells them for $<<18*2=36>>36 a day\nA: "
    scores = [score_of(spec, work + answer, expected=expected).passed for answer, expected, _ in SOLUTIONS]
    assert scores == [right for _, _, right in SOLUTIONS]
    assert len(SOLUTIONS) == 40
