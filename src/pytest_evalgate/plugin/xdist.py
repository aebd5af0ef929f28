"""Distribution of an eval session by xdist: pins tests that start early to one worker, and handles lost workers."""

from __future__ import annotations

import signal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

from pytest_evalgate.plugin.context import FIRST_WORKER, PROBLEMS_OUTPUT, SELECTION_INPUT, WORKER_INPUT
from pytest_evalgate.plugin.last_missed import LAST_MISSED_INPUT
from pytest_evalgate.plugin.ledger import WORKER_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from pytest_evalgate.plugin.collection import CaseCollector
    from pytest_evalgate.plugin.context import SessionContext
    from pytest_evalgate.plugin.undistributed import Undistributed

_PINNED = "evalgate"
"""The scope of all pinned tests."""


class Distribution:
    """Hooks of xdist's controller."""

    def __init__(
        self,
        context: SessionContext,
        collector: CaseCollector,
        undistributed: Undistributed,
        preload: Callable[[], None],
    ) -> None:
        """Distribute a session.

        Args:
            context: The session.
            collector: Reads the pins that the workers wrote.
            undistributed: Runs the cases that stay on the controller.
            preload: Called once, after the first report, while the workers wait for outputs.
        """
        self._context = context
        self._collector = collector
        self._undistributed = undistributed
        self._preload: Callable[[], None] | None = preload
        self._nodes: set[Any] = set()

    def pytest_configure_node(self, node: Any) -> None:
        """Send a worker what the controller chose: ids of the run, suites, and the cases to repeat."""
        node.workerinput[WORKER_INPUT] = self._context.run_identity.export()
        node.workerinput[SELECTION_INPUT] = self._context.selection.export()
        if self._context.last_missed is not None:
            node.workerinput[LAST_MISSED_INPUT] = self._context.last_missed.export()
        self._nodes.add(node)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> PinnedScheduling:
        """Schedule tests that start early on one worker, so that one limiter and one budget apply to all calls."""
        pins = self._context.settings.xdist == "pin"
        is_pinned = self._starts_early if pins else lambda _: False
        return PinnedScheduling(config, log, is_pinned, self._undistributed.count_items)

    def _starts_early(self, nodeid: str) -> bool:
        return nodeid.partition("::")[0] in self._golden_files or nodeid in self._pinned

    @cached_property
    def _golden_files(self) -> frozenset[str]:
        return frozenset(self._context.assembly.golden_names())

    @cached_property
    def _pinned(self) -> frozenset[str]:
        """Node ids of pinned marked tests. The first test is scheduled only after all workers have collected."""
        return frozenset(self._collector.pins.nodeids)

    def pytest_runtest_logreport(self) -> None:
        """Preload after the first report."""
        preload, self._preload = self._preload, None
        if preload is not None:
            preload()

    def pytest_keyboard_interrupt(self) -> None:
        """Interrupt the workers that wait for calls: execnet would wait five more seconds for them."""
        for node in self._nodes:
            process = getattr(getattr(node.gateway, "_io", None), "popen", None)  # private to execnet: may be missing
            if process is not None:
                process.send_signal(signal.SIGINT)

    def pytest_testnodedown(self, node: Any) -> None:
        """Merge plans and problems of a worker that ended in order."""
        self._nodes.discard(node)
        text = getattr(node, "workeroutput", {}).get(WORKER_OUTPUT)
        if text is not None:
            self._context.ledger.merge_worker(text)
            self._context.problems.merge_worker(node.workeroutput[PROBLEMS_OUTPUT])


class _Unit(dict[str, bool]):
    """The tests of a worker's scope: True for each finished node id; ``pending`` counts the unfinished ones."""

    def __init__(self, tests: dict[str, bool]) -> None:
        super().__init__(tests)
        self.pending = list(tests.values()).count(False)

    def __setitem__(self, nodeid: str, done: bool) -> None:
        self.pending += self[nodeid] - done
        super().__setitem__(nodeid, done)


class PinnedScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """One scope for all pinned items; other tests are distributed by ``--dist``."""

    def __init__(
        self,
        config: pytest.Config,
        log: Any,
        is_pinned: Callable[[str], bool],
        on_schedule: Callable[[], None] = lambda: None,
    ) -> None:
        """Pin the items whose node id ``is_pinned`` accepts; call ``on_schedule`` whenever work is assigned."""
        super().__init__(config, log)
        self._is_pinned = is_pinned
        self._on_schedule = on_schedule
        self._scope_of: Callable[[str], str] = _SCOPES.get(config.getvalue("dist"), lambda nodeid: nodeid)
        self._index: dict[str, int] = {}
        self._works_ahead = True

    def _split_scope(self, nodeid: str) -> str:
        return _PINNED if self._is_pinned(nodeid) else self._scope_of(nodeid)

    def schedule(self) -> None:
        """Assign work to the first worker first: if there is too little work, the base class ends the last workers."""
        if self.collection is None:
            others = {node: self.assigned_work.pop(node) for node in self.nodes if not _is_first(node)}
            self.assigned_work.update(others)
        self._on_schedule()
        super().schedule()

    def _assign_work_unit(self, node: Any) -> None:
        """Send the next scope. The base class searches a list for each index, which is quadratic in the cases."""
        scope = _PINNED if _is_first(node) and _PINNED in self.workqueue else next(iter(self.workqueue))
        tests = self.workqueue.pop(scope)
        unit = self.assigned_work.setdefault(node, {})[scope] = _Unit(tests)
        if not self._index:
            self._index = {nodeid: index for index, nodeid in enumerate(self.registered_collections[node])}
        node.send_runtest_some([self._index[nodeid] for nodeid, done in unit.items() if not done])

    def _pending_of(self, workload: dict[str, _Unit]) -> int:
        """Return the number of tests left. Called several times for each test; the base class counts all tests."""
        return sum(unit.pending for unit in workload.values())

    def remove_node(self, node: Any) -> str | None:
        """Give the work of a lost worker to the others, without the test that crashed it: it would crash them too.

        This replaces the method of the base class, which reassigns the work before the test can be removed from it.
        """
        workload = self.assigned_work.pop(node)
        running = (nodeid for unit in workload.values() for nodeid, done in unit.items() if not done)
        crashed: str | None = next(running, None)
        if crashed is None:
            self._works_ahead &= not _is_first(node)  # the first may be lost before anything is scheduled
            return None
        if self._is_pinned(crashed) and self._works_ahead:
            self._works_ahead = False  # many cases ran at once: the next worker runs them one by one
            crashed = None
        done = {} if crashed is None else {crashed: True}
        left = {scope: {**unit, **(done if crashed in unit else {})} for scope, unit in workload.items()}
        self.workqueue.update({scope: unit for scope, unit in left.items() if not all(unit.values())})
        for other in [node for node in self.assigned_work if node in self.registered_collections]:
            self._reschedule(other)
        return crashed

    def _reschedule(self, node: Any) -> None:
        """Keep two tests queued on each worker, or end it: a worker starts a test only once it has the next one.

        The base class gives a replacement worker one scope, and a scope of one test would never run.
        """
        super()._reschedule(node)
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) <= 1:
            super()._reschedule(node)


def _is_first(node: Any) -> bool:
    return node.gateway.id == FIRST_WORKER  # type: ignore[no-any-return]  # xdist ships no types


def _group_scope(nodeid: str) -> str:
    """Return the group that xdist appends to a node id: ``...@group``."""
    name, at, group = nodeid.rpartition("@")
    return group if at and name and "]" not in group else nodeid


_SCOPES: dict[str, Callable[[str], str]] = {
    "loadfile": lambda nodeid: nodeid.split("::", 1)[0],
    "loadscope": lambda nodeid: nodeid.rsplit("::", 1)[0],
    "loadgroup": _group_scope,
}
