from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate.engine.error_body import parse_error
from pytest_evalgate.engine.refusals import finish_of, refusal_of

# Error bodies as the documentation and the issue trackers of the providers show them, with what each concerns: the
# input of its case (context_length, content_filter), the whole run (quota, ...), or only what its status means.
_FILE = Path(__file__).parent.parent / "data" / "refusals.jsonl"
_ROWS = [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]


def _rows(*concerns: str) -> list[Any]:
    rows = [row for row in _ROWS if row["concerns"] in concerns]
    assert len(rows) > 1
    return [pytest.param(row, id=f"{row['concerns']}: {row['name']}") for row in rows]


def _body(row: dict[str, Any]) -> bytes:
    body = row["body"]
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


@pytest.mark.parametrize("row", _rows("context_length", "content_filter"))
def test_a_refusal_of_the_input_is_a_finding_about_its_case(row: dict[str, Any]) -> None:
    found = finish_of(row["status"], _body(row))
    assert found is not None
    assert found[0] == row["concerns"]


@pytest.mark.parametrize("row", _rows("quota", "auth", "unknown_model", "bad_parameter", "too_large"))
def test_what_a_retry_cannot_mend_is_recognised(row: dict[str, Any]) -> None:
    assert refusal_of(row["status"], parse_error(_body(row))) == row["concerns"]
    assert finish_of(row["status"], _body(row)) is None


@pytest.mark.parametrize("row", _rows("status"))
def test_the_status_decides_if_the_body_does_not_explain(row: dict[str, Any]) -> None:
    assert refusal_of(row["status"], parse_error(_body(row))) is None
    assert finish_of(row["status"], _body(row)) is None
