"""``moderation``: passes if no selected category is flagged, and names those that are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.scorers.asked import ScriptedClient, asked_by, score

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import CallFailed
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output

CLEAN = {"flagged": False, "categories": {"hate": False, "violence": False}}
HATE = {"flagged": True, "categories": {"hate": True, "violence": False, "hate/threatening": True}}


@pytest.mark.parametrize(
    ("more", "reply", "value", "reason"),
    [
        ({}, CLEAN, 1.0, "not flagged"),
        ({}, HATE, 0.0, "flagged: hate, hate/threatening"),
        ({"categories": ["violence"]}, HATE, 1.0, "not flagged"),
        ({"categories": ["violence", "hate"]}, HATE, 0.0, "flagged: hate"),
        (
            {"categories": ["sexual"]},
            CLEAN,
            None,
            "the endpoint has no category sexual; its categories are: hate, violence",
        ),
        ({}, {"flagged": True, "categories": {"hate": False}}, 0.0, "flagged, without a category"),
        ({}, {"flagged": False, "categories": {"hate": True}}, 0.0, "flagged: hate"),
        ({}, CallFailed("no reply"), None, "no reply"),
    ],
)
def test_what_is_flagged_is_missed_and_named(
    more: dict[str, Any], reply: Any, value: float | None, reason: str
) -> None:
    found = score({"kind": "moderation", **more}, "text", {"text": reply})
    assert (found.value, found.reason) == (value, reason)
    assert found.passed is (None if value is None else value == 1)
    negated = score({"kind": "not-moderation", **more}, "text", {"text": reply})
    assert negated.passed is (None if value is None else value == 0)


def test_only_the_output_is_sent() -> None:
    client = ScriptedClient({"text": CLEAN})
    scorer: Any = asked_by("moderation", client)
    assert asyncio.run(scorer.score(Case("q1", expected="x"), Output("text"))).passed is True
    [call] = client.calls
    assert (call.kind, call.payload) == ("moderations", {"model": "mod-1", "input": "text"})
    assert (scorer.reads(Case("q1")), scorer.case_problem(Case("q1"))) == (frozenset(), None)


def test_an_empty_output_has_nothing_to_flag() -> None:
    assert score("moderation", "", {}).passed is True


def test_a_threshold_is_refused() -> None:
    with pytest.raises(SettingsError, match="moderation: threshold: its value is 0 or 1"):
        asked_by({"kind": "moderation", "threshold": 0.5}, ScriptedClient({}))
