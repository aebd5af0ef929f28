"""Builder of runs and baselines from text: one letter a trial, cases separated by spaces if they have several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.builders import baseline_of, planned, result_of, run_of, suite_of

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.gates import decide
from pytest_evalgate.gates.evidence import Evidence, Measure
from pytest_evalgate.gates.pairing import not_skipped, pair_results
from pytest_evalgate.gates.rules import JudgeRule
from pytest_evalgate.records.cases import BASE_SUFFIX
from pytest_evalgate.records.results import CaseResult, PlannedCase, Run, Score, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline, BaselineCase, Calibration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.gates.correction import Correction
    from pytest_evalgate.gates.evidence import Completion
    from pytest_evalgate.records.verdicts import SuiteVerdict

_THRESHOLD = 0.5
_RULE_AND_JUDGE: Mapping[str, tuple[bool, bool | None, bool]] = {
    "P": (True, True, True),
    "m": (True, False, True),
    "?": (True, None, True),
    "r": (False, None, False),
    "x": (False, False, True),
}
"""Verdict of the rule, verdict of the judge, and whether the judge was called."""


def decide_suite(suite: SuiteRun, rules: SuiteRules) -> SuiteVerdict:
    """Decide one suite as if it were the whole build."""
    run = Run("r", "", None, (suite,))
    return decide(run, {suite.plan.name: rules}, warn_inconclusive=True).suites[suite.plan.name]


class Build:
    """``P`` passed, ``m`` missed, ``?`` missing, ``S`` skipped, ``-`` not run: ``"PPm"``, or ``"PPm mmm"``."""

    @staticmethod
    def case(index: int, **fields: object) -> PlannedCase:
        suffix = BASE_SUFFIX if fields.get("side") == "base" else ""
        case_id = fields.pop("id", f"c{index:03}")
        return planned(f"{case_id}{suffix}", index + 1, **fields)

    def result(self, index: int, trials: str, **fields: object) -> CaseResult:
        return result_of(trials, self.case(index, **({"skip": "flaky"} if trials == "S" else {}), **fields))

    def suite(
        self,
        letters: str,
        *,
        fields: Mapping[int, Mapping[str, object]] | None = None,
        name: str = "faq",
    ) -> SuiteRun:
        cases = letters.split() if " " in letters else list(letters)
        results = [self.result(index, case, **(fields or {}).get(index, {})) for index, case in enumerate(cases)]
        return suite_of(results, name, trials=max(map(len, cases)))

    def graded(self, *marks: Sequence[float | None], scorer: str = "tone", **fields: object) -> SuiteRun:
        """Return a suite with graded outputs: a sequence of scores a case, one a trial."""
        results = tuple(
            combine_trials(
                self.case(index, **fields), [_graded(number, scorer, mark) for number, mark in enumerate(trials)]
            )
            for index, trials in enumerate(marks)
        )
        return suite_of(results)

    def judged(
        self,
        letters: str,
        *,
        fields: Mapping[int, Mapping[str, object]] | None = None,
        counts: bool = True,
        weight: float | None = None,
    ) -> SuiteRun:
        """Return a suite with the rule ``exact`` and the judge ``faq``.

        ``P`` passed both, ``m`` was missed by the judge, ``r`` by the rule so that the judge was not asked, ``x`` by
        both, ``?`` could not be read.
        """
        cases = letters.split() if " " in letters else list(letters)
        made = [[_judged(number, letter, counts, weight) for number, letter in enumerate(case)] for case in cases]
        results = tuple(
            combine_trials(self.case(index, **(fields or {}).get(index, {})), trials)
            for index, trials in enumerate(made)
        )
        return suite_of(results)

    @staticmethod
    def judge(
        passes: tuple[int, int] = (45, 50),
        fails: tuple[int, int] = (40, 50),
        *,
        why_not: str | None = None,
        report_only: bool = False,
    ) -> JudgeRule:
        """Return the judge ``faq`` with the given counts: right of all human passes, and right of all human fails."""
        held = Calibration(
            "faq", "f", {}, "labels.jsonl", "l", "2025-12-22T09:00:00Z", passes[1], passes[0], fails[1], fails[0]
        )
        return JudgeRule("faq", held, "f", why_not, report_only)

    @staticmethod
    def baseline(letters: str | Sequence[Sequence[float]], *, fingerprint: str = "f", first: int = 0) -> Baseline:
        cases: Sequence[Sequence[float]]
        if isinstance(letters, str):
            split = letters.split() if " " in letters else list(letters)
            cases = [[1.0 if letter == "P" else 0.0 for letter in case] for case in split]
        else:
            cases = letters
        return baseline_of(
            {f"c{first + i:03}": BaselineCase(fingerprint, tuple(values)) for i, values in enumerate(cases)}
        )

    @staticmethod
    def seen(
        results: SuiteRun | Sequence[CaseResult],
        baseline: Baseline | None = None,
        *,
        completion: Completion = "worst",
        aggregate: str = "mean",
        correction: Correction | None = None,
    ) -> Evidence:
        """Return the evidence of the gates."""
        results = results.results if isinstance(results, SuiteRun) else tuple(results)
        pairing = None if baseline is None else pair_results(not_skipped(results), baseline)
        return Evidence(results, pairing, Measure(aggregate), completion, correction)

    @staticmethod
    def run(*suites: SuiteRun, problems: tuple[str, ...] = ()) -> Run:
        return run_of(*suites, problems=problems)


def _graded(index: int, scorer: str, mark: float | None) -> Trial:
    passed = None if mark is None else mark >= _THRESHOLD
    value = None if passed is None else float(passed)
    return Trial(index, value, scores=(Score(scorer, mark, passed),))


def _judged(index: int, letter: str, counts: bool, weight: float | None) -> Trial:  # noqa: FBT001 - private
    rule, verdict, asked = _RULE_AND_JUDGE[letter]
    value = None if verdict is None else float(verdict)
    scores = (Score("exact", float(rule), rule), Score("faq", value, verdict, "why", weight, counts=counts))
    decisive = verdict if rule and counts else rule
    return Trial(index, None if decisive is None else float(decisive), scores=scores if asked else scores[:1])


@pytest.fixture(scope="session")
def build() -> Build:
    return Build()
