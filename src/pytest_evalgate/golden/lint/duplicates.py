"""Cases that ask the same, or almost: they count twice, and are not independent of each other."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pytest_evalgate import jsonl
from pytest_evalgate.golden.lint.finding import Finding
from pytest_evalgate.golden.lint.texts import asked, words
from pytest_evalgate.wording import percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.data import Case

    _Shingles = frozenset[int]

ALIKE: Final = 0.8
"""Cases are almost the same where so large a share of their word pairs is common to both (Jaccard index)."""

_BITS: Final = 32
_LONGEST_LIST: Final = 32
"""A pair that stands in more cases than this belongs to a template: it leads to the first ones only."""


def duplicates(cases: Iterable[Case]) -> Iterator[Finding]:
    """Find the cases that ask what an earlier one asks, and those that ask almost that."""
    first: dict[str, Case] = {}
    for case in cases:
        if not asked(case).strip():
            continue
        key = jsonl.digest([case.input, case.messages, case.vars, case.context])
        if key in first:
            yield _same(case, first[key])
        else:
            first[key] = case
    yield from _almost(list(first.values()))


def _same(case: Case, earlier: Case) -> Finding:
    where = f"{jsonl.quoted(earlier.id)} ({earlier.place})"
    if case.expected != earlier.expected or case.expected_any != earlier.expected_any:
        return Finding(case.place, "contradiction", "warning", f"asks what {where} asks, and wants something else")
    return Finding(case.place, "duplicate", "warning", f"asks what {where} asks, so that it counts twice")


def _almost(cases: Sequence[Case]) -> Iterator[Finding]:
    """Find near-duplicates by a join on the rarest pairs: of two that are alike, one of these is common to both."""
    numbers = _Numbers()
    shingles = [_shingles(asked(case), numbers) for case in cases]
    shown = [_shingles("\n".join(case.context), numbers) for case in cases]
    frequency = Counter(pair for held in shingles for pair in held)
    lists: dict[int, list[int]] = defaultdict(list)
    for index, held in enumerate(shingles):
        prefix = _rarest(held, frequency)
        for other in dict.fromkeys(other for pair in prefix for other in lists[pair]):
            likeness = _likeness(held, shingles[other])
            if likeness >= ALIKE and _likeness(shown[index], shown[other]) >= ALIKE:
                yield _near(cases[index], cases[other], likeness)
                break
        for pair in prefix:
            if frequency[pair] > 1 and len(lists[pair]) < _LONGEST_LIST:
                lists[pair].append(index)


def _rarest(held: _Shingles, frequency: Mapping[int, int]) -> list[int]:
    """Return so many of the rarest pairs that what holds none of them is too different; none where all else is."""
    if sum(frequency[pair] > 1 for pair in held) < ALIKE * len(held):
        return []
    by_rarity = sorted(held, key=lambda pair: (frequency[pair], pair))
    return by_rarity[: len(held) - math.ceil(ALIKE * len(held)) + 1]


def _near(case: Case, earlier: Case, likeness: float) -> Finding:
    message = f"almost what {jsonl.quoted(earlier.id)} ({earlier.place}) asks: {percent(likeness)} of the word pairs"
    return Finding(case.place, "near-duplicate", "warning", message)


class _Numbers(dict[str, int]):
    """Numbers words as they are met: a pair of them is one integer, which is faster to sort and to count."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self) + 1
        return number


def _shingles(text: str, numbers: _Numbers) -> _Shingles:
    found = [numbers[word] for word in words(text)]
    return frozenset(one << _BITS | two for one, two in pairwise(found)) or frozenset(found)


def _likeness(one: _Shingles, other: _Shingles) -> float:
    """Return the Jaccard index: the share of all pairs of two texts that both of them hold."""
    both = len(one & other)
    return both / (len(one) + len(other) - both) if one or other else 1.0
