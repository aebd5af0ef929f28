"""Directions: the effect of a change of each configuration key, which makes the gate stricter, weaker or neither.

`DIRECTIONS` and `NOT_COMPARED` together list every key of every table, which a test checks: a new key cannot escape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.config import (
    Acknowledgement,
    BudgetGate,
    ClassificationMetric,
    CommandTarget,
    ConfidenceMetric,
    GateKept,
    GoldenFresh,
    HookTarget,
    HttpRequest,
    HttpTarget,
    InvarianceGate,
    Judge,
    JudgeCalibrated,
    MeanScoreGate,
    MetricGate,
    Model,
    ModelTarget,
    MustPassGate,
    NoRegressionGate,
    Notify,
    ParityGate,
    PassRateGate,
    Price,
    PythonTarget,
    RankingMetric,
    RecordedTarget,
    RegressionMetric,
    Release,
    Report,
    RunTarget,
    Settings,
    SliceGate,
    SpansMetric,
    Suite,
    SuitePasses,
    Table,
    Telemetry,
    Tier,
    TierRan,
    ValuesCovered,
    ViolationRateGate,
)
from pytest_evalgate.records.verdicts import Effect, GateChange
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

Direction = Callable[[Any, Any], Effect]
"""From two different values, before and now, to the effect on the gate."""


def changed(_before: Any, _now: Any) -> Effect:
    """Return "weaker": the effect depends on the run, so the worst case is assumed."""
    return "weaker"


def under_test(_before: Any, _now: Any) -> Effect:
    """Return "neutral": the application under test may change, and the change is listed."""
    return "neutral"


def higher(before: float | None, now: float | None) -> Effect:
    """Return the effect if a higher value is stricter; None is the lowest."""
    return _stricter_if(now is not None and (before is None or now > before))


def lower(before: float | None, now: float | None) -> Effect:
    """Return the effect if a lower limit is stricter; None is no limit."""
    return _stricter_if(now is not None and (before is None or now < before))


def larger(before: int | None, now: int | None) -> Effect:
    """Return the effect if a larger sample is stricter; None is the whole golden set."""
    return _stricter_if(now is None or (before is not None and now > before))


def narrower(before: float | None, now: float | None) -> Effect:
    """Return the effect if a smaller margin is stricter; None is no margin."""
    return _stricter_if(now is None or (before is not None and now < before))


def ranked(*weakest_first: Hashable) -> Direction:
    """Return the direction of ordered values."""
    return lambda before, now: _stricter_if(weakest_first.index(now) > weakest_first.index(before))


def _stricter_if(is_stricter: bool) -> Effect:  # noqa: FBT001 - private
    return "stricter" if is_stricter else "weaker"


def _tags(before: tuple[str, ...], now: tuple[str, ...]) -> Effect:
    if not before:  # no tags: every case was included
        return "weaker"
    if set(before) == set(now):
        return "neutral"
    return _stricter_if(not now or set(before) < set(now))


def _files(before: tuple[str, ...], now: tuple[str, ...]) -> Effect:
    """Return "neutral" if no file was removed; the cases of added files are listed one by one."""
    return "neutral" if set(before) <= set(now) else "weaker"


def _stop(_before: str, _now: str) -> Effect:
    """Return "neutral": stopping on certainty never changes a verdict."""
    return "neutral"


def _fail_on(_before: str, now: str) -> Effect:
    """Return "stricter" for ``not_proven``; the other two are not ordered: each fails runs that the other passes."""
    return _stricter_if(now == "not_proven")


_NO_REGRESSION: Final[Mapping[str, Direction]] = {"margin": narrower, "fail_on": _fail_on, "alpha": changed}

DIRECTIONS: Final[Mapping[type[Table], Mapping[str, Direction]]] = {
    Settings: {
        "default_tier": changed,
        "on_inconclusive": ranked("warn", "fail"),
        "on_missing_baseline": ranked("record", None, "fail"),
        "on_rerun": ranked("count", None, "pool"),
        "max_error_rate": lower,
        "cache_auth": ranked("auto", "required"),
    },
    Suite: {
        "golden": _files,
        "split": changed,
        "threshold": higher,
        "aggregate": changed,
        "cluster": changed,
        "stop": _stop,
        "strip_reasoning": changed,
        "allow_empty": ranked(True, False),  # noqa: FBT003 - the two values of the key
        "baseline": changed,
        "run_labels": changed,
        "mode": ranked("advisory", "blocking"),
    },
    PassRateGate: {"min": higher, "bound": ranked("point", "ci")},
    NoRegressionGate: _NO_REGRESSION,
    SliceGate: {
        "min": higher,
        "max_gap": lower,
        "min_n": lower,
        "bound": ranked("point", "ci"),
        "alpha": higher,
    },
    MeanScoreGate: {"min": higher, "bound": ranked("point", "ci")},
    MustPassGate: {"tags": _tags},
    BudgetGate: {"max_cost_usd": lower, "p95_latency_s": lower},
    ParityGate: {"max_gap": lower, "min_n": lower, "label": changed, "positive": changed, "alpha": changed},
    InvarianceGate: {"max_flip": lower},
    ViolationRateGate: {"max": lower},
    MetricGate: {
        "min": higher,
        "max": lower,
        "bound": ranked("point", "ci"),
        "max_drop": lower,
        "alpha": higher,
    },
    ClassificationMetric: dict.fromkeys(("label", "predicted", "labels"), changed),
    RegressionMetric: dict.fromkeys(("label", "predicted", "unreadable"), changed),
    ConfidenceMetric: dict.fromkeys(("confidence", "bins"), changed),
    RankingMetric: dict.fromkeys(("relevant", "predicted", "k"), changed),
    SpansMetric: dict.fromkeys(("label", "predicted"), changed),
    Price: {"input_per_mtok": higher, "output_per_mtok": higher},
    Judge: {
        **dict.fromkeys(
            ("model", "rubric", "criteria", "scale", "votes", "few_shots", "params", "calibration", "canaries"),
            changed,
        ),
        "min_tpr": higher,
        "min_tnr": higher,
        "min_alpha": higher,
        "max_age_days": lower,
        "report_only": ranked(True, False),  # noqa: FBT003 - the two values of the key
    },
    Model: {"base_url": changed, **dict.fromkeys(("model", "api_key_env", "client", "api", "params"), under_test)},
    RecordedTarget: {"recorded": under_test, "output": under_test},
    PythonTarget: {"python": changed},
    ModelTarget: dict.fromkeys(("model", "prompt", "system", "tools", "response_format", "params"), under_test),
    HttpTarget: {},
    HttpRequest: {
        "url": changed,
        **dict.fromkeys(("method", "headers", "headers_env", "body", "output"), under_test),
    },
    CommandTarget: {"command": changed},
    HookTarget: {"kind": changed},
    RunTarget: {},
}
"""Direction of each key that can change a verdict."""

_PACE: Final = "it controls the rate of calls; calls that fail are never passes"
_CACHE: Final = "it controls which outputs are cached"
_IDENTITY: Final = "gates are matched by this key"
_NAMED: Final = dict.fromkeys(("kind", "name"), "metrics are matched by their name, and compared only within a kind")

NOT_COMPARED: Final[Mapping[type[Table], Mapping[str, str]]] = {
    Settings: {
        "max_duration_s": "a run that it stops is incomplete and never passes",
        "budget_usd": "a run that it stops is not evaluated and never passes",
        "xdist": "it controls where cases run, not how they are decided",
        "history": "trends never decide a build",
        "notify": "messages do not decide a build",
        **dict.fromkeys(("store", "store_env", "store_texts"), "stored results do not decide a build"),
        "telemetry": "spans and metrics do not decide a build",
        "report": "reports do not decide a build",
        "release": "requirements of a release do not decide a build; the release pack has them",
        "acknowledged": "acknowledgements are matched with the changes",
        "models": "compared model by model: see target_changes",
        "judges": "compared judge by judge, with the content of their files",
        "suites": "compared suite by suite",
    },
    Suite: {
        "target": "compared key by key: see target_changes",
        "targets": "each candidate is compared as a suite: see config.suites.with_candidates",
        **dict.fromkeys(("owner", "description"), "stored and shown only"),
        "scorers": "compared scorer by scorer",
        "trials": "compared with its effective value: see suite_changes",
        "judge_always": "judges asked after a rule has failed do not change the verdict",
        "slices": "shown only; a slice gate names its own slices",
        **dict.fromkeys(("coverage", "max_age_days"), "lint checks it; runs do not read it"),
        "gates": "compared gate by gate",
        "metrics": "compared metric by metric: see metric_changes",
        "tiers": "each tier is compared: see settings_changes",
    },
    Tier: {
        "sample": "compared in the suite: see suite_changes",
        "trials": "part of the suite once the tier is chosen",
        "gates": "part of the suite once the tier is chosen",
    },
    PassRateGate: {"kind": _IDENTITY},
    NoRegressionGate: {"kind": _IDENTITY, "scorer": _IDENTITY},
    SliceGate: {"kind": _IDENTITY, "by": _IDENTITY},
    MeanScoreGate: {"kind": _IDENTITY, "scorer": _IDENTITY},
    MustPassGate: {"kind": _IDENTITY},
    BudgetGate: {"kind": _IDENTITY},
    ParityGate: {"kind": _IDENTITY, "by": _IDENTITY, "of": _IDENTITY},
    InvarianceGate: {"kind": _IDENTITY},
    ViolationRateGate: {"kind": _IDENTITY},
    MetricGate: dict.fromkeys(("kind", "name", "of", "metric"), _IDENTITY),
    ClassificationMetric: _NAMED,
    RegressionMetric: _NAMED,
    ConfidenceMetric: _NAMED,
    RankingMetric: _NAMED,
    SpansMetric: _NAMED,
    Acknowledgement: dict.fromkeys(("change", "reason", "owner"), "an acknowledgement is not a change"),
    Price: {},
    Notify: dict.fromkeys(("webhook_env", "on", "format", "runbook"), "messages do not decide a build"),
    **{
        table: dict.fromkeys(table.model_fields, "requirements of a release do not decide a build")
        for table in (Release, SuitePasses, TierRan, JudgeCalibrated, GoldenFresh, GateKept, ValuesCovered)
    },
    Telemetry: dict.fromkeys(Telemetry.model_fields, "spans and metrics do not decide a build"),
    Report: dict.fromkeys(("formats", "content", "redact"), "reports do not decide a build"),
    Judge: {},
    Model: {
        "price": "compared if a gate limits the cost",
        **dict.fromkeys(("max_concurrency", "requests_per_minute", "tokens_per_minute", "timeout_s"), _PACE),
    },
    RecordedTarget: {},
    PythonTarget: {"max_concurrency": _PACE, "version": _CACHE, "env": _CACHE},
    ModelTarget: {},
    HttpTarget: {"http": "compared key by key", "version": _CACHE, "env": _CACHE},
    HttpRequest: dict.fromkeys(("max_concurrency", "requests_per_minute", "timeout_s"), _PACE),
    CommandTarget: {**dict.fromkeys(("timeout_s", "max_concurrency"), _PACE), "version": _CACHE, "env": _CACHE},
    HookTarget: {},
    RunTarget: {"run": "only the command line has it"},
}
"""Keys that are not compared directly, with the reason."""


def direction_of(now: Table, key: str) -> Direction:
    """Return the direction of a key of ``now``; the direction of ``alpha`` depends on the gate's policy."""
    if isinstance(now, NoRegressionGate) and key == "alpha":
        return _alpha(now)
    if isinstance(now, SliceGate) and now.max_gap is not None and key == "alpha":
        return changed  # a higher one proves gaps more easily, and rules them out more easily
    return DIRECTIONS[type(now)].get(key, changed)


