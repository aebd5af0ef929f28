from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.scorers import Context, build

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

OUTPUT = {"answer": {"text": "14 days", "sources": [{"id": "a"}, {"id": "b"}]}, "none": None}


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"kind": "contains", "value": "14", "field": "answer.text"}, 1),
        ({"kind": "contains", "value": "15", "field": "answer.text"}, 0),
        ({"kind": "not-contains", "value": "15", "field": "answer.text"}, 1),
        ({"kind": "exact", "value": "b", "field": "answer.sources.1.id"}, 1),
        ({"kind": "exact", "value": [{"id": "a"}, {"id": "b"}], "field": "answer.sources"}, 1),
        ({"kind": "json-fields", "fields": {"id": "a"}, "field": "answer.sources.0"}, 1),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_scorer_grades_the_part_at_its_field(
    spec: dict[str, Any], value: float, score_of: ScoreOf, *, as_text: bool
) -> None:
    assert score_of(spec, json.dumps(OUTPUT) if as_text else OUTPUT).value == value


@pytest.mark.parametrize("field", ["missing", "answer.missing", "answer.sources.7", "answer.text.x", "none"])
@pytest.mark.parametrize("kind", ["contains", "not-contains"])
def test_an_output_without_the_part_scores_0(field: str, kind: str, score_of: ScoreOf) -> None:
    score = score_of({"kind": kind, "value": "x", "field": field}, OUTPUT)
    assert (score.value, score.reason) == (0, f"the output has no {field}")


def test_text_that_is_not_json_has_no_parts(score_of: ScoreOf) -> None:
    score = score_of({"kind": "contains", "value": "x", "field": "a"}, "plain text")
    assert score.value == 0
    assert score.reason.startswith("the output has no a: not JSON")


@pytest.mark.parametrize("field", ["", ".", "a..b", "a b", "a."])
def test_a_field_is_a_dotted_path(field: str) -> None:
    with pytest.raises(SettingsError, match="field"):
        build({"kind": "contains", "value": "x", "field": field}, context=Context())


def test_a_judge_grades_the_whole_output() -> None:
    with pytest.raises(SettingsError, match='judge "faq" grades the whole output: remove "field"'):
        build({"judge": "faq", "field": "a"}, context=Context(judge=lambda *_: None))  # type: ignore[arg-type]
