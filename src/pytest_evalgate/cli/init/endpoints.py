"""Endpoints that the environment names: their hosts, and the names of the variables of their keys.

The value of a key is never read further than to see that it is set, and never printed or written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.redaction import looks_like_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OPENAI: Final = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class NamedEndpoint:
    """An endpoint with OpenAI's API.

    Args:
        label: Its name for people.
        base_url: Its URL, without user name and password.
        key: Name of the variable of its key; empty if it needs none.
        found: Names of the variables that show that it is used.
        model: Name of the model, if a variable has it.
    """

    label: str
    base_url: str
    key: str
    found: tuple[str, ...]
    model: str | None = None

    @property
    def host(self) -> str:
        """Its host and port."""
        return urlsplit(self.base_url).netloc


def find_endpoints(environ: Mapping[str, str]) -> tuple[NamedEndpoint, ...]:
    """Return the endpoints that variables of the environment name."""
    present = {name: value.strip() for name, value in environ.items() if value.strip()}
    return tuple(_endpoints(present))


def _endpoints(env: Mapping[str, str]) -> Iterator[NamedEndpoint]:
    openai = env.get("OPENAI_BASE_URL") or env.get("OPENAI_API_BASE")
    variable = "OPENAI_BASE_URL" if env.get("OPENAI_BASE_URL") else "OPENAI_API_BASE"
    has_key = "OPENAI_API_KEY" in env
    if openai and (url := _plain_url(openai)):
        found = (variable, *(["OPENAI_API_KEY"] if has_key else []))
        yield NamedEndpoint(
            "OpenAI-compatible", url, "OPENAI_API_KEY" if has_key else "", found, env.get("OPENAI_MODEL")
        )
    elif has_key:
        yield NamedEndpoint("OpenAI", _OPENAI, "OPENAI_API_KEY", ("OPENAI_API_KEY",), env.get("OPENAI_MODEL"))
    if (azure := env.get("AZURE_OPENAI_ENDPOINT")) and (url := _plain_url(azure)):
        model = env.get("AZURE_OPENAI_DEPLOYMENT") or env.get("AZURE_OPENAI_DEPLOYMENT_NAME")
        base = url if "/openai" in urlsplit(url).path else f"{url.rstrip('/')}/openai/v1"
        key = next((name for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY") if name in env), None)
        found = ("AZURE_OPENAI_ENDPOINT", *([key] if key else []))
        yield NamedEndpoint("Azure OpenAI", base, key or "AZURE_OPENAI_API_KEY", found, model)
    if "OPENROUTER_API_KEY" in env:
        url = "https://openrouter.ai/api/v1"
        yield NamedEndpoint(
            "OpenRouter", url, "OPENROUTER_API_KEY", ("OPENROUTER_API_KEY",), env.get("OPENROUTER_MODEL")
        )
    if (ollama := env.get("OLLAMA_HOST")) and (url := _plain_url(ollama, port=11434)):
        yield NamedEndpoint("Ollama", _with_path(url, "/v1"), "", ("OLLAMA_HOST",), env.get("OLLAMA_MODEL"))
    for name in ("VLLM_BASE_URL", "VLLM_API_BASE", "VLLM_HOST"):
        if (vllm := env.get(name)) and (url := _plain_url(vllm, port=8000)):
            key = "VLLM_API_KEY" if "VLLM_API_KEY" in env else ""
            yield NamedEndpoint(
                "vLLM", _with_path(url, "/v1"), key, (name, *([key] if key else [])), env.get("VLLM_MODEL")
            )
            return


def _plain_url(text: str, port: int | None = None) -> str | None:
    """Return a URL without user name, password, fragment and keys; None if it is not one.

    Args:
        text: A URL, or a host with or without a port.
        port: Port of a host without one.
    """
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        given = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or any(char.isspace() for char in text):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    host = "localhost" if host in ("0.0.0.0", "[::]") else host  # noqa: S104 - addresses to listen on, not to call
    chosen = given or (port if "://" not in text or parts.scheme == "http" else None)
    query = "" if any(looks_like_key(word) for word in (parts.query, *_values(parts.query))) else parts.query
    return urlunsplit((parts.scheme, f"{host}:{chosen}" if chosen else host, parts.path, query, ""))


def _values(query: str) -> Iterator[str]:
    return (pair.partition("=")[2] for pair in query.split("&"))


def _with_path(url: str, path: str) -> str:
    return url if urlsplit(url).path.rstrip("/") else f"{url.rstrip('/')}{path}"
