"""Builders of records that tests of several rooms need: planned cases, plans, trials, suites, runs and baselines.

A trial is a letter: ``P`` passed, ``m`` missed, ``?`` has no result. A case is a word with one letter per trial.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.engine import combine_trials
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import CaseResult, PlannedCase, Run, SuitePlan, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline, BaselineCase, Provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NOW: Final = "2026-01-03T00:00:00Z"
GOLDEN: Final = "golden/faq.jsonl"
VALUES: Final[Mapping[str, float | None]] = {"P": 1.0, "m": 0.0, "?": None}


def planned(case_id: str = "c000", line: int = 1, **fields: Any) -> PlannedCase:
    return PlannedCase(**{"id": case_id, "place": Place(GOLDEN, line), "fingerprint": "f", **fields})


def plan_of(cases: Iterable[PlannedCase], name: str = "faq", trials: int = 1, **fields: Any) -> SuitePlan:
    known = {"golden": (GOLDEN,), "golden_sha256": "g" * 64, "scorers_sha256": "s" * 64, **fields}
    return SuitePlan(name=name, trials=trials, cases=tuple(cases), **known)


def trials_of(letters: str, **fields: Any) -> list[Trial]:
    return [Trial(number, VALUES[letter], **fields) for number, letter in enumerate(letters)]


def result_of(letters: str, case: PlannedCase) -> CaseResult:
    """Combine trials as the engine does. The word ``-`` is a case that was not run, ``S`` one that was skipped."""
    if letters in {"-", "S"}:
        return CaseResult(case, "not_run" if letters == "-" else "skipped")
    return combine_trials(case, trials_of(letters))


def suite_of(results: Iterable[CaseResult], name: str = "faq", **fields: Any) -> SuiteRun:
    found = tuple(results)
    trials = max((len(result.trials) for result in found), default=1) or 1
    return SuiteRun(plan_of((result.case for result in found), name, **{"trials": trials, **fields}), found)


def suite_from(words: Sequence[str], name: str = "faq") -> SuiteRun:
    """Return a suite with a case for each word: ``suite_from(["PP", "Pm"])``, or ``suite_from("Pm")``."""
    return suite_of((result_of(word, planned(f"c{at}", at + 1)) for at, word in enumerate(words)), name)


def run_of(*suites: SuiteRun, run_id: str = "r1", **fields: Any) -> Run:
    return Run(run_id, NOW, fields.pop("commit", None), suites, **fields)


def baseline_of(cases: Mapping[str, Sequence[float] | BaselineCase], name: str = "faq", **fields: Any) -> Baseline:
    made = {
        case_id: held if isinstance(held, BaselineCase) else BaselineCase("f", tuple(held))
        for case_id, held in cases.items()
    }
    trials = max((len(case.values) for case in made.values()), default=1)
    provenance = Provenance("r0", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", None, "first", "g", "s")
    known = {"source": f"file:baselines/{name}.json", "provenance": provenance, "trials": trials, **fields}
    return Baseline(suite=name, cases=made, **known)
