"""The parts that can be written: folders of templates, and what to do once they are there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_evalgate import config
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.text import files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

    from pytest_evalgate.records.results import Json


@dataclass(frozen=True, slots=True)
class Template:
    """A file to write: its path from the working folder on, with forward slashes, and its bytes.

    ``by_hand`` tells that it is no file of ours alone: where there is one, the user takes over what is new in it.
    """

    path: str
    data: bytes
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class InitPart:
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


STARTER: Final = InitPart(
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

PARTS: Final[Mapping[str, InitPart]] = {
    "demo": InitPart(
        "demo",
        "two recorded systems, the second of which got worse",
        (
            ("pytest --eval-gate", "fails: the second got worse"),
            ("pytest --eval-gate --eval-target recorded:outputs/before.jsonl", "passes: the first system again"),
            ("pytest-evalgate compare --suite demo --regressed", "the cases that got worse"),
        ),
        configures=True,
    ),
    "github": InitPart(
        "github",
        "workflows for GitHub Actions: the gate, and its comment in pull requests",
        (
            ("git add .github", "comments come once both are on the default branch"),
            ("pytest --eval-gate --eval-tier smoke", "what pull requests run"),
        ),
    ),
    "gitlab": InitPart(
        "gitlab",
        "jobs for GitLab CI/CD, to be included",
        (("git add .gitlab-ci.evalgate.yml", "in .gitlab-ci.yml: include: { local: .gitlab-ci.evalgate.yml }"),),
    ),
    "pre-commit": InitPart(
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
        return files.resolve_inside(folder, Path(path))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


_NOTES: Final[Mapping[Outcome, str]] = {
    "kept": "it holds something else; --force replaces it",
    "by hand": "yours stays as it is; what follows goes into it",
}
_OUTCOME = 9


def render(placed: Sequence[Placed], parts: Sequence[InitPart]) -> Iterator[str]:
    """Render what became of the files, what goes into others by hand, and the next steps."""
    for one in placed:
        note = _NOTES.get(one.outcome)
        yield f"{one.outcome:<{_OUTCOME}}  {one.template.path}" + (f": {note}" if note else "")
    for one in placed:
        if one.outcome == "by hand":
            yield from ("", one.template.data.decode().rstrip("\n"))
    yield from ("", "next:")
    for part in parts:
        width = max(len(command) for command, _ in part.steps)
        yield from (f"  {command:<{width}}  # {about}" for command, about in part.steps)


def encode(placed: Sequence[Placed], parts: Sequence[InitPart]) -> Json:
    """Return the same as JSON; ``text`` is what goes into a file by hand, else null."""
    return {
        "files": [
            {
                "path": one.template.path,
                "outcome": one.outcome,
                "text": one.template.data.decode() if one.outcome == "by hand" else None,
            }
            for one in placed
        ],
        "next": [{"command": command, "about": about} for part in parts for command, about in part.steps],
    }


_ABOUT = (
    "Write what a project begins with into the working folder: the one in which pytest.ini or pyproject.toml lies. "
    f"Without a part: {STARTER.about}. No file is written over without --force: exit code 4 where one was in the way."
)
_EXIT_FILE_EXISTS = 4


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "init",
        help="write a configuration to begin with, or the files of a CI",
        description=_ABOUT,
        epilog="example: pytest-evalgate init && pytest --eval-gate",
    )
    for name, part in PARTS.items():
        parser.add_argument(f"--{name}", dest="parts", action="append_const", const=part, help=part.about)
    parser.add_argument("--force", action="store_true", help="replace files that hold something else")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    parts = tuple(dict.fromkeys(args.parts or (STARTER,)))
    folder = Path.cwd()
    if any(part.configures for part in parts):
        _check_single_configuration(folder)
    templates = [template for part in parts for template in part.templates()]
    placed = place_all(templates, folder, force=args.force)
    if args.json:
        print(json.dumps(encode(placed, parts), indent=1))
    else:
        print("\n".join(render(placed, parts)))
    return _EXIT_FILE_EXISTS if any(one.outcome == "kept" for one in placed) else 0


def _check_single_configuration(folder: Path) -> None:
    """Raise where ``pyproject.toml`` holds the configuration: with both, no session would start."""
    if not (folder / config.CONFIG_FILE).exists() and config.is_configured(folder):
        raise SettingsError(
            f"{config.PYPROJECT_FILE}: [tool.evalgate] is there already, and {config.CONFIG_FILE} beside it would "
            "be a second configuration: add suites to the first, or write CI files alone (--github, --gitlab)"
        )
