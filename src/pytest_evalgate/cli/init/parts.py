"""The parts that can be written: folders of templates, and what to do once they are there."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True)
class Template:
    """A file to write: its path from the working folder on, with forward slashes, and its bytes.

    ``by_hand`` tells that it is no file of ours alone: where there is one, the user takes over what is new in it.
    """

    path: str
    data: bytes
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Templates that belong together.

    Args:
        folder: Where they lie below ``templates/``, as they will lie in the project.
        about: What they are, for ``--help``.
        steps: What to do next: commands, each with what it does.
        configures: Whether one of them is the configuration.
        by_hand: The paths of those that are not written over, with ``--force`` neither.

    """

    folder: str
    about: str
    steps: tuple[tuple[str, str], ...]
    configures: bool = False
    by_hand: tuple[str, ...] = ()

    def templates(self) -> tuple[Template, ...]:
        """Read the templates, in the order of their paths."""
        top = resources.files("pytest_evalgate.cli.init").joinpath("templates", self.folder)
        found = [Template(path, file.read_bytes(), path in self.by_hand) for path, file in _files(top)]
        return tuple(sorted(found, key=lambda template: template.path))


STARTER: Final = Part(
    "starter",
    "a configuration, a golden set of five cases and recorded outputs",
    (
        ("pytest --eval-gate", "runs the five cases, and passes"),
        ('pytest-evalgate baseline promote --reason "first baseline"', "later runs are compared with it"),
        ("pytest-evalgate init --github", "the same gate in pull requests"),
    ),
    configures=True,
)
"""What is written where no part is named."""

PARTS: Final[Mapping[str, Part]] = {
    "demo": Part(
        "demo",
        "two recorded systems, the second of which got worse",
        (
            ("pytest --eval-gate", "fails: the second got worse"),
            ("pytest --eval-gate --eval-target recorded:outputs/before.jsonl", "passes: the first system again"),
            ("pytest-evalgate compare --suite demo --regressed", "the cases that got worse"),
        ),
        configures=True,
    ),
    "github": Part(
        "github",
        "workflows for GitHub Actions: the gate, and its comment in pull requests",
        (
            ("git add .github", "comments come once both are on the default branch"),
            ("pytest --eval-gate --eval-tier smoke", "what pull requests run"),
        ),
    ),
    "gitlab": Part(
        "gitlab",
        "jobs for GitLab CI/CD, to be included",
        (("git add .gitlab-ci.evalgate.yml", "in .gitlab-ci.yml: include: { local: .gitlab-ci.evalgate.yml }"),),
    ),
    "pre-commit": Part(
        "pre-commit",
        "hooks: lint at commit, the smoke tier before a push",
        (("pre-commit install -t pre-commit -t pre-push", "both kinds of hooks"),),
        by_hand=(".pre-commit-config.yaml",),
    ),
}
"""The parts by the name of their option."""


def _files(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        path = f"{above}{entry.name}"
        if entry.is_dir():
            yield from _files(entry, f"{path}/")
        else:
            yield path, entry
