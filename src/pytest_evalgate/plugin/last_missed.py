"""``--eval-lf``: run only the cases that missed, regressed or errored in the last run of their suite.

The controller reads the stored runs and sends the ids to its workers. The other cases stay in the plan, so that a part
of a suite is never decided. If nothing missed, everything runs, as with ``--lf`` of pytest.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pytest_evalgate.app.last_results import LastResults
    from pytest_evalgate.records.results import SuitePlan

LAST_MISSED_INPUT = "evalgate-last-missed"
"""Key of the cases to repeat in the input of an xdist worker."""


@dataclass(frozen=True, slots=True)
class LastMissed:
    """The ids of the cases to repeat, and the id of the last run, by suite. A suite without a run is in neither."""

    cases: Mapping[str, Collection[str]]
    runs: Mapping[str, str]

    @classmethod
    def of(cls, found: Mapping[str, LastResults]) -> Self:
        """Return the cases to repeat, of the last results of each suite."""
        return cls(
            {name: sorted(last.to_repeat) for name, last in found.items()},
            {name: last.run_id for name, last in found.items()},
        )

    def export(self) -> dict[str, Any]:
        """Return plain values, for an xdist worker: ``LastMissed(**values)`` reads them."""
        return asdict(self)

    def select(self, plans: Collection[SuitePlan]) -> Mapping[str, frozenset[str]] | None:
        """Return the ids to run by suite; None if no case of these plans is to be repeated, so that all run.

        A suite that never ran has no results to go by, so all of its cases run.
        """
        found = {
            plan.name: frozenset(self.cases[plan.name]) & {case.id for case in plan.cases}
            if plan.name in self.runs
            else frozenset(case.id for case in plan.cases)
            for plan in plans
        }
        return found if any(found[name] for name in found if name in self.runs) else None

    def line(self, plans: Collection[SuitePlan]) -> str:
        """Return a line about what runs: the number of cases, and the runs that they are known from."""
        found = self.select(plans)
        if found is None:
            known = [name for name in (plan.name for plan in plans) if name in self.runs]
            why = "no case missed, regressed or errored last time" if known else "no stored run of these suites"
            return f"--eval-lf: {why}: all cases run"
        old = {name: ids for name, ids in found.items() if name in self.runs}
        of = sum(len(plan.cases) for plan in plans if plan.name in old)
        number = sum(map(len, old.values()))
        runs = first_few(sorted({self.runs[name] for name, ids in old.items() if ids}))
        parts = [f"--eval-lf: {number:,} of {count(of, 'case')} missed, regressed or errored last time (run {runs})"]
        if new := [one_line(name) for name in found if name not in self.runs]:
            parts.append(f"all cases of {first_few(new)}, which never ran")
        return f"{'; '.join(parts)}. For a verdict, run all: pytest --eval-gate"
