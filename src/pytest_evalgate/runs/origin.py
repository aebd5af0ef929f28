"""How a run came about, as its run file says beside what came out: only runs alike in this can be merged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_evalgate import jsonl
from pytest_evalgate.runs.shard import Shard
from pytest_evalgate.settings import DEFAULT_TIER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.data import Json
    from pytest_evalgate.settings import Settings

_NOT_DECIDING = {"xdist", "history", "cache_auth", "budget_usd", "max_duration_s", "report"}
"""Keys that say how a run goes, not what is asked and how it is judged."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a run came about.

    Args:
        config_sha256: Digest of the configuration, as `config_sha256` makes it.
        target: What ``--eval-target`` said; None where each suite had its own.
        shard: Which part of the run it is; None for a whole run.
        facts: What a reader of a report wants to know of it, by name: targets, models, versions.
        tier: The tier that ran.
        notes: What its session had to say of it: the cache, the base branch, why it stopped.

    """

    config_sha256: str | None = None
    target: str | None = None
    shard: Shard | None = None
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)
    tier: str = DEFAULT_TIER
    notes: tuple[str, ...] = field(default=(), compare=False)


def config_sha256(settings: Settings) -> str:
    """Digest what the configuration asks, and how it judges."""
    return jsonl.digest(settings.model_dump(mode="json", exclude=_NOT_DECIDING))


def encode_origin(origin: Origin) -> dict[str, Json]:
    """Return its fields of the head of a run file; what is unknown is left out."""
    shard = None if origin.shard is None else {"index": origin.shard.index, "count": origin.shard.count}
    fields = {
        "config_sha256": origin.config_sha256,
        "target": origin.target,
        "shard": shard,
        "tier": None if origin.tier == DEFAULT_TIER else origin.tier,
        "facts": dict(origin.facts) or None,
        "notes": list(origin.notes) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def decode_origin(head: Mapping[str, Json]) -> Origin:
    """Read the head of a run file.

    Raises:
        ValueError: there is no such shard.

    """
    shard = head.get("shard")
    part = None if shard is None else Shard(**shard)
    return Origin(
        head.get("config_sha256"),
        head.get("target"),
        part,
        head.get("facts", {}),
        head.get("tier", DEFAULT_TIER),
        tuple(head.get("notes", ())),
    )
