"""Each session leaves a log beside its run file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour

from pytest_evalgate.runs.run_log import read_log

if TYPE_CHECKING:
    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer


def _events(project: Project) -> list[dict[str, Any]]:
    (path,) = (*(project.state / "runs").glob("*/log.jsonl"), *(project.state / "shards").glob("*.log"))
    return list(read_log(path))


@pytest.mark.parametrize("args", [(), ("-n2",), ("--eval-shard", "1/1")], ids=["serial", "n2", "shard"])
def test_a_session_has_stages_trials_and_an_end(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    project.model_suite(server, "a", "b")
    server.queue(Behaviour.rate_limited(0))
    project.run(*args)
    events = _events(project)
    trials = [event for event in events if event["event"] == "trial"]
    assert [(trial["case"], trial["outcome"]) for trial in trials] == [("a", "passed"), ("b", "passed")]
    assert sum(trial["attempts"] for trial in trials) == 3
    assert sum(trial.get("limited", 0) for trial in trials) == 1
    assert all(trial["target_s"] > 0 and trial["score_s"] >= 0 for trial in trials)
    assert {event["stage"] for event in events if event["event"] == "stage"} >= {"collect", "run", "store"}
    assert events[-1]["event"] == "end"
    assert events[-1]["exit_code"] == project.verdict["exit_code"]
    assert events[-1]["peak_mib"] > 0


def test_a_case_without_an_output_is_in_the_log_with_its_reason(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a")
    server.script(Behaviour.status(400, "no"))
    project.run()
    (trial,) = [event for event in _events(project) if event["event"] == "trial"]
    assert trial["outcome"] == "errored"
    assert trial["reason"]


def test_the_key_is_not_in_the_log(project: Project, server: ScriptedServer, key: str) -> None:
    project.model_suite(server, "a")
    server.script(Behaviour.status(400, f"bad key {key}"))
    project.run()
    (path,) = (project.state / "runs").glob("*/log.jsonl")
    assert key.encode() not in path.read_bytes()


def test_a_log_that_cannot_be_written_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.suite({"a": "yes"})
    monkeypatch.setattr("pytest_evalgate.plugin.decider.path_of_log", lambda _: project.write("way", "").joinpath("x"))
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["evalgate: the log could not be written: *; the verdict is unchanged"])
