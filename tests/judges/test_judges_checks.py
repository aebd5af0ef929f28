from __future__ import annotations

import pytest

from pytest_evalgate.judges.judge import trivial_fail


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the output is empty"),
        (" \n\t\u3000", "the output is empty"),
        (".", "the output has fewer than two letters or digits"),
        (":", "the output has fewer than two letters or digits"),
        ("- 4 -", "the output has fewer than two letters or digits"),
        ("\u200b\u200b\U000e0070", "the output has fewer than two letters or digits"),
        ("Solution", 'the output is only the opening of an answer: "Solution"'),
        ("**solution:**\n", 'the output is only the opening of an answer: "**solution:**"'),
        ("Thought process:", "the output is only the opening of an answer"),
        ("Okay, let us work through this one step at a time.", "the output is only the opening of an answer"),
        ("Let\u2019s think\nstep by step", "the output is only the opening of an answer"),
        ("答案", "the output is only the opening of an answer"),
        ("解説", "the output is only the opening of an answer"),
        ("N/A", "the output is only the opening of an answer"),
    ],
)
def test_what_says_nothing_is_a_miss_without_a_call(text: str, why: str) -> None:
    assert (trivial_fail(text, ["42"]) or "").startswith(why)


@pytest.mark.parametrize(
    "text",
    [
        "42",
        "no",
        "Solution: 42",
        "Solutions",
        "4 2",
        "I cannot help with that.",
        "Thought process: 17 + 25 = 42",
        "解説です、答えは四十二",
        "solution " * 20,
    ],
)
def test_everything_that_says_something_is_for_the_judge(text: str) -> None:
    assert trivial_fail(text, ["42"]) is None


@pytest.mark.parametrize(("text", "reference"), [("4", 4), ("b ", "B"), ("Solution", "solution"), ("是", "是")])
def test_what_is_wanted_is_for_the_judge_however_short(text: str, reference: object) -> None:
    assert trivial_fail(text, ["other", reference]) is None
    assert trivial_fail(text, []) is not None


def test_nothing_is_a_miss_even_where_nothing_is_wanted() -> None:
    assert trivial_fail(" ", [" "]) == "the output is empty"
