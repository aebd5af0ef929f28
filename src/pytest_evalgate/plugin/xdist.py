"""pytest-xdist: eval items stay together on one worker, and a crash costs one case."""

from __future__ import annotations

import signal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

from pytest_evalgate.plugin.lineage import WORKER_INPUT
from pytest_evalgate.plugin.notices import NOTICES_OUTPUT
from pytest_evalgate.plugin.results import WORKER_OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from pytest_evalgate.plugin.session import EvalSession

_PINNED = "evalgate"

FIRST = "gw0"
"""The worker that gets what is pinned, so that it can begin before the others have collected."""


class Distribution:
    """What an eval session adds to xdist's controller."""

    def __init__(self, session: EvalSession) -> None:
        """Distribute the tests of ``session``."""
        self._session = session
        self._nodes: set[Any] = set()
        self._has_loaded = False

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker the names of the run."""
        node.workerinput[WORKER_INPUT] = self._session.lineage.export()
        self._nodes.add(node)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> PinnedScheduling:
        """Schedule what starts ahead on one worker, so that one engine, one limiter and one budget see it all."""
        pins = self._session.assembly.settings.xdist == "pin"
        return PinnedScheduling(config, log, self._is_early if pins else _never)

    def pytest_runtest_logreport(self) -> None:
        """Load what the run is judged with while the workers wait for answers."""
        if not self._has_loaded:
            self._has_loaded = True
            self._session.load_ahead()

    def pytest_keyboard_interrupt(self) -> None:
        """Interrupt the workers that wait for calls: execnet would let them wait for five more seconds."""
        for node in self._nodes:
            process = getattr(getattr(node.gateway, "_io", None), "popen", None)  # private to execnet, so do without
            if process is not None:
                process.send_signal(signal.SIGINT)

    def pytest_testnodedown(self, node: Any) -> None:
        """Take over the plan of a worker that ended in order."""
        self._nodes.discard(node)
        text = getattr(node, "workeroutput", {}).get(WORKER_OUTPUT)
        if text is not None:
            self._session.ledger.absorb(text)
            self._session.notices.absorb(node.workeroutput[NOTICES_OUTPUT])

    def _is_early(self, nodeid: str) -> bool:
        return self._session.is_golden_item(nodeid) or nodeid in self._pinned

    @cached_property
    def _pinned(self) -> frozenset[str]:
        """The in-code tests among them: no test is scheduled before all workers have collected."""
        return frozenset(self._session.collection.pins.nodeids)


def _never(nodeid: str) -> bool:  # noqa: ARG001 - the shape of what claims items
    return False


class _Unit(dict[str, bool]):
    """The tests of a scope that a worker has, by node id: whether they are done, and how many are not."""

    def __init__(self, tests: dict[str, bool]) -> None:
        super().__init__(tests)
        self.pending = list(tests.values()).count(False)

    def __setitem__(self, nodeid: str, done: bool) -> None:
        self.pending += self[nodeid] - done
        super().__setitem__(nodeid, done)


class PinnedScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """One scope for all eval items; ordinary tests are spread as ``--dist`` says."""

    def __init__(self, config: pytest.Config, log: Any, is_eval: Callable[[str], bool]) -> None:
        """Schedule by ``--dist`` what ``is_eval`` does not claim."""
        super().__init__(config, log)
        self._is_eval = is_eval
        self._scope_of = _SCOPES.get(config.getvalue("dist"), _own_scope)
        self._index: dict[str, int] = {}
        self._works_ahead = True

    def _split_scope(self, nodeid: str) -> str:
        return _PINNED if self._is_eval(nodeid) else self._scope_of(nodeid)

    def schedule(self) -> None:
        """Let the first worker choose first: where there is too little work, the base class ends the last ones."""
        if self.collection is None:
            others = {node: self.assigned_work.pop(node) for node in self.nodes if not _is_first(node)}
            self.assigned_work.update(others)
        super().schedule()

    def _assign_work_unit(self, node: Any) -> None:
        """Send the next scope; the base class looks each index up in a list, which is quadratic in the cases."""
        scope = _PINNED if _is_first(node) and _PINNED in self.workqueue else next(iter(self.workqueue))
        tests = self.workqueue.pop(scope)
        unit = self.assigned_work.setdefault(node, {})[scope] = _Unit(tests)
        if not self._index:
            self._index = {nodeid: index for index, nodeid in enumerate(self.registered_collections[node])}
        node.send_runtest_some([self._index[nodeid] for nodeid, done in unit.items() if not done])

    def _pending_of(self, workload: dict[str, _Unit]) -> int:
        """Count what is left; xdist asks several times a test, and the base class counts all tests anew."""
        return sum(unit.pending for unit in workload.values())

    def remove_node(self, node: Any) -> str | None:
        """Give the work of a lost worker to the others, but not the test that it died in: that would kill them too.

        The base class hands the work on before anything could be taken out of it.
        """
        workload = self.assigned_work.pop(node)
        running = (nodeid for unit in workload.values() for nodeid, done in unit.items() if not done)
        crashed: str | None = next(running, None)
        if crashed is None:
            self._works_ahead &= not _is_first(node)  # which may be lost before anything is scheduled
            return None
        if self._is_eval(crashed) and self._works_ahead:
            self._works_ahead = False  # it was busy with many cases at once; the next one takes them one by one
            crashed = None
        done = {} if crashed is None else {crashed: True}
        left = {scope: {**unit, **(done if crashed in unit else {})} for scope, unit in workload.items()}
        self.workqueue.update({scope: unit for scope, unit in left.items() if not all(unit.values())})
        for other in [node for node in self.assigned_work if node in self.registered_collections]:
            self._reschedule(other)
        return crashed

    def _reschedule(self, node: Any) -> None:
        """Keep two tests with each worker, or end it: it holds its last test back until it knows what comes next.

        The base class gives a replacement worker one scope, and a scope of one test would never run.
        """
        super()._reschedule(node)
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) <= 1:
            super()._reschedule(node)


def _is_first(node: Any) -> bool:
    return node.gateway.id == FIRST  # type: ignore[no-any-return]  # xdist ships no types


def _own_scope(nodeid: str) -> str:
    return nodeid


def _file_scope(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]


def _class_scope(nodeid: str) -> str:
    return nodeid.rsplit("::", 1)[0]


def _group_scope(nodeid: str) -> str:
    """Read the group that xdist appends to a node id: ``...@group``."""
    name, at, group = nodeid.rpartition("@")
    return group if at and name and "]" not in group else nodeid


_SCOPES: dict[str, Callable[[str], str]] = {
    "loadfile": _file_scope,
    "loadscope": _class_scope,
    "loadgroup": _group_scope,
}
