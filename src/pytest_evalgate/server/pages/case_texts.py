"""Texts of cases: inputs, outputs and reasons as reports show them, from run files, else from the store."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import Score
from pytest_evalgate.reports.view import TextPolicy
from pytest_evalgate.runs import run_file
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.server.view_sources import ViewSources
    from pytest_evalgate.store.drivers import Row

_LARGEST: Final = 64 << 20
"""Bytes of a run file that a page searches (60 ms); the texts of larger ones are left to the report."""

_AT_ONCE: Final = 40
"""Cases of a query: a query for each case took half of the time of a comparison of two runs."""


@dataclass(frozen=True, slots=True)
class ScoreText:
    """One score of a trial; ``passed`` is None if it could not tell."""

    scorer: str
    value: float | None
    passed: bool | None
    reason: str = ""

    def is_of(self, judge: str) -> bool:
        """Return whether the score is a judge's, as `Score.is_of`."""
        return Score(self.scorer, self.value, self.passed).is_of(judge)


@dataclass(frozen=True, slots=True)
class TrialText:
    """One trial: its value, its output, its scores. ``output`` is None if its text is not known."""

    number: int
    value: float | None
    output: str | None
    reason: str = ""
    latency_s: float | None = None
    cost_usd: float | None = None
    scores: tuple[ScoreText, ...] = ()
    raw: Json = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CaseText:
    """One case in one run."""

    input: str | None
    expected: str | None
    trials: tuple[TrialText, ...]


def run_folder_file(sources: ViewSources, run_id: str) -> Path | None:
    """Return the run file of a run; None if it is gone, or if its id is no name of a folder."""
    runs = sources.project.state.path / "runs"
    try:
        path = files.resolve_inside(runs, run_file.path_of(sources.project.state.path, run_id).absolute())
        if path.parent.parent != runs.resolve():
            return None
        files.require_regular(path)
    except (ValueError, OSError):
        return None
    return path


def texts_of(sources: ViewSources, run_id: str, suite: str, case_ids: Collection[str]) -> dict[str, CaseText]:
    """Return the texts of cases from the run file, by id; empty if it is gone or too large."""
    path = run_folder_file(sources, run_id)
    if path is None or not case_ids or path.stat().st_size > _LARGEST:
        return {}
    policy = TextPolicy.by(sources.project.settings.report)
    return {row["id"]: _of_row(row, policy) for row in _rows(path, suite, frozenset(case_ids))}


def _rows(path: Path, suite: str, case_ids: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of cases. Lines without one of the ids are not parsed: that is 30 times faster."""
    needles = {jsonl.canonical(case_id).encode() for case_id in case_ids}
    left = set(case_ids)
    try:
        with path.open("rb") as file:
            next(file, None)  # the head
            for line in file:
                if not any(needle in line for needle in needles):
                    continue
                row = jsonl.loads(line)
                if row.get("suite") == suite and row.get("id") in left:
                    left.discard(row["id"])
                    yield row
                    if not left:
                        return
    except (OSError, ValueError, UserError):
        return  # a page shows what it can; `report` says what is wrong with the file


def _of_row(row: Mapping[str, Any], policy: TextPolicy) -> CaseText:
    question = row.get("question") or {}
    trials = tuple(_trial(number, trial, policy) for number, trial in enumerate(row.get("trials", ()), 1))
    return CaseText(
        policy.of("input", question.get("input")) or None,
        policy.of("expected", question.get("expected")) or None,
        trials,
    )


def _trial(number: int, trial: Mapping[str, Any], policy: TextPolicy) -> TrialText:
    output = trial.get("output") or {}
    costs = [call["cost_usd"] for call in trial.get("calls", ()) if call.get("cost_usd") is not None]
    scores = tuple(
        ScoreText(score["name"], score["value"], score["passed"], policy.reason(score.get("reason", "")))
        for score in trial.get("scores", ())
    )
    return TrialText(
        number,
        trial["value"],
        policy.of("output", output.get("value")) if output else None,
        policy.reason(trial.get("reason", "")),
        trial.get("latency_s"),
        sum(costs) if costs else None,
        scores,
        output.get("value"),
    )


def stored_texts(sources: ViewSources, run_id: str, suite: str, case_ids: Sequence[str]) -> dict[str, CaseText]:
    """Return what the store knows about cases in one run, by id."""
    texts: dict[str, CaseText] = {}
    for first in range(0, len(case_ids), _AT_ONCE):
        asked = [*case_ids[first : first + _AT_ONCE], *[None] * _AT_ONCE][:_AT_ONCE]
        key = {"run_id": run_id, "suite": suite, **{f"case_{at}": name for at, name in enumerate(asked, 1)}}
        trials = sources.database.query("cases_of_run", **key, project=sources.name)
        scores: dict[int, list[Row]] = defaultdict(list)
        for row in sources.database.query("scores_of_cases", **key) if trials else ():
            scores[row["place"]].append(row)
        for place, of_case in groupby(trials, itemgetter("place")):
            rows = list(of_case)
            texts.setdefault(rows[0]["case_id"], stored_text(rows, scores[place]))
    return texts


def stored_text(rows: Sequence[Row], scores: Sequence[Row]) -> CaseText:
    """Return a case in one run from its trials in the store, at least one, and from its scores."""
    trials = tuple(
        TrialText(
            row["trial"],
            row["passed"],
            row["output"],
            row["error"] or "",
            row["latency_s"],
            row["cost_usd"],
            tuple(
                ScoreText(
                    score["scorer"],
                    score["value"],
                    None if score["passed"] is None else bool(score["passed"]),
                    score["reason"] or "",
                )
                for score in scores
                if score["trial"] == row["trial"]
            ),
        )
        for row in rows
        if row["trial"]
    )
    return CaseText(rows[0]["input"], None, trials)
