from __future__ import annotations

import json
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.config import load
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.run_file import config_sha256
from pytest_evalgate.runs.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.conftest import Project

_OUTPUTS: dict[str, str | None] = {"a": "yes", "b": "no", "c": "yes", "d": "yes", "e": "no", "f": None}
_GATES = '{ kind = "no-regression" }, { kind = "pass-rate", min = 0.5, bound = "point" }'
_ORDINARY = "def test_ordinary():\n    pass\n"


def _file(project: Project, index: int, count: int) -> Path:
    return project.state / "shards" / f"{index}-of-{count}.jsonl"


def _ran(project: Project, index: int, count: int) -> list[str]:
    """Return the cases that a shard has run."""
    run = run_file.read(_file(project, index, count))
    return [
        result.case.id
        for suite in run.suites
        for result in suite.results
        if result.outcome not in {"not_run", "skipped"}
    ]


def test_a_shard_runs_its_part_and_judges_nothing(
    project: Project, last_line: Callable[[pytest.RunResult], str]
) -> None:
    project.suite(_OUTPUTS)
    result = project.run("--eval-shard", "1/2")
    assert result.ret == 12
    result.assert_outcomes(deselected=3, passed=result.parseoutcomes().get("passed", 0))
    assert len(_ran(project, 1, 2)) == 3
    stored = "shard 1 of 2 is stored in .evalgate/shards/1-of-2.jsonl"
    command = "pytest-evalgate merge DIR --expect-shards 2 --gate"
    assert "evalgate: faq 6 = 6 cases; shard 1 of 2 runs 3 of them" in result.outlines
    assert f"NOT EVALUATED: {stored}; merge it with the others: {command}" in result.outlines
    assert last_line(result) == f"evalgate: NOT EVALUATED  {stored}   (exit 12)"
    assert (project.verdict["verdict"], project.verdict["exit_code"]) == ("not_evaluated", 12)
    assert project.verdict["accounting"]["not_run"] == 3
    assert not (project.state / "runs").exists()


def test_every_case_runs_in_exactly_one_shard(project: Project) -> None:
    project.suite(_OUTPUTS)
    project.golden("golden/code.jsonl", "g", "h", "i")
    project.test("return 'yes'")
    for index in (1, 2, 3):
        assert project.run("--eval-shard", f"{index}/3").ret == 12
    ran = Counter(case for index in (1, 2, 3) for case in _ran(project, index, 3))
    assert ran == Counter("abcdefghi")
    assert [len(_ran(project, index, 3)) for index in (1, 2, 3)] == [3, 3, 3]


def test_workers_run_the_same_part(project: Project) -> None:
    project.suite(_OUTPUTS)
    project.golden("golden/code.jsonl", "g", "h", "i")
    project.test("return 'yes'")
    project.run("--eval-shard", "2/3")
    alone = _ran(project, 2, 3)
    assert project.run("--eval-shard", "2/3", "-n2").ret == 12
    assert _ran(project, 2, 3) == alone


def test_the_variable_names_a_shard_and_the_option_goes_before_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALGATE_SHARD", "1/2")
    assert project.options().shard == Shard(1, 2)
    assert project.options("--eval-shard", "2/2").shard == Shard(2, 2)


def test_a_suite_that_lies_in_one_shard_is_not_judged_either(project: Project) -> None:
    project.suite({"a": "no", "b": "no"})
    result = project.run("--eval-shard", "1/1")
    assert result.ret == 12
    suite = project.verdict["suites"]["faq"]
    assert (suite["verdict"], suite["pass_rate"], suite["delta"]) == ("not_evaluated", None, None)
    assert [gate["result"] for gate in suite["gates"]] == ["not_evaluated"]
    assert suite["gates"][0]["message"] == "shard 1 of 1: decided after all shards are merged"
    assert not (project.state / "history.jsonl").exists()


def test_a_shard_without_cases_is_stored_too(project: Project) -> None:
    project.suite({"a": "yes"})
    found = [project.run("--eval-shard", f"{index}/3", "-n2").ret for index in (1, 2, 3)]
    assert found == [12, 12, 12]
    assert sorted(len(_ran(project, index, 3)) for index in (1, 2, 3)) == [0, 0, 1]


