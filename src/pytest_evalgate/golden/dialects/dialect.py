"""What a dialect is: the names by which its rows are known, and what becomes of each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Row = Mapping[str, Any]
    Read = Callable[[Any, Row], Mapping[str, Any]]


class Misread(ValueError):  # noqa: N818 - named as the thing that happened
    """A value that a dialect cannot be translated from; ``inside`` is where in the value, as ``[2].type``."""

    def __init__(self, message: str, inside: str = "") -> None:
        """Keep the place beside the message."""
        super().__init__(message)
        self.inside = inside


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a dialect: the first of ``names`` that a row gives is read into canonical fields.

    ``into`` is the field that it is known by, ``read`` makes canonical fields of (value, row).
    """

    into: str
    names: tuple[str, ...]
    read: Read


@dataclass(frozen=True, slots=True)
class Dialect:
    """The rows of one tool.

    A row is one of them where it has a name of each set of ``needs`` and none of ``without``. Names in ``extras`` are
    kept in the metadata, as are those of a part that come after the one that was read. ``prepare`` rewrites a row
    before its parts are read.
    """

    name: str
    needs: tuple[frozenset[str], ...]
    without: frozenset[str]
    parts: tuple[Part, ...]
    extras: frozenset[str] = frozenset()
    prepare: Callable[[Row], Row] | None = None

    def is_like(self, names: frozenset[str]) -> bool:
        """Tell whether a row with these names has what this dialect needs."""
        return all(not wanted.isdisjoint(names) for wanted in self.needs)

    def allows(self, names: frozenset[str]) -> bool:
        """Tell whether nothing among these names belongs to another dialect."""
        return self.without.isdisjoint(names)

    def sign(self, names: frozenset[str]) -> str:
        """Return the name, of those that a row has, that tells most of this dialect."""
        return min(self.needs[-1] & names, default="")


def kept(into: str, *names: str) -> Part:
    """Make the part whose value is the canonical field ``into`` as it is."""
    return Part(into, names, lambda value, _: {into: value})


def part(into: str, *names: str, read: Callable[[Any], Mapping[str, Any]]) -> Part:
    """Make a part whose value says everything, whatever else stands in its row."""
    return Part(into, names, lambda value, _: read(value))
