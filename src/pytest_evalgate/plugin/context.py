"""Context of one ``--eval-gate`` session: the objects that its parts share, built once.

Each part receives the context and the one or two other parts that it uses; only ``session`` imports all of them. State
that changes during a session (plans, results, problems) is in the ledger and in ``SessionProblems``.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from pytest_evalgate import config
from pytest_evalgate.app.wiring import new_run_id
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.traces import RunTrace
from pytest_evalgate.runs import journal
from pytest_evalgate.runs.git import tree_sha256
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.layout import screen_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pytest

    from pytest_evalgate.app.wiring import Wiring
    from pytest_evalgate.config import Settings, Target
    from pytest_evalgate.plugin.assembly import Assembly, ReadySuite
    from pytest_evalgate.plugin.last_missed import LastMissed
    from pytest_evalgate.plugin.ledger import Ledger
    from pytest_evalgate.plugin.requested import Options
    from pytest_evalgate.plugin.selection import Selection
    from pytest_evalgate.runs.state import StateFolder

WORKER_INPUT = "evalgate"
"""Key of the run's identity in the input of an xdist worker."""

SELECTION_INPUT = "evalgate-selection"
"""Key of the controller's selection of suites in the input of an xdist worker."""

PROBLEMS_OUTPUT = "evalgate-notices"
"""Key of a worker's problems in its output."""

FIRST_WORKER = "gw0"
"""The worker that gets the pinned tests, so that it can start before the others have collected."""


@dataclass(frozen=True)
class SessionContext:
    """Objects that the parts of a session share, on the controller or in an xdist worker.

    Args:
        config: The configuration of pytest.
        options: The command line options.
        state: The state folder.
        run_identity: The id of the run, and of the run that it resumes.
        settings: The configuration of the project, for the tier that runs.
        wiring: Engine, cache, budget and clients.
        assembly: Builder of the suites.
        selection: What the command line selects.
        suites: The selected suites that have a target; empty in a worker, which builds only the suites it collects.
        ledger: Plans and results.
        problems: Reasons why calls were not sent, or why the run is invalid.
        warnings: Warnings about fields of golden sets that nothing uses, and about placeholders.
        key_notes: API keys that are not sent, because the base branch does not have their endpoints.
        last_missed: The cases that ``--eval-lf`` repeats; None without it.
        lock_note: Reason why the state folder is not locked; None if it is.
        is_worker: True in an xdist worker.
        is_dry: True if no test runs: ``--eval-estimate``, ``--collect-only``, ``--setup-only`` or ``--setup-plan``.
    """

    config: pytest.Config
    options: Options
    state: StateFolder
    run_identity: RunIdentity
    settings: Settings
    wiring: Wiring
    assembly: Assembly
    selection: Selection
    suites: Sequence[ReadySuite]
    ledger: Ledger
    problems: SessionProblems
    warnings: Sequence[str] = ()
    key_notes: tuple[str, ...] = ()
    last_missed: LastMissed | None = None
    lock_note: str | None = None
    is_worker: bool = False
    is_dry: bool = False

    @property
    def is_controller(self) -> bool:
        """True if this process distributes its tests to xdist workers; defined once all plugins are configured."""
        return self.config.pluginmanager.hasplugin("dsession")

    @property
    def reporter(self) -> pytest.TerminalReporter | None:
        """The terminal reporter; None under ``-p no:terminal``."""
        return reporter_of(self.config)

    @property
    def is_silent(self) -> bool:
        """True if only the last line is printed (``-qq``)."""
        return self.config.get_verbosity() <= -2  # noqa: PLR2004 - pytest counts -q

    @property
    def prints_section(self) -> bool:
        """True if the section of the gates, with all problems, is printed at the end of the session."""
        return self.reporter is not None and not self.is_silent and not self.is_dry

    def print_line(self, text: str) -> None:
        """Write a line to the terminal, if there is one."""
        print_line(self.config, text)


def reporter_of(config: pytest.Config) -> pytest.TerminalReporter | None:
    """Return the terminal reporter; None under ``-p no:terminal``."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    return reporter


def width_of_screen(reporter: pytest.TerminalReporter) -> int:
    """Return pytest's own width on a terminal; in a log, ``COLUMNS`` or 120."""
    return reporter._tw.fullwidth if reporter.isatty else screen_width()  # noqa: SLF001 - there is no public one


