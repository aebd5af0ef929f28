"""Suites that stop early: every call is counted at the server, and the verdict is that of the whole run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.testing import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tests.plugin.conftest import Project

    from pytest_evalgate.testing import Request, ScriptedServer

_IDS = [f"c{index:02}" for index in range(40)]
_ONE_BY_ONE = {"max_concurrency": "1"}
_AHEAD = 2
"""Cases that are under way, or wait for their turn at the limiter, when a suite stops."""

_GATE = '{ kind = "no-regression" }'


def _missing(missed: Collection[str]) -> Callable[[Request], Behaviour]:
    """Answer "no" to what is missed."""

    def decide(request: Request) -> Behaviour:
        return Behaviour.text("no" if request.body["messages"][-1]["content"] in missed else "yes")

    return decide


def _promote(project: Project, server: ScriptedServer, missed: Collection[str] = ()) -> int:
    """Run the suite, make that its baseline, and forget the answers; return the calls that were made."""
    server.answer_with(_missing(missed))
    assert project.run("--eval-stop", "never").ret in {0, 1}
    assert main(["baseline", "promote", "--reason", "first"]) == 0
    shutil.rmtree(project.state / "cache")
    return server.calls


@pytest.mark.parametrize("args", [(), ("-n", "2")], ids=["serial", "n2"])
def test_a_suite_that_broke_stops(project: Project, server: ScriptedServer, args: tuple[str, ...]) -> None:
    project.model_suite(server, *_IDS, gates=_GATE, model=_ONE_BY_ONE)
    before = _promote(project, server)
    server.answer_with(_missing(_IDS))
    result = project.run(*args)
    print(result.stdout.str())
    sent = server.calls - before
    assert 4 <= sent <= 4 + _AHEAD + 1
    assert result.ret == 1
