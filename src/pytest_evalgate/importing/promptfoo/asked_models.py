"""Models that rules of imported cases ask: those of promptfoo's ``similar`` and ``moderation``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.importing.promptfoo.providers import model_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.importing.promptfoo.source import ConfigSource
    from pytest_evalgate.records.cases import Place

ASKED: Final = {"similar": "embeddings", "similar:cosine": "embeddings", "moderation": "moderations"}
"""The API that each type asks."""

DEFAULT_TABLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "embeddings": {"model": "text-embedding-3-large", "api": "embeddings"},
    "moderations": {
        "model": "omni-moderation-latest",
        "api": "moderations",
        "price": {"input_per_mtok": 0, "output_per_mtok": 0},
    },
}
"""The models that promptfoo asks by default, as tables of models by their API."""

_KINDS: Final = {"embeddings": ("embedding", "embeddings"), "moderations": ("moderation",)}


def asked_models(asked: Iterable[tuple[str, tuple[Any, Place]]], source: ConfigSource) -> dict[str, Mapping[str, Any]]:
    """Return the table of the model of each API that rules ask: of the first provider that an assert names.

    Rules name no model, so that there is one for each API; other providers are left out.
    """
    tables: dict[str, Mapping[str, Any]] = {}
    chosen: dict[str, Any] = {}
    for api, (given, place) in asked:
        provider = given.get("embedding", given) if isinstance(given, dict) else given
        identity = provider.get("id") if isinstance(provider, dict) else provider
        if api in tables:
            if identity not in (None, chosen[api]):
                source.leave_out(place, f"provider {identity}", f"one model is asked by all asserts: {chosen[api]}")
            continue
        tables[api], chosen[api] = _table(api, provider, identity, place, source)
    return tables


def _table(
    api: str, provider: Any, identity: Any, place: Place, source: ConfigSource
) -> tuple[Mapping[str, Any], str]:
    default = DEFAULT_TABLES[api]
    if identity is not None:
        kind, _, rest = str(identity).partition(":")
        form, _, name = rest.partition(":")
        settings = provider.get("config") if isinstance(provider, dict) else None
        address = model_address(kind, settings, place, source) if form in _KINDS[api] and name else None
        if address is not None:
            return {**default, "model": name, **address}, str(identity)
        source.leave_out(place, f"provider {identity}", f"it is not known here: {default['model']} is asked")
    source.note(f"{place}: rules ask {default['model']}: set the model of your choice in models.{api}")
    return default, f"openai:{_KINDS[api][0]}:{default['model']}"
