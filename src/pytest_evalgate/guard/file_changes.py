"""Changes of the files that the gate reads, other than configuration, golden sets and baselines.

Changes of files that decide (judges, calibrations, scorers) are ``weaker``, because outputs are not graded a second
time to compare. Changes of files under test (prompts, recorded outputs, targets) are ``neutral``.
"""

from __future__ import annotations

import ast
import hashlib
import posixpath
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.config import CommandTarget, ModelTarget, PythonTarget, RecordedTarget
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.guard.directions import NOTHING
from pytest_evalgate.guard.pytest_settings import PytestSettings, pytest_changes, read_settings
from pytest_evalgate.records.verdicts import GateChange
from pytest_evalgate.text.wording import OUTPUTS_CHANGED, PROMPT_CHANGED, TARGET_CODE_CHANGED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.config import Judge, Settings, Suite
    from pytest_evalgate.records.verdicts import Effect

    Reader = Callable[[str], bytes | None]

_CONFTEST: Final = "conftest.py"
_DIGITS: Final = 12
_LARGEST: Final = 256 << 20
_MOST_MODULES: Final = 300
SCORER_CODE_CHANGED: Final = "code of a scorer changed"


@dataclass
class FileChanges:
    """Files of two branches.

    Args:
        read_base: Returns the content of a file at the base, relative to the root folder; None if there is none.
        find_base: Returns the paths of all files at the base with one of the given names, relative to the root folder.
        root: Root folder of this branch.
        base: Configuration of the base.
        head: Configuration of this branch.
    """

    read_base: Reader
    find_base: Callable[..., list[str]]
    root: Path
    base: Settings
    head: Settings

    def changes(self) -> Iterator[GateChange]:
        """Yield the differences of all files except those of judges."""
        yield from pytest_changes(*self._pytest)
        for name, suite in self.base.suites.items():
            if name in self.head.suites:
                yield from self._scorers(name, suite)
        for name, suite in self.base.suites.items():
            if name in self.head.suites and suite.run_labels is not None:
                yield from self._file("run labels changed", f"suites.{name}.run_labels", suite.run_labels, "weaker")
        for name, suite in self.base.suites.items():
            if name in self.head.suites:
                yield from self._target(name, suite, self.head.suites[name])
        yield from self._conftests()

    def of_judge(self, name: str, judge: Judge) -> Iterator[GateChange]:
        """Yield the differences of the canaries of a judge of the base."""
        if judge.canaries is not None:
            yield from self._file("judge's canaries changed", f"judges.{name}.canaries", judge.canaries, "weaker")

    def cassettes(self, folder: str, names: Iterable[str]) -> Iterator[GateChange]:
        """Yield the differences of cassettes, whose replies are used in place of calls.

        Args:
            folder: Their folder, relative to the root folder.
            names: Their names at the base.
        """
        here = (path.name for path in (self.root / folder).glob("*.jsonl"))
        for name in sorted({*names, *here}):
            path = posixpath.join(folder, name)
            before, now = self.read_base(path), self.read_head(path)
            if not same_text(before, now):
                differing = {*(before or b"").splitlines()} ^ {*(now or b"").splitlines()}
                graded = any(b"judge" in line for line in differing)  # a reply or a question of a judge
                yield _change("cassette changed", path, (before, now), "weaker" if graded else "neutral")

    def read_head(self, path: str) -> bytes | None:
        """Return the content of a file of this branch, as a session reads it; None if there is none."""
        file = self.root / path
        try:
            if not file.is_file() or file.stat().st_size > _LARGEST:  # reading a named pipe could block for ever
                return None
            return file.read_bytes()
        except OSError:
            return None

    @cached_property
    def _pytest(self) -> tuple[PytestSettings, PytestSettings]:
        return read_settings(self.read_base), read_settings(self.read_head)

    @cached_property
    def _folders(self) -> list[str]:
        """Folders of the import path: the root folder, ``pythonpath`` of both branches, and ``src``."""
        return list(dict.fromkeys(["", *(folder for one in self._pytest for folder in one.import_folders), "src"]))

    def _installed_from(self, modules: list[str]) -> Iterator[str]:
        """Yield the folders of this repository from which one of the modules is installed."""
        for module in modules:
            path = module.replace(".", "/")
            for file in (f"{path}.py", f"{path}/__init__.py"):
                for found in self.find_base(posixpath.basename(file)):
                    if f"/{found}".endswith(f"/{file}"):
                        yield found.removesuffix(file).rstrip("/")

    def _scorers(self, name: str, suite: Suite) -> Iterator[GateChange]:
        modules = [_module(spec["python"]) for spec in _specs(suite) if "python" in spec]
        if modules:
            yield from self._code(SCORER_CODE_CHANGED, f"suites.{name}.scorers", modules, "weaker")
        for path in (spec.get("schema") for spec in _specs(suite)):
            if isinstance(path, str) and _is_relative(path):
                yield from self._file("schema of a scorer changed", f"suites.{name}.scorers", path, "weaker")

    def _target(self, name: str, before: Suite, now: Suite) -> Iterator[GateChange]:
        """Yield the differences of the files of a target, whose keys are compared by `target_changes`."""
        place = f"suites.{name}.target"
        match before.target, now.target:
            case ModelTarget() as old, ModelTarget() as new:
                for key in ("prompt", "system"):
                    path = getattr(old, key)
                    if path is not None and path == getattr(new, key):
                        yield from self._file(PROMPT_CHANGED, f"{place}.{key}", path, "neutral")
            case RecordedTarget() as old, RecordedTarget() as new:
                for path in dict.fromkeys(one for one in old.recorded if one in new.recorded):
                    yield from self._file(OUTPUTS_CHANGED, f"{place}.recorded", path, "neutral")
            case PythonTarget() as old, PythonTarget() as new if old.python == new.python:
                yield from self._code(TARGET_CODE_CHANGED, place, [_module(old.python)], "neutral")
            case CommandTarget() as old, CommandTarget() as new if old.command == new.command:
                for word in filter(_is_relative, old.command):
                    yield from self._file(TARGET_CODE_CHANGED, place, word, "neutral")

    def _code(self, what: str, where: str, modules: list[str], effect: Effect) -> Iterator[GateChange]:
        """Yield the differences of modules; for scorers, also those of the modules that they import."""
        folders = [*self._folders, *self._installed_from(modules)]
        before, now = (
            code_files(read, modules, folders, imports=effect == "weaker") for read in (self.read_base, self.read_head)
        )
        for path in {**before, **now}:
            sides = before.get(path), now.get(path)
            if not same_text(*sides):
                yield _change(what, where, sides, effect, path)

    def _conftests(self) -> Iterator[GateChange]:
        """Yield the changes of conftest files: they can define scorers, targets, fixtures and options."""
        from pytest_evalgate.scorers.registry import RULES  # noqa: PLC0415 - only if there is a base

        suites = [*self.base.suites.values(), *self.head.suites.values()]
        folders = [folder for suite in suites for path in suite.golden for folder in _folders_around(path)]
        kinds = {str(spec.get("kind", "")) for suite in self.base.suites.values() for spec in _specs(suite)}
        effect: Effect = "weaker" if kinds - {"", *RULES} else "neutral"
        for folder in dict.fromkeys(["", *folders, "tests"]):
            path = posixpath.join(folder, _CONFTEST)
            yield from self._file("conftest changed", path, path, effect)

    def _file(self, what: str, where: str, path: str, effect: Effect) -> Iterator[GateChange]:
        before, now = self.read_base(path), self.read_head(path)
        if not same_text(before, now):
            yield _change(what, where, (before, now), effect, path if path != where else "")


