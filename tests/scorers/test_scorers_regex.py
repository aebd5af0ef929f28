from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import ScorerError, SettingsError

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf


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


def test_beyond_the_limit_the_head_decides_or_nothing_does(score_of: ScoreOf) -> None:
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
        ({"pattern": "a" * 10_001}, "at most 10000 characters"),
        ({"pattern": "a", "flags": ["verbose"]}, r'flags.0 = "verbose"'),
        ({"pattern": "a", "flags": "multiline"}, 'flags = "multiline"'),
        ({"pattern": "a", "engine": "perl"}, 'engine = "perl"'),
        ({"pattern": 5}, "pattern = 5"),
        ({"pattern": "a", "full": 1}, "full = 1"),
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


def test_re2_stops_no_one(score_of: ScoreOf) -> None:
    assert score_of({"kind": "regex", "pattern": "(a+)+$", "engine": "re2"}, "a" * 5000 + "b").passed is False


def test_a_missing_re2_says_what_to_install(monkeypatch: pytest.MonkeyPatch, score_of: ScoreOf) -> None:
    real = importlib.import_module

    def without_re2(name: str, package: str | None = None) -> Any:
        if name == "re2":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without_re2)
    with pytest.raises(SettingsError, match=r'needs google-re2: pip install "pytest-evalgate\[re2\]"'):
        score_of({"kind": "regex", "pattern": "a", "engine": "re2"}, "a")
