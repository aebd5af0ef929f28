"""Events of sessions arrive at a webhook, and change neither verdict nor exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour

if TYPE_CHECKING:
    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer

_TOKEN = "T0123-s3cretS3cret99"  # noqa: S105 - a canary
_ALL_GATES = '{ kind = "pass-rate", min = 0.9, bound = "point" }'


def _answers(project: Project, **outputs: str) -> None:
    rows = [{"id": name, "output": output} for name, output in outputs.items()]
    project.write("golden/faq.out.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def hooked(project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A suite that passes, with a webhook for everything that can happen to it."""
    server.script(Behaviour.reply({"ok": True}))
    monkeypatch.setenv("EVALGATE_SLACK", f"{server.base_url}/{_TOKEN}")
    project.suite({"a": "yes", "b": "yes"}, gates=_ALL_GATES)
    project.configure('notify = [{ webhook_env = "EVALGATE_SLACK", on = ["fail", "recovered", "trend", "stalled"] }]')
    return project


def _alerts(server: ScriptedServer) -> list[Any]:
    return [(alert["event"], alert["subject"]) for request in server.requests for alert in request.body["alerts"]]


def test_a_failure_and_the_recovery_are_sent_once_each(hooked: Project, server: ScriptedServer) -> None:
    assert hooked.run().ret == 0
    assert server.calls == 0
    _answers(hooked, a="yes", b="no")
    result = hooked.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["evalgate: notify: sent 1 alert (fail) to EVALGATE_SLACK", "evalgate: FAIL*"])
    _answers(hooked, a="yes", b="yes")
    assert hooked.run().ret == 0
    assert hooked.run().ret == 0
    assert _alerts(server) == [("fail", "faq"), ("recovered", "faq")]
    failed, recovered = (request.body["alerts"][0] for request in server.requests)
    assert (failed["what"], failed["amount"]) == ("1 of 2 passed, 2 needed", "pass rate 50.0%")
    assert failed["since"].startswith("run ")
    assert recovered["amount"] == "50.0% -> 100.0%"


def test_workers_send_nothing(hooked: Project, server: ScriptedServer) -> None:
    _answers(hooked, a="no", b="no")
    assert hooked.run("-n2").ret == 1
    assert _alerts(server) == [("fail", "faq")]


def test_a_changed_golden_set_is_named_as_a_likely_cause(hooked: Project, server: ScriptedServer) -> None:
    hooked.run()
    hooked.golden("golden/faq.jsonl", "a", "b", "c")
    _answers(hooked, a="yes", b="yes", c="no")
    hooked.run()
    (request,) = server.requests
    assert request.body["alerts"][0]["causes"] == ["data: the golden set changed"]


def test_a_run_without_a_decision_is_sent_with_the_reasons(hooked: Project, server: ScriptedServer) -> None:
    _answers(hooked, a="yes")
    assert hooked.run().ret == 11
    (request,) = server.requests
    (alert,) = request.body["alerts"]
    assert (alert["event"], alert["amount"]) == ("stalled", "1 of 2 cases without a result")
    assert "1 case: " in alert["causes"][0]


def test_a_part_of_a_suite_is_no_event(hooked: Project, server: ScriptedServer) -> None:
    assert hooked.run("--eval-sample", "1").ret == 12
    assert server.calls == 0


@pytest.mark.parametrize(
    "behaviour",
    [Behaviour.status(500), Behaviour.status(302, headers={"Location": "http://127.0.0.1:1/"}), Behaviour.status(403)],
    ids=["500", "redirect", "403"],
)
def test_a_receiver_that_refuses_changes_neither_verdict_nor_exit_code(
    hooked: Project, server: ScriptedServer, behaviour: Behaviour
) -> None:
    server.script(behaviour)
    _answers(hooked, a="yes", b="no")
    result = hooked.run()
    assert (result.ret, hooked.verdict["verdict"], hooked.verdict["exit_code"]) == (1, "fail", 1)
    lines = [line for line in result.outlines if "notify" in line]
    assert len(lines) == 1
    assert lines[0].startswith("evalgate: notify: EVALGATE_SLACK: 1 alert (fail) not sent: HTTP ")
    assert lines[0].endswith("the verdict is unchanged")
    assert _TOKEN not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("ci", [True, False])
