from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.config import Judge
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.few_shots import few_shots_of, load_few_shots
from pytest_evalgate.judges.scale import SCALES

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.judges.question import FewShot

_GOOD = {"input": "How long?", "output": "It is 30 days.", "verdict": "pass", "evidence": "30 days"}


def _load(folder: Path, *rows: Any, scale: Any = "binary") -> tuple[FewShot, ...]:
    path = folder / "shots.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")
    return load_few_shots(path, name="shots.jsonl", scale=SCALES[scale])


def test_a_verdict_suffices_on_the_binary_scale(tmp_path: Path) -> None:
    good, bad, scored = _load(
        tmp_path,
        _GOOD,
        {"input": "How long?", "output": "No idea.", "verdict": "fail"},
        {"input": "How long?", "output": "30 days", "score": 1, "evidence": "30 days"},
    )
    assert (good.score, good.evidence, good.material.candidate) == (1, "30 days", "It is 30 days.")
    assert (bad.score, bad.evidence) == (0, "")
    assert scored.score == 1


def test_few_shots_may_have_all_fields_of_a_case(tmp_path: Path) -> None:
    (shot,) = _load(tmp_path, {**_GOOD, "expected": "30 days", "context": "Refunds: 30 days.", "rubric": "Be strict."})
    case = shot.material.case
    assert (case.input, case.expected, case.rubric) == ("How long?", "30 days", "Be strict.")
    assert shot.material.context == ("Refunds: 30 days.",)


def test_few_shots_on_the_scale_of_five(tmp_path: Path) -> None:
    row = {"input": "How long?", "output": "It is 30 days.", "evidence": "30 days"}
    assert [shot.score for shot in _load(tmp_path, {**row, "score": 2}, {**row, "score": 5}, scale="1-5")] == [2, 5]


def test_every_problem_is_listed_with_its_line(tmp_path: Path) -> None:
    rows = [
        (_GOOD, ""),
        ("{", "not JSON"),
        ({**_GOOD, "verdict": "good"}, 'add the correct "score", or on the binary scale the correct "verdict"'),
        ({**_GOOD, "verdict": None}, 'add the correct "score", or on the binary scale the correct "verdict"'),
        ({**_GOOD, "score": 0}, 'the verdict "pass" contradicts the score 0'),
        ({**_GOOD, "score": "1"}, 'the score is "1", not a whole number from 0 to 1'),
        ({**_GOOD, "score": 2}, "the score is 2, not"),
        ({**_GOOD, "evidence": "40 days"}, "the evidence does not occur in the output"),
        ({**_GOOD, "evidence": ""}, "the evidence is missing"),
        ({**_GOOD, "evidence": 30}, "the evidence is not a string"),
        ({**_GOOD, "output": None}, "output: missing"),
        ({**_GOOD, "context": 5}, "context: must be a list"),
        ({**_GOOD, "expectd": "x"}, 'expectd: unknown field; did you mean "expected"?'),
    ]
    with pytest.raises(SettingsError) as refused:
        _load(tmp_path, *(row for row, _ in rows))
    problems = {line.split(": ", 1)[0]: line for line in str(refused.value).split("\n")}
    wanted = {f"shots.jsonl:{number}": why for number, (_, why) in enumerate(rows, start=1) if why}
    assert problems.keys() == wanted.keys()
    assert [place for place, why in wanted.items() if why not in problems[place]] == []


def test_the_scale_of_five_needs_a_score(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r'shots.jsonl:1: add the correct "score"'):
        _load(tmp_path, _GOOD, scale="1-5")


def test_no_few_shots_and_too_many_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"shots.jsonl: 0 examples; a judge needs 1 to 20"):
        _load(tmp_path, "")
    with pytest.raises(SettingsError, match="21 examples"):
        _load(tmp_path, *([_GOOD] * 21))
    with pytest.raises(SettingsError, match=r"nothing.jsonl: cannot be read"):
        load_few_shots(tmp_path / "nothing.jsonl", name="nothing.jsonl", scale=SCALES["binary"])


def test_few_shots_of_a_judge(tmp_path: Path) -> None:
    shots = _load(tmp_path, _GOOD)
    assert few_shots_of(Judge(model="m", criteria="c", few_shots="shots.jsonl"), root=tmp_path) == shots
    assert few_shots_of(Judge(model="m", criteria="c"), root=tmp_path) == ()
    with pytest.raises(SettingsError, match=r"few_shots ../shots.jsonl: .* outside of"):
        few_shots_of(Judge(model="m", criteria="c", few_shots="../shots.jsonl"), root=tmp_path)


def test_the_identity_depends_on_content_not_on_place(tmp_path: Path) -> None:
    (first,) = _load(tmp_path, _GOOD)
    _, moved = _load(tmp_path, {**_GOOD, "output": "Yes: 30 days."}, _GOOD)
    assert first.identity == moved.identity
    for change in ({"output": "30 days."}, {"input": "?"}, {"evidence": "30"}, {"context": ["x"]}, {"expected": 1}):
        assert _load(tmp_path, {**_GOOD, **change})[0].identity != first.identity
