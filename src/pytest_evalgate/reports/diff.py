"""Word diff of two texts."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import takewhile
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Kind = Literal["same", "removed", "added"]

LARGEST: Final = 250_000
"""Pairs of words that are compared, which takes 40 ms; a larger change is shown as one replacement."""

_CONTEXT: Final = 24
_ALIKE: Final = 0.25
_KINDS: Final[tuple[Kind, ...]] = ("same", "removed", "added")


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive words, joined by single spaces."""

    kind: Kind
    text: str


def word_diff(old: str, new: str) -> tuple[Piece, ...]:
    """Return the words to remove from ``old`` and to add for ``new``.

    The pieces that are not added are the words of ``old``, those that are not removed the words of ``new``. A removed
    piece comes before the piece that replaces it.
    """
    before, now = old.split(), new.split()
    head = _common_start(before, now)
    tail = _common_start(before[head:][::-1], now[head:][::-1])
    end = len(before) - tail
    found: list[tuple[Kind, Sequence[str]]] = [("same", before[:head])]
    for same, removed, added in _changes(before[head:end], now[head : len(now) - tail]):
        found += [("same", removed)] if same else [("removed", removed), ("added", added)]
    found.append(("same", before[end:]))
    return tuple(Piece(kind, " ".join(words)) for kind, words in found if words)


def condense(pieces: Sequence[Piece], longest: int) -> tuple[Piece, ...]:
    """Return the pieces with long unchanged ones shortened to the words next to a change.

    Of a text that is still longer than ``longest`` characters, the end is cut.

    ::

        ... within [-14-] {+30+} days of delivery ...
    """
    last, room, shown = len(pieces) - 1, longest, list[Piece]()
    for number, piece in enumerate(pieces):
        text = piece.text if not last else _shortened(piece, first=number == 0, last=number == last)
        if len(text) > room:
            return (*shown, Piece(piece.kind, f"{text[:room]}..."))
        shown.append(Piece(piece.kind, text))
        room -= len(text)
    return tuple(shown)


def are_alike(pieces: Sequence[Piece]) -> bool:
    """Return whether two texts share at least a quarter of the shorter one.

    Of texts that share fewer words, nearly all is marked, which is harder to read than the texts themselves.
    """
    same, removed, added = (sum(len(one.text) for one in pieces if one.kind == kind) for kind in _KINDS)
    return same >= _ALIKE * (same + min(removed, added)) and same > 0


def one_side(pieces: Iterable[Piece], kind: Kind) -> tuple[Piece, ...]:
    """Return the pieces of one of the two texts: ``removed`` for the old one, ``added`` for the new one."""
    return tuple(piece for piece in pieces if piece.kind in {"same", kind})


def marked_diff(old: str, new: str) -> str:
    """Return the change from ``old`` to ``new`` as ``[-30-] {+14+} days``, with the words next to each change.

    Return an empty text if the two have no word in common, because a diff would add no information.
    """
    return mark_pieces(word_diff(old, new))


def mark_pieces(pieces: Sequence[Piece]) -> str:
    """Return a word diff as `marked_diff` does."""
    if not any(piece.kind == "same" for piece in pieces):
        return ""
    last = len(pieces) - 1
    shown = (_marked(piece, first=k == 0, last=k == last) for k, piece in enumerate(pieces))
    return " ".join(map(str.strip, shown))


def _marked(piece: Piece, *, first: bool, last: bool) -> str:
    text = _shortened(piece, first=first, last=last)
    return {"removed": f"[-{text}-]", "added": f"{{+{text}+}}"}.get(piece.kind, text)


def _shortened(piece: Piece, *, first: bool, last: bool) -> str:
    """Return the text of a piece; that of an unchanged piece without its middle if it is long."""
    text = piece.text
    if piece.kind != "same" or len(text) <= 2 * _CONTEXT + 5:
        return text
    head, tail = text[:_CONTEXT].rpartition(" "), text[-_CONTEXT:].partition(" ")
    return f"{'' if first else head[0] or head[2]} ... {'' if last else tail[2] or tail[0]}".strip()


def _common_start(before: Sequence[str], now: Sequence[str]) -> int:
    """Return the number of words that both start with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, now, strict=False)))


def _changes(before: Sequence[str], now: Sequence[str]) -> Iterator[tuple[bool, Sequence[str], Sequence[str]]]:
    if len(before) * len(now) > LARGEST:
        yield False, before, now
        return
    for tag, i, j, k, m in SequenceMatcher(None, before, now, autojunk=False).get_opcodes():
        yield tag == "equal", before[i:j], now[k:m]
