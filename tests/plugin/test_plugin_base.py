"""A branch that changes its own gate: what the base branch held still decides (A24 to A27)."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from tests.plugin.conftest import KEY
from tests.support.server import ScriptedServer

from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project

_AGAINST_MAIN = ("--eval-base-ref", "main")
_FOUR: dict[str, str | None] = {"a": "yes", "b": "yes", "c": "yes", "hard": "no"}
_STRICT = '{ kind = "pass-rate", min = 0.8, bound = "point" }'
_LOOSE = '{ kind = "pass-rate", min = 0.7, bound = "point" }'
_MIN = "suites.faq.gates[0].min"
_GOLDEN = "golden/faq.jsonl"


@pytest.fixture(autouse=True)
def _no_base_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull request of this repository tells its base to every test."""
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)


def _write(project: Project, name: str, *rows: dict[str, Any]) -> None:
    project.write(name, "".join(json.dumps(row) + "\n" for row in rows))


def _git(project: Project, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=project.path, check=True, capture_output=True)


def _branch(project: Project) -> None:
    """Commit the project as ``main``, and leave it."""
    _git(project, "init", "-q", "-b", "main")
    _git(project, "add", "-A")
    _git(project, "commit", "-qm", "base")
    _git(project, "checkout", "-qb", "topic")


def _change(project: Project, before: str, now: str) -> None:
    path = project.path / "evalgate.toml"
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, now), "utf-8")


def _acknowledge(project: Project, change: str) -> None:
    project.configure(f"change = '{change}'\nreason = 'wanted so'\nowner = 'qa@example.org'\n", table="[acknowledged]")


def _case(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "input": name, "expected": "yes", **fields}


def _effects(project: Project) -> list[tuple[str, str, str]]:
    return [(change["what"], change["where"], change["effect"]) for change in project.verdict["changed_in_gate"]]


def test_what_nobody_changed_is_not_spoken_of(project: Project) -> None:
    project.suite(_FOUR, gates=_LOOSE)
    _branch(project)
    result = project.run(*_AGAINST_MAIN)
    assert (result.ret, project.verdict["changed_in_gate"]) == (0, [])
    result.stdout.no_fnmatch_line("*WHAT CHANGED*")
    assert set(project.outcomes) == set(_FOUR)


@pytest.mark.parametrize("args", [(), ("-n2", "--dist", "loadgroup")], ids=" ".join)
def test_a_hard_case_that_was_removed_still_runs_and_still_fails(project: Project, args: tuple[str, ...]) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    project.golden(_GOLDEN, "a", "b", "c")
    assert project.run().ret == 0
    result = project.run(*_AGAINST_MAIN, *args)
    assert (result.ret, project.verdict["verdict"]) == (1, "fail")
    assert project.outcomes == {"a": "passed", "b": "passed", "c": "passed", "hard@base": "missed"}
    assert _effects(project) == [("case removed", f"{_GOLDEN}:4 hard", "neutral")]
    [gate] = project.verdict["suites"]["faq"]["gates"]
    assert gate["message"].startswith("on the cases of the base branch: 3 of 4 passed")


def test_what_changed_stands_before_any_number(project: Project) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    project.golden(_GOLDEN, "a", "b", "c")
    result = project.run(*_AGAINST_MAIN)
    lines = [line for line in result.outlines if line]
    heading = next(index for index, line in enumerate(lines) if "= eval gate =" in line)
    assert lines[heading + 1] == "WHAT CHANGED IN THE GATE: 1 change against the base branch, none of them weaker"
    assert lines[heading + 2] == f"  NEUTRAL  case removed  {_GOLDEN}:4 hard: hard -> none"


def test_an_edited_case_runs_in_both_versions(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "hard")
    _branch(project)
    _write(project, _GOLDEN, _case("a"), _case("hard", input="easy"))
    assert project.run(*_AGAINST_MAIN).ret == 0
    assert sorted(project.asked(server)) == ["a", "easy", "hard"]
    assert project.verdict["calls"]["planned"] == 3
    assert set(project.outcomes) == {"a", "hard", "hard@base"}


