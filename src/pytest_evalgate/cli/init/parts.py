"""Fixed files of ``init``: the demonstration."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from pytest_evalgate.cli.init.placing import Template
from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True)
class InitPart:
    """Templates that belong together.

    Args:
        folder: Their folder below ``templates/``, laid out as in the project.
        about: Help line of the option.
        steps: Commands to run next, each with its purpose.
    """

    folder: str
    about: str
    steps: tuple[tuple[str, str], ...]

    def templates(self) -> tuple[Template, ...]:
        """Read the templates, in the order of their paths."""
        top = resources.files("pytest_evalgate.cli").joinpath("templates", self.folder)
        found = [Template(path, file.read_bytes()) for path, file in _files(top)]
        return tuple(sorted(found, key=lambda template: template.path))


def _files(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        path = f"{above}{entry.name}"
        if entry.is_dir():
            yield from _files(entry, f"{path}/")
        else:
            yield path, entry


DEMO: Final = InitPart(
    "demo",
    "recorded outputs of two targets, the second of which is worse",
    (
        ("pytest --eval-gate", "fails: the second one is worse"),
        ("pytest --eval-gate --eval-target recorded:outputs/before.jsonl", "passes: the first one again"),
        ("pytest-evalgate compare --suite demo --regressed", "lists the cases that got worse"),
    ),
)
