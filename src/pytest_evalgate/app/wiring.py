"""Parts that the calls of a run go through: engine, cache, budget and clients.

Each part is created on first use. A session with recorded outputs creates none of them, and so imports neither asyncio
(16 ms), diskcache nor a client.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pytest_evalgate import config, targets
from pytest_evalgate.config import key_variables
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import count
from pytest_evalgate.usercode import UserCode

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.engine.cache import Entry, ReadThroughCache, ReplyCache
    from pytest_evalgate.engine.limiter import Limits
    from pytest_evalgate.engine.loop import Engine
    from pytest_evalgate.engine.routes import Routes
    from pytest_evalgate.engine.spend import Spend
    from pytest_evalgate.engine.stop import StopSignal
    from pytest_evalgate.engine.traced import CallTracer
    from pytest_evalgate.guard.keys import KeyPolicy
    from pytest_evalgate.judges.judge import JudgeScorer
    from pytest_evalgate.protocols import Target
    from pytest_evalgate.records.traces import RunTrace
    from pytest_evalgate.runs.state import StateFolder
    from pytest_evalgate.scorers.registry import ScorerOptions


_WINDOW: Final = 32
"""Concurrent trials of targets without a configured limit: hook targets, and recorded targets with async scorers."""

_AHEAD: Final = 2
"""Concurrent trials for each concurrent call: while one trial is graded, another can send its call."""


def new_run_id() -> str:
    """Return an id for a new run: the time to 4 ms, so that ids sort by time, and a random byte."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond * 256 // 1_000_000:02x}{secrets.token_hex(1)}"


@dataclass(frozen=True, slots=True)
class RunContext:
    """Identity of a run, and its limits from the command line.

    Args:
        run: Id of the run.
        cache_run_id: Run whose id replaces the version of targets without one: their outputs are cached under it.
        offline: If true, no call is sent.
        budget_usd: Budget in US dollars; None for the configured one.
        max_concurrency: Upper limit of concurrent calls per route; None for the configured ones.
    """

    run: str
    cache_run_id: str
    offline: bool = False
    budget_usd: float | None = None
    max_concurrency: int | None = None