def test_a_removed_case_is_asked_and_paid_for(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "hard")
    _branch(project)
    project.golden(_GOLDEN, "a")
    result = project.run(*_AGAINST_MAIN, "--eval-estimate")
    result.stdout.fnmatch_lines(["*faq*2*2*"])
    assert project.asked(server) == []
    assert project.run(*_AGAINST_MAIN).ret == 0
    assert sorted(project.asked(server)) == ["a", "hard"]


@pytest.mark.parametrize(
    ("now", "outcomes"),
    [
        (_case("hard", expected="no"), {"hard": "passed", "hard@base": "missed"}),
        (_case("hard", skip="flaky"), {"hard": "skipped", "hard@base": "missed"}),
        (_case("a2", input="hard"), {"a2": "passed", "hard@base": "missed"}),
    ],
    ids=["edited", "skipped", "renamed"],
)
def test_a_hard_case_that_was_got_round_still_fails(
    project: Project, now: dict[str, Any], outcomes: dict[str, str]
) -> None:
    project.suite(_FOUR | {"a2": "yes"}, gates=_STRICT)
    project.golden(_GOLDEN, "a", "b", "c", "hard")
    _branch(project)
    _write(project, _GOLDEN, _case("a"), _case("b"), _case("c"), now)
    assert project.run().ret == 0
    assert project.run(*_AGAINST_MAIN).ret == 1
    assert {name: project.outcomes[name] for name in outcomes} == outcomes
    assert {effect for _, _, effect in _effects(project)} == {"neutral"}


def test_a_target_knows_a_case_of_the_base_by_the_id_of_its_golden_set(project: Project) -> None:
    project.suite({"a": None, "b": None}, target='{ command = ["sh", "-c", "cat >> asked; echo yes"] }')
    _branch(project)
    project.golden(_GOLDEN, "a")
    assert project.run(*_AGAINST_MAIN).ret == 0
    asked = (project.path / "asked").read_text("utf-8")
    assert '"b"' in asked
    assert "@base" not in asked


def test_easy_cases_do_not_lift_the_rate(project: Project) -> None:
    easy = {f"easy-{number}": "yes" for number in range(20)}
    project.suite(_FOUR | easy, gates=_STRICT)
    project.golden(_GOLDEN, *_FOUR)
    _branch(project)
    project.golden(_GOLDEN, *_FOUR, *easy)
    assert project.run().ret == 0
    result = project.run(*_AGAINST_MAIN)
    assert (result.ret, project.verdict["suites"]["faq"]["pass_rate"]) == (1, 23 / 24)
    result.stdout.fnmatch_lines(["*... and 15 more: case added (all are in verdict.json)"])


def test_hard_cases_that_were_added_count(project: Project) -> None:
    project.suite(_FOUR, gates=_STRICT)
    project.golden(_GOLDEN, "a", "b", "c")
    _branch(project)
    project.golden(_GOLDEN, *_FOUR)
    assert project.run(*_AGAINST_MAIN).ret == 1


def test_a_gate_that_was_weakened_fails_a_build_that_it_lets_pass(
    project: Project, last_line: Callable[[pytest.RunResult], str]
) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    _change(project, "0.8", "0.7")
    assert project.run().ret == 0
    result = project.run(*_AGAINST_MAIN)
    assert result.ret == 1
    assert last_line(result) == f"evalgate: FAIL  this branch weakens the gate: {_MIN} gate changed   (exit 1)"
    result.stdout.fnmatch_lines([f"  WEAKER   gate changed  {_MIN.replace('[', '[[]')}: 0.8 -> 0.7"])


