"""Cases that xdist does not distribute: suites with recorded outputs and built-in rules run on the controller.

Such a case takes 0.1 ms, while xdist sends five messages for each test: 10,000 tests that do nothing take 3.8 s of CPU
in one process, and 10 s on two workers. Each worker would load the golden sets as well.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.plugin.selection import is_nameable, path_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite
    from pytest_evalgate.plugin.collection import CaseCollector
    from pytest_evalgate.plugin.context import SessionContext
    from pytest_evalgate.plugin.selection import Selection


def keep_on_controller(
    selection: Selection, suites: Sequence[ReadySuite], assembly: Assembly, config: pytest.Config
) -> Selection:
    """Return the selection with the suites that the controller of xdist runs.

    If they are all that the command line names, no workers are started: xdist is switched off.
    """
    # with --lf and --eval-lf all cases run if none is to be repeated, so one process has to know every case
    repeats = assembly.options.last_missed or config.getoption("lf", default=False)
    if repeats or assembly.options.estimate or any(map(config.getoption, ("collectonly", "setuponly", "setupplan"))):
        return selection
    if assembly.settings.xdist == "spread" or config.getoption("dist", default="no") in ("no", "each"):
        return selection
    names = _undistributed(suites, config)
    files = {config.rootpath / file for suite in suites if suite.plan.name in names for file in suite.plan.golden}
    folder = config.invocation_params.dir
    if not selection.everything and all(path_of(arg, folder) in files for arg in (*config.args, *selection.direct)):
        config.option.dist, config.option.tx = "no", []
        return selection
    return replace(selection, on_controller=names)


def _undistributed(suites: Sequence[ReadySuite], config: pytest.Config) -> tuple[str, ...]:
    """Return the names of the suites whose cases take no time worth distributing.

    A file is collected by one process: a suite that shares a golden set with another suite follows it. The workers
    also collect a golden set if an argument names one of its cases.
    """
    folder = config.invocation_params.dir
    named = {path_of(arg, folder) for arg in config.args if "::" in arg}
    files = {suite.plan.name: {config.rootpath / file for file in suite.plan.golden} for suite in suites}
    kept = {suite.plan.name for suite in suites if suite.target is not None and not suite.waits}
    distributed = {name for name in files if name not in kept or named & files[name]}
    while shared := {
        name
        for name in files.keys() - distributed
        if any(not files[name].isdisjoint(files[other]) for other in distributed)
    }:
        distributed |= shared
    return tuple(name for name in files if name not in distributed)


class Undistributed:
    """Hooks of xdist's controller that collect and run the cases of the suites that stay there."""

    def __init__(self, context: SessionContext, collector: CaseCollector) -> None:
        """Run the suites that ``context`` selects, unless ``collector`` knows of a problem."""
        self._context = context
        self._collector = collector
        self._session: pytest.Session | None = None
        self._has_run = False

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, Any, Any]:
        """Collect the golden sets, while the workers collect the other tests."""
        result = yield
        self._session = session
        names = self._context.selection.on_controller
        files = dict.fromkeys(
            str(self._context.assembly.root / file)
            for suite in self._context.suites
            if suite.plan.name in names
            for file in suite.plan.golden
        )
        if files:
            session.perform_collect(list(filter(is_nameable, files)))
        return result

    def pytest_xdist_node_collection_finished(self) -> None:
        """Run the cases, like the loop of pytest, once a worker has collected: if it had problems, none runs.

        Raises:
            Failed: ``--maxfail`` is reached.
            Interrupted: a plugin stopped the session.
        """
        session = self._session
        if session is None or self._has_run:
            return
        self._has_run = True
        if self._collector.failed_files or self._collector.pins.is_refused:
            return
        for item, following in zip_longest(session.items, session.items[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)

    def count_items(self) -> None:
        """Add the cases to the number of collected tests, which xdist sets to that of its workers."""
        if self._session is not None:
            self._session.testscollected += len(self._session.items)
