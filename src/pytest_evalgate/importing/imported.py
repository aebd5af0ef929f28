"""Result of an import: canonical rows with their places, and everything of the source that they do not contain."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_evalgate.records.cases import Json


@dataclass(frozen=True)
class ImportOptions:
    """Choices of the user for one import.

    Args:
        columns: Name of the column or key to read, by canonical field.
        sheet: Sheet of a workbook, or split of a dataset.
        delimiter: Delimiter of a CSV file.
        golden: Golden set that the cases are written to, relative to the root folder, for configurations that name it.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    sheet: str | None = None
    delimiter: str | None = None
    golden: str = "golden/imported.jsonl"


@dataclass(frozen=True)
class LeftOut:
    """A part of the source that the golden set does not contain.

    ``place`` is such as ``promptfooconfig.yaml:14`` or ``faq.xlsx: Sheet1!C7``; ``what`` names the part.
    """

    place: str
    what: str
    why: str


@dataclass(frozen=True)
class ImportedCase:
    """A canonical row of a golden set, and the place that it was read from."""

    place: str
    row: dict[str, Json]


@dataclass(frozen=True)
class Imported:
    """The content of one source.

    Args:
        source: The file or folder.
        format: Name of its format: ``csv``, ``xlsx``, ``promptfoo``, ``deepeval``, ...
        mapping: (name in the source, canonical field) for each name that was read.
        cases: The rows, in the order of the source.
        left_out: What the rows do not contain.
        files: Further files to write, as (path relative to the folder of the configuration, text).
        notes: Decisions of the reader that the user should know, such as a guessed encoding.
    """

    source: Path
    format: str
    mapping: tuple[tuple[str, str], ...]
    cases: tuple[ImportedCase, ...]
    left_out: tuple[LeftOut, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())


MADE_FROM: Final = "# Made from "
"""Start of a configuration that an import wrote. ``--force`` replaces no other one."""

MOST_LISTED: Final = 50
"""Problems that a message lists; the others are counted."""


class ImportingError(UserError):
    """A source that cannot be imported; lists the first `MOST_LISTED` problems, each as ``place: message``."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        """Keep ``problems``, which are pairs of a place and a message."""
        self.problems = tuple(problems)
        shown = [f"{place}: {message}" for place, message in self.problems[:MOST_LISTED]]
        hidden = len(self.problems) - len(shown)
        super().__init__("\n".join([*shown, *([f"and {count(hidden, 'more problem')}"] if hidden else [])]))