def test_a_weakening_that_somebody_answers_for_passes(
    project: Project, last_line: Callable[[pytest.RunResult], str]
) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    _change(project, "0.8", "0.7")
    _acknowledge(project, _MIN)
    result = project.run(*_AGAINST_MAIN)
    assert (result.ret, last_line(result)) == (0, "evalgate: PASS  1 of 1 gate   (exit 0)")
    result.stdout.fnmatch_lines(["*0.8 -> 0.7 (acknowledged: wanted so (qa@example.org))"])


def test_a_suite_that_was_taken_out_fails_the_build(project: Project) -> None:
    project.suite({"a": "yes"})
    project.suite({"x": "no"}, name="sql")
    _branch(project)
    path = project.path / "evalgate.toml"
    path.write_text(path.read_text("utf-8").partition("[suites.sql]")[0], "utf-8")
    assert project.run(*_AGAINST_MAIN).ret == 1
    assert _effects(project) == [("suite removed", "suites.sql", "weaker")]


def test_a_baseline_that_was_promoted_in_the_branch_is_not_used(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "abcdefgh"
    project.suite(dict.fromkeys(names, "yes"), gates='{ kind = "no-regression" }')
    promote = ["baseline", "promote", "--reason", "accepted"]
    monkeypatch.chdir(project.path)
    assert (project.run().ret, main(promote)) == (0, 0)
    _branch(project)
    _write(project, "golden/faq.out.jsonl", *({"id": name, "output": "no"} for name in names))
    assert (project.run().ret, main(promote)) == (1, 0)
    assert project.run().ret == 0
    assert project.run(*_AGAINST_MAIN).ret == 1
    assert _effects(project) == [
        ("recorded outputs changed", "suites.faq.target.recorded", "neutral"),
        ("baseline edited", "suites.faq.baseline", "neutral"),
    ]
    _acknowledge(project, "suites.faq.baseline")
    assert project.run(*_AGAINST_MAIN).ret == 0


def _from_origin(project: Project) -> None:
    """Have the checkout know its base as CI does."""
    _git(project, "update-ref", "refs/remotes/origin/main", "main")


def test_a_pull_request_tells_its_base(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    _from_origin(project)
    project.golden(_GOLDEN, "a", "b", "c")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    assert project.run().ret == 1
    assert "hard@base" in project.outcomes


def test_a_base_that_a_checkout_does_not_reach_is_reported_first_and_fails_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.suite(_FOUR, gates=_LOOSE)
    project.configure('formats = ["html", "markdown", "junit", "json"]\n', table="report")
    _branch(project)
    _git(project, "commit", "-qm", "topic", "--allow-empty")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project.path, check=True, capture_output=True, text=True)
    project.write(".git/shallow", head.stdout)
    for name, value in {"GITHUB_BASE_REF": "main", "GITHUB_ACTIONS": "true", "CI": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    result = project.run()
    problem = "origin/main: this clone is shallow and does not contain the merge base; set fetch-depth: 2 of"
    assert (result.ret, project.verdict["changed_in_gate"]) == (0, None)
    assert project.verdict["base_problem"].startswith(problem)
    lines = [line for line in result.outlines if line]
    heading = next(index for index, line in enumerate(lines) if "= eval gate =" in line)
    assert lines[heading + 1].startswith("WHAT CHANGED IN THE GATE IS UNKNOWN: origin/main: this clone is shallow")
    result.stdout.fnmatch_lines(["::error title=eval gate%3A base branch not read::*fetch-depth: 2*"])
    assert (project.path / "summary.md").read_text("utf-8").startswith("**WHAT CHANGED IN THE GATE IS UNKNOWN: ")
    assert (
        (project.state / "comment.md").read_text("utf-8").splitlines()[1].startswith("**WHAT CHANGED IN THE GATE IS")
    )
    page = (project.state / "report.html").read_text("utf-8")
    assert page.index("WHAT CHANGED IN THE GATE IS UNKNOWN") < page.index("<h1>")
    first = next(ET.parse(project.state / "junit.xml").iter("property"))  # noqa: S314 - our own
    assert first.get("value", "").startswith("WHAT CHANGED IN THE GATE IS UNKNOWN")


def test_the_parent_of_the_merge_commit_is_the_base(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    project.golden(_GOLDEN, "a", "b", "c")
    _git(project, "commit", "-qam", "topic")
    _git(project, "checkout", "-q", "--detach", "main")
    _git(project, "merge", "-q", "--no-ff", "-m", "as GitHub does", "topic")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    assert project.run().ret == 1
    assert "hard@base" in project.outcomes


def test_a_base_in_addopts_does_not_replace_that_of_the_pull_request(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    _from_origin(project)
    project.golden(_GOLDEN, "a", "b", "c")
    project.write("pytest.ini", "[pytest]\naddopts = --eval-base-ref HEAD\n")
    _git(project, "add", "-A")
    _git(project, "commit", "-qm", "topic")
    assert project.run().ret == 0
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    assert project.run().ret == 1
    assert _effects(project)[0] == ("base replaced", "--eval-base-ref in addopts", "weaker")
    assert "hard@base" in project.outcomes


@pytest.mark.parametrize("args", [(), ("-n2", "--dist", "loadgroup")], ids=" ".join)
def test_a_key_is_not_sent_to_an_endpoint_that_the_base_does_not_have(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    with ScriptedServer() as other:
        project.model_suite(server, "a", "b")
        _branch(project)
        _change(project, server.base_url, other.base_url)
        assert project.run(*_AGAINST_MAIN, *args).ret == 1
        assert _effects(project)[0] == ("endpoint moved", "models.candidate.base_url", "weaker")
        assert project.verdict["changed_in_gate"][0]["now"].endswith("(its key is withheld)")
        sent = [{name.lower(): value for name, value in request.headers.items()} for request in other.requests]
        assert len(sent) == 2
        assert KEY not in json.dumps(sent)


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_base_that_was_asked_for_has_to_be_there(
    project: Project, monkeypatch: pytest.MonkeyPatch, *, by_variable: bool
) -> None:
    project.suite(_FOUR, gates=_LOOSE)
    _branch(project)
    if by_variable:
        monkeypatch.setenv("EVALGATE_BASE_REF", "nowhere")
    result = project.run(*(() if by_variable else ("--eval-base-ref", "nowhere")))
    assert (result.ret, project.has_verdict) == (4, False)
    result.stderr.fnmatch_lines(["*--eval-base-ref nowhere: no such branch, tag or commit here; fetch it*"])


def test_outside_of_a_repository_there_is_no_base(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.path.parent))
    project.suite(_FOUR, gates=_LOOSE)
    result = project.run(*_AGAINST_MAIN)
    assert (result.ret, project.has_verdict) == (4, False)
    result.stderr.fnmatch_lines(["*is not in a git repository*"])


def test_cases_of_the_base_have_node_ids_of_their_own(project: Project) -> None:
    project.suite(_FOUR, gates=_STRICT)
    project.configure(
        f'golden = "{_GOLDEN}"\ntarget = {{ recorded = "golden/faq.out.jsonl" }}\ngates = [{_LOOSE}]\n',
        table="suites.again",
    )
    _branch(project)
    project.golden(_GOLDEN, "a", "b", "c")
    project.run(*_AGAINST_MAIN, "--junitxml=junit.xml")
    names = [case.attrib["name"] for case in ET.parse(project.path / "junit.xml").iter("testcase")]  # noqa: S314 - our own
    assert sorted(names) == sorted(
        f"{name}[{suite}]" for name in ("a", "b", "c", "hard@base") for suite in ("faq", "again")
    )
    result = project.run(*_AGAINST_MAIN, "--collect-only", "-q")
    result.stdout.fnmatch_lines([f"{_GOLDEN}::hard@base[[]faq]"])


@pytest.mark.parametrize(
    "args",
    [("-k", "not base"), ("-k", "hard"), ("--deselect", f"{_GOLDEN}::hard@base"), (f"{_GOLDEN}::a",)],
    ids=" ".join,
)
def test_leaving_out_cases_of_the_base_is_no_way_round(project: Project, args: tuple[str, ...]) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    project.golden(_GOLDEN, "a", "b", "c")
    result = project.run(*_AGAINST_MAIN, *args)
    assert (result.ret, project.verdict["verdict"]) == (12, "not_evaluated")


def test_a_part_of_a_suite_under_a_weakened_gate_fails(project: Project) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    _change(project, "0.8", "0.7")
    assert project.run(*_AGAINST_MAIN, "-k", "a").ret == 1


def test_a_golden_set_that_was_deleted_stops_the_run(project: Project) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    (project.path / _GOLDEN).unlink()
    result = project.run(*_AGAINST_MAIN)
    assert (result.ret, project.has_verdict) == (4, False)
    result.stderr.fnmatch_lines([f"*suites.faq.golden: there is no file {_GOLDEN} in *"])


def _with_hard_ones_apart(project: Project) -> None:
    """Have the suite take its hard case from a file of its own, that the branch deletes with somebody's consent."""
    project.suite(_FOUR, gates=_STRICT, golden=f'["{_GOLDEN}", "golden/hard.jsonl"]')
    project.golden(_GOLDEN, "a", "b", "c")
    project.golden("golden/hard.jsonl", "hard")
    _branch(project)
    _change(project, f'["{_GOLDEN}", "golden/hard.jsonl"]', f'"{_GOLDEN}"')
    (project.path / "golden/hard.jsonl").unlink()
    _acknowledge(project, "suites.faq.golden")


def test_a_golden_set_that_was_taken_out_does_not_let_the_build_pass(project: Project) -> None:
    _with_hard_ones_apart(project)
    assert project.run().ret == 0
    assert project.run(*_AGAINST_MAIN).ret != 0
    assert project.verdict["verdict"] != "pass"
    assert ("case removed", "golden/hard.jsonl:1 hard", "neutral") in _effects(project)


def test_the_cases_of_a_golden_set_that_was_taken_out_still_run(project: Project) -> None:
    _with_hard_ones_apart(project)
    project.run(*_AGAINST_MAIN)
    assert project.outcomes["hard@base"] == "missed"


def _in_code(project: Project) -> None:
    project.golden(_GOLDEN, *_FOUR)
    project.configure(f'golden = "{_GOLDEN}"\ngates = [{_STRICT}]\n', table="suites.faq")
    project.test("return 'no' if case.golden_id == 'hard' else 'yes'", marker=f'"{_GOLDEN}"')
    _branch(project)


@pytest.mark.parametrize("args", [("test_code.py",), ("-n2",)], ids=" ".join)
def test_in_code_a_hard_case_that_was_removed_still_fails(project: Project, args: tuple[str, ...]) -> None:
    _in_code(project)
    project.golden(_GOLDEN, "a", "b", "c")
    assert project.run(*_AGAINST_MAIN, *args).ret == 1
    assert project.outcomes["hard@base"] == "missed"


def test_in_code_what_changed_is_listed(project: Project) -> None:
    _in_code(project)
    _change(project, "0.8", "0.7")
    assert project.run().ret == 0
    assert project.run(*_AGAINST_MAIN).ret == 1
    assert _effects(project) == [("gate changed", _MIN, "weaker")]


def test_verify_agrees_with_a_session(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project.suite(_FOUR, gates=_STRICT)
    _branch(project)
    project.golden(_GOLDEN, "a", "b", "c", "hard", "new")
    _write(project, "golden/faq.out.jsonl", *({"id": name, "output": "yes"} for name in (*_FOUR, "new")))
    monkeypatch.chdir(project.path)
    assert project.run(*_AGAINST_MAIN).ret == 0
    assert main(["verify", "--base-ref", "main"]) == 0
    assert "verify agrees: pass in verdict.json, pass derived from the run" in capsys.readouterr().out
