"""Suites that stop early: every call is counted at the server, and the verdict is that of the whole run."""

from __future__ import annotations

import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

import pytest
from tests.builders import baseline_of, planned
from tests.support.behaviours import Behaviour

from pytest_evalgate.cli import main
from pytest_evalgate.plugin.stopper import order_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tests.plugin.conftest import Project
    from tests.support.replies import Request
    from tests.support.server import ScriptedServer

    from pytest_evalgate.records.verdicts import Baseline

_IDS = [f"c{index:02}" for index in range(40)]
_ONE_BY_ONE = {"max_concurrency": "1"}

_DROP = '{ kind = "no-regression" }'
_WHOLE = ("--eval-stop", "never")


_QUICK = 12
_SLOW_S = 1.25
"""A session has 30 seconds to stop: after the first calls each takes so long, and there are 40."""


def _missing(missed: Collection[str], slow: Collection[str] = ()) -> Callable[[Request], Behaviour]:
    """Answer "no" to what is missed, and take time for what is slow."""
    number = count()

    def decide(request: Request) -> Behaviour:
        question = request.body["messages"][-1]["content"]
        latency_s = _SLOW_S if question in slow and next(number) >= _QUICK else 0.0
        return Behaviour.text("no" if question in missed else "yes", latency_s=latency_s)

    return decide


def _suite(project: Project, server: ScriptedServer, name: str = "faq", **more: str) -> None:
    project.model_suite(server, *_IDS, name=name, **{"gates": _DROP, **more}, model=_ONE_BY_ONE)


def _promote(project: Project) -> None:
    """Run everything, make that the baseline, and forget the answers."""
    assert project.run(*_WHOLE).ret in {0, 1}
    assert main(["baseline", "promote", "--reason", "first"]) == 0
    shutil.rmtree(project.state / "cache")


@pytest.fixture
def broken(project: Project, server: ScriptedServer) -> Project:
    """A suite whose baseline passed every case, at an endpoint that answers all of them wrongly from now on."""
    _suite(project, server)
    _promote(project)
    server.answer_with(_missing(_IDS, slow=_IDS))
    return project


def _run_whole(project: Project, server: ScriptedServer, *args: str) -> pytest.RunResult:
    server.answer_with(_missing(_IDS))
    return project.run(*_WHOLE, *args)


def _sent(project: Project) -> int:
    sent: int = project.verdict["calls"]["sent"]
    return sent


def test_a_suite_that_broke_stops_and_fails(broken: Project, server: ScriptedServer) -> None:
    before = server.calls
    result = broken.run()
    sent = server.calls - before
    assert 4 <= sent <= 36
    verdict = broken.verdict
    assert (result.ret, verdict["exit_code"], verdict["verdict"]) == (1, 1, "fail")
    assert verdict["suites"]["faq"]["stopped"] == "certainty"
    accounting = verdict["accounting"]
    assert (accounting["missed"], accounting["not_run"], accounting["planned"]) == (sent, 40 - sent, 40)
    assert Counter(broken.outcomes.values()) == {"missed": sent, "not_run": 40 - sent}
    assert _sent(broken) == sent


def test_the_screen_says_where_it_stopped_and_shows_no_rate_of_a_part(broken: Project) -> None:
    result = broken.run("-v")
    sent = _sent(broken)
    result.stdout.fnmatch_lines(
        [
            "golden/faq.jsonl::c00 MISSED*",
            "golden/faq.jsonl::c39 NOT NEEDED*",
            f"faq*{sent} of 40 cases run*100.0*at most -*pp*no-regression*FAIL",
            f"  faq stopped after {sent} of 40 cases: its verdict was certain ({40 - sent} calls saved)",
            f"*{sent} missed, {40 - sent} not needed in *",
            f"evalgate: FAIL  faq at most -* pp after {sent} of 40 cases   (exit 1)",
        ]
    )
    assert "0.0% (" not in result.stdout.str()
    assert "pass -> miss  not needed" not in result.stdout.str()


