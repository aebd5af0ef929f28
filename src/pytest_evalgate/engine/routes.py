"""From a target's call to the wire: each route has its client, and the layers around it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.engine.cache import CachedClient
from pytest_evalgate.engine.clients import EndpointClient, model_client
from pytest_evalgate.engine.clients.lazy import LazyClient
from pytest_evalgate.engine.limiter import Limiter, Limits
from pytest_evalgate.engine.retry import RetryingClient, RetryPolicy
from pytest_evalgate.engine.spend import Budget, MeteredClient, Prices
from pytest_evalgate.records.calls import record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.config import HttpRequest, Model
    from pytest_evalgate.engine.cache import ReadThroughCache
    from pytest_evalgate.engine.clients.lazy import Client
    from pytest_evalgate.engine.spend import Spend
    from pytest_evalgate.engine.stop import StopSignal
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Call, Reply


class Routes:
    """Sends each call the way of its route; a way is laid when it is first gone.

    Everybody's call goes through: memory, then budget, then limits and retries, then the wire.
    """

    def __init__(  # noqa: PLR0913 - the parts of one way
        self,
        models: Mapping[str, Model],
        *,
        memory: ReadThroughCache,
        halt: StopSignal,
        spend: Spend,
        budget_usd: float | None = None,
        max_concurrency: int | None = None,
        workers: int = 1,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Lay no way yet.

        Args:
            models: The configured models; their names are routes.
            memory: What was answered before.
            halt: Whether calls may still be sent.
            spend: The accounts.
            budget_usd: What may be spent; None for no limit.
            max_concurrency: At most so many calls at a time on each route; None leaves that to the models.
            workers: How many processes share the limits.
            environ: Where the keys are found.

        """
        self.prices = Prices(models)
        self._models = models
        self._memory = memory
        self._stop_signal = halt
        self._spend = spend
        self._budget = None if budget_usd is None else Budget(budget_usd, halt)
        self._max_concurrency = max_concurrency
        self._workers = workers
        self._environ = environ
        self._limiters: dict[tuple[str, str], Limiter] = {}
        self._lazy_clients: dict[str, LazyClient] = {}
        self._clients: dict[str, ModelClient] = {}

    async def send(self, call: Call) -> Reply:
        """Return the answer to ``call``, remembered or new."""
        reply = await self._client_for(call.route).send(call)
        if reply.cached:
            self._spend.add(record_of(call, reply))
        return reply

    def check_key(self, route: str) -> None:
        """Look whether the keys of a route are there.

        Raises:
            SettingsError: one is not; names the variable.

        """
        self._client_for(route)
        self._lazy_clients[route].get_client()

    def add_application(self, route: str, request: HttpRequest) -> None:
        """Lay the way to an application behind HTTP."""
        limits = Limits(request.max_concurrency, request.requests_per_minute)
        place = f"suites.{route}.target.http"
        self._add_client(
            route,
            lambda: EndpointClient(request, self._environ, place),
            self._with_retries((request.url, ""), limits, request.timeout_s),
        )

    @property
    def over_budget(self) -> str | None:
        """Why the budget let a call not pass; None where it has let all pass."""
        return None if self._budget is None else self._budget.stop_reason

    @property
    def limiters(self) -> tuple[Limiter, ...]:
        """The limiters of all ways that were gone."""
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
            )
        return self._clients[route]

    def _add_client(self, route: str, make: Callable[[], Client], wrap: Callable[[Client], ModelClient]) -> None:
        late = self._lazy_clients[route] = LazyClient(make, wrap)
        self._clients[route] = CachedClient(MeteredClient(late, self.prices, self._spend, self._budget), self._memory)

    def _with_retries(
        self, place: tuple[str, str], limits: Limits, timeout_s: float
    ) -> Callable[[Client], ModelClient]:
        """Return what lays limits and retries around a client; all ways to one place share its limits."""
        if place not in self._limiters:
            self._limiters[place] = Limiter(self._worker_limits(limits), self._stop_signal)
        limiter, endpoint = self._limiters[place], " ".join(filter(None, place))
        return lambda client: RetryingClient(client, limiter, self._stop_signal, endpoint, RetryPolicy(timeout_s))

    def _worker_limits(self, limits: Limits) -> Limits:
        wanted = (
            limits.max_concurrency
            if self._max_concurrency is None
            else min(self._max_concurrency, limits.max_concurrency)
        )
        return replace(limits, max_concurrency=wanted).shared_by(self._workers)
