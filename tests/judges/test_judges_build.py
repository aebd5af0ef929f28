from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.config import Judge, Model
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges import question, reply
from pytest_evalgate.judges.build import fingerprint, parts_of, version_of
from pytest_evalgate.judges.material import material_of
from pytest_evalgate.judges.question import FewShot
from pytest_evalgate.judges.rubric import Rubric
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output

if TYPE_CHECKING:
    from pathlib import Path

    from tests.judges.conftest import MakeJudge


def _asked(make_judge: MakeJudge, **table: Any) -> list[dict[str, Any]]:
    (call,) = make_judge("?", **table).scorer.calls_of(Case("c", input="Why?", expected="so"), Output("Because."))
    return list(call.payload["messages"])


def test_the_rubric_may_be_criteria_a_built_in_one_or_a_file(make_judge: MakeJudge, tmp_path: Path) -> None:
    (tmp_path / "faq.md").write_text("Is it polite?", "utf-8")
    for table, words in (
        ({"criteria": "Is it brief?"}, "Is it brief?"),
        ({"rubric": "correctness"}, "# Correct compared with the reference"),
        ({"rubric": "faq.md"}, "Is it polite?"),
    ):
        first, last = _asked(make_judge, **table)
        assert words in first["content"]
        assert words in last["content"]


def test_few_shots_become_turns(make_judge: MakeJudge, tmp_path: Path) -> None:
    row = {"input": "How long?", "output": "30 days", "verdict": "pass", "evidence": "30 days"}
    (tmp_path / "shots.jsonl").write_text(json.dumps(row), "utf-8")
    turns = _asked(make_judge, few_shots="shots.jsonl")
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "user"]


def test_the_prompt_has_the_scale_of_the_judge(make_judge: MakeJudge) -> None:
    assert "from 1 to 5" in _asked(make_judge, scale="1-5")[-1]["content"]
    assert "0 if it fails" in _asked(make_judge)[-1]["content"]


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"rubric": "corectness"}, r'^judges.faq: rubric corectness: .*; did you mean "correctness"\?'),
        ({"few_shots": "none.jsonl"}, "^judges.faq: none.jsonl: cannot be read"),
        ({"params": {"messages": []}}, "^judges.faq.params.messages: set by the judge"),
        ({"params": {"n": 2}}, "^judges.faq.params.n: set by the judge"),
        ({"params": {"x": float("nan")}}, "^judges.faq.params: it cannot be sent as JSON"),
        ({"model": {"params": {"stream": True}}}, "^models.judge-model.params.stream: set by the judge"),
        (
            {"rubric": "pairwise-preference", "scale": "1-5"},
            "^judges.faq: the rubric pairwise-preference compares two",
        ),
    ],
)
def test_invalid_settings_name_their_place(make_judge: MakeJudge, table: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        make_judge("?", **table)


def test_comparisons_reject_few_shots(make_judge: MakeJudge, tmp_path: Path) -> None:
    (tmp_path / "shots.jsonl").write_text('{"input": "a", "output": "no", "verdict": "fail"}', "utf-8")
    with pytest.raises(SettingsError, match="remove scale and few_shots"):
        make_judge("?", rubric="pairwise-preference", few_shots="shots.jsonl")


_SHOT = FewShot(material_of(Case("f"), Output("30 days")), 1, "30")
_MODEL = {"model": "j-1", "base_url": "http://judge/v1", "params": {"temperature": 0}}


def _parts(
    judge: dict[str, Any] | None = None,
    model: dict[str, Any] | None = None,
    text: str = "Is it polite?",
    *shots: FewShot,
) -> dict[str, str]:
    table = {"model": "judge-model", "criteria": "any", **(judge or {})}
    return parts_of(Judge(**table), Model(**{**_MODEL, **(model or {})}), Rubric("r", text), shots)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        (_parts(text="Is it Polite?"), "rubric"),
        (_parts(None, None, "Is it polite?", _SHOT), "few_shots"),
        (_parts({"scale": "1-5"}), "scale"),
        (_parts({"votes": 3}), "votes"),
        (_parts({"params": {"seed": 1}}), "parameters"),
        (_parts(None, {"params": {"temperature": 1}}), "parameters"),
        (_parts(None, {"model": "j-2"}), "model"),
        (_parts(None, {"base_url": "http://other/v1"}), "model"),
        (_parts(None, {"api": "responses"}), "model"),
    ],
)
def test_each_setting_changes_one_part(changed: dict[str, str], part: str) -> None:
    before = _parts()
    assert [name for name in before if changed[name] != before[name]] == [part]
    assert fingerprint(changed, 0.5) != fingerprint(before, 0.5)
    assert (version_of(changed) == version_of(before)) is (part == "votes")


@pytest.mark.parametrize(
    "judge",
    [
        {"calibration": "c.json"},
        {"min_tpr": 0.9},
        {"report_only": True},
        {"canaries": "c.jsonl"},
        {"model": "other-key"},
    ],
)
def test_settings_that_do_not_affect_verdicts_change_no_part(judge: dict[str, Any]) -> None:
    assert _parts(judge) == _parts()


def test_prompt_and_parser_are_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _parts()
    monkeypatch.setattr(question, "RULES", question.RULES + "Be strict.")
    asked = _parts()
    assert [name for name in before if asked[name] != before[name]] == ["prompt"]
    monkeypatch.undo()
    monkeypatch.setattr("pytest_evalgate.judges.build.PARSER", reply.PARSER + 1)
    read = _parts()
    assert [name for name in before if read[name] != before[name]] == ["parser"]
    assert version_of(read) == version_of(before), "a reply that was paid for can be read again"


def test_the_threshold_is_a_part_of_the_fingerprint() -> None:
    prints = {fingerprint(_parts(), threshold) for threshold in (None, 0.5, 0.75)}
    assert len(prints) == 3
    assert all(len(one) == 64 for one in prints)


def test_parts_are_named_digests() -> None:
    parts = _parts()
    assert sorted(parts) == ["few_shots", "model", "parameters", "parser", "prompt", "rubric", "scale", "votes"]
    assert all(len(digest) == 64 for digest in parts.values())
