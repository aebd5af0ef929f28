"""Collector of OpenTelemetry: its URLs, headers and resource, from the configuration or from the environment."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import unquote

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.telemetry.conventions import SERVICE_NAME, SERVICE_VERSION
from pytest_evalgate.text.redaction import read_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.config import Telemetry

FROM_ENVIRONMENT: Final = "env"
_DEFAULT: Final = "http://localhost:4318"
_PREFIX: Final = "OTEL_EXPORTER_OTLP_"
_PROTOCOLS: Final = frozenset({"", "http/protobuf"})


@dataclass(frozen=True, slots=True)
class Collector:
    """Receiver of spans, and of metrics unless ``metrics_url`` is None. URLs and headers may contain keys."""

    traces_url: str = field(repr=False)
    metrics_url: str | None = field(repr=False)
    traces_headers: Mapping[str, str] = field(repr=False)
    metrics_headers: Mapping[str, str] = field(repr=False)
    resource: Mapping[str, str]

    @classmethod
    def of(cls, telemetry: Telemetry, environ: Mapping[str, str], version: str) -> Self:
        """Return the collector of the configuration; ``version`` is that of pytest-evalgate.

        Variables of OpenTelemetry are read only if the configuration says so: the programs of a machine share them.

        Raises:
            SettingsError: A variable is not set, or cannot be used.
        """
        headers = {
            **telemetry.headers,
            **{
                header: read_secret(name, environ, f"telemetry.headers_env.{header}").value
                for header, name in telemetry.headers_env.items()
            },
        }
        resource = {SERVICE_NAME: "pytest-evalgate", SERVICE_VERSION: version}
        if telemetry.otlp != FROM_ENVIRONMENT:
            base = telemetry.otlp.rstrip("/")
            metrics_url = f"{base}/v1/metrics" if telemetry.metrics else None
            return cls(f"{base}/v1/traces", metrics_url, headers, headers, resource | telemetry.resource)
        resource |= _pairs(environ, "OTEL_RESOURCE_ATTRIBUTES")
        if name := environ.get("OTEL_SERVICE_NAME"):
            resource[SERVICE_NAME] = name
        common = _pairs(environ, f"{_PREFIX}HEADERS")
        return cls(
            _url(environ, "TRACES", "traces"),
            _url(environ, "METRICS", "metrics") if telemetry.metrics else None,
            common | _pairs(environ, f"{_PREFIX}TRACES_HEADERS") | headers,
            common | _pairs(environ, f"{_PREFIX}METRICS_HEADERS") | headers,
            resource | telemetry.resource,
        )


def _url(environ: Mapping[str, str], signal: str, path: str) -> str:
    """Return the URL of a signal; that of the signal's variable is used unchanged."""
    for name in (f"{_PREFIX}{signal}_PROTOCOL", f"{_PREFIX}PROTOCOL"):
        if environ.get(name, "") not in _PROTOCOLS:
            raise SettingsError(f"{name} is {environ[name]!r}: spans are sent by http/protobuf; unset it")
    base = environ.get(f"{_PREFIX}ENDPOINT") or _DEFAULT
    found = environ.get(f"{_PREFIX}{signal}_ENDPOINT") or f"{base.rstrip('/')}/v1/{path}"
    if not found.lower().startswith(("http://", "https://")):
        raise SettingsError(f"{_PREFIX}ENDPOINT must begin with http:// or https://, such as {_DEFAULT}")
    return found


def _pairs(environ: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the pairs in a variable such as ``a=1,b=2``, whose values are percent-encoded.

    Raises:
        SettingsError: A part has no ``=``. The message does not contain it.
    """
    found: dict[str, str] = {}
    for part in filter(str.strip, environ.get(name, "").split(",")):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"{name}: write key=value pairs, separated by commas")
        found[key.strip()] = unquote(value.strip())
    return found
