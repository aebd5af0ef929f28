"""Advice about unknown and missing keys of the configuration: the likely key, its table, an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.config.gates import GATES
from pytest_evalgate.config.metrics import METRICS
from pytest_evalgate.config.suites import Acknowledgement, Settings, Suite, Tier
from pytest_evalgate.config.tables import Judge, Model, Price, Report
from pytest_evalgate.config.targets import TARGETS, HookTarget, HttpRequest
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from pytest_evalgate.config.tables import Table
    from pytest_evalgate.text.problems import Place

_HOMES: Final[dict[type[Table], str]] = {
    Settings: "the top level, above all [tables]",
    Suite: "[suites.NAME]",
    Model: "[models.NAME]",
    Judge: "[judges.NAME]",
    Report: "[report]",
    **dict.fromkeys(GATES.values(), "a gate of gates = [...]"),
    **{table: "target = {...}" for table in TARGETS.values() if table is not HookTarget},
    HttpRequest: "target = { http = {...} }",
    Price: "price = {...} of a model",
    Tier: "[suites.NAME.tiers.NAME]",
    Acknowledgement: "[[acknowledged]]",
    **dict.fromkeys(METRICS.values(), "a metric of metrics = [...]"),
}
"""Where the keys of a table belong, in the words of a message."""

_EXAMPLES: Final = {
    "by": 'by = "lang"',
    "command": 'command = ["python", "bot.py"]',
    "golden": 'golden = "golden/faq.jsonl"',
    "input_per_mtok": "input_per_mtok = 0.15",
    "max": "max = 0.005",
    "max_flip": "max_flip = 0.05",
    "max_gap": "max_gap = 0.1",
    "min": "min = 0.8",
    "output_per_mtok": "output_per_mtok = 0.60",
    "recorded": 'recorded = "outputs.jsonl"',
    "scorer": 'scorer = "exact"',
    "scorers": 'scorers = ["exact"]',
    "url": 'url = "http://localhost:8000/answer"',
}


_CLEAR: Final = 0.75
"""Similarity of a misspelt key. A less similar key that exists in another table belongs in that table."""


def about_missing(place: Place) -> str:
    """Return the text after the message about a missing key or an empty value: what to write."""
    key = next((step for step in reversed(place) if isinstance(step, str)), "")
    default = f'{key} = "..."'
    return f": write {_EXAMPLES.get(key, default)}"


def about_unknown(place: Place, settings: dict[str, Any]) -> str:
    """Return the text after the message about an unknown key: the key that was meant, or where the key belongs."""
    table, key = _table_around(place, settings), str(place[-1])
    own = () if table is None else tuple(table.model_fields)
    if near := did_you_mean(key, own, cutoff=_CLEAR):
        return near
    if homes := [home for other, home in _HOMES.items() if key in other.model_fields]:
        return f"; it belongs in {homes[0]}"
    if near := did_you_mean(key, own):
        return near
    for other, home in _HOMES.items():
        if near := did_you_mean(key, other.model_fields, cutoff=_CLEAR):
            return f"{near.removesuffix('?')}, in {home}?"
    return f"; the keys here are: {', '.join(own)}" if own else "; list the known keys: pytest-evalgate schema config"


_ANY: Final = "*"
_TABLES: Final[dict[tuple[str, ...], type[Table]]] = {
    (): Settings,
    ("report",): Report,
    ("acknowledged", _ANY): Acknowledgement,
    ("models", _ANY): Model,
    ("models", _ANY, "price"): Price,
    ("judges", _ANY): Judge,
    ("suites", _ANY): Suite,
    ("suites", _ANY, "tiers", _ANY): Tier,
    ("suites", _ANY, "target", "http"): HttpRequest,
    ("suites", _ANY, "targets", _ANY, "http"): HttpRequest,
}
"""The tables by their place."""


def _table_around(place: Place, settings: dict[str, Any]) -> type[Table] | None:
    """Return the table that contains a key; None if it has no kind."""
    around = place[:-1]
    for pattern, table in _TABLES.items():
        if len(pattern) == len(around) and all(map(_matches, pattern, around)):
            return table
    value = _value(around, settings)
    if around[-1] == "target" or around[-2:-1] == ("targets",):
        return next((TARGETS[key] for key in value if key in TARGETS), None)
    kinds: dict[str, type[Table]] = {**GATES, **METRICS}
    return kinds.get(value.get("kind", "")) if isinstance(value, dict) else None


def _matches(pattern: str, step: int | str) -> bool:
    return pattern in (_ANY, step)


def _value(place: Place, value: Any) -> Any:
    for step in place:
        value = value[step]
    return value
