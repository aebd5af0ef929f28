from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.golden.record import row_digest, set_digest
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import CaseResult, Output, PlannedCase, Run, Score, SuitePlan, SuiteRun, Trial
from pytest_evalgate.runs import joined, run_file
from pytest_evalgate.runs.joined import part_of
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.runs.shard import Shard
from pytest_evalgate.runs.shards import merge_into, read_folder
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.records.results import Outcome

_OUTCOMES: dict[str, tuple[Outcome, float | None]] = {
    "P": ("passed", 1.0),
    "m": ("missed", 0.0),
    "?": ("errored", None),
}
_LANGS = ("de", "en")


def _result(number: int, letter: str) -> CaseResult:
    skip = "later" if letter == "s" else None
    case = PlannedCase(
        f"c{number}", Place("g.jsonl", number + 1), f"f{number}", ("t",), (("lang", _LANGS[number % 2]),), skip
    )
    if skip:
        return CaseResult(case, "skipped", reason=skip)
    outcome, value = _OUTCOMES[letter]
    scores = (Score("exact", value, value == 1, f"why {number}"),) if value is not None else ()
    trial = Trial(0, value, Output(f"text {number}", latency_s=0.5), scores, "reason" if letter != "P" else "")
    return CaseResult(case, outcome, (trial,), question={"input": f"q{number}"})


def _suite(name: str, letters: str) -> SuiteRun:
    results = tuple(_result(number, letter) for number, letter in enumerate(letters))
    plan = SuitePlan(name, ("g.jsonl",), "g" * 64, "s" * 64, 1, tuple(result.case for result in results))
    return SuiteRun(plan, results)


def _whole(**suites: str) -> Run:
    runs = tuple(_suite(name, letters) for name, letters in suites.items())
    return Run("r", "2026-01-01T00:00:00Z", "8c1f2d0", runs, 1.0)


def _write(folder: Path, whole: Run, shard: Shard, **changes: Any) -> Path:
    """Write the file of one shard, as a session does; ``changes`` go over its run."""
    suites = []
    for suite in whole.suites:
        plan = part_of(suite.plan, shard)
        assert plan.part is not None
        suites.append(SuiteRun(plan, tuple(suite.results[at] for at in plan.part.at)))
    run = replace(whole, id=f"r{shard.index}", suites=tuple(suites), **changes)
    path = folder / shard.file_name
    run_file.write(run, path, RunInfo("c" * 64, None, shard))
    return path


def _write_all(folder: Path, whole: Run, count: int) -> list[Path]:
    return [_write(folder, whole, Shard(index, count)) for index in range(1, count + 1)]


def _merge(folder: Path, count: int, *, texts: bool = False) -> tuple[Run, Path]:
    path = folder / "run.jsonl"
    run, info = merge_into(read_folder(folder, count), count, lambda _: path, lambda _: texts)
    assert info == RunInfo("c" * 64)
    return run, path


def _problems(folder: Path, count: int) -> list[str]:
    with pytest.raises(RunFileError) as caught:
        _merge(folder, count)
    assert not (folder / "run.jsonl").exists()
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def _lean(run: Run) -> Run:
    """Return a run as gates get it: without texts."""

    def lean(result: CaseResult) -> CaseResult:
        trials = tuple(
            replace(
                trial,
                output=trial.output and Output(None, latency_s=trial.output.latency_s),
                scores=tuple(replace(score, reason="") for score in trial.scores),
            )
            for trial in result.trials
        )
        return replace(result, trials=trials, question={})

    return replace(run, suites=tuple(replace(suite, results=tuple(map(lean, suite.results))) for suite in run.suites))


@given(st.text("Pm?s", max_size=12), st.text("Pm?s", max_size=3), st.integers(1, 6))
def test_the_files_of_all_shards_make_the_run(faq: str, sql: str, count: int) -> None:
    whole = _whole(faq=faq, sql=sql)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_all(folder, whole, count)
        run, path = _merge(folder, count)
        assert run.suites == _lean(whole).suites
        assert run_file.read(path).suites == whole.suites
        run_file.write(replace(whole, id=run.id), folder / "whole.jsonl", RunInfo("c" * 64))
        assert path.read_text("ascii") == (folder / "whole.jsonl").read_text("ascii")


