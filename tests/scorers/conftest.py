from __future__ import annotations

import asyncio
import gzip
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output, Score
from pytest_evalgate.scorers import Context, build

if TYPE_CHECKING:
    from collections.abc import Mapping


Pairs = list[tuple[str, str]]
"""Pairs of texts, to compare a measure with its reference implementation."""


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a compressed JSONL file."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.fixture(scope="session")
def pairs() -> Pairs:
    """Return 200 pairs of replies of two systems to one question, and 200 of random words."""
    folder = Path(__file__).parents[1] / "data"
    systems = [
        {row["id"]: row["output"] for row in rows_of(folder / f"begin_wow.outputs.{name}.jsonl.gz")}
        for name in ("t5", "gpt2")
    ]
    shared = sorted(systems[0].keys() & systems[1].keys())[:200]
    draw = random.Random(20261201)  # noqa: S311 - no secret
    words = [
        "the",
        "The",
        "a",
        "cat",
        "dog,",
        "mat.",
        "sat",
        "on",
        "ran",
        "(red)",
        "3",
        "3.5",
        "don't",
        "it's",
        "-",
        ";",
        "été",
        "Москва",
        "北京",
        '"so"',
    ]
    made = [tuple(" ".join(draw.choices(words, k=draw.randint(0, 12))) for _ in range(2)) for _ in range(200)]
    return [*((systems[0][name], systems[1][name]) for name in shared), *((one, other) for one, other in made)]


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
