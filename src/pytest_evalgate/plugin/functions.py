"""The in-code door: a test marked ``golden_set`` runs once a case, and what it returns is graded."""

from __future__ import annotations

import functools
import inspect
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import ValidationError

from pytest_evalgate import files
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.plugin import MARKER
from pytest_evalgate.plugin.golden_test import GOLDEN_TEST, GoldenTest
from pytest_evalgate.plugin.prefetched import with_target
from pytest_evalgate.settings import Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_evalgate.data import Case
    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite

_KEYWORDS = ("suite", "scorers", "trials", "target", "concurrent")
_NOT_ASYNC = (
    'concurrent=True is for async def: make the test one, or have its target asked ahead with target="pkg.mod:name"'
)


@dataclass(frozen=True, slots=True)
class Marked:
    """What a marker asks for: a suite, and whether the bodies of its cases are to run together."""

    suite: ReadySuite
    concurrent: bool


def is_method_of_unittest(item: pytest.Item) -> bool:
    """Tell whether pytest leaves the parameters of ``item`` to unittest, which knows none."""
    cls = item.cls if isinstance(item, pytest.Function) else None
    return cls is not None and issubclass(cls, unittest.TestCase)


def read_marker(marker: pytest.Mark, assembly: Assembly, test: Callable[..., Any], folder: Path) -> Marked:
    """Return what a marker asks for; a configured suite of its name lends what it leaves out.

    Args:
        marker: The marker.
        assembly: Builds the suite.
        test: The function that it marks.
        folder: Where the test stands: its paths are looked for there first.

    Raises:
        UserError: the marker or its golden sets cannot be used.

    """
    _check_shape(marker)
    concurrent = marker.kwargs.get("concurrent", False)
    if concurrent and not inspect.iscoroutinefunction(test):
        raise SettingsError(f"@pytest.mark.{MARKER}: {_NOT_ASYNC}")
    paths = [_below(assembly.root, folder, Path(path)) for path in marker.args]
    name = marker.kwargs.get("suite") or _configured_name(paths, assembly)
    configured = assembly.suite_settings(name) if name else None
    if not paths and configured is None:
        raise SettingsError(f"@pytest.mark.{MARKER}: name a golden set, or a configured suite with suite=")
    given: dict[str, Any] = configured.model_dump(exclude_unset=True) if configured else {}
    given |= {"golden": [str(path) for path in paths]} if paths else {}
    name, suite = name or paths[0].stem, _validated(given | _lent(marker.kwargs))
    asks = marker.kwargs.get("target") is not None
    return Marked(with_target(assembly, name, suite) if asks else assembly.ready_in_code(name, suite), concurrent)


def parametrize(metafunc: pytest.Metafunc, suite: ReadySuite) -> None:
    """Run the test once for each case of ``suite``."""
    cases = [case for golden_set in suite.sets for case in golden_set]
    metafunc.parametrize("case", [pytest.param(case, id=case.id, marks=_skips(case)) for case in cases])


def prepare(item: pytest.Function, suite: ReadySuite, *, runs_together: bool) -> GoldenTest:
    """Make the body of a marked test hand over what it returns, whichever plugin runs it."""
    case = cast("Case", item.callspec.params["case"])
    golden_test = item.stash[GOLDEN_TEST] = GoldenTest(suite, case, item.obj, runs_together)
    if not runs_together:
        item.obj = _handing_over(golden_test)
    return golden_test


def run_async_body(item: pytest.Function) -> Any | None:
    """Return the coroutine of an async body that no other plugin has made its own; None for any other test."""
    if GOLDEN_TEST not in item.stash or not inspect.iscoroutinefunction(item.obj):
        return None
    names = item._fixtureinfo.argnames  # noqa: SLF001 - what pytest itself passes
    return item.obj(**{name: item.funcargs[name] for name in names})


def _handing_over(test: GoldenTest) -> Callable[..., Any]:
    """Wrap a body so that it runs once a trial and hands over what it returns or raises."""
    body, bodies = test.body, test.bodies
    if inspect.iscoroutinefunction(body):

        @functools.wraps(body)
        async def run_async(**arguments: Any) -> None:
            for bound in test.rounds(arguments):
                with bodies.trial():
                    bodies.take(await body(**bound))

        return run_async

    @functools.wraps(body)
    def run(**arguments: Any) -> None:
        for bound in test.rounds(arguments):
            with bodies.trial():
                bodies.take(body(**bound))

    return run


def _check_shape(marker: pytest.Mark) -> None:
    kwargs = marker.kwargs
    wrong = [key for key in sorted(kwargs) if key not in _KEYWORDS]
    wrong += [repr(path) for path in marker.args if not isinstance(path, str | Path)]
    wrong += [f"concurrent={kwargs['concurrent']!r}"] if not isinstance(kwargs.get("concurrent", False), bool) else []
    wrong += [f"target={kwargs['target']!r}"] if not isinstance(kwargs.get("target"), str | dict | None) else []
    if wrong:
        usage = ", ".join(("*paths", *(f"{key}=" for key in _KEYWORDS)))
        raise SettingsError(f"@pytest.mark.{MARKER}: {', '.join(wrong)}: write {MARKER}({usage})")


def _lent(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a marker says of its suite itself; a target that is one name is a function's."""
    lent = {key: kwargs[key] for key in ("scorers", "trials") if kwargs.get(key) is not None}
    target = kwargs.get("target")
    if isinstance(target, str):
        lent["target"] = {"python": target}
    elif isinstance(target, dict):
        lent["target"] = target
    return lent


def _validated(given: Mapping[str, Any]) -> Suite:
    try:
        return Suite.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise SettingsError(
            f"@pytest.mark.{MARKER}: {place}: {problem['msg'].removeprefix('Value error, ')}"
        ) from None


def _skips(case: Case) -> Sequence[pytest.MarkDecorator]:
    return () if case.skip is None else (pytest.mark.skip(reason=case.skip),)


def _below(root: Path, folder: Path, path: Path) -> Path:
    """Find a marker's path: beside the test, else below the root folder."""
    beside = folder / path
    try:
        return files.inside(root, beside if beside.exists() else root / path)
    except ValueError as error:
        raise SettingsError(f"@pytest.mark.{MARKER}: {error}") from None


def _configured_name(paths: Sequence[Path], assembly: Assembly) -> str | None:
    names = {name for path in paths for name in assembly.suites_of(path)}
    return names.pop() if len(names) == 1 else None
