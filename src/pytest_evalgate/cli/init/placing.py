"""Files to write, and what becomes of each: existing files are kept unless replacing them was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pytest_evalgate.app.project import resolve_path
from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Placement = Literal["wrote", "replaced", "unchanged", "kept", "by hand"]
"""``kept``: the user has a different file. ``by hand``: the user has to add the new lines to an existing file."""


@dataclass(frozen=True, slots=True)
class Template:
    """A file to write: path relative to the working folder, with forward slashes, and bytes.

    ``by_hand`` marks a file that projects share with other tools: an existing one is never replaced. ``about`` says
    what it contains.
    """

    path: str
    data: bytes
    by_hand: bool = False
    about: str = ""


@dataclass(frozen=True, slots=True)
class Placed:
    """A template and its outcome."""

    template: Template
    outcome: Placement


def place_all(templates: Iterable[Template], folder: Path, *, force: bool) -> tuple[Placed, ...]:
    """Write every template whose path is free.

    All outcomes are computed before the first file is written, so that an error in one leaves no incomplete set.
    ``force`` replaces existing files that differ.

    Raises:
        UserError: a path is outside of the folder, is a folder, or cannot be written.
    """
    decided = [Placed(template, _outcome(template, folder, force=force)) for template in templates]
    for placed in decided:
        if placed.outcome in {"wrote", "replaced"}:
            path = placed.template.path
            files.write_atomically(resolve_path(folder, path, path), placed.template.data)
    return tuple(decided)


def _outcome(template: Template, folder: Path, *, force: bool) -> Placement:
    path = resolve_path(folder, template.path, template.path)
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