def test_a_shard_contains_its_own_cases(tmp_path: Path) -> None:
    whole = _whole(faq="PmPmPmP")
    for path, shard in zip(_write_all(tmp_path, whole, 3), (Shard(1, 3), Shard(2, 3), Shard(3, 3)), strict=True):
        lines = path.read_text("ascii").splitlines()
        assert {json.loads(line)["id"] for line in lines[1:]} == shard.cases_of(whole.suites[0].plan)
        read = run_file.read(path).suites[0].plan
        assert (read.size, read.part) == (7, part_of(whole.suites[0].plan, shard).part)


def test_texts_are_kept_for_gates_that_need_them(tmp_path: Path) -> None:
    whole = _whole(faq="Pm")
    _write_all(tmp_path, whole, 2)
    assert _merge(tmp_path, 2, texts=True)[0].suites == whole.suites


@given(st.lists(st.text(min_size=1, max_size=4).filter(lambda text: "\ud7ff" > max(text) > " "), unique=True))
def test_rows_give_the_digest_of_the_golden_set(ids: list[str]) -> None:
    cases = [Case(name, input=name) for name in ids]
    rows = [jsonl.canonical([case.id, row_digest(case)]).encode() for case in cases]
    assert not rows or joined._set_digest(rows) == set_digest(cases)


def test_a_part_without_the_other_rows_gets_the_digest_of_the_golden_set(tmp_path: Path) -> None:
    whole = _whole(faq="PPPP")
    for index in (1, 2):
        shard = Shard(index, 2)
        plan = part_of(whole.suites[0].plan, shard)
        assert plan.part is not None
        digests = tuple(f"{at:064x}" for at in plan.part.at)
        plan = replace(plan, golden_sha256="lines", part=replace(plan.part, plan_sha256="", rows_sha256=digests))
        results = tuple(whole.suites[0].results[at] for at in plan.part.at)  # type: ignore[union-attr]
        run = replace(whole, id=f"r{index}", suites=(SuiteRun(plan, results),))
        run_file.write(run, tmp_path / shard.file_name, RunInfo("c" * 64, None, shard))
    run, path = _merge(tmp_path, 2)
    expected = jsonl.digest([[f"c{at}", f"{at:064x}"] for at in range(4)])
    assert run.suites[0].plan.golden_sha256 == run_file.read(path).suites[0].plan.golden_sha256 == expected
    assert "row" not in json.loads(path.read_text().splitlines()[1])


def _cut(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))


def _edit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"outcome":"missed"', b'"outcome":"passed"', 1))


def _add(path: Path) -> None:
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1])


def _move(path: Path) -> None:
    path.write_bytes(re.sub(rb'\{"at":\d+,', b'{"at":99,', path.read_bytes(), count=1))


def _unnumber(path: Path) -> None:
    path.write_bytes(re.sub(rb'\{"at":\d+,', b"{", path.read_bytes(), count=1))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_cut, "not a whole shard: suite faq has 1 of 2 cases"),
        (_edit, "the content does not match its digest: it was edited or cut"),
        (_add, "not a whole shard: it contains more cases than its head lists"),
        (_move, "suite faq: the positions of its cases are wrong"),
        (_unnumber, "case 1 of a suite does not begin with its position"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: Callable[[Path], None], told: str) -> None:
    paths = _write_all(tmp_path, _whole(faq="mmmm"), 2)
    damage(paths[1])
    assert _problems(tmp_path, 2) == [f"2-of-2.jsonl: {told}"]


def test_a_missing_shard_is_counted(tmp_path: Path) -> None:
    paths = _write_all(tmp_path, _whole(faq="PPPPP"), 2)
    paths[1].unlink()
    cases = Shard(2, 2).share(_whole(faq="PPPPP").suites[0].plan)
    assert _problems(tmp_path, 2) == [f"shard 2 of 2 is missing (2-of-2.jsonl): {cases} cases not run"]


def test_shards_of_other_plans_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, _whole(faq="PPPP"), Shard(1, 2))
    other = _suite("faq", "PPPP")
    cases = (replace(other.plan.cases[0], tags=("changed",)), *other.plan.cases[1:])
    _write(tmp_path, replace(_whole(), suites=(replace(other, plan=replace(other.plan, cases=cases)),)), Shard(2, 2))
    [line] = _problems(tmp_path, 2)
    assert line.startswith("shards differ: suite faq: plan_sha256: ")
    _write(tmp_path, _whole(faq="PPPPP"), Shard(2, 2))
    assert any(line.startswith("shards differ: suite faq: size: 4 in 1-of-2") for line in _problems(tmp_path, 2))


