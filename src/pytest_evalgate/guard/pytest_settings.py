"""Settings of pytest in files of the branch. Options in ``addopts`` can choose trials, targets, tiers and the base."""

from __future__ import annotations

import configparser
import posixpath
import shlex
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.guard.directions import format_value
from pytest_evalgate.records.verdicts import GateChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.verdicts import Effect

_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "pytest.toml": ("pytest",),
    ".pytest.toml": ("pytest",),
    "pytest.ini": ("pytest",),
    ".pytest.ini": ("pytest",),
    "pyproject.toml": ("tool.pytest", "tool.pytest.ini_options"),
    "tox.ini": ("pytest",),
    "setup.cfg": ("tool:pytest",),
}
"""Files in the order in which pytest looks for them, with their tables."""

_ALWAYS_USED: Final = frozenset({"pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini"})
"""Files that pytest uses even if they are empty."""

_KEYS: Final = (
    "addopts",
    "testpaths",
    "pythonpath",
    "python_files",
    "python_classes",
    "python_functions",
    "norecursedirs",
    "required_plugins",
    "env",
)
"""Settings that choose what runs, and with which options and environment."""

_CHOOSING: Final = (
    "@",
    "--eval",
    "-p",
    "-k",
    "-m",
    "-c",
    "-o",
    "--rootdir",
    "--override",
    "--deselect",
    "--ignore",
    "--conf",
)
_ENVIRONMENT: Final = ("EVALGATE", "GITHUB_", "GIT_", "CI", "PYTEST_")


@dataclass(frozen=True, slots=True)
class PytestSettings:
    """Settings that choose what runs, and the file that contains them."""

    file: str
    values: Mapping[str, Any]

    @property
    def import_folders(self) -> list[str]:
        """The folders of ``pythonpath``, relative to the root folder."""
        folders = (posixpath.normpath(folder).strip("/") for folder in _words(self.values.get("pythonpath")))
        inside = (folder for folder in folders if folder.split("/")[0] != "..")
        return ["" if folder == "." else folder for folder in inside]


def read_settings(read: Callable[[str], bytes | None]) -> PytestSettings:
    """Return the settings of the first file that pytest uses; ``read`` returns None for a file that does not exist."""
    for name, tables in _FILES.items():
        data = read(name)
        if data is None:
            continue
        text = data.decode("utf-8-sig", "replace")
        found = _toml(text, tables) if name.endswith(".toml") else _ini(text, tables[0])
        if found is not None or name in _ALWAYS_USED:
            values = {key: value for key, value in (found or {}).items() if key in _KEYS}
            words = _words(values.get("addopts"))
            expanded = list(with_argument_files(words, lambda file: None if _is_outside(file) else read(file)))
            if expanded != words:
                values["addopts"] = expanded
            return PytestSettings(name, values)
    return PytestSettings("pytest.ini", {})


def with_argument_files(
    words: Sequence[str], read: Callable[[str], bytes | None], seen: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield options; those of a file, one a line, follow the word ``@FILE`` that names it."""
    for word in words:
        yield word
        file = posixpath.normpath(word[1:]) if word.startswith("@") and len(word) > 1 else ""
        if file and file not in seen and (data := read(file)) is not None:
            yield from with_argument_files(data.decode("utf-8", "replace").splitlines(), read, seen | {file})


def pytest_changes(before: PytestSettings, now: PytestSettings) -> Iterator[GateChange]:
    """Yield the differences of the settings."""
    for key in _KEYS:
        old, new = before.values.get(key), now.values.get(key)
        if old != new:
            file = now.file if key in now.values or key not in before.values else before.file
            where, effect = f"{file} {key}", _effect(key, old, new)
            yield GateChange("pytest setting changed", where, _shown(old), _shown(new), effect)


def _is_outside(file: str) -> bool:
    return posixpath.isabs(file) or file.split("/", maxsplit=1)[0] == ".."


def _shown(value: Any) -> str:
    return format_value(None if value is None else " ".join(_words(value)))


def _effect(key: str, before: Any, now: Any) -> Effect:
    old, new = _words(before), _words(now)
    different = [word for word in (*old, *new) if old.count(word) != new.count(word)]
    if key == "addopts" and any(word.lstrip("'\"").startswith(_CHOOSING) for word in different):
        return "weaker"
    if key == "env" and any(word.partition("=")[0].strip("DR: ").startswith(_ENVIRONMENT) for word in different):
        return "weaker"
    return "neutral"


def _words(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    if isinstance(value, dict):
        return [f"{name}={one}" for name, one in value.items()]
    try:
        return shlex.split(str(value or ""), comments=True)
    except ValueError:  # an open quote
        return str(value).split()


def _toml(text: str, tables: tuple[str, ...]) -> dict[str, Any] | None:
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    merged: dict[str, Any] = {}
    exists = False
    for table in tables:
        found: Any = value
        for key in table.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, dict):
            exists = True
            merged |= found
    return merged if exists else None


def _ini(text: str, section: str) -> dict[str, Any] | None:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=", ":"), comment_prefixes=("#", ";"))
    try:
        parser.read_string(text)
    except configparser.Error:
        return {"addopts": text} if "addopts" in text else None
    return dict(parser[section]) if parser.has_section(section) else None