@dataclass
class Wiring:
    """Engine, cache, budget and clients of one run.

    Args:
        root: Root folder of the project.
        configured: The whole configuration.
        state: State folder, which contains the cache.
        run_context: The run and its limits.
        workers: Number of processes that share the limits and the budget.
        shared: True if other processes may send the same calls at the same time.
        hooks: Targets from the hook ``pytest_evalgate_targets``, by kind.
        code: Threads for the user's code.
        keys: The endpoints that may get API keys; None for all that are configured.
        trace: The trace of the run; None if its spans are not exported.
    """

    root: Path
    configured: config.Settings
    state: StateFolder
    run_context: RunContext
    workers: int = 1
    shared: bool = False
    hooks: Mapping[str, Callable[..., Target]] = field(default_factory=dict)
    code: UserCode = field(default_factory=UserCode)
    keys: KeyPolicy | None = None
    trace: RunTrace | None = None
    _targets: list[Target] = field(default_factory=list)
    _applications: dict[str, config.HttpRequest] = field(default_factory=dict)
    _engine: Engine | None = None
    _halt: StopSignal | None = None
    _spend: Spend | None = None
    _cache: ReplyCache | None = None
    _memory: ReadThroughCache | None = None
    _client: Routes | None = None

    @property
    def engine(self) -> Engine:
        """The thread whose event loop runs all calls."""
        if self._engine is None:
            from pytest_evalgate.engine.loop import Engine  # noqa: PLC0415 - asyncio

            self._engine = Engine(self.halt)
            self.code.streams.keep_open()
        return self._engine

    @property
    def halt(self) -> StopSignal:
        """The signal that ends the run early, with the deadline of the run."""
        if self._halt is None:
            from pytest_evalgate.engine.stop import StopSignal  # noqa: PLC0415 - asyncio

            self._halt = StopSignal(self.configured.max_duration_s)
        return self._halt

    @property
    def spend(self) -> Spend:
        """Calls, tokens and cost so far."""
        if self._spend is None:
            from pytest_evalgate.engine.spend import Spend  # noqa: PLC0415 - only if calls are sent

            self._spend = Spend()
        return self._spend

    @property
    def cache(self) -> ReplyCache:
        """The reply cache on disk."""
        if self._cache is None:
            from pytest_evalgate.engine.cache import ReplyCache, find_signer, folder_of  # noqa: PLC0415 - diskcache

            signer = find_signer(os.environ, required=self.configured.cache_auth == "required")
            self._cache = ReplyCache(folder_of(self.state.path), signer, run=self.run_context.run)
        return self._cache

    @property
    def memory(self) -> ReadThroughCache:
        """The cache in front of the clients; misses are looked up in the cassettes before a call is sent."""
        if self._memory is None:
            from pytest_evalgate.engine.cache import ReadThroughCache, entries  # noqa: PLC0415 - diskcache

            cassettes = entries.read(entries.in_folder(self.state.path), root=self.root)
            offline = self.run_context.offline
            self._memory = ReadThroughCache(
                self.cache,
                cassettes=cassettes,
                offline=offline,
                shared=self.shared,
                redactor=Redactor.of(key_variables(self.configured), os.environ),
            )
        return self._memory

    @property
    def client(self) -> Routes:
        """The routes that calls are sent on."""
        if self._client is None:
            from pytest_evalgate.engine.routes import Routes  # noqa: PLC0415 - asyncio

            models = self.configured.models
            self._client = Routes(
                models if self.keys is None else self.keys.models(models),
                cache=self.memory,
                stop_signal=self.halt,
                spend=self.spend,
                budget_usd=self.budget_usd and self.budget_usd / self.workers,
                max_concurrency=self.run_context.max_concurrency,
                workers=self.workers,
                tracer=self._tracer(),
            )
        return self._client

    @property
    def opened(self) -> threading.Event | None:
        """The event that the first client is open; None if no calls are sent."""
        return None if self._client is None else self._client.opened

    def _tracer(self) -> CallTracer | None:
        """Return the recorder of the times of calls; None if the run has no trace."""
        telemetry = self.configured.telemetry
        if self.trace is None or telemetry is None:
            return None
        from pytest_evalgate.engine.traced import CallTracer  # noqa: PLC0415 - few runs have a trace

        return CallTracer(self.trace, telemetry.models)

    @property
    def limits(self) -> dict[str, Limits]:
        """Concurrency and rate limits of each route."""
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
        """Yield all entries of the cache; none if it cannot be read."""
        from pytest_evalgate.engine.cache import CacheDamaged, CacheUnavailable  # noqa: PLC0415 - diskcache

        with contextlib.suppress(CacheDamaged, CacheUnavailable):
            yield from (row.entry for row in self.cache.rows() if row.entry is not None)

    def usage_text(self) -> str:
        """Return calls, cost and rate limits so far, for the progress line; empty if no call was made."""
        if self._client is None:
            return ""
        calls = self.spend.calls
        budget = "" if self.budget_usd is None else f"/{self.budget_usd:.2f}"
        parts = [f"{calls.sent:,} sent, {calls.cached:,} cached", f"US${calls.cost_usd:.2f}{budget}"]
        limiters = [limiter.snapshot for limiter in self._client.limiters]
        refusals = sum(limiter.refusals for limiter in limiters)
        if refusals:
            parts.append(f"429s {refusals:,}, now {sum(limiter.limit for limiter in limiters):,} at a time")
        return " | ".join(parts)

    @property
    def budget_usd(self) -> float | None:
        """Budget of the run in US dollars; None for no limit."""
        return self.configured.budget_usd if self.run_context.budget_usd is None else self.run_context.budget_usd

    @property
    def refused_reason(self) -> str | None:
        """Reason why calls were not sent although they could have been (the budget, ``--eval-offline``), if any."""
        if self._client is not None and self._client.over_budget is not None:
            return self._client.over_budget
        if self._memory is not None and self._memory.misses:
            verb = "is" if self._memory.misses == 1 else "are"
            return (
                f"--eval-offline: {count(self._memory.misses, 'call')} {verb} not in the cache and not sent: "
                "run once online, or import a cassette: pytest-evalgate cache import FILE"
            )
        return None

    @property
    def stop_reason(self) -> str | None:
        """Reason why the run ended early, if it did."""
        return None if self._halt is None else self._halt.reason

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of the cache, if it was opened, and of the user's code."""
        code = () if self.code.warning is None else (self.code.warning,)
        if self._cache is None:
            return code
        signer = self._cache.signer
        unsigned = (
            "" if signer.authenticated else f"unauthenticated: anyone who can write it can forge replies; {signer.why}"
        )
        return (*(f"cache: {text}" for text in (self._cache.problem, unsigned) if text), *code)

    def target(
        self,
        suite: str,
        spec: config.Target,
        *,
        cache_run_id: str | None = None,
        only: Collection[str] | None = None,
    ) -> Target:
        """Build the target of a suite, with the client and the cache that its calls go through.

        Args:
            suite: Name of the suite.
            spec: Its configured target.
            cache_run_id: Run under whose id outputs of a target without a version are cached; by default that of the
                run context.
            only: Ids of the cases that run, if outputs of others are not to be read; None for all.

        Raises:
            UserError: the target cannot be used.
        """
        if isinstance(spec, config.RunTarget):
            from pytest_evalgate.app.regrading import stored_outputs  # noqa: PLC0415 - only if outputs are graded again

            return stored_outputs(spec, suite, state=self.state.path)
        cache_run_id = cache_run_id or self.run_context.cache_run_id
        spec = _in_environment(spec)
        if isinstance(spec, config.HttpTarget):
            self.client.add_application(suite, spec.http if self.keys is None else self.keys.request(spec.http))
            self._applications[suite] = spec.http
        calls = isinstance(spec, config.ModelTarget | config.HttpTarget)
        context = targets.TargetContext(
            root=self.root,
            suite=suite,
            models=self.configured.models,
            client=self.client if calls else None,
            hooks=self.hooks,
            code_version=cache_run_id,
            allow_empty=suite in self.configured.suites and self.configured.suites[suite].allow_empty,
            code=self.code,
            only=only,
            trace=self.trace,
        )
        target = targets.build_target(spec, context=context)
        self._targets.append(target)
        if calls or isinstance(spec, config.RecordedTarget):
            return target
        return self._with_cache(suite, spec, target, cache_run_id)

    def window_of(self, spec: config.Target | None) -> int:
        """Return the maximum of concurrent trials of a target, which keeps it busy."""
        match spec:
            case config.ModelTarget():
                return _AHEAD * self.configured.models[spec.model].max_concurrency
            case config.HttpTarget():
                return _AHEAD * spec.http.max_concurrency
            case config.PythonTarget() | config.CommandTarget():
                return _AHEAD * spec.max_concurrency
        return _WINDOW

    def judge(self, name: str, entry: ScorerOptions) -> JudgeScorer:
        """Build the scorer of a judge, with the client that its calls go through.

        Raises:
            UserError: the judge cannot be used.
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
            counts=entry.counts and not judge.report_only,
            threshold=calibrated if entry.threshold is None else entry.threshold,
            weight=entry.weight,
            score_name=entry.name,
        )

    def close(self) -> None:
        """Stop the engine, then close the connections, the targets and the cache."""
        if self._engine is not None:
            if self._client is not None:
                self._engine.at_exit(self._client.close)
            if self._cache is not None:
                self._engine.at_exit(self._disconnect)
            self._engine.stop()
        self.code.close()
        for target in self._targets:
            targets.close_target(target)
        if self._cache is not None:
            self._cache.close()

    async def _disconnect(self) -> None:
        """Close the event loop's own database connection: SQLite wants this from the thread that opened it."""
        self.cache.disconnect()

    def _with_cache(self, suite: str, spec: config.Target, target: Target, cache_run_id: str) -> Target:
        """Cache the outputs of a target that runs on this machine, so that a resumed run does not repeat them."""
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


def _in_environment(spec: config.Target) -> config.Target:
    """Return a target whose version includes the values of its declared variables, on which its outputs depend."""
    names = getattr(spec, "env", ())
    version = getattr(spec, "version", None)
    if not names or version is None:
        return spec
    values = jsonl.digest({name: os.environ.get(name) for name in names})
    return spec.model_copy(update={"version": f"{version} {values}"})
