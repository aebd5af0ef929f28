"""The whole report as one JSON document, for programs."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.runs import kept
from pytest_evalgate.text.escape import escape_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.records.results import Json, Score
    from pytest_evalgate.reports.view import CaseView, ReportView

SCHEMA: Final = 1
_KIND: Final = "evalgate-report"


def render_json(view: ReportView) -> Iterator[str]:
    """Render the document in pieces: the verdict as ``verdict.json`` has it, the facts, and the cases, one a line.

    Raises:
        ValueError: a score is no number that JSON can hold.

    """
    head = {"schema": SCHEMA, "kind": _KIND, "verdict": kept.encode(view.verdict), "facts": dict(view.facts)}
    yield f'{_dumps(head)[:-1]}, "cases": ['
    between = "\n"
    for case in view.cases:
        yield f"{between}{_dumps(asdict(case))}"
        between = ",\n"
    yield "\n]}\n"


def _dumps(value: Json) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


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
    """A file that hands back what is written to it."""

    @staticmethod
    def write(text: str) -> str:
        return text


def render_csv(view: ReportView) -> Iterator[str]:
    """Render the table line by line; scores, latencies, costs and outputs of several trials stand one behind another.

    Shares and times are plain numbers; what is unknown is empty.
    """
    writer: Any = csv.writer(_Line(), lineterminator="\r\n")  # hands on what the file's write returns
    yield writer.writerow(COLUMNS)
    for case in view.cases:
        yield writer.writerow(_row(case))


def _row(case: CaseView) -> Iterator[str]:
    trials = case.trials
    yield from (
        escape_cell(case.suite),
        escape_cell(case.id),
        escape_cell(case.place.file),
        str(case.place.line or ""),
    )
    yield from (case.outcome, case.change, _number(case.before), _number(case.value), str(len(trials)))
    yield escape_cell(";".join(case.tags))
    yield escape_cell(";".join(f"{by}={value}" for by, value in case.slices))
    yield escape_cell(_joined(_scores(trial.scores) for trial in trials))
    yield _joined(_number(trial.latency_s) for trial in trials)
    yield _joined(_number(trial.cost_usd) for trial in trials)
    yield from (escape_cell(case.reason), escape_cell(case.input), escape_cell(case.expected))
    yield escape_cell(_joined(trial.output for trial in trials))


def _scores(scores: Iterable[Score]) -> str:
    return ";".join(f"{score.name}={_number(score.value)}" for score in scores)


def _joined(texts: Iterable[str]) -> str:
    return _BETWEEN_TRIALS.join(texts)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
