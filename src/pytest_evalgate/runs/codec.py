"""Plans, cases and results as JSON: the rows of a run file, and the messages of xdist workers.

Empty and default values are left out. The ``...Row`` models describe the rows that a run file may contain; `check_row`
validates one. Rows that this process wrote are not validated: for 100,000 cases that would take a second.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

from pydantic import ConfigDict, Field, ValidationError

from pytest_evalgate.config.tables import Table
from pytest_evalgate.records.calls import CallRecord, Finish
from pytest_evalgate.records.cases import Place, Side
from pytest_evalgate.records.raised import Raised
from pytest_evalgate.records.results import (
    CaseResult,
    Outcome,
    Output,
    PlannedCase,
    PlanPart,
    Reading,
    Score,
    SuitePlan,
    Trial,
)
from pytest_evalgate.records.traces import Timing
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.detectors import DetectedSpan
from pytest_evalgate.text.problems import first_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.records.cases import Json

Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
_BinaryValue = Annotated[float, Field(ge=0, le=1, multiple_of=1)]
_REASON: Final = 200
_Pair = Annotated[list[str], Field(min_length=2, max_length=2)]


class _Row(Table):
    # sessions that only write runs need no validators: not building them saves 6 ms of start-up
    model_config = ConfigDict(strict=True, defer_build=True)


class TimingRow(_Row):
    """Begin and end, in seconds since 1970, and the id of the span of a call."""

    started: Amount
    ended: Amount
    span: str = ""


class CallRow(_Row):
    """A call of a trial."""

    purpose: str
    attempts: Count
    model: str = ""
    tokens_in: Count | None = None
    tokens_out: Count | None = None
    cost_usd: Amount | None = None
    latency_s: Amount | None = None
    served: str = ""
    limited: Count = 0
    waited_s: Amount = 0.0
    timing: TimingRow | None = None


class SpanRow(_Row):
    """What a rule found in the graded text, in characters; the end is exclusive."""

    kind: str
    start: Count
    end: Count


class ScoreRow(_Row):
    """A score of a trial."""

    name: str
    value: Share | None
    passed: bool | None
    reason: str = ""
    rationale: str = ""
    weight: Amount | None = None
    counts: bool = True
    spans: list[SpanRow] = Field(default_factory=list)


class OutputRow(_Row):
    """The output of a trial. ``call`` is the index of the call that returned it among the calls of the trial."""

    value: Any
    metadata: dict[str, Any] = Field(default_factory=dict)
    finish: Finish = "complete"
    call: Count | None = None
    reasoning: str = ""


class QuestionRow(_Row):
    """The input of a case, and its expected output."""

    input: Any = None
    expected: Any = None


class RaisedRow(_Row):
    """Where the target raised an exception."""

    place: str
    traceback: str = ""


class TrialRow(_Row):
    """A trial of a case. ``latency_s`` is that of its output."""

    value: _BinaryValue | None
    reason: str = ""
    output: OutputRow | None = None
    latency_s: Amount | None = None
    scores: list[ScoreRow] = Field(default_factory=list)
    calls: list[CallRow] = Field(default_factory=list)
    is_final: bool = False
    raised: RaisedRow | None = None
    readings: dict[str, list[str | float | None]] = Field(default_factory=dict)
    score_s: Amount | None = None
    timing: TimingRow | None = None


class CaseRow(_Row):
    """A planned case and its result.

    In the file of a shard, ``at`` is the position of the case in the plan, and ``row`` its id with the digest of its
    golden row, if the shard has not read the other rows.
    """

    at: Count | None = None
    row: _Pair | None = None
    suite: str
    id: str
    file: str
    line: Count
    fingerprint: str
    outcome: Outcome
    tags: list[str] = Field(default_factory=list)
    slices: list[_Pair] = Field(default_factory=list)
    skip: str | None = None
    cluster: str | None = None
    side: Side = "both"
    weight: Annotated[float, Field(gt=0)] = 1.0
    planned_trials: Annotated[int, Field(ge=1)] | None = None
    variant_of: str | None = None
    reason: str = ""
    question: QuestionRow | None = None
    trials: list[TrialRow] = Field(default_factory=list)
    is_final: bool = False


def check_row(value: dict[str, Json]) -> None:
    """Validate a row of a run file.

    Raises:
        ValueError: A field is wrong; the message names the first one.
    """
    try:
        row = CaseRow.model_validate(value)
    except ValidationError as error:
        raise ValueError(first_problem(error, value)) from None
    _check_outcome(row)


def _check_outcome(row: CaseRow) -> None:
    """Raise ValueError if the trials of a row contradict its outcome. Missing outputs are never a pass or a miss."""
    values = [trial.value for trial in row.trials]
    if row.outcome == "skipped" and values:
        raise ValueError("outcome: skipped, but it has trials")
    if row.outcome in ("passed", "missed"):
        majority = 2 * sum(value or 0.0 for value in values) > len(values)
        if not values or None in values or majority != (row.outcome == "passed"):
            raise ValueError(f"outcome: {row.outcome}, but its trials have the values {values}")


def encode_plan(plan: SuitePlan) -> dict[str, Json]:
    """Encode a plan and its cases."""
    return {
        "name": plan.name,
        "golden": list(plan.golden),
        "golden_sha256": plan.golden_sha256,
        "scorers_sha256": plan.scorers_sha256,
        "trials": plan.trials,
        **_present(drawn_from=plan.drawn_from, part=None if plan.part is None else dataclasses.asdict(plan.part)),
        "cases": [encode_case(case) for case in plan.cases],
    }


def decode_plan(value: Mapping[str, Json]) -> SuitePlan:
    """Decode a plan and its cases."""
    return SuitePlan(
        name=value["name"],
        golden=tuple(value["golden"]),
        golden_sha256=value["golden_sha256"],
        scorers_sha256=value["scorers_sha256"],
        trials=value["trials"],
        cases=tuple(map(decode_case, value["cases"])),
        drawn_from=value.get("drawn_from"),
        part=None if value.get("part") is None else _decode_part(value["part"]),
    )


def _decode_part(value: Mapping[str, Json]) -> PlanPart:
    return PlanPart(value["size"], tuple(value["at"]), value["plan_sha256"], tuple(value["rows_sha256"]))


def encode_case(case: PlannedCase) -> dict[str, Json]:
    """Encode a planned case."""
    row: dict[str, Json] = {
        "id": case.id,
        "file": case.place.file,
        "line": case.place.line,
        "fingerprint": case.fingerprint,
    }
    if case.tags:
        row["tags"] = list(case.tags)
    if case.slices:
        row["slices"] = [list(pair) for pair in case.slices]
    rare = (case.skip, case.cluster, case.side, case.weight, case.trials, case.variant_of)
    return row if rare == _USUAL else row | _encode_rare(case)


_USUAL: Final = (None, None, "both", 1.0, None, None)


def _encode_rare(case: PlannedCase) -> dict[str, Json]:
    return _present(
        skip=case.skip,
        cluster=case.cluster,
        side=None if case.side == "both" else case.side,
        weight=None if case.weight == 1 else case.weight,
        planned_trials=case.trials,  # "trials" are those of the result
        variant_of=case.variant_of,
    )


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
        weight=value.get("weight", 1.0),
        trials=value.get("planned_trials"),
        variant_of=value.get("variant_of"),
    )


def encode_result(result: CaseResult) -> dict[str, Json]:
    """Encode a result without its planned case."""
    row: dict[str, Json] = {"outcome": result.outcome}
    if result.reason:
        row["reason"] = result.reason
    if result.question:
        row["question"] = dict(result.question)
    if result.trials:
        row["trials"] = [_encode_trial(trial) for trial in result.trials]
    if result.is_final:
        row["is_final"] = True
    return row


def decode_result(
    value: Mapping[str, Json], case: PlannedCase, *, texts: bool = True, digests: bool = False
) -> CaseResult:
    """Decode the result of ``case``.

    ``texts=False`` leaves out the texts, which take most of the memory and which gates do not need: the question, the
    values and metadata of outputs, tracebacks, and the reasons of single scores, except the beginnings of warnings.
    ``digests`` keeps those of the values.

    Raises:
        ValueError: A value is unknown, or an output names a call that does not exist.
    """
    written = enumerate(value.get("trials", ()))
    trials = tuple(_decode_trial(index, trial, texts=texts, digests=digests) for index, trial in written)
    if value["outcome"] not in get_args(Outcome):
        raise ValueError(f"case {case.id}: {value['outcome']!r} is not an outcome")
    question = (value.get("question") or {}) if texts else {}
    is_final = value.get("is_final", False)
    return CaseResult(case, value["outcome"], trials, value.get("reason", ""), question, is_final)


def _encode_trial(trial: Trial) -> dict[str, Json]:  # noqa: C901 - one branch for each part
    output = trial.output
    row: dict[str, Json] = {"value": trial.value}
    if trial.reason:
        row["reason"] = trial.reason
    if output is not None:
        row["output"] = _encode_output(output, trial.calls)
        if output.latency_s is not None:
            row["latency_s"] = output.latency_s
    if trial.scores:
        row["scores"] = [_encode_score(score) for score in trial.scores]
    if trial.calls:
        row["calls"] = [_encode_call(call) for call in trial.calls]
    if trial.is_final:
        row["is_final"] = True
    if trial.score_s is not None:
        row["score_s"] = trial.score_s
    if trial.timing is not None:
        row["timing"] = _encode_timing(trial.timing)
    if trial.raised is not None:
        row["raised"] = _encode_raised(trial.raised)
    if trial.readings:
        row["readings"] = {one.metric: list(one.values) for one in trial.readings}
    return row


def _encode_raised(raised: Raised) -> dict[str, Json]:
    return {"place": raised.place, **_present(traceback=raised.traceback)}


def _decode_raised(value: Mapping[str, Json] | None, *, texts: bool) -> Raised | None:
    return None if value is None else Raised(value["place"], value.get("traceback", "") if texts else "")


def _decode_trial(index: int, value: Mapping[str, Json], *, texts: bool, digests: bool) -> Trial:
    calls = tuple(_decode_call(call, texts=texts) for call in value.get("calls", ()))
    output = None if value.get("output") is None else _decode_output(value, calls, texts=texts, digests=digests)
    scores = tuple(_decode_score(score, texts=texts) for score in value.get("scores", ()))
    reason, is_final = value.get("reason", ""), value.get("is_final", False)
    raised = _decode_raised(value.get("raised"), texts=texts)
    read = value.get("readings")
    readings = tuple(Reading(sys.intern(name), tuple(values)) for name, values in read.items()) if read else ()
    score_s = value.get("score_s") if texts else None  # without it, equal trials are stored once
    timing = _decode_timing(value) if texts else None  # the same
    return Trial(index, value["value"], output, scores, reason, calls, is_final, raised, readings, score_s, timing)


def _encode_output(output: Output, calls: tuple[CallRecord, ...]) -> dict[str, Json]:
    row: dict[str, Json] = {"value": output.value}
    if output.metadata:
        row["metadata"] = dict(output.metadata)
    if output.finish != "complete":
        row["finish"] = output.finish
    if output.call is not None:
        row["call"] = calls.index(output.call)
    if output.reasoning:
        row["reasoning"] = output.reasoning
    return row


def _decode_output(trial: Mapping[str, Json], calls: tuple[CallRecord, ...], *, texts: bool, digests: bool) -> Output:
    value = trial["output"]
    latency_s, finish = trial.get("latency_s"), value.get("finish", "complete")
    if finish not in get_args(Finish):
        raise ValueError(f"finish: {finish!r} is not one of {', '.join(get_args(Finish))}")
    if not texts:
        kept = jsonl.digest(value["value"]) if digests and value["value"] is not None else ""
        return Output(None, latency_s=latency_s, finish=finish, value_sha256=kept)
    index = value.get("call")
    if index is not None and index >= len(calls):
        raise ValueError(f"an output names call {index} of {len(calls)}")
    call = None if index is None else calls[index]
    return Output(value["value"], value.get("metadata", {}), latency_s, finish, call, value.get("reasoning", ""))


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
            served=call.served,
            limited=call.limited or None,
            waited_s=round(call.waited_s, 3) or None,
            timing=_encode_timing(call.timing),
        ),
    }


def _encode_timing(timing: Timing | None) -> dict[str, Json] | None:
    if timing is None:
        return None
    return {
        "started": round(timing.started, 6),
        "ended": round(timing.ended, 6),
        **({"span": timing.span} if timing.span else {}),
    }


def _decode_timing(value: Mapping[str, Json]) -> Timing | None:
    found = value.get("timing")
    return None if found is None else Timing(found["started"], found["ended"], found.get("span", ""))


def _decode_call(value: Mapping[str, Json], *, texts: bool) -> CallRecord:
    return CallRecord(
        sys.intern(value["purpose"]),  # every case has the same few purposes and models
        sys.intern(value.get("model", "")),
        value["attempts"],
        value.get("tokens_in"),
        value.get("tokens_out"),
        value.get("cost_usd"),
        value.get("latency_s"),
        sys.intern(value.get("served", "")),
        value.get("limited", 0),
        value.get("waited_s", 0.0),
        _decode_timing(value) if texts else None,
    )


def _encode_score(score: Score) -> dict[str, Json]:
    row: dict[str, Json] = {"name": score.name, "value": score.value, "passed": score.passed}
    if score.reason:
        row["reason"] = score.reason
    if score.rationale:
        row["rationale"] = score.rationale
    if score.weight is not None:
        row["weight"] = score.weight
    if not score.counts:
        row["counts"] = False
    if score.spans:
        row["spans"] = [{"kind": one.kind, "start": one.start, "end": one.end} for one in score.spans]
    return row


def _decode_score(value: Mapping[str, Json], *, texts: bool) -> Score:
    name = sys.intern(value["name"])  # every case has the same few scorers
    counts = value.get("counts", True)
    reason, rationale = (value.get(key, "") if texts else "" for key in ("reason", "rationale"))
    if not (texts or counts) and value["passed"] is False:  # reports show why a scorer warns, for its first miss
        reason = value.get("reason", "")[:_REASON]
    spans = tuple(DetectedSpan(sys.intern(one["kind"]), one["start"], one["end"]) for one in value.get("spans", ()))
    return Score(
        name,
        value["value"],
        value["passed"],
        reason,
        value.get("weight"),
        counts,
        spans=spans,
        rationale=rationale,
    )


def _present(**values: Any) -> dict[str, Json]:
    return {
        name: value for name, value in values.items() if value or (value is not None and value not in ("", [], {}))
    }
