"""Routes: the client of each model and application, with cache, budget, limits and retries around it.

Layers, from the outside in: CachedClient, BatchingClient (embeddings and moderations only), MeteredClient (prices and
budget), LazyClient, RetryingClient (limiter, retry policy and circuit breaker), and the client that makes one attempt.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.engine.batching import BatchingClient
from pytest_evalgate.engine.cache import CachedClient
from pytest_evalgate.engine.clients import EndpointClient, model_client
from pytest_evalgate.engine.clients.lazy import LazyClient
from pytest_evalgate.engine.faults import place_of
from pytest_evalgate.engine.limiter import Limiter, Limits
from pytest_evalgate.engine.retry import RetryingClient, RetryPolicy
from pytest_evalgate.engine.spend import Budget, MeteredClient, Prices
from pytest_evalgate.records.calls import LIST_KINDS, record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.config import HttpRequest, Model
    from pytest_evalgate.engine.cache import ReadThroughCache
    from pytest_evalgate.engine.clients.lazy import Client
    from pytest_evalgate.engine.spend import Spend
    from pytest_evalgate.engine.stop import StopSignal
    from pytest_evalgate.engine.traced import CallTracer
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Call, Reply


class Routes:
    """Client that sends each call through its route's client. Clients are created on first use."""

    def __init__(  # noqa: PLR0913 - the settings of all layers
        self,
        models: Mapping[str, Model],
        *,
        cache: ReadThroughCache,
        stop_signal: StopSignal,
        spend: Spend,
        budget_usd: float | None = None,
        max_concurrency: int | None = None,
        workers: int = 1,
        environ: Mapping[str, str] = os.environ,
        tracer: CallTracer | None = None,
    ) -> None:
        """Create no client yet.

        The names of ``models`` are routes. ``max_concurrency`` limits the simultaneous calls on each route in addition
        to the limits of the models. ``workers`` is the number of processes that share all limits. ``tracer``
        records the times of calls; None if the run has no trace.
        """
        self.prices = Prices(models)
        self._models = models
        self._cache = cache
        self._stop_signal = stop_signal
        self._spend = spend
        self._budget = None if budget_usd is None else Budget(budget_usd, stop_signal)
        self._max_concurrency = max_concurrency
        self._workers = workers
        self._environ = environ
        self._limiters: dict[tuple[str, str], Limiter] = {}
        self._lazy_clients: dict[str, LazyClient] = {}
        self._clients: dict[str, ModelClient] = {}
        self._tracer = tracer
        self.opened = threading.Event()
        """Set when the first client is open: its libraries are loaded, and calls are sent."""

    async def send(self, call: Call) -> Reply:
        """Return the reply to ``call``, cached or new."""
        client = self._client_for(call.route)
        reply = await (client.send(call) if self._tracer is None else self._tracer.send(client, call))
        if reply.cached:  # MeteredClient counts the others
            self._spend.add(record_of(call, reply))
        return reply

    def check_key(self, route: str) -> None:
        """Create the client of a route, which reads its keys.

        Raises:
            SettingsError: a key is missing; names the environment variable.
        """
        self._client_for(route)
        self._lazy_clients[route].get_client()

    def add_application(self, route: str, request: HttpRequest) -> None:
        """Add the route to an application behind HTTP."""
        place = f"suites.{route}.target.http"
        self._add_client(
            route,
            lambda: EndpointClient(request, self._environ, place),
            self._with_retries(
                (request.url, ""), Limits(request.max_concurrency, request.requests_per_minute), request.timeout_s
            ),
        )

    @property
    def over_budget(self) -> str | None:
        """Reason for which the budget rejected a call; None if it rejected none."""
        return None if self._budget is None else self._budget.stop_reason

    @property
    def limiters(self) -> tuple[Limiter, ...]:
        """The limiters of all routes used so far."""
        return tuple(self._limiters.values())

    async def close(self) -> None:
        """Close all connections."""
        for client in self._lazy_clients.values():
            await client.close()

    def _client_for(self, route: str) -> ModelClient:
        if route not in self._clients:
            model = self._models[route]
            limits = Limits(model.max_concurrency, model.requests_per_minute, model.tokens_per_minute)
            self._add_client(
                route,
                lambda: model_client(route, model, self._environ),
                self._with_retries((model.base_url, model.model), limits, model.timeout_s),
                is_batched=model.api in LIST_KINDS,
            )
        return self._clients[route]

    def _add_client(
        self,
        route: str,
        make: Callable[[], Client],
        wrap: Callable[[Client], ModelClient],
        *,
        is_batched: bool = False,
    ) -> None:
        lazy = self._lazy_clients[route] = LazyClient(make, wrap)
        metered: ModelClient = MeteredClient(lazy, self.prices, self._spend, self._budget)
        # the cache is outermost: a cached call reads no key, needs no budget and waits for no slot
        self._clients[route] = CachedClient(BatchingClient(metered) if is_batched else metered, self._cache)

    def _with_retries(
        self, endpoint: tuple[str, str], limits: Limits, timeout_s: float
    ) -> Callable[[Client], ModelClient]:
        """Return a function that wraps a client in limits and retries; routes to one endpoint share a limiter."""
        if endpoint not in self._limiters:
            if self._max_concurrency is not None:
                limits = replace(limits, max_concurrency=min(self._max_concurrency, limits.max_concurrency))
            self._limiters[endpoint] = Limiter(limits.shared_by(self._workers), self._stop_signal)
        url, model = endpoint
        limiter, name = self._limiters[endpoint], f"{place_of(url)} {model}".rstrip()  # the query may contain a key

        def wrap(client: Client) -> ModelClient:
            self.opened.set()
            return RetryingClient(client, limiter, self._stop_signal, name, RetryPolicy(timeout_s))

        return wrap
