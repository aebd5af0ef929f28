from __future__ import annotations

import json
from datetime import UTC, datetime
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


_RUN = "20260302T110000Z-aaaa"
_NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _find(state: Path, work: str = "w") -> JournalHead | None:
    return journal.find_interrupted(state, work, _NOW)


def _head(run: str, work: str = "w", lineage: str | None = None) -> JournalHead:
    return JournalHead(run, lineage or run, work, 2)


def test_the_plan_is_on_disk_before_a_call_is_sent(tmp_path: Path) -> None:
    journal.begin(tmp_path, _head("r1"), [_plan("a", "b")])
    head, *cases = map(json.loads, (tmp_path / "runs/r1/journal.jsonl").read_text().splitlines())
    assert (head["kind"], head["schema"], head["run"], head["cases"]) == ("evalgate-journal", 1, "r1", 2)
    assert cases == [{"suite": "faq", "case": name, "fingerprint": f"f-{name}"} for name in "ab"]


def test_an_interrupted_run_is_found(tmp_path: Path) -> None:
    assert _find(tmp_path) is None
    journal.begin(tmp_path, _head(_RUN), [_plan("a", "b")])
    assert _find(tmp_path) == _head(_RUN)
    assert _find(tmp_path, "other work") is None


@pytest.mark.parametrize("end", [{"interrupted": False}, {"whole": False}, {"whole": True}, {}])
def test_a_run_that_ended_is_not_resumed(tmp_path: Path, end: dict[str, bool]) -> None:
    journal.begin(tmp_path, _head(_RUN), [_plan("a")])
    with (tmp_path / "runs" / _RUN / "journal.jsonl").open("a") as file:
        file.write(json.dumps({"event": "judged", **end}) + "\n")
    assert _find(tmp_path) is None


@pytest.mark.parametrize(("interrupted", "resumed"), [(True, True), (False, False)])
def test_a_decided_run_is_resumed_only_if_something_interrupted_it(
    tmp_path: Path, *, interrupted: bool, resumed: bool
) -> None:
    journal.begin(tmp_path, _head(_RUN), [_plan("a")])
    journal.finish(tmp_path, _RUN, interrupted=interrupted)
    assert (_find(tmp_path) is not None) is resumed


@pytest.mark.parametrize(
    ("lineage", "resumed"),
    [
        ("20260301T120001Z-aaaa", True),
        ("20260301T120000Z-aaaa", False),
        ("20260228T120000Z-aaaa", False),
        ("20260302T130000Z-aaaa", False),
        ("r1", False),
    ],
    ids=["just under a day", "a day", "two days", "from the future", "without a time"],
)
def test_the_oldest_answers_of_a_chain_are_under_a_day_old(tmp_path: Path, lineage: str, *, resumed: bool) -> None:
    journal.begin(tmp_path, _head("20260302T115959Z-bbbb", lineage=lineage), [_plan("a")])
    assert (_find(tmp_path) is not None) is resumed


def test_the_newest_run_of_the_same_work_decides(tmp_path: Path) -> None:
    for run in (_RUN, "r2"):
        journal.begin(tmp_path, _head(run, lineage=_RUN), [_plan("a")])
    journal.begin(tmp_path, _head("r3", work="other"), [_plan("a")])
    assert _find(tmp_path) == _head("r2", lineage=_RUN)
    journal.finish(tmp_path, "r2", interrupted=False)
    assert _find(tmp_path) is None


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"run": "r1"}', "null\n"])
def test_a_malformed_journal_is_skipped(tmp_path: Path, torn: str) -> None:
    folder = tmp_path / "runs" / "r1"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text(torn)
    assert _find(tmp_path) is None


def test_one_process_claims_the_work_of_a_run(tmp_path: Path) -> None:
    assert [journal.claim(tmp_path, run) for run in ("r1", "r1", "r2")] == [True, False, True]
