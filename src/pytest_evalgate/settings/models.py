"""Models: any endpoint that speaks as OpenAI's does."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from pytest_evalgate.settings.fields import Amount, Concurrency, EnvironmentName, Rate, Seconds, Table


class Price(Table):
    """US dollars for a million tokens."""

    input_per_mtok: Amount
    output_per_mtok: Amount


class Model(Table):
    """One model at one endpoint.

    ``api_key_env`` is the NAME of an environment variable; "" sends no key. ``params`` go into every
    request as they are. ``timeout_s`` bounds each attempt as a whole.
    """

    model: str = Field(min_length=1)
    base_url: str = Field(default="https://api.openai.com/v1", pattern=r"^https?://[^\s]+$")
    api_key_env: EnvironmentName | Literal[""] = "OPENAI_API_KEY"
    client: Literal["openai", "http"] = "openai"
    api: Literal["chat", "responses"] = "chat"
    params: dict[str, Any] = Field(default_factory=dict)
    max_concurrency: Concurrency = 32
    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None
    timeout_s: Seconds = 60.0
    price: Price | None = None