def test_ordinary_tests_run_in_every_shard(project: Project) -> None:
    project.suite(_OUTPUTS)
    project.write("test_it.py", "def test_ordinary():\n    assert False\n")
    for index in (1, 2):
        result = project.run("--eval-shard", f"{index}/2")
        assert result.ret == 1
        assert result.parseoutcomes()["failed"] == 1
        assert _file(project, index, 2).exists()


def test_a_shard_says_how_it_came_about(project: Project) -> None:
    project.suite(_OUTPUTS)
    project.run("--eval-shard", "2/3", "--eval-target", "recorded:golden/faq.out.jsonl")
    head = json.loads(_file(project, 2, 3).read_text().partition("\n")[0])
    assert head["shard"] == {"index": 2, "count": 3}
    assert head["target"] == "recorded:golden/faq.out.jsonl"
    assert head["config_sha256"] == config_sha256(load(project.path))


def test_a_whole_run_says_so_too(project: Project) -> None:
    project.suite(_OUTPUTS)
    project.run()
    [path] = (project.state / "runs").glob("*/run.jsonl")
    head = json.loads(path.read_text().partition("\n")[0])
    assert head["config_sha256"] == config_sha256(load(project.path))
    assert "shard" not in head


def test_a_session_that_breaks_off_leaves_no_shard_of_an_earlier_one(project: Project) -> None:
    project.suite(_OUTPUTS)
    project.run("--eval-shard", "1/2")
    project.run("--eval-shard", "2/2")
    project.write("golden/faq.jsonl", "{")
    assert project.run("--eval-shard", "1/2").ret == 4
    assert not _file(project, 1, 2).exists()
    assert _file(project, 2, 2).exists()


def test_a_part_of_a_shard_is_to_be_run_again(project: Project) -> None:
    project.suite(_OUTPUTS)
    project.run("--eval-shard", "1/2")
    [left_out, *_] = _ran(project, 1, 2)
    result = project.run("--eval-shard", "1/2", "--deselect", f"golden/faq.jsonl::{left_out}")
    assert result.ret == 12
    result.stdout.fnmatch_lines(["NOT EVALUATED: not run: 1 case of shard 1 of 2; run this shard again"])


def test_what_makes_a_run_invalid_makes_a_shard_invalid(project: Project) -> None:
    project.suite(_OUTPUTS)
    project.write("test_broken.py", "raise RuntimeError\n")
    result = project.run("--eval-shard", "1/2", "--continue-on-collection-errors")
    assert result.ret == 1
    assert project.verdict["verdict"] == "invalid"
    assert run_file.read(_file(project, 1, 2)).problems == ("test_broken.py could not be collected",)


def test_a_shard_that_is_whole_is_not_gone_on_with(project: Project) -> None:
    project.python_suite("def answer(question):\n    note(question)\n    return 'yes'\n", *"abcd")
    for _ in range(2):
        result = project.run("--eval-shard", "1/2")
        result.stdout.no_fnmatch_line("*resuming run*")
    assert len(project.calls) == 4


# -- merged, as a session judges it


def _both_doors(project: Project) -> None:
    """Two suites of each door, a baseline, and a case of every outcome."""
    slices = {"slices": '["lang"]', "stop": '"never"', "baseline": '"baselines/faq.json"'}
    project.suite(dict.fromkeys("abcdef", "yes"), gates=_GATES, **slices)
    project.golden("golden/faq.jsonl", *"abcdef", tags=["lang:en"])
    project.suite({"x": "yes", "y": "no"}, name="tiny", mode='"advisory"', stop='"never"')
    project.golden("golden/code.jsonl", "g", "h", "i")
    project.test("return {'h': 'no'}.get(case.id, 'yes')")
    project.write("test_it.py", _ORDINARY)
    project.configure("max_error_rate = 0.5")
    assert project.run().ret == 0
    assert main(["baseline", "promote", "--reason", "first", "--suite", "faq"]) == 0
    rows = [{"id": id_, "output": output} for id_, output in _OUTPUTS.items() if output is not None]
    project.write("golden/faq.out.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    golden = [
        {"id": id_, "input": id_, "expected": "yes", "tags": [f"lang:{'de' if index % 2 else 'en'}"]}
        for index, id_ in enumerate("abcdef")
    ]
    skipped = {"id": "s", "input": "s", "skip": "later"}
    project.write("golden/faq.jsonl", "".join(json.dumps(row) + "\n" for row in [*golden, skipped]))


