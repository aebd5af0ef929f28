"""Python files of a module name: the module, its packages, and their imports from the same project.

Imports are read from the source text. No code runs, so that ``verify`` can list code of the branch.
"""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Reader = Callable[[str], bytes | None]

_MOST_FILES: Final = 300


def code_files(read: Reader, modules: Iterable[str], folders: Iterable[str], *, imports: bool) -> dict[str, bytes]:
    """Return the source files of modules by path.

    Args:
        read: Returns the content of a file, relative to the root folder; None if there is none.
        modules: Dotted names.
        folders: Folders of the import path, relative to the root folder; "" is the root folder.
        imports: Whether to follow the imports of the files that are found.
    """
    found: dict[str, bytes] = {}
    queue, known = list(modules), set(modules)
    places = list(dict.fromkeys(folders))
    while queue and len(found) < _MOST_FILES:
        module = queue.pop()
        for path, package in _candidates(module, places):
            if path in found or (data := read(path)) is None:
                continue
            found[path] = data
            if imports:
                new = [name for name in _imports(data, package) if name not in known]
                known.update(new)
                queue += new
    return found


def _candidates(module: str, folders: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the possible files of a module and of the packages around it, each with the package of its content."""
    parts = module.split(".")
    for folder in folders:
        start = f"{folder}/" if folder else ""
        for end in range(1, len(parts) + 1):
            path = f"{start}{'/'.join(parts[:end])}"
            yield f"{path}/__init__.py", ".".join(parts[:end])
        yield f"{start}{'/'.join(parts)}.py", ".".join(parts[:-1])


def _imports(data: bytes, package: str) -> Iterator[str]:
    try:
        with warnings.catch_warnings(action="ignore"):  # invalid escapes in the user's code cause warnings
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".") if package else []
            start = parents[: len(parents) - node.level + 1] if node.level else []
            name = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            if name:
                yield name
            yield from (f"{name}.{alias.name}".strip(".") for alias in node.names if alias.name != "*")
