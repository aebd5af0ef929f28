"""Line numbers of the keys of a configuration file, which ``tomllib`` does not report."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Final, Self

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.problems import join_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.text.problems import Place


@dataclass(frozen=True, slots=True)
class KeyLines:
    """Line numbers of the keys of one file.

    ``lines`` has the keys that have a value, such as ``suites.faq.gates[0].min``; ``tables`` has the tables and lists
    around them and the members of lists.
    """

    file: str
    lines: Mapping[str, int]
    tables: Mapping[str, int]

    @classmethod
    def of(cls, file: str, text: str, prefix: str = "") -> Self:
        """Find the lines of a valid TOML file; ``prefix`` is the path of our table in it, with a dot at its end."""
        lines, tables = _lines_of(text)
        return cls(file, _below(prefix, lines), _below(prefix, tables))

    def line_of(self, place: Place) -> int:
        """Return the line of the statement that sets a key, or else a table around it; 0 if there is none."""
        return self.line_around(join_place(place))

    def line_around(self, key: str) -> int:
        """Return the line of the statement that sets a key, or else a table around it; 0 if there is none."""
        while key:
            if line := self.lines.get(key) or self.tables.get(key):
                return line
            key = _outer(key)
        return 0

    def place_of(self, key: str) -> str | None:
        """Return ``file:line`` of the statement that sets ``key`` or a key around it; None if there is none."""
        while key:
            if key in self.lines:
                return f"{self.file}:{self.lines[key]}"
            key = _outer(key)
        return None


def _outer(key: str) -> str:
    return key[: max(key.rfind("."), key.rfind("["), 0)]


def _below(prefix: str, lines: Mapping[str, int]) -> dict[str, int]:
    return {key.removeprefix(prefix): line for key, line in lines.items() if key.startswith(prefix)}


_CLOSINGS: Final = ("", "]", "}]", "]}", "}]}", "]]")
"""What closes a value of several lines early, so that its first lines can be parsed alone."""


def _lines_of(text: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return the 1-based lines of the values of a valid TOML file, and those of tables, lists and members of lists.

    Each statement is parsed alone. One of several lines is also parsed after each of them, closed early, so that the
    members of a list have lines of their own.
    """
    lines: dict[str, int] = {}
    tables: dict[str, int] = {}
    table: Place = ()
    counts: dict[Place, int] = {}
    begin, statement = 1, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        statement += f"{line}\n"
        parsed = _parsed(statement)
        if parsed is not None and statement.lstrip().startswith("["):
            table = _numbered(_header(parsed), counts, is_list=statement.lstrip().startswith("[["))
            tables.setdefault(join_place(table), number)
        else:
            for path, is_leaf in _paths(_closed_early(statement) if parsed is None else parsed):
                is_member = any(isinstance(step, int) for step in path)
                kept = lines if is_leaf and (is_member or parsed is not None) else tables
                kept.setdefault(join_place((*table, *path)), number if is_member else begin)
        if parsed is not None:
            begin, statement = number + 1, ""
    return lines, tables


def _parsed(statement: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(statement)
    except tomllib.TOMLDecodeError:  # inside of a value of several lines
        return None


def _closed_early(statement: str) -> dict[str, Any]:
    start = statement.rstrip().rstrip(",")
    return next((parsed for end in _CLOSINGS if (parsed := _parsed(f"{start}\n{end}")) is not None), {})


def _header(parsed: Mapping[str, Any]) -> Place:
    """Return the path of a header, whose tables have one key each."""
    path: list[str] = []
    value: Any = parsed
    while isinstance(value, dict) and value:
        [(key, value)] = value.items()
        path.append(key)
    return tuple(path)


def _numbered(path: Place, counts: dict[Place, int], *, is_list: bool) -> Place:
    """Return the path of a header with the indices of the lists of tables that it leads through."""
    place: Place = ()
    for end, key in enumerate(path, start=1):
        place = (*place, key)
        if is_list and end == len(path):
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


def _paths(value: Any, path: Place = (), *, below_leaf: bool = False) -> Iterator[tuple[Place, bool]]:
    """Yield the paths of a value and its members, and whether each is a leaf: a list of plain values is one."""
    members: list[tuple[int | str, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    has_tables = isinstance(value, dict) or any(isinstance(inner, dict) for _, inner in members)
    if path:
        yield path, not has_tables and not below_leaf
    for step, inner in members:
        yield from _paths(inner, (*path, step), below_leaf=below_leaf or not has_tables)
