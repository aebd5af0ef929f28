"""Stored runs as records, to decide them again: the plans, the trials and the scores, without texts and calls."""

from __future__ import annotations

import json
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import CaseResult, Output, Run, Score, SuitePlan, SuiteRun, Trial
from pytest_evalgate.runs import codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.records.results import Outcome, StopRule
    from pytest_evalgate.store.database import Database
    from pytest_evalgate.store.drivers import Row


@dataclass(frozen=True, slots=True)
class RestoredRuns:
    """The runs of a store as records; runs that are known by their history only have no results."""

    database: Database

    def run(self, row: Row, suite: str | None = None) -> Run:
        """Return the run of a row of the query ``runs``, with all its suites or only ``suite``."""
        found = self.database.query("suites_of_run", run_id=row["run_id"])
        suites = tuple(self._suite(each) for each in found if suite in (None, each["suite"]))
        problems = tuple(json.loads(row["problems"]))
        return Run(row["run_id"], row["created"], row["commit_id"], suites, row["duration_s"], problems)

    def _suite(self, row: Row) -> SuiteRun:
        key = {"run_id": row["run_id"], "suite": row["suite"]}
        results = tuple(_results(self.database.tuples("results_of_suite", **key), self._scores(key)))
        plan = SuitePlan(
            *(row["suite"], tuple(json.loads(row["golden"])), row["golden_sha256"], row["scorers_sha256"]),
            trials=row["trials"],
            cases=tuple(result.case for result in results),
            drawn_from=row["drawn_from"],
        )
        return SuiteRun(plan, results, cast("StopRule | None", row["stopped"]))

    def _scores(self, key: Mapping[str, Any]) -> dict[tuple[int, int], list[Score]]:
        """Return the scores of each trial. Most of them are equal, and made once."""
        found: dict[tuple[int, int], list[Score]] = {}
        made: dict[tuple[Any, ...], Score] = {}
        for place, trial, *fields in self.database.tuples("scores_of_suite", **key):
            values = tuple(fields)
            score = made.get(values) or made.setdefault(values, _score(*values))
            found.setdefault((place, trial), []).append(score)
        return found


def _score(scorer: str, value: float | None, passed: int | None, counts: int) -> Score:
    return Score(scorer, value, None if passed is None else bool(passed), counts=bool(counts))


def _results(rows: Iterable[tuple[Any, ...]], scores: Mapping[tuple[int, int], list[Score]]) -> Iterator[CaseResult]:
    """Yield the cases of the rows of ``results_of_suite.sql``."""
    plans: dict[str, Mapping[str, Any]] = {}
    for place, of_case in groupby(rows, itemgetter(0)):
        trials = list(of_case)
        _, _, case_id, outcome, _, _, error, file, line, fingerprint, text = trials[0]
        planned = plans.get(text) or plans.setdefault(text, json.loads(text))
        case = {**planned, "id": case_id, "file": file, "line": line, "fingerprint": fingerprint}
        found = tuple(
            Trial(
                trial - 1,
                passed,
                None if passed is None else Output(None, latency_s=latency),
                tuple(scores.get((place, trial), ())),
                reason or "",
            )
            for _, trial, _, _, passed, latency, reason, *_ in trials
            if trial
        )
        yield CaseResult(codec.decode_case(case), cast("Outcome", outcome), found, "" if found else error or "")
