"""The whole report as one JSON document, for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from pytest_evalgate.runs import verdict_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.data import Json
    from pytest_evalgate.reports.view import ReportView

SCHEMA: Final = 1
_KIND: Final = "evalgate-report"


def render_json(view: ReportView) -> Iterator[str]:
    """Render the document in pieces: the verdict as ``verdict.json`` has it, the facts, and the cases, one a line.

    Raises:
        ValueError: a score is no number that JSON can hold.

    """
    head = {"schema": SCHEMA, "kind": _KIND, "verdict": verdict_file.encode(view.verdict), "facts": dict(view.facts)}
    yield f'{_dumps(head)[:-1]}, "cases": ['
    between = "\n"
    for case in view.cases:
        yield f"{between}{_dumps(asdict(case))}"
        between = ",\n"
    yield "\n]}\n"


def _dumps(value: Json) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
