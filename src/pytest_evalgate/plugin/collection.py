"""Collection: the items of a session, and the case that each of them runs. No target is called here."""

from __future__ import annotations

import contextlib
import gc
import json
from dataclasses import asdict
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.config import DEFAULT_TIER, with_places
from pytest_evalgate.errors import StorageError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.sampling import sample_ids
from pytest_evalgate.plugin import MARKER, marked
from pytest_evalgate.plugin.failures import printable
from pytest_evalgate.plugin.items import CaseItem, GoldenSetFile
from pytest_evalgate.plugin.marked import GOLDEN_TEST, stale_output_fixture
from pytest_evalgate.plugin.selection import GOLDEN_SUFFIXES
from pytest_evalgate.plugin.together import serial_reason
from pytest_evalgate.text import files
from pytest_evalgate.text.wording import count, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pytest_evalgate.plugin.case_queue import CaseQueue
    from pytest_evalgate.plugin.context import SessionContext
    from pytest_evalgate.plugin.decider import SessionDecider
    from pytest_evalgate.plugin.marked import GoldenTest, MarkerOptions
    from pytest_evalgate.records.results import SuitePlan

_PINS_FILE = "pins.json"


@dataclass(frozen=True, slots=True)
class Pins:
    """Marked tests that need more than their own item, and whether the collection had problems.

    Args:
        nodeids: Tests whose work starts before their items run: xdist must send them to one worker.
        serial: Reasons why tests with ``concurrent=True`` run one case after the other, one line for each test.
        is_refused: Whether no case runs, because of the problems that the workers report at their end.
    """

    nodeids: tuple[str, ...] = ()
    serial: tuple[str, ...] = ()
    is_refused: bool = False


def write(state: Path, run: str, pins: Pins) -> None:
    """Write the pins to the folder of the run, for the controller. Every worker writes the same content.

    Raises:
        StorageError: the file cannot be written.
    """
    files.write_atomically(_path(state, run), json.dumps(asdict(pins)).encode("ascii"))


def read(state: Path, run: str) -> Pins:
    """Return the pins that the workers wrote; empty if there are none."""
    try:
        value = json.loads(files.read_bytes(_path(state, run)))
    except OSError:  # there are none, or they could not be written
        return Pins()
    return Pins(tuple(value["nodeids"]), tuple(value["serial"]), value["is_refused"])


def _path(state: Path, run: str) -> Path:
    return state / "runs" / run / _PINS_FILE


