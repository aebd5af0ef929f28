from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import ScorerError, SettingsError

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf


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


UNCERTAIN: list[tuple[Any, str, bool, str]] = [
    (5, "5 or 6", False, 'could not tell: "5 or 6" can be 5 or 6 (several numbers); wanted 5'),
    (7, "5 or 6", True, "got 5 or 6, wanted 7"),
    (
        7,
        "3 + 4",
        False,
        'could not tell: "3 + 4" is not one number (an expression, a range, a date or a time); wanted 7',
    ),
    (42, "Temperature - 42", False, 'could not tell: "- 42" can be 42 or -42 (a minus or a dash); wanted 42'),
]


@pytest.mark.parametrize(("expected", "output", "differs", "reason"), UNCERTAIN)
def test_an_uncertain_number_passes_neither_as_the_same_nor_as_another(
    expected: Any, output: str, *, differs: bool, reason: str, score_of: ScoreOf
) -> None:
    score = score_of("number", output, expected=expected)
    assert (score.passed, score.reason) == (False, reason)
    assert score_of("not-number", output, expected=expected).passed is differs


@pytest.mark.parametrize("kind", ["number", "not-number"])
def test_what_a_locale_decides_is_unknown_without_it(kind: str, score_of: ScoreOf) -> None:
    score = score_of(kind, "It is 1.234", expected=1.234)
    assert (score.value, score.passed) == (None, None)
    assert score.reason == (
        'could not tell: "1.234" can be 1.234 or 1234 (set locale, such as "en" or "de"); wanted 1.234'
    )
    for locale, value in (("en", 1.234), ("de", 1234), ("de-CH", 1.234)):
        assert score_of({"kind": "number", "locale": locale}, "It is 1.234", expected=value).passed is True
    assert score_of(kind, "It is 1.234", expected=5).passed is (kind == "not-number")


def test_an_unknown_locale_is_refused(score_of: ScoreOf) -> None:
    with pytest.raises(SettingsError, match='locale = "dee" is not known; did you mean "de"'):
        score_of({"kind": "number", "locale": "dee"}, "5", expected=5)


STRUCTURED: list[tuple[Any, Any, bool]] = [
    ({"answer": 42}, 42, True),
    ({"answer": "-1.5"}, -1.5, True),
    ({"2024": "none"}, 2024, False),
    ('{"2024": "none"}', 2024, False),
    ('```json\n{"7": "none"}\n```', 7, False),
    ('The result: {"7": "none"}', 7, False),
    ({"answer": 7, "confidence": 0.9}, 7, False),
    ({"answer": 7, "again": "so 7"}, 7, True),
    ([1, 2], 2, False),
    ("[1, 2]", 2, False),
    ([2], 2, True),
    (1.234, 1.234, True),
    ({"answer": 1.234}, 1.234, True),
    ({"answer": True}, 1, False),
    (None, 0, False),
    (float("nan"), 0, False),
]


@pytest.mark.parametrize(("output", "expected", "passed"), STRUCTURED)
def test_the_values_of_json_count_and_not_its_keys(
    output: Any, expected: Any, *, passed: bool, score_of: ScoreOf
) -> None:
    assert score_of("number", output, expected=expected).passed is passed


@pytest.mark.parametrize("expected", ["five", "5 or 6", "1.234", "2024-01-05", "CO2", "", True, [5], {"a": 5}])
def test_expected_must_be_one_number(expected: Any, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match=r"not one number.*: write it as a JSON number"):
        score_of("number", "5", expected=expected)


def test_any_of_several_expected(score_of: ScoreOf) -> None:
    assert score_of("number", "7", expected_any=(5, "7")).passed is True


@pytest.mark.parametrize("tolerance", [-1, float("nan"), float("inf"), "1", True])
def test_tolerance_is_a_distance(tolerance: Any, score_of: ScoreOf) -> None:
    with pytest.raises(SettingsError, match=r"tolerance: must be a(t least 0| number| finite number), not "):
        score_of({"kind": "number", "tolerance": tolerance}, "5", expected=5)


def test_a_pattern_is_unknown_beyond_the_text_limit(score_of: ScoreOf) -> None:
    score = score_of(A_LINE, "A: 18\n" + "x" * 1_000_000, expected=18)
    assert (score.value, score.passed) == (None, None)
    assert "1,000,006 characters" in score.reason
    assert score_of("number", "x" * 1_000_001 + " 18", expected=18).passed is True


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
