"""Files that the results of each suite depend on, and the suites that a changed file affects.

These are the configuration, golden sets, prompts, recorded outputs, rubrics and other files of judges and scorers, and
the Python files of targets and scorers with the modules of the project that they import. Imports are read from the
source; modules that are imported by a computed name are not found.
"""

from __future__ import annotations

import ast
import contextlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import config
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.config import Settings, Suite

_MOST_MODULES: Final = 2_000
_SOURCE_FOLDERS: Final = ("", "src")
_TEST_PREFIXES: Final = ("test_", "conftest")


@dataclass(frozen=True, slots=True)
class WatchedFiles:
    """The files of a project by which its suites are affected.

    Args:
        root: Root folder.
        suites: Names of the watched suites.
        configuration: Files that affect every suite.
        by_file: The suites that each other file affects.
        in_code: Suites that a marked test runs: every test file affects them.
    """

    root: Path
    suites: tuple[str, ...]
    configuration: frozenset[Path]
    by_file: Mapping[Path, tuple[str, ...]]
    in_code: tuple[str, ...] = ()

    def affected(self, path: Path) -> tuple[str, ...]:
        """Return the suites that a change of ``path`` affects, in the order of the configuration."""
        if path in self.configuration:
            return self.suites
        found = {*self.by_file.get(path, ())}
        is_test = path.suffix == ".py" and path.name.startswith(_TEST_PREFIXES)
        if is_test and path.is_relative_to(self.root):
            found.update(self.in_code)
        return tuple(name for name in self.suites if name in found)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The existing folders that contain the files."""
        found = {path.parent for path in (*self.configuration, *self.by_file)}
        if self.in_code:
            found.update(path.parent for path in _test_files(self.root))
        return tuple(sorted(folder for folder in found if folder.is_dir()))


def watched_files(root: Path, settings: Settings, names: Iterable[str]) -> WatchedFiles:
    """Return the files that the suites ``names`` depend on."""
    names = tuple(names)
    by_file: dict[Path, list[str]] = defaultdict(list)
    for name in names:
        for path in dict.fromkeys(_files_of(root, settings, settings.suites[name])):
            by_file[path].append(name)
    configuration = frozenset(root / name for name in (config.CONFIG_FILE, config.PYPROJECT_FILE))
    in_code = tuple(name for name in names if settings.suites[name].target is None)
    return WatchedFiles(root, names, configuration, {path: tuple(found) for path, found in by_file.items()}, in_code)


def _files_of(root: Path, settings: Settings, suite: Suite) -> Iterator[Path]:
    yield from _named(root, *suite.golden)
    yield from _target_files(root, suite.target)
    for spec in suite.scorers:
        if isinstance(spec, dict):
            yield from _existing(root, spec.values())
            if isinstance(function := spec.get("python"), str):
                yield from modules_of(root, function.partition(":")[0])
    for name in suite.judges:
        yield from _existing(root, settings.judges[name].model_dump().values())


def _target_files(root: Path, target: config.Target | None) -> Iterator[Path]:
    match target:
        case config.ModelTarget():
            yield from _named(root, target.prompt, target.system)
        case config.RecordedTarget():
            yield from _named(root, *target.recorded)
        case config.PythonTarget():
            yield from modules_of(root, target.python.partition(":")[0])
        case config.CommandTarget():
            yield from _existing(root, target.command)


def _named(root: Path, *names: str | None) -> Iterator[Path]:
    """Yield the paths of configured files, without those outside of the root folder, which a session reports."""
    for name in filter(None, names):
        with contextlib.suppress(ValueError):
            yield files.resolve_inside(root, Path(name))


def _existing(root: Path, values: Iterable[Any]) -> Iterator[Path]:
    """Yield the values that name an existing file: keys of judges and scorers may name files or other things."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from _existing(root, value)
        elif isinstance(value, str) and value and len(value) < 1_000:  # noqa: PLR2004 - longer texts are no paths
            yield from (path for path in _named(root, value) if path.is_file())


# -- Python


def modules_of(root: Path, module: str) -> tuple[Path, ...]:
    """Return the file of a module, and those of the modules of the project that it imports, directly or not."""
    found: dict[Path, None] = {}
    queue = [module]
    seen = {module}
    while queue and len(seen) < _MOST_MODULES:
        name = queue.pop()
        for path in _module_files(root, name):
            found.setdefault(path)
            for other in _imports(path, name):
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
    return tuple(found)


def _module_files(root: Path, module: str) -> Iterator[Path]:
    """Yield the file of a module and those of its packages, as far as they are in the project."""
    parts = module.split(".")
    for folder in _SOURCE_FOLDERS:
        base = root / folder
        for length in range(1, len(parts) + 1):
            path = base.joinpath(*parts[:length])
            yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())


def _imports(path: Path, module: str) -> Iterator[str]:
    """Yield the names that a module may import: those after ``from x import`` may be modules or not."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield base
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "venv", "build", "dist", "site-packages"})
_MOST_FOLDERS: Final = 5_000


def _test_files(root: Path) -> Iterator[Path]:
    """Yield the test files below the root folder, without hidden folders, environments and builds."""
    queue, seen = [root], 0
    while queue and seen < _MOST_FOLDERS:
        folder = queue.pop()
        seen += 1
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                if not entry.name.startswith(".") and entry.name not in _SKIPPED:
                    queue.append(entry)
            elif entry.suffix == ".py" and entry.name.startswith(_TEST_PREFIXES):
                yield entry
