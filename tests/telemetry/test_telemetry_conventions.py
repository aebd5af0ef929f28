from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate.telemetry import conventions

_GENAI = {
    line
    for line in Path(__file__).with_name("genai_names.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
}
_DOCS = Path(__file__).parents[2] / "docs"


def _strings(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value.values()) if isinstance(value, dict) else []


_OURS = {
    text
    for name, value in vars(conventions).items()
    if name.isupper() and not name.startswith("_") and name != "GENAI_VERSION"
    for text in _strings(value)
}


def _published(*modules: str) -> set[str]:
    """Return the names in the package opentelemetry-semantic-conventions."""
    found = [importlib.import_module(f"opentelemetry.semconv._incubating.attributes.{name}") for name in modules]
    return {value for module in found for value in vars(module).values() if isinstance(value, str)}


def test_the_names_of_genai_are_those_of_the_version_that_is_named() -> None:
    ours = {name for name in _OURS if name.startswith("gen_ai.")}
    assert len(ours) > 20
    assert ours <= _GENAI
    assert f"version {conventions.GENAI_VERSION}" in (conventions.__doc__ or "")
    assert conventions.GENAI_VERSION in (_DOCS / "tracing.md").read_text("utf-8")


def test_the_attributes_of_genai_are_published() -> None:
    attributes = {name for name in _OURS if name.startswith("gen_ai.") and ".client." not in name}
    assert attributes <= _published("gen_ai_attributes")


def test_the_other_names_are_published_or_our_own() -> None:
    others = {name for name in _OURS if not name.startswith(("gen_ai.", "evalgate."))}
    modules = ("error_attributes", "server_attributes", "service_attributes", "test_attributes", "vcs_attributes")
    assert others <= _published(*modules)


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://acme.openai.azure.com/openai", "azure.ai.openai"),
        ("https://API.Anthropic.com/v1/", "anthropic"),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com", "aws.bedrock"),
        ("https://api.x.ai/v1", "x_ai"),
        ("https://api.notx.ai/v1", "api.notx.ai"),
        ("http://127.0.0.1:8000/v1", "127.0.0.1"),
        ("http:///v1", "_OTHER"),
    ],
)
def test_the_provider_of_an_endpoint(url: str, provider: str) -> None:
    assert conventions.provider_of(url) == provider


def test_well_known_providers_are_published() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes  # noqa: PLC0415 - a private module

    known = {one.value for one in gen_ai_attributes.GenAiProviderNameValues}
    assert set(conventions._PROVIDERS.values()) <= known | {"moonshot_ai"}  # new in 0.1.0
