"""Judges that grade a part of the output."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.judges.conftest import last_text

from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output

if TYPE_CHECKING:
    from tests.judges.conftest import MakeJudge

_CASE = Case("c1", input="How long?", expected="30 days")
_PASS = {"evidence": "30 days", "score": 1, "verdict": "pass"}
_OUTPUT = Output({"answer": {"text": "It is 30 days."}, "note": "internal"}, {"trajectory": ["look_up", "reply"]})


@pytest.mark.parametrize(
    ("field", "graded"),
    [
        ("answer.text", '"It is 30 days."'),
        ("output.answer", '"{\\"text\\": \\"It is 30 days.\\"}"'),
        ("trajectory.*.name", '"[\\"look_up\\", \\"reply\\"]"'),
    ],
)
def test_the_part_is_what_the_judge_is_shown(make_judge: MakeJudge, field: str, graded: str) -> None:
    made = make_judge({**_PASS, "evidence": "30 days" if "answer" in field else "reply"})
    scorer = replace(made.scorer, field=field)
    assert asyncio.run(scorer.score(_CASE, _OUTPUT)).value == 1
    [call] = made.calls
    assert graded in last_text(call)
    assert "internal" not in last_text(call)
    assert [planned.payload for planned in scorer.calls_of(_CASE, _OUTPUT)] == [call.payload]


@pytest.mark.parametrize("value", [{"other": 1}, "plain text", {"answer": None}])
def test_an_output_without_the_part_fails_without_a_call(make_judge: MakeJudge, value: Any) -> None:
    made = make_judge(_PASS)
    scorer = replace(made.scorer, field="answer.text")
    score = asyncio.run(scorer.score(_CASE, Output(value)))
    assert (score.value, score.passed, score.calls) == (0.0, False, ())
    assert score.reason.startswith("the output has no answer.text")
    assert made.calls == []
