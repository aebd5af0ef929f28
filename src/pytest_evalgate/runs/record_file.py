"""Records to plain JSON values and back: what travels between xdist processes and what is stored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import ConfigDict, Field, ValidationError

from pytest_evalgate.config.tables import Table
from pytest_evalgate.records.calls import CallRecord, Finish
from pytest_evalgate.records.results import (
    CaseResult,
    Outcome,
    Output,
    Place,
    PlannedCase,
    Score,
    Side,
    StopRule,
    SuitePlan,
    Trial,
)
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.records.results import Json


def dumps(value: Json) -> str:
    """Write ``value`` as one line of canonical ASCII JSON that our strict reader takes back.

    NUL and lone surrogates, which a target may return, become U+FFFD.
    """
    text = jsonl.canonical(value)
    if "\\u0000" in text or "\\ud" in text:
        return jsonl.canonical(_cleaned(value))
    return text


def _cleaned(value: Json) -> Json:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    return [_cleaned(item) for item in value] if isinstance(value, list | tuple) else value


def encode_plan(plan: SuitePlan) -> dict[str, Json]:
    """Encode a plan with its cases."""
    return {**encode_plan_head(plan), "cases": [encode_case(case) for case in plan.cases]}


def encode_plan_head(plan: SuitePlan) -> dict[str, Json]:
    """Encode a plan without its cases."""
    return {
        "name": plan.name,
        "golden": list(plan.golden),
        "golden_sha256": plan.golden_sha256,
        "scorers_sha256": plan.scorers_sha256,
        "trials": plan.trials,
        **({} if plan.drawn_from is None else {"drawn_from": plan.drawn_from}),
    }


def decode_plan(value: Mapping[str, Json], cases: Iterable[PlannedCase] | None = None) -> SuitePlan:
    """Decode a plan; ``cases`` stand in for the plan's own where these are stored elsewhere."""
    return SuitePlan(
        name=value["name"],
        golden=tuple(value["golden"]),
        golden_sha256=value["golden_sha256"],
        scorers_sha256=value["scorers_sha256"],
        trials=value["trials"],
        cases=tuple(map(decode_case, value["cases"]) if cases is None else cases),
        drawn_from=value.get("drawn_from"),
    )


def encode_case(case: PlannedCase) -> dict[str, Json]:
    """Encode a planned case; what is empty is left out."""
    return {
        "id": case.id,
        "file": case.place.file,
        "line": case.place.line,
        "fingerprint": case.fingerprint,
        **_present(
            tags=list(case.tags),
            slices=[list(pair) for pair in case.slices],
            skip=case.skip,
            cluster=case.cluster,
            side=None if case.side == "both" else case.side,
        ),
    }


def decode_case(value: Mapping[str, Json]) -> PlannedCase:
    """Decode a planned case."""
    return PlannedCase(
        id=value["id"],
        place=Place(value["file"], value["line"]),
        fingerprint=value["fingerprint"],
        tags=tuple(value.get("tags", ())),
        slices=tuple((by, name) for by, name in value.get("slices", ())),
        skip=value.get("skip"),
        cluster=value.get("cluster"),
        side=value.get("side", "both"),
    )


def encode_result(result: CaseResult) -> dict[str, Json]:
    """Encode what a run adds to a planned case."""
    return {
        "outcome": result.outcome,
        **_present(
            reason=result.reason,
            question=dict(result.question),
            trials=[_encode_trial(trial) for trial in result.trials],
        ),
    }


def decode_result(value: Mapping[str, Json], case: PlannedCase, *, texts: bool = True) -> CaseResult:
    """Decode the result of ``case``; without ``texts`` it comes as the gates need it.

    That is without what was asked, what outputs say and the reasons of single scores; a miss keeps its reason, an
    output its latency and its ending.

    Raises:
        ValueError: there is no such outcome.

    """
    trials = tuple(_decode_trial(index, trial, texts) for index, trial in enumerate(value.get("trials", ())))
    if value["outcome"] not in get_args(Outcome):
        raise ValueError(f"case {case.id}: {value['outcome']!r} is not an outcome")
    question = value.get("question", {}) if texts else {}
    return CaseResult(case, value["outcome"], trials, value.get("reason", ""), question)


def _encode_trial(trial: Trial) -> dict[str, Json]:
    output = trial.output
    return {
        "value": trial.value,
        **_present(
            reason=trial.reason,
            output=None if output is None else _encode_output(output, trial.calls),
            latency_s=None if output is None else output.latency_s,
            scores=[_encode_score(score) for score in trial.scores],
            calls=[_encode_call(call) for call in trial.calls],
        ),
    }


def _decode_trial(index: int, value: Mapping[str, Json], texts: bool) -> Trial:  # noqa: FBT001 - private
    calls = tuple(map(_decode_call, value.get("calls", ())))
    output = _decode_output(value, calls, texts) if "output" in value else None
    scores = tuple(_decode_score(score, texts) for score in value.get("scores", ()))
    return Trial(index, value["value"], output, scores, value.get("reason", ""), calls)


