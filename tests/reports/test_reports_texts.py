from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.config import Report
from pytest_evalgate.reports.view import LONGEST, TextPolicy, truncate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("as it is\n", "as it is\n"),
        ({"a": [1, "ü"]}, '{\n "a": [\n  1,\n  "ü"\n ]\n}'),
        ([{"role": "user", "content": "Hi"}, {"role": "tool", "content": {"n": 1}}], 'user: Hi\ntool: {\n "n": 1\n}'),
        ([], "[]"),
        (0, "0"),
        (False, "false"),
    ],
)
def test_values_as_text(value: Any, text: str) -> None:
    assert TextPolicy().of("input", value) == text


def test_long_texts_are_cut_and_say_how_long_they_are() -> None:
    assert TextPolicy().of("output", "x" * LONGEST) == "x" * LONGEST
    assert TextPolicy().of("output", "x" * (LONGEST + 1)) == f"{'x' * LONGEST} ... (20,001 characters)"
    assert truncate("abc", 2) == "ab ... (3 characters)"


@pytest.mark.parametrize(("content", "shown"), [("full", "y" * 300), ("none", "(left out)")])
def test_how_much_is_shown(content: str, shown: str) -> None:
    texts = TextPolicy.by(Report.model_validate({"content": content}))
    assert texts.of("input", "y" * 300) == texts.plain("y" * 300) == shown
    assert texts.of("input", None) == texts.plain("") == ""


def test_an_excerpt_is_the_beginning() -> None:
    assert TextPolicy("excerpt").plain("y" * 300) == f"{'y' * 200} ... (300 characters)"


def test_fields_are_taken_out_wherever_they_stand() -> None:
    texts = TextPolicy.by(Report.model_validate({"redact": ["input.customer.email", "output.name"]}))
    value = {"customer": [{"email": "mia@example.org", "n": 1}, {"n": 2}], "email": "kept"}
    assert "mia" not in texts.of("input", value)
    assert '"email": "***"' in texts.of("input", value)
    assert '"email": "kept"' in texts.of("input", value)
    assert "mia" in texts.of("output", value)
    assert texts.of("output", {"name": {"first": "Mia"}}) == '{\n "name": "***"\n}'
    assert texts.of("output", "plain text has no fields") == "plain text has no fields"
    assert value["customer"] == [{"email": "mia@example.org", "n": 1}, {"n": 2}]