def test_what_was_not_needed_is_skipped_in_junit(broken: Project) -> None:
    broken.run("--junit-xml", "junit.xml")
    cases = ET.parse(broken.path / "junit.xml").getroot().iter("testcase")  # noqa: S314 - our own file
    by_name = {case.get("name"): case for case in cases}
    last = by_name["c39"].find("skipped")
    assert last is not None
    assert last.get("message") == "not needed: the verdict of faq was certain without it"
    assert by_name["c00"].find("skipped") is None
    assert {case.find("failure") for case in by_name.values()} == {None}


def test_the_verdict_is_that_of_the_whole_run(broken: Project, server: ScriptedServer) -> None:
    stopped, whole = broken.run().ret, _run_whole(broken, server).ret
    assert stopped == whole == 1
    assert broken.verdict["suites"]["faq"]["stopped"] is None


def test_under_xdist_the_worker_stops_and_the_controller_judges(broken: Project, server: ScriptedServer) -> None:
    before = server.calls
    result = broken.run("-n", "2")
    assert result.ret == 1
    assert broken.verdict["suites"]["faq"]["stopped"] == "certainty"
    assert 4 <= server.calls - before <= 36
    assert Counter(broken.outcomes.values())["missed"] == server.calls - before
    result.stdout.fnmatch_lines(["*missed, * not needed in *"])


def test_never_sends_everything(project: Project, server: ScriptedServer) -> None:
    _suite(project, server, stop='"never"')
    _promote(project)
    server.answer_with(_missing(_IDS))
    assert project.run().ret == 1
    assert (_sent(project), project.verdict["suites"]["faq"]["stopped"]) == (40, None)


