from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.results import (
    CaseResult,
    Output,
    Place,
    PlannedCase,
    Run,
    Score,
    SuitePlan,
    SuiteRun,
    Trial,
)
from pytest_evalgate.runs import run_file, shards
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.runs.shard import Shard
from pytest_evalgate.runs.shards import merge, read_folder

if TYPE_CHECKING:
    from collections.abc import Callable


def _case(index: int) -> PlannedCase:
    return PlannedCase(f"c{index}", Place("g.jsonl", index + 1), f"f{index}", ("safety",), (("lang", "de"),))


_PLAN = SuitePlan("faq", ("g.jsonl",), "g" * 64, "s" * 64, 1, tuple(map(_case, range(6))))


def _write(folder: Path, index: int, count: int = 2, name: str | None = None) -> Path:
    """Write a shard of a run in which every case passed."""
    shard = Shard(index, count)
    passed = (Trial(0, 1.0, Output("text", {"n": 1}, 0.5), (Score("exact", 1.0, True, "why"),)),)  # noqa: FBT003 - a score
    mine = shard.cases_of(_PLAN)
    results = tuple(
        CaseResult(case, "passed", passed) if case.id in mine else CaseResult(case, "not_run") for case in _PLAN.cases
    )
    path = folder / (name or shard.file_name)
    run = Run(f"r{index}", "2026-01-01T00:00:00Z", "8c1f2d0", (SuiteRun(_PLAN, results),), 1.0)
    run_file.write(run, path, RunInfo("c" * 64, None, shard))
    return path


def test_the_shards_of_a_folder_are_read_in_order(tmp_path: Path) -> None:
    for index in (10, 2, 1):
        _write(tmp_path, index, 10)
    folder = read_folder(tmp_path, 10)
    assert [run.shard.index for run in folder.runs] == [1, 2, 10]
    assert folder.runs[0].path == str(tmp_path / "1-of-10.jsonl")
    assert folder.runs[0].run.id == "r1"
    assert (folder.problems, folder.unread) == ((), frozenset())


def test_only_files_that_lie_directly_in_the_folder_are_read(tmp_path: Path) -> None:
    _write(tmp_path, 1)
    _write(tmp_path / "below", 2)
    (tmp_path / "run.jsonl").write_text("not looked at")
    (tmp_path / "3-of-2.jsonl").write_text("not looked at")
    folder = read_folder(tmp_path, 2)
    assert [run.shard.index for run in folder.runs] == [1]
    assert not folder.problems


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("gone", "gone: cannot be read: No such file or directory; name the folder of the shards"),
        ("file", "file: cannot be read: Not a directory"),
        ("empty", "empty: contains no shard (a file such as 1-of-4.jsonl); if each is in a subfolder"),
    ],
)
def test_a_folder_without_shards_is_an_error(tmp_path: Path, folder: str, told: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty" / "below").mkdir(parents=True)
    with pytest.raises(RunFileError) as caught:
        read_folder(tmp_path / folder, 4)
    assert told in str(caught.value)


def test_shards_of_another_number_are_not_read(tmp_path: Path) -> None:
    _write(tmp_path, 1)
    for index in range(1, 8):
        (tmp_path / f"{index}-of-9.jsonl").write_text("not read")
    [problem] = read_folder(tmp_path, 2).problems
    assert problem == (
        f"{tmp_path}: expected 2 shards, but it contains 1-of-9.jsonl, 2-of-9.jsonl, 3-of-9.jsonl, 4-of-9.jsonl, "
        "5-of-9.jsonl and 2 more"
    )


def _link_out(path: Path) -> None:
    outside = path.parent.parent / "outside.jsonl"
    path.rename(outside)
    path.symlink_to(outside)


def _link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _whole_run(path: Path) -> None:
    run_file.write(run_file.read(path), path)


_HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "link out": (_link_out, "outside of"),
    "link to itself": (_link_to_itself, "cannot be"),
    "pipe": (_pipe, "it is not a regular file"),
    "folder": (_folder, "it is a folder"),
    "whole run": (_whole_run, "a whole run, not a shard"),
    "empty": (lambda path: path.write_text(""), "not a run file of pytest-evalgate"),
    "torn": (lambda path: path.write_bytes(path.read_bytes()[:-9]), "not JSON"),
    "no text": (lambda path: path.write_bytes(b"\x80\x04\x95cos\nsystem"), "not UTF-8"),
    "archive": (lambda path: path.write_bytes(b"\x1f\x8b\x08\x00" + bytes(50)), "NUL byte"),
    "deep": (lambda path: path.write_text("[" * 100_000), "nested deeper than 80"),
    "number": (lambda path: path.write_text('{"a": ' + "9" * 5_000 + "}"), "5,000 digits"),
    "problems": (lambda path: path.write_text("x\n" * 9_999), "too many problems"),
    "newer": (lambda path: path.write_text('{"kind": "evalgate-run", "schema": 9}'), "upgrade pytest-evalgate"),
}


@pytest.mark.parametrize(("change", "told"), _HOSTILE.values(), ids=_HOSTILE.keys())
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, change: Callable[[Path], object], told: str) -> None:
    inside = tmp_path / "shards"
    _write(inside, 1)
    change(_write(inside, 2))
    folder = read_folder(inside, 2)
    assert [run.shard.index for run in folder.runs] == [1]
    assert folder.unread == {2}
    [problem] = folder.problems
    assert problem.startswith(str(inside / "2-of-2.jsonl"))
    assert told in problem


def test_a_link_to_a_file_within_the_folder_is_followed(tmp_path: Path) -> None:
    _write(tmp_path, 1, name="kept.jsonl")
    (tmp_path / "1-of-2.jsonl").symlink_to("kept.jsonl")
    assert [run.shard.index for run in read_folder(tmp_path, 2).runs] == [1]


def test_a_line_without_an_end_is_not_held(tmp_path: Path) -> None:
    with (tmp_path / "1-of-1.jsonl").open("wb") as file:
        file.truncate((64 << 20) + 10)  # a hole: it takes no room on the disk
    [problem] = read_folder(tmp_path, 1).problems
    assert "longer than 67,108,864 bytes" in problem


def test_shards_that_are_larger_together_than_memory_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = _write(tmp_path, 1).stat().st_size
    _write(tmp_path, 2)
    monkeypatch.setattr(shards, "_MAX_BYTES", 2 * size - 1)
    folder = read_folder(tmp_path, 2)
    assert [run.shard.index for run in folder.runs] == [1]
    assert "2-of-2.jsonl: not read: the shards are larger than 0 MiB" in folder.problems[0]


def test_a_renamed_shard_is_what_its_head_says(tmp_path: Path) -> None:
    _write(tmp_path, 1)
    _write(tmp_path, 1, name="2-of-2.jsonl")
    assert [run.shard.index for run in read_folder(tmp_path, 2).runs] == [1, 1]


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, member in inner for place in _places(member, (*path, key)))][1 if not path else 0 :]


@given(st.data())
def test_no_value_of_a_shard_makes_more_than_an_error_of_it(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, 1)
        path = _write(folder, 2)
        lines = [json.loads(line) for line in path.read_text("ascii").splitlines()]
        *way, last = data.draw(st.sampled_from(_places(lines)))
        owner: Any = lines
        for key in way:
            owner = owner[key]
        owner[last] = data.draw(_json)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        try:
            run, _ = merge(read_folder(folder, 2), 2)
        except RunFileError as error:
            assert str(error).replace("\n", "").isprintable()  # noqa: PT017 - most changes are refused, not all
        else:
            decide(run, {suite.plan.name: SuiteRules() for suite in run.suites}, warn_inconclusive=True)