class CaseCollector:
    """Hooks that record the plan of each suite, and the item of each planned case, in the ledger."""

    def __init__(self, context: SessionContext, session_decider: SessionDecider, case_queue: CaseQueue) -> None:
        """Collect into the ledger of ``context``."""
        self.failed_files: list[str] = []
        self._skipped_files: list[str] = []
        self._context = context
        self._assembly = context.assembly
        self._ledger = context.ledger
        self._session_decider = session_decider
        self._case_queue = case_queue
        self._marker_options: dict[str, MarkerOptions] = {}
        self._test_of_suite: dict[str, str] = {}
        self._replaced_tests: set[str] = set()
        self._serial: dict[str, str] = {}
        self._found = Pins()
        self._items: list[tuple[str, str, pytest.Item]] = []

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> GoldenSetFile | None:
        """Collect a golden set of a suite, or of the command line, with any suffix.

        The file of a suite that a marked test runs has no items. It is collected as well, because pytest
        refuses an argument that nothing collects.
        """
        may_be_golden = file_path.suffix.lower() in GOLDEN_SUFFIXES or file_path.name in self._golden_names
        path = file_path.resolve() if may_be_golden else None
        names = () if path is None else self._assembly.suites_of(path)
        kept = frozenset(self._context.selection.on_controller)
        if not names or (self._context.is_controller and kept.isdisjoint(names)):
            return None
        elsewhere = kept.intersection(names) if self._context.is_worker else ()
        here = [name for name in names if name not in elsewhere]
        ready = [suite for name in here if (suite := self._assembly.ready(name)).target is not None]
        file: GoldenSetFile = GoldenSetFile.from_parent(
            parent,
            path=file_path,
            suites=ready,
            elsewhere=elsewhere,
            context=self._context,
            case_queue=self._case_queue,
            before=self._session_decider.before,
        )
        return file

    @cached_property
    def _golden_names(self) -> frozenset[str]:
        """File names of all golden sets. Only files with one of these names are resolved, which is slow."""
        return frozenset(PurePath(name).name for name in self._assembly.golden_names())

    @pytest.hookimpl(tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a marked test once for each case."""
        marker = metafunc.definition.get_closest_marker(MARKER)
        if marker is None:
            return
        nodeid = metafunc.definition.nodeid
        try:
            marker_options = marked.read_marker(
                marker, self._assembly, metafunc.function, metafunc.definition.path.parent
            )
            if not self._context.is_worker:
                self._session_decider.check_gates([marker_options.suite])
        except UserError as error:
            self._ledger.add_problem(f"{nodeid}: {error}")
            metafunc.parametrize("case", [])
            return
        name = marker_options.suite.plan.name
        if self._assembly.replaces(name):
            self._replaced_tests.add(nodeid)
            metafunc.parametrize("case", [])
            return
        if problem := self._problem_of_suite(name, _place_of(metafunc)):
            self._ledger.add_problem(problem)
            metafunc.parametrize("case", [])
            return
        self._marker_options[nodeid] = marker_options
        self._ledger.add_plan(marker_options.suite.plan)
        marked.parametrize(metafunc, marker_options.suite)

    def _problem_of_suite(self, name: str, place: str) -> str | None:
        """Return why a suite cannot be run by the marked test at ``place``; None if it can."""
        other = self._test_of_suite.setdefault(name, place)
        if other != place:
            return (
                f"suite {name} is run by two tests, {other} and {place}: mark one of them, or give one a suite of its "
                f'own: @pytest.mark.{MARKER}(..., suite="{name}-2")'
            )
        if name in self._assembly.settings.suites and self._assembly.ready(name).target is not None:
            return (
                f"{place} is marked with suite {name}, which has a target: put @pytest.mark.{MARKER}(...) directly "
                "above the test, with plain strings, so that its test is known before anything runs; or remove the "
                "marker"
            )
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Record which item runs which case before any is deselected, then deselect the cases of other shards."""
        items += self._collect_directly(session, items)
        replaced = {item for item in items if _test_name(item) in self._replaced_tests}
        _deselect(self._context, items, replaced)
        for item in items:
            if isinstance(item, CaseItem):
                self._items.append((item.suite.plan.name, item.case.id, item))
            elif marked.is_method_of_unittest(item) and item.get_closest_marker(MARKER):
                self._ledger.add_problem(
                    f"{item.nodeid}: unittest.TestCase methods take no cases: mark a function, or a method of a plain "
                    "class"
                )
            elif isinstance(item, pytest.Function) and (test := _test_name(item)) in self._marker_options:
                self._prepare(item, test, self._marker_options[test])
        if (shard := self._context.options.shard) is not None:
            mine = {name: shard.cases_of(plan) for name, plan in self._ledger.plans.items()}
            others = {item for suite, case_id, item in self._items if case_id not in mine[suite]}
            _deselect(self._context, items, others)

    def _collect_directly(self, session: pytest.Session, items: Sequence[pytest.Item]) -> list[pytest.Item]:
        """Return the items of golden sets whose path cannot be an argument of pytest, unless it found them itself."""
        found: list[pytest.Item] = []
        files = {item.path for item in items if isinstance(item, CaseItem)}  # resolving takes 0.1 ms
        collected = {path.resolve() for path in files}
        for path in map(Path, self._context.selection.direct):
            if path.resolve() not in collected and not self._is_ignored(path, session):
                file = self.pytest_collect_file(path, session)
                found += () if file is None else file.collect()
        return found

    def _is_ignored(self, path: Path, session: pytest.Session) -> bool:
        """Return whether pytest must not collect a file, or a folder on the way to it."""
        config = self._context.config
        inside = [folder for folder in path.parents if folder.is_relative_to(config.rootpath)][:-1]
        return any(
            session.gethookproxy(one.parent).pytest_ignore_collect(collection_path=one, config=config)
            for one in (path, *inside)
        )

    def _prepare(self, item: pytest.Function, test: str, marker_options: MarkerOptions) -> None:
        reason = serial_reason(item) if marker_options.concurrent else None
        if reason is not None:
            self._serial[test] = f"{test} runs one case after the other: {reason}"
        is_concurrent = marker_options.concurrent and reason is None
        golden_test = marked.prepare(item, marker_options.suite, is_concurrent=is_concurrent)
        self._items.append((marker_options.suite.plan.name, golden_test.case.id, item))
        if golden_test.is_prefetched and golden_test.trials > 1 and (name := stale_output_fixture(item)):
            self._ledger.add_problem(
                f"{test}: fixture {name} would return the output of the first trial in every trial: use the output "
                "fixture in the test itself, or trials=1"
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a file that could not be collected, which makes the run invalid, or that was skipped."""
        if report.failed:
            self.failed_files.append(report.nodeid)
        elif report.skipped:
            self._skipped_files.append(report.nodeid)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Report the problems of the collection, before anything runs."""
        context = self._context
        for suite, case_id, item in self._items:
            self._ledger.add_node(suite, case_id, item.nodeid)  # only now: xdist appends groups to node ids
        self._items.clear()
        gc.freeze()
        tests = ((item.nodeid, item.stash.get(GOLDEN_TEST, None)) for item in session.items)
        early = tuple(nodeid for nodeid, test in tests if test is not None and test.starts_early)
        self._require_all_collected()
        is_refused = bool(self._ledger.problems or self.failed_files)
        self._found = Pins(early, tuple(self._serial.values()), is_refused)
        self._ledger.problems[:] = with_places("\n".join(self._ledger.problems), context.config.rootpath).splitlines()
        if self._ledger.problems and not context.is_worker:
            # pytest prints the arguments on stderr; the section of the gates has the problems already, on stdout
            shown = () if context.prints_section else (printable("\n".join(self._ledger.problems)),)
            raise pytest.UsageError(*shown)
        if context.is_worker and is_refused:
            session.items[:] = [item for item in session.items if _eval_case(item) is None]
        if context.is_worker and self._found != Pins():
            with contextlib.suppress(StorageError):  # the controller cannot store the run either, and reports it
                write(context.state.path, context.run_identity.run, self._found)

    def _require_all_collected(self) -> None:
        """Add a problem for each configured suite that nothing runs, if no path was given: it must not pass silently.

        ``--lf`` leaves files out. Their suites are planned here, so that the run is partial.
        """
        context = self._context
        kept = context.selection.on_controller
        is_here = kept.__contains__ if context.is_controller else lambda name: name not in kept
        for name in filter(is_here, self._assembly.settings.suites) if context.selection.everything else ():
            suite = self._assembly.ready(name)
            if name not in self._ledger.plans and context.config.getoption("lf", default=False):
                self._ledger.add_plan(suite.plan)
            elif name not in self._ledger.plans and suite.target is None:
                self._ledger.add_problem(self._unmarked_message(name))
            elif missing := self._ledger.files_without_items(suite.plan):
                self._ledger.add_problem(self._uncollected_message(name, missing))

    def _uncollected_message(self, name: str, missing: Sequence[str]) -> str:
        """Return the problem of a suite with golden sets of which no case was collected."""
        reason = "is the file or its folder excluded by norecursedirs, --ignore or conftest?"
        if test := self._assembly.in_code.get(name):
            reason = f'{test} names other golden sets: name the suite only: @pytest.mark.{MARKER}(suite="{name}")'
        return f"suite {name} was not collected: {', '.join(missing)}: {reason}"

    def _unmarked_message(self, name: str) -> str:
        """Return the problem of a suite without a target that no collected test is marked with."""
        near = did_you_mean(name, self._ledger.plans.keys() - self._assembly.settings.suites.keys())
        skipped = f" (skipped: {', '.join(self._skipped_files)})" if self._skipped_files else ""
        return (
            f"suites.{name}: no target: its rows hold no recorded output, and no collected test is marked with "
            f'it{near}{skipped}: set its target, or mark a test: @pytest.mark.{MARKER}(suite="{name}")'
        )

    def pytest_report_collectionfinish(self) -> list[str]:
        """Return the number of planned cases if the header does not contain it, and warnings about the gates."""
        if self._context.config.get_verbosity() < 0:
            return []
        return [*self._planned(), *self._session_decider.warnings]

    def _planned(self) -> Iterator[str]:
        """Count the cases of marked tests, or of a shard: they are known only after the header is printed."""
        plans, shard = self._ledger.plans.values(), self._context.options.shard
        counted = shard is None and self._ledger.plans.keys() <= {suite.plan.name for suite in self._context.suites}
        if counted or self._context.is_controller:  # the controller of xdist has not collected all of them
            return
        counts = ", ".join(f"{plan.name} {plan.size:,}" for plan in plans)
        share = "" if shard is None else f"; {shard} runs {sum(map(shard.share, plans)):,} of them"
        yield f"evalgate: {counts} = {sum(plan.size for plan in plans):,} cases{share}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print why tests with ``concurrent=True`` do not run concurrently."""
        for line in () if self._context.is_silent else self.pins.serial:
            terminalreporter.write_line(f"evalgate: {line}")

    @property
    def pins(self) -> Pins:
        """The pins of this process; on the controller of xdist, the pins that its workers wrote."""
        context = self._context
        return read(context.state.path, context.run_identity.run) if context.is_controller else self._found


class PartialRun:
    """Hooks that deselect cases (``--eval-sample``, ``--eval-lf``), and print the plan under ``--collect-only``."""

    def __init__(self, context: SessionContext) -> None:
        """Read the options and plans of ``context``."""
        self._context = context

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Deselect the cases that are not drawn or repeated; they stay in the plan, so a part is never decided."""
        context, plans = self._context, self._context.ledger.plans.values()
        size = context.options.sample
        drawn = None if size is None else {plan.name: sample_ids(plan, size) for plan in plans}
        repeated = None if context.last_missed is None else context.last_missed.select(plans)
        for wanted in (drawn, repeated):
            if wanted is not None:
                cases = ((item, _eval_case(item)) for item in items)
                others = {item for item, case in cases if case and case.case.id not in wanted[case.suite.plan.name]}
                _deselect(context, items, others)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the number of planned cases if they were only collected."""
        context, plans = self._context, self._context.ledger.plans.values()
        if context.config.getoption("collectonly") and plans and not context.is_silent:
            terminalreporter.write_line(planned_line(plans, context.settings.default_tier))


def planned_line(plans: Collection[SuitePlan], tier: str) -> str:
    """Return the number of cases of each suite in a tier, and the total if the tier runs a sample."""
    sizes = {plan.name: len(plan.cases) for plan in plans}
    every = sum(plan.drawn_from or len(plan.cases) for plan in plans)
    named = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    of = "" if every == sum(sizes.values()) else f" of {every:,}"
    in_tier = "" if tier == DEFAULT_TIER else f" (tier {tier})"
    return f"eval gate: {named} = {count(sum(sizes.values()), 'case')}{of}{in_tier}"


def _test_name(item: pytest.Item) -> str:
    """Return the node id of a test function without the parameters; empty for another item."""
    if not isinstance(item, pytest.Function) or item.parent is None:
        return ""
    return f"{item.parent.nodeid}::{item.originalname}"


def _place_of(metafunc: pytest.Metafunc) -> str:
    """Return ``tests/test_bot.py:6: test_answer``."""
    file, line, name = metafunc.definition.location
    return f"{Path(file).as_posix()}:{(-1 if line is None else line) + 1}: {name}"


def _eval_case(item: pytest.Item) -> CaseItem | GoldenTest | None:
    """Return the object that has the case of an eval item; None for an ordinary test."""
    return item if isinstance(item, CaseItem) else item.stash.get(GOLDEN_TEST, None)


def _deselect(context: SessionContext, items: list[pytest.Item], others: Collection[pytest.Item]) -> None:
    if others:
        context.config.hook.pytest_deselected(items=[item for item in items if item in others])
        items[:] = [item for item in items if item not in others]
