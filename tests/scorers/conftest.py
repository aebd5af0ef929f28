from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.scorers import Context, build

if TYPE_CHECKING:
    from collections.abc import Mapping


class ScoreOf(Protocol):
    def __call__(self, spec: str | Mapping[str, Any], output: Any, **case: Any) -> Score: ...


@pytest.fixture(scope="session")
def context() -> Context:
    return Context(place="suites.faq.scorers")


@pytest.fixture(scope="session")
def score_of(context: Context) -> ScoreOf:
    """Build a scorer and let it grade one output of a case with the given fields."""

    def score(spec: str | Mapping[str, Any], output: Any, **case: Any) -> Score:
        asked = Case("q1", **{"place": Place("golden/faq.jsonl", 3), **case})
        return asyncio.run(build(spec, context=context).score(asked, Output(output)))

    return score
