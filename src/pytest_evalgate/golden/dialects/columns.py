"""Names of columns and keys that have a canonical field, in tables and documents that follow no known dialect."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pytest_evalgate.golden.dialects.translate import EXPECTED_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "id": (
        *("id", "case id", "test id", "example id", "sample id", "question id", "dataset record id", "external id"),
        *("uuid", "name", "description"),
    ),
    "input": (
        *("input", "inputs", "question", "query", "prompt", "user input", "instruction", "user question"),
        *("user query", "user message", "user prompt", "customer question", "test input", "utterance", "questions"),
        *("message", "text"),
    ),
    "messages": ("messages", "conversation", "chat history"),
    "vars": ("vars", "variables"),
    "expected": (
        *(name for name in EXPECTED_NAMES if name != "answer"),  # next to others, it may be an output
        *("expected answer", "expected result", "expected value", "correct answer", "right answer", "ideal answer"),
        *("ideal output", "ideal response", "reference output", "reference response", "gold", "gold answer"),
        *("golden answer", "gold standard", "model solution", "solution", "answer", "answers", "label"),
    ),
    "expected_any": ("expected any", "accepted answers", "acceptable answers", "alternatives"),
    "output": (
        *("output", "actual output", "actual answer", "actual response", "actual result", "response", "completion"),
        *("prediction", "provider output", "model output", "model answer", "model response", "bot answer"),
        *("bot response", "generated answer", "generated output", "generated text", "system output", "llm output"),
    ),
    "context": (
        *("retrieval context", "retrieved contexts", "retrieved context", "contexts", "context", "documents"),
        *("retrieved documents", "passages"),
    ),
    "reference_context": (
        *("reference context", "reference contexts", "expected retrieved context", "relevant doc ids"),
        *("relevant documents", "source documents"),
    ),
    "rubric": (
        *("rubric", "criteria", "guidelines", "rubrics", "grading criteria", "grading notes", "grading instructions"),
        *("evaluation criteria", "expected outcome"),
    ),
    "expected_tools": ("expected tools", "reference tool calls", "expected trajectory", "expected tool calls"),
    "trajectory": ("trajectory", "tools called", "tool calls"),
    "asserts": ("asserts", "assertions", "checks"),
    "tags": ("tags", "tag", "labels"),
    "slice": ("slice",),
    "metadata": ("metadata",),
    "split": ("split",),
    "weight": ("weight",),
    "trials": ("trials", "trial count"),
    "skip": ("skip",),
    "human_label": ("human label", "human score", "gold label"),
}
"""Names by canonical field, in order of precedence: the first that a table has is read."""

WEAK_IDS: Final = frozenset({"name", "description"})
"""Names of an id that often have another meaning: they are ids only if every row has a different one."""


@lru_cache(maxsize=4096)
def normal_name(name: str) -> str:
    """Return a name in the form of `COLUMN_NAMES`: ``expectedOutput`` is ``expected output``."""
    text = unicodedata.normalize("NFKC", name).strip()
    if " " not in text:
        text = _HUMP.sub(" ", text)
    return " ".join(_SEPARATORS.sub(" ", text.casefold()).strip(" ?:*.").split())


_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS: Final = re.compile(r"[\s_\-]+")
_RANKS: Final = {
    normal_name(name): (field, rank) for field, names in COLUMN_NAMES.items() for rank, name in enumerate(names)
}


def field_of(name: str) -> tuple[str, int] | None:
    """Return the canonical field that a name has, and the rank of the name in it; None if it has none."""
    return _RANKS.get(normal_name(name))


def known_names() -> frozenset[str]:
    """Return all names, in the form that `normal_name` returns."""
    return frozenset(_RANKS)
