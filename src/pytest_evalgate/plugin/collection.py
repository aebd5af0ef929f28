"""Collection: which items there are, and which case each of them runs; nothing is called here."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import UserError
from pytest_evalgate.plugin import MARKER, functions, pins
from pytest_evalgate.plugin.assembly import GOLDEN_SUFFIXES
from pytest_evalgate.plugin.golden_test import GOLDEN_TEST
from pytest_evalgate.plugin.items import CaseItem, GoldenSetFile
from pytest_evalgate.plugin.pins import Pins
from pytest_evalgate.plugin.prefetched import outlived_output
from pytest_evalgate.plugin.selection import selects_everything
from pytest_evalgate.plugin.together import serial_because

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_evalgate.plugin.functions import Marked
    from pytest_evalgate.plugin.session import EvalSession
    from pytest_evalgate.runs.shard import Shard


class Collection:
    """The collecting half of a session: fills the ledger with plans, and with the item of each planned case."""

    def __init__(self, session: EvalSession) -> None:
        """Collect for ``session``."""
        self.uncollected: list[str] = []
        self._session = session
        self._assembly = session.assembly
        self._ledger = session.ledger
        self._marked: dict[str, Marked] = {}
        self._serial: dict[str, str] = {}
        self._found = Pins()
        self._items: list[tuple[str, str, pytest.Item]] = []

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> GoldenSetFile | None:
        """Collect a golden set that a suite names, or that was given on the command line."""
        names = self._assembly.suites_of(file_path.resolve()) if file_path.suffix in GOLDEN_SUFFIXES else ()
        ready = [suite for name in names if (suite := self._assembly.ready(name)).target is not None]
        if not ready:
            return None
        file: GoldenSetFile = GoldenSetFile.from_parent(parent, path=file_path, suites=ready)
        return file

    @pytest.hookimpl(tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a marked test once a case."""
        marker = metafunc.definition.get_closest_marker(MARKER)
        if marker is None:
            return
        nodeid = metafunc.definition.nodeid
        try:
            marked = functions.read_marker(marker, self._assembly, metafunc.function, metafunc.definition.path.parent)
            if not self._session.is_worker:
                self._session.gatekeeper.preflight([marked.suite])
        except UserError as error:
            self._ledger.add_problem(f"{nodeid}: {error}")
            metafunc.parametrize("case", [])
            return
        self._marked[nodeid] = marked
        self._ledger.add_plan(marked.suite.plan)
        functions.parametrize(metafunc, marked.suite)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which item runs which case, before anything is deselected; then leave other shards what is theirs."""
        for item in items:
            if isinstance(item, CaseItem):
                self._items.append((item.suite.plan.name, item.case.id, item))
            elif functions.is_method_of_unittest(item) and item.get_closest_marker(MARKER):
                self._ledger.add_problem(
                    f"{item.nodeid}: unittest.TestCase takes no cases: mark a function, or a method of a plain class"
                )
            elif isinstance(item, pytest.Function) and item.parent is not None and self._marked:
                test = f"{item.parent.nodeid}::{item.originalname}"
                if test in self._marked:
                    self._prepare(item, test, self._marked[test])
        if self._session.options.shard is not None:
            self._leave_to_other_shards(self._session.options.shard, items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected: its cases are not planned, so the run is invalid."""
        if report.failed:
            self.uncollected.append(report.nodeid)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Refuse what was found wrong while collecting: nothing has run yet."""
        for suite, case_id, item in self._items:
            self._ledger.add_node(suite, case_id, item.nodeid)  # only now: xdist appends groups to node ids
        self._items.clear()
        gc.freeze()
        self._found = Pins(tuple(map(_nodeid, filter(_is_early, session.items))), tuple(self._serial.values()))
        self._require_all_collected()
        if self._ledger.problems and not self._session.is_worker:
            raise pytest.UsageError("\n".join(self._ledger.problems))
        if self._session.is_worker and (self._ledger.problems or self.uncollected):
            session.items[:] = [item for item in session.items if not _is_eval(item)]
        elif self._session.is_worker and self._found != Pins():
            pins.write(self._session.state.path, self._session.lineage.run, self._found)

    def pytest_report_collectionfinish(self) -> list[str]:
        """Say how many cases are planned where the header could not know, and which gates will see little."""
        if self._session.config.get_verbosity() < 0:
            return []
        return [*self._planned(), *self._session.gatekeeper.warnings]

    def _planned(self) -> Iterator[str]:
        """Count the cases of tests, which were not known before, and those of a shard."""
        plans, shard = self._ledger.plans.values(), self._session.options.shard
        if shard is None and self._ledger.plans.keys() <= {suite.plan.name for suite in self._session.suites}:
            return
        counts = ", ".join(f"{plan.name} {len(plan.cases):,}" for plan in plans)
        share = "" if shard is None else f"; {shard} runs {sum(len(shard.cases_of(plan)) for plan in plans):,} of them"
        yield f"evalgate: {counts} = {sum(len(plan.cases) for plan in plans):,} cases{share}"

    @property
    def pins(self) -> Pins:
        """What was found, here or, for the controller of xdist, by its workers."""
        session = self._session
        return pins.read(session.state.path, session.lineage.run) if session.is_controller else self._found

    def _leave_to_other_shards(self, shard: Shard, items: list[pytest.Item]) -> None:
        mine = {name: shard.cases_of(plan) for name, plan in self._ledger.plans.items()}
        others = {item for suite, case_id, item in self._items if case_id not in mine[suite]}
        if others:
            self._session.config.hook.pytest_deselected(items=[item for item in items if item in others])
            items[:] = [item for item in items if item not in others]

    def _prepare(self, item: pytest.Function, test: str, marked: Marked) -> None:
        because = serial_because(item) if marked.concurrent else None
        if because is not None:
            self._serial[test] = f"{test} runs one case after the other: {because}"
        runs_together = marked.concurrent and because is None
        golden_test = functions.prepare(item, marked.suite, runs_together=runs_together)
        self._items.append((marked.suite.plan.name, golden_test.case.id, item))
        if golden_test.is_prefetched and marked.suite.plan.trials > 1 and (name := outlived_output(item)):
            self._ledger.add_problem(
                f"{test}: fixture {name} would show every trial the output of the first: use the output fixture in "
                "the test itself, or trials=1"
            )

    def _require_all_collected(self) -> None:
        """Notice a configured golden set that pytest passed over; the controller of xdist collects nothing."""
        session = self._session
        lf = session.config.getoption("lf", default=False)
        if session.is_controller or lf or not selects_everything(session.config):
            return
        for name in self._assembly.settings.suites:
            if self._assembly.ready(name).target is not None and name not in self._ledger.plans:
                self._ledger.add_problem(
                    f"suite {name} was not collected: is its folder excluded by norecursedirs, --ignore or conftest?"
                )


def _is_eval(item: pytest.Item) -> bool:
    return isinstance(item, CaseItem) or GOLDEN_TEST in item.stash


def _is_early(item: pytest.Item) -> bool:
    test = item.stash.get(GOLDEN_TEST, None)
    return test is not None and test.is_early


def _nodeid(item: pytest.Item) -> str:
    return item.nodeid