def same_text(before: bytes | None, now: bytes | None) -> bool:
    """Return whether two files are equal except for line ends, which a checkout on Windows changes."""
    if before is None or now is None:
        return before is now
    return before.replace(b"\r\n", b"\n") == now.replace(b"\r\n", b"\n")


def _folders_around(path: str) -> Iterator[str]:
    folder = posixpath.dirname(path) if _is_relative(path) else ""
    while folder:
        yield folder
        folder = posixpath.dirname(folder)


def _specs(suite: Suite) -> Iterator[Mapping[str, Any]]:
    for given in suite.scorers:
        yield {"kind": given} if isinstance(given, str) else given


def _module(spec: str) -> str:
    return str(spec).partition(":")[0]


def _is_relative(word: str) -> bool:
    return not word.startswith(("/", "-")) and ".." not in word.split("/")


def _change(
    what: str, where: str, sides: tuple[bytes | None, bytes | None], effect: Effect, path: str = ""
) -> GateChange:
    old, new = (
        NOTHING if data is None else f"{path} {hashlib.sha256(data).hexdigest()[:_DIGITS]}".strip() for data in sides
    )
    return GateChange(what, where, old, new, effect)


def code_files(read: Reader, modules: Iterable[str], folders: Iterable[str], *, imports: bool) -> dict[str, bytes]:
    """Return the source files of modules by path: of each module, its packages, and their imports from the project.

    Imports are read from the source text. No code runs, so that ``verify`` can list code of the branch.

    Args:
        read: Returns the content of a file, relative to the root folder; None if there is none.
        modules: Dotted names.
        folders: Folders of the import path, relative to the root folder; "" is the root folder.
        imports: Whether to follow the imports of the files that are found.
    """
    found: dict[str, bytes] = {}
    queue, known = list(modules), set(modules)
    places = list(dict.fromkeys(folders))
    while queue and len(found) < _MOST_MODULES:
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
