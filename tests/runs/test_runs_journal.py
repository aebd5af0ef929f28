from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.builders import plan_of, planned

from pytest_evalgate.runs import journal
from pytest_evalgate.runs.journal import JournalHead

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.results import SuitePlan


def _plan(*ids: str) -> SuitePlan:
    return plan_of(planned(name, line, fingerprint=f"f-{name}") for line, name in enumerate(ids, 1))


def _head(run: str, work: str = "w", lineage: str | None = None) -> JournalHead:
    return JournalHead(run, lineage or run, work, 2)


def test_the_plan_is_on_disk_before_a_call_is_sent(tmp_path: Path) -> None:
    journal.begin(tmp_path, _head("r1"), [_plan("a", "b")])
    head, *cases = map(json.loads, (tmp_path / "runs/r1/journal.jsonl").read_text().splitlines())
    assert (head["kind"], head["schema"], head["run"], head["cases"]) == ("evalgate-journal", 1, "r1", 2)
    assert cases == [{"suite": "faq", "case": name, "fingerprint": f"f-{name}"} for name in "ab"]


def test_an_interrupted_run_is_found(tmp_path: Path) -> None:
    assert journal.find_interrupted(tmp_path, "w") is None
    journal.begin(tmp_path, _head("r1"), [_plan("a", "b")])
    assert journal.find_interrupted(tmp_path, "w") == _head("r1")
    assert journal.find_interrupted(tmp_path, "other work") is None


@pytest.mark.parametrize(("whole", "resumed"), [(True, False), (False, True)])
def test_a_decided_run_is_found_only_if_outputs_are_missing(tmp_path: Path, *, whole: bool, resumed: bool) -> None:
    journal.begin(tmp_path, _head("r1"), [_plan("a")])
    journal.finish(tmp_path, "r1", whole=whole)
    assert (journal.find_interrupted(tmp_path, "w") is not None) is resumed


def test_the_newest_run_of_the_same_work_decides(tmp_path: Path) -> None:
    for run, lineage in (("r1", "r1"), ("r2", "r1")):
        journal.begin(tmp_path, _head(run, lineage=lineage), [_plan("a")])
    journal.begin(tmp_path, _head("r3", work="other"), [_plan("a")])
    assert journal.find_interrupted(tmp_path, "w") == _head("r2", lineage="r1")
    journal.finish(tmp_path, "r2", whole=True)
    assert journal.find_interrupted(tmp_path, "w") is None


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"run": "r1"}', "null\n"])
def test_a_malformed_journal_is_skipped(tmp_path: Path, torn: str) -> None:
    folder = tmp_path / "runs" / "r1"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text(torn)
    assert journal.find_interrupted(tmp_path, "w") is None


def test_one_process_claims_the_work_of_a_run(tmp_path: Path) -> None:
    assert [journal.claim(tmp_path, run) for run in ("r1", "r1", "r2")] == [True, False, True]
