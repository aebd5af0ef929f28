"""Marked tests with ``target=``: the engine asks the target long before the test runs and looks at the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import targets
from pytest_evalgate.errors import EngineDied, ScorerError, SettingsError
from pytest_evalgate.plugin import MARKER
from pytest_evalgate.plugin.golden_test import GOLDEN_TEST, GoldenTest, is_whole

if TYPE_CHECKING:
    from pytest_evalgate.data import Output, Trial
    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite
    from pytest_evalgate.plugin.session import EvalSession
    from pytest_evalgate.settings import Suite


def with_target(assembly: Assembly, name: str, suite: Suite) -> ReadySuite:
    """Return a suite that a marker defines, with its target.

    Raises:
        UserError: it cannot be used.

    """
    spec = assembly.target_settings(suite)
    assert spec is not None  # noqa: S101 - the marker named one
    wiring = assembly.wiring
    target = wiring.target(name, spec, kept_under=wiring.errand.run)  # no digest of a run covers what a marker names
    if not isinstance(target, targets.RecordedTarget):
        return replace(assembly.ready_in_code(name, suite), target=target, waits=True)
    if suite.trials is None:
        suite = suite.model_copy(update={"trials": target.trials})
    ready = assembly.ready_in_code(name, suite)
    if ready.plan.trials > target.trials:
        raise SettingsError(
            f"suite {name}: {ready.plan.trials} trials wanted, but {target.trials} recorded; add files"
        )
    return replace(ready, target=target)


def outlived_output(item: pytest.Function) -> str | None:
    """Name a fixture that would show the body the output of another trial; None where there is none."""
    definitions = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - pytest tells nobody what a fixture asks for
    if len(definitions.get("output", ())) > 1:
        return "output"
    asking = (name for name, found in definitions.items() for one in found if "output" in one.argnames)
    return next(asking, None)


class Prefetched:
    """Hands each test the answers that were asked for ahead."""

    def __init__(self, session: EvalSession) -> None:
        """Hand over what the engine of ``session`` has."""
        self._session = session

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Wait for the answers, after pytest has decided not to skip the item and before its fixtures are set up.

        Where the target gave no whole answer in any trial there is nothing to look at: fixtures and body are left out.
        """
        test = item.stash.get(GOLDEN_TEST, None)
        if test is None or not test.is_prefetched or self._session.is_dry:
            return
        test.ahead[:] = self._trials(test)
        if not any(map(is_whole, test.ahead)):
            assert isinstance(item, pytest.Function)  # noqa: S101 - nothing else is marked
            item.fixturenames = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Leave out a body that has nothing to look at."""
        test = pyfuncitem.stash.get(GOLDEN_TEST, None)
        if test is None or not test.ahead or any(map(is_whole, test.ahead)):
            return None
        test.bodies.made[:] = [None] * len(test.ahead)
        return True

    @pytest.fixture(name="output")
    def output(self, request: pytest.FixtureRequest) -> Output | None:
        """What the target of a marked test with ``target=`` returned for the case: an Output."""
        test = request.node.stash.get(GOLDEN_TEST, None)
        if test is None or test.suite.target is None:
            pytest.fail(f"the output fixture belongs to tests marked {MARKER} with target=", pytrace=False)
        if self._session.is_dry:
            pytest.skip("the target is not asked where nothing is run")
        return next((trial.output for trial in test.ahead if is_whole(trial)), None)

    def _trials(self, test: GoldenTest) -> tuple[Trial, ...]:
        try:
            return self._session.answers.result(test.suite, test.case).trials
        except (EngineDied, ScorerError) as error:
            pytest.fail(str(error), pytrace=False)
