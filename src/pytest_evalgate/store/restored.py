"""Stored runs as records, to decide them again: the plans, the trials and the scores, without texts and calls."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from pytest_evalgate.records.results import CaseResult, Output, Run, Score, SuitePlan, SuiteRun, Trial
from pytest_evalgate.runs import codec

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        scores: dict[tuple[int, int], list[Score]] = {}
        made: dict[tuple[Any, ...], Score] = {}  # most scores of a run are equal
        for place, trial, *fields in map(dict.values, self.database.query("scores_of_suite", **key)):
            score = made.get(tuple(fields)) or made.setdefault(tuple(fields), _score(*fields))
            scores.setdefault((place, trial), []).append(score)
        trials = self.database.query("results_of_suite", **key)
        results = tuple(_result(list(of_case), scores) for _, of_case in groupby(trials, lambda trial: trial["place"]))
        plan = SuitePlan(
            *(row["suite"], tuple(json.loads(row["golden"])), row["golden_sha256"], row["scorers_sha256"]),
            trials=row["trials"],
            cases=tuple(result.case for result in results),
            drawn_from=row["drawn_from"],
        )
        return SuiteRun(plan, results, cast("StopRule | None", row["stopped"]))


def _score(scorer: str, value: float | None, passed: int | None, counts: int) -> Score:
    return Score(scorer, value, None if passed is None else bool(passed), counts=bool(counts))


def _result(trials: list[Row], scores: Mapping[tuple[int, int], list[Score]]) -> CaseResult:
    first = trials[0]
    planned = {
        "id": first["case_id"],
        **{name: first[name] for name in ("file", "line", "fingerprint")},
        **json.loads(first["planned"]),
    }
    found = tuple(
        Trial(
            row["trial"] - 1,
            row["passed"],
            None if row["passed"] is None else Output(None, latency_s=row["latency_s"]),
            tuple(scores.get((row["place"], row["trial"]), ())),
            row["error"] or "",
        )
        for row in trials
        if row["trial"]
    )
    outcome = cast("Outcome", first["outcome"])
    return CaseResult(codec.decode_case(planned), outcome, found, "" if found else first["error"] or "")
