"""Anchors: labelled outputs that a judge grades again from time to time, to see whether it is still the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from pytest_evalgate.errors import UserError
from pytest_evalgate.judging import labels
from pytest_evalgate.judging.drift import FEWEST

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pytest_evalgate.data import Case, Output


class AnchorsError(UserError):
    """Anchors that cannot be used."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """The labelled outputs of a file; ``sha256`` is the digest of all that people were shown and said."""

    name: str
    sha256: str
    rows: tuple[labels.Labelled, ...]

    def asked(self, when: str) -> list[tuple[Case, Output]]:
        """Return what a judge is asked; anew for each ``when``, since the id of a case is part of its question."""
        return [(replace(row.case, id=f"{row.case.id}#{when}"), row.output) for row in self.rows]

    def only(self, ids: Collection[str]) -> Self:
        """Leave out the anchors whose id is not among ``ids``.

        Raises:
            AnchorsError: too few passes, or too few fails, are left for drift to be found.

        """
        kept = tuple(row for row in self.rows if row.case.id in ids)
        for passed, word in ((True, "passed"), (False, "failed")):
            held = sum(row.passed is passed for row in kept)
            if held < FEWEST:
                raise AnchorsError(
                    f"{self.name}: {held} usable outputs that people {word}: anchors need {FEWEST} or more of each "
                    "kind, or drift goes unseen; add labelled outputs"
                )
        return replace(self, rows=kept)


def load(path: Path, *, root: Path) -> Anchors:
    """Read a file of labels as anchors; outputs on which the raters part evenly are left out.

    Raises:
        LabelsError: the file is malformed.
        AnchorsError: it holds too few passes, or too few fails.

    """
    found = labels.load(path, labels.Columns(), root=root)
    decided = {row.case.id for row in found.rows if row.passed is not None}
    return Anchors(found.name, found.sha256, found.rows).only(decided)
