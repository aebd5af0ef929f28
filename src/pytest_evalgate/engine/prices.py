"""Prices: what tokens cost, by the configuration or by a public list; what nobody knows is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.settings import Model, Price

_MILLION = 1_000_000
_LIST = "genai-prices"


@dataclass(frozen=True, slots=True)
class _Tariff:
    """What (tokens in, tokens out) cost in US$, and who says so."""

    source: str
    cost: Callable[[int, int], float]


class Prices:
    """The prices of the configured models: each by its ``price``, else by ``genai-prices`` where it is installed.

    The list is asked for the model at its endpoint, so that a local server of a well-known model is not taken for the
    original. It is loaded here, once, and only where a model has no ``price``.
    """

    def __init__(self, models: Mapping[str, Model]) -> None:
        """Look up the price of each of ``models``, by route."""
        tariffs = {route: _tariff(model) for route, model in models.items()}
        self._tariffs = {route: tariff for route, tariff in tariffs.items() if tariff is not None}

    def cost(self, route: str, tokens_in: int | None, tokens_out: int | None) -> float | None:
        """Return what a call of ``route`` costs in US$; None where its price or its tokens are unknown."""
        tariff = self._tariffs.get(route)
        if tariff is None or tokens_in is None or tokens_out is None:
            return None
        return tariff.cost(tokens_in, tokens_out)

    def source(self, route: str) -> str | None:
        """Say where the price of ``route`` comes from, ``config`` or the list and its version; None: unknown."""
        tariff = self._tariffs.get(route)
        return None if tariff is None else tariff.source


def _tariff(model: Model) -> _Tariff | None:
    return _listed(model) if model.price is None else _configured(model.price)


def _configured(price: Price) -> _Tariff:
    def cost(tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * price.input_per_mtok + tokens_out * price.output_per_mtok) / _MILLION

    return _Tariff("config", cost)


def _listed(model: Model) -> _Tariff | None:
    """Ask the list; a model that it does not know at this endpoint, or gives away for nothing, has no price."""
    try:
        from genai_prices import Usage, calc_price  # noqa: PLC0415 - an extra, and 0.2 s
    except ImportError:
        return None

    def cost(tokens_in: int, tokens_out: int) -> float:
        usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out)
        return float(calc_price(usage, model.model, provider_api_url=model.base_url).total_price)

    try:
        known = cost(_MILLION, _MILLION) > 0
    except LookupError:
        return None
    return _Tariff(f"{_LIST} {metadata.version(_LIST)}", cost) if known else None
