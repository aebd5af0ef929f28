"""Providers of a promptfoo configuration: models at OpenAI-compatible endpoints, HTTP applications, Python files.

A provider becomes a model with its endpoint, or a target. What cannot be called through an OpenAI-compatible endpoint,
HTTP or Python is left out.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from pytest_evalgate import config
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects.transforms import dotted
from pytest_evalgate.importing.promptfoo.source import CODE, FILE, ConfigSource, place_of, plain, slug
from pytest_evalgate.importing.yaml_document import PlacedDict, read_document
from pytest_evalgate.targets.model import RESERVED_PARAMS
from pytest_evalgate.text.problems import explain
from pytest_evalgate.text.redaction import looks_like_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Place


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint: its base URL, and the variable that contains its key."""

    base_url: str
    api_key_env: str = ""


ENDPOINTS: Final = {
    "openai": Endpoint("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "anthropic": Endpoint("https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    "azure": Endpoint("", "AZURE_API_KEY"),
    "azureopenai": Endpoint("", "AZURE_API_KEY"),
    "cerebras": Endpoint("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "deepseek": Endpoint("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks": Endpoint("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "github": Endpoint("https://models.github.ai/inference", "GITHUB_TOKEN"),
    "google": Endpoint("https://generativelanguage.googleapis.com/v1beta/openai", "GOOGLE_API_KEY"),
    "groq": Endpoint("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "huggingface": Endpoint("https://router.huggingface.co/v1", "HF_TOKEN"),
    "hyperbolic": Endpoint("https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    "litellm": Endpoint("http://0.0.0.0:4000", "LITELLM_API_KEY"),
    "llamafile": Endpoint("http://localhost:8080/v1"),
    "lmstudio": Endpoint("http://localhost:1234/v1"),
    "localai": Endpoint("http://localhost:8080/v1"),
    "mistral": Endpoint("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "ollama": Endpoint("http://localhost:11434/v1"),
    "openrouter": Endpoint("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "perplexity": Endpoint("https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
    "together": Endpoint("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "togetherai": Endpoint("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "vllm": Endpoint("http://localhost:8000/v1"),
    "xai": Endpoint("https://api.x.ai/v1", "XAI_API_KEY"),
}
_OTHER_API: Final = frozenset({"anthropic", "google"})
_CHAT: Final = frozenset({"chat", "messages"})
_OTHER_KINDS: Final = frozenset(
    (
        *("agents", "assistant", "chatkit", "claude-agent-sdk", "claude-code", "codex", "codex-sdk", "completion"),
        *("embedding", "embeddings", "image", "moderation", "realtime", "speech", "transcription", "video"),
    )
)
_REASONING: Final = re.compile(r"(?:^|/)(?:o[0-9]|gpt-5)")
_PARAMS: Final = frozenset(
    (
        *("temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "top_p", "frequency_penalty"),
        *("presence_penalty", "stop", "seed", "tool_choice", "parallel_tool_calls", "reasoning_effort", "verbosity"),
        *("logit_bias", "logprobs", "top_logprobs", "top_k", "min_p", "repetition_penalty", "reasoning", "metadata"),
        *("service_tier", "store", "user"),
    )
)
_SET_ELSEWHERE: Final = frozenset({"apiHost", "apiBaseUrl", "apiKeyEnvar", "apiKey", "passthrough", "basePath"})
_SILENT: Final = frozenset({"showThinking", "apiVersion", "label", "stream"})  # without effect on the request's answer
_ENV_VALUE: Final = re.compile(r"\A\s*\{\{\s*env\.([A-Za-z_]\w*)\s*\}\}\s*\Z")
_DEFAULTS: Final = {"temperature": 0, "max_tokens": 1024}
"""What promptfoo sends if the configuration does not set it, except to reasoning models."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider that can be called.

    ``kind`` is ``model``, ``http``, ``python`` or ``echo``. ``model`` is its table of models, ``target`` the keys of
    its target. ``prompts`` are the labels of the prompts that it is asked with; None for all.
    """

    label: str
    place: Place
    kind: str
    model: Mapping[str, Any] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    transform: str = ""
    prompts: tuple[str, ...] | None = None
    ids: frozenset[str] = frozenset()
    slug: str = ""


def read_providers(document: Mapping[str, Any], source: ConfigSource) -> tuple[Provider, ...]:
    """Return the providers that can be called, with distinct slugs; the others are left out."""
    key = "targets" if "providers" not in document and "targets" in document else "providers"
    given = document.get(key)
    place = place_of(document, key)
    entries = given if isinstance(given, list) else [given] if given else []
    found: list[Provider] = []
    for index, entry in enumerate(entries):
        where = place_of(given, index, place)
        found += (made for made in _entry(entry, where, source))
    return _named(found)


def _entry(entry: Any, place: Place, source: ConfigSource) -> Iterator[Provider]:
    if isinstance(entry, str) and entry.startswith(FILE) and entry.endswith((".yaml", ".yml", ".json")):
        for path in source.expand(entry, place):
            inner = read_document(path, source.name_of(path))
            for index, one in enumerate(inner if isinstance(inner, list) else [inner]):
                yield from _entry(one, place_of(inner, index, place), source)
        return
    made = read_provider(entry, place, source)
    if made is not None:
        yield made


def read_provider(entry: Any, place: Place, source: ConfigSource) -> Provider | None:
    """Return one provider: an id, ``{id, config, ...}`` or ``{"openai:gpt-x": {config, ...}}``; None if left out."""
    options: Mapping[str, Any] = {}
    if isinstance(entry, dict) and "id" not in entry and len(entry) == 1:
        [(name, options)] = entry.items()
        options = options if isinstance(options, dict) else {}
        identity: Any = options.get("id") or name
    elif isinstance(entry, dict):
        identity, options = entry.get("id"), entry
    else:
        identity = entry
    if not isinstance(identity, str) or not identity:
        source.leave_out(place, "a provider", "it has no id, or is code")
        return None
    settings = options.get("config")
    settings = settings if isinstance(settings, PlacedDict) else PlacedDict(place)
    for key in ("delay", "env", "inputs", "pluginId"):
        if options.get(key):
            source.leave_out(
                place_of(options, key), f"{key} of provider {identity}", _OPTION_REASONS.get(key, _NO_KEY)
            )
    made = _kind(identity, settings, place, source)
    if made is None:
        return None
    prompts = options.get("prompts")
    transform = options.get("transform") or settings.get("transform")
    return replace(
        made,
        label=str(options.get("label") or made.label),
        transform=transform if isinstance(transform, str) else "",
        prompts=tuple(map(str, prompts)) if isinstance(prompts, list) else None,
        ids=frozenset({identity, str(options.get("label") or identity)}),
    )


_NO_KEY: Final = "there is no such key here"
_OPTION_REASONS: Final = {
    "delay": "set requests_per_minute of the model",
    "env": "set the variables in the environment of pytest",
}
_CODE_REASON: Final = "it is code of another language: call it by a command or over HTTP"


def _kind(identity: str, settings: PlacedDict, place: Place, source: ConfigSource) -> Provider | None:
    kind, _, rest = identity.partition(":")
    if identity == "echo":
        return Provider("echo", place, "echo")
    if kind in ("http", "https") or identity.startswith(("http://", "https://")):
        return _http(identity, settings, place, source)
    python = identity.removeprefix(FILE) if identity.startswith(FILE) else rest if kind == "python" else ""
    if python.partition(":")[0].endswith(".py"):
        return _python(identity, python, settings, place, source)
    if identity.startswith(FILE) or kind in ("exec", "golang", "ruby", "package") or identity.endswith(CODE):
        source.leave_out(place, f"provider {identity}", _CODE_REASON)
        return None
    if kind in ENDPOINTS:
        return _model(kind, rest, identity, settings, place, source)
    source.leave_out(
        place,
        f"provider {identity}",
        "it has no OpenAI-compatible endpoint that is known here: add a model with its base_url, or a python target",
    )
    return None


def _model(
    kind: str, rest: str, identity: str, settings: PlacedDict, place: Place, source: ConfigSource
) -> Provider | None:
    api, _, name = rest.partition(":")
    if api in _OTHER_KINDS:
        source.leave_out(place, f"provider {identity}", f"{api} is not a chat model")
        return None
    responses = api == "responses"
    if not name or not (api in _CHAT or responses):
        name = rest
    if found := _ENV_VALUE.match(name):
        source.note(f"{place}: replace the model {found[1]} by the value of that variable")
        name = found[1]
    table: dict[str, Any] = {"model": name, **_address(kind, settings, place, source)}
    if responses:
        table["api"] = "responses"
    if kind in _OTHER_API:
        source.note(f"{place}: {identity} is asked through the OpenAI-compatible endpoint of {kind}")
    params, target = _params(identity, settings, source)
    if kind in ("openai", "azure", "azureopenai") and not responses and not _REASONING.search(name):
        params = {**_DEFAULTS, **params} if "max_completion_tokens" not in params else {"temperature": 0, **params}
    if params:
        table["params"] = params
    table |= _price(settings)
    try:
        config.Model.model_validate(table)
    except ValidationError as error:
        source.leave_out(place, f"provider {identity}", str(explain(error, table)[0]))
        return None
    return Provider(name, place, "model", table, target)


def model_address(kind: str, settings: Any, place: Place, source: ConfigSource) -> dict[str, Any] | None:
    """Return base URL and key variable of a kind of provider; None if its endpoint is not known."""
    if kind not in ENDPOINTS:
        return None
    return _address(kind, settings if isinstance(settings, PlacedDict) else PlacedDict(place), place, source)


def _address(kind: str, settings: PlacedDict, place: Place, source: ConfigSource) -> dict[str, Any]:
    """Return base URL and key variable; a key in the file is never copied."""
    known = ENDPOINTS[kind]
    base_url = settings.get("apiBaseUrl") or known.base_url
    if isinstance(base_url, str) and (found := _ENV_VALUE.match(base_url)):
        source.note(f"{place_of(settings, 'apiBaseUrl')}: replace the base_url by the value of {found[1]}")
        base_url = "https://base-url.invalid/v1"  # never another endpoint than the one that is meant
    host = settings.get("apiHost")
    if host and not settings.get("apiBaseUrl"):
        host = str(host).removeprefix("https://").rstrip("/")
        base_url = f"https://{host}/openai/v1" if kind.startswith("azure") else f"https://{host}/v1"
    if not base_url:
        source.note(f"{place}: set the base_url of the Azure resource in evalgate.toml")
        base_url = "https://YOUR-RESOURCE.openai.azure.com/openai/v1"
    variable = settings.get("apiKeyEnvar") or known.api_key_env
    given = settings.get("apiKey")
    if isinstance(given, str) and (found := _ENV_VALUE.match(given)):
        variable = found[1]
    elif given:
        source.leave_out(
            place_of(settings, "apiKey"),
            "apiKey",
            f"keys are not copied: export {variable or 'the key'} as a variable",
        )
    if settings.get("apiBaseUrl") and known.api_key_env == variable and kind == "openai" and _is_local(str(base_url)):
        variable = ""
    return {"base_url": str(base_url), "api_key_env": str(variable)}


def _is_local(base_url: str) -> bool:
    return re.match(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)\b", base_url) is not None


def _params(identity: str, settings: PlacedDict, source: ConfigSource) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters of the requests, and the keys of the target: tools and response_format."""
    params: dict[str, Any] = {}
    target: dict[str, Any] = {}
    passed = settings.get("passthrough")
    for key, given in [*settings.items(), *(passed.items() if isinstance(passed, dict) else ())]:
        place = place_of(settings, key)
        value = _loaded(given, place, source)
        if key in _SET_ELSEWHERE or key in _SILENT or key in _PRICES or value is None:
            continue
        if _is_of_target(key, value):
            target[key] = plain(value)
        elif key in RESERVED_PARAMS:
            source.leave_out(place, f"{key} of provider {identity}", "the target sets it")
        elif (key in _PARAMS or (isinstance(passed, dict) and key in passed)) and not _has_template(value):
            params[key] = plain(value)
        else:
            source.leave_out(place, f"{key} of provider {identity}", _CONFIG_REASONS.get(key, "not a known parameter"))
    return params, target


def _is_of_target(key: str, value: Any) -> bool:
    if key == "tools":
        return isinstance(value, list) and all(isinstance(one, dict) for one in value)
    return key == "response_format" and isinstance(value, dict)


_CONFIG_REASONS: Final = {
    "headers": "requests to models have no headers of their own",
    "organization": "requests to models have no headers of their own",
    "functions": "write them as tools",
    "function_call": "write it as tool_choice",
    "functionToolCallbacks": "it is code",
    "tools": "it is not a list of tools",
    "transform": "see the transform of the tests",
}
_PRICES: Final = frozenset({"cost", "inputCost", "outputCost"})


def _loaded(value: Any, place: Place, source: ConfigSource) -> Any:
    """Return the content of the file that a value names, or the value."""
    if not isinstance(value, str) or not value.startswith(FILE) or value.endswith(CODE):
        return value
    return source.read_value(source.expand(value, place)[0], place)


def _has_template(value: Any) -> bool:
    return "{{" in str(value)


def _price(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the price per million tokens from promptfoo's prices per token."""
    both = settings.get("cost")
    ingoing, outgoing = settings.get("inputCost", both), settings.get("outputCost", both)
    if not isinstance(ingoing, int | float) or not isinstance(outgoing, int | float):
        return {}
    million = 1_000_000
    return {
        "price": {
            "input_per_mtok": round(float(ingoing) * million, 6),
            "output_per_mtok": round(float(outgoing) * million, 6),
        }
    }


_PATH: Final = re.compile(r"\A\s*(?:json|response|data|result)\b(.*)\Z", re.DOTALL)


def _http(identity: str, settings: PlacedDict, place: Place, source: ConfigSource) -> Provider | None:
    url = settings.get("url") or (identity if "://" in identity else "")
    if settings.get("request"):
        source.leave_out(
            place_of(settings, "request"), f"provider {identity}", "a raw request: write url, method and body"
        )
        return None
    if not isinstance(url, str) or not url:
        source.leave_out(place, f"provider {identity}", "it has no url")
        return None
    request: dict[str, Any] = {"url": url, "method": str(settings.get("method") or "POST").upper()}
    headers, secret = _headers(settings.get("headers"), source)
    request |= {"headers": headers} if headers else {}
    request |= {"headers_env": secret} if secret else {}
    if settings.get("body") is not None:
        request["body"] = plain(_loaded(settings["body"], place_of(settings, "body"), source))
    if isinstance(settings.get("queryParams"), dict):
        query = "&".join(f"{key}={value}" for key, value in settings["queryParams"].items())
        request["url"] = f"{url}{'&' if '?' in url else '?'}{query}"
    response = settings.get("transformResponse", settings.get("responseParser"))
    if isinstance(response, str) and re.fullmatch(r"JSON\.stringify\(\s*json\s*\)|json|text", response.strip()):
        response = None
    if isinstance(response, str):
        found = _PATH.match(response)
        path = None if found is None else dotted(found[1].strip())
        if path is None:
            source.leave_out(
                place_of(settings, "transformResponse"),
                f"provider {identity}",
                "transformResponse is code: write a path such as json.answer, or a python target",
            )
            return None
        request |= {"output": path} if path else {}
    for key in settings:
        if key not in ("url", "method", "headers", "body", "queryParams", "transformResponse", "responseParser"):
            source.leave_out(place_of(settings, key), f"{key} of provider {identity}", "http targets have no such key")
    return Provider(re.sub(r"\Ahttps?://", "", url).partition("?")[0], place, "http", target=request)


def _headers(given: Any, source: ConfigSource) -> tuple[dict[str, str], dict[str, str]]:
    """Return the headers with a fixed value, and those whose value comes from a variable of the environment."""
    fixed: dict[str, str] = {}
    secret: dict[str, str] = {}
    for name, value in given.items() if isinstance(given, dict) else ():
        text = str(value)
        place = place_of(given, name)
        variable = re.search(r"\{\{\s*env\.([A-Za-z_]\w*)\s*\}\}", text)
        if whole := _ENV_VALUE.match(text):
            secret[name] = whole[1]
        elif variable:
            own = f"{variable[1]}_HEADER"
            value_of_it = text.replace(variable[0], f"${variable[1]}")
            secret[name] = own
            source.note(f'{place}: before a run, export {own}="{value_of_it}"')
        elif "{{" in text:
            source.leave_out(place, f"header {name}", "headers are sent unchanged: put the value into the body")
        elif looks_like_key(text.removeprefix("Bearer ")):
            secret[name] = f"{slug(name).replace('-', '_').upper()}_HEADER"
            source.leave_out(
                place, f"header {name}", f"keys are not copied: export {secret[name]} with the whole value"
            )
        elif name.lower() != "content-type":
            fixed[name] = text
    return fixed, secret


def _python(identity: str, spec: str, settings: PlacedDict, place: Place, source: ConfigSource) -> Provider:
    file, _, function = spec.partition(":")
    [path] = source.expand(file, place)
    target = {"file": source.name_of(path), "function": function or "call_api", "id": identity}
    label = f"{path.stem} {function}" if function else path.stem
    return Provider(label, place, "python", target=target, settings=plain(settings))


def _named(providers: Sequence[Provider]) -> tuple[Provider, ...]:
    """Return the providers with distinct slugs, which are the names of their models."""
    taken: set[str] = set()
    named: list[Provider] = []
    for provider in providers:
        base = slug(provider.label) or provider.kind
        made, count = base, 1
        while made in taken:
            count += 1
            made = f"{base}-{count}"
        taken.add(made)
        named.append(replace(provider, slug=made))
    return tuple(named)
