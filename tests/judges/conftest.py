"""Scripted model of a judge, and judges that call it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config
from pytest_evalgate.judges.build import build_judge
from pytest_evalgate.records.calls import Call, Reply

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.judges.judge import JudgeScorer

Scripted = str | dict[str, Any] | Reply | Exception | Callable[[Call], Any]


def last_text(call: Call) -> str:
    """Return the last message of a call, in either API."""
    turns = call.payload.get("messages") or call.payload["input"]
    return str(turns[-1]["content"])


def nonce_of_call(call: Call) -> str:
    """Return the nonce that the reply to a call must repeat."""
    found = re.search(r'- nonce: the text "([0-9a-f]{16})"', last_text(call))
    assert found is not None
    return found[1]


@dataclass
class ScriptedModel:
    """Client that sends one scripted reply per call, and repeats the last one. Dicts get the nonce of their call."""

    script: list[Scripted]
    calls: list[Call] = field(default_factory=list)

    async def send(self, call: Call) -> Reply:
        reply = self.script[min(len(self.calls), len(self.script) - 1)]
        self.calls.append(call)
        reply = reply(call) if callable(reply) else reply
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, dict):
            reply = json.dumps({"nonce": nonce_of_call(call), **reply})
        return reply if isinstance(reply, Reply) else Reply(reply, tokens_in=100, tokens_out=20, cost_usd=0.001)


@dataclass(frozen=True)
class MadeJudge:
    scorer: JudgeScorer
    model: ScriptedModel

    @property
    def calls(self) -> list[Call]:
        return self.model.calls


MakeJudge = Callable[..., MadeJudge]


@pytest.fixture
def make_judge(tmp_path: Path) -> MakeJudge:
    """Build a judge with scripted replies. ``build`` is passed to `build_judge`; the rest are keys of its table."""

    def make(
        *script: Scripted, build: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **table: Any
    ) -> Any:
        if "rubric" not in table:
            table = {"criteria": "It names the refund period of 30 days.", **table}
        client = ScriptedModel(list(script))
        endpoint = config.Model(**{"model": "j-1", "base_url": "http://judge/v1", **(model or {})})
        judge = config.Judge(model="judge-model", **table)
        more = {"root": tmp_path, "counts": True, **(build or {})}
        return MadeJudge(build_judge("faq", judge, endpoint, client=client, **more), client)

    return make
