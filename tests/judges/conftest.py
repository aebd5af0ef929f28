"""A judge's model that answers from a script, and judges that ask it."""

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

Said = str | dict[str, Any] | Reply | Exception | Callable[[Call], Any]


def last_text(call: Call) -> str:
    """Return the last message of a call, in either API."""
    turns = call.payload.get("messages") or call.payload["input"]
    return str(turns[-1]["content"])


def nonce_of_call(call: Call) -> str:
    """Return the nonce that the reply to a call has to repeat."""
    found = re.search(r'- nonce: the text "([0-9a-f]{16})"', last_text(call))
    assert found is not None
    return found[1]


@dataclass
class ScriptedModel:
    """Says what the script says, a reply a call, the last one for ever; fields get the nonce of their call."""

    script: list[Said]
    calls: list[Call] = field(default_factory=list)

    async def send(self, call: Call) -> Reply:
        said = self.script[min(len(self.calls), len(self.script) - 1)]
        self.calls.append(call)
        said = said(call) if callable(said) else said
        if isinstance(said, Exception):
            raise said
        if isinstance(said, dict):
            said = json.dumps({"nonce": nonce_of_call(call), **said})
        return said if isinstance(said, Reply) else Reply(said, tokens_in=100, tokens_out=20, cost_usd=0.001)


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
    """Make a judge whose model says what it is given; ``build`` goes to `build_judge`, the rest into its table."""

    def make(
        *script: Said, build: dict[str, Any] | None = None, model: dict[str, Any] | None = None, **table: Any
    ) -> Any:
        if "rubric" not in table:
            table = {"criteria": "It names the refund period of 30 days.", **table}
        client = ScriptedModel(list(script))
        endpoint = config.Model(**{"model": "j-1", "base_url": "http://judge/v1", **(model or {})})
        judge = config.Judge(model="judge-model", **table)
        more = {"root": tmp_path, "counts": True, **(build or {})}
        return MadeJudge(build_judge("faq", judge, endpoint, client=client, **more), client)

    return make
