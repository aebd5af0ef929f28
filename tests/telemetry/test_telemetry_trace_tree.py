"""Spans of rows that sessions seldom have: retried calls, votes, notes, unscored and missing trials."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_evalgate.config import Settings
from pytest_evalgate.records.traces import RunTrace
from pytest_evalgate.telemetry.asked import AskedModels
from pytest_evalgate.telemetry.measures import Measures
from pytest_evalgate.telemetry.trace_tree import TraceTree

_TRACE = RunTrace("ab" * 16, "cd" * 8, 1_000.0)
_SETTINGS = Settings.model_validate(
    {
        "models": {
            "m": {"model": "gpt-x", "base_url": "https://api.openai.com/v1", "params": {"temperature": 0, "n": 1}},
            "j": {"model": "judge-x", "base_url": "http://localhost:8000/v1", "api": "responses"},
            "e": {"model": "embed-x", "api": "embeddings"},
        },
        "judges": {"tone": {"model": "j", "criteria": "Is it polite?", "params": {"max_output_tokens": 9}}},
        "suites": {"faq": {"golden": "g.jsonl", "target": {"model": "m", "params": {"top_p": 0.5}}}},
    }
)


def _call(purpose: str, started: float, ended: float, **more: Any) -> dict[str, Any]:
    timing = {"started": started, "ended": ended, "span": f"{int(started * 10):016x}"}
    return {
        "purpose": purpose,
        "model": "gpt-x",
        "attempts": 1,
        "latency_s": ended - started,
        "timing": timing,
        **more,
    }


def _row(*trials: dict[str, Any], outcome: str = "passed") -> dict[str, Any]:
    return {"suite": "faq", "id": "a", "file": "g.jsonl", "line": 1, "outcome": outcome, "trials": list(trials)}


def _spans(row: dict[str, Any], given: str | None = None) -> list[Any]:
    return TraceTree(_TRACE, AskedModels(_SETTINGS, given)).case_spans(row)


def _by_name(spans: list[Any], name: str) -> list[Any]:
    return [span for span in spans if (span.name or span.form.name) == name]


def _attributes(span: Any) -> dict[str, Any]:
    return {**span.form.attributes, **span.attributes}


def _trial(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "value": 1.0,
        "output": {"value": "yes"},
        "calls": list(calls),
        "timing": {"started": 1_001.0, "ended": 1_009.0},
        "score_s": 6.0,
        **more,
    }


def test_the_votes_of_a_judge_are_below_its_score() -> None:
    votes = [_call("judge:tone", 1_003.0 + number, 1_004.0 + number, model="judge-x") for number in range(3)]
    scores: list[dict[str, Any]] = [
        {"name": "exact", "value": 1.0, "passed": True},
        {"name": "tone", "value": 0.5, "passed": True, "counts": False},
        {"name": "tone:2", "value": None, "passed": None},
    ]
    spans = _spans(_row(_trial(_call("target", 1_001.0, 1_003.0), *votes, scores=scores)))
    rule, *judged = (_by_name(spans, f"score {score['name']}")[0] for score in scores)
    assert (rule.started, rule.ended) == (1_003.0, 1_003.0)
    assert [(one.started, one.ended) for one in judged] == [(1_003.0, 1_006.0)] * 2
    calls = _by_name(spans, "chat judge-x")
    assert [call.span_id for call in calls] == [vote["timing"]["span"] for vote in votes]
    assert {call.parent_id for call in calls} == {judged[1].span_id}
    assert _attributes(calls[0])["gen_ai.request.max_tokens"] == 9
    assert _attributes(judged[1])["gen_ai.evaluation.score.label"] == "unknown"
    assert len({span.span_id for span in spans}) == len(spans) == 9


def test_a_call_without_a_score_is_below_its_trial() -> None:
    failed = _call("judge:tone", 1_003.0, 1_009.0, latency_s=None, model="judge-x", attempts=5)
    row = _row(_trial(_call("target", 1_001.0, 1_003.0), failed, value=None, reason="503"), outcome="errored")
    spans = _spans(row)
    (trial,) = _by_name(spans, "trial 1")
    (call,) = _by_name(spans, "chat judge-x")
    assert call.parent_id == trial.span_id
    assert (call.error, trial.error) == ("no reply", "")  # the reason may quote a text
    assert _attributes(call)["evalgate.call.attempts"] == 5
    assert "gen_ai.response.model" not in _attributes(call)
    assert _attributes(trial)["evalgate.outcome"] == "errored"


def test_the_parameters_of_a_target() -> None:
    target = _call("target", 1_001.0, 1_003.0, tokens_in=7, tokens_out=2, cost_usd=0.5, served="gpt-y", limited=2)
    (call,) = _by_name(_spans(_row(_trial(target))), "chat gpt-x")
    assert _attributes(call) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.request.temperature": 0,
        "gen_ai.request.top_p": 0.5,
        "gen_ai.response.model": "gpt-y",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 2,
        "server.address": "api.openai.com",
        "server.port": 443,
        "evalgate.call.purpose": "target",
        "evalgate.call.limited": 2,
        "evalgate.cost_usd": 0.5,
    }
    assert call.span_id == _TRACE.trial_spans("faq::a", 0).target


def test_a_target_of_the_command_line() -> None:
    target = _call("target", 1_001.0, 1_003.0, model="http://h:9/ask?x={{ input }}")
    (call,) = _by_name(_spans(_row(_trial(target)), "http://h:9/ask"), "target")
    assert call.form.kind == "client"
    assert _attributes(call)["server.port"] == 9
    assert not [name for name in _attributes(call) if name.startswith("gen_ai.")]


@pytest.mark.parametrize("outcome", ["skipped", "not_run"])
def test_a_case_that_did_not_run_has_no_span(outcome: str) -> None:
    assert not _spans(_row(outcome=outcome))


def test_a_case_without_a_trial_is_placed_at_the_begin_of_the_run() -> None:
    (case,) = _spans(_row(outcome="errored"))
    assert (case.started, case.ended, case.error) == (1_000.0, 1_000.0, "")
    assert _attributes(case)["error.type"] == "missing_output"


def test_a_clock_that_was_set_back_leaves_no_span_that_ends_before_it_begins() -> None:
    trial = _trial(_call("target", 1_003.0, 1_001.0), timing={"started": 1_003.0, "ended": 1_001.0})
    assert all(span.started <= span.ended for span in _spans(_row(trial)))


def test_metrics_count_each_call_once_and_no_cached_one() -> None:
    measures = Measures(AskedModels(_SETTINGS, None))
    cached = _trial(_call("target", 1.0, 2.0, attempts=0, tokens_in=5), latency_s=1.0)
    sent = _trial(
        _call("target", 1.0, 2.0, tokens_in=5, tokens_out=1),
        _call("judge:tone", 2.0, 4.0, model="judge-x", tokens_in=30, tokens_out=2),
        _call("scorer:similar", 2.0, 4.0, model="embed-x", tokens_in=8),
        latency_s=1.0,
    )
    for trial in (cached, sent):
        measures.add_case(_row(trial))
    metrics = {metric.name: metric for metric in measures.metrics(_verdict())}
    tokens = metrics["gen_ai.client.inference.usage.input_tokens"].points
    found = [(point.attributes["evalgate.call.purpose"], point.value) for point in tokens]
    assert found == [("target", 5), ("judge:tone", 30), ("scorer:similar", 8)]
    (latencies,) = metrics["evalgate.target.duration"].histograms
    assert sum(latencies.counts) == 1
    assert [point.attributes["gen_ai.operation.name"] for point in tokens] == ["chat", "chat", "embeddings"]


def _verdict() -> Any:
    from pytest_evalgate.records.verdicts import Accounting, Calls, Verdict  # noqa: PLC0415 - only here

    return Verdict("pass", 0, "r", None, "default", Accounting(), {}, (), Calls(), 1.0)
