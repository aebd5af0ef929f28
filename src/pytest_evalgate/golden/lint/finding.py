"""A finding: one thing that somebody should look at, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pytest_evalgate.data import Place

Severity = Literal["error", "warning", "note"]
"""An error makes a verdict worthless, a warning makes it doubtful, a note is good to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: line 0 of ``place`` is the file as a whole, ``kind`` names the check in a word."""

    place: Place
    kind: str
    severity: Severity
    message: str

    def __str__(self) -> str:
        """Render as ``file:line: kind: message``; line 0 is left out."""
        where = str(self.place) if self.place.line else self.place.file
        return f"{where}: {self.kind}: {self.message}"