def _alpha(gate: NoRegressionGate) -> Direction:
    """Return the direction of ``alpha``: a higher one more easily proves drops, and that drops are within a margin."""
    if gate.fail_on == "not_proven":
        return lower
    return changed if gate.fail_on == "regressed" and gate.margin is not None else higher


NOTHING: Final = "none"
_LONGEST: Final = 200


def table_changes(where: str, what: str, before: Table, now: Table) -> Iterator[GateChange]:
    """Yield the differences of two tables of one type; ``where`` is the key of the table, "" at the top level."""
    not_compared = NOT_COMPARED[type(now)]
    for key in type(now).model_fields:
        old, new = getattr(before, key), getattr(now, key)
        if old != new and key not in not_compared:
            place = f"{where}.{key}" if where else key
            yield GateChange(what, place, format_value(old), format_value(new), direction_of(now, key)(old, new))
    extra = {**(before.model_extra or {}), **(now.model_extra or {})}  # the parameters of a target from a hook
    for key in extra:
        old, new = ((table.model_extra or {}).get(key) for table in (before, now))
        if old != new:
            before_text, now_text = (format_value(None if value is None else str(value)) for value in (old, new))
            yield GateChange(what, f"{where}.{key}", before_text, now_text, "neutral")


def format_value(value: Any) -> str:
    """Return a value of the configuration or of a case as one line of bounded length."""
    if value is None:
        return NOTHING
    if isinstance(value, Table):
        value = value.model_dump(mode="json", exclude_defaults=True)
    return jsonl.escape_text(value if isinstance(value, str) else jsonl.canonical(value), _LONGEST)
