"""Values and patterns of JavaScript; the expected ones are what Node.js 20 gives."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.golden.dialects.javascript import translate_pattern, write
from pytest_evalgate.golden.dialects.translate import TranslationError
from pytest_evalgate.scorers.pattern import find


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (True, "true"),
        (False, "false"),
        (5, "5"),
        (5.0, "5"),
        (-0.0, "0"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (1e16, "10000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (100.0, "100"),
        (12.34, "12.34"),
    ],
)
def test_numbers_are_written_as_javascript_does(value: Any, text: str) -> None:
    assert write(value) == text


def test_a_number_that_javascript_rounds_is_refused() -> None:
    assert write(2**53) == "9007199254740992"
    with pytest.raises(TranslationError, match="that JavaScript rounds"):
        write(2**53 + 1)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^Paris$", "Paris", True),
        ("^Paris$", "Paris\n", False),
        (r"^\d+$", "123", True),
        (r"^\d+$", "\u0661\u0662", False),
        (r"^\w+$", "caf\u00e9", False),
        (r"[\w.]+@", "a.b@", True),
        (r"[\d]", "\u0661", False),
        (r"\bcaf", "caf\u00e9", True),
        (r"\bcaf\b", "caf\u00e9", True),
        (r"\D", "\u0661", True),
        (r"a\sb", "a\ufeffb", True),
        (r"a\sb", "a\x1cb", False),
        ("a.b", "a\rb", False),
        ("a.b", "a\u2028b", False),
        (r"a\/b", "a/b", True),
        (r"(?<y>\d{4})-\k<y>", "2024-2024", True),
        (r"(a)\1", "aa", True),
        ("a{2}", "aa", True),
        ("a{", "a{", True),
        ("{e<=1}", "{e<=1}", True),
        ("[[:alpha:]]", "a]", True),
        (r"\u0041\x42\cA", "AB\x01", True),
        (r"[\b]", "\x08", True),
        (r"[\w-a]", "-", True),
        (r"[\w-a]", "`", False),
        (r"[a-\d]", "-", True),
        (r"a\++", "a++", True),
        (r"\A", "A", True),
        (r"\Z", "Z", True),
        (r"(?<!x)y(?=z)", "yz", True),
        (r"^\$5\.00$", "$5.00", True),
    ],
)
def test_patterns_match_as_in_javascript(pattern: str, text: str, *, matches: bool) -> None:
    assert (find(translate_pattern(pattern), text).text is not None) is matches


@pytest.mark.parametrize(
    "pattern", ["a++", "a*+", "a{2}+", "\\c", "(?i)a", "(?>a)", "(?P<a>b)", "[]", "[^]", r"[\S]", r"\p{L}", r"\u{41}"]
)
def test_a_pattern_without_a_counterpart_is_refused(pattern: str) -> None:
    with pytest.raises(TranslationError):
        translate_pattern(pattern)
