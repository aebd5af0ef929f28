"""What is not JSON Lines: told by the name of the file, or by how it begins, and said once instead of line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_evalgate.jsonl import Line

_KINDS: Final = {
    ".csv": "a table",
    ".json": "a JSON document",
    ".parquet": "a Parquet file",
    ".tsv": "a table",
    ".xlsx": "a spreadsheet",
    ".yaml": "a YAML document",
    ".yml": "a YAML document",
}
_REMEDY: Final = (
    'a golden set is JSON Lines, one object a line, such as {"id": "refund-1", "input": "…", "expected": "…"}: write '
    "its rows so, as a .jsonl file"
)
_WRAPPERS: Final = ("cases", "examples", "goldens", "tests")
_BOM: Final = b"\xef\xbb\xbf"


def by_name(path: Path, name: str) -> LineProblem | None:
    """Return what is wrong with a file whose name says that it holds something else; None for any other file."""
    kind = _KINDS.get(path.suffix.lower())
    return None if kind is None else LineProblem(name, 0, "", f"{kind}; {_REMEDY}")


def by_row(rows: Sequence[Line], name: str) -> LineProblem | None:
    """Return what is wrong with a file whose only row is a list of cases; None for any other."""
    if len(rows) != 1:
        return None
    [row] = rows
    wrapper = next((key for key in _WRAPPERS if isinstance(row.value.get(key), list)), None)
    if wrapper is None or "input" in row.value:
        return None
    return LineProblem(name, row.number, wrapper, f"all cases in one object; {_REMEDY}")


def by_beginning(path: Path, name: str) -> LineProblem | None:
    """Return what is wrong with a file that begins like one JSON document over several lines; None for any other."""
    try:
        with path.open("rb") as file:
            head = file.read(64).removeprefix(_BOM).lstrip()
    except OSError:
        return None
    if head.startswith(b"["):
        return LineProblem(name, 0, "", f"a JSON array; {_REMEDY}")
    if head.startswith(b"{") and head[1:].lstrip(b" \t\r").startswith(b"\n"):
        return LineProblem(name, 0, "", f"a JSON document over several lines; {_REMEDY}")
    return None
