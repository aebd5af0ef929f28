"""What changed in the gate: two configurations, and what each difference does.

What is not listed as weaker is proven: no run that fails under the base configuration passes under the new one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.data import GateChange
from pytest_evalgate.gates.changes import NOTHING, shown, table_changes
from pytest_evalgate.gates.directions import higher, larger
from pytest_evalgate.gates.gate_changes import gate_changes, gates_of, identity
from pytest_evalgate.gates.scorer_changes import scorer_changes
from pytest_evalgate.settings import (
    DEFAULT_TIER,
    BudgetGate,
    NoRegressionGate,
    RecordedTarget,
    SliceGate,
    for_tier,
    place_of,
    sample_of,
)
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.settings import Acknowledgement, Gate, Settings, Suite


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
        *_dilution(base, head),
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
            yield from _unasked_baseline(where, suite, head.suites[name])
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
    if _is_asked(before) and not _is_asked(now):
        yield GateChange(
            "target not asked any more", f"{where}.target", shown(before.target), shown(now.target), "weaker"
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


def _is_asked(suite: Suite) -> bool:
    """Tell whether outputs come from a target that is run: recorded ones can be written by hand."""
    return suite.target is not None and not isinstance(suite.target, RecordedTarget)


def _unasked_baseline(where: str, before: Suite, now: Suite) -> Iterator[GateChange]:
    """Notice that no gate asks for a baseline by name any more: in CI a missing one is then no fault."""
    if _names_a_baseline(before) and not now.gates:
        told = ("a missing baseline fails in CI", "a missing baseline is recorded")
        yield GateChange("suite changed", f"{where}.gates", *told, "weaker")


def _names_a_baseline(suite: Suite) -> bool:
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
            yield GateChange("price changed", where, shown(before.price), shown(now.price), "weaker")
        else:
            yield from table_changes(where, "price changed", before.price, now.price)


def _limits_cost(gate: Gate) -> bool:
    return isinstance(gate, BudgetGate) and gate.max_cost_usd is not None


def _dilution(base: Settings, head: Settings) -> Iterator[GateChange]:
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
        (name, identity(gate))
        for name, suite in settings.suites.items()
        if suite.mode == "blocking"
        for gate in gates_of(suite)
        if _shares_alpha(gate)
    )


def _shares_alpha(gate: Gate) -> bool:
    if isinstance(gate, SliceGate):
        return gate.min is None
    return isinstance(gate, NoRegressionGate) and gate.fail_on != "not_proven"
