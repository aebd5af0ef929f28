"""What the calls of a run go through, from the target to the wire; nothing of it is opened before it is needed."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_evalgate import config, targets
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.engine.cache import Entry, ReadThroughCache, ReplyCache
    from pytest_evalgate.engine.limiter import Limits
    from pytest_evalgate.engine.loop import Engine
    from pytest_evalgate.engine.routes import Routes
    from pytest_evalgate.engine.spend import Spend
    from pytest_evalgate.engine.stop import StopSignal
    from pytest_evalgate.judges.judge import JudgeScorer
    from pytest_evalgate.protocols import Target
    from pytest_evalgate.runs.state import StateFolder
    from pytest_evalgate.scorers.registry import ScorerOptions


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run is called, and what was said of it on the command line.

    Args:
        run: Its id.
        kept_under: The run under whose name the answers of applications without a version are kept.
        offline: Whether nothing may be sent.
        budget_usd: What it may spend; None leaves that to the configuration.
        max_concurrency: At most so many calls at once on each route; None leaves that to the models.

    """

    run: str
    cache_run_id: str
    offline: bool = False
    budget_usd: float | None = None
    max_concurrency: int | None = None


@dataclass
class Wiring:
    """Engine, memory, budget and clients of one run.

    Args:
        root: The root folder.
        configured: The whole configuration.
        state: Where the cache lies.
        errand: The run, and what it may do.
        workers: How many processes share the limits and the budget.
        shared: Whether other processes may send the same calls at the same time.
        hooks: What the hook ``pytest_evalgate_targets`` brings.

    """

    root: Path
    configured: config.Settings
    state: StateFolder
    run_context: RunContext
    workers: int = 1
    shared: bool = False
    hooks: Mapping[str, Callable[..., Target]] = field(default_factory=dict)
    _targets: list[Target] = field(default_factory=list)
    _applications: dict[str, config.HttpRequest] = field(default_factory=dict)

    @cached_property
    def engine(self) -> Engine:
        """The thread on which everything waits."""
        from pytest_evalgate.engine.loop import Engine  # noqa: PLC0415 - asyncio

        return Engine()

    @cached_property
    def halt(self) -> StopSignal:
        """Whether calls may still be sent."""
        from pytest_evalgate.engine.stop import StopSignal  # noqa: PLC0415 - asyncio

        return StopSignal(self.configured.max_duration_s)

    @cached_property
    def spend(self) -> Spend:
        """The accounts."""
        from pytest_evalgate.engine.spend import Spend  # noqa: PLC0415 - only where calls are sent

        return Spend()

    @cached_property
    def cache(self) -> ReplyCache:
        """Where answers are kept."""
        from pytest_evalgate.engine.cache import ReplyCache, find_signer, folder_of  # noqa: PLC0415 - diskcache

        signer = find_signer(os.environ, required=self.configured.cache_auth == "required")
        return ReplyCache(folder_of(self.state.path), signer, run=self.run_context.run)

    @cached_property
    def memory(self) -> ReadThroughCache:
        """What was answered before: the cache, and the cassettes under it."""
        from pytest_evalgate.engine.cache import ReadThroughCache, entries  # noqa: PLC0415 - diskcache

        cassettes = entries.read(entries.in_folder(self.state.path), root=self.root)
        return ReadThroughCache(self.cache, cassettes=cassettes, offline=self.run_context.offline, shared=self.shared)

    @cached_property
    def client(self) -> Routes:
        """What sends calls."""
        from pytest_evalgate.engine.routes import Routes  # noqa: PLC0415 - asyncio

        return Routes(
            self.configured.models,
            memory=self.memory,
            halt=self.halt,
            spend=self.spend,
            budget_usd=self.budget_usd and self.budget_usd / self.workers,
            max_concurrency=self.run_context.max_concurrency,
            workers=self.workers,
        )

    @property
    def limits(self) -> dict[str, Limits]:
        """How fast each route may go."""
        from pytest_evalgate.engine.limiter import Limits  # noqa: PLC0415 - asyncio

        models = {
            name: Limits(model.max_concurrency, model.requests_per_minute, model.tokens_per_minute)
            for name, model in self.configured.models.items()
        }
        applications = {
            name: Limits(request.max_concurrency, request.requests_per_minute)
            for name, request in self._applications.items()
        }
        return models | applications

    def entries(self) -> Iterator[Entry]:
        """Yield all that the cache holds; nothing where it cannot be read."""
        from pytest_evalgate.engine.cache import CacheDamaged, CacheUnavailable  # noqa: PLC0415 - diskcache

        with contextlib.suppress(CacheDamaged, CacheUnavailable):
            yield from (row.entry for row in self.cache.rows() if row.entry is not None)

    def usage_text(self) -> str:
        """Say what was spent, and how the limits stand, for the progress line."""
        if "client" not in vars(self):
            return ""
        calls = self.spend.calls
        budget = "" if self.budget_usd is None else f"/{self.budget_usd:.2f}"
        said = [f"{calls.sent:,} sent, {calls.cached:,} cached", f"US${calls.cost_usd:.2f}{budget}"]
        refusals = sum(limiter.snapshot.refusals for limiter in self.client.limiters)
        if refusals:
            said.append(
                f"429s {refusals:,}, now {sum(one.snapshot.limit for one in self.client.limiters):,} at a time"
            )
        return " | ".join(said)

    @property
    def budget_usd(self) -> float | None:
        """What the run may spend; None for no limit."""
        return self.configured.budget_usd if self.run_context.budget_usd is None else self.run_context.budget_usd

    @property
    def refused_reason(self) -> str | None:
        """Why calls were held back that could have been sent: the budget, or ``--eval-offline``."""
        if "client" in vars(self) and self.client.over_budget is not None:
            return self.client.over_budget
        if "memory" in vars(self) and self.memory.misses:
            return (
                f"--eval-offline: answers that are not remembered: {self.memory.misses:,}, and nothing was sent for "
                "them. Run once online, or import a cassette: pytest-evalgate cache import FILE"
            )
        return None

    @property
    def stop_reason(self) -> str | None:
        """Why the run was stopped on the way; None where it was not."""
        return self.halt.reason if "halt" in vars(self) else None

    @property
    def cache_warnings(self) -> tuple[str, ...]:
        """What is wrong with the cache, if it was opened at all."""
        if "cache" not in vars(self):
            return ()
        signer = self.cache.signer
        open_to_all = (
            "" if signer.authenticated else f"unauthenticated: whoever writes it can forge answers; {signer.why}"
        )
        return tuple(f"cache: {said}" for said in (self.cache.problem, open_to_all) if said)

    def target(self, suite: str, spec: config.Target, *, cache_run_id: str | None = None) -> Target:
        """Build the target of a suite, with all that its calls go through.

        Args:
            suite: The suite.
            spec: Its target.
            cache_run_id: The run under whose name the answers of an application without a version are kept; that of
                the lineage where it is not given.

        Raises:
            UserError: it cannot be used.

        """
        cache_run_id = cache_run_id or self.run_context.cache_run_id
        if isinstance(spec, config.HttpTarget):
            self.client.add_application(suite, spec.http)
            self._applications[suite] = spec.http
        calls = isinstance(spec, config.ModelTarget | config.HttpTarget)
        context = targets.TargetContext(
            root=self.root,
            suite=suite,
            models=self.configured.models,
            client=self.client if calls else None,
            hooks=self.hooks,
            code_version=cache_run_id,
        )
        target = targets.build_target(spec, context=context)
        self._targets.append(target)
        if calls or isinstance(spec, config.RecordedTarget):
            return target
        return self._with_cache(suite, spec, target, cache_run_id)

    def judge(self, name: str, entry: ScorerOptions) -> JudgeScorer:
        """Build the scorer of a judge, with all that its calls go through.

        Raises:
            UserError: it cannot be used.

        """
        from pytest_evalgate.judges.build import build_judge, calibration_of  # noqa: PLC0415 - only if a judge is used

        judge = self.configured.judges[name]
        calibration = calibration_of(judge, root=self.root)
        calibrated = None if calibration is None else calibration.threshold
        return build_judge(
            name,
            judge,
            self.configured.models[judge.model],
            client=self.client,
            root=self.root,
            counts=not judge.report_only,
            threshold=calibrated if entry.threshold is None else entry.threshold,
            weight=entry.weight,
            score_name=entry.name,
        )

    def close(self) -> None:
        """Stop the engine, and close what it used."""
        if "engine" in vars(self):
            if "client" in vars(self):
                self.engine.at_exit(self.client.close)
            if "cache" in vars(self):
                self.engine.at_exit(self._disconnect)
            self.engine.stop()
        for target in self._targets:
            targets.close_target(target)
        if "cache" in vars(self):
            self.cache.close()

    async def _disconnect(self) -> None:
        """Close the loop's own connection: SQLite wants that done in the thread that opened it."""
        self.cache.disconnect()

    def _with_cache(self, suite: str, spec: config.Target, target: Target, cache_run_id: str) -> Target:
        """Keep the outputs of an application that is called in this process, for a run that goes on with this one."""
        from pytest_evalgate.engine.cache import CachedTarget  # noqa: PLC0415 - diskcache

        version = getattr(spec, "version", None)
        match spec:
            case config.CommandTarget():
                endpoint = " ".join(spec.command)
            case config.PythonTarget():
                endpoint = spec.python
            case config.HookTarget():
                endpoint = f"{spec.kind} {jsonl.canonical(spec.parameters)}"
        return CachedTarget(
            target,
            self.memory,
            kind="command" if isinstance(spec, config.CommandTarget) else "python",
            endpoint=endpoint,
            suite=suite,
            version=cache_run_id if version is None else version,
        )
