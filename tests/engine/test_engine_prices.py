from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest

from pytest_evalgate.config import Model, Price
from pytest_evalgate.engine.spend import Prices

_PRICE = Price(input_per_mtok=0.15, output_per_mtok=0.60)
_LISTED = pytest.mark.skipif(
    importlib.util.find_spec("genai_prices") is None, reason="needs the extra: pip install pytest-evalgate[prices]"
)


def _model(name: str = "gpt-4o-mini", **fields: Any) -> Model:
    return Model(model=name, **fields)


def test_a_configured_price_is_for_a_million_tokens() -> None:
    prices = Prices({"candidate": _model(price=_PRICE)})
    assert prices.cost("candidate", 1_000_000, 0) == 0.15
    assert prices.cost("candidate", 0, 1_000_000) == 0.60
    assert prices.cost("candidate", 1_000, 500) == pytest.approx(0.00045)
    assert prices.source("candidate") == "config"


@pytest.mark.parametrize(("read", "written"), [(None, 5), (5, None), (None, None)])
def test_unknown_tokens_have_no_price(read: int | None, written: int | None) -> None:
    assert Prices({"candidate": _model(price=_PRICE)}).cost("candidate", read, written) is None


def test_a_configured_price_of_nothing_is_known() -> None:
    free = Price(input_per_mtok=0, output_per_mtok=0)
    assert Prices({"local": _model(price=free)}).cost("local", 10, 10) == 0


def test_a_route_that_is_no_model_has_no_price() -> None:
    prices = Prices({"candidate": _model(price=_PRICE)})
    assert (prices.cost("support", 1, 1), prices.source("support")) == (None, None)


def test_without_the_list_what_is_not_configured_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    prices = Prices({"candidate": _model()})
    assert (prices.cost("candidate", 1, 1), prices.source("candidate")) == (None, None)


def test_the_list_is_not_loaded_where_every_price_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert Prices({"candidate": _model(price=_PRICE)}).source("candidate") == "config"


@_LISTED
def test_the_list_knows_a_model_at_its_own_endpoint() -> None:
    prices = Prices({"candidate": _model("gpt-4o-mini-2024-07-18")})
    cost = prices.cost("candidate", 1_000, 100)
    assert cost is not None
    assert 0 < cost < 0.01
    assert prices.cost("candidate", 0, 0) == 0
    assert str(prices.source("candidate")).startswith("genai-prices ")


@_LISTED
def test_the_configuration_overrules_the_list() -> None:
    assert Prices({"candidate": _model(price=_PRICE)}).source("candidate") == "config"


@_LISTED
@pytest.mark.parametrize(
    ("name", "base_url"),
    [
        ("gpt-4o-mini", "http://127.0.0.1:8000/v1"),
        ("gpt-4o-mini", "http://localhost:11434/v1"),
        ("gpt-4o-mini", "https://llm.example.com/v1"),
        ("a-model-of-our-own", "https://api.openai.com/v1"),
    ],
)
def test_what_the_list_does_not_know_at_this_endpoint_is_unknown(name: str, base_url: str) -> None:
    prices = Prices({"candidate": _model(name, base_url=base_url)})
    assert (prices.cost("candidate", 1_000, 100), prices.source("candidate")) == (None, None)


@_LISTED
def test_a_list_that_asks_for_nothing_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Free:
        total_price = 0

    monkeypatch.setattr("genai_prices.calc_price", lambda *_, **__: Free)
    assert Prices({"candidate": _model()}).cost("candidate", 1_000, 100) is None
