"""The rule ``regex`` and the bounded search."""

from __future__ import annotations

import importlib
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import regex

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.scorers.pattern import TEXT_LIMIT, Found, find
from pytest_evalgate.scorers.pattern import regex as regex_rule

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

    from pytest_evalgate.scorers.pattern import Flags, How


@pytest.mark.parametrize("engine", ["re", "re2"])
@pytest.mark.parametrize(
    ("spec", "output", "passed"),
    [
        ({"pattern": r"order \d+"}, "Your order 17 is here", True),
        ({"pattern": r"order \d+"}, "Your Order 17 is here", False),
        ({"pattern": r"order \d+", "flags": ["ignorecase"]}, "Your Order 17 is here", True),
        ({"pattern": r"^b$"}, "a\nb\nc", False),
        ({"pattern": r"^b$", "flags": ["multiline", "multiline"]}, "a\nb\nc", True),
        ({"pattern": r"a.c"}, "a\nc", False),
        ({"pattern": r"A.C", "flags": ["dotall", "ignorecase"]}, "a\nc", True),
        ({"pattern": r"\d+", "full": True}, "17", True),
        ({"pattern": r"\d+", "full": True}, "17 ", False),
        ({"pattern": r'"id":\d'}, {"id": 7}, True),
        ({"pattern": r"é+"}, "déjà", True),
    ],
)
def test_regex(engine: str, spec: dict[str, Any], output: Any, *, passed: bool, score_of: ScoreOf) -> None:
    assert score_of({"kind": "regex", "engine": engine, **spec}, output).passed is passed
    assert score_of({"kind": "not-regex", "engine": engine, **spec}, output).passed is not passed


def test_the_pattern_may_come_from_the_case(score_of: ScoreOf) -> None:
    assert score_of("regex", "17 eggs", expected=r"\d+ eggs").passed is True
    assert score_of("regex", "17 eggs", expected_any=("hens?", "eggs?")).reason == '"eggs?" matches "eggs"'
    assert score_of("regex", "17 eggs", expected_any=("hens?", "cows?")).reason == 'no match of "hens?", "cows?"'
    with pytest.raises(ScorerError, match=r'golden/faq.jsonl:3: case "q1": scorer "regex": pattern "\(": missing'):
        score_of("regex", "17 eggs", expected="(")


def test_beyond_the_limit_only_a_match_in_the_beginning_decides(score_of: ScoreOf) -> None:
    long = "needle" + "x" * 1_000_000
    assert score_of({"kind": "regex", "pattern": "needle"}, long).passed is True
    for kind in ("regex", "not-regex"):
        assert score_of({"kind": kind, "pattern": "absent"}, long).passed is None
        assert score_of({"kind": kind, "pattern": "needlex*", "full": True}, long).passed is None
    assert score_of({"kind": "not-regex", "pattern": "absent", "engine": "re2"}, long).passed is True


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"pattern": "(a"}, r'pattern "\(a": missing \)'),
        ({"pattern": "(a", "engine": "re2"}, r'pattern "\(a": missing \)'),
        ({"pattern": r"(?=a)", "engine": "re2"}, "invalid perl operator"),
        ({"pattern": ""}, "pattern = "),
        ({"pattern": "a" * 10_001}, "too long: at most 10000"),
        ({"pattern": "a", "flags": ["verbose"]}, r'flags\[0\]: must be .*, not "verbose"'),
        ({"pattern": "a", "flags": "multiline"}, r'flags: must be a list, not "multiline": write \["multiline"\]'),
        ({"pattern": "a", "engine": "perl"}, 'engine: must be "re" or "re2", not "perl"'),
        ({"pattern": 5}, "pattern: must be a text in quotes, not 5"),
        ({"pattern": "a", "full": 1}, "full: must be true or false, not 1"),
        ({"pattern": "(a{1000}){1000}"}, "its repetitions multiply to more than 20,000 parts"),
    ],
)
@pytest.mark.parametrize("kind", ["regex", "not-regex"])
def test_a_bad_pattern_is_found_when_the_scorer_is_built(
    kind: str, spec: dict[str, Any], problem: str, score_of: ScoreOf
) -> None:
    with pytest.raises(SettingsError, match=problem) as caught:
        score_of({"kind": kind, **spec}, "text")
    assert str(caught.value).startswith("suites.faq.scorers: ")


