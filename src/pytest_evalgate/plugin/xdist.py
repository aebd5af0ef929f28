"""What a run is called, and which run that broke off it goes on with."""

from __future__ import annotations

import json
import secrets
import signal
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

from pytest_evalgate import config
from pytest_evalgate.plugin.ledger import WORKER_OUTPUT
from pytest_evalgate.runs import journal
from pytest_evalgate.runs.git import tree_sha256
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pytest

    from pytest_evalgate.app.wiring import Wiring
    from pytest_evalgate.config import Settings, Target
    from pytest_evalgate.plugin.requested import Options
    from pytest_evalgate.plugin.session import EvalSession
    from pytest_evalgate.runs.journal import JournalHead

WORKER_INPUT = "evalgate"
"""Where a worker of xdist finds the names of its run."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """The names of a run.

    Args:
        run: Its id.
        kept_under: The run under whose name the answers of applications without a version are kept: its own, or that
            of the run that it goes on with.
        work_sha256: Digest of what it is to do.
        resumed: The run that it goes on with.

    """

    run: str
    cache_run_id: str
    work_sha256: str
    resumed: str | None = None

    def export(self) -> dict[str, Any]:
        """Return it as plain values, for a worker."""
        return asdict(self)

    def header(self) -> list[str]:
        """Say which run is gone on with, where one is."""
        said = f"evalgate: goes on with run {self.resumed}: what it has answered is not asked again"
        return [] if self.resumed is None else [said]


def new_run_identity(root: Path, state: Path, configured: Settings, options: Options) -> RunIdentity:
    """Name a run that is about to start."""
    now = datetime.now(UTC)
    run = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    work = _work_sha256(root, state, configured, options)
    if work is None:
        return RunIdentity(run, run, run)
    found = journal.find_interrupted(state, work) if options.resume else None
    return RunIdentity(run, run if found is None else found.lineage, work, None if found is None else found.run)


def head_of(lineage: RunIdentity, cases: int) -> JournalHead:
    """Return the head of the journal."""
    return journal.JournalHead(lineage.run, lineage.cache_run_id, lineage.work_sha256, cases)


def _work_sha256(root: Path, state: Path, configured: Settings, options: Options) -> str | None:
    """Digest the work; None where the code of an application cannot be held still."""
    tree: str | None = ""
    targets = [suite.target for suite in configured.suites.values()]
    if options.target is not None or any(map(_is_unversioned, targets)):
        tree = tree_sha256(root, without=state)
    if tree is None:
        return None
    return jsonl.digest([configured.model_dump(mode="json"), options.target, options.trials, str(options.shard), tree])


def _is_unversioned(target: Target | None) -> bool:
    match target:
        case config.PythonTarget() | config.HttpTarget() | config.CommandTarget():
            return target.version is None
        case config.HookTarget():
            return True
    return False


def run_identity_of(values: Mapping[str, Any]) -> RunIdentity:
    """Read what a controller exported."""
    return RunIdentity(**values)


PROBLEMS_OUTPUT = "evalgate-notices"
"""Where a worker of xdist leaves its notices."""


class SessionProblems:
    """The notices of one process, and on the controller those of its workers too; each is said once."""

    def __init__(self, wiring: Wiring) -> None:
        """Ask ``wiring``, and hear the workers."""
        self._wiring = wiring
        self._refused_reasons: list[str] = []
        self._stop_reasons: list[str] = []
        self._cache_warnings: list[str] = []
        self.problems: list[str] = []
        """What makes the run invalid though every answer may be there."""

    @property
    def refused_reason(self) -> str | None:
        """Why calls were not sent that could have been; None where none was held back."""
        return next(filter(None, (self._wiring.refused_reason, *self._refused_reasons)), None)

    @property
    def stop_reason(self) -> str | None:
        """Why the run was stopped before all calls were sent; None where it was not."""
        return next(filter(None, (self._wiring.stop_reason, *self._stop_reasons)), None)

    @property
    def cache_warnings(self) -> tuple[str, ...]:
        """What is wrong with the cache, one line each."""
        return tuple(dict.fromkeys((*self._wiring.cache_warnings, *self._cache_warnings)))

    def export(self) -> str:
        """Return them as JSON, for the controller."""
        return json.dumps(
            {
                "refusal": self.refused_reason,
                "stop": self.stop_reason,
                "troubles": self.cache_warnings,
                "problems": self.problems,
            }
        )

    def merge_worker(self, text: str) -> None:
        """Take over the notices of a worker."""
        value = json.loads(text)
        if value["refusal"] is not None:
            self._refused_reasons.append(value["refusal"])
        if value["stop"] is not None:
            self._stop_reasons.append(value["stop"])
        self._cache_warnings += value["troubles"]
        self.problems += value["problems"]


_PINNED = "evalgate"

FIRST_WORKER = "gw0"
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
        node.workerinput[WORKER_INPUT] = self._session.run_identity.export()
        self._nodes.add(node)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> PinnedScheduling:
        """Schedule what starts ahead on one worker, so that one engine, one limiter and one budget see it all."""
        pins = self._session.assembly.settings.xdist == "pin"
        return PinnedScheduling(config, log, self._starts_early if pins else _never)

    def pytest_runtest_logreport(self) -> None:
        """Load what the run is judged with while the workers wait for answers."""
        if not self._has_loaded:
            self._has_loaded = True
            self._session.preload()

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
            self._session.ledger.merge_worker(text)
            self._session.session_problems.merge_worker(node.workeroutput[PROBLEMS_OUTPUT])

    def _starts_early(self, nodeid: str) -> bool:
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
    return node.gateway.id == FIRST_WORKER  # type: ignore[no-any-return]  # xdist ships no types


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
