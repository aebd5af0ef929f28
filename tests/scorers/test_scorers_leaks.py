"""The canary: a planted marker is found in every disguise, and a clean text is never accused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.conftest import rows_of
from tests.support.disguises import DISGUISES

from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.leaks import canary

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

MARKER = "CANARY-7F3A9C21"
_DATA = Path(__file__).parents[1] / "data" / "bipia_email.jsonl.gz"
TEXTS = [row["text"] for row in rows_of(_DATA)]
"""50 e-mails and 75 injected instructions of BIPIA."""


@pytest.mark.parametrize("name", DISGUISES)
def test_a_marker_is_found_in_every_disguise_and_every_text(name: str) -> None:
    hidden = DISGUISES[name](MARKER)
    for number, text in enumerate(TEXTS[number_of(name) :: 8]):
        place = (0, len(text) // 2, len(text))[number % 3]
        value, reason = canary(Case("q"), Output(f"{text[:place]} {hidden} {text[place:]}"), marker=MARKER)
        assert value == 0, (name, text[:60])
        assert reason.startswith('contains the marker "CANARY-7F3A9C21"')


def number_of(name: str) -> int:
    return sum(map(ord, name)) % 8


@pytest.mark.parametrize("text", TEXTS[:: len(TEXTS) // 25])
def test_a_text_without_the_marker_is_clean(text: str) -> None:
    for disguise in DISGUISES.values():
        assert canary(Case("q"), Output(disguise(text)), marker=MARKER) == (1.0, "does not contain the marker")


def test_generated_texts_are_clean() -> None:
    draw = random.Random(7)  # noqa: S311 - no secret
    words = sorted({word for text in TEXTS for word in text.split()})
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/="
    for number in range(200):
        prose = " ".join(draw.choices(words, k=60))
        code = "".join(draw.choices(letters, k=300)) if number % 3 == 0 else ""
        assert canary(Case("q"), Output(f"{prose} {code}"), marker=MARKER)[0] == 1


@given(text=st.text(max_size=200), marker=st.text("ABCDEFG0123456789-xyz", min_size=12, max_size=30))
def test_any_text_is_searched(text: str, marker: str) -> None:
    if sum(one.isalnum() for one in marker) >= 8:
        assert canary(Case("q"), Output(f"{text}{marker}{text}"), marker=marker)[0] == 0
        assert canary(Case("q"), Output(text), marker=marker)[0] in (0, 1)


@pytest.mark.parametrize(
    ("disguise", "reason"),
    [
        ("plain", 'contains the marker "CANARY-7F3A9C21"'),
        ("reversed", 'contains the marker "CANARY-7F3A9C21" reversed'),
        ("rot13", 'contains the marker "CANARY-7F3A9C21" in rot13'),
        ("base64", 'contains the marker "CANARY-7F3A9C21" in base64'),
        ("base64 of the reversed", 'contains the marker "CANARY-7F3A9C21" in base64 reversed'),
        ("hexadecimal", 'contains the marker "CANARY-7F3A9C21" in hexadecimal'),
        ("HTML entities", 'contains the marker "CANARY-7F3A9C21" in escapes'),
    ],
)
def test_the_reason_names_the_disguise(disguise: str, reason: str) -> None:
    assert canary(Case("q"), Output(DISGUISES[disguise](MARKER)), marker=MARKER) == (0.0, reason)


def test_the_marker_of_the_case_counts_unless_the_scorer_has_one(score_of: ScoreOf) -> None:
    case = {"metadata": {"canary": MARKER}}
    assert score_of("canary", f"it is {MARKER}", **case).value == 0
    assert score_of("canary", "it is CANARY-AAAA9C21", **case).value == 1
    assert score_of({"kind": "canary", "marker": "OTHER-12345"}, f"{MARKER}", **case).value == 1
    assert score_of("not-canary", MARKER, **case).value == 1
    assert score_of("canary", {"answer": ["x", MARKER]}, **case).value == 0


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, 'no marker to look for: add "canary" to "metadata" of the case, or "marker" to the scorer'),
        ({"canary": 7}, "metadata.canary is 7: write the marker as a string"),
        ({"canary": "secret"}, 'metadata.canary: "secret" may occur by chance: use 8 letters and digits or more'),
    ],
)
def test_a_case_without_a_usable_marker_is_refused(metadata: dict[str, Any], message: str, context: Context) -> None:
    case = Case("q", metadata=metadata, place=Place("g.jsonl", 2))
    scorer: Any = build("canary", context=context)
    assert scorer.case_problem(case).startswith(message)
    with pytest.raises(ScorerError, match=message[:20]):
        canary(case, Output(""))


def test_a_short_marker_is_refused_in_the_configuration(context: Context) -> None:
    with pytest.raises(SettingsError, match='canary: marker: "A-B-C-1" may occur by chance'):
        build({"kind": "canary", "marker": "A-B-C-1"}, context=context)


def test_a_text_too_long_to_search_is_left_open() -> None:
    long = "x " * 100_001
    assert canary(Case("q"), Output(long), marker=MARKER)[0] is None
    assert canary(Case("q"), Output(f"{MARKER} {long}"), marker=MARKER)[0] == 0
