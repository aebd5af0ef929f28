"""Changes of the golden sets of a suite between the base branch and the working tree.

The base's version of a changed case still runs, and the gates are evaluated on both versions: a data edit is listed,
and cannot make a build pass that would have failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.config import InvarianceGate, MustPassGate, ParityGate, SliceGate
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.guard.directions import NOTHING, format_value
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.verdicts import GateChange
from pytest_evalgate.text.wording import OUTPUTS_CHANGED, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.config import Suite
    from pytest_evalgate.records.cases import GoldenSet

SliceReader = Callable[[Case, str], Iterable[str]]
"""From a case and a slice key to the slices of the case."""

_NOT_CONTENT: Final = frozenset(
    {
        "id",
        "output",
        "trajectory",
        "tags",
        "slice",
        "metadata",
        "split",
        "weight",
        "trials",
        "skip",
        "side",
        "human_label",
        "place",
        "fingerprint",
    }
)
_METADATA_RULES: Final = frozenset({"canary", "not-canary"})
"""Rules that read the metadata of a case. Scorers in Python may read it, too."""

_CONTENT: Final = tuple(field.name for field in fields(Case) if field.name not in _NOT_CONTENT)


@dataclass(frozen=True, slots=True)
class GoldenChanges:
    """The changes, the ids of changed cases in the working tree, and the base's versions that still have to run."""

    changes: tuple[GateChange, ...]
    changed: frozenset[str]
    base_cases: tuple[Case, ...]


def golden_changes(
    base: Sequence[GoldenSet], head: Sequence[GoldenSet], *, suite: Suite, read: SliceReader
) -> GoldenChanges:
    """Compare the golden sets of one suite, case by case.

    Args:
        base: Golden sets of the base branch.
        head: Golden sets of the working tree.
        suite: The suite as configured at the base: its gates and clusters determine which fields matter.
        read: Returns the slices of a case.
    """
    old, new = _by_id(base), _by_id(head)
    renamed = _renamed(old, new)
    gate_fields = _GateFields(suite, read)
    added = new.keys() - old.keys() - set(renamed.values())
    changes: list[GateChange] = []
    changed = set(added)
    base_cases: list[Case] = []
    for name, case in old.items():
        now = new.get(renamed.get(name, name))
        if now is None:
            found = [GateChange("case removed", _where(case), _format_input(case), NOTHING, "neutral")]
        else:
            found = list(gate_fields.changes(case, now))
        changes += found
        if now is not None and any(change.effect != "weaker" for change in found):
            changed.add(now.id)
        if any(change.effect == "neutral" for change in found) and not _unskipped(case, now):
            base_cases.append(case)
    changes += _outputs(old, new)
    changes += [
        GateChange("case added", _where(case), NOTHING, _format_input(case), "neutral")
        for name, case in new.items()
        if name in added
    ]
    return GoldenChanges(tuple(changes), frozenset(changed), tuple(base_cases))


