"""Ids: which can be used, and how they are made and compared."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.golden import parse_row
from pytest_evalgate.golden.record import duplicate_ids, normalise
from pytest_evalgate.records.results import Place
from pytest_evalgate.text import jsonl


def _id(row: dict[str, Any]) -> str | None:
    parsed = parse_row(row, Place("set.jsonl", 1))
    assert parsed.problems == ()
    return parsed.id


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [
        ("refund-3", "refund-3"),
        (17, "17"),
        (0, "0"),
        ("a b/c[1]:d", "a b/c[1]:d"),
        ("日本語", "日本語"),
        ("cafe\u0301", "caf\u00e9"),
        ("x" * 200, "x" * 200),
        ("e\u0301" * 200, "\u00e9" * 200),
    ],
)
def test_good_ids_are_kept_in_nfc(given_id: object, kept: str) -> None:
    assert _id({"id": given_id, "input": "x"}) == kept


@pytest.mark.parametrize(
    ("given_id", "message"),
    [
        ("", '"" is empty'),
        (" a", "starts or ends with white space"),
        ("a\u00a0", "starts or ends with white space"),
        ("x" * 201, "is 201 characters long, at most 200"),
        ("a::b", 'contains "::"'),
        ("a\tb", '"a\\tb" contains the invisible character U+0009'),
        ("a\x1b[31m", "contains the invisible character U+001B"),
        ("a\x85b", "contains the invisible character U+0085"),
        ("a\u202eb", '"a\\u202eb" contains the invisible character U+202E'),
        ("a\u2066b", "contains the invisible character U+2066"),
        ("a\u200bb", "contains the invisible character U+200B"),
        ("a\u200db", "contains the invisible character U+200D"),
        ("a\ufeffb", "contains the invisible character U+FEFF"),
        ("a\U000e0041b", "contains the invisible character U+E0041"),
        ("a\u2028b", "contains the invisible character U+2028"),
        (True, "must be a string or a whole number, not true"),
        (1.0, "must be a string or a whole number, not 1.0"),
        (["a"], 'must be a string or a whole number, not ["a"]'),
        ({}, "must be a string or a whole number, not {}"),
    ],
)
def test_bad_ids_say_why(given_id: object, message: str) -> None:
    parsed = parse_row({"id": given_id, "input": "x"}, Place("set.jsonl", 4))
    assert (parsed.id, parsed.case) == (None, None)
    [problem] = parsed.problems
    assert (problem.file, problem.line, problem.field) == ("set.jsonl", 4, "id")
    assert message in problem.message


def test_an_absent_id_is_made_from_what_is_asked_and_expected() -> None:
    row = {"input": "x", "expected": 1}
    made = _id(row)
    assert made == jsonl.digest({"expected": 1, "input": "x"})[:12]
    assert _id({**row, "id": None, "tags": ["a"], "vars": {}, "messages": None, "weight": 2}) == made
    assert _id({**row, "expected": 2}) != made
    assert _id({**row, "vars": {"a": 1}}) != made
    assert _id({**row, "messages": [{"role": "user"}]}) != made


def test_repeated_ids_name_the_first_line() -> None:
    named = [(name, Place("set.jsonl", line)) for line, name in enumerate(["a", "b", "a", "a"], start=4)]
    assert list(map(str, duplicate_ids(named))) == [
        'set.jsonl:6: duplicate id "a" (first at line 4)',
        'set.jsonl:7: duplicate id "a" (first at line 4)',
    ]


@given(text=st.text(max_size=220))
def test_an_accepted_id_is_nfc_visible_and_stable(text: str) -> None:
    try:
        kept = normalise(text)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - either way out is right
        return
    assert kept == unicodedata.normalize("NFC", text) == normalise(kept)
    assert not {unicodedata.category(character) for character in kept} & {"Cc", "Cf", "Zl", "Zp"}
    assert normalise(unicodedata.normalize("NFD", text)) == kept
