"""Collection: which items there are, and which case each of them runs; nothing is called here."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import UserError
from pytest_evalgate.plugin import MARKER, functions
from pytest_evalgate.plugin.assembly import GOLDEN_SUFFIXES
from pytest_evalgate.plugin.items import CaseItem, GoldenSetFile
from pytest_evalgate.plugin.selection import selects_everything

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.plugin.assembly import ReadySuite
    from pytest_evalgate.plugin.session import EvalSession


class Collection:
    """The collecting half of a session: fills the ledger with plans, and with the item of each planned case."""

    def __init__(self, session: EvalSession) -> None:
        """Collect for ``session``."""
        self.uncollected: list[str] = []
        self._session = session
        self._assembly = session.assembly
        self._ledger = session.ledger
        self._marked: dict[str, ReadySuite] = {}
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
            ready = functions.suite_of_marker(marker, self._assembly, metafunc.definition.path.parent)
            if not self._session.is_worker:
                self._session.gatekeeper.preflight([ready])
        except UserError as error:
            self._ledger.add_problem(f"{nodeid}: {error}")
            metafunc.parametrize("case", [])
            return
        self._marked[nodeid] = ready
        self._ledger.add_plan(ready.plan)
        functions.parametrize(metafunc, ready)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which item runs which case, before anything is deselected."""
        for item in items:
            if isinstance(item, CaseItem):
                self._items.append((item.suite.plan.name, item.case.id, item))
            elif functions.is_method_of_unittest(item) and item.get_closest_marker(MARKER):
                self._ledger.add_problem(
                    f"{item.nodeid}: unittest.TestCase takes no cases: mark a function, or a method of a plain class"
                )
            elif isinstance(item, pytest.Function) and item.parent is not None and self._marked:
                ready = self._marked.get(f"{item.parent.nodeid}::{item.originalname}")
                if ready is not None:
                    golden_test = functions.prepare(item, ready)
                    self._items.append((ready.plan.name, golden_test.case.id, item))

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
        self._require_all_collected()
        if self._ledger.problems and not self._session.is_worker:
            raise pytest.UsageError("\n".join(self._ledger.problems))
        if self._session.is_worker and (self._ledger.problems or self.uncollected):
            session.items[:] = [item for item in session.items if not _is_eval(item)]

    def pytest_report_collectionfinish(self) -> str | None:
        """Say how many cases are planned."""
        if self._session.config.get_verbosity() < 0:
            return None
        plans = self._ledger.plans.values()
        counts = ", ".join(f"{plan.name} {len(plan.cases):,}" for plan in plans)
        return f"evalgate: {counts} = {sum(len(plan.cases) for plan in plans):,} cases" if plans else None

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
    return isinstance(item, CaseItem) or functions.GOLDEN_TEST in item.stash
