"""The whole answer of ``compare``: for each suite the change, the cases behind it, and what to know about both."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_evalgate.cli.compare.changes import changes_of
from pytest_evalgate.cli.compare.match import check_gateable, match
from pytest_evalgate.cli.compare.notes import side_notes, suite_notes
from pytest_evalgate.cli.compare.rules import rules_of
from pytest_evalgate.gates.pairing import pair
from pytest_evalgate.judgement import Judgement
from pytest_evalgate.reports.view import build_view
from pytest_evalgate.runs import verdict_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.cli.compare.changes import Changes
    from pytest_evalgate.cli.compare.match import Match, Matches, SourceRun
    from pytest_evalgate.cli.compare.rules import Wish
    from pytest_evalgate.cli.compare.sides import Side
    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.data import Delta, Json, Run, SuiteVerdict
    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.reports.view import ReportView
    from pytest_evalgate.settings import Settings


@dataclass(frozen=True, slots=True)
class SuiteComparison:
    """One suite; ``delta`` is None where nothing can be tested.

    ``alpha`` and ``margin`` are those that ``delta`` is shown with. ``notes`` say what was left out, and what the
    numbers rest on.
    """

    suite: str
    older: SourceRun
    newer: SourceRun
    alpha: float
    margin: float | None
    delta: Delta | None
    changes: Changes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """All suites that both sides hold, how the sides were asked for, and the verdict where one was asked for."""

    asked: tuple[str, str]
    suites: tuple[SuiteComparison, ...]
    only_older: tuple[str, ...]
    only_newer: tuple[str, ...]
    notes: tuple[str, ...]
    judged: ReportView | None = None

    def as_json(self, *, regressed_only: bool) -> Json:
        """Return what ``--json`` prints: everything, or a row for each case that got worse."""
        if regressed_only:
            return [
                {"suite": found.suite, **dataclasses.asdict(case)}
                for found in self.suites
                for case in found.changes.regressed
            ]
        return {
            "suites": [dataclasses.asdict(found) for found in self.suites],
            "only_older": list(self.only_older),
            "only_newer": list(self.only_newer),
            "notes": list(self.notes),
            "verdict": None if self.judged is None else verdict_file.encode(self.judged.verdict),
        }


def compare(project: Project, older: Side, newer: Side, wish: Wish) -> Comparison:
    """Compare two sides, and judge the newer one where ``wish`` says so.

    Raises:
        UserError: no suite is on both sides, one cannot be used, or they cannot be judged.

    """
    matches = match(older, newer, wish.suite)
    if wish.gate:
        check_gateable(matches, older.run, project.settings)
    judgement = Judgement(project.root, project.settings, project.state.path, project.settings.suites.get)
    rules = rules_of(judgement, matches, wish)
    part = replace(newer.run, suites=tuple(found.part for found in matches.both))
    verdicts = judgement.judge(part, rules).suites
    return Comparison(
        asked=(older.spec, newer.spec),
        suites=tuple(
            _suite(found, rules[found.name], verdicts[found.name], project.settings) for found in matches.both
        ),
        only_older=matches.only_older,
        only_newer=tuple(suite.plan.name for suite in matches.only_newer),
        notes=(*side_notes("A", older.run), *side_notes("B", newer.run)),
        judged=_judged(judgement, matches, newer.run, rules) if wish.gate else None,
    )


def _judged(judgement: Judgement, matches: Matches, run: Run, rules: Mapping[str, SuiteRules]) -> ReportView:
    """Judge all that the newer side holds, whole, as the session did that it comes from."""
    suites = (*(found.whole for found in matches.both), *matches.only_newer)
    whole = replace(run, suites=suites)
    baselines = {name: rule.baseline for name, rule in rules.items()}
    return build_view(judgement.judge(whole, rules), whole, baselines, run_file="", verdict_file="")


def _suite(found: Match, rules: SuiteRules, verdict: SuiteVerdict, settings: Settings) -> SuiteComparison:
    gate = rules.comparison
    return SuiteComparison(
        suite=found.name,
        older=found.older_source,
        newer=found.newer_source,
        alpha=gate.alpha,
        margin=gate.margin,
        delta=verdict.delta,
        changes=changes_of(pair(found.part, found.older.baseline), gate.alpha),
        notes=tuple(suite_notes(found, rules, verdict, settings)),
    )
