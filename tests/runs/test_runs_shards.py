from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, Output, PlannedCase, Run, Score, SuitePlan, SuiteRun, Trial
from pytest_evalgate.runs import run_file, shards
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.runs.shard import Shard
from pytest_evalgate.runs.shards import ShardFolder, ShardRun, merge, read_folder

if TYPE_CHECKING:
    from collections.abc import Callable


_OUTCOMES: dict[str, tuple[Any, tuple[float | None, ...]]] = {
    "P": ("passed", (1.0,)),
    "m": ("missed", (0.0,)),
    "?": ("errored", (None,)),
    "s": ("skipped", ()),
}


def _suite(name: str, letters: str) -> SuiteRun:
    results = []
    for index, letter in enumerate(letters):
        skip = "later" if letter == "s" else None
        case = PlannedCase(f"c{index}", Place("g.jsonl", index + 1), f"f{index}", skip=skip)
        outcome, values = _OUTCOMES[letter]
        trials = tuple(Trial(number, value) for number, value in enumerate(values))
        results.append(CaseResult(case, outcome, trials, skip or ""))
    plan = SuitePlan(name, ("g.jsonl",), "g" * 64, "s" * 64, 1, tuple(result.case for result in results))
    return SuiteRun(plan, tuple(results))


def _whole(**suites: str) -> Run:
    held = tuple(_suite(name, letters) for name, letters in suites.items())
    return Run("r", "2026-01-01T00:00:00Z", "8c1f2d0", held, 1.5)


def _part(whole: Run, shard: Shard) -> ShardRun:
    """Return the run of one shard: the cases of other shards are not run."""
    suites = tuple(
        replace(
            suite,
            results=tuple(
                result
                if result.case.id in shard.cases_of(suite.plan) or result.case.skip is not None
                else CaseResult(result.case, "not_run")
                for result in suite.results
            ),
        )
        for suite in whole.suites
    )
    run = replace(
        whole, id=f"r{shard.index}", created=f"2026-01-01T00:00:0{shard.index % 10}Z", duration_s=1.0 * shard.index,
        suites=suites,
    )  # fmt: skip
    return ShardRun(shard.file_name, shard, RunInfo("c" * 64, None, shard), run)


def _parts(whole: Run, count: int) -> list[ShardRun]:
    return [_part(whole, Shard(index, count)) for index in range(1, count + 1)]


def _refused(parts: list[ShardRun], count: int = 2) -> list[str]:
    with pytest.raises(RunFileError) as caught:
        merge(ShardFolder(tuple(parts)), count)
    return str(caught.value).splitlines()


_WHOLE = _whole(faq="PmPsP?", sql="Pm")


@given(st.text("Pm?s", max_size=12), st.text("Pm?s", max_size=3), st.integers(1, 9))
def test_the_parts_of_a_run_make_the_run(faq: str, sql: str, count: int) -> None:
    whole = _whole(faq=faq, sql=sql)
    run, origin = merge(ShardFolder(tuple(_parts(whole, count))), count)
    assert run.suites == whole.suites
    assert (run.commit, run.problems, run.refused) == (whole.commit, (), None)
    assert origin == RunInfo("c" * 64)


def test_the_head_of_the_merged_run_comes_from_its_shards() -> None:
    run, _ = merge(ShardFolder(tuple(_parts(_WHOLE, 3))), 3)
    assert run.created == "2026-01-01T00:00:03Z"
    assert run.duration_s == 3.0
    assert run.id.startswith("20260101T000003Z-")


def test_the_merged_run_does_not_depend_on_the_order_of_its_shards() -> None:
    parts = _parts(_WHOLE, 3)
    assert merge(ShardFolder(tuple(parts)), 3) == merge(ShardFolder(tuple(reversed(parts))), 3)


def test_other_runs_of_the_shards_make_another_run() -> None:
    first, second = _parts(_WHOLE, 2)
    again = replace(second, run=replace(second.run, id="again"))
    one, _ = merge(ShardFolder((first, second)), 2)
    other, _ = merge(ShardFolder((first, again)), 2)
    assert one.id != other.id


def test_a_missing_shard_is_listed_with_its_cases() -> None:
    whole = _whole(faq="PPsP")
    [second] = [_part(whole, Shard(2, 2))]
    mine = [
        f"faq/{case.id}"
        for case in whole.suites[0].plan.cases
        if case.id in Shard(1, 2).cases_of(whole.suites[0].plan)
    ]
    ran = [case for case in mine if case != "faq/c2"]
    assert _refused([second]) == [
        f"shard 1 of 2 is missing (1-of-2.jsonl): {len(ran)} case{'s' * (len(ran) > 1)} not run ({', '.join(ran)})"
    ]


def test_only_the_first_of_many_missing_cases_are_listed() -> None:
    [line] = _refused([_part(_whole(faq="P" * 40), Shard(1, 2))])
    assert "20 cases not run (faq/c" in line
    assert line.endswith(" and 15 more)")


