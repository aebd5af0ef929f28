"""Selection of suites by the command line, and their construction before anything runs."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from pytest_evalgate.app import fit
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.load import IMPORTED, import_remedy
from pytest_evalgate.plugin.marked_files import marked_tests
from pytest_evalgate.text import files
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite

GOLDEN_SUFFIXES = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class Selection:
    """Suites that a command line selects.

    Args:
        suites: Their names.
        everything: True if the command line names no path, so that every configured suite has to run.
        direct: Golden sets whose path cannot be an argument of pytest. They are collected without one.
        ad_hoc: Golden sets of the command line that no suite contains.
        in_code: Places of the marked tests that run configured suites, by suite.
        arguments: The arguments of pytest. Workers of xdist would otherwise read ``testpaths`` again.
        on_controller: The suites that the controller of xdist runs; its workers do not read their golden sets.
    """

    suites: tuple[str, ...]
    everything: bool
    direct: tuple[str, ...] = ()
    ad_hoc: tuple[str, ...] = ()
    in_code: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    on_controller: tuple[str, ...] = ()

    def export(self) -> dict[str, Any]:
        """Return the selection as plain values, for an xdist worker: ``Selection.of(values)`` reads them."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the selection of the controller."""
        lists = {key: tuple(values[key]) for key in ("suites", "direct", "ad_hoc", "arguments", "on_controller")}
        return cls(everything=values["everything"], in_code=values["in_code"], **lists)

    def apply(self, config: pytest.Config, assembly: Assembly) -> None:
        """Select the same in an xdist worker: arguments, golden sets that no suite contains, and marked tests."""
        config.args = [*self.arguments]
        for path in self.ad_hoc:
            assembly.add_ad_hoc(Path(path))
        assembly.in_code.update(self.in_code)


def select(config: pytest.Config, assembly: Assembly) -> Selection:
    """Return the selected suites, and add their files and their marked tests to the arguments of pytest.

    Raises:
        SettingsError: a golden set is outside the root folder, or an argument does not exist.
    """
    _require_existing(config, assembly)
    every = {name: assembly.golden_paths(name, suite) for name, suite in assembly.settings.suites.items()}
    everything = not _names_path(config)
    arguments = {arg: path_of(arg, config.invocation_params.dir) for arg in config.args}
    given = list(arguments.values())
    _reject_importable(arguments, assembly)
    ad_hoc: list[str] = []
    for path in given:
        if path.suffix.lower() in GOLDEN_SUFFIXES and path.is_file() and not assembly.suites_of(path):
            every |= dict.fromkeys(assembly.add_ad_hoc(path), (path,))
            ad_hoc.append(str(path))
    if everything:
        names = [str(config.rootpath / name) for name in dict.fromkeys(assembly.golden_names())]
        arguments |= {name: _whole(name, config.rootpath) for name in names}
        suites = tuple(every)
    else:
        suites = tuple(
            name for name, paths in every.items() if any(path.is_relative_to(one) for path in paths for one in given)
        )
    marked = marked_tests(config, assembly, given, everything=everything)
    for arg, path in [*arguments.items()]:
        if (test := marked.test_of_case(arg, assembly.suites_of(path))) is not None:
            del arguments[arg]
            arguments[test] = path_of(test, config.rootpath)
    added = marked.arguments(suites, [*arguments.values()], everything=everything)
    arguments |= {name: path_of(name, config.rootpath) for name in added}
    assembly.in_code.update(marked.places)
    direct = [
        arg
        for arg, path in arguments.items()
        if not is_nameable(arg) and path == _whole(arg, config.invocation_params.dir) and assembly.suites_of(path)
    ]
    config.args = [arg for arg in arguments if arg not in direct]
    return Selection(suites, everything, tuple(direct), tuple(ad_hoc), marked.places, tuple(config.args))


