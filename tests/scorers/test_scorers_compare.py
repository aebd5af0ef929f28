"""One comparison of texts and values: what is the same in every rule, and what a miss names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.scorers.compare import comparable, difference, folded, json_equal

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

# A wanted text, and an output that is the same to every rule that compares texts
SAME: list[tuple[str, str]] = [
    ("caf\u00e9", "cafe\u0301"),
    ("\u1e69", "s\u0323\u0307"),
    ("\uac00", "\u1100\u1161"),
    ("\u00c5", "\u212b"),
    ("14 days", "14\u00a0days"),
    ("14 days", "14\u202fdays"),
    ("14 days", "14\u2009days"),
    ("14 days", "14\u3000days"),
    ("state-of-the-art", "state\u2011of\u2010the\u2011art"),
    ("zur\u00fcck", "zu\u00adr\u00fcck"),
    ("Paris", "Paris\u200b"),
    ("Paris", "\ufeffParis"),
    ("Paris", "\u200ePa\u2060ris\u200f"),
    ("a\nb", "a\r\nb"),
    ("a\nb", "a\rb"),
]
KINDS = [
    "exact",
    "iexact",
    "one-of",
    "contains",
    "icontains",
    "contains-any",
    "contains-all",
    "starts-with",
    "ends-with",
]


@pytest.mark.parametrize("kind", [*KINDS, "squad-em", "squad-f1"])
@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_text_in_another_form(kind: str, one: str, other: str, score_of: ScoreOf) -> None:
    assert score_of(kind, other, expected=one).passed is True
    assert score_of(kind, one, expected=other).passed is True
    if kind != "squad-f1":
        assert score_of(f"not-{kind}", other, expected=one).passed is False


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_text_inside_of_json(one: str, other: str, score_of: ScoreOf) -> None:
    assert json_equal({one: [one]}, {other: [other]})
    assert score_of("exact", {other: [other]}, expected={one: [one]}).passed is True
    assert score_of("json-fields", {"a": {other: other}}, expected={"a": {one: one}}).value == 1
    assert score_of({"kind": "json-fields", "fields": {one: one}}, {other: other}).value == 1


# Texts that are not the same to any of the rules that compare texts
DIFFERENT: list[tuple[str, str]] = [
    ("cafe", "cafe\u0301"),
    ("x\u00b2", "x2"),
    ("5", "\uff15"),
    ("-5", "\u22125"),
    ("a-b", "a\u2013b"),
    ("don't", "don\u2019t"),
    ("Paris", "P\u0430ris"),
    ("14 days", "14\ndays"),
    ("\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0646\u0645\u06cc\u062e\u0648\u0627\u0647\u0645"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_a_text_that_only_looks_the_same(kind: str, one: str, other: str, score_of: ScoreOf) -> None:
    assert score_of(kind, other, expected=one).passed is False
    assert score_of(f"not-{kind}", other, expected=one).passed is True


@pytest.mark.parametrize(
    ("kind", "wanted", "output", "reason"),
    [
        (
            "contains",
            "14 days",
            "within 14\ndays",
            'lacks "14 days": U+000A (line feed) at offset 9, wanted U+0020 (space)',
        ),
        (
            "contains",
            "14 days now",
            "with\u00adin 14\u00a0days\nnow",
            'lacks "14 days now": U+000A (line feed) at offset 15, wanted U+0020 (space)',
        ),
        (
            "exact",
            "a-b",
            " a\u2013b",
            'wanted "a-b", got " a\u2013b": U+2013 (en dash) at offset 2, wanted U+002D (hyphen-minus)',
        ),
        (
            "exact",
            "Paris",
            "P\u0430ris",
            (
                'wanted "Paris", got "P\u0430ris": U+0430 (cyrillic small letter a) at offset 1, '
                "wanted U+0061 (latin small letter a)"
            ),
        ),
        (
            "contains",
            "don't",
            "I don\u2019t",
            'lacks "don\'t": U+2019 (right single quotation mark) at offset 5, wanted U+0027 (apostrophe)',
        ),
        (
            "exact",
            "fix",
            "\ufb01x",
            (
                'wanted "fix", got "\ufb01x": U+FB01 (latin small ligature fi) at offset 0, '
                "wanted U+0066 (latin small letter f)"
            ),
        ),
        ("exact", "Paris", "Rome", 'wanted "Paris", got "Rome"'),
        ("exact", "Paris", "paris", 'wanted "Paris", got "paris"'),
        ("contains", "14 days", "within 15 days", 'lacks "14 days"'),
        ("squad-em", "a b", "ab", 'wanted "a b", got "ab"'),
    ],
)
def test_a_miss_names_the_character_that_differs(
    kind: str, wanted: str, output: str, reason: str, score_of: ScoreOf
) -> None:
    assert score_of(kind, output, expected=wanted).reason == reason


@pytest.mark.parametrize(
    ("wanted", "got", "named"),
    [
        ("Paris", "Paris\n", "U+000A (line feed) at offset 5, wanted the end"),
        ("Paris\n", "Paris", "the end, wanted U+000A (line feed)"),
    ],
)
def test_white_space_at_an_end_counts_only_without_strip(wanted: str, got: str, named: str, score_of: ScoreOf) -> None:
    assert score_of("exact", got, expected=wanted).passed is True
    missed = score_of({"kind": "exact", "strip": False}, got, expected=wanted)
    assert missed.passed is False
    assert missed.reason.endswith(named)


def test_white_space_counts_as_one_space_on_request(score_of: ScoreOf) -> None:
    for kind in KINDS:
        spec = {"kind": kind, "collapse_space": True}
        assert score_of(spec, " 14\n\t days ", expected="14 days").passed is True, kind


@pytest.mark.parametrize(
    ("wanted", "output", "passed"),
    [("istanbul", "\u0130STANBUL", True), ("STRASSE", "stra\u00dfe", True), ("\u0131", "i", False)],
)
def test_without_regard_to_case(wanted: str, output: str, *, passed: bool, score_of: ScoreOf) -> None:
    for kind in ("iexact", "icontains", "istarts-with"):
        assert score_of(kind, output, expected=wanted).passed is passed


@pytest.mark.parametrize(
    ("pattern", "output", "passed"),
    [
        ("caf\u00e9$", "un cafe\u0301", True),
        ("cafe\u0301$", "un caf\u00e9", True),
        (r"\u0301", "cafe\u0301", True),
        ("cafe$", "cafe\u0301", False),
    ],
)
def test_a_pattern_finds_canonically_equivalent_text(
    pattern: str, output: str, *, passed: bool, score_of: ScoreOf
) -> None:
    assert score_of({"kind": "regex", "pattern": pattern}, output).passed is passed
    assert score_of({"kind": "not-regex", "pattern": pattern}, output).passed is not passed


@given(st.text(max_size=20))
def test_a_comparable_text_stays_the_same(text: str) -> None:
    assert comparable(comparable(text)) == comparable(text)
    assert folded(folded(text)) == folded(text)


@given(st.text("aA\u00e9e\u0301 \u00a0\u00ad\r\n-\u2011\u2013'\u2019", max_size=12), st.booleans())
def test_a_difference_is_named_without_an_error(text: str, inside: Any) -> None:
    for wanted in ("a e", "A-e", "\u00e9'"):
        assert "U+" in (difference(wanted, text, inside=inside) or "U+")
