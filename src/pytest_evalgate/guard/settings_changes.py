"""Changes of settings and baselines between the base branch and the working tree.

`settings_changes` compares the configuration table by table, `baseline_changes` one baseline. A change that is not
provably stricter or neutral is ``weaker``, so that no way of loosening a gate is missed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.config import (
    DEFAULT_TIER,
    BudgetGate,
    MetricGate,
    ModelTarget,
    NoRegressionGate,
    RecordedTarget,
    SliceGate,
    for_tier,
    has_part_tests,
    known_tiers,
    needs_baseline,
    owner_of,
    place_of,
    sample_of,
)
from pytest_evalgate.guard.directions import NOTHING, format_value, higher, larger, table_changes
from pytest_evalgate.guard.target_changes import is_called, target_changes
from pytest_evalgate.records.verdicts import GateChange
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import TARGET_NOT_CALLED, count, first_few, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.config import Acknowledgement, Gate, Model, Settings, Suite
    from pytest_evalgate.records.verdicts import Baseline, Effect

DEFAULT_GATE: Final = NoRegressionGate(kind="no-regression")
"""The gate of a suite without configured gates."""

_MATCHED_BY: Final = ("kind", "scorer", "by", "name", "of", "metric")
_NAMED: Final = 10  # cases of a worse baseline, so that its acknowledgement shows what is lost
_PYTHON_THRESHOLD: Final = 0.5  # of python scorers without one: graded from 0 to 1


def settings_changes(base: Settings, head: Settings, tier: str = DEFAULT_TIER) -> tuple[GateChange, ...]:
    """Return the differences between the configuration of the base and that of the working tree.

    Targets and models come first. The comparison covers every tier that the base defines, and ``tier``, the one that
    runs. Other tiers of this branch have no effect until they run.
    """
    defined = (name for suite in base.suites.values() for name in suite.tiers)
    tiers = dict.fromkeys([DEFAULT_TIER, base.default_tier, *defined, tier])
    found = (change for name in tiers for change in _in_tier(for_tier(base, name), for_tier(head, name)))
    targets = target_changes(base, head)
    settings = (_of_unneeded_baseline(change, base) for change in table_changes("", "setting changed", base, head))
    return tuple(dict.fromkeys([*targets, *settings, *found]))


def _of_unneeded_baseline(change: GateChange, base: Settings) -> GateChange:
    """Return ``on_missing_baseline = "record"`` as neutral if a missing baseline was acceptable before.

    The default is "record" if no gate of the base compares with a baseline, so a first configuration may say so.
    """
    variants = (for_tier(base, name) for name in (DEFAULT_TIER, *known_tiers(base)))
    gates = (gate for variant in variants for suite in variant.suites.values() for gate in suite.gates or ())
    is_default = change.where == "on_missing_baseline" and base.on_missing_baseline is None
    if change.effect == "weaker" and is_default and not any(map(needs_baseline, gates)):
        return replace(change, effect="neutral")
    return change


def _in_tier(base: Settings, head: Settings) -> Iterator[GateChange]:
    """Yield the differences of two configurations in one tier."""
    yield from (
        *_price_changes(base, head),
        *_suites(base, head),
        *_judges(base, head),
        *_added_tests(base, head),
    )


def acknowledge(
    changes: Iterable[GateChange], acknowledged: Iterable[Acknowledgement], *, known: Iterable[Acknowledgement] = ()
) -> tuple[GateChange, ...]:
    """Return the changes, acknowledged ones with their reason and owner.

    ``known`` are the acknowledgements of the base: they belong to earlier changes and do not count again.
    """
    earlier = list(known)
    excuses = {one.change: f"{one.reason} ({one.owner})" for one in acknowledged if one not in earlier}
    return tuple(replace(change, acknowledged=excuses.get(change.where)) for change in changes)


def _suites(base: Settings, head: Settings) -> Iterator[GateChange]:
    for name, suite in base.suites.items():
        where = f"suites.{name}"
        if name not in head.suites:
            yield GateChange("suite removed", where, ", ".join(suite.golden), NOTHING, "weaker")
            continue
        yield from suite_changes(where, suite, head.suites[name])
        if base.on_missing_baseline is None and head.on_missing_baseline is None:
            yield from _optional_baseline(where, suite, head.suites[name])
    for name, suite in head.suites.items():
        if name not in base.suites:
            yield GateChange("suite added", f"suites.{name}", NOTHING, ", ".join(suite.golden), "stricter")


def _judges(base: Settings, head: Settings) -> Iterator[GateChange]:
    """Yield the changes of the judges; a removed judge is listed with the scorers that used it."""
    for name, judge in base.judges.items():
        if name in head.judges:
            yield from table_changes(f"judges.{name}", "judge changed", judge, head.judges[name])


def suite_changes(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Yield the changes of one suite; ``where`` is the key of the suite."""
    yield from table_changes(where, "suite changed", before, now)
    yield from scorer_changes(where, before, now)
    if (old := trials_of(before)) != (new := trials_of(now)):
        yield GateChange(
            "suite changed", f"{where}.{_place(before, now, 'trials')}", str(old), str(new), higher(old, new)
        )
    if (few := sample_of(before)) != (many := sample_of(now)):
        place = f"{where}.{_place(before, now, 'sample')}"
        yield GateChange("sample changed", place, _size(few), _size(many), larger(few, many))
    if is_called(before) and not is_called(now):
        yield GateChange(
            TARGET_NOT_CALLED,
            f"{where}.target",
            format_value(before.target),
            format_value(now.target),
            "weaker",
        )
    yield from gate_changes(where, before, now)
    yield from metric_changes(where, before, now)


