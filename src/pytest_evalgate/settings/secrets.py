"""Which environment variables hold keys, as the configuration names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.settings.targets import HttpTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.settings.suites import Settings

_OWN = "EVALGATE_CACHE_KEY"


def key_variables(settings: Settings) -> Iterator[str]:
    """Name the environment variables whose values may never be shown."""
    yield _OWN
    for model in settings.models.values():
        if model.api_key_env:
            yield model.api_key_env
    for suite in settings.suites.values():
        if isinstance(suite.target, HttpTarget):
            yield from suite.target.http.headers_env.values()