def test_re2_takes_linear_time(score_of: ScoreOf) -> None:
    assert score_of({"kind": "regex", "pattern": "(a+)+$", "engine": "re2"}, "a" * 5000 + "b").passed is False


def test_a_missing_re2_is_reported_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, score_of: ScoreOf
) -> None:
    real = importlib.import_module

    def without_re2(name: str, package: str | None = None) -> Any:
        if name == "re2":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without_re2)
    with pytest.raises(SettingsError, match=r'needs google-re2: pip install "pytest-evalgate\[re2\]"'):
        score_of({"kind": "regex", "pattern": "a", "engine": "re2"}, "a")


_HANGING = r"(a|aa)+$", "a" * 60 + "b"

CATASTROPHIC = [
    _HANGING,
    (r"(a+)+$", "a" * 40 + "b"),
    (r"(a|a?)+$", "a" * 40 + "b"),
    (r"([a-zA-Z]+)*$", "a" * 40 + "1"),
    (r"(.*a){20}$", "a" * 40 + "b"),
    (r"(x+x+)+y", "x" * 60),
    (r"^(\w+\s?)*$", "word " * 12 + "wordwordword!"),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 60),
    (r"^([a-z0-9])(([\-.]|_+)?([a-z0-9]+))*@[a-z]+$", "a" * 60 + "!"),
    (r"\s+$", " " * 300_000 + "x"),  # polynomial: the length of the text is what makes it slow
    (r".*.*.*=.*", "x" * 20_000),
]


@pytest.mark.parametrize("how", ["search", "full", "last"])
@pytest.mark.parametrize(("pattern", "text"), CATASTROPHIC)
def test_a_catastrophic_pattern_ends(pattern: str, text: str, how: How) -> None:
    start = time.monotonic()
    with suppress(ScorerError):
        assert find(pattern, text, how=how, deadline_s=0.05).text in (None, "")
    assert time.monotonic() - start < 30


def test_a_pattern_that_takes_too_long_is_stopped_and_named() -> None:
    with pytest.raises(ScorerError, match=r'^pattern "\(a\|aa\)\+\$" took longer than 0\.05 s: make it simpler'):
        find(*_HANGING, deadline_s=0.05)
    assert find("a", "a") == Found("a")


def test_the_scorer_names_pattern_and_case(score_of: ScoreOf) -> None:
    pattern, text = _HANGING
    with pytest.raises(
        ScorerError, match=r'golden/faq.jsonl:3: case "q1": scorer "regex": pattern "\(a\|aa\)\+\$" took'
    ):
        score_of({"kind": "regex", "pattern": pattern}, text)


@pytest.mark.parametrize(
    ("pattern", "text", "how", "found"),
    [
        ("b+", "abbb b", "search", "bbb"),
        ("b+", "abbb b", "last", "b"),
        ("b+", "abbb", "full", None),
        ("ab+", "abbb", "full", "abbb"),
        ("z", "abbb", "last", None),
        ("", "abc", "last", ""),
        ("a(b)?c", "ac", "search", "ac"),
        ("a(b)?(c)", "ac", "search", "c"),
        ("(é|\U0001f600|\udc80)+", "x\udc80", "search", "\udc80"),
        ("a\nb\u2028c", "a\nb\u2028c", "search", "a\nb\u2028c"),
    ],
)
def test_find(pattern: str, text: str, how: How, found: str | None) -> None:
    assert find(pattern, text, how=how) == Found(found)


