from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.markers import MARKERS

from pytest_evalgate.text.reasoning import SplitText, SplitValue, split_text, split_value


@pytest.mark.parametrize(("start", "end"), MARKERS, ids=[start for start, _ in MARKERS])
def test_a_block_at_the_beginning_is_reasoning(start: str, end: str) -> None:
    assert split_text(f"{start}14 days?\n{end}\n\n30 days\n") == SplitText("30 days", "14 days?")


@pytest.mark.parametrize(("start", "end"), MARKERS[:-2], ids=[start for start, _ in MARKERS[:-2]])
def test_a_block_inside_the_answer_is_reasoning(start: str, end: str) -> None:
    assert split_text(f"It is {start}14{end}30 days.") == SplitText("It is 30 days.", "14")


@pytest.mark.parametrize(
    ("text", "reasoning"),
    [
        ("Thinking...\n14 days?\n...done thinking.\n\n30 days", "14 days?"),
        ("[THINKING]14 days?[/THINKING]30 days", "14 days?"),
        ("<thinking_process>14 days?</thinking_process>30 days", "14 days?"),
        ("<scratch_pad>14 days?</scratch_pad>30 days", "14 days?"),
    ],
)
def test_other_markers(text: str, reasoning: str) -> None:
    assert split_text(text) == SplitText("30 days", reasoning)


@pytest.mark.parametrize("start", [start for start, _ in MARKERS])
def test_a_block_without_an_end_leaves_no_answer(start: str) -> None:
    split = split_text(f"{start}14 days")
    assert (split.answer, split.closed) == ("", False)
    assert "14 days" in split.reasoning


@pytest.mark.parametrize(
    "end",
    [
        "</think>",
        "</thinking>",
        "</thought>",
        "</reasoning>",
        "</seed:think>",
        "[/THINK]",
        "◁/think▷",
        "<|END_THINKING|>",
    ],
)
def test_everything_before_an_end_without_a_start_is_reasoning(end: str) -> None:
    assert split_text(f"14 days?{end}30 days") == SplitText("30 days", "14 days?")


@pytest.mark.parametrize(
    ("text", "answer", "is_closed"),
    [
        ("<think></think>30", "30", True),
        ("<think>\n\n</think>\n\n30", "30", True),
        ("<think>1</think>3<think>2</think>0", "30", True),
        ("<think>1<think>2</think>3</think>30", "30", True),
        ("<think>1<think>2</think>3", "", False),
        ("<think>1</think>2</think>30", "30", True),
        ("<think>1<reasoning>2</reasoning>3</think>30", "30", True),
        ("<think>1<reasoning>2</reasoning>3", "", False),
        ("30<think>14", "30", False),
        ("<think>The tag `</think>` ends it.</think>30", "30", True),
        ("<|channel|>analysis<|message|>14<|end|>", "", False),
        ("<|channel|>commentary<|message|>14<|end|><|channel|>final<|message|>30<|return|>", "30", True),
        ("<|channel|>final <|constrain|>json<|message|>30", "30", True),
        ("```thinking\n14\n```\n30", "30", True),
        ("```think\n14", "", False),
        ("analysisThe user asks. 14?assistantfinal30", "30", True),
        ("<|END_THINKING|><|START_RESPONSE|>30<|END_RESPONSE|>", "30", True),
    ],
)  # fmt: skip
def test_blocks_end_with_their_own_tags(text: str, answer: str, *, is_closed: bool) -> None:
    split = split_text(text)
    assert (split.answer, split.closed) == (answer, is_closed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30 days",
        " 30 <b>days</b>\n",
        "The tag `<think>` starts it, and `</think>` ends it.",
        'Write "<think>" first.',
        "Use <think/> or <think /> here.",
        "I think <thinker> and <rethink> are not tags; [THINKS] neither.",
        "analysis of the assistant: 30 days",
        "<details><summary>14</summary>30</details>",
        "I reasoned: 14? No, 30.",
        "See [think](https://example.org), [THINK](https://example.org) and [reasoning].",
    ],
)
def test_other_texts_are_not_changed(text: str) -> None:
    assert split_text(text) == SplitText(text)


@pytest.mark.parametrize(
    ("value", "answer", "reasoning"),
    [
        ({"answer": "<think>14</think>30"}, {"answer": "30"}, "14"),
        ({"answer": "30", "reasoning_content": "14"}, {"answer": "30"}, "14"),
        ({"role": "assistant", "content": "30", "reasoning": "14"}, {"role": "assistant", "content": "30"}, "14"),
        ({"role": "assistant", "content": "30", "thinking": "14"}, {"role": "assistant", "content": "30"}, "14"),
        ([{"type": "thinking", "thinking": "14"}, {"type": "text", "text": "30"}],
         [{"type": "text", "text": "30"}], "14"),
        ([{"text": "14", "thought": True}, {"text": "30"}], [{"text": "30"}], "14"),
        ({"choices": [{"message": {"role": "assistant", "content": "<think>14</think>30"}}]},
         {"choices": [{"message": {"role": "assistant", "content": "30"}}]}, "14"),
    ],
)  # fmt: skip
def test_reasoning_inside_a_value_is_kept_apart(value: Any, answer: Any, reasoning: str) -> None:
    assert split_value(value) == SplitValue(answer, reasoning)


@pytest.mark.parametrize(
    "value",
    [None, 5, True, ["a"], {"reasoning": "so", "answer": "30"}, {"thought": True}, {"type": "thinking", "speed": 2}],
)  # fmt: skip
def test_other_values_are_returned_as_they_are(value: Any) -> None:
    assert split_value(value).answer is value


@given(st.text(), st.text())
def test_the_answer_of_a_closed_block_is_what_follows(reasoning: str, answer: str) -> None:
    words = {"think": "", "<": "", "[": "", "◁": "", '"': "", "'": "", "`": "", "assistant": "", "rocess": ""}
    for word in words:
        reasoning, answer = reasoning.replace(word, ""), answer.replace(word, "")
    assert split_text(f"<think>{reasoning}</think>{answer}").answer == answer.strip()
