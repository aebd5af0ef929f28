from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import baseline as runs_baseline
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.results import Baseline, Run

_LINES = b'{"id":"c1","output":"text"}\n{"id":"c2","output":"text"}\n'


@pytest.fixture
def promoted(run: Run, tmp_path: Path) -> Baseline:
    """The baseline of a stored run, written to ``b.json``."""
    run_file.write(run, run_file.path_of(tmp_path / "state", run.id))
    found = baselines.promote(run, run.suites[0], reason="first", now="2026-01-01T00:01:00Z")
    baselines.write(found, tmp_path / "b.json")
    return replace(found, source="file:b.json")


def _found(baseline: Baseline, root: Path) -> bytes:
    return runs_baseline.find_outputs(baseline, file=root / "b.json", root=root, state=root / "state")


def test_the_first_trial_of_every_case_of_the_baseline_is_kept_in_the_order_of_ids(
    promoted: Baseline, run: Run, tmp_path: Path
) -> None:
    kept = runs_baseline.of_run(promoted, run_file.path_of(tmp_path / "state", run.id))
    assert kept == _LINES
    runs_baseline.write_outputs(kept, tmp_path / "b.json")
    assert (tmp_path / "b.outputs.jsonl").read_bytes() == _LINES
    assert runs_baseline.read(tmp_path / "b.json") == {"c1": "text", "c2": "text"}


def test_they_are_found_beside_the_baseline(promoted: Baseline, tmp_path: Path) -> None:
    (tmp_path / "b.outputs.jsonl").write_bytes(b'{"id":"c1","output":1}\n')
    assert _found(promoted, tmp_path) == b'{"id":"c1","output":1}\n'


def test_they_are_found_at_the_commit_of_the_baseline(promoted: Baseline, tmp_path: Path) -> None:
    (tmp_path / "b.outputs.jsonl").write_bytes(b'{"id":"c1","output":"committed"}\n')
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x"), ("tag", "then")):
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "b.outputs.jsonl").write_bytes(b"")
    assert b"committed" in _found(replace(promoted, source="git:then"), tmp_path)


def test_else_they_are_those_of_its_run(promoted: Baseline, tmp_path: Path) -> None:
    assert _found(promoted, tmp_path) == _LINES
    assert _found(replace(promoted, source="git:nowhere"), tmp_path) == _LINES


def test_else_there_are_none(promoted: Baseline, run: Run, tmp_path: Path) -> None:
    run_file.path_of(tmp_path / "state", run.id).unlink()
    assert _found(promoted, tmp_path) == b""


def test_none_are_kept_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "b.outputs.jsonl").write_bytes(_LINES)
    runs_baseline.write_outputs(b"", tmp_path / "b.json")
    assert not (tmp_path / "b.outputs.jsonl").exists()


@pytest.mark.parametrize("data", [b"{", b"[]\n", b'{"id":"a"}\n', b"\xff\n", b"1\n"])
def test_a_file_that_cannot_be_read_holds_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "b.outputs.jsonl").write_bytes(data)
    assert runs_baseline.read(tmp_path / "b.json") == {}
