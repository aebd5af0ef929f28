"""Reports for programs: the cases as CSV, and the whole report as one JSON document, both rendered case by case."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.runs import kept
from pytest_evalgate.text.escape import escape_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.reports.view import CaseView, ReportView

COLUMNS: Final = (
    "suite",
    "id",
    "file",
    "line",
    "outcome",
    "change",
    "before",
    "now",
    "trials",
    "tags",
    "slices",
    "scores",
    "latency_s",
    "cost_usd",
    "reason",
    "input",
    "expected",
    "output",
)

_BETWEEN_TRIALS: Final = " | "


class _Line:
    """A file whose ``write`` returns the text: the csv module returns it to the caller of ``writerow``."""

    @staticmethod
    def write(text: str) -> str:
        return text


def render_csv(view: ReportView) -> Iterator[str]:
    """Render one row for each case; the scores, latencies, costs and outputs of several trials share a cell.

    ::

        suite,id,file,line,outcome,change,before,now,trials,tags,slices,scores,latency_s,cost_usd,reason,...
        support-faq,refund-001,golden/faq.jsonl,1,missed,regressed,1,0.5,2,,,exact=1 | exact=0,0.4 | 0.5, | ,...

    Shares and times are plain numbers; unknown values are empty.
    """
    writer: Any = csv.writer(_Line(), lineterminator="\r\n")  # RFC 4180
    yield writer.writerow(COLUMNS)
    for case in view.cases:
        yield writer.writerow(_row(case))


def _row(case: CaseView) -> Iterator[str]:
    trials, place = case.trials, case.place
    yield from (escape_cell(case.suite), escape_cell(case.id), escape_cell(place.file), str(place.line or ""))
    yield from (case.outcome, case.change, _number(case.before), _number(case.value), str(len(trials)))
    yield escape_cell(";".join(case.tags))
    yield escape_cell(";".join(f"{by}={value}" for by, value in case.slices))
    yield escape_cell(
        _BETWEEN_TRIALS.join(
            ";".join(f"{score.name}={_number(score.value)}" for score in trial.scores) for trial in trials
        )
    )
    yield _BETWEEN_TRIALS.join(_number(trial.latency_s) for trial in trials)
    yield _BETWEEN_TRIALS.join(_number(trial.cost_usd) for trial in trials)
    yield from (escape_cell(case.reason), escape_cell(case.input), escape_cell(case.expected))
    yield escape_cell(_BETWEEN_TRIALS.join(trial.output for trial in trials))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


SCHEMA: Final = 1


def render_json(view: ReportView) -> Iterator[str]:
    """Render the verdict as in ``verdict.json``, the facts, and the cases, one per line.

    ::

        {"schema": 1, "kind": "evalgate-report", "verdict": {...}, "facts": {...}, "cases": [
        {"suite": "support-faq", "id": "refund-001", "place": {"file": "golden/faq.jsonl", "line": 1}, ...
        ]}

    Raises:
        ValueError: A score is NaN or infinite.
    """
    verdict = kept.encode(view.verdict)
    head = {"schema": SCHEMA, "kind": "evalgate-report", "verdict": verdict, "facts": dict(view.facts)}
    yield f'{_dumps(head)[:-1]}, "cases": ['
    between = "\n"
    for case in view.cases:
        yield f"{between}{_dumps(asdict(case))}"
        between = ",\n"
    yield "\n]}\n"


def _dumps(value: Json) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
