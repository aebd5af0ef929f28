"""Reasons why a session selected no case, each with the command or the lines that select some."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate import config as config_
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.plugin import MARKER
from pytest_evalgate.text.files import relative_name
from pytest_evalgate.text.folders import walk_files
from pytest_evalgate.text.jsonl import escape_text
from pytest_evalgate.text.redaction import mask_keys
from pytest_evalgate.text.wording import did_you_mean, first_few

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    import pytest

    from pytest_evalgate.config import Settings
    from pytest_evalgate.plugin.assembly import Assembly
    from pytest_evalgate.plugin.selection import Selection

_FOREIGN: Final = ("evalgate.yaml", "evalgate.yml", "evalgate.json", "evalgate.ini", "evalgate.cfg")
_DEPTH: Final = 3
"""Levels of folders in which a configuration is searched."""

_MOST_TRANSLATED: Final = 3


def why_no_case(config: pytest.Config, assembly: Assembly, selection: Selection) -> str:
    """Return the reason, for a session in which neither a golden set nor a marked test was collected."""
    root, cwd = assembly.root, config.invocation_params.dir
    if config_.is_configured(root):
        return f"no case was selected: {_of_configured(assembly.settings, assembly, selection, config)}"
    elsewhere = next(_configured_elsewhere(root, cwd), None)
    if (foreign := next((name for name in _FOREIGN if (root / name).is_file()), None)) is not None:
        return f"no case was selected: {_of_foreign(root / foreign)}"
    if elsewhere is not None:
        command = f"cd {shlex.quote(_from(elsewhere, cwd))} && pytest --eval-gate --rootdir ."
        return (
            f"no case was selected: the configuration is in {_from(elsewhere, cwd)}; pytest's root folder is "
            f"{_from(root, cwd)}; run it there: {command}"
        )
    return (
        f"no case was selected: no configuration found; looked for {config_.CONFIG_FILE}, and for [tool.evalgate] "
        f"in {config_.PYPROJECT_FILE}, in {root}; write a first one with: pytest-evalgate init"
    )


def _of_configured(settings: Settings, assembly: Assembly, selection: Selection, config: pytest.Config) -> str:
    names = (config_.CONFIG_FILE, config_.PYPROJECT_FILE)
    name = next((name for name in names if (assembly.root / name).exists()), config_.CONFIG_FILE)
    if not settings.suites:
        table = "suites" if name == config_.CONFIG_FILE else "tool.evalgate.suites"
        return (
            f'{name} defines no suite; add [{table}.NAME] with golden = "FILE.jsonl", or run one file: '
            "pytest --eval-gate FILE.jsonl"
        )
    without_target = [name for name in selection.suites if assembly.ready(name).target is None]
    if without_target:
        return (
            f"{', '.join(without_target)}: no target, and no test is marked with it; set suites.{without_target[0]}"
            f'.target, or mark a test: @pytest.mark.{MARKER}(suite="{without_target[0]}")'
        )
    folder = config.invocation_params.dir
    given = first_few([shlex.quote(arg) for arg in config.args])
    golden = [_from(assembly.root / path, folder) for path in assembly.golden_names()]
    return (
        f"{given}: no golden set of a suite, and no test marked {MARKER}; run all suites with: pytest --eval-gate, or "
        f"one with: pytest --eval-gate {shlex.quote(golden[0])}"
    )


def _of_foreign(path: Path) -> str:
    """Return the message for a configuration in another format, with the translation of its first lines."""
    try:
        text = path.read_bytes()[:10_000].decode("utf-8", "replace")
    except OSError:
        text = ""
    lines = "; ".join(list(_translated(text))[:_MOST_TRANSLATED])
    return (
        f"{path.name} is not read: the configuration is {config_.CONFIG_FILE}, in TOML; write each suite as "
        f'[suites.NAME], and its keys as key = "value"; {lines or "nothing in it could be translated"}; list the '
        "known keys with: pytest-evalgate schema"
    )


_LINE: Final = re.compile(r"( *)([\w.-]+):(?: +(.+?))? *")
_COMMENT: Final = re.compile(r"(?:^| )#.*")


def _translated(text: str) -> Iterator[str]:
    """Yield the lines ``key: value`` of a YAML file as they are written in TOML, with their tables."""
    above: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.fullmatch(_COMMENT.sub("", line))
        if found is None:
            continue
        indent, key, value = len(found[1]), found[2], found[3]
        above = [(before, name) for before, name in above if before < indent]
        if value is None:
            above.append((indent, key))
            continue
        table = ".".join(name for _, name in above)
        shown = mask_keys(f"{key} = {_toml(value)}")
        in_table = f"in [{table}]" if table else "above all tables"
        yield f"line {number} becomes {escape_text(shown, 120)} {escape_text(in_table)}"


def _toml(value: str) -> str:
    bare = re.fullmatch(r"true|false|-?\d+(\.\d+)?|\".*\"|'.*'|\[.*\]", value)
    return value if bare else f'"{value}"'


def _configured_elsewhere(root: Path, cwd: Path) -> Iterator[Path]:
    """Yield the folders with a configuration: those above the working directory, then those below ``root``."""
    for folder in (cwd, *cwd.parents):
        if folder != root and _is_configured(folder):
            yield folder
    names = (config_.CONFIG_FILE, config_.PYPROJECT_FILE)
    folders = (file.parent for file in walk_files(root, depth=_DEPTH, most=5_000) if file.name in names)
    yield from (folder for folder in folders if folder != root and _is_configured(folder))


def _is_configured(folder: Path) -> bool:
    try:
        return config_.is_configured(folder)
    except SettingsError:  # it cannot be parsed, but it is one
        return True


def _from(path: Path, folder: Path) -> str:
    """Return a path as it is written in ``folder``, such as ``../evals``."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # on another drive
        return relative_name(path, folder)


_WORD: Final = re.compile(r"[^\s()]+")
_OPERATORS: Final = frozenset({"and", "or", "not"})


def why_all_deselected(expression: str, known: Collection[str], nodeids: Iterable[str]) -> str | None:
    """Return which word of ``-k`` matches none of the planned cases; None if each word matches one.

    Args:
        expression: The value of ``-k``.
        known: Ids, tags and suites of the planned cases.
        nodeids: Node ids of their items.
    """
    matched = [name.lower() for name in (*known, *nodeids)]
    for word in _WORD.findall(expression):
        if word.lower() not in _OPERATORS and not any(word.lower() in name for name in matched):
            near = did_you_mean(word, known) or f"; there are for example {_examples(known)}"
            return f"-k {shlex.quote(expression)}: {escape_text(word)} matches no case{near}"
    return None


def _examples(names: Collection[str]) -> str:
    return ", ".join(sorted(names, key=lambda name: (len(name), name))[:3])
