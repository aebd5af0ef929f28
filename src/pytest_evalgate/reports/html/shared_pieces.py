"""Texts of many cases, in which each line or sentence that occurs twice is stored once.

gzip finds a repetition within 32 KB, which is 25 cases. In a chunk of 2,000 the same context, instruction or sentence
occurs further apart: without this, 10,000 cases whose answers are unlike their baseline's take 7.3 MB instead of 5.7.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.records.cases import Json

_LEAST: Final = 16
"""Characters from which on a piece is worth its number."""

_OF_CASE: Final = ("input", "expected", "before", "reason")
_OF_TRIAL: Final = ("output", "reason", "reasoning")


def share(rows: Sequence[dict[str, Any]]) -> dict[str, Json]:
    """Replace the texts in ``rows``, as `data.texts` makes them, which have pieces in common.

    Returns:
        ``pieces``, and ``texts``: the rows, in which such a text is a list of strings and of numbers of pieces, to be
        joined. `joinPieces` in report.js does so.

    """
    places = [(holder, name, holder[name]) for row in rows for holder, name in _places(row)]
    split: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    for _, _, text in places:
        if text not in split:
            split[text] = _pieces(text)
        counts.update(split[text])
    common = [piece for piece, count in counts.items() if count > 1 and len(piece) >= _LEAST]
    numbers = {piece: number for number, piece in enumerate(common)}
    short: dict[str, list[Json]] = {
        text: [numbers.get(piece, piece) for piece in pieces]
        for text, pieces in split.items()
        if not numbers.keys().isdisjoint(pieces)
    }
    for holder, name, text in places:
        holder[name] = short.get(text, text)
    return {"pieces": list(common), "texts": list(rows)}


def _places(row: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each object of a row that has a text of some length, and the text's name in it."""
    for name in _OF_CASE:
        if len(row.get(name, "")) >= _LEAST:
            yield row, name
    for trial in row.get("trials", ()):
        for name in _OF_TRIAL:
            if len(trial.get(name, "")) >= _LEAST:
                yield trial, name
        for score in trial.get("scores", ()):
            if len(score["reason"]) >= _LEAST:
                yield score, "reason"


def _pieces(text: str) -> list[str]:
    """Return the lines and sentences of a text; joined they are the text."""
    if "\0" in text:
        return [text]
    return text.replace("\n", "\n\0").replace(". ", ". \0").split("\0")
