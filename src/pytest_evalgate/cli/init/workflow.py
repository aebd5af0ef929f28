"""Files of CI systems for one project: its installation, its keys and its default branch are filled in."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import config
from pytest_evalgate.cli.init.placing import Template
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.cli.init.detection import Detected
    from pytest_evalgate.config import Settings, Suite

_FOLDER: Final = ".github/workflows"
_KEY_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*(KEY|TOKEN|SECRET|PASSWORD)")
_TIER: Final = "${{ env.EVALGATE_TIER }}-"
TIERS: Final = ("smoke", "deep", "release")
"""The tiers that the workflow runs."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """The files of a CI system for a project.

    Args:
        detected: The project.
        shards: Number of jobs that share the cases; 1 for one job that runs and decides.
        tiers: Whether pull requests, nights and tags run different tiers.
    """

    detected: Detected
    shards: int = 1
    tiers: bool = False

    def github(self) -> tuple[Template, ...]:
        """Render the workflow of the gate, and the one that writes its result into the pull request.

        Raises:
            SettingsError: The folder cannot be named in a workflow.
        """
        name = "github" if self.shards == 1 else "github-shards"
        jobs = "one job" if self.shards == 1 else f"{self.shards} shards, and the job gate that decides them together"
        comment = "its comment on pull requests, also from forks; optional"
        return (
            Template(f"{_FOLDER}/eval-gate.yml", self._render(f"{name}.yml"), about=f"{jobs}; require the check gate"),
            Template(f"{_FOLDER}/eval-gate-comment.yml", self._render("github-comment.yml"), about=comment),
        )

    def gitlab(self) -> tuple[Template, ...]:
        """Render the jobs for GitLab CI/CD, to be included."""
        jobs = "one job" if self.shards == 1 else f"{self.shards} shards, and the job that decides them together"
        return (Template(".gitlab-ci.evalgate.yml", self._render("gitlab.yml"), about=jobs),)

    def hooks(self) -> tuple[Template, ...]:
        """Render the hooks for pre-commit."""
        about = "lint before a commit, the gate before a push"
        return (Template(".pre-commit-config.yaml", self._render("pre-commit.yaml"), by_hand=True, about=about),)

    def _render(self, name: str) -> bytes:
        folder = self.detected.subfolder
        if not re.fullmatch(r"[\w./-]*", folder):
            raise SettingsError(f"{folder}: workflows need a folder whose name has letters, digits, '.', '_' and '-'")
        return _render(name, self._values(folder))

    def _values(self, folder: str) -> dict[str, Any]:
        settings = self.detected.settings
        keys = [] if settings is None else sorted(set(keys_of(settings)))
        return {
            "branch": self.detected.branch,
            "budget": settings is not None and _is_priced(settings),
            "calls": settings is not None and _is_cached(settings),
            "folder": folder,
            "install": self.detected.install,
            "keys": keys,
            "missing": " || ".join(f'[ -z "${key}" ]' for key in keys),
            "prefix": f"{folder}/" if folder else "",
            "python": self.detected.python,
            "shards": self.shards,
            "smoke": "smoke" in known_tiers(settings),
            "tier": _TIER if self.tiers else "",
            "tiers": self.tiers,
        }

    def notes(self) -> Iterator[str]:
        """Yield what has to be done by hand before the workflow can pass."""
        settings = self.detected.settings
        if settings is None:
            yield "no configuration yet: write one first: pytest-evalgate init"
            return
        for key in sorted(set(keys_of(settings))):
            yield f"{key}: add it to the secrets of the repository; without it, runs use cached replies only"
        if _is_cached(settings):
            yield "EVALGATE_CACHE_KEY: add 16 random characters or more as a secret: it authenticates the cache"
        if self.tiers and (missing := [tier for tier in TIERS if tier not in known_tiers(settings)]):
            name = next(iter(settings.suites), "NAME")
            tables = ", ".join(f"[suites.{name}.tiers.{tier}]" for tier in missing)
            yield f"no suite defines the tiers {', '.join(missing)}: add {tables} to the configuration"
        if self.detected.subfolder:
            yield f"the workflows are for the folder {self.detected.subfolder} of the repository, and at its top"


def known_tiers(settings: Settings | None) -> frozenset[str]:
    """Return the tiers that suites define."""
    suites = () if settings is None else settings.suites.values()
    return frozenset(name for suite in suites for name in suite.tiers)


def keys_of(settings: Settings) -> Iterator[str]:
    """Yield the names of the variables with the keys that the suites need."""
    for suite in settings.suites.values():
        models = [suite.target.model] if isinstance(suite.target, config.ModelTarget) else []
        models += [settings.judges[judge].model for judge in suite.judges]
        yield from (key for model in models if (key := settings.models[model].api_key_env))
        if isinstance(suite.target, config.HttpTarget):
            yield from suite.target.http.headers_env.values()
        yield from (name for name in getattr(suite.target, "env", ()) if _KEY_NAME.fullmatch(name))


def _is_cached(settings: Settings) -> bool:
    """Return whether a run caches replies."""
    return any(_models_of(settings, suite) or getattr(suite.target, "version", None) for suite in _suites(settings))


def _is_priced(settings: Settings) -> bool:
    """Return whether the configuration has the price of every call, so that a budget can be enforced."""
    models = [model for suite in _suites(settings) for model in _models_of(settings, suite)]
    return bool(models) and all(settings.models[model].price is not None for model in models)


def _suites(settings: Settings) -> Iterator[Suite]:
    yield from settings.suites.values()


def _models_of(settings: Settings, suite: Suite) -> list[str]:
    target = [suite.target.model] if isinstance(suite.target, config.ModelTarget) else []
    return [*target, *(settings.judges[judge].model for judge in suite.judges)]


def _render(name: str, values: dict[str, Any]) -> bytes:
    """Render a template. Its marks differ from those of GitHub's expressions, which stay as they are."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - 60 ms, for CI files only

    environment = Environment(
        autoescape=False,  # noqa: S701 - the result is YAML, and every value is checked or made here
        undefined=StrictUndefined,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        line_statement_prefix="#:",
        keep_trailing_newline=True,
    )
    text = resources.files("pytest_evalgate.cli").joinpath("templates", "ci", f"{name}.j2").read_text("utf-8")
    return environment.from_string(text).render(values).encode()
