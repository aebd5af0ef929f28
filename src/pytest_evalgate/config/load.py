"""Loading of the configuration: the file, its table, and the place of each problem."""

from __future__ import annotations

import re
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from pytest_evalgate.config.advice import about_missing, about_unknown
from pytest_evalgate.config.key_lines import KeyLines
from pytest_evalgate.config.suites import Settings, with_candidates
from pytest_evalgate.config.targets import HttpTarget, parse_target_spec
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.problems import explain, format_value
from pytest_evalgate.text.syntax import InvalidToml, parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.config.targets import Target
    from pytest_evalgate.text.problems import Problem

CONFIG_FILE = "evalgate.toml"
PYPROJECT_FILE = "pyproject.toml"
_CACHE_KEY_VARIABLE = "EVALGATE_CACHE_KEY"

_PYPROJECT_PREFIX = "tool.evalgate."


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The configuration file of a project: its name, its text, and our table in it."""

    name: str
    text: str
    table: dict[str, Any]

    def key_lines(self) -> KeyLines:
        """Return the lines of the keys of our table."""
        return KeyLines.of(self.name, self.text, _PYPROJECT_PREFIX if self.name == PYPROJECT_FILE else "")


def load(root: Path) -> Settings:
    """Read the settings of the project at ``root``. A project without configuration has the defaults.

    Raises:
        SettingsError: Both files contain the table, the TOML cannot be parsed, or a key or value is wrong. All
            problems are listed, one a line, as ``file:line: key: message``.
    """
    file = read_file(root)
    if file is None:
        return Settings()
    try:
        return with_candidates(Settings.model_validate(file.table))
    except ValidationError as error:
        problems = explain(
            error, file.table, unknown=lambda place: about_unknown(place, file.table), missing=about_missing
        )
        raise SettingsError("\n".join(_placed(problems, file.key_lines()))) from None


def read_file(root: Path) -> ConfigFile | None:
    """Read the configuration file of the project at ``root``; None if there is none.

    Raises:
        SettingsError: Both files contain the table, or the TOML cannot be parsed.
    """
    files = [file for name in (CONFIG_FILE, PYPROJECT_FILE) if (file := _read(root / name)) is not None]
    if len(files) > 1:
        raise SettingsError(
            f"{CONFIG_FILE} and [tool.evalgate] in {PYPROJECT_FILE} are both present: keep one of them"
        )
    return files[0] if files else None


def _placed(problems: list[Problem], lines: KeyLines) -> Iterator[str]:
    """Yield each problem with its file and line. The message of a check of several keys begins with the key."""
    placed = ((lines.line_of(one.place), one) for one in problems)
    for line, problem in sorted(placed, key=itemgetter(0)):
        yield f"{lines.file}:{line}: {problem}" if line else f"{lines.file}: {problem}"


_KEY: Final = re.compile(
    r"((?:suites|models|judges|report|acknowledged|history|notify|release|telemetry)\b[\w.\[\]-]*): "
)


def with_places(message: str, root: Path | None = None) -> str:
    """Put ``file:line`` before each line of a message that begins with a key of the configuration.

    ``root`` is the folder of the configuration; without it, it is searched for from the working directory upwards.
    """
    if not any(map(_KEY.match, message.splitlines())):
        return message
    try:
        file = read_file(root or find_root(Path.cwd()))
    except SettingsError:
        return message
    return message if file is None else "\n".join(_with_place(line, file.key_lines()) for line in message.split("\n"))


def _with_place(message: str, lines: KeyLines) -> str:
    key = _KEY.match(message)
    line = 0 if key is None else lines.line_around(key[1])
    return f"{lines.file}:{line}: {message}" if line else message


def is_configured(root: Path) -> bool:
    """Return whether the project at ``root`` has a configuration, valid or not."""
    return any(_read(root / name) is not None for name in (CONFIG_FILE, PYPROJECT_FILE))


def find_root(start: Path) -> Path:
    """Return the nearest folder from ``start`` upwards that has a configuration; ``start`` itself if none has."""
    return next((folder for folder in (start, *start.parents) if is_configured(folder)), start)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration, with a description of each key."""
    from pytest_evalgate.config.descriptions import described  # noqa: PLC0415 - only the schema needs its file

    return described(Settings.model_json_schema())


def key_variables(settings: Settings) -> Iterator[str]:
    """Yield the names of the environment variables that contain secrets."""
    yield _CACHE_KEY_VARIABLE
    for notify in settings.notify:
        yield notify.webhook_env
    if settings.store_env is not None:
        yield settings.store_env
    if settings.telemetry is not None:
        yield from settings.telemetry.headers_env.values()
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
        problems = explain(error, None)
        raise SettingsError(f"--eval-target {spec}: {'; '.join(map(str, problems))}") from None
    except ValueError as error:
        raise SettingsError(f"--eval-target {spec}: {error}") from None


def _read(path: Path) -> ConfigFile | None:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(f"{path.name}: cannot be read: {error.strerror}") from None
    if path.name == PYPROJECT_FILE and b"evalgate" not in content:  # saves parsing it: 3 ms for 200 lines
        return None
    try:
        data = parse_toml(content)
    except InvalidToml as error:
        raise SettingsError(error.at(path.name)) from None
    text = content.decode("utf-8-sig")
    if path.name != PYPROJECT_FILE:
        return ConfigFile(path.name, text, data)
    tool = data.get("tool")
    table = tool.get("evalgate") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise SettingsError(f"{path.name}: tool.evalgate must be a table, not {format_value(table)}")
    return None if table is None else ConfigFile(path.name, text, table)
