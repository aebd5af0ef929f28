"""A client of embeddings and moderations without a server, and the construction of scorers that ask it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_evalgate.config import Model
from pytest_evalgate.records.calls import Call, Reply
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.scorers import Context, build
from pytest_evalgate.scorers.suite_sources import ModelSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.scorers.scorer import WeightedScorer

EMB = Model(model="emb-1", api="embeddings", params={"dimensions": 2})
MOD = Model(model="mod-1", api="moderations")


@dataclass
class ScriptedClient:
    """Replies with the scripted value of each text; an exception is raised."""

    script: Mapping[str, Any]
    calls: list[Call] = field(default_factory=list)

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        found = self.script[call.payload["input"]]
        if isinstance(found, Exception):
            raise found
        return found if isinstance(found, Reply) else Reply([found], tokens_in=3, tokens_out=0, cost_usd=0.1)

    @property
    def texts(self) -> list[str]:
        return [call.payload["input"] for call in self.calls]


def context_of(client: ScriptedClient, **models: Model) -> Context:
    return Context(models=ModelSource(models or {"emb": EMB, "mod": MOD}, lambda: client))


def asked_by(spec: Any, client: ScriptedClient) -> WeightedScorer:
    return build(spec, context=context_of(client))


def score(spec: Any, output: Any, script: Mapping[str, Any], **case: Any) -> Score:
    asked = Case("q1", **{"place": Place("golden/faq.jsonl", 3), **case})
    return asyncio.run(asked_by(spec, ScriptedClient(script)).score(asked, Output(output)))
