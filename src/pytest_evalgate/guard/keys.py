"""API keys, and the endpoints that may get them: those to which the base branch sends the same key.

Otherwise a branch that moves an endpoint would send the key of CI to a host that its author chose.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Self

from pytest_evalgate.config import HttpTarget
from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.config import HttpRequest, Model, Settings, Telemetry

_ORIGIN: Final = re.compile(r"(https?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(?=[/?#]|$)")
_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Use:
    """Key, by its environment variable, and the origin that gets it; ``place`` is a configuration key."""

    place: str
    variable: str
    origin: str


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """Origins that get a key at the base, by environment variable."""

    allowed: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, base: Settings) -> Self:
        """Return the policy of the configuration of a base branch."""
        found: dict[str, set[str]] = {}
        for use in _uses(base):
            found.setdefault(use.variable, set()).add(use.origin)
        return cls({variable: frozenset(origins) for variable, origins in found.items()})

    def allows(self, variable: str, url: str) -> bool:
        """Return whether the key of ``variable`` may be sent to ``url``.

        A variable that the base does not use may be sent to an origin of the base, because its name may have changed.
        """
        origins = self.allowed.get(variable)
        return origin_of(url) in (frozenset().union(*self.allowed.values()) if origins is None else origins)

    def withheld(self, head: Settings) -> tuple[Use, ...]:
        """Return the keys that ``head`` would send to other origins than the base."""
        return tuple(use for use in _uses(head) if not self.allows(use.variable, use.origin))

    def models(self, models: Mapping[str, Model]) -> dict[str, Model]:
        """Return the models without the keys that may not be sent to them."""
        return {
            name: model if self.allows(model.api_key_env, model.base_url) else model.model_copy(update=_NO_KEY)
            for name, model in models.items()
        }

    def request(self, request: HttpRequest) -> HttpRequest:
        """Return the request of an application without the headers that may not be sent to it."""
        kept = {
            header: variable
            for header, variable in request.headers_env.items()
            if self.allows(variable, _fixed_part(request.url))
        }
        return request.model_copy(update={"headers_env": kept})

    def telemetry(self, telemetry: Telemetry) -> Telemetry:
        """Return the telemetry without the headers that may not be sent to its collector."""
        kept = {
            header: variable
            for header, variable in telemetry.headers_env.items()
            if self.allows(variable, telemetry.otlp)
        }
        return telemetry.model_copy(update={"headers_env": kept})


_NO_KEY: Final = {"api_key_env": ""}


def _uses(settings: Settings) -> Iterator[Use]:
    for name, model in settings.models.items():
        if model.api_key_env:
            yield Use(f"models.{name}", model.api_key_env, origin_of(model.base_url))
    for name, suite in settings.suites.items():
        if isinstance(suite.target, HttpTarget):
            request = suite.target.http
            for variable in request.headers_env.values():
                yield Use(f"suites.{name}.target.http", variable, origin_of(_fixed_part(request.url)))
    if settings.telemetry is not None:
        for variable in settings.telemetry.headers_env.values():
            yield Use("telemetry", variable, origin_of(settings.telemetry.otlp))


def _fixed_part(url: str) -> str:
    return url.partition("{{")[0]


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL; the whole URL if its host is ambiguous.

    Programs disagree on the host of URLs with user names or backslashes.
    """
    found = _ORIGIN.match(url)
    if found is None:
        return url
    scheme, host, port = found.groups()
    return f"{scheme}://{host.lower().rstrip('.')}{port or _PORTS[scheme]}"
