"""What needs no judge: outputs that say nothing at all. Some of them talk a model into passing them."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from pytest_evalgate.jsonl import quoted
from pytest_evalgate.judging.candidate import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_evalgate.data import Json

_FEWEST: Final = 2
_LONGEST_OPENER: Final = 80
_AROUND: Final = re.compile(r"^[\W_]+|[\W_]+$")

_OPENERS: Final = frozenset(
    {
        "answer",
        "final answer",
        "here is my answer",
        "let me think step by step",
        "let us solve this problem step by step",
        "let us think step by step",
        "let us work through this one step at a time",
        "let's solve this problem step by step",
        "let's think step by step",
        "n/a",
        "okay, let us work through this one step at a time",
        "output",
        "reasoning",
        "respuesta",
        "response",
        "solution",
        "sure, here is the answer",
        "the answer is",
        "thinking",
        "thought",
        "thought process",
        "答え",
        "答案",
        "解",
        "解答",
        "解説",
        "解决方案",
        "かいせつ",
    }
)
"""Openings of an answer that have been seen to pass alone (arXiv 2507.08794), and their translations."""


def miss_without_asking(text: str, references: Iterable[Json]) -> str | None:
    """Say why an output is a miss that no judge has to look at; None where one has to.

    Args:
        text: The whole output.
        references: What is wanted of it: an output that is one of them is never decided here, however short.

    """
    if not text.strip():
        return "the output is empty"
    if _folded(text) in {_folded(text_of(one)) for one in references}:
        return None
    if len(list(islice(filter(str.isalnum, text), _FEWEST))) < _FEWEST:
        return "the output holds fewer than two letters or digits"
    if len(text) <= _LONGEST_OPENER and _AROUND.sub("", _folded(text)) in _OPENERS:
        return f"the output only opens an answer: {quoted(text.strip())}"
    return None


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold().replace("\u2019", "'")
