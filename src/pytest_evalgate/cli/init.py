"""``pytest-evalgate init``: starter files of a project, and the files for a CI system.

Flow: read the templates of the chosen parts; choose the files to write; write them; print the next steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate import config
from pytest_evalgate.app.project import resolve_path
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.text import files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

    from pytest_evalgate.records.results import Json

_EXIT_FILE_EXISTS: Final = 4

Outcome = Literal["wrote", "replaced", "unchanged", "kept", "by hand"]
"""``kept``: the user has a different file. ``by hand``: the user has to add the new lines to an existing file."""

_NOTES: Final[Mapping[Outcome, str]] = {
    "kept": "a different file exists; --force replaces it",
    "by hand": "your file stays unchanged; add the lines below to it",
}


@dataclass(frozen=True, slots=True)
class Template:
    """A file to write: path relative to the working folder, with forward slashes, and bytes.

    ``by_hand`` marks a file that projects share with other tools: an existing one is never replaced.
    """

    path: str
    data: bytes
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class InitPart:
    """Templates that belong together.

    Args:
        folder: Their folder below ``templates/``, laid out as in the project.
        about: Help line of the option.
        steps: Commands to run next, each with its purpose.
        configures: Whether one template is the configuration.
        by_hand: Paths of the templates that never replace an existing file.
    """

    folder: str
    about: str
    steps: tuple[tuple[str, str], ...]
    configures: bool = False
    by_hand: tuple[str, ...] = ()

    def templates(self) -> tuple[Template, ...]:
        """Read the templates, in the order of their paths."""
        top = resources.files("pytest_evalgate.cli").joinpath("templates", self.folder)
        found = [Template(path, file.read_bytes(), path in self.by_hand) for path, file in _files(top)]
        return tuple(sorted(found, key=lambda template: template.path))


def _files(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        path = f"{above}{entry.name}"
        if entry.is_dir():
            yield from _files(entry, f"{path}/")
        else:
            yield path, entry


STARTER: Final = InitPart(
    "starter",
    "a configuration, a golden set of five cases and recorded outputs",
    (
        ("pytest --eval-gate", "runs the five cases, which pass"),
        ('pytest-evalgate baseline promote --reason "first baseline"', "later runs are compared with it"),
        ("pytest-evalgate init --github", "adds the gate to pull requests"),
    ),
    configures=True,
)
"""The part that is written if no other is chosen."""

PARTS: Final[Mapping[str, InitPart]] = {
    "demo": InitPart(
        "demo",
        "recorded outputs of two targets, the second of which is worse",
        (
            ("pytest --eval-gate", "fails: the second one is worse"),
            ("pytest --eval-gate --eval-target recorded:outputs/before.jsonl", "passes: the first one again"),
            ("pytest-evalgate compare --suite demo --regressed", "lists the cases that got worse"),
        ),
        configures=True,
    ),
    "github": InitPart(
        "github",
        "workflows for GitHub Actions: the gate, and its comment on pull requests",
        (
            ("git add .github", "comments start once both are on the default branch"),
            ("pytest --eval-gate --eval-tier smoke", "the command that pull requests run"),
        ),
    ),
    "gitlab": InitPart(
        "gitlab",
        "jobs for GitLab CI/CD, to be included",
        (("git add .gitlab-ci.evalgate.yml", "in .gitlab-ci.yml: include: { local: .gitlab-ci.evalgate.yml }"),),
    ),
    "pre-commit": InitPart(
        "pre-commit",
        "hooks for pre-commit: lint before a commit, the smoke tier before a push",
        (("pre-commit install -t pre-commit -t pre-push", "installs both hooks"),),
        by_hand=(".pre-commit-config.yaml",),
    ),
}
"""The parts by the name of their option."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    for name, part in PARTS.items():
        parser.add_argument(f"--{name}", dest="parts", action="append_const", const=part, help=part.about)
    parser.add_argument("--force", action="store_true", help="replace existing files that differ")


def _run(args: argparse.Namespace) -> int:
    parts = tuple(dict.fromkeys(args.parts or (STARTER,)))
    folder = Path.cwd()
    if any(part.configures for part in parts):
        _check_single_configuration(folder)
    templates = [template for part in parts for template in part.templates()]
    placed = place_all(templates, folder, force=args.force)
    print_result(args, _as_json(placed, parts), _lines(placed, parts))
    return _EXIT_FILE_EXISTS if any(one.outcome == "kept" for one in placed) else 0


VERB: Final = Verb(
    "Write starter files into the working folder, which should contain pytest.ini or pyproject.toml. Without an "
    f"option: {STARTER.about}. Existing files are kept unless --force is given; the exit code is 4 if a kept file "
    "differs.",
    "pytest-evalgate init && pytest --eval-gate",
    _run,
    _add_arguments,
)


def _check_single_configuration(folder: Path) -> None:
    """Raise if ``pyproject.toml`` contains the configuration: sessions refuse to start with two of them."""
    if not (folder / config.CONFIG_FILE).exists() and config.is_configured(folder):
        raise SettingsError(
            f"{config.PYPROJECT_FILE}: contains [tool.evalgate], and {config.CONFIG_FILE} would be a second "
            f"configuration: add suites to {config.PYPROJECT_FILE}, or write CI files only (--github, --gitlab)"
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """A template and its outcome."""

    template: Template
    outcome: Outcome


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


def _outcome(template: Template, folder: Path, *, force: bool) -> Outcome:
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


def _lines(placed: Sequence[Placed], parts: Sequence[InitPart]) -> Iterator[str]:
    for one in placed:
        note = _NOTES.get(one.outcome)
        yield f"{one.outcome:<9}  {one.template.path}" + (f": {note}" if note else "")
    for one in placed:
        if one.outcome == "by hand":
            yield from ("", one.template.data.decode().rstrip("\n"))
    yield from ("", "next:")
    for part in parts:
        width = max(len(command) for command, _ in part.steps)
        yield from (f"  {command:<{width}}  # {about}" for command, about in part.steps)


def _as_json(placed: Sequence[Placed], parts: Sequence[InitPart]) -> Json:
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