@dataclass(frozen=True, slots=True)
class _GateFields:
    """Fields of a case that the gates of a suite use."""

    suite: Suite
    read: SliceReader

    def changes(self, case: Case, now: Case) -> Iterator[GateChange]:
        where = _where(now)
        if case.id != now.id:
            yield GateChange("case renamed", where, format_value(case.id), format_value(now.id), "neutral")
        if case.fingerprint != now.fingerprint:
            yield GateChange("case edited", where, _content(case, now), _content(now, case), "neutral")
        if case.skip is None and now.skip is not None:
            yield GateChange("case skipped", where, NOTHING, format_value(now.skip), "neutral")
        if _unskipped(case, now):
            yield GateChange("case no longer skipped", where, format_value(case.skip), NOTHING, "stricter")
        if case.human_label != now.human_label:
            yield GateChange(
                "label changed", where, format_value(case.human_label), format_value(now.human_label), "weaker"
            )
        after = self._values(now)
        for aspect, value in self._values(case).items():
            if value != after[aspect]:
                yield GateChange(
                    f"{aspect} changed", where, format_value(value), format_value(after[aspect]), "neutral"
                )

    def _values(self, case: Case) -> Mapping[str, Any]:
        gates = self.suite.gates or ()
        tags = {tag for gate in gates if isinstance(gate, MustPassGate) for tag in gate.tags}
        sliced = dict.fromkeys(gate.by for gate in gates if isinstance(gate, SliceGate | ParityGate))
        sliced |= dict.fromkeys(
            gate.label for gate in gates if isinstance(gate, ParityGate) and gate.label is not None
        )
        cluster = self.suite.cluster
        specs = list(_tables([*self.suite.scorers, *case.asserts]))
        kinds = {spec.get("kind", spec.get("type")) for spec in specs}
        is_read = any("python" in spec for spec in specs) or not kinds.isdisjoint(_METADATA_RULES)
        validates_calls = any(spec.get("schema") is True for spec in specs)
        has_variants = any(isinstance(gate, InvarianceGate) for gate in gates)
        compares = has_variants or not kinds.isdisjoint({"same-as", "not-same-as"})
        return {
            "must-pass tags": sorted(tags & set(case.tags)),
            "slices": [f"{by}={value}" for by in sliced for value in sorted(set(self.read(case, by)))],
            "metric labels": self._labels(case),
            "cluster": None if cluster is None else sorted(set(self.read(case, cluster))),
            "trials": case.trials,
            "weight": case.weight,
            "split": case.split,
            "metadata": dict(case.metadata) or None if is_read else None,
            "tools": case.metadata.get("tools") if validates_calls and not is_read else None,
            "variant_of": case.metadata.get("variant_of") if compares and not is_read else None,
        }

    def _labels(self, case: Case) -> list[Any]:
        if not self.suite.metrics:
            return []
        from pytest_evalgate.scorers.readings import label_outside_of_content  # noqa: PLC0415 - few suites have metrics

        return [label_outside_of_content(metric, case) for metric in self.suite.metrics]


def _tables(specs: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """Yield scorers as tables, and those in sets."""
    for spec in specs:
        table = spec if isinstance(spec, dict) else {"kind": spec}
        yield table
        inner = table.get("asserts") if table.get("kind") == "set" else None
        yield from _tables(inner if isinstance(inner, list) else ())


def _outputs(old: Mapping[str, Case], new: Mapping[str, Case]) -> Iterator[GateChange]:
    """Yield one change for each file whose recorded outputs differ. They are under test, so the change is neutral."""
    differing = Counter(
        now.place.file
        for name, case in old.items()
        if (now := new.get(name)) is not None and (case.output, case.trajectory) != (now.output, now.trajectory)
    )
    for file, number in differing.items():
        yield GateChange(OUTPUTS_CHANGED, file, NOTHING, count(number, "case"), "neutral")


def _by_id(sets: Iterable[GoldenSet]) -> dict[str, Case]:
    return {case.id: case for golden in sets for case in golden}


def _renamed(old: Mapping[str, Case], new: Mapping[str, Case]) -> dict[str, str]:
    """Return the new id of each case that was renamed: its id is gone, and a new id has the same content."""
    arrived: dict[str, list[str]] = {}
    for name, case in new.items():
        if name not in old:
            arrived.setdefault(case.fingerprint, []).append(name)
    gone = (case for name, case in old.items() if name not in new)
    return {case.id: arrived[case.fingerprint].pop(0) for case in gone if arrived.get(case.fingerprint)}


def _unskipped(case: Case, now: Case | None) -> bool:
    """Return whether a case is no longer skipped; the base's version would be skipped, so it need not run."""
    return now is not None and case.skip is not None and now.skip is None


def _where(case: Case) -> str:
    return f"{case.place} {case.id}"


def _format_input(case: Case) -> str:
    return format_value((case.input if case.input is not None else case.messages or case.vars) or None)


def _content(case: Case, other: Case) -> str:
    """Return the fields in which ``case`` differs from ``other``, on one line."""
    differing = {name: value for name in _CONTENT if (value := getattr(case, name)) != getattr(other, name)}
    return format_value(differing)
