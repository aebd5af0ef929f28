from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf


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
        ({}, 'bounds nothing: give "min", "max" or both'),
        ({"min": 0}, "bounds nothing"),
        ({"min": 5, "max": 4}, "max = 4 is below min = 5"),
        ({"max": -1}, "max = -1"),
        ({"min": 1.5}, "min = 1.5"),
        ({"max": "5"}, 'max = "5"'),
    ],
)
def test_bounds_that_are_refused(kind: str, bounds: dict[str, Any], problem: str, score_of: ScoreOf) -> None:
    with pytest.raises(SettingsError, match=problem):
        score_of({"kind": kind, **bounds}, "text")