def test_a_variable_that_is_not_set_is_reported_in_ci(
    hooked: Project, monkeypatch: pytest.MonkeyPatch, *, ci: bool
) -> None:
    monkeypatch.delenv("EVALGATE_SLACK")
    if ci:
        monkeypatch.setenv("CI", "true")
    _answers(hooked, a="yes", b="no")
    result = hooked.run()
    assert result.ret == 1
    line = "evalgate: notify: EVALGATE_SLACK is not set, so 1 alert (fail) was not sent; the verdict is unchanged"
    assert (line in result.outlines) is ci


@pytest.mark.parametrize("value", ["example.org/hook", "file:///etc/passwd"])
def test_a_value_that_is_no_url_is_not_printed(hooked: Project, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("EVALGATE_SLACK", value)
    _answers(hooked, a="yes", b="no")
    result = hooked.run()
    assert result.ret == 1
    assert value not in result.stdout.str()
    result.stdout.fnmatch_lines(["evalgate: notify: EVALGATE_SLACK: its value must be a URL*"])


def test_an_error_of_our_own_changes_nothing(hooked: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no events today")

    monkeypatch.setattr("pytest_evalgate.app.alerting.AlertFinder.find", broken)
    _answers(hooked, a="yes", b="no")
    result = hooked.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["evalgate: notify: nothing was sent: RuntimeError: no events today*", "*FAIL*"])


def test_pagerduty_gets_its_key_and_no_file_has_it(
    project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script(Behaviour.status(202, {}))
    monkeypatch.setenv("EVALGATE_PAGER", f"{server.base_url}/enqueue?routing_key={_TOKEN}")
    project.suite({"a": "no"}, gates=_ALL_GATES)
    project.configure('notify = [{ webhook_env = "EVALGATE_PAGER", format = "pagerduty" }]')
    assert project.run().ret == 1
    (request,) = server.requests
    assert request.path == "/v1/enqueue"
    assert request.body["routing_key"] == _TOKEN
    assert request.body["payload"]["component"] == "faq"
    assert not [path for path in project.state.rglob("*") if path.is_file() and _TOKEN.encode() in path.read_bytes()]


def test_keys_of_models_are_not_in_messages(
    project: Project, server: ScriptedServer, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALGATE_HOOK", f"{server.base_url}/hook")
    project.model_suite(server, "a", gates=_ALL_GATES)
    project.configure('notify = [{ webhook_env = "EVALGATE_HOOK", on = ["stalled"], format = "slack" }]')
    server.answer_with(
        lambda request: Behaviour.reply({}) if request.path == "/v1/hook" else Behaviour.status(400, f"bad key {key}")
    )
    project.run()
    messages = [request.body for request in server.requests if request.path == "/v1/hook"]
    assert len(messages) == 1
    assert key not in json.dumps(messages)


def test_costs_near_the_budget_are_an_event(
    project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALGATE_HOOK", f"{server.base_url}/hook")
    project.model_suite(server, "a", gates='{ kind = "budget", max_cost_usd = 0.000001 }')
    server.script(Behaviour.text("yes", usage=(880, 10)))
    project.configure('budget_usd = 0.001\nnotify = [{ webhook_env = "EVALGATE_HOOK", on = ["cost"] }]')
    project.run()
    (request,) = [request for request in server.requests if request.path == "/v1/hook"]
    whole, suite = request.body["alerts"]
    assert whole["what"] == "the run used most of budget_usd"
    assert whole["amount"] == "US$0.0009 of US$0.0010"
    assert (suite["subject"], suite["event"]) == ("faq", "cost")
    assert suite["amount"].endswith("at most US$0.000001")


def test_merge_sends_what_the_shards_did_not(
    hooked: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_evalgate.cli import main  # noqa: PLC0415 - the plugin's tests import it when they need it

    _answers(hooked, a="yes", b="no")
    for shard in ("1/2", "2/2"):
        hooked.run("--eval-shard", shard)
    assert server.calls == 0
    monkeypatch.chdir(hooked.path)
    assert main(["merge", ".evalgate/shards", "--expect-shards", "2", "--gate"]) == 1
    assert _alerts(server) == [("fail", "faq")]
