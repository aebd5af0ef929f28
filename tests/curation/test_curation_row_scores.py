"""Edge cases by a scorer: the rows of a log whose outputs it grades lowest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.curation.row_scores import row_scorer
from pytest_evalgate.curation.strata import LogQuestion, scan
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.curation.conftest import WriteLog

_MAIL = "Write to ada@acme-mail.com."


def _lowest(rows: list[dict[str, Any]], name: str, folder: Path, write_log: WriteLog, **columns: str) -> list[int]:
    with row_scorer(name, folder, columns) as score:
        question = LogQuestion(lowest=(name, 2), score=score)
        found = scan([write_log(rows)], question, 20, 0)
    return sorted(row.place.number for _, row in found.lowest)


@pytest.mark.parametrize("output", ["output", "answer", "model response"])
def test_a_rule_grades_the_output_under_its_usual_names(output: str, tmp_path: Path, write_log: WriteLog) -> None:
    rows = [{"question": f"q{n}", output: _MAIL if n in (3, 7) else "Call us."} for n in range(9)]
    assert _lowest(rows, "scorer:no-personal-data", tmp_path, write_log) == [4, 8]


def test_a_function_of_the_user_gets_question_and_output(tmp_path: Path, write_log: WriteLog) -> None:
    (tmp_path / "row_graders.py").write_text(
        "def shared(case, output):\n    return 1.0 if case.input in output.value else 0.0\n", "utf-8"
    )
    rows = [{"asked": f"q{n}", "reply": "none" if n in (0, 2) else f"about q{n}"} for n in range(5)]
    found = _lowest(rows, "scorer:row_graders:shared", tmp_path, write_log, input="asked", output="reply")
    assert found == [1, 3]


def test_rows_without_an_output_have_no_score(tmp_path: Path, write_log: WriteLog) -> None:
    rows = [{"input": "q", "output": output} for output in (None, "", "fine", _MAIL)]
    assert _lowest(rows, "scorer:no-personal-data", tmp_path, write_log) == [3, 4]
    with pytest.raises(SettingsError, match="--lowest scorer:no-secret: no row has an output that it can grade"):
        _lowest(rows[:2], "scorer:no-secret", tmp_path, write_log)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scorer:refusl", '--lowest scorer:refusl: unknown scorer "refusl"; did you mean "refusal"'),
        ("scorer:json-schema", "--lowest scorer:json-schema: json-schema: schema: this key is missing"),
        ("scorer:no_module:f", '--lowest scorer:no_module:f: python = "no_module:f" cannot be imported'),
        ("scorer:exact", '--lowest scorer:exact: scorer "exact": nothing to compare with'),
    ],
)
def test_scorers_that_cannot_grade_rows_are_refused(
    name: str, message: str, tmp_path: Path, write_log: WriteLog
) -> None:
    with pytest.raises(SettingsError) as caught:
        _lowest([{"input": "q", "output": "a"}], name, tmp_path, write_log)
    assert str(caught.value).startswith(message)
