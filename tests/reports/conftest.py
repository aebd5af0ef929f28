"""Screens: views of runs with given results."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.builders import VALUES, baseline_of, planned, result_of, suite_of

from pytest_evalgate.app.view import ReportContext, build_view, with_cases
from pytest_evalgate.config import Suite
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, Output, Run, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline, Provenance
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.reports.view import CaseView, ReportView

import pytest

_UNKNOWN = ReportContext()


@dataclass(frozen=True)
class Scene:
    """One suite: ``now`` and ``before`` have one letter for each case, or one word if it has several trials."""

    now: str | Sequence[str]
    before: str | Sequence[str] | None = None
    gates: Sequence[Mapping[str, Any]] | None = None
    name: str = "support-faq"
    advisory: bool = False
    records: bool = True
    max_error_rate: float = 0.0
    reasons: Mapping[int, str] = field(default_factory=dict)
    ids: Mapping[int, str] = field(default_factory=dict)
    slices: Mapping[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    tags: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    file: str = "golden_sets/support.jsonl"

    def suite(self) -> SuiteRun:
        results = (self._result(index, letters) for index, letters in enumerate(self.now))
        return suite_of(results, self.name, golden=(self.file,), trials=max(map(len, self.now)))

    def rules(self) -> SuiteRules:
        keys = list(dict.fromkeys(by for pairs in self.slices.values() for by, _ in pairs))
        table = {"golden": "g", "gates": self.gates, "slices": keys}
        gates = None if self.gates is None else Suite.model_validate(table).gates
        return SuiteRules(gates, self.baseline(), self.advisory, self.records, self.max_error_rate)

    def baseline(self) -> Baseline | None:
        if self.before is None:
            return None
        cases = {
            self._id(index): tuple(VALUES[letter] or 0.0 for letter in letters)
            for index, letters in enumerate(self.before)
        }
        provenance = Provenance("r0", "2026-11-20T00:00:00Z", "2026-11-20T00:01:00Z", "8c1f2d0", "first", "g", "s")
        return baseline_of(cases, self.name, provenance=provenance, trials=1)

    def baseline_ids(self) -> tuple[str, ...]:
        return tuple(self._id(index) for index, _ in enumerate(self.before or ()))

    def _id(self, index: int) -> str:
        return self.ids.get(index, f"refund-{index + 1:03}")

    def _result(self, index: int, letters: str) -> CaseResult:
        fields: dict[str, Any] = {"tags": self.tags.get(index, ()), "slices": self.slices.get(index, ())}
        case = planned(self._id(index), place=Place(self.file, index + 1), **fields)
        if letters in "S-":
            return result_of(letters, case)
        reason = self.reasons.get(index, "exact: got 30 days, wanted 14 days")
        given = ((number, VALUES[letter]) for number, letter in enumerate(letters))
        trials = [Trial(number, value, Output("text"), (), "" if value else reason) for number, value in given]
        return combine_trials(case, trials)


class Screen:
    """Judges scenes and builds the view of them."""

    scene = Scene

    @staticmethod
    def view(
        *scenes: Scene,
        warn: bool = True,
        problems: tuple[str, ...] = (),
        not_run: Sequence[str] = (),
        stored: Path | None = None,
        context: ReportContext = _UNKNOWN,
    ) -> ReportView:
        """Judge scenes; with ``stored``, a file for the run, the view has their cases."""
        run = Run(
            "20261121T101500Z-3f9c", "2026-11-21T10:15:00Z", None, tuple(s.suite() for s in scenes), 3.1, problems
        )
        rules = {scene.name: scene.rules() for scene in scenes}
        verdict = decide(run, rules, warn_inconclusive=warn, not_run=not_run)
        if stored is not None:
            run_file.write(run, stored)
            answer = "You can return it within 14 days."
            outputs = {scene.name: dict.fromkeys(scene.baseline_ids(), answer) for scene in scenes}
            context = replace(context, baseline_outputs=outputs)
        view = build_view(
            verdict,
            run,
            {scene.name: scene.baseline() for scene in scenes},
            run_file=".evalgate/runs/20261121T101500Z-3f9c/run.jsonl",
            verdict_file=".evalgate/verdict.json",
            context=context,
            cases_from=stored,
        )
        return view if stored is None else with_cases(view, [*map(_asked, view.cases)])


def _asked(case: CaseView) -> CaseView:
    return replace(case, input=f"How long do I have to return item {case.place.line}?", expected="14 days, unworn")


@pytest.fixture(scope="session")
def screen() -> Screen:
    return Screen()
