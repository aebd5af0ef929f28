"""What changed in the baseline of a suite: nobody chooses in a branch what that branch is compared with."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.config import (
    DEFAULT_TIER,
    BudgetGate,
    NoRegressionGate,
    RecordedTarget,
    SliceGate,
    for_tier,
    place_of,
    sample_of,
)
from pytest_evalgate.guard.directions import NOTHING, format_value, higher, larger, table_changes
from pytest_evalgate.records.results import GateChange
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.config import Acknowledgement, Gate, Settings, Suite
    from pytest_evalgate.records.results import Baseline, Effect


def baseline_changes(base: Baseline | None, head: Baseline | None) -> Iterator[GateChange]:
    """Compare the baseline of one suite at the base branch with that of the working tree; None where there is none.

    A first baseline is neutral, since there was nothing to compare with. Cases that differ are weaker whichever way
    they differ: a lower value is easier to reach, and a higher one belongs to another run.
    """
    if base is None and head is not None:
        yield GateChange("baseline added", _where(head), NOTHING, _summary(head), "neutral")
    elif base is not None and head is None:
        yield GateChange("baseline removed", _where(base), _summary(base), NOTHING, "weaker")
    elif base is not None and head is not None:
        yield from _edits(base, head)


def _edits(base: Baseline, head: Baseline) -> Iterator[GateChange]:
    if base.cases != head.cases:
        now = f"{_summary(head)}: {_differences(base, head)}"
        yield GateChange("baseline edited", _where(head), _summary(base), now, "weaker")
    elif (base.provenance, base.trials) != (head.provenance, head.trials):
        told = base.provenance.run_id, head.provenance.run_id
        yield GateChange("baseline relabelled", _where(head), *told, "neutral")


def _where(baseline: Baseline) -> str:
    return f"suites.{baseline.suite}.baseline"


def _summary(baseline: Baseline) -> str:
    mean = sum(case.mean for case in baseline.cases.values()) / len(baseline.cases)
    return f"run {baseline.provenance.run_id}, {count(len(baseline.cases), 'case')}, {percent(mean)} passed"


def _differences(base: Baseline, head: Baseline) -> str:
    old, new = base.cases.keys(), head.cases.keys()
    changed = sum(base.cases[name] != head.cases[name] for name in old & new)
    return f"{changed:,} changed, {len(old - new):,} removed, {len(new - old):,} added"


DEFAULT_GATE: Final = NoRegressionGate(kind="no-regression")
"""The gate of a suite that has none configured."""

_MATCHED_BY: Final = ("kind", "scorer", "by")


def gates_of(suite: Suite) -> tuple[Gate, ...]:
    """Return the gates that judge ``suite``."""
    return suite.gates or (DEFAULT_GATE,)


def gate_key(gate: Gate) -> tuple[object, ...]:
    """Return what gates have in common that can stand in for one another."""
    by_rate = isinstance(gate, SliceGate) and gate.min is not None
    return (*(getattr(gate, key, None) for key in _MATCHED_BY), by_rate)


def gate_changes(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Compare the gates of two suites; ``where`` is the key of the suite."""
    old, new = _gates_by_place(where, before), _gates_by_place(where, now)
    met: set[str] = set()
    for place, gate in old.items():
        candidates = {
            now_place: tuple(table_changes(now_place, "gate changed", gate, other))
            for now_place, other in new.items()
            if gate_key(other) == gate_key(gate)
        }
        if not candidates:
            yield GateChange("gate removed", place, format_value(gate), NOTHING, "weaker")
            continue
        best = min(candidates, key=lambda one: (*_losses(candidates[one]), one in met))
        met.add(best)
        yield from candidates[best]
    for place, gate in new.items():
        if place not in met:
            yield GateChange("gate added", place, NOTHING, format_value(gate), "stricter")


def _gates_by_place(where: str, suite: Suite) -> dict[str, Gate]:
    written = f"{where}.{place_of(suite, 'gates')}"
    if not suite.gates:
        return {written: DEFAULT_GATE}
    return {f"{written}[{index}]": gate for index, gate in enumerate(suite.gates)}


def _losses(changes: tuple[GateChange, ...]) -> tuple[int, int]:
    return sum(change.effect == "weaker" for change in changes), len(changes)


_PYTHON_THRESHOLD: Final = 0.5


