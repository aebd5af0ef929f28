"""JSON Schemas of the answers over HTTP: the columns of the rows, and the records of comparisons and trends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.records.cases import Json

Schema = dict[str, "Json"]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
TIME: Final[Schema] = {"type": "string", "description": "UTC, ISO 8601"}
FLAG: Final[Schema] = {"type": "integer", "enum": [0, 1]}


def maybe(schema: Mapping[str, Json]) -> Schema:
    """Return the schema of a value that can be null."""
    return {**schema, "type": [schema["type"], "null"]}


def listed(schema: Mapping[str, Json]) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": dict(schema)}


def record(about: str, /, **columns: Json) -> Schema:
    """Return the schema of an object that has exactly these fields."""
    return {
        "type": "object",
        "description": about,
        "properties": columns,
        "required": list(columns),
        "additionalProperties": False,
    }


def answer(row: Mapping[str, Json]) -> Schema:
    """Return the schema of a page of rows."""
    return record(
        "A page of rows. `after` is the parameter `after` of the next page, null on the last one.",
        rows=listed(row),
        after=maybe(TEXT),
        notes=listed(TEXT),
    )


_COST: Final[dict[str, Json]] = {"duration_s": NUMBER, "cost_usd": NUMBER, "tokens_in": COUNT, "tokens_out": COUNT}
_BOUNDS: Final[dict[str, Json]] = {"lower_bound": maybe(NUMBER), "upper_bound": maybe(NUMBER)}

RUN_ROW: Final = record(
    "A run.",
    run_id=TEXT,
    created=TIME,
    verdict=maybe(TEXT),
    tier=TEXT,
    branch=maybe(TEXT),
    commit_id=maybe(TEXT),
    **_COST,
    source={"type": "string", "enum": ["run", "history"]},
    labels=listed(TEXT),
)
SUITE_ROW: Final = record("A suite, with the names of its metrics.", suite=TEXT, metrics=listed(TEXT))
POINT_ROW: Final = record(
    "The value of a metric in one run, with its 95 % interval.",
    created=TIME,
    run_id=TEXT,
    value=NUMBER,
    **_BOUNDS,
    n=COUNT,
    verdict=TEXT,
    commit_id=maybe(TEXT),
    branch=maybe(TEXT),
    tier=TEXT,
    marks={**listed(TEXT), "description": "promotions, and what changed since the point before"},
)
SERIES_ROW: Final[Schema] = {
    **POINT_ROW,
    "properties": {**POINT_ROW["properties"], "runs": {**COUNT, "description": "runs of the day, with by=day"}},
}
SLICE_ROW: Final[Schema] = {
    "type": "object",
    "description": "A cell of the cube: a text for each slice of `by`, and its figures.",
    "properties": {
        "n": COUNT,
        "passed": COUNT,
        "value": NUMBER,
        "lower_bound": NUMBER,
        "upper_bound": NUMBER,
        "delta": maybe(NUMBER),
        "p": maybe(NUMBER),
    },
    "required": ["n", "passed", "value", "lower_bound", "upper_bound", "delta", "p"],
    "additionalProperties": TEXT,
}
_SCORE: Final = record(
    "A score of one trial.",
    trial=COUNT,
    scorer=TEXT,
    value=maybe(NUMBER),
    reason=maybe(TEXT),
    passed={"type": ["boolean", "null"]},
)
CASE_ROW: Final = record(
    "A case of one run. Input, output and reasons are stored only with store_texts = true.",
    case_id=TEXT,
    outcome=TEXT,
    trials=COUNT,
    passed={**maybe(NUMBER), "description": "share of the trials that passed"},
    latency_s=maybe(NUMBER),
    cost_usd=maybe(NUMBER),
    attempts=COUNT,
    error=maybe(TEXT),
    file=TEXT,
    line=COUNT,
    input=maybe(TEXT),
    output=maybe(TEXT),
    scores=listed(_SCORE),
)
FLAKY_ROW: Final = record(
    "A case that both passed and missed in the last runs.", case_id=TEXT, trials=COUNT, passes=NUMBER, runs=COUNT
)
HISTORY_ROW: Final = record(
    "A case in one run.",
    run_id=TEXT,
    created=TIME,
    commit_id=maybe(TEXT),
    outcome=TEXT,
    fingerprint=TEXT,
    trials=COUNT,
    passed=maybe(NUMBER),
    latency_s=maybe(NUMBER),
    error=maybe(TEXT),
)
_OUTCOMES: Final = ("cases", "trials", "planned", "passed", "missed", "errored", "skipped", "not_run", "unscored")
_RUN_SUITE: Final = record(
    "A suite of a run.",
    run_id=TEXT,
    suite=TEXT,
    verdict=TEXT,
    mode=TEXT,
    **dict.fromkeys(_OUTCOMES, COUNT),
    pass_rate=maybe(NUMBER),
    golden={**TEXT, "description": "the files of the golden set, as JSON"},
    golden_sha256=TEXT,
    scorers_sha256=TEXT,
    drawn_from=maybe(COUNT),
    stopped=maybe(TEXT),
    model=maybe(TEXT),
    target=maybe(TEXT),
    baseline_run_id=maybe(TEXT),
    discordance=maybe(NUMBER),
    delta=maybe(NUMBER),
    delta_p=maybe(NUMBER),
    finding=maybe(TEXT),
    plan_sha256=maybe(TEXT),
    owner=maybe(TEXT),
    description=maybe(TEXT),
)
_RUN_GATE: Final = record(
    "A gate of a suite.",
    suite=TEXT,
    place=COUNT,
    kind=TEXT,
    gate_of=TEXT,
    result=TEXT,
    value=maybe(NUMBER),
    bound=maybe(NUMBER),
    required=maybe(NUMBER),
    p=maybe(NUMBER),
    message=TEXT,
)
_RUN_JUDGE: Final = record(
    "A judge of a suite.",
    suite=TEXT,
    judge=TEXT,
    fingerprint=TEXT,
    calibrated=FLAG,
    scored=COUNT,
    unreadable=COUNT,
    pass_rate=maybe(NUMBER),
    tpr=maybe(NUMBER),
    tnr=maybe(NUMBER),
    labelled=COUNT,
)
RUN: Final = record(
    "The accounting of one run.",
    run_id=TEXT,
    project=TEXT,
    created=TIME,
    commit_id=maybe(TEXT),
    branch=maybe(TEXT),
    tier=TEXT,
    verdict=maybe(TEXT),
    exit_code=maybe({"type": "integer"}),
    config_sha256=maybe(TEXT),
    **_COST,
    unknown_price=COUNT,
    calls_sent=COUNT,
    calls_cached=COUNT,
    calls_retried=COUNT,
    facts={"type": "object", "description": "command, targets, judges, versions"},
    problems=listed(TEXT),
    source=TEXT,
    labels=listed(TEXT),
    suites=listed(_RUN_SUITE),
    gates=listed(_RUN_GATE),
    judges=listed(_RUN_JUDGE),
)
ERROR: Final = record(
    "A question that cannot be answered.",
    error=record(
        "The reason, and the parameter that is wrong; null if none is.",
        status={"type": "integer"},
        reason=TEXT,
        parameter=maybe(TEXT),
    ),
)


COMPARISON: Final = record(
    "The test of the gates between two runs, suite by suite.",
    suites=listed({"$ref": "#/components/schemas/SuiteComparison"}),
    only_older=listed(TEXT),
    only_newer=listed(TEXT),
    notes=listed(TEXT),
    verdict={"type": "null"},
)
TREND: Final[Schema] = {"$ref": "#/components/schemas/Movement"}


def records() -> dict[str, Schema]:
    """Return the schemas of the dataclasses in comparisons and trends, by name. Importing them takes 0.8 s."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - 70 ms

    from pytest_evalgate.app.comparing import SuiteComparison  # noqa: PLC0415 - scipy
    from pytest_evalgate.store.movement import Movement  # noqa: PLC0415 - the same

    wanted: list[Any] = [(each, "serialization", TypeAdapter(each)) for each in (SuiteComparison, Movement)]
    _, found = TypeAdapter.json_schemas(wanted, ref_template="#/components/schemas/{model}")
    return {name: _complete(schema) for name, schema in sorted(found["$defs"].items())}


def _complete(schema: Mapping[str, Any]) -> Schema:
    """Return the schema of a dataclass in our JSON, in which every field is present."""
    fields = {name: _without_defaults(part) for name, part in schema["properties"].items()}
    return record(schema.get("description", "").replace("``", "`"), **fields)


def _without_defaults(schema: Mapping[str, Any]) -> Schema:
    return {name: part for name, part in schema.items() if name not in ("title", "default")}
