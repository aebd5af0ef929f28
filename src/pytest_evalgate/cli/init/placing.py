"""Templates are put into a folder; a file that is there already stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_evalgate import files
from pytest_evalgate.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_evalgate.cli.init.parts import Template

Outcome = Literal["wrote", "replaced", "unchanged", "kept", "by hand"]


@dataclass(frozen=True, slots=True)
class Placed:
    """A template, and what became of it.

    ``kept`` is a file of the user's that stood in the way; ``by hand`` one into which the user copies what is new.
    """

    template: Template
    outcome: Outcome


def place_all(templates: Iterable[Template], folder: Path, *, force: bool) -> tuple[Placed, ...]:
    """Write every template that nothing stands in the way of.

    Nothing is written before it is known of every template what becomes of it.

    Args:
        templates: What to write.
        folder: Where.
        force: Replace files that are there and hold something else.

    Raises:
        UserError: a path leads out of the folder, is a folder itself, or cannot be written.

    """
    decided = [Placed(template, _decide(template, folder, force=force)) for template in templates]
    for placed in decided:
        if placed.outcome in {"wrote", "replaced"}:
            _write(placed.template, folder)
    return tuple(decided)


def _decide(template: Template, folder: Path, *, force: bool) -> Outcome:
    path = _inside(folder, template.path)
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        return "wrote"
    except OSError as error:
        raise UserError(f"{template.path}: cannot be read: {error.strerror}; move it away first") from None
    if before == template.data:
        return "unchanged"
    if template.by_hand:
        return "by hand"
    return "replaced" if force else "kept"


def _write(template: Template, folder: Path) -> None:
    try:
        files.write_atomically(_inside(folder, template.path), template.data)
    except OSError as error:
        raise UserError(f"{template.path}: cannot be written: {error.strerror}") from None


def _inside(folder: Path, path: str) -> Path:
    try:
        return files.inside(folder, Path(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
