"""What people are given to label: a row an output, with a label still to come; never what the judge said of it."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Literal

from pytest_evalgate.judging.label_rows import cell_of
from pytest_evalgate.judging.material import material_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.cli.label.strata import Drawn
    from pytest_evalgate.data import Case, Json, Output

Format = Literal["jsonl", "csv"]
_COLUMNS = ("id", "input", "expected", "context", "output", "label", "cluster", "weight")


def sheet(drawn: Iterable[Drawn], cases: Mapping[str, Case], form: Format) -> str:
    """Write what was drawn; ``cases`` are those of the golden set, by id."""
    rows = [_row(one, cases.get(one.candidate.result.case.golden_id)) for one in drawn]
    return _csv(rows) if form == "csv" else _jsonl(rows)


def _row(drawn: Drawn, case: Case | None) -> dict[str, Json]:
    output, planned = drawn.candidate.trial.output, drawn.candidate.result.case
    asked = (
        {} if case is None else {"input": _asked(case), "expected": _wanted(case), "context": _context(case, output)}
    )
    held = {"id": planned.id, **asked, "output": None if output is None else output.value, "cluster": planned.cluster}
    shown = {name: value for name, value in held.items() if value not in (None, [])}
    return {**shown, "label": None, "weight": round(drawn.weight, 6)}


def _context(case: Case, output: Output | None) -> list[str]:
    """Return the context that a judge would be shown: what the application has retrieved, else the case's."""
    return list(case.context if output is None else material_of(case, output).context)


def _asked(case: Case) -> Json:
    if case.input is not None:
        return case.input
    return [dict(message) for message in case.messages] or dict(case.vars) or None


def _wanted(case: Case) -> Json:
    return case.expected if case.expected is not None else list(case.expected_any) or None


def _jsonl(rows: Iterable[dict[str, Json]]) -> str:
    return "".join(
        f"{json.dumps({name: row[name] for name in _COLUMNS if name in row}, ensure_ascii=False)}\n" for row in rows
    )


def _csv(rows: Iterable[dict[str, Json]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        context = "\n\n".join(row.get("context", ()))
        writer.writerow([cell_of({**row, "context": context}.get(name)) for name in _COLUMNS])
    return text.getvalue()
