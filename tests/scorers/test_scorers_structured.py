from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import ScorerError

if TYPE_CHECKING:
    from tests.scorers.conftest import ScoreOf

ORDER = {"id": 7, "user": {"name": "Ann", "tags": ["a", "b"]}, "paid": True, "lines": [{"sku": "x"}, {"sku": "y"}]}


@pytest.mark.parametrize(
    ("output", "valid"),
    [
        ({"a": 1}, True),
        ([], True),
        (5, True),
        ('{"a": [1, 2]}', True),
        (" [1]\n", True),
        ("5", True),
        (None, False),
        ("", False),
        ("{'a': 1}", False),
        ('{"a": 1,}', False),
        ('{"a": NaN}', False),
        ({"a": float("nan")}, False),
        ('{"a": 1, "a": 2}', False),
        ('{"a": 1} and more', False),
        ('```json\n{"a": 1}\n```', False),
        ("[" * 10_000, False),
    ],
)
def test_json_valid(output: Any, *, valid: bool, score_of: ScoreOf) -> None:
    assert score_of("json-valid", output).passed is valid
    assert score_of("not-json-valid", output).passed is not valid


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"id": 7}, 1),
        ({"id": 7.0, "paid": True}, 1),
        ({"paid": 1}, 0),
        ({"user.name": "Ann", "user.tags.1": "b", "lines.0.sku": "x"}, 1),
        ({"user.tags.2": "c"}, 0),
        ({"user.tags.-1": "b"}, 0),
        ({"user": {"name": "Ann"}}, 1),
        ({"user": {}}, 1),
        ({"id": {}}, 0),
        ({"user.tags": ["a"]}, 0),
        ({"id": 7, "nope": 1, "user.name": "Bob", "paid": True}, 0.5),
        ({"id.x": 7}, 0),
    ],
)
def test_json_fields_gives_the_share_that_agrees(fields: dict[str, Any], value: float, score_of: ScoreOf) -> None:
    score = score_of({"kind": "json-fields", "fields": fields}, ORDER)
    assert score.value == value
    assert score.passed is (value == 1)


def test_expected_has_to_be_a_part_of_the_output(score_of: ScoreOf) -> None:
    text = '{"id": 7, "user": {"name": "Ann", "age": 9}, "more": null}'
    assert score_of("json-fields", text, expected={"id": 7, "user": {"name": "Ann"}}).value == 1
    assert score_of("json-fields", text, expected={"id": 8, "user": {"name": "Ann"}}).value == 0.5
    assert score_of("json-fields", text, expected={"a.b": 1}).value == 0
    assert score_of("json-fields", {"a.b": 1}, expected={"a.b": 1}).value == 1


def test_of_several_expected_objects_the_best_counts(score_of: ScoreOf) -> None:
    assert score_of("json-fields", ORDER, expected_any=({"id": 1}, {"id": 7, "paid": False})).value == 0.5


def test_the_threshold_makes_a_share_pass(score_of: ScoreOf) -> None:
    spec = {"kind": "json-fields", "fields": {"id": 7, "paid": False}, "threshold": 0.5}
    assert score_of(spec, ORDER).passed is True


def test_the_reason_names_the_first_three_that_differ(score_of: ScoreOf) -> None:
    fields = {"id": 1, "user.name": "Bob", "nope": None, "paid": False, "lines.0.sku": "x"}
    assert score_of({"kind": "json-fields", "fields": fields}, ORDER).reason == (
        'id: wanted 1, got 7; user.name: wanted "Bob", got "Ann"; nope: wanted null, got nothing; and 1 more'
    )


def test_text_that_is_not_json_misses_with_the_parse_error(score_of: ScoreOf) -> None:
    score = score_of("json-fields", "Sure! {}", expected={"a": 1})
    assert score.value == 0
    assert "not JSON at column 1" in score.reason


@pytest.mark.parametrize("expected", ["text", 5, [], {}])
def test_expected_must_be_an_object_with_fields(expected: Any, score_of: ScoreOf) -> None:
    with pytest.raises(ScorerError, match="json-fields needs an object with at least one field"):
        score_of("json-fields", "{}", expected=expected)
