from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.config import Judge, Model
from pytest_evalgate.judges import question, reply
from pytest_evalgate.judges.build import fingerprint, parts_of, version_of
from pytest_evalgate.judges.question import FewShot, material_of
from pytest_evalgate.judges.rubric import Rubric
from pytest_evalgate.records.results import Case, Output

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
def test_a_change_changes_its_own_part_alone(changed: dict[str, str], part: str) -> None:
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
def test_what_no_verdict_depends_on_changes_nothing(judge: dict[str, Any]) -> None:
    assert _parts(judge) == _parts()


def test_how_it_is_asked_and_read_are_parts(monkeypatch: pytest.MonkeyPatch) -> None:
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
