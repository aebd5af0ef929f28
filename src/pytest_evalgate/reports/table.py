"""The cases as a table: CSV as RFC 4180 has it, one row a case."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.reports.escape.spreadsheet import cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_evalgate.data import Score
    from pytest_evalgate.reports.cases import CaseView
    from pytest_evalgate.reports.view import ReportView

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
    yield from (cell(case.suite), cell(case.id), cell(case.place.file), str(case.place.line or ""))
    yield from (case.outcome, case.change, _number(case.before), _number(case.value), str(len(trials)))
    yield cell(";".join(case.tags))
    yield cell(";".join(f"{by}={value}" for by, value in case.slices))
    yield cell(_joined(_scores(trial.scores) for trial in trials))
    yield _joined(_number(trial.latency_s) for trial in trials)
    yield _joined(_number(trial.cost_usd) for trial in trials)
    yield from (cell(case.reason), cell(case.input), cell(case.expected))
    yield cell(_joined(trial.output for trial in trials))


def _scores(scores: Iterable[Score]) -> str:
    return ";".join(f"{score.name}={_number(score.value)}" for score in scores)


def _joined(texts: Iterable[str]) -> str:
    return _BETWEEN_TRIALS.join(texts)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
