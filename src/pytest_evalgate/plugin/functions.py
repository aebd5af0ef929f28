"""The in-code door: a test marked ``golden_set`` runs once a case, and what it returns is graded."""

from __future__ import annotations

import contextlib
import functools
import inspect
import unittest
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest
from pydantic import ValidationError

from pytest_evalgate import files
from pytest_evalgate.data import Trial
from pytest_evalgate.engine import describe, grade_output, settle
from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.plugin import MARKER
from pytest_evalgate.plugin.failures import describe_miss, printable
from pytest_evalgate.plugin.results import error_result, publish
from pytest_evalgate.settings import Suite
from pytest_evalgate.targets import as_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_evalgate.data import Case, CaseResult, Output
    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite

_KEYWORDS = frozenset({"suite", "scorers", "trials"})


@dataclass(slots=True)
class Bodies:
    """What the test's body produced, one entry a trial: an output, or what it raised."""

    recorded: list[Output | BaseException] = field(default_factory=list)
    explicit: list[Any] = field(default_factory=list)

    @contextlib.contextmanager
    def trial(self) -> Iterator[None]:
        """Keep what one trial raises: the target's own failure; pytest's skip and exit pass through."""
        try:
            yield
        except pytest.exit.Exception:
            raise
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - whatever the body raises is a miss
            self.recorded.append(error)

    def take(self, returned: object) -> None:
        """Keep the output of one trial: what the body returned, else what it recorded."""
        value = self.explicit.pop() if returned is None and self.explicit else returned
        self.explicit.clear()
        if value is not None:
            self.recorded.append(as_output(value))


class Recorder:
    """The ``evalgate`` fixture: for tests that cannot return their output."""

    def __init__(self, bodies: Bodies) -> None:
        """Record into ``bodies``."""
        self._bodies = bodies

    def record(self, output: object) -> None:
        """Record the output of this trial: a str, a dict or an Output."""
        self._bodies.explicit.append(output)


@dataclass(frozen=True, slots=True)
class GoldenTest:
    """One item of a marked test."""

    suite: ReadySuite
    case: Case
    bodies: Bodies


GOLDEN_TEST: pytest.StashKey[GoldenTest] = pytest.StashKey()


def is_method_of_unittest(item: pytest.Item) -> bool:
    """Tell whether pytest leaves the parameters of ``item`` to unittest, which knows none."""
    cls = item.cls if isinstance(item, pytest.Function) else None
    return cls is not None and issubclass(cls, unittest.TestCase)


def suite_of_marker(marker: pytest.Mark, assembly: Assembly, folder: Path) -> ReadySuite:
    """Return the suite that a marker defines; a configured suite of that name lends what the marker leaves out.

    Raises:
        UserError: the marker or its golden sets cannot be used.

    """
    unknown = sorted(marker.kwargs.keys() - _KEYWORDS)
    if unknown or not all(isinstance(path, str | Path) for path in marker.args):
        wrong = ", ".join(unknown) or repr(marker.args)
        raise SettingsError(f"@pytest.mark.{MARKER}: {wrong}: write {MARKER}(*paths, suite=, scorers=, trials=)")
    paths = [_below(assembly.root, folder, Path(path)) for path in marker.args]
    name = marker.kwargs.get("suite") or _configured_name(paths, assembly)
    configured = assembly.suite_settings(name) if name else None
    if not paths and configured is None:
        raise SettingsError(f"@pytest.mark.{MARKER}: name a golden set, or a configured suite with suite=")
    given: dict[str, Any] = configured.model_dump(exclude_unset=True) if configured else {}
    given |= {"golden": [str(path) for path in paths]} if paths else {}
    given |= {key: marker.kwargs[key] for key in ("scorers", "trials") if marker.kwargs.get(key) is not None}
    try:
        return assembly.ready_in_code(name or paths[0].stem, Suite.model_validate(given))
    except ValidationError as error:
        raise SettingsError(f"@pytest.mark.{MARKER}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None


def parametrize(metafunc: pytest.Metafunc, suite: ReadySuite) -> None:
    """Run the test once for each case of ``suite``."""
    cases = [case for golden_set in suite.sets for case in golden_set]
    metafunc.parametrize("case", [pytest.param(case, id=case.id, marks=_skips(case)) for case in cases])


def prepare(item: pytest.Function, suite: ReadySuite) -> GoldenTest:
    """Make the body of a marked test hand over what it returns, whichever plugin runs it."""
    case = cast("Case", item.callspec.params["case"])
    golden_test = item.stash[GOLDEN_TEST] = GoldenTest(suite, case, Bodies())
    item.obj = _handing_over(item.obj, golden_test.bodies, suite.plan.trials)
    return golden_test


def run_async_body(item: pytest.Function) -> Any | None:
    """Return the coroutine of an async body that no other plugin has made its own; None for any other test."""
    if GOLDEN_TEST not in item.stash or not inspect.iscoroutinefunction(item.obj):
        return None
    names = item._fixtureinfo.argnames  # noqa: SLF001 - what pytest itself passes
    return item.obj(**{name: item.funcargs[name] for name in names})


async def grade(item: pytest.Item, golden_test: GoldenTest) -> CaseResult:
    """Grade what the body handed over and publish the result.

    Raises:
        ScorerError: a scorer broke.

    """
    suite, case, bodies = golden_test.suite, golden_test.case, golden_test.bodies
    planned = suite.planned[case.id]
    trials = suite.plan.trials
    if (without := trials - len(bodies.recorded)) > 0:
        which = f" in {without} of {trials} trials" if trials > 1 else ""
        message = f"{item.nodeid} returned no output{which}: return it, or call evalgate.record(output)"
        publish(item, error_result(planned, message))
        pytest.fail(message, pytrace=False)
    try:
        graded = [await _trial(golden_test, index, body) for index, body in enumerate(bodies.recorded)]
    except ScorerError as error:
        publish(item, error_result(planned, str(error)))
        raise
    result = settle(planned, graded)
    publish(item, result)
    return result


def fail(golden_test: GoldenTest, result: CaseResult) -> NoReturn:
    """Fail the test of a missed case: with what its body raised, else with the case laid out."""
    for body in golden_test.bodies.recorded:
        if isinstance(body, BaseException):
            raise body
    pytest.fail(f"{printable(result.reason)}\n{describe_miss(golden_test.case, result)}", pytrace=False)


async def _trial(golden_test: GoldenTest, index: int, body: Output | BaseException) -> Trial:
    if isinstance(body, BaseException):
        return Trial(index, 0.0, reason=describe(body))
    case = golden_test.case
    return await grade_output(golden_test.suite.grading_of(case), case, index, body)


def _handing_over(body: Callable[..., Any], bodies: Bodies, trials: int) -> Callable[..., Any]:
    """Wrap a body so that it runs once a trial and hands over what it returns or raises."""
    if inspect.iscoroutinefunction(body):

        @functools.wraps(body)
        async def run_async(**arguments: Any) -> None:
            for _ in range(trials):
                with bodies.trial():
                    bodies.take(await body(**arguments))

        return run_async

    @functools.wraps(body)
    def run(**arguments: Any) -> None:
        for _ in range(trials):
            with bodies.trial():
                bodies.take(body(**arguments))

    return run


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
