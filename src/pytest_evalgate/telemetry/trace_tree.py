"""Spans of a run, from the rows of its run file: run > case > trial > target call, and score > judge call."""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.traces import linked_ids
from pytest_evalgate.telemetry import conventions as names
from pytest_evalgate.telemetry.span import SpanEvent, SpanForm, TraceSpan

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.traces import RunTrace, TrialSpans
    from pytest_evalgate.records.verdicts import Verdict
    from pytest_evalgate.runs.run_file import RunInfo
    from pytest_evalgate.telemetry.asked import Asked, AskedModels
    from pytest_evalgate.telemetry.span import AttributeValue

    Row = Mapping[str, Json]

_RAN: Final = frozenset({"passed", "missed", "errored", "unscored"})
_STATUS: Final = {"passed": "pass", "missed": "fail"}
_LABELS: Final = {True: "pass", False: "fail", None: "unknown"}
_FINISH: Final = {"complete": "stop"}
_NO_OUTPUT: Final = "missing_output"
_FAILED: Final = "target_failure"
_RUN: Final = SpanForm("evalgate run")


class _Times(NamedTuple):
    started: float
    ended: float


def _times_of(row: Row) -> _Times | None:
    """Return the times of a trial or a call; None if they were not recorded."""
    timing = row.get("timing")
    if timing is None:
        return None
    started, ended = timing["started"], timing["ended"]
    return _Times(started, max(started, ended))


@dataclass(slots=True)
class _TracedTrial:
    """A trial of a row of the run file. ``graded_at`` is the end of the target's call."""

    row: Row
    trial: Row
    index: int
    times: _Times
    ids: TrialSpans

    @property
    def outcome(self) -> str:
        value = self.trial["value"]
        if value is None:
            return "unscored" if self.trial.get("output") and self.trial.get("scores") else "errored"
        return "passed" if value else "missed"

    @property
    def graded_at(self) -> float:
        return max(self.times.started, self.times.ended - (self.trial.get("score_s") or 0.0))


