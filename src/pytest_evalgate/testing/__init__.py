"""What tests of your own targets, scorers and hooks need: fakes of the seams, and a local server with a script.

A scorer, graded as the configuration would::

    from pytest_evalgate import Case
    from pytest_evalgate.testing import grade_once

    def test_an_answer_may_be_off_by_a_tenth():
        (score,) = grade_once({"kind": "number", "tolerance": 0.1}, case=Case("a", expected=2), output="about 2.05")
        assert score.passed

A target of your own, here ``myapp.bot.answer``, against a server that speaks OpenAI's API on this machine. The
fixture ``evalgate_server`` is a `ScriptedServer` that runs for one test: no key, no network, no cost::

    from pytest_evalgate.testing import Behaviour

    def test_the_bot_comes_back_after_a_429(evalgate_server, monkeypatch):
        monkeypatch.setenv("OPENAI_BASE_URL", evalgate_server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "any")
        evalgate_server.queue(Behaviour.rate_limited(retry_after=0))
        evalgate_server.script(Behaviour.text("The refund period is 30 days."))
        assert "30 days" in myapp.bot.answer("How long may I return it?")
        assert evalgate_server.calls == 2
        assert evalgate_server.requests[0].body["model"] == "gpt-x-mini"

Without pytest: ``with ScriptedServer() as server: ...``. What it can do is listed at `Behaviour`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_evalgate.testing.behaviours import Behaviour
    from pytest_evalgate.testing.exchange import Answer, Request
    from pytest_evalgate.testing.fakes import FixedScorer, ScriptedTarget, grade_once
    from pytest_evalgate.testing.limits import Limits
    from pytest_evalgate.testing.server import ScriptedServer
    from pytest_evalgate.testing.status_answers import QUOTA_CODES
    from pytest_evalgate.testing.traffic import Counts

__all__ = [
    "QUOTA_CODES",
    "Answer",
    "Behaviour",
    "Counts",
    "FixedScorer",
    "Limits",
    "Request",
    "ScriptedServer",
    "ScriptedTarget",
    "grade_once",
]

_HOMES = {
    "behaviours": ("Behaviour",),
    "exchange": ("Answer", "Request"),
    "fakes": ("FixedScorer", "ScriptedTarget", "grade_once"),
    "limits": ("Limits",),
    "server": ("ScriptedServer",),
    "status_answers": ("QUOTA_CODES",),
    "traffic": ("Counts",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
