"""Helpers for tests of your own targets, scorers and hooks.

Grade one output with a scorer as the configuration would::

    from pytest_evalgate import Case
    from pytest_evalgate.testing import grade_once

    def test_an_answer_may_be_off_by_a_tenth():
        (score,) = grade_once({"kind": "number", "tolerance": 0.1}, case=Case("a", expected=2), output="about 2.05")
        assert score.passed

Test your own target, here ``myapp.bot.answer``, against a scripted OpenAI-compatible server on this machine. The
fixture ``evalgate_server`` is a `ScriptedServer` that runs for one test. It needs no key and no network::

    from pytest_evalgate.testing import Behaviour

    def test_the_bot_retries_after_a_429(evalgate_server, monkeypatch):
        monkeypatch.setenv("OPENAI_BASE_URL", evalgate_server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        evalgate_server.queue(Behaviour.rate_limited(retry_after=0))
        evalgate_server.script(Behaviour.text("The refund period is 30 days."))
        assert "30 days" in myapp.bot.answer("How long may I return it?")
        assert evalgate_server.calls == 2
        assert evalgate_server.requests[0].body["model"] == "gpt-x-mini"

Without pytest: ``with ScriptedServer() as server: ...``. `Behaviour` lists the possible responses.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_evalgate.testing.fakes import FixedScorer, ScriptedTarget, grade_once
    from pytest_evalgate.testing.server import Behaviour, Request, ScriptedServer

__all__ = ["Behaviour", "FixedScorer", "Request", "ScriptedServer", "ScriptedTarget", "grade_once"]

_SERVER_NAMES = {"Behaviour", "Request", "ScriptedServer"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "server" if name in _SERVER_NAMES else "fakes"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
