"""The words that two texts differ in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Kind = Literal["same", "removed", "added"]

LARGEST: Final = 250_000
"""Pairs of words that are looked at, which takes 30 ms; longer texts are only told apart as wholes."""

_TOKENS: Final = re.compile(r"\s+|\S+")
_CONTEXT: Final = 24
_WORD: Final = LARGEST
"""What a word that stays weighs; a blank weighs 1, so that no number of them makes up for a word."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Words that follow each other, with the blanks between and around them."""

    kind: Kind
    text: str


def word_diff(old: str, new: str) -> tuple[Piece, ...]:
    """Tell which words to take out of ``old`` and to put in for ``new``.

    Joined, the pieces that are not added give ``old``, those that are not removed give ``new``. What is taken out
    stands before what comes in its place.
    """
    before, now = _TOKENS.findall(old), _TOKENS.findall(new)
    head = _alike(before, now)
    tail = _alike(before[head:][::-1], now[head:][::-1])
    middle = _changed(before[head : len(before) - tail], now[head : len(now) - tail])
    found = [_same(before[:head]), *middle, _same(before[len(before) - tail :])]
    return tuple(piece for piece in _hunks(piece for piece in found if piece.text) if piece.text)


def marked_diff(old: str, new: str) -> str:
    """Write the change from ``old`` to ``new`` as ``[-30-] {+14+} days``; of what stays only what stands beside it.

    Where no word stays, there is nothing to write: the two texts say it all.
    """
    pieces = word_diff(" ".join(old.split()), " ".join(new.split()))
    if not any(piece.kind == "same" for piece in pieces):
        return ""
    last = len(pieces) - 1
    shown = (_marked(piece, first=k == 0, last=k == last) for k, piece in enumerate(pieces))
    return " ".join(filter(None, map(str.strip, shown)))


def _marked(piece: Piece, *, first: bool, last: bool) -> str:
    text = piece.text.strip()
    if piece.kind == "removed":
        return f"[-{text}-]"
    if piece.kind == "added":
        return f"{{+{text}+}}"
    if len(text) <= 2 * _CONTEXT + 5:
        return text
    return f"{'' if first else text[:_CONTEXT].rstrip()} ... {'' if last else text[-_CONTEXT:].lstrip()}"


def _same(words: Sequence[str]) -> Piece:
    return Piece("same", "".join(words))


def _alike(before: Sequence[str], now: Sequence[str]) -> int:
    """Count the words that both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False)))


def _changed(before: Sequence[str], now: Sequence[str]) -> Iterator[Piece]:
    """Walk along a heaviest common subsequence."""
    if len(before) * len(now) > LARGEST:
        yield from (Piece("removed", "".join(before)), Piece("added", "".join(now)))
        return
    left = _weights(before, now)
    i = j = 0
    while i < len(before) or j < len(now):
        if i < len(before) and j < len(now) and before[i] == now[j]:
            yield Piece("same", before[i])
            i, j = i + 1, j + 1
        elif j == len(now) or (i < len(before) and left[i + 1][j] >= left[i][j + 1]):
            yield Piece("removed", before[i])
            i += 1
        else:
            yield Piece("added", now[j])
            j += 1


def _weights(before: Sequence[str], now: Sequence[str]) -> list[list[int]]:
    """Return what the heaviest common subsequence weighs from each pair of words on."""
    table = [[0] * (len(now) + 1)]
    for word in reversed(before):
        below, row, weight = table[-1], [0], 1 if word.isspace() else _WORD
        for j in range(len(now) - 1, -1, -1):
            row.append(below[j + 1] + weight if word == now[j] else max(below[j], row[-1]))
        table.append(row[::-1])
    return table[::-1]


def _hunks(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Put together what changes in one place: a blank between two changed words is part of the change."""
    every = list(pieces)
    last = len(every) - 1
    inner = {k for k in range(1, last) if not every[k].text.strip() and _is_change(every[k - 1], every[k + 1])}
    for same, group in groupby(range(len(every)), lambda k: every[k].kind == "same" and k not in inner):
        hunk = [every[k] for k in group]
        if same:
            yield _same([piece.text for piece in hunk])
            continue
        removed = "".join(piece.text for piece in hunk if piece.kind != "added")
        added = "".join(piece.text for piece in hunk if piece.kind != "removed")
        yield from (Piece("removed", removed), Piece("added", added))


def _is_change(*pieces: Piece) -> bool:
    return all(piece.kind != "same" for piece in pieces)
