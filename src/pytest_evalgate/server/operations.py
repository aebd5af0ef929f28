"""Questions of the HTTP API: one table that routes, reads the parameters, answers, and writes the OpenAPI document."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from pytest_evalgate.app import stored_answers
from pytest_evalgate.app.stored_answers import CaseChoice
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.server import answer_schemas as schemas
from pytest_evalgate.server.parameters import FILTERS, METRIC, SUITE, Parameter, pages
from pytest_evalgate.store import questions
from pytest_evalgate.store.filters import RunFilter, read_filter
from pytest_evalgate.store.questions import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.server.parameters import Values
    from pytest_evalgate.server.view_sources import ViewSources

VERSION: Final = "v1"


@dataclass(frozen=True, slots=True)
class Operation:
    """A question.

    Args:
        name: Its name in a batch, and in the OpenAPI document.
        path: Pattern of its path; names in braces are parameters.
        about: Description.
        parameters: Its parameters.
        answer: Function that answers it, as JSON.
        schema: JSON Schema of the answer.
    """

    name: str
    path: str
    about: str
    parameters: tuple[Parameter, ...]
    answer: Callable[[ViewSources, Values], Any]
    schema: schemas.Schema


def _chosen(sources: ViewSources, given: Values) -> RunFilter:
    """Return the filter of a question, read as on the command line."""
    texts = {name: given.get(name) for name in ("suite", "tier", "branch", "model", "since", "until", "after")}
    found = read_filter(
        sources.name, {**texts, "run_id": given.get("run")}, given.get("label") or (), datetime.now(UTC)
    )
    return replace(found, limit=given.get("limit", 1))


def _table(found: Answer) -> dict[str, Any]:
    return {"rows": list(found.rows), "after": found.after, "notes": list(found.notes)}


def _runs(sources: ViewSources, given: Values) -> Any:
    return _table(questions.runs(sources.database, _chosen(sources, given)))


def _run(sources: ViewSources, given: Values) -> Any:
    run = questions.find_run(sources.database, _chosen(sources, given))
    return questions.run_detail(sources.database, run)


def _suites(sources: ViewSources, given: Values) -> Any:
    after, limit = given["after"] or "", given["limit"]
    found = [row["suite"] for row in sources.database.query("suite_names", project=sources.name)]
    names = [name for name in found if name > after]
    key = {"project": sources.name}
    rows = tuple(
        {
            "suite": name,
            "metrics": [row["metric"] for row in sources.database.query("metric_names", **key, suite=name)],
        }
        for name in names[:limit]
    )
    return _table(Answer(rows, names[limit - 1] if len(names) > limit else None))


def _point(sources: ViewSources, given: Values) -> Any:
    chosen = _chosen(sources, given)
    return _table(questions.point(sources.database, given["suite"], given["metric"], chosen))


def _series(sources: ViewSources, given: Values) -> Any:
    chosen, by_day = _chosen(sources, given), given["by"] == "day"
    return _table(questions.series(sources.database, given["suite"], given["metric"], chosen, by_day=by_day))


def _slices(sources: ViewSources, given: Values) -> Any:
    chosen = _chosen(sources, given)
    return _table(stored_answers.slices(sources.database, given["suite"], given["by"], chosen))


def _cases(sources: ViewSources, given: Values) -> Any:
    choice = cast("CaseChoice", given["which"])
    return _table(stored_answers.cases(sources.database, given["suite"], choice, _chosen(sources, given)))


def _case(sources: ViewSources, given: Values) -> Any:
    chosen = _chosen(sources, given)
    return _table(questions.case_history(sources.database, given["suite"], given["case"], chosen))


def _trend(sources: ViewSources, given: Values) -> Any:
    from pytest_evalgate.store.movement import movement  # noqa: PLC0415 - scipy

    chosen = _chosen(sources, given)
    return dataclasses.asdict(movement(sources.database, given["suite"], given["metric"], chosen))


def _compare(sources: ViewSources, given: Values) -> Any:
    from pytest_evalgate.app.comparing import CompareOptions, compare  # noqa: PLC0415 - scipy
    from pytest_evalgate.app.stored_sides import stored_side  # noqa: PLC0415 - the same

    chosen = _chosen(sources, given)
    older, newer = (stored_side(sources.database, given[side], chosen) for side in ("a", "b"))
    found = compare(sources.project, older, newer, CompareOptions(given["suite"]))
    return found.as_json(regressed_only=False)


_SIDE: Final = "id of a stored run, newest, or previous"
_NO_RUN: Final = tuple(filter_ for filter_ in FILTERS if filter_.name != "run")
_ANY_SUITE: Final = replace(SUITE, place="query", required=False)

OPERATIONS: Final = (
    Operation(
        "runs",
        "/v1/runs",
        "The runs that match, the newest first.",
        (replace(_ANY_SUITE, about="only runs of this suite"), *FILTERS, *pages(50)),
        _runs,
        schemas.answer(schemas.RUN_ROW),
    ),
    Operation(
        "run",
        "/v1/runs/{run}",
        "The accounting of one run: calls, cost, suites, gates and judges.",
        (Parameter("run", "id of a stored run", "path", required=True),),
        _run,
        schemas.RUN,
    ),
    Operation(
        "suites",
        "/v1/suites",
        "The suites of the project with the names of their metrics, by name.",
        pages(50, "the last suite of the page before"),
        _suites,
        schemas.answer(schemas.SUITE_ROW),
    ),
    Operation(
        "point",
        "/v1/suites/{suite}/point",
        "The newest value of a metric, with its interval.",
        (SUITE, METRIC, *FILTERS),
        _point,
        schemas.answer(schemas.POINT_ROW),
    ),
    Operation(
        "series",
        "/v1/suites/{suite}/series",
        "A metric over the runs, the oldest first, with promotions and changes as marks.",
        (
            *(SUITE, METRIC),
            Parameter("by", "one point a run, or the last of each day", choices=("run", "day"), default="run"),
            *(*FILTERS, *pages(50)),
        ),
        _series,
        schemas.answer(schemas.SERIES_ROW),
    ),
    Operation(
        "slices",
        "/v1/suites/{suite}/slices",
        "The pass rate of each slice of the newest run that matches; en_US and a.b count for en and a too.",
        (
            SUITE,
            Parameter("by", "one to four slices to combine, such as lang,domain", required=True),
            *FILTERS,
        ),
        _slices,
        schemas.answer(schemas.SLICE_ROW),
    ),
    Operation(
        "cases",
        "/v1/suites/{suite}/cases",
        "Cases with their scores: of the newest run that matches, or the flaky ones of the last 20 runs.",
        (
            SUITE,
            Parameter("which", "the cases", choices=get_args(CaseChoice), default="worst"),
            *(*FILTERS, *pages(100, "the number that the page before has in `after`")),
        ),
        _cases,
        {"anyOf": [schemas.answer(schemas.CASE_ROW), schemas.answer(schemas.FLAKY_ROW)]},
    ),
    Operation(
        "case",
        "/v1/suites/{suite}/cases/{case}",
        "One case over the runs, the newest first.",
        (SUITE, Parameter("case", "id of a case", "path", required=True), *FILTERS, *pages(100)),
        _case,
        schemas.answer(schemas.HISTORY_ROW),
    ),
    Operation(
        "trend",
        "/v1/suites/{suite}/trend",
        "Whether a metric moved, since which run, and what changed in that run.",
        (
            *(SUITE, METRIC, *_NO_RUN),
            Parameter("limit", "newest runs that count", kind="integer", most=240, default=60),
        ),
        _trend,
        schemas.TREND,
    ),
    Operation(
        "compare",
        "/v1/compare",
        "Two stored runs by the test of the gates.",
        (
            Parameter("a", f"the older run: {_SIDE}", required=True),
            Parameter("b", f"the newer run: {_SIDE}", required=True),
            replace(_ANY_SUITE, about="only this suite"),
            *_NO_RUN,
        ),
        _compare,
        schemas.COMPARISON,
    ),
)


@cache
def by_name() -> Mapping[str, Operation]:
    """Return the questions by name."""
    return {operation.name: operation for operation in OPERATIONS}
