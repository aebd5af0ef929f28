"""Rules that compare text and length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import RULES
from pytest_evalgate.scorers.compare import json_equal

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf


EXPECTED: list[tuple[str | dict[str, Any], Any, Any, bool]] = [
    ("exact", "Paris", " Paris\n", True),
    ("exact", "Paris", "paris", False),
    ("exact", "Paris", "Paris.", False),
    ("exact", 1, 1.0, True),
    ("exact", 1, True, False),
    ("exact", True, 1, False),
    ("exact", False, False, True),
    ("exact", {"a": 1, "b": [1, 2]}, {"b": [1, 2.0], "a": 1}, True),
    ("exact", {"a": 1}, {"a": True}, False),
    ("exact", [1, 2], [2, 1], False),
    ("exact", [1], [1, 1], False),
    ("exact", {"a": 1}, '{"a": 1}', True),
    ("exact", {"a": 1}, '{"a": true}', False),
    ("exact", {"a": 1}, "a: 1", False),
    ("exact", [1, 2], " [1, 2.0]\n", True),
    ("exact", 5, "5", True),
    ("exact", 5, '"5"', False),
    ("exact", 5, "5.", False),
    ("exact", 5, "five", False),
    ("exact", 0, "0", True),
    ("exact", 0, "", False),
    ("exact", "5", 5, True),
    ("exact", "05", 5, False),
    ("exact", True, "true", True),
    ("exact", True, "True", False),
    ("exact", True, "1", False),
    ("exact", False, "", False),
    ("exact", "null", None, False),
    ("iexact", True, "True", True),
    ("iexact", {"a": "X"}, '{"A": "x"}', True),
    ("not-exact", 42, "42", False),
    ("not-exact", {"a": 1}, '{"a": 1}', False),
    ("one-of", [1, 2], "1", True),
    ("one-of", [1, 2], "3", False),
    ("contains", True, "it is true", True),
    ("contains", True, "it is True", False),
    ("icontains", True, "it is True", True),
    ({"kind": "exact", "strip": False}, "Paris", "Paris\n", False),
    ({"kind": "exact", "value": "Rome"}, "Paris", "Rome", True),
    ("iexact", "STRASSE", "straße", True),
    ("iexact", "Paris", "Rome", False),
    ("iexact", 1, 1.0, True),
    ("not-exact", "Paris", "Rome", True),
    ("not-exact", "Paris", "Paris", False),
    ("one-of", ["yes", "no"], "no ", True),
    ("one-of", ["yes", "no"], "maybe", False),
    ("one-of", "yes", "yes", True),
    ({"kind": "one-of", "values": ["a", 1]}, None, 1.0, True),
    ({"kind": "one-of", "values": ["a", 1]}, "b", "b", False),
    ("contains", "refund", "A refund takes 30 days", True),
    ("contains", "Refund", "A refund takes 30 days", False),
    ("contains", 30, "A refund takes 30 days", True),
    ("contains", "é", {"name": "René"}, True),
    ("contains", '"b":2', {"b": 2, "a": 1}, True),
    ("icontains", "REFUND", "A refund takes 30 days", True),
    ("icontains", "money", "A refund takes 30 days", False),
    ("not-contains", "refund", "A refund takes 30 days", False),
    ("not-contains", "money", "A refund takes 30 days", True),
    ("not-icontains", "REFUND", "a refund", False),
    ("contains-all", ["a", "b"], "b a", True),
    ("contains-all", ["a", "b", "c"], "b a", False),
    ("icontains-all", ["A", "b"], "B a", True),
    ("not-contains-all", ["a", "z"], "b a", True),
    ({"kind": "contains-all", "values": ["x"]}, ["a"], "a", False),
    ("contains-any", ["a", "z"], "b a", True),
    ("contains-any", ["y", "z"], "b a", False),
    ("icontains-any", ["A", "z"], "b a", True),
    ("not-icontains-any", ["A", "z"], "b a", False),
    ("not-icontains-any", ["y", "z"], "b a", True),
    ("starts-with", "Dear", "Dear Ann", True),
    ("starts-with", "dear", "Dear Ann", False),
    ("istarts-with", "dear", "Dear Ann", True),
    ("not-starts-with", "dear", "Dear Ann", True),
    ("ends-with", "Ann", "Dear Ann", True),
    ("ends-with", "Dear", "Dear Ann", False),
    ("iends-with", "ann", "Dear ANN", True),
    ("not-iends-with", "ann", "Dear ANN", False),
]


@pytest.mark.parametrize(("spec", "expected", "output", "passed"), EXPECTED)
def test_rule_against_expected(
    spec: str | dict[str, Any], expected: Any, output: Any, *, passed: bool, score_of: ScoreOf
) -> None:
    score = score_of(spec, output, expected=expected)
    assert score.passed is passed
    assert score.value == float(passed)
    assert score.reason


@pytest.mark.parametrize("kind", ["exact", "one-of", "contains", "contains-any", "starts-with", "ends-with"])
def test_one_of_several_expected_will_do(kind: str, score_of: ScoreOf) -> None:
    wanted = {"expected": "ignored", "expected_any": ("Rome", "Roma")}
    assert score_of(kind, "Roma", **wanted).passed is True
    assert score_of(kind, "ignored", **wanted).passed is False


@pytest.mark.parametrize(
    ("spec", "output", "reason"),
    [
        ("exact", "five", 'wanted 5, got "five"'),
        ("contains", "six", "lacks 5"),
        ({"kind": "contains-all", "values": ["a", "b", "c", "d", "e"]}, "c", 'lacks "a", "b", "d" and 1 more'),
        ({"kind": "contains-any", "values": ["a", "b"]}, "b", 'has "b"'),
        ({"kind": "starts-with", "value": "\x1b[31m"}, "x", 'does not start with "\\x1b[31m"'),
    ],
)
def test_reason(spec: str | dict[str, Any], output: str, reason: str, score_of: ScoreOf) -> None:
    assert score_of(spec, output, expected=5).reason.replace('"5"', "5") == reason


@pytest.mark.parametrize(
    "kind", ["exact", "iexact", "one-of", "contains", "contains-all", "not-contains", "ends-with", "regex", "number"]
)
def test_without_an_expected_value_every_rule_raises(kind: str, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match=rf'golden/faq.jsonl:3: case "q1": scorer "{kind}": nothing to compare with'):
        score_of(kind, "anything")


@pytest.mark.parametrize("kind", ["contains", "contains-any", "starts-with", "not-ends-with", "regex"])
def test_an_empty_expected_text_is_an_error(kind: str, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match="the expected text is empty"):
        score_of(kind, "anything", expected="")


@pytest.mark.parametrize("kind", ["contains", "icontains", "not-starts-with", "ends-with", "regex", "squad-em"])
def test_an_object_is_no_text(kind: str, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match="is an object, which is not text: write the text itself, or use"):
        score_of(kind, "Oslo", expected={"reference": "Oslo"})


@pytest.mark.parametrize("kind", ["contains", "icontains", "not-starts-with", "ends-with", "regex"])
def test_a_list_is_no_text(kind: str, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match="is a list, which is not text: use contains-any or contains-all"):
        score_of(kind, "neon", expected=["helium", "neon"])


@pytest.mark.parametrize("kind", ["contains-all", "contains-any", "one-of"])
def test_an_empty_list_is_an_error(kind: str, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match="empty list"):
        score_of(kind, "anything", expected=[])


TEXTS = [
    "exact",
    "iexact",
    "contains",
    "icontains",
    "starts-with",
    "istarts-with",
    "ends-with",
    "iends-with",
    "one-of",
]


@given(st.sampled_from(TEXTS), st.text("aAbß ", min_size=1), st.text("aAbß "))
def test_a_not_form_is_the_negation(kind: str, wanted: str, got: str) -> None:
    case, output = Case("q", expected=wanted), Output(got)
    graded = [RULES[name](case, output) for name in (kind, f"not-{kind}")]
    assert {one[0] for one in graded if isinstance(one, tuple)} == {0.0, 1.0}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON, JSON)
def test_json_equality_is_symmetric_and_separates_booleans_from_numbers(one: Any, other: Any) -> None:
    assert json_equal(one, one)
    assert json_equal(one, other) == json_equal(other, one)
    if json_equal(one, other):
        assert one == other


@pytest.mark.parametrize(
    ("spec", "output", "passed", "reason"),
    [
        ({"kind": "length", "max": 5}, "12345", True, "5 characters"),
        ({"kind": "length", "max": 5}, "123456", False, "6 characters, more than 5"),
        ({"kind": "length", "min": 5}, "1234", False, "4 characters, fewer than 5"),
        ({"kind": "length", "min": 5, "max": 5}, "éééé☃", True, "5 characters"),
        ({"kind": "length", "min": 0, "max": 0}, "", True, "0 characters"),
        ({"kind": "length", "max": 7}, {"a": 1}, True, "7 characters"),
        ({"kind": "not-length", "max": 5}, "123456", True, "6 characters, more than 5"),
        ({"kind": "word-count", "min": 2, "max": 3}, " two\nwords ", True, "2 words"),
        ({"kind": "word-count", "min": 2}, "one", False, "1 words, fewer than 2"),
        ({"kind": "word-count", "max": 1000}, "a " * 1001, False, "1,001 words, more than 1,000"),
    ],
)
def test_bounds(spec: dict[str, Any], output: Any, *, passed: bool, reason: str, score_of: ScoreOf) -> None:
    score = score_of(spec, output)
    assert (score.passed, score.reason) == (passed, reason)


@pytest.mark.parametrize("kind", ["length", "word-count", "not-length"])
@pytest.mark.parametrize(
    ("bounds", "problem"),
    [
        ({}, 'there is no bound: give "min", "max" or both'),
        ({"min": 0}, "there is no bound"),
        ({"min": 5, "max": 4}, "max = 4 is below min = 5"),
        ({"max": -1}, "max: must be at least 0, not -1"),
        ({"min": 1.5}, "min: must be a whole number, not 1.5"),
        ({"max": "5"}, 'max: must be a whole number, not "5": write 5'),
    ],
)
def test_bounds_that_are_refused(kind: str, bounds: dict[str, Any], problem: str, score_of: ScoreOf) -> None:
    with pytest.raises(SettingsError, match=problem):
        score_of({"kind": kind, **bounds}, "text")