def test_a_case_in_two_files_is_refused(tmp_path: Path) -> None:
    whole = _whole(faq="PPPP")
    _write_all(tmp_path, whole, 2)
    plan = whole.suites[0].plan
    other = part_of(plan, Shard(1, 2))
    run = replace(
        whole,
        suites=(SuiteRun(other, tuple(whole.suites[0].results[at] for at in other.part.at)),),  # type: ignore[union-attr]
    )
    run_file.write(run, tmp_path / "2-of-2.jsonl", RunInfo("c" * 64, None, Shard(2, 2)))
    assert _problems(tmp_path, 2) == ["1-of-2.jsonl, 2-of-2.jsonl: each contains a result of 2 cases of suite faq"]


def test_an_incomplete_shard_is_listed_with_its_cases(tmp_path: Path) -> None:
    whole = _whole(faq="PPPP")
    _write_all(tmp_path, whole, 2)
    results = tuple(CaseResult(result.case, "not_run") for result in whole.suites[0].results)
    _write(tmp_path, replace(whole, suites=(replace(whole.suites[0], results=results),)), Shard(2, 2))
    [line] = _problems(tmp_path, 2)
    assert line.startswith("2-of-2.jsonl: incomplete: 2 cases not run (faq/c")
    assert line.endswith("); run shard 2 of 2 again")


def test_a_refused_shard_makes_a_refused_run(tmp_path: Path) -> None:
    whole = _whole(faq="PPPP")
    _write(tmp_path, whole, Shard(1, 2))
    results = tuple(CaseResult(result.case, "not_run") for result in whole.suites[0].results)
    part = replace(whole, suites=(replace(whole.suites[0], results=results),))
    _write(tmp_path, part, Shard(2, 2), refused="over budget")
    run, _ = _merge(tmp_path, 2)
    assert run.refused == "shard 2 of 2: over budget"
    assert sum(result.outcome == "not_run" for result in run.suites[0].results) == 2


def test_a_shard_that_could_not_collect_a_suite_makes_the_run_invalid(tmp_path: Path) -> None:
    whole = _whole(faq="PPPP", sql="P")
    _write(tmp_path, whole, Shard(1, 2))
    part = replace(whole, suites=whole.suites[1:])
    _write(tmp_path, part, Shard(2, 2), problems=("test_x.py could not be collected",))
    run, path = _merge(tmp_path, 2)
    assert run.problems == ("test_x.py could not be collected",)
    assert run_file.read(path).problems == run.problems


def test_files_of_an_earlier_version_are_not_mixed_with_others(tmp_path: Path) -> None:
    whole = _whole(faq="PPPP")
    _write(tmp_path, whole, Shard(1, 2))
    run_file.write(whole, tmp_path / "2-of-2.jsonl", RunInfo("c" * 64, None, Shard(2, 2)))
    assert _problems(tmp_path, 2)[0] == (
        "2-of-2.jsonl: written by an earlier version: run the shards again with one version of pytest-evalgate"
    )


def test_files_of_an_earlier_version_are_merged(tmp_path: Path) -> None:
    whole = _whole(faq="PmPm")
    for index in (1, 2):
        mine = Shard(index, 2).cases_of(whole.suites[0].plan)
        results = tuple(
            result if result.case.id in mine else CaseResult(result.case, "not_run")
            for result in whole.suites[0].results
        )
        part = replace(whole, id=f"r{index}", suites=(replace(whole.suites[0], results=results),))
        run_file.write(part, tmp_path / f"{index}-of-2.jsonl", RunInfo("c" * 64, None, Shard(index, 2)))
    assert _merge(tmp_path, 2)[0].suites == whole.suites


def test_the_merged_file_names_the_traces_of_all_shards(tmp_path: Path) -> None:
    whole = _whole(faq="PPPP")
    for index in (1, 2):
        path = _write(tmp_path, whole, Shard(index, 2))
        info = RunInfo("c" * 64, None, Shard(index, 2), traces=(f"trace-{index}",))
        run_file.write(run_file.read(path), path, info)
    path = tmp_path / "run.jsonl"
    _, merged = merge_into(read_folder(tmp_path, 2), 2, lambda _: path, lambda _: False)
    assert merged.traces == run_file.read_with_info(path)[1].traces == ("trace-1", "trace-2")
