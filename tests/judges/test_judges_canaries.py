"""Canaries: files, those of built-in rubrics, and failures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import hypothesis as h
import pytest
from hypothesis import strategies as st

from pytest_evalgate import config
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.canaries import Canary, canaries_of, failed_canaries, read
from pytest_evalgate.judges.material import material_of
from pytest_evalgate.judges.rubric import builtin_rubrics, load_rubric
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output, Score

if TYPE_CHECKING:
    from pathlib import Path

_GOOD = {"input": "17 + 25?", "output": "42", "verdict": "good"}
_BAD = {"input": "17 + 25?", "output": "41", "verdict": "bad"}
_NAMES = ["input", "output", "verdict", "id", "context", "expected", "other"]

_values = st.sampled_from(["good", "bad"]) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab\n\u2028", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=4,
)


def _write(root: Path, *rows: object) -> Path:
    path = root / "canaries.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")
    return path


def _problems(root: Path, *rows: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(_write(root, *rows), name="canaries.jsonl")
    return str(caught.value).splitlines()


def _table(**fields: Any) -> config.Judge:
    return config.Judge(model="m", **fields)


def test_canaries_have_input_reference_and_context(tmp_path: Path) -> None:
    row = {**_GOOD, "id": "sum", "expected": "42", "context": ["17 + 25 = 42"]}
    good, bad = read(_write(tmp_path, row, {**_BAD, "context": "one text"}), name="canaries.jsonl")
    assert good == Canary(
        Case("sum", input="17 + 25?", expected="42", context=("17 + 25 = 42",), place=Place("canaries.jsonl", 1)),
        Output("42"),
        good=True,
    )
    assert (bad.case.id, bad.case.context, bad.good) == ("canary-2", ("one text",), False)


def test_outputs_may_be_empty_or_any_json(tmp_path: Path) -> None:
    good, bad = read(_write(tmp_path, {**_GOOD, "output": {"total": 42}}, {**_BAD, "output": ""}), name="c")
    assert (good.output.value, bad.output.value) == ({"total": 42}, "")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"output": "42", "verdict": "good"}, "canaries.jsonl:2: input: missing"),
        ({**_GOOD, "output": None}, "canaries.jsonl:2: output: missing"),
        ({"input": "a", "output": "b"}, "canaries.jsonl:2: verdict: missing"),
        ({**_GOOD, "verdict": "pass"}, 'canaries.jsonl:2: verdict: must be "good" or "bad", not "pass"'),
        ({**_GOOD, "verdict": ["good"]}, 'canaries.jsonl:2: verdict: must be "good" or "bad", not ["good"]'),
        ({**_GOOD, "id": 7}, "canaries.jsonl:2: id: must be a string that is not empty"),
        ({**_GOOD, "id": " "}, "canaries.jsonl:2: id: must be a string that is not empty"),
        ({**_GOOD, "context": [1]}, "canaries.jsonl:2: context: must be a string or a list of strings"),
        ({**_GOOD, "context": {}}, "canaries.jsonl:2: context: must be a string or a list of strings"),
        (
            {**_GOOD, "reference": "42"},
            (
                "canaries.jsonl:2: reference: unknown field; a canary has id, input, output, verdict, expected, "
                "context, messages, trajectory"
            ),
        ),
        ({**_GOOD, "messages": "x"}, "canaries.jsonl:2: messages: must be a list of objects"),
        ({**_GOOD, "trajectory": [1]}, "canaries.jsonl:2: trajectory: must be a list of objects"),
        ("{", "canaries.jsonl:2: not JSON at column 2: the text ends too early"),
    ],
)
def test_a_malformed_line_is_reported(tmp_path: Path, row: object, problem: str) -> None:
    assert _problems(tmp_path, _GOOD, row, _BAD) == [problem]


def test_every_problem_is_listed_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    problems = _problems(tmp_path, {**_GOOD, "verdict": "no", "id": ""}, "{", {"input": 1})
    assert [line.split(": ")[0] for line in problems] == [f"canaries.jsonl:{line}" for line in (1, 1, 2, 3, 3)]


def test_ids_are_unique(tmp_path: Path) -> None:
    problems = _problems(tmp_path, {**_GOOD, "id": "a"}, {**_BAD, "id": "b"}, {**_BAD, "id": "a"})
    assert problems == ['canaries.jsonl:3: id: duplicate id "a" (first at line 1)']


@pytest.mark.parametrize(("row", "missing"), [(_GOOD, "bad"), (_BAD, "good")])
def test_both_verdicts_are_required(tmp_path: Path, row: object, missing: str) -> None:
    assert _problems(tmp_path, row) == [
        f'canaries.jsonl: no canary has the verdict "{missing}": add at least one of each kind'
    ]


def test_a_canary_file_replaces_the_canaries_of_the_rubric(tmp_path: Path) -> None:
    _write(tmp_path, _GOOD, _BAD)
    found = canaries_of(_table(rubric="correctness", canaries="canaries.jsonl"), root=tmp_path)
    assert [canary.case.id for canary in found] == ["canary-1", "canary-2"]


@pytest.mark.parametrize("fields", [{"criteria": "be brief"}, {"rubric": "rubrics/faq.md"}, {"rubric": "../known"}])
def test_a_rubric_file_has_no_canaries(tmp_path: Path, fields: dict[str, str]) -> None:
    assert canaries_of(_table(**fields), root=tmp_path) == ()


def test_a_file_outside_the_root_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^canaries: \.\./c\.jsonl leads to"):
        canaries_of(_table(criteria="be brief", canaries="../c.jsonl"), root=tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^c\.jsonl: cannot be read: No such file"):
        canaries_of(_table(criteria="be brief", canaries="c.jsonl"), root=tmp_path)


@pytest.mark.parametrize("name", builtin_rubrics())
def test_canaries_of_built_in_rubrics_are_complete(tmp_path: Path, name: str) -> None:
    table = _table(rubric=name)
    rubric, found = load_rubric(table, root=tmp_path), canaries_of(table, root=tmp_path)
    if rubric.pairs:
        assert found == ()
        return
    assert sorted(canary.good for canary in found) == [False, False, True, True]
    assert [material_of(canary.case, canary.output).missing_input(rubric) for canary in found] == [None] * 4


def test_a_canary_with_a_wrong_or_missing_verdict_fails() -> None:
    good, bad = (Canary(Case(word), Output(word), good=word == "good") for word in ("good", "bad"))
    passed, failed, unknown = (
        Score("faq", value, verdict) for value, verdict in ((1.0, True), (0.0, False), (None, None))
    )
    assert failed_canaries([good, bad], [passed, failed]) == ()
    assert [one.canary for one in failed_canaries([good, bad], [failed, passed])] == [good, bad]
    assert [one.canary for one in failed_canaries([good, bad], [unknown, unknown])] == [good, bad]


@pytest.mark.parametrize(
    ("good", "passed", "text"),
    [
        (True, False, '"sum" (c.jsonl:3) is known to be good; the judge failed it: too short'),
        (False, True, '"sum" (c.jsonl:3) is known to be bad; the judge passed it: too short'),
        (True, None, '"sum" (c.jsonl:3) is known to be good; the judge could not tell: too short'),
    ],
)
def test_a_failed_canary_formats_as_a_sentence(good: bool, passed: bool | None, text: str) -> None:  # noqa: FBT001 - a table
    canary = Canary(Case("sum", place=Place("c.jsonl", 3)), Output("41"), good)
    [found] = failed_canaries([canary], [Score("faq", None, passed, "too short")])
    assert str(found) == text


def test_a_failed_canary_without_place_and_reason() -> None:
    [found] = failed_canaries([Canary(Case("sum"), Output("41"), good=False)], [Score("faq", 1.0, passed=True)])
    assert str(found) == '"sum" is known to be bad; the judge passed it'


def test_every_canary_needs_a_score() -> None:
    with pytest.raises(ValueError, match="shorter"):
        failed_canaries([Canary(Case("sum"), Output("41"), good=False)], [])


@h.settings(deadline=None, database=None, suppress_health_check=[h.HealthCheck.function_scoped_fixture])
@h.given(rows=st.lists(st.dictionaries(st.sampled_from(_NAMES), _values, max_size=6), max_size=4))
def test_any_row_is_read_or_rejected_by_line(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    found: tuple[Canary, ...] = ()
    problems: list[str] = []
    try:
        found = read(_write(tmp_path, *rows), name="c.jsonl")
    except SettingsError as error:
        problems = str(error).splitlines()
    assert bool(problems) != bool(found)
    assert all(line.startswith("c.jsonl:") for line in problems)
    assert all(canary.output.value == row["output"] for canary, row in zip(found, rows, strict=not problems))
