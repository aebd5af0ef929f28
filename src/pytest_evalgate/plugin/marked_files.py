"""Marked tests of the project, found in the source before pytest collects anything.

A test that is marked with the golden set of a configured suite is the target of that suite, wherever it is: pytest
collects it although it is outside of ``testpaths``, or only the golden set was named.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.markers import MarkedFile, MarkedTest, describe_place, find_marked, suite_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    import pytest

    from pytest_evalgate.plugin.assembly import Assembly


@dataclass(frozen=True, slots=True)
class FoundTest:
    """A marked test.

    Args:
        path: Its module.
        nodeid: Its argument for pytest, with an absolute path.
        place: Its place for messages.
        suite: The configured suite that it runs; None if it runs another one.
        is_function: False for a class or a module.
    """

    path: Path
    nodeid: str
    place: str
    suite: str | None
    is_function: bool


@dataclass(frozen=True, slots=True)
class MarkedTests:
    """The marked tests of a project."""

    found: tuple[FoundTest, ...] = ()

    @property
    def places(self) -> dict[str, str]:
        """Places of the tests that run configured suites, by suite."""
        return {test.suite: test.place for test in reversed(self.found) if test.suite is not None}

    def test_of_case(self, argument: str, suites: Collection[str]) -> str | None:
        """Return the marked test of the case that an argument names in a golden set; None if no test runs it.

        Args:
            argument: An argument of pytest, such as ``golden/faq.jsonl::refund-1``.
            suites: The suites of its file.
        """
        _, _, case_id = argument.partition("::")
        tests = [test for test in self.found if test.suite is not None and test.suite in suites]
        return f"{tests[0].nodeid}[{case_id}]" if case_id and len(tests) == 1 and tests[0].is_function else None

    def arguments(self, suites: Collection[str], given: Sequence[Path], *, everything: bool) -> Iterator[str]:
        """Yield the tests that pytest would not collect by itself, as arguments.

        Args:
            suites: The selected suites, whose tests are needed.
            given: The paths that pytest collects.
            everything: Whether the command line names no path, so that all marked tests are needed.
        """
        for test in self.found:
            is_needed = everything or test.suite in suites
            if is_needed and not any(test.path.is_relative_to(path) for path in given):
                yield test.nodeid


def marked_tests(config: pytest.Config, assembly: Assembly, given: Sequence[Path], *, everything: bool) -> MarkedTests:
    """Find the marked tests of the project.

    The files are not read if no test of theirs could matter: without a configured suite, if pytest collects the whole
    project. With ``--eval-target`` the marked tests of configured suites do not run.
    """
    root = assembly.root
    if assembly.options.target or not (assembly.settings.suites or (everything and root not in given)):
        return MarkedTests()
    golden = {name: assembly.golden_paths(name, suite) for name, suite in assembly.settings.suites.items()}
    rules = _Rules.of(config)
    files = find_marked(root, is_test_file=rules.is_test_file, enter=rules.enters)
    kept = (file for file in files if not _is_ignored(config, file.path))
    return MarkedTests(tuple(found for file in kept for found in _found(file, rules, root, golden)))


def _found(file: MarkedFile, rules: _Rules, root: Path, golden: Mapping[str, Sequence[Path]]) -> Iterator[FoundTest]:
    for test in file.tests:
        if rules.collects(test):
            nodeid = "::".join(filter(None, (str(file.path), test.name)))
            suite = suite_of(file.path, test, root=root, golden=golden)
            is_function = bool(test.name) and not test.is_class
            yield FoundTest(file.path, nodeid, describe_place(file.path, test, root), suite, is_function)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The settings by which pytest recognises tests."""

    files: Sequence[str]
    functions: Sequence[str]
    classes: Sequence[str]
    skipped_folders: Sequence[str]

    @classmethod
    def of(cls, config: pytest.Config) -> _Rules:
        names = ("python_files", "python_functions", "python_classes", "norecursedirs")
        return cls(*(tuple(config.getini(name)) for name in names))

    def is_test_file(self, path: Path) -> bool:
        return path.suffix == ".py" and "[" not in str(path) and any(_matches(path, each) for each in self.files)

    def enters(self, folder: Path) -> bool:
        return not any(_matches(folder, pattern) for pattern in self.skipped_folders)

    def collects(self, test: MarkedTest) -> bool:
        """Return whether pytest collects a test: an argument that it does not collect would be an error."""
        *classes, last = test.name.split("::")
        return test.name == "" or (
            all(_begins(name, self.classes) for name in classes)
            and _begins(last, self.classes if test.is_class else self.functions)
        )


def _matches(path: Path, pattern: str) -> bool:
    return fnmatch(str(path) if "/" in pattern else path.name, f"*/{pattern}" if "/" in pattern else pattern)


def _begins(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name has one of the prefixes, or matches one of the patterns."""
    return any(name.startswith(each) or ("*" in each and fnmatch(name, each)) for each in patterns)


def _is_ignored(config: pytest.Config, path: Path) -> bool:
    return bool(config.hook.pytest_ignore_collect(collection_path=path, config=config))
