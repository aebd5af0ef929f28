"""The texts that a suite's models are shown beside the cases: prompts, system prompts and few-shots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import files, jsonl
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.golden.lint import PromptText
from pytest_evalgate.golden.lint.texts import strings
from pytest_evalgate.settings import ModelTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.settings import Suite


def prompts_of(project: Project, suite: Suite) -> tuple[PromptText, ...]:
    """Read them all.

    Raises:
        SettingsError: one cannot be read, or lies outside of the root folder.

    """
    target = [_prompt(project.root, name) for name in _templates(suite)]
    shots = [project.settings.judges[judge].few_shots for judge in suite.judges]
    return (*target, *(_few_shots(project.root, name) for name in shots if name is not None))


def _templates(suite: Suite) -> Iterator[str]:
    if isinstance(suite.target, ModelTarget):
        yield from filter(None, (suite.target.prompt, suite.target.system))


def _prompt(root: Path, name: str) -> PromptText:
    path = _inside(root, name)
    try:
        return PromptText(name, path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8; save as UTF-8"
        raise SettingsError(f"{name}: cannot be read: {reason}") from None


def _few_shots(root: Path, name: str) -> PromptText:
    """Read the examples of a judge: they show outputs, so that an answer in them gives nothing away."""
    lines, problems = jsonl.read(_inside(root, name), name=name)
    if problems:
        raise SettingsError("\n".join(map(str, problems)))
    return PromptText(name, "\n".join(text for line in lines for text in strings(line.value)), answers=False)


def _inside(root: Path, name: str) -> Path:
    try:
        return files.inside(root, Path(name))
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None