def _stable(project: Project) -> dict[str, Any]:
    """Return the verdict without what differs between equal runs, and forget the run for the next one's trend."""
    (project.state / "history.jsonl").unlink()
    return {key: value for key, value in project.verdict.items() if key not in {"run_id", "duration_s"}}


def _screen(lines: list[str]) -> list[str]:
    """Leave out what differs between equal runs, and pytest's own bar."""
    return [line for line in lines if line and not line.startswith("verdict: ") and "passed, " not in line]


def _merge(project: Project, count: int) -> int:
    return main(["merge", str(project.state / "shards"), "--expect-shards", str(count), "--gate"])


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=str)
def test_the_verdict_of_merged_shards_is_that_of_the_whole_run(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: tuple[str, ...]
) -> None:
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("COLUMNS", "100")
    _both_doors(project)
    (project.state / "history.jsonl").unlink()
    whole = project.run()
    wanted, outcomes = _stable(project), project.outcomes
    assert wanted["accounting"] == {
        "planned": 12, "passed": 6, "missed": 4, "errored": 1, "skipped": 1, "not_run": 0
    }  # fmt: skip
    assert wanted["suites"]["faq"]["delta"]["pairs"] == 6
    for index in (1, 2, 3, 4):
        assert project.run("--eval-shard", f"{index}/4", *args).ret == 12
    capsys.readouterr()
    assert _merge(project, 4) == whole.ret == wanted["exit_code"]
    assert _stable(project) == wanted
    assert project.outcomes == outcomes
    printed = capsys.readouterr().out.splitlines()
    assert _screen(printed) == _screen(whole.outlines[whole.outlines.index(printed[0]) :])


def _git(project: Project, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=project.path, check=True, capture_output=True)


def test_what_the_branch_changed_in_the_gate_is_judged_in_merged_shards_too(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.path)
    project.suite(dict.fromkeys("abcd", "yes"), baseline='"baselines/faq.json"', stop='"never"')
    project.run()
    assert main(["baseline", "promote", "--reason", "first"]) == 0
    _git(project, "init", "-q")
    _git(project, "add", "evalgate.toml", "golden", "baselines")
    _git(project, "commit", "-qm", "base")
    project.golden("golden/faq.jsonl", "a", "b", "c")
    config = (project.path / "evalgate.toml").read_text()
    project.write("evalgate.toml", config.replace("min = 0.5", "min = 0.1"))
    _git(project, "commit", "-qam", "one case less, and a weaker gate")
    base = ("--eval-base-ref", "HEAD~1")
    (project.state / "history.jsonl").unlink()
    assert project.run(*base).ret == 1
    wanted = _stable(project)
    assert len(wanted["changed_in_gate"]) == 2
    assert "d@base" in project.outcomes
    for index in (1, 2):
        assert project.run("--eval-shard", f"{index}/2", *base).ret == 12
    assert (
        main(["merge", str(project.state / "shards"), "--expect-shards", "2", "--gate", "--base-ref", "HEAD~1"]) == 1
    )
    assert _stable(project) == wanted


def test_a_merged_run_can_be_promoted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.path)
    project.suite({"a": "yes", "b": "yes"})
    for index in (1, 2):
        project.run("--eval-shard", f"{index}/2")
    assert _merge(project, 2) == 0
    assert main(["baseline", "promote", "--reason", "merged"]) == 0
    assert (
        json.loads((project.state / "baselines/faq.json").read_text())["provenance"]["run_id"]
        == project.verdict["run_id"]
    )


def test_the_variables_of_a_scheduler_are_read_only_if_asked_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_NODE_INDEX", "2")
    monkeypatch.setenv("CI_NODE_TOTAL", "3")
    assert project.options().shard is None
    assert project.options("--eval-shard", "auto").shard == Shard(2, 3)
    monkeypatch.setenv("EVALGATE_SHARD", "auto")
    assert project.options().shard == Shard(2, 3)
    assert project.options("--eval-shard", "1/5").shard == Shard(1, 5)
