"""Reading the configuration, and saying what is wrong with it."""

from __future__ import annotations

import difflib
import re
import tomllib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pytest_evalgate.config.gates import (
    BudgetGate,
    MeanScoreGate,
    MustPassGate,
    NoRegressionGate,
    PassRateGate,
    SliceGate,
)
from pytest_evalgate.config.suites import Acknowledgement, Settings, Suite, Tier
from pytest_evalgate.config.tables import Judge, Model, Price, Report
from pytest_evalgate.config.targets import TARGETS, HttpRequest, HttpTarget, parse_target_spec
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_evalgate.config.tables import Table
    from pytest_evalgate.config.targets import Target

CONFIG_FILE = "evalgate.toml"
PYPROJECT_FILE = "pyproject.toml"
SCHEMA_COMMAND = "pytest-evalgate schema"


def load(root: Path) -> Settings:
    """Read the settings of the project at ``root``; defaults where it has none.

    Raises:
        SettingsError: both files hold the table, the TOML does not parse, or a key or value is wrong; every problem
            is listed as ``file: key: message``.

    """
    tables = [(name, table) for name in (CONFIG_FILE, PYPROJECT_FILE) if (table := _table(root / name)) is not None]
    if len(tables) > 1:
        raise SettingsError(
            f"{CONFIG_FILE} and [tool.evalgate] in {PYPROJECT_FILE} are both present: keep one of them"
        )
    if not tables:
        return Settings()
    name, table = tables[0]
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        raise SettingsError("\n".join(f"{name}: {line}" for line in _problems(error))) from None


def is_configured(root: Path) -> bool:
    """Tell whether the project at ``root`` has a table of ours (its content is not looked at)."""
    return any(_table(root / name) is not None for name in (CONFIG_FILE, PYPROJECT_FILE))


def find_root(start: Path) -> Path:
    """Return the nearest folder from ``start`` upwards that is configured; ``start`` itself if none is."""
    return next((folder for folder in (start, *start.parents) if is_configured(folder)), start)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the table."""
    return Settings.model_json_schema()


def parse_target(spec: str, instead_of: Target | None = None) -> Target:
    """Read a target from the command line, where it is spelled as one of ``TARGET_SPECS``.

    What it does not say is as in the target that it stands in for, where that is of the same kind: the ``output`` path
    of recordings, the prompt and tools of a model, the body of a request.

    Raises:
        SettingsError: it is none of them, or what follows is not well formed.

    """
    try:
        return parse_target_spec(spec, instead_of)
    except ValidationError as error:
        raise SettingsError(f"--eval-target {spec}: {'; '.join(_problems(error))}") from None
    except ValueError as error:
        raise SettingsError(f"--eval-target {spec}: {error}") from None


def _table(path: Path) -> dict[str, Any] | None:
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(f"{path.name}: cannot be read: {error.strerror}") from None
    if path.name == PYPROJECT_FILE and b"evalgate" not in text:
        return None
    try:
        data = tomllib.loads(text.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name}: {error}") from None
    if path.name == PYPROJECT_FILE:
        tool = data.get("tool")
        table = tool.get("evalgate") if isinstance(tool, dict) else None
        if table is not None and not isinstance(table, dict):
            raise SettingsError(f"{path.name}: tool.evalgate has to be a table, not {table!r}")
        return table
    return data


def _problems(error: ValidationError) -> list[str]:
    return [_problem(problem) for problem in error.errors(include_url=False)]


def _problem(problem: Any) -> str:
    loc = tuple(
        part for before, part in pairwise((None, *problem["loc"])) if not (isinstance(before, int) and part in _KINDS)
    )
    key = ".".join(str(part) for part in loc)
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = f"unknown key{_did_you_mean(str(loc[-1]), _known(problem['loc']))}"
    elif not isinstance(problem["input"], dict | list | tuple) and problem["type"] != "missing":
        message = f"{message} (got {_CREDENTIALS.sub('//***@', repr(problem['input']))})"
    return f"{key}: {message}" if key else message


_CREDENTIALS = re.compile(r"//[^/@\s]*@")
"""A user and a password in a URL: refused, and not to be shown while it is."""

_GATES: dict[str, type[Table]] = {
    "pass-rate": PassRateGate,
    "no-regression": NoRegressionGate,
    "slice": SliceGate,
    "mean-score": MeanScoreGate,
    "must-pass": MustPassGate,
    "budget": BudgetGate,
}
_TABLES: tuple[type[Table], ...] = (
    Settings,
    Suite,
    Tier,
    Acknowledgement,
    Judge,
    Model,
    Price,
    Report,
    HttpRequest,
    *_GATES.values(),
    *TARGETS.values(),
)
_KEYS = sorted({key for table in _TABLES for key in table.model_fields})
_KINDS = _GATES.keys()
"""What pydantic adds to the place of an error in a list of gates."""


def _known(loc: tuple[str | int, ...]) -> list[str]:
    """Return the keys that may have been meant: those of the gate where it stands in one, else all there are."""
    kinds = (part for before, part in pairwise(loc) if isinstance(before, int) and part in _GATES)
    gate = next(kinds, None)
    return _KEYS if gate is None else sorted(_GATES[str(gate)].model_fields)


def _did_you_mean(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, [other for other in known if other != key], n=1)
    return f': did you mean "{near[0]}"?' if near else f"; the known keys are listed by: {SCHEMA_COMMAND}"


_OWN = "EVALGATE_CACHE_KEY"


def key_variables(settings: Settings) -> Iterator[str]:
    """Name the environment variables whose values may never be shown."""
    yield _OWN
    for model in settings.models.values():
        if model.api_key_env:
            yield model.api_key_env
    for suite in settings.suites.values():
        if isinstance(suite.target, HttpTarget):
            yield from suite.target.http.headers_env.values()
