"""Clients of models and applications: each makes one attempt at a call, and raises CallFault if it fails.

A client that is never used imports neither openai (0.4 s) nor httpx nor h11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.engine.clients.http import EndpointClient, HttpClient
from pytest_evalgate.engine.clients.openai import SdkClient
from pytest_evalgate.text.redaction import read_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.config import Model

__all__ = ["EndpointClient", "HttpClient", "SdkClient", "model_client"]


def model_client(name: str, model: Model, environ: Mapping[str, str]) -> SdkClient | HttpClient:
    """Return the client of the model that is configured as ``models.NAME``.

    Raises:
        SettingsError: the environment variable of its key is not set.
    """
    key = model.api_key_env and read_secret(model.api_key_env, environ, f"models.{name}.api_key_env")
    return (SdkClient if model.client == "openai" else HttpClient)(model, key or None)