def test_every_missing_shard_is_named() -> None:
    lines = _refused([_part(_WHOLE, Shard(2, 4))], 4)
    assert [line.partition(" is missing")[0] for line in lines] == ["shard 1 of 4", "shard 3 of 4", "shard 4 of 4"]


def test_a_missing_shard_without_cases_is_reported() -> None:
    assert _refused([_part(_whole(faq=""), Shard(1, 2))]) == ["shard 2 of 2 is missing (2-of-2.jsonl)"]


def test_without_any_shard_all_are_missing() -> None:
    assert len(_refused([])) == 2


def test_an_unreadable_shard_is_not_reported_as_missing() -> None:
    folder = ShardFolder((_part(_WHOLE, Shard(1, 2)),), ("2-of-2.jsonl: torn",), frozenset({2}))
    with pytest.raises(RunFileError) as caught:
        merge(folder, 2)
    assert str(caught.value) == "2-of-2.jsonl: torn"


def test_a_duplicate_shard_is_refused() -> None:
    first, second = _parts(_WHOLE, 2)
    copy = replace(first, path="2-of-2.jsonl")
    assert _refused([first, second, replace(first, path="copy")])[0] == (
        "1-of-2.jsonl, copy: each contains shard 1 of 2; keep the one that belongs to this run"
    )
    lines = _refused([first, copy])
    assert lines[0].startswith("1-of-2.jsonl, 2-of-2.jsonl: each contains shard 1 of 2")
    assert lines[1].startswith("shard 2 of 2 is missing")


def test_another_number_of_shards_is_refused() -> None:
    lines = _refused(_parts(_WHOLE, 3))
    assert lines[0] == "1-of-3.jsonl: contains shard 1 of 3, expected one of 2"
    assert len(lines) == 3


_PLAN_CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "golden": ({"golden": ("h.jsonl",)}, "golden: g.jsonl in 1-of-2.jsonl; h.jsonl in 2-of-2.jsonl"),
    "golden set": ({"golden_sha256": "other"}, f"golden_sha256: {'g' * 64} in 1-of-2.jsonl; other in 2-of-2.jsonl"),
    "scorers": ({"scorers_sha256": "other"}, f"scorers_sha256: {'s' * 64} in 1-of-2.jsonl; other in 2-of-2.jsonl"),
    "trials": ({"trials": 3}, "trials: 1 in 1-of-2.jsonl; 3 in 2-of-2.jsonl"),
}


@pytest.mark.parametrize(("fields", "told"), _PLAN_CHANGES.values(), ids=_PLAN_CHANGES.keys())
def test_shards_of_different_plans_are_refused(fields: dict[str, Any], told: str) -> None:
    first, second = _parts(_WHOLE, 2)
    faq, sql = second.run.suites
    mixed = replace(second, run=replace(second.run, suites=(replace(faq, plan=replace(faq.plan, **fields)), sql)))
    assert _refused([first, mixed]) == [f"shards differ: suite faq: {told}"]


def _recommitted(shard: ShardRun) -> ShardRun:
    return replace(shard, run=replace(shard.run, commit="other"))


def _reconfigured(shard: ShardRun) -> ShardRun:
    return replace(shard, info=replace(shard.info, config_sha256="other"))


def _retargeted(shard: ShardRun) -> ShardRun:
    return replace(shard, info=replace(shard.info, target="model:b"))


def _without_sql(shard: ShardRun) -> ShardRun:
    return replace(shard, run=replace(shard.run, suites=shard.run.suites[:1]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_recommitted, "commit: 8c1f2d0 in 1-of-2.jsonl; other in 2-of-2.jsonl"),
        (_reconfigured, f"config_sha256: {'c' * 64} in 1-of-2.jsonl; other in 2-of-2.jsonl"),
        (_retargeted, "--eval-target: None in 1-of-2.jsonl; model:b in 2-of-2.jsonl"),
        (_without_sql, "suites: faq, sql in 1-of-2.jsonl; faq in 2-of-2.jsonl"),
    ],
)
def test_shards_of_different_runs_are_refused(change: Callable[[ShardRun], ShardRun], told: str) -> None:
    first, second = _parts(_whole(faq="PP", sql=""), 2)
    assert f"shards differ: {told}" in _refused([first, change(second)])


def _with_case(shard: ShardRun, **fields: Any) -> ShardRun:
    suite = shard.run.suites[0]
    results = (*suite.results[:-1], replace(suite.results[-1], case=replace(suite.results[-1].case, **fields)))
    plan = replace(suite.plan, cases=tuple(result.case for result in results))
    return replace(shard, run=replace(shard.run, suites=(SuiteRun(plan, results), *shard.run.suites[1:])))