_PATTERNS = [
    r"(?P<number>-?\d+(?:\.\d+)?)",
    r"(?<=\$)\d+",
    r"(\w)\1",
    r"(?!x)\b\w{3,5}\b",
    r"^\s*(yes|no)\b",
    r"[^\W\d_]+$",
    r"[[a]",
    r"(a|ab)(c|bcd)(d*)",
    r"(?:a*?)(a+?)b",
    r"(?i:straße|\u0130)",
    r"(?s:x.y)",
    r".{2}\Z",
    r"(a?)*b",
    r"a++b",
    r"#\d(?#comment)",
    r"x{,2}y",
    r"x{a}",
]
_TEXTS = [
    "abcd aab 3.50 $-7 $12",
    "Yes\nno, noon\r\nx\ny",
    "STRASSE straße İ i",
    "[a] #1 x{a} xxxy",
    "\u0661\u0662 \xa0é",
    "",
]
_EACH_FLAGS: list[tuple[Flags, int]] = [
    ((), 0),
    (("ignorecase",), re.IGNORECASE),
    (("multiline", "dotall"), re.MULTILINE | re.DOTALL),
]


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize(("flags", "number"), _EACH_FLAGS)
@pytest.mark.parametrize("pattern", _PATTERNS)
def test_the_same_is_found_as_by_the_standard_library(pattern: str, flags: Flags, number: int) -> None:
    assert not number & ~(regex.I | regex.M | regex.S)
    for text in _TEXTS:
        for how, match in (
            ("search", re.search(pattern, text, number)),
            ("full", re.fullmatch(pattern, text, number)),
            ("last", ([None, *re.finditer(pattern, text, number)])[-1]),
        ):
            groups = () if match is None else (*match.groups(), match[0])
            wanted = next((group for group in groups if group is not None), None)
            assert find(pattern, text, flags=flags, how=how).text == wanted  # type: ignore[arg-type]


def test_only_the_head_of_a_long_text_is_searched() -> None:
    assert find("b", "a" * TEXT_LIMIT + "b") == Found(None, truncated=True)
    assert find("b", "b" + "a" * TEXT_LIMIT) == Found("b", truncated=True)
    assert find("b", "a" * (TEXT_LIMIT - 1) + "b") == Found("b")


@pytest.mark.parametrize("pattern", ["(", "a{9999999999}", "(" * 5000 + ")" * 5000, "(?V1)a", "[" * 5000, "(?P<a>"])
def test_a_malformed_pattern_is_named(pattern: str) -> None:
    with pytest.raises(ScorerError, match='pattern "'):
        find(pattern, "a")


@pytest.mark.parametrize(
    "pattern",
    [
        "(a{1000}){1000}",
        "(?:(?:(?:ab{100}){100,}){100,200})",
        "(" * 30 + "a" + ")+" * 30,
        "(?x)( a{1000} ) {01000}",
        "(a{1000})(?#often){2000000000}",
        "(" * 30 + "a" + "){1,5}" * 30,
        "(?i:" * 30 + "a" + ")+?" * 30,
    ],
)
def test_a_pattern_that_would_fill_the_memory_is_refused(pattern: str) -> None:
    with pytest.raises(ScorerError, match=r"its repetitions multiply to more than 20,000 parts"):
        find(pattern, "a")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(?:\d{1,3}\.){3}\d{1,3}", "192.168.100.200"),
        (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "123e4567-e89b-12d3-a456-426614174000"),
        (r"(?:[{(+]{2}\{9999\}\(){2}", "{({9999}(" * 2),
        (r".{0,999999}", "a"),
        (r"((((a*)*)*)*)*", "a"),
        (r"(?x) ( \d{3} ) {2} (?# six )", "123456"),
        (r"[(]{2}[^]]{2}[]{]{1}", "((ab]"),
    ],
)
def test_a_pattern_with_ordinary_repetitions_is_not(pattern: str, text: str) -> None:
    assert find(pattern, text, how="full").text is not None


def test_the_differences_that_the_rule_documents() -> None:
    assert find("(colou?r){e<=1}", "colr").text == "colr"
    assert find("[[:alpha:]]+", "12ab").text == "ab"
    assert find(r"(?<=a+)\p{L}", "aab").text is not None
    assert find("(?P<a>x)(?P<a>y)", "xy", how="full").text is not None
    assert r"\p{L}" in (regex_rule.__doc__ or "")
