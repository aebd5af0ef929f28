from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.judges.drift import DriftRecord, DriftRecordError
from pytest_evalgate.judges.drift import drift_file as file_of
from pytest_evalgate.judges.drift import read_drift as read
from pytest_evalgate.judges.drift import write_drift as write

if TYPE_CHECKING:
    from pathlib import Path

_RECORD = DriftRecord("faq", "2026-11-20T10:00:00Z", "anchors.jsonl", "drifted")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = file_of(tmp_path / "calibration" / "faq.json")
    assert path == tmp_path / "calibration" / "faq.drift.json"
    assert read(path) is None
    write(_RECORD, path)
    assert read(path) == _RECORD


@pytest.mark.parametrize(
    "text", ["{}", "[]", "x", '{"kind": "evalgate-drift", "schema": 1}', '{"kind": "other", "schema": 1}']
)
def test_what_is_no_record_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faq.drift.json"
    path.write_text(text)
    with pytest.raises(DriftRecordError, match=r"faq\.drift\.json: .*check again with: pytest-evalgate drift"):
        read(path)