def test_the_rule_of_the_command_line_goes_before_that_of_the_suite(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.suite({"a": "yes"}, stop='"certainty"')
    monkeypatch.setenv("EVALGATE_STOP", "never")
    assert project.options().stop == "never"
    suite = project.decider(stop="never").decider.suite_of("faq")
    assert suite is not None
    assert suite.stop == "never"


def test_a_build_that_is_as_good_as_its_baseline_runs_whole(broken: Project, server: ScriptedServer) -> None:
    server.answer_with(_missing(()))
    assert broken.run().ret == 0
    assert (_sent(broken), broken.verdict["suites"]["faq"]["pass_rate"]) == (40, 1.0)


def test_a_first_run_has_no_baseline_to_be_certain_by(project: Project, server: ScriptedServer) -> None:
    _suite(project, server)
    server.answer_with(_missing(_IDS))
    assert project.run().ret == 0
    assert (_sent(project), project.verdict["verdict"]) == (40, "inconclusive")


def test_cases_that_the_baseline_failed_are_asked_first(project: Project, server: ScriptedServer) -> None:
    _suite(project, server)
    server.answer_with(_missing(_IDS[30:]))
    _promote(project)
    before = server.calls
    result = project.run("-v")
    asked = project.asked(server)[before:]
    assert asked == [*_IDS[30:], *_IDS[:30]]
    shown = [line for line in result.outlines if line.startswith("golden/faq.jsonl::")]
    assert shown == sorted(shown)


def test_a_pass_that_is_certain_stops_too(project: Project, server: ScriptedServer) -> None:
    _suite(project, server)
    server.answer_with(_missing(_IDS[20:]))
    _promote(project)
    server.answer_with(_missing((), slow=_IDS))
    result = project.run()
    assert result.ret == 0
    sent = _sent(project)
    assert 10 <= sent <= 36
    result.stdout.fnmatch_lines(
        [
            f"faq*{sent} of 40 cases run*at least -*no-regression*PASS",
            f"  PASS faq, no-regression: * The {40 - sent} cases that did not run are counted as missed.*",
            "evalgate: PASS  1 of 1 gate*",
        ]
    )


def test_a_stopped_run_is_not_promoted_before_it_is_completed(
    broken: Project, server: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    broken.run()
    stopped_after = _sent(broken)
    assert main(["baseline", "promote", "--reason", "worse, but cheaper"]) != 0
    assert "pytest --eval-gate --eval-stop never" in capsys.readouterr().err
    before = server.calls
    _run_whole(broken, server)
    assert server.calls - before == 40 - stopped_after
    assert main(["baseline", "promote", "--reason", "worse, but cheaper"]) == 0
    assert broken.run().ret == 0


def test_what_is_remembered_costs_nothing_and_is_taken(broken: Project, server: ScriptedServer) -> None:
    _run_whole(broken, server)
    before = server.calls
    assert broken.run().ret == 1
    assert server.calls == before
    assert (broken.verdict["accounting"]["missed"], broken.verdict["suites"]["faq"]["stopped"]) == (40, None)


def test_a_rerun_of_a_stopped_run_asks_nothing_twice(broken: Project, server: ScriptedServer) -> None:
    before = server.calls
    broken.run()
    broken.run()
    assert max(Counter(broken.asked(server)[before:]).values()) == 1
    assert broken.verdict["suites"]["faq"]["stopped"] == "certainty"


def test_an_errored_case_beyond_the_limit_lets_a_suite_run_to_its_end(broken: Project, server: ScriptedServer) -> None:
    server.answer_with(_refusing_the_first(_missing(_IDS)))
    assert broken.run().ret == 11
    assert broken.verdict["accounting"] | {"planned": 40} == {
        "planned": 40, "passed": 0, "missed": 39, "errored": 1, "skipped": 0, "not_run": 0
    }  # fmt: skip


def test_an_errored_case_within_the_limit_counts_as_one_that_is_missing(
    broken: Project, server: ScriptedServer
) -> None:
    broken.configure("max_error_rate = 0.1")
    server.answer_with(_refusing_the_first(_missing(_IDS, slow=_IDS)))
    assert broken.run().ret == 1
    assert broken.verdict["accounting"]["errored"] == 1
    assert broken.verdict["suites"]["faq"]["stopped"] == "certainty"
    assert 5 <= _sent(broken) <= 36


def _refusing_the_first(others: Callable[[Request], Behaviour]) -> Callable[[Request], Behaviour]:
    def decide(request: Request) -> Behaviour:
        first = request.body["messages"][-1]["content"] == _IDS[0]
        return Behaviour.status(400) if first else others(request)

    return decide


@pytest.mark.parametrize(
    "args",
    [("-k", "not c39"), ("--deselect", "golden/faq.jsonl::c39"), ("--eval-shard", "1/2")],
    ids=["k", "deselect", "shard"],
)
def test_a_part_of_a_suite_stops_nowhere(broken: Project, server: ScriptedServer, args: tuple[str, ...]) -> None:
    server.answer_with(_missing(_IDS))
    assert broken.run(*args).ret == 12
    left = 20 if "--eval-shard" in args else 1
    assert (_sent(broken), broken.verdict["accounting"]["not_run"]) == (40 - left, left)
    assert broken.verdict["suites"]["faq"]["stopped"] is None


def test_offline_nothing_stops(broken: Project) -> None:
    broken.run()
    stopped_after = _sent(broken)
    assert broken.run("--eval-offline").ret == 12
    accounting = broken.verdict["accounting"]
    assert (accounting["missed"], accounting["errored"], accounting["not_run"]) == (
        stopped_after, 40 - stopped_after, 0
    )  # fmt: skip


def test_workers_that_share_a_suite_stop_nowhere(broken: Project, server: ScriptedServer) -> None:
    server.answer_with(_missing(_IDS))
    broken.configure('xdist = "spread"')
    assert broken.run("-n", "2").ret == 1
    assert (_sent(broken), broken.verdict["suites"]["faq"]["stopped"]) == (40, None)


def test_a_second_suite_stops_while_the_first_runs_to_its_end(project: Project, server: ScriptedServer) -> None:
    _suite(project, server)
    tone = [f"d{index:02}" for index in range(40)]
    project.suite(dict.fromkeys(tone), name="tone", gates=_DROP, target='{ model = "candidate" }')
    _promote(project)
    server.answer_with(_missing(tone, slow=tone))
    assert project.run().ret == 1
    suites = project.verdict["suites"]
    assert (suites["faq"]["stopped"], suites["faq"]["verdict"]) == (None, "pass")
    assert (suites["tone"]["stopped"], suites["tone"]["verdict"]) == ("certainty", "fail")
    assert suites["tone"]["accounting"]["not_run"] >= 4


def test_recorded_outputs_are_all_graded(project: Project) -> None:
    project.suite(dict.fromkeys(_IDS, "yes"), gates=_DROP)
    assert project.run().ret == 0
    assert main(["baseline", "promote", "--reason", "first"]) == 0
    project.golden("golden/faq.out.jsonl", *_IDS, output="no")
    assert project.run().ret == 1
    assert project.verdict["accounting"]["missed"] == 40


_CODE = """
import os
import time

asked = []

def answer(question):
    note(question)
    asked.append(question)
    time.sleep(float(os.environ.get("PACE", "0")) if len(asked) > 12 else 0)
    return {word!r}
"""


def test_an_application_is_spared_as_a_model_is(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.python_suite(_CODE.format(word="yes"), *_IDS, gates=_DROP)
    toml = project.path / "evalgate.toml"
    toml.write_text(toml.read_text().replace('"bot:answer"', '"bot:answer", max_concurrency = 1'))
    project.write(".gitignore", "calls\n.*\n")  # what the function notes is no part of the working tree
    subprocess.run(["git", "init", "-q"], cwd=project.path, check=True)
    _promote(project)
    (project.path / "calls").unlink()
    project.write_bot(_CODE.format(word="no"))
    monkeypatch.setenv("PACE", "1.25")
    assert project.run().ret == 1
    asked = len(project.calls)
    assert 4 <= asked <= 36
    monkeypatch.delenv("PACE")
    assert project.run(*_WHOLE).ret == 1
    assert sorted(project.calls[asked:]) == _IDS  # the stopped run has ended, so none of its answers is reused


def test_a_test_in_code_runs_all_of_its_cases(project: Project) -> None:
    project.golden("golden/code.jsonl", *_IDS)
    project.write_bot(_CODE.format(word="yes"))
    project.test(
        "def test_code(case, output):\n    return output.value\n",
        marker='"golden/code.jsonl", suite="code", target={"python": "bot:answer", "max_concurrency": 1}',
    )
    assert project.run().ret == 0
    assert main(["baseline", "promote", "--reason", "first"]) == 0
    project.write_bot(_CODE.format(word="no"))
    assert project.run().ret == 1
    assert project.verdict["accounting"]["missed"] == 40


def test_lf_does_not_take_what_was_not_needed_for_missed(broken: Project) -> None:
    broken.run(cache=True)
    sent = _sent(broken)
    result = broken.run("--lf", cache=True)
    result.stdout.fnmatch_lines([f"*rerun previous {sent} failures*", f"*{sent} missed in*"])
    assert broken.verdict["accounting"]["not_run"] == 40 - sent


def test_missed_cases_may_fail_as_tests_and_the_others_are_still_not_needed(broken: Project) -> None:
    result = broken.run("--eval-fail-cases")
    sent = _sent(broken)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*{sent} failed, {40 - sent} not needed in *"])


_NOTES_PROGRESS = """
import pathlib

def pytest_sessionfinish(session):
    pathlib.Path(__file__).with_name("progress").write_text(session.config.pluginmanager.get_plugin("evalgate-session").progress.line())
"""


def test_progress_counts_what_was_asked(broken: Project) -> None:
    broken.write("conftest.py", _NOTES_PROGRESS)
    broken.run()
    sent = _sent(broken)
    line = (broken.path / "progress").read_text()
    assert line.startswith(f"eval {sent}/{sent} 100% ")
    assert f"| ok 0 missed {sent} err 0 |" in line


def _baseline(**values: float) -> Baseline:
    return baseline_of({case_id: (value,) for case_id, value in values.items()})


def test_certainty_begins_with_what_the_baseline_failed_then_asplanned() -> None:
    cases = [planned("a"), planned("new"), planned("b"), planned("c@base", side="base"), planned("d")]
    baseline = _baseline(a=1.0, b=0.0, c=0.0, d=1.0)
    assert [case.id for case in order_of(cases, baseline)] == ["b", "c@base", "a", "new", "d"]