@dataclass(frozen=True, slots=True)
class TraceTree:
    """Builder of the spans of one run.

    Args:
        trace: Ids of the trace.
        asked: The models of targets, judges and scorers.
        text: Returns the text of an input, an expected output, an output or a reason; None to leave texts out.
    """

    trace: RunTrace
    asked: AskedModels
    text: Callable[[str, Json], str] | None = None
    _forms: dict[Hashable, SpanForm] = field(default_factory=dict)

    def run_span(self, run: Run, info: RunInfo, verdict: Verdict, ended: float) -> TraceSpan:
        """Return the span of the whole run, with an event for each suite and each gate."""
        attributes: dict[str, AttributeValue] = {
            names.RUN_ID: run.id,
            names.TIER: info.tier,
            names.VERDICT: verdict.verdict,
            names.EXIT_CODE: verdict.exit_code,
            names.COST_USD: verdict.calls.cost_usd,
        }
        if info.shard is not None:
            attributes[names.SHARD] = str(info.shard)
        if run.commit is not None:
            attributes[names.REVISION] = run.commit
        if info.branch is not None:
            attributes[names.BRANCH] = info.branch
        attributes |= {f"{names.LABEL}.{name}": value for name, value in info.labels.items()}
        return TraceSpan(
            _RUN,
            self.trace.span_id,
            self.trace.parent_id,
            self.trace.started,
            max(ended, self.trace.started),
            attributes,
            error="the run is invalid" if verdict.verdict == "invalid" else None,
            events=tuple(_suite_events(verdict)),
            links=[ids for context in info.traces if (ids := linked_ids(context)) and ids[1] != self.trace.span_id],
        )

    def case_spans(self, row: Row) -> list[TraceSpan]:
        """Return the spans of a case, from its row of the run file; none if it did not run."""
        outcome = row["outcome"]
        if outcome not in _RAN:
            return []
        label = f"{row['suite']}::{row['id']}"
        span_id = self.trace.case_span(label)
        trials = row.get("trials", ())
        # a trial without times, such as one whose process crashed, is placed at the begin of the run
        unknown = _Times(self.trace.started, self.trace.started)
        times = [_times_of(trial) or unknown for trial in trials] or [unknown]
        attributes: dict[str, AttributeValue] = {
            names.CASE_NAME: row["id"],
            names.PLACE: f"{row['file']}:{row['line']}",
        }
        if tags := row.get("tags"):
            attributes[names.TAGS] = tags
        if self.text is not None:
            question = row.get("question") or {}
            for name, key in ((names.INPUT, "input"), (names.EXPECTED, "expected")):
                if question.get(key) is not None:
                    attributes[name] = self.text(key, question[key])
        spans = [
            TraceSpan(
                self._case_form(row["suite"], outcome),
                span_id,
                self.trace.span_id,
                min(times).started,
                max([one.ended for one in times]),
                attributes,
                f"case {row['id']}",
                self._message(row) if outcome == "errored" else None,
            )
        ]
        for index, trial in enumerate(trials):
            traced = _TracedTrial(row, trial, index, times[index], self.trace.trial_spans(label, index))
            self._add_trial(spans, traced, span_id)
        return spans

    def _case_form(self, suite: str, outcome: str) -> SpanForm:
        key = ("case", suite, outcome)
        if (found := self._forms.get(key)) is not None:
            return found
        attributes: dict[str, AttributeValue] = {names.SUITE_NAME: suite, names.OUTCOME: outcome}
        if outcome in _STATUS:
            attributes[names.CASE_STATUS] = _STATUS[outcome]
        if outcome == "errored":
            attributes[names.ERROR_TYPE] = _NO_OUTPUT
        return self._forms.setdefault(key, SpanForm("case", attributes))

    def _trial_form(self, index: int, outcome: str) -> SpanForm:
        key = ("trial", index, outcome)
        if (found := self._forms.get(key)) is not None:
            return found
        attributes: dict[str, AttributeValue] = {names.TRIAL: index, names.OUTCOME: outcome}
        if outcome == "errored":
            attributes[names.ERROR_TYPE] = _NO_OUTPUT
        return self._forms.setdefault(key, SpanForm(f"trial {index + 1}", attributes))

    def _add_trial(self, spans: list[TraceSpan], traced: _TracedTrial, parent_id: str) -> None:
        trial, outcome, ids = traced.trial, traced.outcome, traced.ids
        is_errored = outcome == "errored"

        has_reason = self.text is not None and outcome != "passed" and bool(trial.get("reason"))
        spans.append(
            TraceSpan(
                self._trial_form(traced.index, outcome),
                ids.trial,
                parent_id,
                traced.times.started,
                traced.times.ended,
                {names.REASON: self._message(trial)} if has_reason else {},
                error=self._message(trial) if is_errored else None,
            )
        )
        calls = trial.get("calls", ())
        target = next((call for call in calls if call["purpose"] == "target"), None)
        # the target was not called if the output was recorded, or returned by a test
        if target is not None or trial.get("output") is None:
            spans.append(self._target_span(traced, target))
        self._add_scores(spans, traced, [call for call in calls if call["purpose"] != "target"])

    def _target_span(self, traced: _TracedTrial, call: Row | None) -> TraceSpan:
        trial, ids = traced.trial, traced.ids
        output = trial.get("output")
        asked = self.asked.of_target(traced.row["suite"])
        attributes: dict[str, AttributeValue] = {}
        times = _Times(traced.times.started, traced.graded_at)
        finish = None
        if output is None:
            attributes[names.ERROR_TYPE] = _NO_OUTPUT if trial["value"] is None else _FAILED
        else:
            finish = output.get("finish", "complete")
            if self.text is not None:
                attributes |= self._messages(traced.row, output["value"], finish)
        if call is None:
            form = self._call_form(asked, "target", "", finish)
        else:
            form = self._call_form(asked, "target", call.get("served") or call.get("model", ""), finish)
            _add_call(attributes, call, is_model=asked.is_model)
            times = _times_of(call) or times
        error = self._message(trial) if output is None else None
        return TraceSpan(form, ids.target, ids.trial, times.started, times.ended, attributes, error=error)

    def _call_form(self, asked: Asked, purpose: str, replied: str, finish: str | None) -> SpanForm:
        """Return the form of the calls of a model or an application that ``replied``."""
        key = (id(asked), purpose, replied, finish)
        if (found := self._forms.get(key)) is not None:
            return found
        attributes: dict[str, AttributeValue] = {**asked.attributes, names.PURPOSE: purpose}
        if replied:
            attributes[names.RESPONSE_MODEL if asked.is_model else names.TARGET] = replied
        if finish is not None and asked.is_model:
            attributes[names.FINISH_REASONS] = [_FINISH.get(finish, finish)]
        return self._forms.setdefault(key, SpanForm(asked.span_name, attributes, asked.kind))

    def _add_scores(self, spans: list[TraceSpan], traced: _TracedTrial, calls: list[Row]) -> None:
        """Add a span for each score, with the calls of its judge below it; other calls are below the trial.

        A rule lasts from the end of the target's call to the first call of a judge: its own times are not known.
        """
        ids, graded_at = traced.ids, traced.graded_at
        asked = [_times_of(call) for call in calls]
        rules_end = traced.times.ended
        if calls:
            rules_end = min([times.started for times in asked if times is not None], default=rules_end)
        rules = _Times(graded_at, max(graded_at, rules_end))
        whole = _Times(graded_at, traced.times.ended)
        parents = [ids.trial] * len(calls)
        for place, score in enumerate(traced.trial.get("scores", ())):
            span_id, times = ids.other(place), rules
            own = [number for number, call in enumerate(calls) if _is_of(call["purpose"], score["name"])]
            if own:
                found = [asked[number] or whole for number in own]
                times = _Times(min(found).started, max([one.ended for one in found]))
                for number in own:
                    parents[number] = span_id
            explained = {}
            if self.text is not None and (why := " - ".join(filter(None, map(score.get, ("reason", "rationale"))))):
                explained[names.EXPLANATION] = self.text("reason", why)
            spans.append(TraceSpan(self._score_form(score), span_id, ids.trial, times.started, times.ended, explained))
        for number, call in enumerate(calls):
            own_id = (call.get("timing") or {}).get("span") or ids.other(-1 - number)
            spans.append(self._scorer_call(call, own_id, parents[number], asked[number] or whole))

    def _score_form(self, score: Row) -> SpanForm:
        value, passed, counts = score["value"], score["passed"], score.get("counts", True)
        key = ("score", score["name"], value, passed, counts)
        if (found := self._forms.get(key)) is not None:
            return found
        attributes: dict[str, AttributeValue] = {
            names.EVALUATION: score["name"],
            names.SCORE_LABEL: _LABELS[passed],
            names.COUNTS: counts,
        }
        if value is not None:
            attributes[names.SCORE_VALUE] = float(value)
        return self._forms.setdefault(key, SpanForm(f"score {score['name']}", attributes))

    def _scorer_call(self, call: Row, span_id: str, parent_id: str, times: _Times) -> TraceSpan:
        asked = self.asked.of_call(call["purpose"], call.get("model", ""))
        attributes: dict[str, AttributeValue] = {}
        _add_call(attributes, call, is_model=True)
        has_failed = call.get("latency_s") is None
        if has_failed:
            attributes[names.ERROR_TYPE] = _NO_OUTPUT
        replied = "" if has_failed else call.get("served") or call.get("model", "")
        form = self._call_form(asked, call["purpose"], replied, None)
        error = "no reply" if has_failed else None
        return TraceSpan(form, span_id, parent_id, times.started, times.ended, attributes, error=error)

    def _messages(self, row: Row, output: Json, finish: str) -> dict[str, AttributeValue]:
        """Return the input of the case and the output as messages, in the form of the GenAI conventions."""
        assert self.text is not None  # noqa: S101 - the caller checks it
        question = (row.get("question") or {}).get("input")
        asked = {"role": "user", "parts": [{"type": "text", "content": self.text("input", question)}]}
        replied = {
            "role": "assistant",
            "parts": [{"type": "text", "content": self.text("output", output)}],
            "finish_reason": _FINISH.get(finish, finish),
        }
        return {names.INPUT_MESSAGES: json.dumps([asked]), names.OUTPUT_MESSAGES: json.dumps([replied])}

    def _message(self, row: Row) -> str:
        """Return the reason of a row. It may quote a text, so it is left out as texts are."""
        return "" if self.text is None else self.text("reason", row.get("reason") or "")