def print_line(config: pytest.Config, text: str) -> None:
    """Write a line to the terminal, if there is one."""
    if (reporter := reporter_of(config)) is not None:
        reporter.write_line(text)


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Ids of a run.

    Args:
        run: Id of the run.
        cache_run_id: The run under whose id the outputs of applications without a version are cached: this run, or
            the first of the interrupted runs that it resumes.
        work_sha256: Digest of the work: configuration, options, working tree and environment.
        resumed: The interrupted run that this run resumes.
        trace: Trace of the run; None if its spans are not exported.
    """

    run: str
    cache_run_id: str
    work_sha256: str
    resumed: str | None = None
    trace: RunTrace | None = None

    def export(self) -> dict[str, Any]:
        """Return the ids as plain values, for an xdist worker."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the ids that `export` returned."""
        trace = values["trace"]
        return cls(**{**values, "trace": None if trace is None else RunTrace(**trace)})

    def header(self) -> list[str]:
        """Return the header line of a resumed run."""
        if self.resumed is None:
            return []
        return [f"evalgate: resuming the interrupted run {self.resumed}: its answers are reused"]

    def journal_head(self, cases: int) -> journal.JournalHead:
        """Return the first line of the run's journal."""
        return journal.JournalHead(self.run, self.cache_run_id, self.work_sha256, cases)


def new_run_identity(root: Path, state: Path, configured: Settings, options: Options) -> RunIdentity:
    """Return the ids of a new run, which resumes an interrupted run of the same work if there is one."""
    run = new_run_id()
    trace = None if configured.telemetry is None else RunTrace.begin(os.environ)
    work = _work_sha256(root, state, configured, options)
    if work is None:
        return RunIdentity(run, run, run, trace=trace)
    found = journal.find_interrupted(state, work, datetime.now(UTC)) if options.resume else None
    if found is None:
        return RunIdentity(run, run, work, trace=trace)
    return RunIdentity(run, found.lineage, work, found.run, trace)


def _work_sha256(root: Path, state: Path, configured: Settings, options: Options) -> str | None:
    """Return a digest of the work; None if an application has no version and the working tree cannot be digested.

    The dependencies of an application without a version are unknown, so all known inputs have to be equal.
    """
    around: list[str | None] = []
    targets = [suite.target for suite in configured.suites.values()]
    if options.target is not None or any(map(is_unversioned, targets)):
        declared = [name for target in targets for name in getattr(target, "env", ())]
        around = [tree_sha256(root, without=state), journal.environment_sha256(os.environ, declared)]
    if None in around:
        return None
    options_ = [options.target, options.trials, str(options.shard)]
    return jsonl.digest([configured.model_dump(mode="json"), *options_, *around])


def is_unversioned(target: Target | None) -> bool:
    """Return whether the outputs of a target are cached only for the run that resumes this one."""
    match target:
        case config.PythonTarget() | config.HttpTarget() | config.CommandTarget():
            return target.version is None
        case config.HookTarget():
            return True
    return False


class SessionProblems:
    """Reasons why calls were not sent and why the run is invalid, of this process and of its xdist workers."""

    def __init__(self, wiring: Wiring) -> None:
        """Read the reasons of this process from ``wiring``."""
        self._wiring = wiring
        self._refused_reasons: list[str] = []
        self._stop_reasons: list[str] = []
        self._warnings: list[str] = []
        self.problems: list[str] = []
        """Problems that make the run invalid even if no output is missing, such as failed canaries."""

    @property
    def refused_reason(self) -> str | None:
        """Reason why calls were not sent although they could have been; None if all were sent."""
        return next(filter(None, (self._wiring.refused_reason, *self._refused_reasons)), None)

    @property
    def stop_reason(self) -> str | None:
        """Reason why the run was stopped before all calls were sent; None if it was not stopped."""
        return next(filter(None, (self._wiring.stop_reason, *self._stop_reasons)), None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about the cache and about the user's code, each once."""
        return tuple(dict.fromkeys((*self._wiring.warnings, *self._warnings)))

    def export(self) -> str:
        """Return the reasons as JSON, for the controller."""
        return json.dumps(
            {
                "refusal": self.refused_reason,
                "stop": self.stop_reason,
                "troubles": self.warnings,
                "problems": self.problems,
            }
        )

    def merge_worker(self, text: str) -> None:
        """Add the reasons that a worker exported."""
        value = json.loads(text)
        if value["refusal"] is not None:
            self._refused_reasons.append(value["refusal"])
        if value["stop"] is not None:
            self._stop_reasons.append(value["stop"])
        self._warnings += value["troubles"]
        self.problems += value["problems"]
