"""Models that a run asks: the attributes that all spans of their calls have in common."""

from __future__ import annotations

import contextlib
from dataclasses import field
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from pytest_evalgate import config
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.telemetry import conventions as names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.config import Model, Settings, Target
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.telemetry.span import Attributes, AttributeValue

_OPERATIONS: Final = {"responses": "chat"}
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Asked:
    """A model or an application that a run calls.

    ``attributes`` are those of each span of a call, whose name is ``span_name``.
    """

    span_name: str
    kind: Literal["internal", "client"]
    is_model: bool = False
    attributes: Attributes = field(default_factory=dict)

    @classmethod
    def model(cls, model: Model, params: Mapping[str, Json]) -> Asked:
        """Return a model at an endpoint, with the parameters of its requests."""
        operation = _OPERATIONS.get(model.api, model.api)
        attributes: dict[str, AttributeValue] = {
            names.OPERATION: operation,
            names.PROVIDER: names.provider_of(model.base_url),
            names.REQUEST_MODEL: model.model,
            **_server(model.base_url),
        }
        for name, value in {**model.params, **params}.items():
            if name in names.PARAMETERS and isinstance(value, int | float):
                attributes[names.PARAMETERS[name]] = value
        return cls(f"{operation} {model.model}", "client", is_model=True, attributes=attributes)


_LOCAL: Final = Asked("target", "internal")


def _server(url: str) -> dict[str, AttributeValue]:
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme.lower(), 0)
    except ValueError:  # of a URL template
        return {}
    return {names.SERVER_ADDRESS: parts.hostname, names.SERVER_PORT: port} if parts.hostname else {}


class AskedModels:
    """The targets of suites, and the models of judges and scorers, by the names in the rows of a run file."""

    def __init__(self, settings: Settings, given: str | None) -> None:
        """Read the settings; ``given`` is the target of the command line, which replaces those of the suites."""
        self._settings = settings
        self._given = given
        self._targets: dict[str, Asked] = {}
        self._calls: dict[tuple[str, str], Asked] = {}

    def of_target(self, suite: str) -> Asked:
        """Return the target of a suite."""
        if suite not in self._targets:
            self._targets[suite] = self._target(suite)
        return self._targets[suite]

    def of_call(self, purpose: str, model: str) -> Asked:
        """Return the model of a call of a judge or a scorer; ``model`` is its name at the endpoint."""
        key = (purpose, model)
        if key not in self._calls:
            self._calls[key] = self._asked(purpose, model)
        return self._calls[key]

    def _target(self, name: str) -> Asked:
        suite = config.suite_named(self._settings, name)
        target: Target | None = None if suite is None else suite.target
        if self._given is not None:
            # several targets of the command line are candidates: each is the target of a separate suite
            with contextlib.suppress(SettingsError):
                target = config.parse_target(self._given, instead_of=target)
        match target:
            case config.ModelTarget() if target.model in self._settings.models:
                return Asked.model(self._settings.models[target.model], target.params)
            case config.HttpTarget():
                return Asked("target", "client", attributes=_server(target.http.url))
        return _LOCAL

    def _asked(self, purpose: str, model: str) -> Asked:
        kind, _, name = purpose.partition(":")
        judge = self._settings.judges.get(name) if kind == "judge" else None
        if judge is not None and judge.model in self._settings.models:
            return Asked.model(self._settings.models[judge.model], judge.params)
        known = (one for one in self._settings.models.values() if one.model == model)
        found = next(known, None)
        if found is not None:
            return Asked.model(found, {})
        attributes = {names.OPERATION: "chat", names.PROVIDER: "_OTHER", names.REQUEST_MODEL: model}
        return Asked(f"chat {model}", "client", is_model=True, attributes=attributes)