def scorer_changes(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Compare the scorers of two suites; ``where`` is the key of the suite.

    All scorers have to pass, so a further one is stricter. In a weighted mean every change may lift it.
    """
    old, new = _named(before), _named(now)
    weighted = any("weight" in spec for spec in (*old.values(), *new.values()))
    for name, spec in old.items():
        place = f"{where}.scorers.{name}"
        if name not in new:
            yield GateChange("scorer removed", place, format_value(spec), NOTHING, "weaker")
        elif new[name] != spec:
            effect = "weaker" if weighted else _effect(spec, new[name])
            yield GateChange("scorer changed", place, format_value(spec), format_value(new[name]), effect)
    for name, spec in new.items():
        if name not in old:
            effect = "weaker" if weighted else "stricter"
            yield GateChange("scorer added", f"{where}.scorers.{name}", NOTHING, format_value(spec), effect)


def _named(suite: Suite) -> dict[str, dict[str, Any]]:
    """Name the scorers as their scores are named: gates tell scores apart by it."""
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
    """Return the name that a scorer has before it is numbered."""
    if "python" in spec and "name" not in spec:
        return str(spec["python"]).rpartition(":")[2]
    return str(spec.get("name") or spec.get("kind") or jsonl.canonical(spec))


def _effect(before: Mapping[str, Any], now: Mapping[str, Any]) -> Effect:
    if _without_threshold(before) != _without_threshold(now):
        return "weaker"
    old, new = _threshold(before), _threshold(now)
    if old is None or new is None:
        return "weaker"
    return "neutral" if old == new else higher(old, new)


def _without_threshold(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key != "threshold"}


def _threshold(spec: Mapping[str, Any]) -> float | None:
    """Return the threshold; None for a rule's own: which one that is, only the scorers know."""
    threshold: float | None = spec.get("threshold", _PYTHON_THRESHOLD if "python" in spec else None)
    return threshold


def settings_changes(base: Settings, head: Settings, tier: str = DEFAULT_TIER) -> tuple[GateChange, ...]:
    """List what differs between the configuration of the base and that of the working tree.

    What is neither provably stricter nor neutral is ``weaker``. Targets and models are what is under test, and not
    listed. Both are compared as the suites stand, in every tier that the base defines, and in ``tier``, which runs: a
    tier that only this branch defines changes nothing as long as it does not run.
    """
    defined = (name for suite in base.suites.values() for name in suite.tiers)
    tiers = dict.fromkeys([DEFAULT_TIER, base.default_tier, *defined, tier])
    found = (change for name in tiers for change in _in_tier(for_tier(base, name), for_tier(head, name)))
    return tuple(dict.fromkeys([*table_changes("", "setting changed", base, head), *found]))


def _in_tier(base: Settings, head: Settings) -> Iterator[GateChange]:
    """Compare two configurations as one tier has them."""
    yield from (
        *_price_changes(base, head),
        *_suites(base, head),
        *_judges(base, head),
        *_added_tests(base, head),
    )


def acknowledge(
    changes: Iterable[GateChange], acknowledged: Iterable[Acknowledgement], *, known: Iterable[Acknowledgement] = ()
) -> tuple[GateChange, ...]:
    """Mark the changes that somebody answers for, with the reason and the owner.

    ``known`` are the acknowledgements of the base: they were given for earlier changes, and do not count again.
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
    """Compare the tables of the judges; one that is gone is listed with the scorers that named it."""
    for name, judge in base.judges.items():
        if name in head.judges:
            yield from table_changes(f"judges.{name}", "judge changed", judge, head.judges[name])


def suite_changes(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Compare two suites of one name; ``where`` is the key of the suite."""
    yield from table_changes(where, "suite changed", before, now)
    yield from scorer_changes(where, before, now)
    if (old := _trials(before)) != (new := _trials(now)):
        yield GateChange(
            "suite changed", f"{where}.{_place(before, now, 'trials')}", str(old), str(new), higher(old, new)
        )
    yield from _sample_changes(where, before, now)
    if _is_run(before) and not _is_run(now):
        yield GateChange(
            "target not asked any more",
            f"{where}.target",
            format_value(before.target),
            format_value(now.target),
            "weaker",
        )
    yield from gate_changes(where, before, now)


def _sample_changes(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    few, many = sample_of(before), sample_of(now)
    if few != many:
        place = f"{where}.{_place(before, now, 'sample')}"
        yield GateChange("sample changed", place, _size(few), _size(many), larger(few, many))


def _size(sample: int | None) -> str:
    return "all cases" if sample is None else count(sample, "case")


def _place(before: Suite, now: Suite, key: str) -> str:
    """Return where a key is written that differs: what is left out now was written before."""
    return place_of(now if place_of(now, key) != key else before, key)


def _trials(suite: Suite) -> int:
    recorded = len(suite.target.recorded) if isinstance(suite.target, RecordedTarget) else 1
    return suite.trials or recorded


def _is_run(suite: Suite) -> bool:
    """Tell whether outputs come from a target that is run: recorded ones can be written by hand."""
    return suite.target is not None and not isinstance(suite.target, RecordedTarget)


def _optional_baseline(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Notice that no gate asks for a baseline by name any more: in CI a missing one is then no fault."""
    if _needs_baseline(before) and not now.gates:
        told = ("a missing baseline fails in CI", "a missing baseline is recorded")
        yield GateChange("suite changed", f"{where}.gates", *told, "weaker")


def _needs_baseline(suite: Suite) -> bool:
    return any(
        isinstance(gate, NoRegressionGate) or (isinstance(gate, SliceGate) and gate.min is None)
        for gate in suite.gates or ()
    )


def _price_changes(base: Settings, head: Settings) -> Iterator[GateChange]:
    if not any(_limits_cost(gate) for suite in base.suites.values() for gate in gates_of(suite)):
        return
    for name, before in base.models.items():
        now = head.models.get(name)
        if now is None or now.model != before.model or now.price == before.price:
            continue
        where = f"models.{name}.price"
        if before.price is None or now.price is None:
            yield GateChange("price changed", where, format_value(before.price), format_value(now.price), "weaker")
        else:
            yield from table_changes(where, "price changed", before.price, now.price)


def _limits_cost(gate: Gate) -> bool:
    return isinstance(gate, BudgetGate) and gate.max_cost_usd is not None


def _added_tests(base: Settings, head: Settings) -> Iterator[GateChange]:
    """List tests that are new: the tests of a build share its alpha, so each further one leaves less to the others.

    Those of a suite that is new share none as long as the base branch does not know it (`SuiteRules.is_new`).
    """
    before, now = _tests(base), _tests(head)
    now = Counter({test: number for test, number in now.items() if test[0] in base.suites})
    if not before & now:
        return
    shares = f"{count(before.total(), 'test')} share the alpha", f"{count(now.total(), 'test')} share it"
    for suite, _ in now - before:
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
    if isinstance(gate, SliceGate):
        return gate.min is None
    return isinstance(gate, NoRegressionGate) and gate.fail_on != "not_proven"