def _add_call(attributes: dict[str, AttributeValue], call: Row, *, is_model: bool) -> None:
    """Add what is known about a call. Tokens of a cached reply are left out: they were used by an earlier call."""
    if not call["attempts"]:
        attributes[names.CACHED] = True
        return
    if call["attempts"] > 1:
        attributes[names.ATTEMPTS] = call["attempts"]
    if is_model:
        for key, name in (("tokens_in", names.INPUT_TOKENS), ("tokens_out", names.OUTPUT_TOKENS)):
            if call.get(key) is not None:
                attributes[name] = call[key]
    for key, name in (("cost_usd", names.COST_USD), ("limited", names.LIMITED), ("waited_s", names.WAITED_S)):
        if call.get(key):
            attributes[name] = call[key]


def _is_of(purpose: str, score: str) -> bool:
    """Return whether a call of ``judge:faq`` belongs to a score: ``faq``, or one of its notes, such as ``faq:2``."""
    name = purpose.partition(":")[2]
    return score == name or score.startswith(f"{name}:")


def _suite_events(verdict: Verdict) -> Iterator[SpanEvent]:
    for name, suite in verdict.suites.items():
        attributes: dict[str, AttributeValue] = {names.SUITE_NAME: name, names.VERDICT: suite.verdict}
        if suite.pass_rate is not None:
            attributes[names.PASS_RATE] = suite.pass_rate
        if suite.interval is not None:
            attributes[names.LOWER], attributes[names.UPPER] = suite.interval
        yield SpanEvent("evalgate.suite", attributes)
        for gate in suite.gates:
            found = {names.SUITE_NAME: name, names.GATE: gate.kind, names.GATE_RESULT: gate.result}
            yield SpanEvent("evalgate.gate", found)
