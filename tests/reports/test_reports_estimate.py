"""The estimate's screens, compared with files under golden/; UPDATE_GOLDEN=1 rewrites them."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_evalgate.reports.estimate import render_estimate, total_line
from pytest_evalgate.runs.estimate import Estimate, Pace, SuiteEstimate
from pytest_evalgate.text.layout import width_of

_GOLDEN = Path(__file__).parent / "golden"

_SUPPORT = SuiteEstimate("support-faq", 240, 960, 188, 131_400, 28_100, 0.31, 0.55, "median of 772 cached usages")
_SQL = SuiteEstimate("sql-gen", 60, 240, 0, 0, 0, 0.0, 0.0, "all cached")
_TONE = SuiteEstimate("tone", 200, 800, 224, 157_000, 45_000, 0.52, 0.86, "chars/4, no history: +-40%")
_JUDGED = SuiteEstimate("my-suite", 36, 36, 36, 9_000, 999, None, None, "chars/4, 12 cached usages: +-40%")
_CHEAP = SuiteEstimate("smoke", 1, 1, 1, 12, 5, 0.00000123, 0.0004, "chars/4, no history: +-40%")
_HUGE = SuiteEstimate("everything", 100_000, 1_200_000, 1_200_000, 2_345_678_900, 1_500_000, 12_345.6, 23_456.7, "x")
_PACE = Pace(8, 500.0, None, 130.2)

_WHOLE = Estimate((_SUPPORT, _SQL, _TONE), (), ("genai-prices 0.2.3", "config"), _PACE)
_PARTLY = Estimate((_SUPPORT, _JUDGED), (("my-judge", 36),), ("config",), Pace(8, None, 90_000.0, None))
_UNKNOWN = Estimate((_JUDGED,), (("my-judge", 30), ("app", 6)), (), Pace(1, None, None, 0.2))
_CACHED = Estimate((_SQL,))
_EMPTY = Estimate((SuiteEstimate("recorded", 240, 0, 0, 0, 0, 0.0, 0.0, "no calls"),))
_TINY = Estimate((_CHEAP,), (), ("config",), Pace(32, None, None, 0.4))
_LARGE = Estimate((_HUGE, _SUPPORT), (), ("config",), Pace(1_000, 100_000.0, 2_000_000.0, 37_000.0))

_SCREENS = {
    "whole": (_WHOLE, 5.0),
    "partly": (_PARTLY, None),
    "unknown": (_UNKNOWN, None),
    "cached": (_CACHED, 5.0),
    "empty": (_EMPTY, None),
    "tiny": (_TINY, None),
    "large": (_LARGE, 20_000.0),
}


@pytest.mark.parametrize("name", _SCREENS)
def test_screens(name: str) -> None:
    text = "\n".join(render_estimate(*_SCREENS[name])) + "\n"
    path = _GOLDEN / f"estimate_{name}.100.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", _SCREENS)
def test_no_line_is_wider_than_the_screen(name: str, width: int) -> None:
    lines = render_estimate(*_SCREENS[name], width)
    assert max(map(width_of, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("estimate", "line"),
    [
        (
            _WHOLE,
            "this run will make 412 calls, about US$0.83 (at most US$1.41); 1,588 of 2,000 are cached",
        ),
        (
            _PARTLY,
            (
                "this run will make 224 calls, about US$0.31 (at most US$0.55) plus 36 calls of unknown price; "
                "772 of 996 are cached"
            ),
        ),
        (_UNKNOWN, "this run will make 36 calls (price unknown); 0 of 36 are cached"),
        (_TINY, "this run will make 1 call, about US$0.000001 (at most US$0.0004); 0 of 1 are cached"),
        (_CACHED, "this run will make no calls: all 240 are cached"),
        (_EMPTY, "this run will make no calls"),
    ],
)
def test_the_total_in_one_line(estimate: Estimate, line: str) -> None:
    assert total_line(estimate) == line


@pytest.mark.parametrize("width", [60, 100])
def test_wide_characters_fit_too(width: int) -> None:
    name = "日本語のモデル" * 12
    estimate = Estimate((replace(_JUDGED, name=name, basis=name),), ((name, 36),), (name,), _PACE)
    assert max(map(width_of, render_estimate(estimate, None, width))) <= width


def test_the_basis_of_an_estimate_is_not_truncated() -> None:
    assert any("median of 772 cached usages" in line for line in render_estimate(_WHOLE, None, 80))


def test_hostile_names_are_inert() -> None:
    text = "\x1b[31m\u202e\n::error::"
    suite = SuiteEstimate(text, 1, 1, 1, 1, 1, None, None, "chars/4, no history: +-40%")
    for line in render_estimate(Estimate((suite,), ((text, 1),), ("config",), _PACE), None):
        assert not [char for char in line if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