def _encode_output(output: Output, calls: tuple[CallRecord, ...]) -> dict[str, Json]:
    """Encode an output; the call that brought it is the number of one of the trial's calls."""
    finish = None if output.finish == "complete" else output.finish
    call = None if output.call is None else calls.index(output.call)
    return {"value": output.value, **_present(metadata=dict(output.metadata), finish=finish, call=call)}


def _decode_output(value: Mapping[str, Json], calls: tuple[CallRecord, ...], texts: bool) -> Output:  # noqa: FBT001 - private
    stored = value["output"]
    latency_s, finish = value.get("latency_s"), stored.get("finish", "complete")
    if finish not in get_args(Finish):
        raise ValueError(f"{finish!r} is not a way to finish")
    if not texts:
        return Output(None, latency_s=latency_s, finish=finish)
    call = dict(enumerate(calls))[stored["call"]] if "call" in stored else None
    return Output(stored["value"], stored.get("metadata", {}), latency_s, finish, call)


def _encode_call(call: CallRecord) -> dict[str, Json]:
    return {
        "purpose": call.purpose,
        "attempts": call.attempts,
        **_present(
            model=call.model,
            tokens_in=call.tokens_in,
            tokens_out=call.tokens_out,
            cost_usd=call.cost_usd,
            latency_s=call.latency_s,
        ),
    }


def _decode_call(value: Mapping[str, Json]) -> CallRecord:
    return CallRecord(
        sys.intern(value["purpose"]),  # the same few in every case, as the models
        sys.intern(value.get("model", "")),
        value["attempts"],
        value.get("tokens_in"),
        value.get("tokens_out"),
        value.get("cost_usd"),
        value.get("latency_s"),
    )


def _encode_score(score: Score) -> dict[str, Json]:
    named = {"name": score.name, "value": score.value, "passed": score.passed}
    return {**named, **_present(reason=score.reason, weight=score.weight, counts=None if score.counts else False)}


def _decode_score(value: Mapping[str, Json], texts: bool) -> Score:  # noqa: FBT001 - private
    name = sys.intern(value["name"])  # the same few in every case
    reason = value.get("reason", "") if texts else ""
    return Score(name, value["value"], value["passed"], reason, value.get("weight"), value.get("counts", True))


def _present(**values: Any) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
BinaryValue = Annotated[float, Field(ge=0, le=1, multiple_of=1)]
Timestamp = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]


class _Stored(Table):
    model_config = ConfigDict(strict=True)


class StoredCall(_Stored):
    """A call of a trial."""

    purpose: str
    attempts: Count
    model: str = ""
    tokens_in: Count | None = None
    tokens_out: Count | None = None
    cost_usd: Amount | None = None
    latency_s: Amount | None = None


class StoredScore(_Stored):
    """A score of a trial."""

    name: str
    value: Share | None
    passed: bool | None
    reason: str = ""
    weight: Amount | None = None
    counts: bool = True


class StoredOutput(_Stored):
    """The output of a trial; ``call`` is the number of one of its calls."""

    value: Any
    metadata: dict[str, Any] = Field(default_factory=dict)
    finish: Finish = "complete"
    call: Count | None = None


class StoredQuestion(_Stored):
    """What a case asked, and what was wanted."""

    input: Any = None
    expected: Any = None


class StoredTrial(_Stored):
    """A trial of a case."""

    value: BinaryValue | None
    reason: str = ""
    output: StoredOutput | None = None
    latency_s: Amount | None = None
    scores: list[StoredScore] = Field(default_factory=list)
    calls: list[StoredCall] = Field(default_factory=list)


class StoredCase(_Stored):
    """A line of a run file: a planned case and its result."""

    suite: str
    id: str
    file: str
    line: Count
    fingerprint: str
    outcome: Outcome
    tags: list[str] = Field(default_factory=list)
    slices: list[Pair] = Field(default_factory=list)
    skip: str | None = None
    cluster: str | None = None
    side: Side = "both"
    reason: str = ""
    question: StoredQuestion | None = None
    trials: list[StoredTrial] = Field(default_factory=list)


class StoredSuite(_Stored):
    """A suite in the head of a run file."""

    name: str
    golden: list[str]
    golden_sha256: str
    scorers_sha256: str
    trials: Positive
    planned: Count
    drawn_from: Positive | None = None
    stopped: StopRule | None = None


class StoredShard(_Stored):
    """Which part of a run it is."""

    index: Positive
    count: Positive


class StoredHead(_Stored):
    """The first line of a run file."""

    kind: str
    id: str
    created: Timestamp
    commit: str | None
    duration_s: Amount
    suites: list[StoredSuite]
    problems: list[str]
    schema_: int = Field(alias="schema")
    refused: str | None = None
    config_sha256: str | None = None
    target: str | None = None
    shard: StoredShard | None = None
    tier: str = "default"
    facts: dict[str, str] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)


def check(table: type[StoredHead | StoredCase], value: dict[str, Any]) -> None:
    """See to it that a line can be used.

    Raises:
        ValueError: it cannot; names the first field that is wrong.

    """
    try:
        table.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{jsonl.escape_text(place)}: {first['msg']}") from None
