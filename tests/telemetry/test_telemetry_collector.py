from __future__ import annotations

import pytest

from pytest_evalgate.config import Telemetry
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.telemetry.collector import Collector

_ENV = "OTEL_EXPORTER_OTLP_"


def _collector(environ: dict[str, str] | None = None, **table: object) -> Collector:
    telemetry = Telemetry.model_validate({"otlp": "https://c.example/otlp/", **table})
    return Collector.of(telemetry, environ or {}, "1.2")


def test_the_configuration() -> None:
    found = _collector(
        {"KEY": "Bearer s3cret", f"{_ENV}ENDPOINT": "http://elsewhere", f"{_ENV}HEADERS": "a=b"},
        headers={"x-experiment": "7"},
        headers_env={"Authorization": "KEY"},
        resource={"service.name": "bot"},
    )
    assert found.traces_url == "https://c.example/otlp/v1/traces"
    assert found.metrics_url == "https://c.example/otlp/v1/metrics"
    assert found.traces_headers == found.metrics_headers == {"x-experiment": "7", "Authorization": "Bearer s3cret"}
    assert found.resource == {"service.name": "bot", "service.version": "1.2"}
    assert "s3cret" not in repr(found)


def test_metrics_may_be_left_out() -> None:
    assert _collector(metrics=False).metrics_url is None
    assert _collector({}, otlp="env", metrics=False).metrics_url is None


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"telemetry\.headers_env\.Authorization.*NO_KEY"):
        _collector(headers_env={"Authorization": "NO_KEY"})


@pytest.mark.parametrize(
    ("environ", "traces", "metrics"),
    [
        ({}, "http://localhost:4318/v1/traces", "http://localhost:4318/v1/metrics"),
        ({"ENDPOINT": "http://h:1/x/"}, "http://h:1/x/v1/traces", "http://h:1/x/v1/metrics"),
        ({"TRACES_ENDPOINT": "http://t/here"}, "http://t/here", "http://localhost:4318/v1/metrics"),
        ({"ENDPOINT": "http://h", "METRICS_ENDPOINT": "http://m"}, "http://h/v1/traces", "http://m"),
        ({"PROTOCOL": "http/protobuf"}, "http://localhost:4318/v1/traces", "http://localhost:4318/v1/metrics"),
    ],
)
def test_the_endpoints_of_the_environment(environ: dict[str, str], traces: str, metrics: str) -> None:
    found = _collector({f"{_ENV}{name}": value for name, value in environ.items()}, otlp="env")
    assert (found.traces_url, found.metrics_url) == (traces, metrics)


def test_headers_and_resource_of_the_environment() -> None:
    environ = {
        f"{_ENV}HEADERS": "a=1, b=x%3Dy ,",
        f"{_ENV}TRACES_HEADERS": "a=2",
        "OTEL_RESOURCE_ATTRIBUTES": "team=search,deployment=eu",
        "OTEL_SERVICE_NAME": "nightly",
    }
    found = _collector(environ, otlp="env", resource={"team": "mine"})
    assert (found.traces_headers, found.metrics_headers) == ({"a": "2", "b": "x=y"}, {"a": "1", "b": "x=y"})
    expected = {"team": "mine", "deployment": "eu", "service.name": "nightly", "service.version": "1.2"}
    assert found.resource == expected


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'"),
        ({"TRACES_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is 'http/json'"),
        ({"ENDPOINT": "file:///etc/passwd"}, "must begin with http:// or https://"),
        ({"HEADERS": "s3cret"}, "OTEL_EXPORTER_OTLP_HEADERS: write key=value pairs"),
    ],
)
def test_variables_that_cannot_be_used(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        _collector({f"{_ENV}{name}": value for name, value in environ.items()}, otlp="env")
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "otlp",
    [
        "localhost:4318",
        "ftp://x",
        "http://a b",
        "https://c/?key=1",
        "http://user:password@c",
        "sk-proj-0123456789abcdef0123456789abcdef",
    ],
)
def test_what_is_no_endpoint_is_refused(otlp: str) -> None:
    with pytest.raises(ValueError, match="otlp"):
        Telemetry.model_validate({"otlp": otlp})