def metric_changes(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Yield the changes of a suite's metrics, whose figures gates compare; an added metric decides nothing yet."""
    old, new = ({metric.title: metric for metric in suite.metrics} for suite in (before, now))
    for name, metric in old.items():
        place, other = f"{where}.metrics.{name}", new.get(name)
        if other is None or other.kind != metric.kind:
            what = "metric removed" if other is None else "metric changed"
            yield GateChange(what, place, format_value(metric), format_value(other), "weaker")
        else:
            yield from table_changes(place, "metric changed", metric, other)
    for name, metric in new.items():
        if name not in old:
            yield GateChange("metric added", f"{where}.metrics.{name}", NOTHING, format_value(metric), "neutral")


def _size(sample: int | None) -> str:
    return "all cases" if sample is None else count(sample, "case")


def _place(before: Suite, now: Suite, key: str) -> str:
    """Return the place of a key that differs, in the branch that sets it."""
    return place_of(now if place_of(now, key) != key else before, key)


def trials_of(suite: Suite) -> int:
    """Return the number of trials of each case of a suite; by default, it is the number of recorded outputs."""
    recorded = len(suite.target.recorded) if isinstance(suite.target, RecordedTarget) else 1
    return suite.trials or recorded


def _optional_baseline(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Yield a change if no configured gate needs a baseline any more: then a missing one no longer fails in CI."""
    if any(map(needs_baseline, before.gates or ())) and not now.gates:
        effects = ("a missing baseline fails in CI", "a missing baseline is recorded")
        yield GateChange("suite changed", f"{where}.gates", *effects, "weaker")


def _price_changes(base: Settings, head: Settings) -> Iterator[GateChange]:
    """Yield the changes of prices, if a gate limits the cost; a price that is configured can be any number."""
    limited = [
        name
        for name, suite in base.suites.items()
        if any(isinstance(gate, BudgetGate) and gate.max_cost_usd is not None for gate in gates_of(suite))
    ]
    if not limited:
        return
    pairs = dict.fromkeys((name, name) for name in base.models if name in head.models)
    for name in limited:
        before = base.suites[name].target
        now = head.suites[name].target if name in head.suites else None
        if isinstance(before, ModelTarget) and isinstance(now, ModelTarget):
            pairs[before.model, now.model] = None
    for old, new in pairs:
        yield from _price_change(f"models.{new}.price", base.models[old], head.models[new])


def _price_change(where: str, before: Model, now: Model) -> Iterator[GateChange]:
    if now.price == before.price or (now.model != before.model and now.price is None):  # as published for the model
        return
    if before.price is None or now.price is None:
        yield GateChange("price changed", where, format_value(before.price), format_value(now.price), "weaker")
    else:
        yield from table_changes(where, "price changed", before.price, now.price)


def _added_tests(base: Settings, head: Settings) -> Iterator[GateChange]:
    """Yield added significance tests: the tests of a build share its alpha, so an added one weakens the others.

    Tests of a new suite do not share it until the base branch has that suite (`SuiteRules.is_new`).
    """
    before, now = _tests(base), _tests(head)
    now = Counter({test: number for test, number in now.items() if test[0] in base.suites})
    if not before & now:
        return
    added = now - before
    shares = (
        f"{count(before.total(), 'test')} share alpha",
        f"{count(now.total(), 'test')} share alpha, {added.total()} of them new",
    )
    for suite, _ in added:
        yield GateChange("test added", f"suites.{suite}.gates", *shares, "weaker")


def _tests(settings: Settings) -> Counter[tuple[str, tuple[object, ...]]]:
    return Counter(
        (name, gate_key(gate))
        for name, suite in settings.suites.items()
        if suite.mode == "blocking"
        for gate in gates_of(suite)
        if _shares_alpha(gate)
    )


def _shares_alpha(gate: Gate) -> bool:
    if has_part_tests(gate):
        return True
    if isinstance(gate, MetricGate):
        return gate.max_drop is not None
    return isinstance(gate, NoRegressionGate) and gate.fail_on != "not_proven"


def gates_of(suite: Suite) -> tuple[Gate, ...]:
    """Return the gates of ``suite``, configured or default."""
    return suite.gates or (DEFAULT_GATE,)


def gate_key(gate: Gate) -> tuple[object, ...]:
    """Return the key by which a gate is matched with its counterpart of the other branch."""
    modes = (gate.min is None, gate.max_gap is None) if isinstance(gate, SliceGate) else ()
    return (*(getattr(gate, key, None) for key in _MATCHED_BY), *modes)


def gate_changes(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Yield the changes of a suite's gates; ``where`` is the key of the suite."""
    old, new = _gates_by_place(where, before), _gates_by_place(where, now)
    matched: set[str] = set()
    for place, gate in old.items():
        candidates = {
            now_place: tuple(table_changes(now_place, "gate changed", gate, other))
            for now_place, other in new.items()
            if gate_key(other) == gate_key(gate)
        }
        if not candidates:
            yield GateChange("gate removed", place, format_value(gate), NOTHING, "weaker")
            continue
        best = min(candidates, key=lambda one: (*_losses(candidates[one]), one in matched))
        matched.add(best)
        yield from candidates[best]
    for place, gate in new.items():
        if place not in matched:
            yield GateChange("gate added", place, NOTHING, format_value(gate), "stricter")


def _gates_by_place(where: str, suite: Suite) -> dict[str, Gate]:
    written = f"{where}.{place_of(suite, 'gates')}"
    if not suite.gates:
        return {written: DEFAULT_GATE}
    return {f"{written}[{index}]": gate for index, gate in enumerate(suite.gates)}


def _losses(changes: tuple[GateChange, ...]) -> tuple[int, int]:
    return sum(change.effect == "weaker" for change in changes), len(changes)


def scorer_changes(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Yield the changes of a suite's scorers; ``where`` is the key of the suite.

    All scorers have to pass, so an added one is stricter. In a weighted mean any change may raise the mean: weaker.
    A scorer that only warns is neutral.
    """
    old, new = _named(before), _named(now)
    weighted = any("weight" in spec for spec in (*old.values(), *new.values()))
    for name, spec in old.items():
        place = f"{where}.scorers.{name}"
        if name not in new:
            removed: Effect = "neutral" if _warns(spec) else "weaker"
            yield GateChange("scorer removed", place, format_value(spec), NOTHING, removed)
        elif new[name] != spec:
            effect = "weaker" if weighted else _effect(spec, new[name])
            yield GateChange("scorer changed", place, format_value(spec), format_value(new[name]), effect)
    for name, spec in new.items():
        if name not in old:
            effect = "neutral" if _warns(spec) else "weaker" if weighted else "stricter"
            yield GateChange("scorer added", f"{where}.scorers.{name}", NOTHING, format_value(spec), effect)


def _named(suite: Suite) -> dict[str, dict[str, Any]]:
    """Return the scorers by the names of their scores, which gates refer to."""
    named: dict[str, dict[str, Any]] = {}
    for given in suite.scorers:
        spec = {"kind": given} if isinstance(given, str) else given
        label = _label(spec)
        name, number = label, 1
        while name in named:
            number += 1
            name = f"{label}-{number}"
        named[name] = spec
    return named


def _label(spec: Mapping[str, Any]) -> str:
    """Return the name of a scorer before numbering."""
    if "python" in spec and "name" not in spec:
        return str(spec["python"]).rpartition(":")[2]
    return str(spec.get("name") or spec.get("judge") or spec.get("kind") or jsonl.canonical(spec))


def _warns(spec: Mapping[str, Any]) -> bool:
    """Return whether a scorer decides nothing."""
    return spec.get("severity") == "warn"


def _effect(before: Mapping[str, Any], now: Mapping[str, Any]) -> Effect:
    if _warns(before):  # it decided nothing
        return "neutral" if _warns(now) else "stricter"
    others = [{key: value for key, value in spec.items() if key != "threshold"} for spec in (before, now)]
    old, new = _threshold(before), _threshold(now)
    if others[0] != others[1] or old is None or new is None:
        return "weaker"
    return "neutral" if old == new else higher(old, new)


def _threshold(spec: Mapping[str, Any]) -> float | None:
    """Return the configured threshold; None for the default of a rule, which is not in the configuration."""
    threshold: float | None = spec.get("threshold", _PYTHON_THRESHOLD if "python" in spec else None)
    return threshold


def baseline_changes(base: Baseline | None, head: Baseline | None) -> Iterator[GateChange]:
    """Yield the changes of one suite's baseline between the base branch and the working tree.

    A first baseline is neutral: there was nothing to compare with. Any difference of a case is weaker: a lower value
    is easier to reach, and a higher value belongs to another run.
    """
    if base is None and head is not None:
        yield GateChange("baseline added", _where(head), NOTHING, _summary(head), "neutral")
    elif base is not None and head is None:
        yield GateChange("baseline removed", _where(base), _summary(base), NOTHING, "weaker")
    elif base is None or head is None:
        return
    elif base.cases != head.cases:
        now = f"{_summary(head)}: {_differences(base, head)}"
        yield GateChange("baseline edited", _where(head), _summary(base), now, "weaker")
    elif (base.provenance, base.trials) != (head.provenance, head.trials):
        runs = base.provenance.run_id, head.provenance.run_id
        yield GateChange("baseline relabelled", _where(head), *runs, "neutral")


def _where(baseline: Baseline) -> str:
    return f"suites.{owner_of(baseline.suite)}.baseline"


def _summary(baseline: Baseline) -> str:
    mean = sum(case.mean for case in baseline.cases.values()) / len(baseline.cases)
    return f"run {baseline.provenance.run_id}, {count(len(baseline.cases), 'case')}, {percent(mean)} passed"


def _differences(base: Baseline, head: Baseline) -> str:
    old, new = base.cases.keys(), head.cases.keys()
    changed = sum(base.cases[name] != head.cases[name] for name in old & new)
    lower = [name for name in base.cases if name in new and head.cases[name].mean < base.cases[name].mean]
    named = f"; worse: {first_few(lower, _NAMED)}" if lower else ""
    return f"{changed:,} changed, {len(old - new):,} removed, {len(new - old):,} added{named}"
