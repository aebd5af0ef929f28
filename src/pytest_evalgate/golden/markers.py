"""Tests marked ``golden_set``, read from their source: no code of the project is imported.

A test that is marked with the golden set of a configured suite produces the outputs of that suite. The plugin has to
know that before it collects anything, and the comparison with the base branch has to know it without running pytest.
"""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.files import read_bytes, relative_name
from pytest_evalgate.text.folders import walk_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_MARKER: Final = "golden_set"
_LARGEST: Final = 2_000_000
"""Bytes of the largest source file that is read. A module of tests has some thousands."""


@dataclass(frozen=True, slots=True)
class MarkedTest:
    """A function or a class that is marked, or a module whose ``pytestmark`` marks all of its tests.

    Args:
        name: Its name within the module, such as ``TestBot::test_answer``; empty for a whole module.
        line: Line of the marker.
        paths: Golden sets that the marker names.
        suite: Suite that the marker names; None if it names none.
        is_literal: False if an argument is not a plain string, so that only running the module can evaluate it.
        is_class: True if the marker applies to every test of a class.
    """

    name: str
    line: int
    paths: tuple[str, ...] = ()
    suite: str | None = None
    is_literal: bool = True
    is_class: bool = False


@dataclass(frozen=True, slots=True)
class MarkedFile:
    """A module with marked tests; ``path`` is absolute."""

    path: Path
    tests: tuple[MarkedTest, ...]


def find_marked(
    root: Path,
    *,
    is_test_file: Callable[[Path], bool] = lambda path: path.suffix == ".py",
    enter: Callable[[Path], bool] = lambda _: True,
) -> Iterator[MarkedFile]:
    """Yield the modules below ``root`` that contain marked tests."""
    for path in walk_files(root, enter=enter):
        if is_test_file(path) and (tests := read_marked(path)):
            yield MarkedFile(path, tests)


def read_marked(path: Path) -> tuple[MarkedTest, ...]:
    """Return the marked tests of a module; none if it cannot be read or parsed, which pytest reports."""
    try:
        source = b"" if path.stat().st_size > _LARGEST else read_bytes(path)
    except OSError:
        return ()
    return marked_in(source)


def marked_in(source: bytes) -> tuple[MarkedTest, ...]:
    """Return the marked tests in the source of a module."""
    if _MARKER.encode() not in source:  # parsing costs 1 ms per 100 lines
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes, which "error" would turn into a SyntaxError
            module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    return tuple(_marked_in(module.body, ""))


def _marked_in(body: Iterable[ast.stmt], prefix: str) -> Iterator[MarkedTest]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name, is_class = f"{prefix}{node.name}", isinstance(node, ast.ClassDef)
            markers = map(_marker_of, node.decorator_list)
            yield from (_test(name, call, is_class=is_class) for call in markers if call is not None)
            if isinstance(node, ast.ClassDef):
                yield from _marked_in(node.body, f"{name}::")
        elif isinstance(node, ast.Assign) and any(_is_named(target, "pytestmark") for target in node.targets):
            values = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
            name = prefix.removesuffix("::")
            markers = map(_marker_of, values)
            yield from (_test(name, call, is_class=bool(name)) for call in markers if call is not None)


def _is_named(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _marker_of(node: ast.expr) -> ast.Call | None:
    """Return the call of the marker: ``pytest.mark.golden_set(...)`` or ``mark.golden_set(...)``."""
    is_marker = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == _MARKER
    return node if is_marker else None  # type: ignore[return-value]  # mypy forgets the first half


def _test(name: str, call: ast.Call, *, is_class: bool) -> MarkedTest:
    paths = [_literal(argument) for argument in call.args]
    suites = [_literal(keyword.value) for keyword in call.keywords if keyword.arg == "suite"]
    is_literal = None not in (*paths, *suites) and all(keyword.arg is not None for keyword in call.keywords)
    known = tuple(path for path in paths if path is not None)
    return MarkedTest(name, call.lineno, known, suites[0] if suites else None, is_literal, is_class)


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def suite_of(file: Path, test: MarkedTest, *, root: Path, golden: Mapping[str, Iterable[Path]]) -> str | None:
    """Return the configured suite that a marked test runs; None if it runs another one, or if that is unknown.

    Args:
        file: Its module.
        test: The test.
        root: Root folder of the project.
        golden: The golden sets of each configured suite, as absolute paths.
    """
    if not test.is_literal:
        return None
    if test.suite is not None:
        return test.suite if test.suite in golden else None
    paths = {_resolved(root, file.parent, path) for path in test.paths}
    names = [name for name, files in golden.items() if not paths.isdisjoint(files)]
    return names[0] if len(names) == 1 else None


def _resolved(root: Path, folder: Path, path: str) -> Path:
    """Return the path that a marker means: below the folder of its module, else below the root folder."""
    beside = folder / path
    return (beside if beside.exists() else root / path).resolve()


def describe_place(file: Path, test: MarkedTest, root: Path) -> str:
    """Return ``tests/test_bot.py:5: test_answer``."""
    place = f"{relative_name(file, root)}:{test.line}"
    return f"{place}: {test.name}" if test.name else place
