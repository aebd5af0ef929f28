"""What a reader of a report wants to know of a run beside its numbers: targets, judges, versions, the command."""

from __future__ import annotations

import platform
import shlex
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import jsonl, settings
from pytest_evalgate.wording import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.plugin.assembly import Assembly

_DIGITS = 12


def facts_of(assembly: Assembly, suites: Iterable[str], arguments: Iterable[str]) -> dict[str, str]:
    """Return the facts by name; the values of the user's own are as the configuration has them, never a key."""
    return dict(_facts(assembly, suites, arguments))


def _facts(assembly: Assembly, suites: Iterable[str], arguments: Iterable[str]) -> Iterator[tuple[str, str]]:
    yield "command", shlex.join(["pytest", *arguments])
    given = {"--eval-tier": assembly.options.tier, "--eval-target": assembly.options.target}
    given["--eval-baseline"] = assembly.options.baseline
    if options := [word for name, value in given.items() if value for word in (name, value)]:
        yield OPTIONS, shlex.join(options)
    for name in suites:
        suite = assembly.suite_settings(name)
        target = None if suite is None else assembly.target_settings(suite)
        if target is not None:
            yield f"{name}: target", _target(target, assembly)
        for judge in () if suite is None else suite.judges:
            model = assembly.settings.models[assembly.settings.judges[judge].model]
            yield f"{name}: judge {judge}", f"{model.model} at {model.base_url}"
    yield "pytest-evalgate", version("pytest-evalgate")
    yield "pytest", pytest.__version__
    yield "python", f"{platform.python_version()} on {platform.system()}"


def _target(target: settings.Target, assembly: Assembly) -> str:
    """Say in a line what was run: of a model also its parameters and a digest of its prompt."""
    if not isinstance(target, settings.ModelTarget):
        return jsonl.canonical(target.model_dump(mode="json", exclude_defaults=True))
    model = assembly.settings.models[target.model]
    said = f"{model.model} at {model.base_url}"
    params = {**model.params, **target.params}
    if params:
        said = f"{said}, {jsonl.canonical(params)}"
    if target.prompt is not None:
        data = (assembly.root / target.prompt).read_bytes()
        said = f"{said}, prompt {target.prompt} ({jsonl.digest(data.decode(errors='replace'))[:_DIGITS]})"
    return said
