"""What the command line selects: suites, and golden sets that no suite names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import UserError
from pytest_evalgate.plugin.assembly import GOLDEN_SUFFIXES

if TYPE_CHECKING:
    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite


def selects_everything(config: pytest.Config) -> bool:
    """Tell whether no path was given: then every configured golden set is meant."""
    return config.args_source is not pytest.Config.ArgsSource.ARGS


def select(config: pytest.Config, assembly: Assembly) -> list[str]:
    """Name the selected suites, and have pytest collect their files wherever they lie.

    Raises:
        SettingsError: a golden set lies outside of the root folder.

    """
    every = {name: assembly.golden_paths(name, suite) for name, suite in assembly.settings.suites.items()}
    if selects_everything(config):
        files = dict.fromkeys(assembly.golden_names())
        config.args = [*config.args, *(str(config.rootpath / name) for name in files)]
        return list(every)
    given = _given(config)
    for path in given:
        if path.suffix in GOLDEN_SUFFIXES and path.is_file() and not assembly.suites_of(path):
            every[assembly.add_ad_hoc(path)] = (path,)
    return [name for name, paths in every.items() if any(_touches(given, path) for path in paths)]


def check_all(names: list[str], config: pytest.Config, assembly: Assembly) -> list[ReadySuite]:
    """Build the selected suites now, so that everything that is wrong with them is said before anything runs.

    Raises:
        UserError: files or settings cannot be used, or a golden set was given that nothing can answer; the message
            holds every problem of every suite, each once.

    """
    ready: list[ReadySuite] = []
    problems: dict[str, None] = {}
    for name in names:
        try:
            ready.append(_checked(name, config, assembly))
        except UserError as error:
            problems |= dict.fromkeys(str(error).splitlines())
    if problems:
        raise UserError("\n".join(problems))
    return ready


def _checked(name: str, config: pytest.Config, assembly: Assembly) -> ReadySuite:
    ready = assembly.ready(name)
    named = [] if selects_everything(config) else _given(config)
    if ready.target is None and any(assembly.root / golden in named for golden in ready.plan.golden):
        raise UserError(
            f"{ready.plan.golden[0]}: no target: its rows hold no recorded output; "
            "name one with --eval-target recorded:FILE or --eval-target python:pkg.mod:name"
        )
    return ready


def _given(config: pytest.Config) -> list[Path]:
    return [Path(config.invocation_params.dir, arg.partition("::")[0]).resolve() for arg in config.args]


def _touches(given: list[Path], golden: Path) -> bool:
    return any(golden.is_relative_to(path) for path in given)