@pytest.mark.parametrize(
    "fields",
    [{"tags": ("safety",)}, {"slices": (("lang", "de"),)}, {"cluster": "d1"}, {"place": Place("g", 9)}],
    ids=str,
)
def test_different_plans_of_a_case_are_refused(fields: dict[str, Any]) -> None:
    first, second = _parts(_whole(faq="PPP"), 2)
    assert _refused([first, _with_case(second, **fields)])[0] == (
        "shards differ: suite faq: cases: 1-of-2.jsonl and 2-of-2.jsonl differ, first in c2"
    )


def test_all_problems_are_reported_at_once() -> None:
    first, second, _ = _parts(_WHOLE, 3)
    said = "\n".join(_refused([first, _retargeted(_reconfigured(_recommitted(second)))], 3))
    for told in ("commit: ", "config_sha256: ", "--eval-target: ", "shard 3 of 3 is missing"):
        assert told in said


def test_a_case_with_two_results_is_refused() -> None:
    whole = _whole(faq="PPPP")
    first, second = _parts(whole, 2)
    stolen = next(iter(Shard(1, 2).cases_of(whole.suites[0].plan)))
    suite = second.run.suites[0]
    results = tuple(
        replace(result, outcome="passed", trials=(Trial(0, 1.0),)) if result.case.id == stolen else result
        for result in suite.results
    )
    twice = replace(second, run=replace(second.run, suites=(replace(suite, results=results),)))
    assert _refused([first, twice]) == [f"1-of-2.jsonl, 2-of-2.jsonl: each contains a result of 1 case (faq/{stolen})"]


def _broken_off(shard: ShardRun, **fields: Any) -> ShardRun:
    suites = tuple(
        replace(suite, results=tuple(replace(result, outcome="not_run", trials=()) for result in suite.results))
        for suite in shard.run.suites
    )
    return replace(shard, run=replace(shard.run, suites=suites, **fields))


def test_an_incomplete_shard_is_listed_with_its_cases() -> None:
    first, second = _parts(_whole(faq="PPPP"), 2)
    [line] = _refused([first, _broken_off(second)])
    assert line.startswith("2-of-2.jsonl: incomplete: 2 cases not run (faq/c")
    assert line.endswith("); run shard 2 of 2 again")


def test_incomplete_and_missing_shards_are_both_listed() -> None:
    first, second, _ = _parts(_whole(faq="PPPPPP"), 3)
    lines = _refused([first, _broken_off(second)], 3)
    assert [line.partition(":")[0] for line in lines] == ["shard 3 of 3 is missing (3-of-3.jsonl)", "2-of-3.jsonl"]


def test_a_case_that_another_shard_ran_is_not_lost() -> None:
    whole = _whole(faq="PPPP")
    everything = ShardRun("1-of-2.jsonl", Shard(1, 2), RunInfo(), replace(whole, id="all"))
    nothing = _broken_off(ShardRun("2-of-2.jsonl", Shard(2, 2), RunInfo(), replace(whole, id="none")))
    run, _ = merge(ShardFolder((everything, nothing)), 2)
    assert run.suites == whole.suites


def test_a_skipped_result_of_a_case_without_skip_does_not_count() -> None:
    first, second = _parts(_whole(faq="PPPP"), 2)
    suite = second.run.suites[0]
    results = tuple(
        replace(result, outcome="skipped") if result.outcome == "passed" else result for result in suite.results
    )
    [line] = _refused([first, replace(second, run=replace(second.run, suites=(replace(suite, results=results),)))])
    assert "2-of-2.jsonl: incomplete: 2 cases not run" in line


def test_problems_of_a_shard_make_the_run_invalid() -> None:
    first, second = _parts(_WHOLE, 2)
    broken = _broken_off(_without_sql(second), problems=("test_x.py could not be collected", "both"))
    run, _ = merge(ShardFolder((replace(first, run=replace(first.run, problems=("both",))), broken)), 2)
    assert run.problems == ("both", "test_x.py could not be collected")
    assert [suite.plan.name for suite in run.suites] == ["faq", "sql"]
    assert any(result.outcome == "not_run" for suite in run.suites for result in suite.results)


def test_a_refused_shard_makes_a_refused_run() -> None:
    first, second = _parts(_WHOLE, 2)
    run, _ = merge(ShardFolder((first, _broken_off(second, refused="over budget"))), 2)
    assert run.refused == "shard 2 of 2: over budget"
    assert any(result.outcome == "not_run" for result in run.suites[0].results)


def test_names_are_escaped_for_terminals() -> None:
    first, second = _parts(_whole(**{"f\x1b[31m": "PP"}), 2)
    lines = _refused([_broken_off(first), _broken_off(_retargeted(second))])
    assert lines
    assert all(line.isprintable() for line in lines)


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


def test_only_files_directly_in_the_folder_are_read(tmp_path: Path) -> None:
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
    "archive": (lambda path: path.write_bytes(b"\x1f\x8b\x08\x00" + bytes(50)), "a gzip archive"),
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


def test_an_endless_line_is_not_read_into_memory(tmp_path: Path) -> None:
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


def test_the_head_decides_the_shard_of_a_renamed_file(tmp_path: Path) -> None:
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
