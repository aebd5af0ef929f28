from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.results import Case, Output

if TYPE_CHECKING:
    from pathlib import Path

    from tests.judges.conftest import MakeJudge


def _asked(make_judge: MakeJudge, **table: Any) -> list[dict[str, Any]]:
    (call,) = make_judge("?", **table).scorer.calls_of(Case("c", input="Why?", expected="so"), Output("Because."))
    return list(call.payload["messages"])


def test_a_judge_by_criteria_by_a_ready_rubric_and_by_a_file(make_judge: MakeJudge, tmp_path: Path) -> None:
    (tmp_path / "faq.md").write_text("Is it polite?", "utf-8")
    for table, words in (
        ({"criteria": "Is it brief?"}, "Is it brief?"),
        ({"rubric": "correctness"}, "# Correct compared with the reference"),
        ({"rubric": "faq.md"}, "Is it polite?"),
    ):
        first, last = _asked(make_judge, **table)
        assert words in first["content"]
        assert words in last["content"]


def test_few_shots_are_shown(make_judge: MakeJudge, tmp_path: Path) -> None:
    row = {"input": "How long?", "output": "30 days", "verdict": "pass", "evidence": "30 days"}
    (tmp_path / "shots.jsonl").write_text(json.dumps(row), "utf-8")
    turns = _asked(make_judge, few_shots="shots.jsonl")
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "user"]


def test_the_scale_is_that_of_the_judge(make_judge: MakeJudge) -> None:
    assert "from 1 to 5" in _asked(make_judge, scale="1-5")[-1]["content"]
    assert "0 if it fails" in _asked(make_judge)[-1]["content"]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"rubric": "corectness"}, r'^judges.faq: rubric corectness: .*; did you mean "correctness"\?'),
        ({"few_shots": "none.jsonl"}, "^judges.faq: none.jsonl: cannot be read"),
        ({"params": {"messages": []}}, "^judges.faq.params.messages: set by the judge"),
        ({"params": {"n": 2}}, "^judges.faq.params.n: set by the judge"),
        ({"params": {"x": float("nan")}}, "^judges.faq.params: it goes out as JSON"),
        ({"model": {"params": {"stream": True}}}, "^models.judge-model.params.stream: set by the judge"),
        (
            {"rubric": "pairwise-preference", "scale": "1-5"},
            "^judges.faq: the rubric pairwise-preference compares two",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_place(make_judge: MakeJudge, table: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        make_judge("?", **table)


def test_pairs_take_no_few_shots(make_judge: MakeJudge, tmp_path: Path) -> None:
    (tmp_path / "shots.jsonl").write_text('{"input": "a", "output": "no", "verdict": "fail"}', "utf-8")
    with pytest.raises(SettingsError, match="remove scale and few_shots"):
        make_judge("?", rubric="pairwise-preference", few_shots="shots.jsonl")
