"""Collection: which items there are, and which case each of them runs; nothing is called here."""

from __future__ import annotations

import gc
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.config import DEFAULT_TIER
from pytest_evalgate.errors import UserError
from pytest_evalgate.golden.sampling import sample_ids
from pytest_evalgate.plugin import MARKER, marked
from pytest_evalgate.plugin.assembly import GOLDEN_SUFFIXES, selects_everything
from pytest_evalgate.plugin.items import CaseItem, GoldenSetFile
from pytest_evalgate.plugin.marked import GOLDEN_TEST, stale_output_fixture
from pytest_evalgate.plugin.together import serial_reason
from pytest_evalgate.text import files
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from pytest_evalgate.plugin.marked import MarkerOptions
    from pytest_evalgate.plugin.session import EvalSession
    from pytest_evalgate.records.results import SuitePlan
    from pytest_evalgate.runs.shard import Shard

_NAME = "pins.json"


@dataclass(frozen=True, slots=True)
class Pins:
    """What the collection found.

    Args:
        nodeids: The in-code tests of which work starts before their items run.
        serial: Why tests with ``concurrent=True`` run one after the other, a line a test.

    """

    nodeids: tuple[str, ...] = ()
    serial: tuple[str, ...] = ()


def write(state: Path, run: str, pins: Pins) -> None:
    """Leave word below the run's folder; every worker writes the same.

    Raises:
        OSError: it cannot be written.

    """
    files.write_atomically(_path(state, run), json.dumps(asdict(pins)).encode("ascii"))


def read(state: Path, run: str) -> Pins:
    """Return what the workers found; nothing where they left no word."""
    try:
        value = json.loads(_path(state, run).read_bytes())
    except FileNotFoundError:
        return Pins()
    return Pins(tuple(value["nodeids"]), tuple(value["serial"]))


def _path(state: Path, run: str) -> Path:
    return state / "runs" / run / _NAME