def _require_existing(config: pytest.Config, assembly: Assembly) -> None:
    """Raise if an argument names no file, which pytest reports after the estimate and without a suggestion."""
    if config.getoption("pyargs"):
        return
    folder = config.invocation_params.dir
    for arg in config.args:
        if not path_of(arg, folder).exists():
            known = [*(str(files.relative_name(assembly.root / name, folder)) for name in assembly.golden_names())]
            known += _siblings(path_of(arg, folder), folder)
            raise SettingsError(f"{arg}: there is no such file or folder{did_you_mean(arg, known)}")


def _siblings(path: Path, folder: Path) -> list[str]:
    try:
        return [files.relative_name(one, folder) for one in path.parent.iterdir()]
    except OSError:  # the folder does not exist either
        return []


def _reject_importable(arguments: Mapping[str, Path], assembly: Assembly) -> None:
    """Reject tables and documents on the command line, which pytest would report as "not found".

    Other plugins collect YAML files as tests, so only a configuration of promptfoo is rejected among these.

    Raises:
        SettingsError: There are some; lists the command that makes a golden set of each.
    """
    problems = [
        f"{arg}: {IMPORTED[path.suffix.lower()]}, {import_remedy(files.relative_name(path, assembly.root))}"
        for arg, path in arguments.items()
        if _is_importable(path) and path.is_file() and not assembly.suites_of(path)
    ]
    if problems:
        raise SettingsError("\n".join(problems))


def _is_importable(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in IMPORTED and (suffix not in {".yaml", ".yml"} or path.stem.startswith("promptfoo"))


def _names_path(config: pytest.Config) -> bool:
    """Return whether the user named a path. Paths in the project's ``addopts`` do not count."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return False
    typed = [*map(str, config.invocation_params.args), *shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))]
    from_file = any(arg.startswith("@") for arg in typed)  # pytest reads further arguments from the file @NAME
    return from_file or not set(typed).isdisjoint(config.args)


def path_of(arg: str, folder: Path) -> Path:
    """Return the path in an argument of pytest, without the parts that select a test."""
    whole = _whole(arg, folder)
    return whole if whole.exists() else _whole(arg.partition("::")[0], folder)


def _whole(arg: str, folder: Path) -> Path:
    return (folder / arg).resolve()


def is_nameable(arg: str) -> bool:
    """Return whether pytest takes an argument as a path: it reads ``[`` and ``::`` as parts of a test's name."""
    return "[" not in arg and "::" not in arg


def build_selected(selection: Selection, config: pytest.Config, assembly: Assembly) -> list[ReadySuite]:
    """Build the selected suites now, so that all problems are reported before anything runs.

    Raises:
        UserError: files or settings cannot be used, or a golden set of the command line has no target; the message
            contains every problem of every suite, each once.
    """
    named = [*map(Path, selection.ad_hoc)]
    if not selection.everything:
        named += (path_of(arg, config.invocation_params.dir) for arg in (*config.args, *selection.direct))
    ready: list[ReadySuite] = []
    problems: dict[str, None] = {}
    for name in selection.suites:
        try:
            suite = assembly.ready(name)
        except UserError as error:
            problems |= dict.fromkeys(str(error).splitlines())
            continue
        ready.append(suite)
        is_named = any(assembly.root / golden in named for golden in suite.plan.golden)
        if suite.target is None and is_named and name not in assembly.in_code:
            problem = (
                f"{suite.plan.golden[0]}: no target: its rows contain no recorded output; "
                "name one with --eval-target recorded:FILE or --eval-target python:pkg.mod:name"
            )
            problems[problem] = None
    if problems:
        raise UserError("\n".join(problems))
    return ready


def fit_warnings(suites: Sequence[ReadySuite]) -> Iterator[str]:
    """Yield a warning for each golden set with fields that no suite grades, and for each unknown placeholder."""
    unread = {suite.plan.name: suite.unread_fields for suite in suites}
    shared = fit.shared_by_all(unread, {suite.plan.name: suite.plan.golden for suite in suites})
    yield from (f"{file}: {message}" for file, message in fit.describe(shared))
    for suite in suites:
        cases = [case for golden_set in suite.sets for case in golden_set]
        yield from (f"suites.{suite.plan.name}.target: {text}" for text in fit.stray_placeholders(suite.target, cases))
