"""Where the keys of a TOML file stand: their lines, which its parser does not tell."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pytest_evalgate.settings import CONFIG_FILE, PYPROJECT_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.data import Json

_PREFIX = "tool.evalgate."


@dataclass(frozen=True, slots=True)
class Places:
    """The lines on which the keys of a configuration stand, by path."""

    file: str
    lines: Mapping[str, int]

    @classmethod
    def in_project(cls, root: Path) -> Self:
        """Find those of the project at ``root``, whose configuration has been read: it is valid TOML."""
        for name, prefix in ((CONFIG_FILE, ""), (PYPROJECT_FILE, _PREFIX)):
            if (root / name).exists():
                lines = lines_of((root / name).read_text("utf-8-sig"))
                kept = {path.removeprefix(prefix): line for path, line in lines.items() if path.startswith(prefix)}
                if kept:
                    return cls(name, kept)
        return cls(CONFIG_FILE, {})

    def of(self, key: str) -> str | None:
        """Return ``file:line`` of what sets ``key``, or the value that it is a part of; None where nothing does."""
        while key:
            if key in self.lines:
                return f"{self.file}:{self.lines[key]}"
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return None


def flat(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield the leaves of nested tables by their paths, such as ``suites.faq.gates[0].min``.

    A list is a leaf unless it holds tables.
    """
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for index, inner in enumerate(value):
            yield from flat(inner, f"{path}[{index}]")
    else:
        yield path, value


def lines_of(text: str) -> dict[str, int]:
    """Return the 1-based line on which the statement of each leaf of a valid TOML file begins.

    The file is read again and again, longer by a line each time: what is new when it parses stands in the lines since
    it parsed last.
    """
    found: dict[str, int] = {}
    begin, read = 1, ""
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        read += line
        if begin == number and (not line.strip() or line.lstrip().startswith("#")):
            begin = number + 1
            continue
        try:
            leaves = dict(flat(tomllib.loads(read)))
        except tomllib.TOMLDecodeError:
            continue
        found |= {path: begin for path, value in leaves.items() if value != {} and path not in found}
        begin = number + 1
    return found
