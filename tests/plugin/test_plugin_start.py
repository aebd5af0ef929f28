"""What a session loads, and when: the first call leaves before anything that only later parts need."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from tests.support.behaviours import Behaviour

if TYPE_CHECKING:
    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer

_STATISTICS = {"numpy", "scipy"}
_REPORTS = {"jinja2", "pytest_evalgate.app.view", "pytest_evalgate.reports.html"}
_CLIENTS = {"openai", "httpx", "httpx2", "h11", "anyio"}
_CALLS = {*_CLIENTS, "asyncio", "diskcache", "sqlite3", "tenacity", "ssl", "urllib.request", "http.client"}
_VERBS = {"pytest_evalgate.cli", "pytest_evalgate.server", "pytest_evalgate.importing", "pytest_evalgate.curation"}

# writes the loaded modules at the first connection, or at the end of a session without one
_NOTING = """
import json, os, sys

sys.modules["uvloop"] = None  # it connects without an audit event

def note(name):
    path = os.path.join(os.path.dirname(__file__), name)
    if not os.path.exists(path):
        with open(path, "w") as file:
            json.dump(sorted(sys.modules), file)

sys.modules["uvloop"] = None  # its connections raise no audit event
sys.addaudithook(lambda event, _: note("first.json") if event == "socket.connect" else None)

def pytest_unconfigure(config):
    note("end.json")
"""


def _run(project: Project, *args: str) -> None:
    project.write("conftest.py", _NOTING)
    command = (sys.executable, "-m", "pytest", "--disable-plugin-autoload", "-p", "no:cacheprovider")
    done = project.pytester.run(*command, "-p", "pytest_evalgate.plugin", "--eval-gate", *args)
    assert done.ret == 0, done.outlines


def _loaded(project: Project, name: str, of: set[str]) -> list[str]:
    modules: list[str] = json.loads((project.path / name).read_text(encoding="utf-8"))
    return sorted(of.intersection(modules))


def test_a_recorded_suite_without_a_baseline_needs_neither_calls_nor_statistics(project: Project) -> None:
    project.suite({"a": "yes"})
    project.configure('store = "off"\n')
    project.configure('formats = ["json"]\n', table="report")
    _run(project)
    assert (
        _loaded(project, "end.json", {*_STATISTICS, *_CALLS, *_VERBS, "jinja2", "pytest_evalgate.reports.html"}) == []
    )


@pytest.mark.parametrize("client", ["http", "openai"])
def test_the_first_request_leaves_before_statistics_and_reports_are_loaded(
    project: Project, server: ScriptedServer, client: str
) -> None:
    project.model_suite(server, "a", "b", model={"client": f'"{client}"'})
    server.script(Behaviour.text("yes"))
    _run(project)
    others = {"openai", "httpx2"} if client == "http" else set[str]()
    assert _loaded(project, "first.json", {*_STATISTICS, *_REPORTS, *_VERBS, *others}) == []
    assert _loaded(project, "end.json", _REPORTS) == sorted(_REPORTS)


def test_a_judge_needs_no_statistics_before_the_first_request(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", model={"client": '"http"'}, scorers='["exact", { judge = "sure" }]')
    project.configure('model = "candidate"\ncriteria = "Is it a yes?"\nreport_only = true\n', table="judges.sure")
    server.script(Behaviour.text("yes"))
    project.write("conftest.py", _NOTING)
    _run(project)
    assert _loaded(project, "first.json", {*_STATISTICS, *_REPORTS}) == []


def test_a_function_is_called_without_the_clients_of_models(project: Project) -> None:
    project.python_suite(
        "import sys, conftest\ndef answer(question):\n    conftest.note('first.json')\n    return 'yes'\n", "a"
    )
    _run(project)
    assert _loaded(project, "first.json", {*_CLIENTS, "urllib.request"}) == []


def _estimate_comes_first(project: Project, *args: str) -> bool:
    """Return whether the estimate is complete before the first case is started."""
    project.write(
        "conftest.py",
        "from pytest_evalgate.plugin.launch import Launch\n"
        "made = []\n"
        "estimate, begin = Launch._estimate, Launch._begin\n"
        "def note_estimate(*args, **options):\n    made.append('estimate')\n    return estimate(*args, **options)\n"
        "def note_begin(*args):\n    made.append('begin')\n    return begin(*args)\n"
        "def pytest_configure(config):\n    Launch._estimate, Launch._begin = note_estimate, note_begin\n"
        "def pytest_unconfigure(config):\n    Launch._estimate, Launch._begin = estimate, begin\n    print(made)\n",
    )
    result = project.run("-s", *args)
    [order] = [line for line in result.outlines if line.startswith("['")]
    return order == "['estimate', 'begin']"


def test_calls_come_before_the_estimate_unless_it_could_refuse_them_or_find_cached_ones(
    project: Project, server: ScriptedServer
) -> None:
    project.model_suite(server, "a")
    assert _estimate_comes_first(project, "--eval-budget-usd", "1")
    assert _estimate_comes_first(project)  # the reply is cached now
    (project.state / "cache").rename(project.state / "old")
    assert not _estimate_comes_first(project)


def test_a_budget_refuses_before_the_first_call(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a")
    assert project.run("--eval-budget-usd", "0.0000001").ret == 12
    assert not server.requests
