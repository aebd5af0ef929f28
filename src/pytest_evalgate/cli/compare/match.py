"""The suites that both sides hold, each in the form that the gates want."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.cli.compare.forms import comparable, newer_of, older_of
from pytest_evalgate.data import Baseline
from pytest_evalgate.errors import BaselineError, SettingsError, UserError
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.cli.compare.forms import Older
    from pytest_evalgate.cli.compare.sides import Held, Side
    from pytest_evalgate.data import Run, SuiteRun
    from pytest_evalgate.settings import Settings

_ELSE = "compare another run, or leave out --gate"


@dataclass(frozen=True, slots=True)
class SourceRun:
    """Which run stands behind one suite of a side; ``name`` is its own, or that of its baseline."""

    name: str
    run_id: str
    created: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class Match:
    """One suite on both sides: ``whole`` as the newer one holds it, ``part`` without what cannot be compared."""

    older: Older
    older_source: SourceRun
    newer_source: SourceRun
    whole: SuiteRun
    part: SuiteRun

    @property
    def name(self) -> str:
        """The suite."""
        return self.whole.plan.name


@dataclass(frozen=True, slots=True)
class Matches:
    """At least one suite on both sides, the names of those that only A holds, and the suites that only B holds."""

    both: tuple[Match, ...]
    only_older: tuple[str, ...]
    only_newer: tuple[SuiteRun, ...]


def match(older: Side, newer: Side, suite: str | None) -> Matches:
    """Look for every suite on both sides, or for the one that is named.

    Raises:
        UserError: none is on both, or what a side holds of one cannot be used.

    """
    names = (suite,) if suite is not None else tuple(dict.fromkeys((*newer.names, *older.names)))
    before = {name: held for name in names if (held := older.find(name)) is not None}
    now = {name: held for name in names if (held := newer.find(name)) is not None}
    both = tuple(
        _match(before[name], older.run, now[name], newer.run) for name in names if name in before and name in now
    )
    if not both:
        which = "no suite is" if suite is None else f"suite {suite!r} is not"
        raise UserError(
            f"{which} on both sides: {_held('A', older, before)}, {_held('B', newer, now)}{_advice(before)}"
        )
    only_newer = tuple(newer_of(now[name]) for name in now if name not in before)
    return Matches(both, tuple(name for name in before if name not in now), only_newer)


def check_gateable(matches: Matches, older: Run, settings: Settings) -> None:
    """Refuse to judge by less than a session would ask for.

    Raises:
        BaselineError: the older side is invalid or not whole.
        SettingsError: cases come in clusters, and the newer side does not know them.

    """
    for found in matches.both:
        lacking, a, b = found.older.unanswered, found.older_source.name, found.newer_source.name
        if older.problems or lacking:
            why = (
                older.problems[0]
                if older.problems
                else f"{count(len(lacking), 'case')} of {found.name} without an answer"
            )
            raise BaselineError(one_line(f"A ({a}) cannot serve as the baseline: {why}; {_ELSE}"))
        if lacks_clusters(found, settings):
            raise SettingsError(f"suites.{found.name}.cluster: B ({one_line(b)}) does not know its clusters; {_ELSE}")


def lacks_clusters(found: Match, settings: Settings) -> bool:
    """Tell whether cases shall be counted by clusters that the newer side does not know, as no baseline does."""
    suite = settings.suites.get(found.name)
    wanted = suite is not None and suite.cluster is not None
    return wanted and all(case.cluster is None for case in found.whole.plan.cases)


def _match(before: Held, older: Run, now: Held, newer: Run) -> Match:
    whole, compared = newer_of(now), older_of(before, older)
    return Match(compared, _source(before, older), _source(now, newer), whole, comparable(whole, compared))


def _source(held: Held, run: Run) -> SourceRun:
    if isinstance(held, Baseline):
        promoted = held.provenance
        return SourceRun(held.source, promoted.run_id, promoted.created, promoted.commit)
    return SourceRun(f"run {run.id}", run.id, run.created, run.commit)


def _held(which: str, side: Side, held: Iterable[str]) -> str:
    return f"{which} ({side.spec}) holds {one_line(', '.join(held)) or 'none'}"


def _advice(before: Mapping[str, Held]) -> str:
    return "" if before else "; to make a baseline of a run: pytest-evalgate baseline promote"
