"""Sessions whose spans and metrics arrive at a collector on loopback, which decodes them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugin.conftest import KEY, POINT_GATE
from tests.support.behaviours import Behaviour
from tests.support.collector import Answer, Collector, partial_success

from pytest_evalgate.cli import main
from pytest_evalgate.telemetry import sending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.plugin.conftest import Project
    from tests.support.replies import Request
    from tests.support.server import ScriptedServer

_UNCHANGED = "the verdict is unchanged"
_TRACEPARENT = "00-{}-{}-01"
_NONCE = re.compile(r'- nonce: the text "([0-9a-f]{16})"')


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in ("TRACEPARENT", *(name for name in os.environ if name.startswith("OTEL_"))):
        monkeypatch.delenv(name, raising=False)
    with Collector() as collector:
        yield collector


def _trace(project: Project, collector: Collector, **more: str) -> None:
    settings = {"otlp": f'"{collector.url}"', **more}
    project.configure("".join(f"{key} = {value}\n" for key, value in settings.items()), table="telemetry")


def _reply(request: Request) -> Behaviour:
    """Answer the judge with a verdict, and the target with "yes"."""
    nonce = _NONCE.search(str(request.body["messages"][-1]["content"]))
    if nonce is None:
        return Behaviour.text("yes")
    return Behaviour.text(json.dumps({"nonce": nonce[1], "verdict": "pass", "score": 1, "evidence": "yes"}))


def _judged(project: Project, server: ScriptedServer, *ids: str) -> None:
    """A suite of a model with a rule and a judge that reports."""
    server.answer_with(_reply)
    project.model_suite(server, *ids, scorers='["exact", { judge = "tone" }]', judge_always="true")
    table = 'model = "candidate"\ncriteria = "Does it agree?"\nreport_only = true\n'
    project.configure(table, table="judges.tone")


def _context(node: Any) -> str:
    return _TRACEPARENT.format(node.span.trace_id.hex(), node.span.span_id.hex())


def _tree(collector: Collector) -> Any:
    (tree,) = collector.trees
    return tree


_CASE = [("trial 1", ["chat gpt-x-mini", "score exact", ("score tone", ["chat gpt-x-mini"])])]


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "two workers"])
def test_the_tree_of_a_run(
    project: Project, server: ScriptedServer, collector: Collector, args: tuple[str, ...]
) -> None:
    _judged(project, server, "a", "b")
    _trace(project, collector)
    assert project.run(*args).ret == 0
    tree = _tree(collector)
    assert tree.name == "evalgate run"
    assert sorted(child.outline for child in tree.children) == [("case a", _CASE), ("case b", _CASE)]
    assert tree.attributes["evalgate.run.id"] == project.verdict["run_id"]
    assert tree.attributes["evalgate.verdict"] == "pass"
    assert not tree.span.parent_span_id
    assert [event.name for event in tree.span.events] == ["evalgate.suite", "evalgate.gate"]
    for node in tree.walk():
        assert node.span.start_time_unix_nano <= node.span.end_time_unix_nano
        for child in node.children:
            assert node.span.start_time_unix_nano <= child.span.start_time_unix_nano
            assert child.span.end_time_unix_nano <= node.span.end_time_unix_nano
    assert len({node.span.span_id for node in tree.walk()}) == len(tree.walk()) == 13
    assert {len(node.span.trace_id) for node in tree.walk()} == {16}
    call = tree.find("chat gpt-x-mini")
    assert call.span.kind == call.span.SPAN_KIND_CLIENT
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "127.0.0.1",
        "gen_ai.request.model": "gpt-x-mini",
        "gen_ai.response.finish_reasons": ["stop"],
        "server.address": "127.0.0.1",
        "evalgate.call.purpose": "target",
    }
    assert expected.items() <= call.attributes.items()
    assert call.attributes["gen_ai.usage.input_tokens"] > 0
    score = tree.find("score tone")
    assert score.attributes["gen_ai.evaluation.score.value"] == 1.0
    assert score.children[0].attributes["evalgate.call.purpose"] == "judge:tone"
    assert tree.resource["service.name"] == "pytest-evalgate"


def test_the_metrics_of_a_run(project: Project, server: ScriptedServer, collector: Collector) -> None:
    _judged(project, server, "a", "b")
    _trace(project, collector)
    assert project.run().ret == 0
    metrics = collector.metrics
    assert metrics["evalgate.pass_rate"] == [({"test.suite.name": "faq", "evalgate.run.tier": "default"}, 1.0)]
    assert [value for _, value in metrics["evalgate.cases"]] == [2]
    (_, cost) = metrics["evalgate.run.cost"][0]
    assert cost == project.verdict["calls"]["cost_usd"] > 0
    purposes = [attributes["evalgate.call.purpose"] for attributes, _ in metrics["gen_ai.client.inference.duration"]]
    assert purposes == ["target", "judge:tone"]
    for _, histogram in (*metrics["gen_ai.client.inference.duration"], *metrics["evalgate.target.duration"]):
        assert histogram.count == sum(histogram.bucket_counts) == 2
        assert len(histogram.bucket_counts) == len(histogram.explicit_bounds) + 1
    tokens = sum(value for _, value in metrics["gen_ai.client.inference.usage.input_tokens"])
    assert tokens == project.verdict["calls"]["tokens_in"]


def test_the_context_reaches_an_application_and_no_model(
    project: Project, server: ScriptedServer, collector: Collector
) -> None:
    _judged(project, server, "a")
    body = '{ question = "{{ input }}" }'
    target = f'{{ http = {{ url = "{server.base_url}/ask", body = {body}, output = "answer" }} }}'
    project.suite({"a": None}, name="bot", target=target)
    _trace(project, collector)
    answer = Behaviour.reply({"answer": "yes"})
    server.answer_with(lambda request: answer if request.path.endswith("/ask") else _reply(request))
    assert project.run().ret == 0
    call = _tree(collector).find("target")
    assert call.attributes["evalgate.target"].endswith("/ask")
    asked = {request.path: request.headers.get("traceparent") for request in server.requests}
    assert asked.pop("/v1/ask") == _context(call)
    assert set(asked.values()) == {None}


def test_the_context_reaches_the_models_that_are_named(
    project: Project, server: ScriptedServer, collector: Collector
) -> None:
    _judged(project, server, "a")
    _trace(project, collector, models='["candidate"]')
    assert project.run().ret == 0
    calls = [node for node in _tree(collector).walk() if node.name == "chat gpt-x-mini"]
    sent = [request.headers["traceparent"] for request in server.requests]
    assert sent == [_context(call) for call in calls]
    assert len(set(sent)) == 2


_PROGRAM = """
import json, os, sys
request = json.load(sys.stdin)
found = [request.get("traceparent"), os.environ.get("TRACEPARENT")]
with open("found", "a") as file:
    file.write(json.dumps(found) + "\\n")
