"""Advice about missing outputs: a retry of the job is advised only if it can help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.support.behaviours import Behaviour

from pytest_evalgate.engine.retry import RetryPolicy
from pytest_evalgate.plugin.ledger import error_result
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import PlannedCase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer

_RETRY = "retry the job"
_RERUN = "A re-run sends only"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryPolicy, "pause_s", lambda *_: 0.01)


def _screen(project: Project) -> str:
    """Return all that a run prints and reports."""
    project.configure('report = { formats = ["markdown", "html"] }')
    text = project.run().stdout.str()
    reports = (path for path in project.state.rglob("*") if path.suffix in {".md", ".html"})
    return text + "".join(path.read_text(encoding="utf-8") for path in reports)


def _error(message: str, **fields: str) -> dict[str, Mapping[str, str]]:
    return {"error": {"message": message, **fields}}


@dataclass(frozen=True)
class Row:
    """A refusal of every call, the words that name what to change, and the number of requests."""

    behaviour: Behaviour
    says: str
    sent: int = 1


_FINAL = {
    "307": Row(
        Behaviour.status(307, headers={"Location": "/v1/chat/completions/"}),
        "307: it redirects to /v1/chat/completions/: write that as base_url",
    ),
    "404": Row(Behaviour.status(404, {"detail": "Not Found"}), "check the model name 'gpt-x-mini' and base_url"),
    "unsupported parameter": Row(
        Behaviour.status(400, _error("Unsupported parameter: 'max_tokens'.", code="unsupported_parameter")),
        "change or remove it where it is set",
    ),
    "wrong key": Row(
        Behaviour.status(400, [_error("API key not valid. Please pass a valid API key.")]),
        "check the environment variable CANDIDATE_KEY",
    ),
    "empty balance": Row(
        Behaviour.status(400, _error("Your credit balance is too low to access the API")), "add credit"
    ),
    "bad request": Row(Behaviour.status(400, _error("no")), "400 refused", sent=3),
}


@pytest.mark.parametrize("row", _FINAL.values(), ids=_FINAL.keys())
def test_a_final_refusal_is_never_called_retryable(project: Project, server: ScriptedServer, row: Row) -> None:
    project.model_suite(server, "a", "b", "c", model={"max_concurrency": "1"})
    server.script(row.behaviour)
    screen = _screen(project)
    assert (project.verdict["exit_code"], server.calls) == (11, row.sent)
    assert row.says in " ".join(project.rows["c"]["reason"].split())
    assert _RETRY not in screen
    assert _RERUN not in screen
    assert "A re-run alone may not help" in screen


def _recorded(project: Project) -> None:
    project.suite({"a": "yes", "b": None})


def _null(project: Project) -> None:
    project.suite({"a": "yes", "b": "yes"})
    project.write("golden/faq.out.jsonl", '{"id": "a", "output": "yes"}\n{"id": "b", "output": null}\n')


def _scorer(project: Project) -> None:
    project.suite({"a": "yes"}, scorers='[{ python = "bot:grade" }]')
    project.write("bot.py", "def grade(case, output):\n    raise KeyError('label')\n")


def _could_not_tell(project: Project) -> None:
    project.suite({"a": "yes"}, scorers='[{ python = "bot:grade" }]')
    project.write("bot.py", "def grade(case, output):\n    return None\n")


@pytest.mark.parametrize("build", [_recorded, _null, _scorer, _could_not_tell])
def test_what_runs_without_a_network_is_never_called_retryable(
    project: Project, build: Callable[[Project], None]
) -> None:
    build(project)
    screen = _screen(project)
    assert project.verdict["verdict"] == "incomplete"
    assert _RETRY not in screen
    assert "fix the reasons first" in screen


def test_a_dead_engine_is_never_called_retryable() -> None:
    assert error_result(PlannedCase("a", Place("g", 1), "f"), "the engine's thread has ended").is_final


def test_an_outage_is_called_retryable(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b", "c")
    server.answer_with(
        lambda request: Behaviour.status(503) if "b" in str(request.body["messages"]) else Behaviour.text("yes")
    )
    screen = _screen(project)
    assert "exit 11: retry the job, not the prompt" in screen
    assert "A re-run sends only 1 case: the other answers are cached." in screen


def test_an_outage_of_all_calls_has_no_cached_answers(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b", "c")
    server.script(Behaviour.status(503))
    screen = _screen(project)
    assert "exit 11: retry the job, not the prompt" in screen
    assert _RERUN not in screen


def test_one_final_refusal_among_outages_is_to_be_fixed_first(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b", "c")
    faults = {"a": Behaviour.status(503), "b": Behaviour.status(400)}
    server.answer_with(lambda request: faults.get(request.body["messages"][-1]["content"], Behaviour.text("yes")))
    screen = _screen(project)
    assert "fix the reasons first: 1 of them may fail again" in screen
    assert _RETRY not in screen


def test_errors_of_an_application_are_its_failures(project: Project, server: ScriptedServer) -> None:
    url = server.base_url.replace("/v1", "/ask?api-version=1&code=2")
    ids = [f"case-{number:02}" for number in range(12)]
    project.suite(
        dict.fromkeys(ids),
        target=f'{{ http = {{ url = "{url}", body = {{ q = "{{{{ input }}}}" }} }}, version = "1" }}',
    )
    server.script(Behaviour.status(500))
    screen = _screen(project)
    assert (project.verdict["exit_code"], project.verdict["verdict"]) == (1, "fail")
    assert set(project.outcomes.values()) == {"missed"}
    assert {request.path for request in server.requests} == {"/ask?api-version=1&code=2"}
    assert _RETRY not in screen
