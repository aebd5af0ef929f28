"""Near-duplicates: the quick search against comparing every text with every other one."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_evalgate.golden.near_texts import MIN_SIMILARITY, NearTexts

_WORDS = st.lists(st.sampled_from("abcdef"), max_size=14).map(" ".join)


def _pairs(text: str) -> set[tuple[str, ...]]:
    words = text.casefold().split()
    return {*pairwise(words)} or {(word,) for word in words}


def _jaccard(one: str, other: str) -> float:
    first, second = _pairs(one), _pairs(other)
    return len(first & second) / len(first | second) if first | second else 1.0


def _found(texts: list[tuple[str, str]]) -> list[tuple[int, float] | None]:
    near = NearTexts(texts)
    found = []
    for index in range(len(texts)):
        found.append(near.find(index))
        near.add(index)
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_WORDS, st.sampled_from(["", "x y z", "x y w"])), max_size=12))
def test_finds_exactly_the_near_duplicates(texts: list[tuple[str, str]]) -> None:
    for index, found in enumerate(_found(texts)):
        similar = {
            other: _jaccard(texts[index][0], texts[other][0])
            for other in range(index)
            if _jaccard(texts[index][0], texts[other][0]) >= MIN_SIMILARITY
            and _jaccard(texts[index][1], texts[other][1]) >= MIN_SIMILARITY
            and _pairs(texts[index][0])
        }
        assert (found is None) == (not similar)
        assert found is None or similar[found[0]] == found[1]


def test_finds_planted_near_duplicates_among_many_texts_of_a_language() -> None:
    drawn = random.Random(7)  # noqa: S311 - not a secret
    vocabulary, weights = [f"w{rank}" for rank in range(2_000)], [1 / (rank + 1) for rank in range(2_000)]
    texts = [" ".join(drawn.choices(vocabulary, weights, k=60)) for _ in range(900)]
    for number in range(100):
        words = texts[number * 9].split()
        words[drawn.randrange(60)] = "planted"
        texts.append(" ".join(words))
    found = _found([(text, "") for text in texts])
    assert sum(one is not None for one in found[900:]) >= 95
    assert not any(found[:900])