class CaseCollector:
    """The collecting half of a session: fills the ledger with plans, and with the item of each planned case."""

    def __init__(self, session: EvalSession) -> None:
        """Collect for ``session``."""
        self.failed_files: list[str] = []
        self._session = session
        self._assembly = session.assembly
        self._ledger = session.ledger
        self._marker_options: dict[str, MarkerOptions] = {}
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
            marker_options = marked.read_marker(
                marker, self._assembly, metafunc.function, metafunc.definition.path.parent
            )
            if not self._session.is_worker:
                self._session.session_decider.check_gates([marker_options.suite])
        except UserError as error:
            self._ledger.add_problem(f"{nodeid}: {error}")
            metafunc.parametrize("case", [])
            return
        self._marker_options[nodeid] = marker_options
        self._ledger.add_plan(marker_options.suite.plan)
        marked.parametrize(metafunc, marker_options.suite)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which item runs which case, before anything is deselected; then leave other shards what is theirs."""
        for item in items:
            if isinstance(item, CaseItem):
                self._items.append((item.suite.plan.name, item.case.id, item))
            elif marked.is_method_of_unittest(item) and item.get_closest_marker(MARKER):
                self._ledger.add_problem(
                    f"{item.nodeid}: unittest.TestCase takes no cases: mark a function, or a method of a plain class"
                )
            elif isinstance(item, pytest.Function) and item.parent is not None and self._marker_options:
                test = f"{item.parent.nodeid}::{item.originalname}"
                if test in self._marker_options:
                    self._prepare(item, test, self._marker_options[test])
        if self._session.options.shard is not None:
            self._deselect_other_shards(self._session.options.shard, items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected: its cases are not planned, so the run is invalid."""
        if report.failed:
            self.failed_files.append(report.nodeid)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Refuse what was found wrong while collecting: nothing has run yet."""
        for suite, case_id, item in self._items:
            self._ledger.add_node(suite, case_id, item.nodeid)  # only now: xdist appends groups to node ids
        self._items.clear()
        gc.freeze()
        self._found = Pins(tuple(map(_nodeid, filter(_starts_early, session.items))), tuple(self._serial.values()))
        self._require_all_collected()
        if self._ledger.problems and not self._session.is_worker:
            raise pytest.UsageError("\n".join(self._ledger.problems))
        if self._session.is_worker and (self._ledger.problems or self.failed_files):
            session.items[:] = [item for item in session.items if not _is_eval(item)]
        elif self._session.is_worker and self._found != Pins():
            write(self._session.state.path, self._session.run_identity.run, self._found)

    def pytest_report_collectionfinish(self) -> list[str]:
        """Say how many cases are planned where the header could not know, and which gates will see little."""
        if self._session.config.get_verbosity() < 0:
            return []
        return [*self._planned(), *self._session.session_decider.warnings]

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
        return read(session.state.path, session.run_identity.run) if session.is_controller else self._found

    def _deselect_other_shards(self, shard: Shard, items: list[pytest.Item]) -> None:
        mine = {name: shard.cases_of(plan) for name, plan in self._ledger.plans.items()}
        others = {item for suite, case_id, item in self._items if case_id not in mine[suite]}
        if others:
            self._session.config.hook.pytest_deselected(items=[item for item in items if item in others])
            items[:] = [item for item in items if item not in others]

    def _prepare(self, item: pytest.Function, test: str, marker_options: MarkerOptions) -> None:
        reason = serial_reason(item) if marker_options.concurrent else None
        if reason is not None:
            self._serial[test] = f"{test} runs one case after the other: {reason}"
        is_concurrent = marker_options.concurrent and reason is None
        golden_test = marked.prepare(item, marker_options.suite, is_concurrent=is_concurrent)
        self._items.append((marker_options.suite.plan.name, golden_test.case.id, item))
        if golden_test.is_prefetched and marker_options.suite.plan.trials > 1 and (name := stale_output_fixture(item)):
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


def _starts_early(item: pytest.Item) -> bool:
    test = item.stash.get(GOLDEN_TEST, None)
    return test is not None and test.starts_early


def _nodeid(item: pytest.Item) -> str:
    return item.nodeid


class PartialRun:
    """Leaves out the cases that ``--eval-sample`` does not draw, and ends ``--collect-only`` with what is planned."""

    def __init__(self, session: EvalSession) -> None:
        """Select for ``session``."""
        self._session = session

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Deselect what is not drawn; it stays in the plan, so that nothing is judged by the rest."""
        size = self._session.options.sample
        if size is None:
            return
        drawn = {plan.name: sample_ids(plan, size) for plan in self._session.ledger.plans.values()}
        others = [item for item in items if (key := _case_of(item)) is not None and key[1] not in drawn[key[0]]]
        if others:
            self._session.config.hook.pytest_deselected(items=others)
            items[:] = [item for item in items if item not in set(others)]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Count the cases, where they were only collected."""
        config, plans = self._session.config, self._session.ledger.plans.values()
        if config.getoption("collectonly") and plans and config.get_verbosity() > -2:  # noqa: PLR2004 - -qq is silent
            terminalreporter.write_line(planned_line(plans, self._session.assembly.settings.default_tier))


def planned_line(plans: Collection[SuitePlan], tier: str) -> str:
    """Say how many cases each suite has in a tier, and of how many where it runs a sample."""
    sizes = {plan.name: len(plan.cases) for plan in plans}
    every = sum(plan.drawn_from or len(plan.cases) for plan in plans)
    named = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    of = "" if every == sum(sizes.values()) else f" of {every:,}"
    where = "" if tier == DEFAULT_TIER else f" (tier {tier})"
    return f"eval gate: {named} = {count(sum(sizes.values()), 'case')}{of}{where}"


def _case_of(item: pytest.Item) -> tuple[str, str] | None:
    """Return the suite and the case of an eval item."""
    test = item if isinstance(item, CaseItem) else item.stash.get(GOLDEN_TEST, None)
    return None if test is None else (test.suite.plan.name, test.case.id)
