"""Edits of golden sets: the new row or value is there, and every other byte is what it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import GoldenSetError, UserError
from pytest_evalgate.golden import parse_row
from pytest_evalgate.golden.edit import GoldenText, row_of, same_case
from pytest_evalgate.records.cases import Case, Place

if TYPE_CHECKING:
    from pathlib import Path

_CANONICAL = (
    '\ufeff// the first comment\r\n{"id": "a",   "input": "Where?", "expected": "here", "tags": ["x"]}\r\n\r\n'
    '{"expected":"now","id":"b","input":"now"}\r\n// the last'
)
_ANY = '{"id": "a", "input": "q", "expected_any": ["one", "two"]}\n'


def _text(folder: Path, content: str) -> GoldenText:
    path = folder / "g.jsonl"
    path.write_bytes(content.encode())
    return GoldenText.read(path, "g.jsonl")


def _case(**row: Any) -> Case:
    parsed = parse_row(row, Place("new", 0))
    assert parsed.case is not None, parsed.problems
    return parsed.case


def _accept(folder: Path, content: str, case_id: str, value: Any) -> str:
    text = _text(folder, content)
    case = text.case(case_id)
    assert case is not None
    return text.with_expected(case, value).data.decode()


@pytest.mark.parametrize(
    ("content", "old", "new"),
    [
        (_CANONICAL, '"expected": "here"', '"expected": "there"'),
        (_ANY, '["one", "two"]', '["one", "two", "there"]'),
        ('{"id":"a","input":"q","expected":{"n":1}}', '{"n":1}', '"there"'),
        ('{"name":"a","input":"q","expected_output":"x","actual_output":"y"}\n', '_output":"x"', '_output":"there"'),
        ('{"id":"a","inputs":{"q":"x"},"outputs":{"answer":"x"}}\n', '"answer":"x"', '"answer":"there"'),
        ('{"id":"a","input":"q","target":"x"}\n', '"target":"x"', '"target":"there"'),
        ('{"id":"a","input":"q","ideal":["x","y"]}\n', '["x","y"]', '["x", "y", "there"]'),
        ('{"inputs":{"q":1},"expectations":{"expected_response":"x"},"dataset_record_id":"a"}', ':"x"', ':"there"'),
        ('{"description":"a","vars":{"q":"x"},"assert":[{"type":"equals","value":"x"}]}', 'ue":"x"', 'ue":"there"'),
        ('{"id":"a","question":"q","answer":"x"}', '"answer":"x"', '"answer":"there"'),
    ],
)
def test_only_the_expected_value_changes_in_any_dialect(tmp_path: Path, content: str, old: str, new: str) -> None:
    assert content.count(old) == 1
    assert _accept(tmp_path, content, "a", "there") == content.replace(old, new)


def test_an_equal_text_in_another_field_is_not_replaced(tmp_path: Path) -> None:
    made = _accept(tmp_path, _CANONICAL, "b", "later")
    assert made == _CANONICAL.replace('"expected":"now"', '"expected":"later"')


def test_a_file_of_escapes_stays_ascii(tmp_path: Path) -> None:
    content = '{"id":"a","input":"\\u00e4","expected":"\\u00f6"}\n'
    assert _accept(tmp_path, content, "a", "ü") == content.replace("\\u00f6", "\\u00fc")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "input": "q", "rubric": "polite?"}, "no expected value, so its rubric would still grade it"),
        (
            {"id": "a", "vars": {"q": "x"}, "assert": [{"type": "contains", "value": "x"}]},
            "so its asserts would still",
        ),
        ({"id": "a", "input": "q"}, "so its scorers would still grade it as before: edit it by hand"),
    ],
)
def test_a_case_without_an_expected_value_is_refused_with_its_place(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as refused:
        _accept(tmp_path, f"// first\n{json.dumps(row)}\n", "a", "y")
    assert str(refused.value).startswith('g.jsonl:2: case "a"')


def test_a_value_that_no_file_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"g.jsonl:2: .*cannot be replaced automatically"):
        _accept(tmp_path, _CANONICAL, "a", "nul \0")


@pytest.mark.parametrize(
    ("content", "line", "written"),
    [
        ("", 1, '{"id": "n", "input": "new ä"}\n'),
        (_CANONICAL, 6, '\r\n{"id": "n", "input": "new ä"}\r\n'),
        ('{"id":"a","input":"q"}\n\n', 3, '{"id": "n", "input": "new ä"}\n'),
        (
            '{"name":"a","input":"q","expected_output":"x","actual_output":"y"}\n',
            2,
            '{"name": "n", "input": "new ä"}\n',
        ),
        ('{"user_input":"q","reference":"x"}\n', 2, '{"id": "n", "user_input": "new ä"}\n'),
    ],
)
def test_a_case_is_appended_in_the_dialect_and_line_ends_of_the_file(
    tmp_path: Path, content: str, line: int, written: str
) -> None:
    made = _text(tmp_path, content).with_case(_case(id="n", input="new ä"))
    assert made.data.decode() == content + written
    assert made.cases[-1].place == Place("g.jsonl", line)


def test_a_case_that_the_dialect_of_the_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    text = _text(tmp_path, '{"user_input":"q","reference":"x"}\n')
    with pytest.raises(
        UserError, match="rows are written for ragas, and a case with the fields id, input, expected_any"
    ):
        text.with_case(_case(id="n", input="new", expected_any=["a", "b"]))


def test_a_file_with_problems_is_not_edited(tmp_path: Path) -> None:
    with pytest.raises(GoldenSetError, match=r"g\.jsonl:1: not JSON"):
        _text(tmp_path, '{"id": }\n')


def test_rows_of_cases_read_back_as_the_same_cases() -> None:
    case = _case(
        id="a", messages=[{"role": "user", "content": "hi"}], vars={"z": 1, "b": [{"c": None}]}, weight=2.0, tags=["t"]
    )
    row = json.loads(json.dumps(row_of(case)))
    assert list(row["vars"]) == ["z", "b"]
    assert parse_row(row, case.place).case == case


def test_the_same_question_or_id_is_found() -> None:
    known = _case(id="a", input="Where  is\nit?", context=["c"])
    for row, what in (
        ({"id": "b", "input": "Where is it? ", "context": ["c"]}, "input"),
        ({"id": "a", "input": "other"}, "id"),
        ({"id": "a", "input": "Where is it?", "context": ["c"]}, "input"),
    ):
        assert same_case(_case(**row), [known]) == (known, what)
    assert same_case(_case(input="Where is it?", context=["another"]), [known]) is None


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(
    expected=st.lists(_TEXTS, min_size=1, max_size=4),
    new=_TEXTS,
    end=st.sampled_from(["\n", "\r\n"]),
    escaped=st.booleans(),
    data=st.data(),
)
def test_other_lines_keep_their_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    expected: list[str],
    new: str,
    end: str,
    data: st.DataObject,
    *,
    escaped: bool,
) -> None:
    rows = [{"id": f"c{at}", "input": text, "expected": text} for at, text in enumerate(expected)]
    lines = [json.dumps(row, ensure_ascii=escaped) for row in rows]
    at = data.draw(st.integers(0, len(rows) - 1))
    content = end.join(lines) + data.draw(st.sampled_from(["", end]))
    made = _accept(tmp_path_factory.mktemp("g"), content, f"c{at}", new)
    after = made.split("\n")
    before = content.split("\n")
    assert [line for number, line in enumerate(after) if number != at] == [
        line for number, line in enumerate(before) if number != at
    ]
    assert json.loads(after[at]) == {**rows[at], "expected": new}