print("yes")
"""


def _program(project: Project) -> Any:
    """Run a suite of a command, and return what its program found of the context."""
    project.write("bot.py", _PROGRAM)
    project.suite({"a": None}, target=f'{{ command = [{json.dumps(sys.executable)}, "bot.py"] }}')
    assert project.run().ret == 0
    (line,) = (project.path / "found").read_text().splitlines()
    return json.loads(line)


def test_the_context_reaches_a_command(project: Project, collector: Collector) -> None:
    _trace(project, collector)
    found = _program(project)
    assert found == [_context(_tree(collector).find("target"))] * 2


def test_without_telemetry_nothing_has_a_context(project: Project, collector: Collector) -> None:
    assert _program(project) == [None, None]
    assert not collector.received
    assert "timing" not in project.rows["a"]["trials"][0]


def test_a_run_joins_the_trace_of_its_pipeline(
    project: Project, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEPARENT", _TRACEPARENT.format("ab" * 16, "cd" * 8))
    project.suite({"a": "yes"})
    _trace(project, collector)
    assert project.run().ret == 0
    span = _tree(collector).span
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == ("ab" * 16, "cd" * 8)


def test_a_missing_output_and_a_failure_of_the_target(project: Project, collector: Collector) -> None:
    project.python_suite(
        "def answer(case):\n    if case.id == 'a':\n        raise ValueError('secret of a customer')\n"
        "    raise MemoryError\n",
        "a",
        "b",
    )
    project.configure("max_error_rate = 1.0")
    _trace(project, collector)
    project.run()
    outcomes = {row: project.rows[row]["outcome"] for row in ("a", "b")}
    assert outcomes == {"a": "missed", "b": "missed"}
    tree = _tree(collector)
    for case in tree.children:
        target = case.find("target")
        assert target.span.status.code == target.span.status.STATUS_CODE_ERROR
        assert target.attributes["error.type"] == "target_failure"
        assert case.attributes["test.case.result.status"] == "fail"
    assert "secret of a customer" not in str(collector.received)


def test_texts_are_sent_on_request_and_as_reports_show_them(
    project: Project, collector: Collector, monkeypatch: pytest.MonkeyPatch, server: ScriptedServer
) -> None:
    monkeypatch.setenv("COLLECTOR_KEY", "Basic s3cret-of-the-collector")
    server.script(Behaviour.text(f"the key is {KEY}"))
    project.model_suite(server, "a", gates='{ kind = "pass-rate", min = 0.1, bound = "point" }')
    project.configure('content = "full"\nredact = ["input.customer"]\n', table="report")
    row = {"id": "a", "input": {"question": "why?", "customer": "Q. Zebra"}, "expected": "yes"}
    project.write("golden/faq.jsonl", json.dumps(row) + "\n")
    _trace(project, collector, texts="true", headers_env='{ Authorization = "COLLECTOR_KEY" }')
    project.run()
    tree = _tree(collector)
    call = tree.find("chat gpt-x-mini")
    (asked,) = json.loads(call.attributes["gen_ai.input.messages"])
    (replied,) = json.loads(call.attributes["gen_ai.output.messages"])
    assert "why?" in asked["parts"][0]["content"]
    assert replied["role"] == "assistant"
    assert "the key is" in replied["parts"][0]["content"]
    assert "why?" in tree.find("case a").attributes["evalgate.input"]
    everything = str([request.message for request in collector.received])
    assert "Zebra" not in everything
    assert KEY not in everything
    assert {request.headers["authorization"] for request in collector.received} == {"Basic s3cret-of-the-collector"}


def test_cached_replies_use_no_tokens(project: Project, server: ScriptedServer, collector: Collector) -> None:
    project.model_suite(server, "a")
    _trace(project, collector)
    assert project.run().ret == 0
    collector.received.clear()
    assert project.run().ret == 0
    call = _tree(collector).find("chat gpt-x-mini")
    assert call.attributes["evalgate.call.cached"] is True
    assert "gen_ai.usage.input_tokens" not in call.attributes
    assert "gen_ai.client.inference.duration" not in collector.metrics


def test_each_shard_has_its_trace_and_the_merged_run_links_to_them(
    project: Project, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.suite({"a": "yes", "b": "yes", "c": "yes"})
    _trace(project, collector)
    for index in (1, 2):
        assert project.run("--eval-shard", f"{index}/2").ret == 12
    shards = collector.trees
    assert [tree.attributes["evalgate.run.shard"] for tree in shards] == ["shard 1 of 2", "shard 2 of 2"]
    cases = sorted(case.name for tree in shards for case in tree.children)
    assert cases == ["case a", "case b", "case c"]
    assert not collector.metrics
    collector.received.clear()
    monkeypatch.chdir(project.path)
    assert main(["merge", ".evalgate/shards", "--expect-shards", "2", "--gate"]) == 0
    merged = _tree(collector)
    assert merged.outline == "evalgate run"
    links = [(link.trace_id, link.span_id) for link in merged.span.links]
    assert links == [(tree.span.trace_id, tree.span.span_id) for tree in shards]
    assert [value for _, value in collector.metrics["evalgate.cases"]] == [3]


@pytest.mark.parametrize(
    ("answers", "requests", "reason"),
    [
        ([Answer(500)], 2, "spans: HTTP 500 (1 try); metrics: HTTP 500 (1 try)"),
        ([Answer(429, headers={"retry-after": "0"})], 6, "spans: HTTP 429 (3 tries); metrics: HTTP 429 (3 tries)"),
        ([Answer(429, headers={"retry-after": "0"}), Answer()], 3, None),
        ([Answer(401)], 2, "spans: HTTP 401 (1 try); metrics: HTTP 401 (1 try)"),
        ([Answer(307, headers={"location": "/elsewhere"})], 2, "spans: HTTP 307: a redirect, which is not followed*"),
        ([partial_success(2, "too old"), Answer()], 2, "spans: 2 spans rejected: too old"),
    ],
    ids=["500", "429", "429 once", "401", "redirect", "partial success"],
)
def test_a_collector_that_refuses_changes_nothing(
    project: Project, collector: Collector, answers: list[Answer], requests: int, reason: str | None
) -> None:
    project.suite({"a": "yes"})
    _trace(project, collector)
    collector.script(*answers)
    result = project.run()
    assert result.ret == 0
    assert project.verdict["verdict"] == "pass"
    lines = [line for line in result.outlines if "telemetry" in line]
    if reason is None:
        assert not lines
    else:
        pytest.LineMatcher(lines).fnmatch_lines([f"evalgate: telemetry: not sent: {reason}*; {_UNCHANGED}"])
        assert len(lines) == 1
    assert len(collector.received) == requests


def test_a_collector_that_is_away_is_one_line(project: Project, collector: Collector) -> None:
    project.suite({"a": "no", "b": "no"})
    _trace(project, collector)
    collector.__exit__(None, None, None)
    result = project.run()
    assert result.ret == 1
    (line,) = [line for line in result.outlines if "telemetry" in line]
    reason = "spans: ConnectionRefusedError: the collector cannot be reached (3 tries)"
    assert line == f"evalgate: telemetry: not sent: {reason}; {_UNCHANGED}"
    assert collector.url not in line


def test_a_collector_that_does_not_answer_is_given_up(
    project: Project, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WAIT_S", 0.2)
    project.suite({"a": "yes"})
    _trace(project, collector)
    collector.script(Answer(hangs=True))
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"evalgate: telemetry: not sent: spans: no response within *; {_UNCHANGED}"])


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"headers_env": '{ Authorization = "NO_SUCH_KEY" }'}, "NO_SUCH_KEY"),
        ({"otlp": '"env"'}, "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'"),
    ],
)
def test_a_variable_that_cannot_be_used_is_one_line(
    project: Project, collector: Collector, monkeypatch: pytest.MonkeyPatch, table: dict[str, str], reason: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    project.suite({"a": "yes"})
    _trace(project, collector, **table)
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"evalgate: telemetry: not sent: *{reason}*; {_UNCHANGED}"])
    assert not collector.received


def test_standard_variables_count_only_if_the_configuration_says_so(
    project: Project, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=a%20b")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
    project.suite({"a": "yes"})
    assert project.run().ret == 0
    assert not collector.received
    project.configure('otlp = "env"\n', table="telemetry")
    assert project.run().ret == 0
    assert _tree(collector).resource["service.name"] == "nightly"
    assert {request.headers["x-team"] for request in collector.received} == {"a b"}


_LOADED = """
import json, sys
import pytest
code = pytest.main(["-q", "--eval-gate", "-p", "no:cacheprovider"])
found = [name for name in sys.modules if name.startswith(("opentelemetry", "google.", "mlflow"))]
own = ("pytest_evalgate.telemetry", "pytest_evalgate.app.tracing", "pytest_evalgate.engine.traced")
print("\\nLOADED " + json.dumps([int(code), found, [name for name in sys.modules if name.startswith(own)]]))
"""


@pytest.mark.parametrize("is_on", [False, True])
def test_nothing_is_imported_when_it_is_off(
    project: Project, server: ScriptedServer, collector: Collector, *, is_on: bool
) -> None:
    project.model_suite(server, "a")
    if is_on:
        _trace(project, collector)
    done = subprocess.run(
        [sys.executable, "-c", _LOADED], cwd=project.path, capture_output=True, text=True, check=False
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("LOADED "))
    code, foreign, own = json.loads(line.removeprefix("LOADED "))
    assert code == 0
    assert not foreign
    assert bool(own) == is_on


def test_the_spans_of_tests_and_of_recorded_outputs(project: Project, collector: Collector) -> None:
    started = time.time()
    project.suite({"a": "yes"}, gates=POINT_GATE)
    project.golden("golden/code.jsonl", "b")
    project.test("return 'yes'")
    _trace(project, collector)
    assert project.run().ret == 0
    tree = _tree(collector)
    outlines = sorted(child.outline for child in tree.children)
    assert outlines == [("case a", [("trial 1", ["score exact"])]), ("case b", [("trial 1", ["score exact"])])]
    assert all(node.span.start_time_unix_nano >= (started - 1) * 1e9 for node in tree.walk())
