"""``set``: several scorers of which all, or a share by weight, have to pass."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.scorers.asked import ScriptedClient, asked_by, score

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import CallFailed
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output

A = {"kind": "contains", "value": "a"}
B = {"kind": "contains", "value": "b"}
LIKE = {"kind": "similar", "value": "ref", "threshold": 0.5}


@pytest.mark.parametrize(
    ("more", "output", "value", "passed"),
    [
        ({}, "ab", 1.0, True),
        ({}, "a", 0.5, False),
        ({"threshold": 0.5}, "a", 0.5, True),
        ({"threshold": 0.5}, "x", 0.0, False),
        ({"threshold": 0.6}, "a", 0.5, False),
        ({"threshold": 1.0}, "ab", 1.0, True),
    ],
)
def test_all_or_a_share_has_to_pass(more: Any, output: str, value: float, *, passed: bool) -> None:
    found = score({"kind": "set", "asserts": [A, B], **more}, output, {})
    assert (found.name, found.value, found.passed) == ("set", value, passed)


def test_members_have_weights() -> None:
    spec = {"kind": "set", "asserts": [{**A, "weight": 3}, B], "threshold": 0.75}
    assert (score(spec, "a", {}).passed, score(spec, "b", {}).passed) == (True, False)


def test_the_reason_counts_and_names_the_members_that_miss() -> None:
    assert score({"kind": "set", "asserts": [A, B]}, "a", {}).reason == '1 of 2 pass: contains-2: lacks "b"'
    assert score({"kind": "set", "asserts": [A, B]}, "ab", {}).reason == "2 of 2 pass"


def test_a_member_may_ask_a_model() -> None:
    client = ScriptedClient({"a": [1.0], "ref": [1.0]})
    scorer: Any = asked_by({"kind": "set", "asserts": [A, LIKE]}, client)
    found = asyncio.run(scorer.score(Case("q"), Output("a")))
    assert (found.passed, len(found.calls), scorer.waits, scorer.asks_model) == (True, 2, True, True)
    assert [*scorer.calls_of(Case("q"), Output("a"))] == client.calls
    assert scorer.asked_models().keys() == {"emb"}


def test_an_unknown_member_makes_the_set_unknown_unless_another_misses() -> None:
    script = {"a": [1.0], "x": [1.0], "ref": CallFailed("no reply")}
    for threshold in ({}, {"threshold": 0.5}):
        found = score({"kind": "set", "asserts": [A, LIKE], **threshold}, "a", script)
        assert (found.value, found.reason, found.may_change) == (None, "similar: no reply", True)
    assert score({"kind": "set", "asserts": [A, LIKE]}, "x", script).passed is False


def test_a_set_reads_what_its_members_read() -> None:
    scorer: Any = asked_by({"kind": "set", "asserts": ["exact", LIKE]}, ScriptedClient({}))
    assert {"expected"} <= scorer.reads(Case("q"))
    assert scorer.case_problem(Case("q")).startswith("exact: nothing to compare with")
    assert scorer.case_problem(Case("q", expected="a")) is None
    plain: Any = asked_by({"kind": "set", "asserts": [A]}, ScriptedClient({}))
    assert (plain.waits, plain.asks_model) == (False, False)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "set"}, "set: asserts: this key is missing"),
        ({"kind": "set", "asserts": []}, "set: asserts: "),
        ({"kind": "set", "asserts": [{"kind": "containz"}]}, 'asserts[0]: unknown scorer "containz"'),
        ({"kind": "set", "asserts": [A, {"judge": "faq"}]}, "set: a judge is not a member of a set"),
        ({"kind": "set", "asserts": [A], "field": "x"}, "set: field belongs to its asserts"),
        ({"kind": "not-set", "asserts": [A]}, 'unknown scorer "not-set"'),
    ],
)
def test_a_set_that_cannot_be_used_is_refused(spec: Any, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        asked_by(spec, ScriptedClient({}))
    assert str(caught.value).startswith(f"scorers: {message}")


def test_a_member_that_warns_decides_nothing() -> None:
    warns = {**B, "severity": "warn"}
    found = score({"kind": "set", "asserts": [A, warns]}, "a", {})
    assert (found.value, found.passed, found.counts, found.reason) == (1.0, True, True, "1 of 1 pass")
    with pytest.raises(SettingsError, match="no member decides anything"):
        score({"kind": "set", "asserts": [warns]}, "a", {})
    assert not score({"kind": "set", "asserts": [A], "severity": "warn"}, "b", {}).counts
