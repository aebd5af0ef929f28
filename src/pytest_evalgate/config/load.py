"""Loading of the configuration, and messages for its problems."""

from __future__ import annotations

import difflib
import re
import tomllib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pytest_evalgate.config.gates import GATES
from pytest_evalgate.config.suites import Acknowledgement, Settings, Suite, Tier
from pytest_evalgate.config.tables import UNQUOTED, Judge, Model, Price, Report
from pytest_evalgate.config.targets import TARGETS, HttpRequest, HttpTarget, parse_target_spec
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text import foreign, jsonl
from pytest_evalgate.text.redaction import looks_like_key, mask_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_evalgate.config.tables import Table
    from pytest_evalgate.config.targets import Target

CONFIG_FILE = "evalgate.toml"
PYPROJECT_FILE = "pyproject.toml"
_CACHE_KEY_VARIABLE = "EVALGATE_CACHE_KEY"

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
    *GATES.values(),
    *TARGETS.values(),
)
_KEYS = sorted({key for table in _TABLES for key in table.model_fields})


def load(root: Path) -> Settings:
    """Read the settings of the project at ``root``. A project without configuration has the defaults.

    Raises:
        SettingsError: Both files contain the table, the TOML cannot be parsed, or a key or value is wrong. All
            problems are listed, one a line, as ``file: key: message``.
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
        raise SettingsError("\n".join(f"{name}: {line}" for line in explain(error, _suggest))) from None


def is_configured(root: Path) -> bool:
    """Return whether the project at ``root`` has a configuration, valid or not."""
    return any(_table(root / name) is not None for name in (CONFIG_FILE, PYPROJECT_FILE))


def find_root(start: Path) -> Path:
    """Return the nearest folder from ``start`` upwards that has a configuration; ``start`` itself if none has."""
    return next((folder for folder in (start, *start.parents) if is_configured(folder)), start)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration."""
    return Settings.model_json_schema()


def key_variables(settings: Settings) -> Iterator[str]:
    """Yield the names of the environment variables that contain secrets."""
    yield _CACHE_KEY_VARIABLE
    for model in settings.models.values():
        if model.api_key_env:
            yield model.api_key_env
    for suite in settings.suites.values():
        if isinstance(suite.target, HttpTarget):
            yield from suite.target.http.headers_env.values()


def parse_target(spec: str, instead_of: Target | None = None) -> Target:
    """Parse a target from the command line, in one of the forms of ``TARGET_SPECS``.

    Settings that a spec cannot express are copied from ``instead_of`` if that is a target of the same kind: the
    ``output`` path of recordings, the prompt and tools of a model, the body of a request.

    Raises:
        SettingsError: The form is unknown, or a value is wrong.
    """
    try:
        return parse_target_spec(spec, instead_of)
    except ValidationError as error:
        raise SettingsError(f"--eval-target {spec}: {'; '.join(explain(error, _suggest))}") from None
    except ValueError as error:
        raise SettingsError(f"--eval-target {spec}: {error}") from None


def _table(path: Path) -> dict[str, Any] | None:
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(f"{path.name}: cannot be read: {error.strerror}") from None
    if path.name == PYPROJECT_FILE and b"evalgate" not in text:  # saves parsing it: 3 ms for 200 lines
        return None
    try:
        data = tomllib.loads(text.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name}: {foreign.name_foreign(text) or error}") from None
    if path.name != PYPROJECT_FILE:
        return data
    tool = data.get("tool")
    table = tool.get("evalgate") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise SettingsError(f"{path.name}: tool.evalgate must be a table, not {table!r}")
    return table


Place = tuple[int | str, ...]
"""The keys and indices that lead to a value, in pydantic's order."""


def explain(error: ValidationError, suggest: Callable[[Place], str] | None = None) -> list[str]:
    """Return each problem that pydantic found as ``place: message``.

    ``suggest`` returns the text that is appended to the message for an unknown key.
    """
    return [_explain(problem, suggest) for problem in error.errors(include_url=False)]


def _explain(problem: Any, suggest: Callable[[Place], str] | None) -> str:
    loc: Place = problem["loc"]
    # pydantic adds the kind of a gate to the place, after its index in the list of gates
    steps = (part for before, part in pairwise((None, *loc)) if not (isinstance(before, int) and part in GATES))
    place = jsonl.escape_text(".".join(map(str, steps)), 200)
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):  # of models, and of dataclasses
        message = "unknown key" + (suggest(loc) if suggest else "")
    elif not _is_unquoted(problem):
        shown = _CREDENTIALS.sub("//***@", repr(problem["input"]))
        message = f"{message} (got {jsonl.escape_text(shown, 200)})"
    return mask_keys(f"{place}: {message}" if place else message)


def _is_unquoted(problem: Any) -> bool:
    """Return whether a message omits the value: there is none, it is too long, or it may be a key."""
    value = problem["input"]
    return (
        isinstance(value, dict | list | tuple)
        or problem["type"] in ("missing", UNQUOTED)
        or (isinstance(value, str) and looks_like_key(value))
    )


_CREDENTIALS = re.compile(r"//[^/@\s]*@")
"""User name and password in a URL. Such URLs are refused, and the message must not print them."""


def _suggest(loc: Place) -> str:
    """Suggest the most similar key: of the gate if the place is in one, else of all tables."""
    kind = next((part for before, part in pairwise(loc) if isinstance(before, int) and part in GATES), None)
    known = _KEYS if kind is None else GATES[str(kind)].model_fields
    key = str(loc[-1])
    similar = difflib.get_close_matches(key, [other for other in known if other != key], n=1)
    return f': did you mean "{similar[0]}"?' if similar else "; list the known keys with: pytest-evalgate schema"
