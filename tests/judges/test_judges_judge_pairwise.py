from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output, Score

if TYPE_CHECKING:
    from tests.judges.conftest import MadeJudge, MakeJudge

_CASE = Case("c1", input="How long?", expected="Ask our staff.")
_OUTPUT = Output("It is 30 days.")


def _score(made: MadeJudge, case: Case = _CASE) -> Score:
    return asyncio.run(made.scorer.score(case, _OUTPUT))


def _says(choice: str) -> Any:
    """Return a reply that chooses by position, with evidence from the chosen output."""

    def reply(call: Any) -> dict[str, str]:
        text = call.payload["messages"][-1]["content"]
        ours_first = text.index("30 days") < text.index("our staff")
        ours = choice == ("first" if ours_first else "second")
        return {"evidence": "" if choice == "tie" else "30 days" if ours else "our staff", "choice": choice}

    return reply


@pytest.mark.parametrize(
    ("when_first", "when_second", "value", "reason"),
    [
        ("first", "second", 1.0, 'better: "30 days"'),
        ("second", "first", 0.0, 'worse: "our staff"'),
        ("first", "first", 0.5, "tie: first when first, first when second"),
        ("second", "second", 0.5, "tie: second when first, second when second"),
        ("tie", "second", 0.5, "tie: tie when first, second when second"),
        ("first", "tie", 0.5, "tie: first when first, tie when second"),
        ("tie", "tie", 0.5, "tie: tie when first, tie when second"),
    ],
)
def test_both_orders_must_agree(
    make_judge: MakeJudge, when_first: str, when_second: str, value: float, reason: str
) -> None:
    made = make_judge(_says(when_first), _says(when_second), rubric="pairwise-preference")
    score = _score(made)
    assert (score.value, score.passed, score.reason) == (value, value >= 0.5, reason)
    assert len(score.calls) == 2


def test_the_two_calls_differ_only_in_order(
    make_judge: MakeJudge,
) -> None:
    made = make_judge(_says("first"), rubric="pairwise-preference")
    assert list(made.scorer.calls_of(_CASE, _OUTPUT)) == (_score(made), made.calls)[1]
    texts = [str(call.payload["messages"][-1]["content"]) for call in made.calls]
    assert [text.index("30 days") < text.index("our staff") for text in texts] == [True, False]
    assert [text.count("REFERENCE") for text in texts] == [0, 0]
    assert made.calls[0].payload["response_format"]["json_schema"]["name"] == "preference"


def test_an_unreadable_reply_leaves_the_pair_open(make_judge: MakeJudge) -> None:
    made = make_judge("?", rubric="pairwise-preference")
    score = _score(made)
    assert (score.value, len(score.calls)) == (None, 2), "the other order is not asked for any more"
    made = make_judge(_says("first"), "?", "?", rubric="pairwise-preference")
    score = _score(made)
    assert (score.value, len(score.calls)) == (None, 3)


def test_votes_are_pairs_of_calls(make_judge: MakeJudge) -> None:
    script = [_says(choice) for choice in ("first", "second", "second", "first", "first", "second")]
    made = make_judge(*script, rubric="pairwise-preference", votes=3)
    score = _score(made)
    assert (score.value, len(made.calls)) == (1.0, 6)
    assert score.reason.endswith("; votes: better, worse, better")


def test_a_comparison_needs_a_reference(make_judge: MakeJudge) -> None:
    with pytest.raises(ScorerError, match="the rubric pairwise-preference needs a reference"):
        _score(make_judge(_says("first"), rubric="pairwise-preference"), Case("c1", input="How long?"))
