"""The cosine of the embeddings of an output and its best reference, wherever the embeddings come from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.scorers.text import all_expected, as_text, format_value, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Graded, Output


@dataclass(frozen=True, slots=True)
class Similarity:
    """The question for embeddings of an output and its references; None for those of the case."""

    references: tuple[str, ...] | None = None

    @property
    def reads(self) -> frozenset[str]:
        """Names of the fields of the case that decide the grade."""
        return frozenset({"expected", "expected_any"} if self.references is None else ())

    def texts(self, case: Case, output: Output) -> tuple[str, ...]:
        """Return the output and the references; raise ScorerError if there is none, or one is empty."""
        wanted = tuple(map(as_text, all_expected(case, self.references)))
        if not all(text.strip() for text in wanted):
            raise ScorerError('the reference is empty: set "expected"')
        return text_of(output), *wanted

    def grade(self, texts: Sequence[str], values: Sequence[Json]) -> Graded:
        """Return the largest cosine of the first vector and one of the others."""
        lengths = {len(vector) for vector in values}
        if len(lengths) > 1:
            return None, f"the endpoint returned embeddings of {min(lengths)} and {max(lengths)} numbers"
        found = [cosine(values[0], vector) for vector in values[1:]]
        best = max(range(len(found)), key=found.__getitem__)
        return max(0.0, found[best]), f"cosine {found[best]:.3f} with {format_value(texts[1 + best])}"

    def grade_empty(self) -> Graded:
        """Return 0: no reference is empty."""
        return 0.0, "the output is empty"


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors, from -1 to 1.

    Both are divided by their largest number first, so that no square overflows.
    """
    left, right = _scaled(one), _scaled(other)
    product = math.fsum(a * b for a, b in zip(left, right, strict=True))
    lengths = math.sqrt(math.fsum(a * a for a in left)) * math.sqrt(math.fsum(b * b for b in right))
    return max(-1.0, min(1.0, product / lengths))


def _scaled(vector: Sequence[float]) -> list[float]:
    largest = max(map(abs, vector))
    return [number / largest for number in vector]
