"""Two tables of the same kind, key by key: what differs, and what that does to the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.config import (
    Acknowledgement,
    BudgetGate,
    CommandTarget,
    HookTarget,
    HttpRequest,
    HttpTarget,
    Judge,
    MeanScoreGate,
    Model,
    ModelTarget,
    MustPassGate,
    NoRegressionGate,
    PassRateGate,
    Price,
    PythonTarget,
    RecordedTarget,
    Report,
    Settings,
    SliceGate,
    Suite,
    Table,
    Tier,
)
from pytest_evalgate.records.results import Effect, GateChange
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

Direction = Callable[[Any, Any], Effect]
"""From two values that differ, before and now, to what that does."""


def changed(_before: Any, _now: Any) -> Effect:
    """Call every change weaker: nobody can tell for every run."""
    return "weaker"


def higher(before: float | None, now: float | None) -> Effect:
    """Call a higher value stricter; none at all is the lowest."""
    return _stricter_if(now is not None and (before is None or now > before))


def lower(before: float | None, now: float | None) -> Effect:
    """Call a lower limit stricter; none at all is the weakest."""
    return _stricter_if(now is not None and (before is None or now < before))


def larger(before: int | None, now: int | None) -> Effect:
    """Call a larger sample stricter; none at all is the whole."""
    return _stricter_if(now is None or (before is not None and now > before))


def narrower(before: float | None, now: float | None) -> Effect:
    """Call a smaller margin stricter; none at all forgives nothing."""
    return _stricter_if(now is None or (before is not None and now < before))


def ranked(*weakest_first: Hashable) -> Direction:
    """Return the direction of values that have an order."""
    return lambda before, now: _stricter_if(weakest_first.index(now) > weakest_first.index(before))


def _stricter_if(is_stricter: bool) -> Effect:  # noqa: FBT001 - private
    return "stricter" if is_stricter else "weaker"


def _tags(before: tuple[str, ...], now: tuple[str, ...]) -> Effect:
    if not before:  # every case was meant
        return "weaker"
    if set(before) == set(now):
        return "neutral"
    return _stricter_if(not now or set(before) < set(now))


def _files(before: tuple[str, ...], now: tuple[str, ...]) -> Effect:
    """Tell whether all files are still there; the cases of new ones are listed by themselves."""
    return "neutral" if set(before) <= set(now) else "weaker"


def _stop(_before: str, _now: str) -> Effect:
    """Call every change neutral: stopping on certainty never changes a verdict."""
    return "neutral"


def _fail_on(_before: str, now: str) -> Effect:
    """Call ``not_proven`` stricter than both others; these fail in runs in which the other one does not."""
    return _stricter_if(now == "not_proven")


_NO_REGRESSION: Final[Mapping[str, Direction]] = {"margin": narrower, "fail_on": _fail_on, "alpha": changed}

DIRECTIONS: Final[Mapping[type[Table], Mapping[str, Direction]]] = {
    Settings: {
        "default_tier": changed,
        "on_inconclusive": ranked("warn", "fail"),
        "on_missing_baseline": ranked("record", None, "fail"),
        "max_error_rate": lower,
        "cache_auth": ranked("auto", "required"),
    },
    Suite: {
        "golden": _files,
        "threshold": higher,
        "aggregate": changed,
        "cluster": changed,
        "stop": _stop,
        "baseline": changed,
        "mode": ranked("advisory", "blocking"),
    },
    PassRateGate: {"min": higher, "bound": ranked("point", "ci")},
    NoRegressionGate: _NO_REGRESSION,
    SliceGate: {"min": higher, "min_n": lower, "bound": ranked("point", "ci"), "alpha": higher},
    MeanScoreGate: {"min": higher, "bound": ranked("point", "ci")},
    MustPassGate: {"tags": _tags},
    BudgetGate: {"max_cost_usd": lower, "p95_latency_s": lower},
    Price: {"input_per_mtok": higher, "output_per_mtok": higher},
    Judge: {
        **dict.fromkeys(
            ("model", "rubric", "criteria", "scale", "votes", "few_shots", "params", "calibration", "canaries"),
            changed,
        ),
        "min_tpr": higher,
        "min_tnr": higher,
        "max_age_days": lower,
        "report_only": ranked(True, False),  # noqa: FBT003 - the two values of the key
    },
}
"""The direction of each key that decides builds."""

_UNDER_TEST: Final = "it is what is under test"
_IDENTITY: Final = "gates are matched by it"

LEFT_OUT: Final[Mapping[type[Table], Mapping[str, str]]] = {
    Settings: {
        "max_duration_s": "what it cuts off is incomplete, and never passes",
        "budget_usd": "what it stops is not evaluated, and never passes",
        "xdist": "it says where cases run, not how they are judged",
        "history": "trends are advice",
        "report": "reports show what was judged",
        "acknowledged": "acknowledgements are held against the changes themselves",
        "models": "of a model, its price alone enters a gate: see price_changes",
        "judges": "compared judge by judge, with what their files hold",
        "suites": "compared suite by suite",
    },
    Suite: {
        "target": f"{_UNDER_TEST}, unless it stops being asked: see suite_changes",
        "scorers": "compared scorer by scorer",
        "trials": "compared with what stands in for it where it is not set",
        "judge_always": "a judge that is asked besides decides nothing that rules have not",
        "slices": "shown, not judged; a slice gate names its own",
        "gates": "compared gate by gate",
        "tiers": "compared as each of them has the suite: see settings_changes",
    },
    Tier: {
        "sample": "compared where a suite has it: see suite_changes",
        "trials": "it stands in the suite, once the tier is chosen",
        "gates": "they stand in the suite, once the tier is chosen",
    },
    PassRateGate: {"kind": _IDENTITY},
    NoRegressionGate: {"kind": _IDENTITY, "scorer": _IDENTITY},
    SliceGate: {"kind": _IDENTITY, "by": _IDENTITY},
    MeanScoreGate: {"kind": _IDENTITY, "scorer": _IDENTITY},
    MustPassGate: {"kind": _IDENTITY},
    BudgetGate: {"kind": _IDENTITY},
    Acknowledgement: dict.fromkeys(("change", "reason", "owner"), "it excuses a change and is none"),
    Price: {},
    Report: dict.fromkeys(("formats", "content", "redact"), "reports show what was judged"),
    Judge: {},
    Model: {
        "price": "compared where a gate limits the cost",
        **dict.fromkeys(
            (
                "model",
                "base_url",
                "api_key_env",
                "client",
                "api",
                "params",
                "max_concurrency",
                "requests_per_minute",
                "tokens_per_minute",
                "timeout_s",
            ),
            _UNDER_TEST,
        ),
    },
    RecordedTarget: {"recorded": "the number of its files is that of the trials", "output": _UNDER_TEST},
    PythonTarget: dict.fromkeys(("python", "max_concurrency", "version"), _UNDER_TEST),
    ModelTarget: dict.fromkeys(("model", "prompt", "system", "tools", "response_format", "params"), _UNDER_TEST),
    HttpTarget: dict.fromkeys(("http", "version"), _UNDER_TEST),
    HttpRequest: dict.fromkeys(
        (
            "url",
            "method",
            "headers",
            "headers_env",
            "body",
            "output",
            "max_concurrency",
            "requests_per_minute",
            "timeout_s",
        ),
        _UNDER_TEST,
    ),
    CommandTarget: dict.fromkeys(("command", "timeout_s", "max_concurrency", "version"), _UNDER_TEST),
    HookTarget: {"kind": _UNDER_TEST},
}
"""Keys that are not compared as they stand, and why."""


def direction_of(now: Table, key: str) -> Direction:
    """Return the direction of a key of ``now``; that of an alpha depends on what the gate makes of it."""
    if isinstance(now, NoRegressionGate) and key == "alpha":
        return _alpha(now)
    return DIRECTIONS[type(now)].get(key, changed)


def _alpha(gate: NoRegressionGate) -> Direction:
    """Return which alpha is stricter.

    A higher one proves drops more easily, and as easily that they lie within a margin.
    """
    if gate.fail_on == "not_proven":
        return lower
    return changed if gate.fail_on == "regressed" and gate.margin is not None else higher


NOTHING: Final = "none"
_LONGEST: Final = 200


def table_changes(where: str, what: str, before: Table, now: Table) -> Iterator[GateChange]:
    """Compare two tables of one type; ``where`` is the key of the table, "" for the whole configuration."""
    left_out = LEFT_OUT[type(now)]
    for key in type(now).model_fields:
        old, new = getattr(before, key), getattr(now, key)
        if old != new and key not in left_out:
            place = f"{where}.{key}" if where else key
            yield GateChange(what, place, format_value(old), format_value(new), direction_of(now, key)(old, new))


def format_value(value: Any) -> str:
    """Write a value of the configuration, or of a case, on one line of bounded length."""
    if value is None:
        return NOTHING
    if isinstance(value, Table):
        value = value.model_dump(mode="json", exclude_defaults=True)
    return jsonl.escape_text(value if isinstance(value, str) else jsonl.canonical(value), _LONGEST)
