"""Several candidates of a suite in one session, and outputs of stored runs that are graded again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.plugin.conftest import jsonl

from pytest_evalgate.errors import UserError

if TYPE_CHECKING:
    from tests.plugin.conftest import Json, Project

_IDS = [f"c{at:02}" for at in range(12)]


def _recorded(project: Project, name: str, right: int) -> None:
    rows = [{"id": id_, "output": "yes" if at < right else "no"} for at, id_ in enumerate(_IDS)]
    project.write(f"{name}.jsonl", jsonl(rows))


def _three(project: Project, **more: str) -> None:
    for name, right in (("good", 12), ("same", 11), ("bad", 2)):
        _recorded(project, name, right)
    targets = ", ".join(f'{name} = {{ recorded = "{name}.jsonl" }}' for name in ("bad", "good", "same"))
    project.suite(dict.fromkeys(_IDS, "yes"), **{"targets": f"{{ {targets} }}", **more})


def _table(project: Project) -> Json:
    [found] = project.verdict["side_by_side"]
    return found


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_candidates_beside_a_target_are_compared_and_only_the_target_gates(
    project: Project, workers: tuple[str, ...]
) -> None:
    _three(project)
    result = project.run(*workers)
    found = _table(project)
    assert [one["suite"] for one in found["candidates"]] == ["faq", "faq[good]", "faq[same]", "faq[bad]"]
    assert [one["groups"] for one in found["candidates"]] == ["a", "a", "a", "b"]
    assert {(one["first"], one["second"]) for one in found["pairs"] if one["differ"]} == {
        ("faq", "faq[bad]"),
        ("faq[good]", "faq[bad]"),
        ("faq[same]", "faq[bad]"),
    }
    modes = {name: suite["mode"] for name, suite in project.verdict["suites"].items()}
    assert modes == {"faq": "blocking", "faq[bad]": "advisory", "faq[good]": "advisory", "faq[same]": "advisory"}
    assert (project.verdict["verdict"], result.ret) == ("pass", 0)
    result.stdout.fnmatch_lines(["CANDIDATES of faq: 4, the highest rate first", "*faq?good? *100.0% (*"])


def test_without_a_target_every_candidate_has_to_pass(project: Project) -> None:
    _three(project)
    text = (project.path / "evalgate.toml").read_text().splitlines(keepends=True)
    project.write("evalgate.toml", "".join(line for line in text if not line.startswith("target =")))
    assert project.run().ret == 1
    assert project.verdict["suites"]["faq[bad]"]["verdict"] == "fail"
    assert "faq" not in project.verdict["suites"]


def test_targets_of_the_command_line_are_candidates(project: Project) -> None:
    _three(project)
    arguments = [f"--eval-target=recorded:{name}.jsonl" for name in ("good", "bad")]
    result = project.run(*arguments)
    assert [one["suite"] for one in _table(project)["candidates"]] == ["faq[good]", "faq[bad]"]
    assert project.verdict["suites_not_run"] == []
    assert result.ret == 1  # every one has to pass
    result.stdout.fnmatch_lines(["*--eval-target recorded:good.jsonl | --eval-target recorded:bad.jsonl*"])


def test_candidates_of_a_golden_set_without_a_suite(project: Project) -> None:
    for name, right in (("good", 12), ("bad", 2)):
        _recorded(project, name, right)
    project.golden("set.jsonl", *_IDS)
    project.run("set.jsonl", "--eval-target", "recorded:good.jsonl", "--eval-target", "recorded:bad.jsonl")
    assert [one["suite"] for one in _table(project)["candidates"]] == ["set[good]", "set[bad]"]


def test_a_target_of_the_command_line_replaces_that_of_addopts(project: Project) -> None:
    _three(project)
    project.write("pytest.ini", "[pytest]\naddopts = --eval-target recorded:bad.jsonl\n")
    project.run("--eval-target", "recorded:good.jsonl")
    assert list(project.verdict["suites"]) == ["faq", "faq[bad]", "faq[good]", "faq[same]"]
    assert project.verdict["suites"]["faq"]["pass_rate"] == 1.0
    assert project.verdict["side_by_side"]


def test_candidates_share_the_baseline_of_their_suite(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    _three(project)
    project.run()
    from pytest_evalgate.cli.main import main  # noqa: PLC0415 - it imports every verb

    monkeypatch.chdir(project.path)
    monkeypatch.delenv("CI", raising=False)
    assert main(["baseline", "promote", "--suite", "faq[good]", "--reason", "first"]) == 0
    assert (project.state / "baselines" / "faq.json").exists()
    project.run()
    deltas = {name: suite["delta"]["delta"] for name, suite in project.verdict["suites"].items()}
    assert deltas == {
        "faq": 0.0,
        "faq[bad]": pytest.approx(-10 / 12),
        "faq[good]": 0.0,
        "faq[same]": pytest.approx(-1 / 12),
    }


def test_the_baseline_of_several_candidates_at_once_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _three(project)
    project.run()
    from pytest_evalgate.cli.main import main  # noqa: PLC0415 - it imports every verb

    monkeypatch.chdir(project.path)
    monkeypatch.delenv("CI", raising=False)
    assert main(["baseline", "promote", "--reason", "first"]) != 0
    assert "candidates of one suite share its baseline" in capsys.readouterr().err


def test_candidates_share_the_cache(project: Project) -> None:
    project.write_bot("def answer(question):\n    note(question)\n    return 'yes'\n")
    one = '{ python = "bot:answer", version = "1" }'
    project.suite(dict.fromkeys(["a", "b"]), target=one, targets=f"{{ twin = {one} }}")
    project.run()
    assert len(project.calls) == 2


def test_reports_show_the_table(project: Project) -> None:
    _three(project)
    project.configure('formats = ["html", "markdown"]\n', table="report")
    project.run("--eval-report", "reports")
    page = (project.path / "reports" / "report.html").read_text()
    assert "Candidates of faq" in page
    assert "faq[good]" in page
    texts = [path.read_text() for path in (project.path / "reports").glob("*.md")]
    assert texts
    assert all("### Candidates of `faq`" in text for text in texts)


# -- run:ID


def _stored(project: Project, output: str = "Yes", **row: Json) -> str:
    """Run a target once, and return the id of the run."""
    project.write_bot(f"def answer(question):\n    note(question)\n    return {output!r}\n")
    project.suite(dict.fromkeys(["a"]), target='{ python = "bot:answer" }', gates='{ kind = "must-pass" }')
    if row:
        project.write("golden/faq.jsonl", jsonl([{"id": "a", "input": "a", "expected": "yes", **row}]))
    project.run()
    assert project.calls == ["a"]
    return str(project.verdict["run_id"])


@pytest.mark.parametrize("which", ["id", "last"])
def test_outputs_of_a_stored_run_are_graded_by_the_scorers_of_now(project: Project, which: str) -> None:
    run_id = _stored(project)
    assert project.verdict["verdict"] == "fail"
    text = (project.path / "evalgate.toml").read_text()
    project.write("evalgate.toml", text.replace("gates =", 'scorers = ["iexact"]\ngates ='))
    project.run("--eval-target", f"run:{run_id if which == 'id' else 'last'}")
    assert (project.verdict["verdict"], project.calls) == ("pass", ["a"])
    assert project.verdict["calls"]["sent"] == 0


def test_a_run_that_is_gone_is_an_error_with_the_runs_that_exist(project: Project) -> None:
    run_id = _stored(project)
    with pytest.raises(UserError, match=f"run:nope: no such run; the stored runs are: {run_id}"):
        project.check(targets=("run:nope",))


def test_without_any_run_the_next_step_is_named(project: Project) -> None:
    project.suite({"a": "yes"})
    with pytest.raises(UserError, match="run:last: no such run; no run is stored: run first with: pytest --eval-gate"):
        project.check(targets=("run:last",))


def test_a_run_without_the_suite_names_its_suites(project: Project) -> None:
    run_id = _stored(project)
    project.suite({"a": "yes"}, name="other")
    with pytest.raises(UserError, match=f"run {run_id} has no suite 'other' \\(its suites: faq\\)"):
        project.check("other", targets=("run:last",))


def test_an_output_to_another_question_is_missing(project: Project) -> None:
    run_id = _stored(project)
    project.write("golden/faq.jsonl", jsonl([{"id": "a", "input": "another", "expected": "yes"}]))
    project.run("--eval-target", f"run:{run_id}")
    assert project.outcomes == {"a": "errored"}
    assert project.rows["a"]["reason"] == f"the question has changed since run {run_id}"


def test_a_failure_of_the_target_is_one_again(project: Project) -> None:
    project.write_bot("def answer(question):\n    raise KeyError(question)\n")
    project.suite(dict.fromkeys(["a"]), target='{ python = "bot:answer" }')
    project.run()
    project.run("--eval-target", "run:last")
    assert project.outcomes == {"a": "missed"}
    assert "KeyError" in json.dumps(project.rows["a"])


def test_all_trials_of_a_stored_run_are_graded(project: Project) -> None:
    _stored(project, trials=1)
    project.write("golden/faq.jsonl", jsonl([{"id": "a", "input": "a", "expected": "yes"}]))
    project.run("--eval-trials", "3")
    project.run("--eval-target", "run:last")
    assert project.verdict["suites"]["faq"]["trials"] == 3
