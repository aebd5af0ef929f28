"""What a gated session sends, and what it says of it: every count is held against the server's own."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour

from pytest_evalgate.cli import main
from pytest_evalgate.plugin import progress

if TYPE_CHECKING:
    from tests.plugin.conftest import Project
    from tests.support.replies import Request
    from tests.support.server import ScriptedServer

_CLIENTS = ("openai", "http")
_LOW_GATE = '{ kind = "pass-rate", min = 0.3, bound = "point" }'


def _by_question(**answers: Behaviour) -> Any:
    """Answer each question as told."""

    def decide(request: Request) -> Behaviour:
        return answers[request.body["messages"][-1]["content"]]

    return decide


@pytest.mark.parametrize("client", _CLIENTS)
def test_a_model_answers_misses_and_fails(project: Project, server: ScriptedServer, client: str) -> None:
    project.model_suite(server, "a", "b", "c", gates=_LOW_GATE, model={"client": f'"{client}"'})
    project.configure("max_error_rate = 0.4")
    server.answer_with(_by_question(a=Behaviour.text("yes"), b=Behaviour.text("no"), c=Behaviour.status(400)))
    result = project.run()
    assert result.ret == project.verdict["exit_code"] == 0
    assert project.outcomes == {"a": "passed", "b": "missed", "c": "errored"}
    assert sorted(project.asked(server)) == ["a", "b", "c"]
    assert project.verdict["calls"] == {
        "planned": 3, "sent": 3, "cached": 0, "retried": 0,
        "tokens_in": 20, "tokens_out": 10, "cost_usd": 4e-05, "unknown_price": 0,
    }  # fmt: skip
    assert "golden/faq.jsonl:3" in result.stdout.str()


def test_a_case_without_an_answer_beyond_the_budget_is_incomplete(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b", "c")
    server.answer_with(_by_question(a=Behaviour.text("yes"), b=Behaviour.text("yes"), c=Behaviour.status(400)))
    assert project.run().ret == project.verdict["exit_code"] == 11
    assert project.verdict["verdict"] == "incomplete"


def test_the_run_file_keeps_each_call(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a")
    project.run()
    (call,) = project.rows["a"]["trials"][0]["calls"]
    assert call.pop("latency_s") > 0
    assert call == {
        "purpose": "target", "model": "gpt-x-mini", "attempts": 1,
        "tokens_in": 10, "tokens_out": 5, "cost_usd": 2e-05,
    }  # fmt: skip


@pytest.mark.parametrize("client", _CLIENTS)
def test_another_attempt_is_counted_as_retried(project: Project, server: ScriptedServer, client: str) -> None:
    project.model_suite(server, "a", model={"client": f'"{client}"'})
    server.queue(Behaviour.rate_limited(retry_after=0), Behaviour.status(503))
    assert project.run().ret == 0
    assert server.calls == 3
    calls = project.verdict["calls"]
    assert (calls["planned"], calls["sent"], calls["retried"]) == (1, 1, 2)
    assert project.rows["a"]["trials"][0]["calls"][0]["attempts"] == 3


@pytest.mark.parametrize("unknown", ["price", "usage"])
def test_what_nobody_knows_the_price_of_is_counted_and_not_free(
    project: Project, server: ScriptedServer, unknown: str
) -> None:
    project.model_suite(server, "a", "b")
    if unknown == "price":
        toml = project.path / "evalgate.toml"
        toml.write_text("".join(line for line in toml.read_text().splitlines(keepends=True) if "price =" not in line))
    else:
        server.script(Behaviour.text("yes", usage=None))
    assert project.run().ret == 0
    calls = project.verdict["calls"]
    assert (calls["unknown_price"], calls["cost_usd"]) == (2, 0)


def _numbered(server: ScriptedServer) -> None:
    """Answer each request with its number, so that two answers are never alike."""
    server.answer_with(lambda request: Behaviour.text(f"answer {request.number}"))


def _outputs(project: Project) -> dict[str, list[str]]:
    return {id_: [trial["output"]["value"] for trial in row["trials"]] for id_, row in project.rows.items()}


def test_a_model_that_replies_in_place_of_another_is_reported(project: Project, server: ScriptedServer) -> None:
    server.script(Behaviour.text("yes", model="gpt-x-nano"))
    project.model_suite(server, "a", "b")
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*NOTE faq: another model replied: gpt-x-mini was asked for, gpt-x-nano replied*"])
    assert project.verdict["suites"]["faq"]["other_models"] == [
        {"purpose": "target", "asked": "gpt-x-mini", "served": "gpt-x-nano", "calls": 2}
    ]
    assert "gpt-x-nano" in (project.path / ".evalgate" / "report.html").read_text("utf-8")


def test_each_trial_is_a_call_of_its_own(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b", trials="3")
    _numbered(server)
    project.run()
    assert Counter(project.asked(server)) == {"a": 3, "b": 3}
    first = _outputs(project)
    assert len({text for texts in first.values() for text in texts}) == 6
    project.run()
    assert server.calls == 6
    assert _outputs(project) == first
    assert project.verdict["calls"]["cached"] == 6


def test_more_trials_send_only_those_that_are_new(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b", trials="3")
    project.run("--eval-trials", "2")
    assert Counter(project.asked(server)) == {"a": 2, "b": 2}
    project.run()
    assert Counter(project.asked(server)) == {"a": 3, "b": 3}
    assert (project.verdict["calls"]["sent"], project.verdict["calls"]["cached"]) == (2, 4)


def test_a_warm_rerun_sends_nothing_and_judges_alike(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, *"abcd")
    server.answer_with(_by_question(**{id_: Behaviour.text("no" if id_ == "b" else "yes") for id_ in "abcd"}))
    project.run()
    suites, outcomes = project.verdict["suites"], project.outcomes
    result = project.run()
    assert server.calls == 4
    assert (project.verdict["suites"], project.outcomes) == (suites, outcomes)
    assert project.verdict["calls"]["cost_usd"] == project.verdict["calls"]["sent"] == 0
    result.stdout.fnmatch_lines(["evalgate: this run will make no calls: all 4 are cached"])


def test_two_suites_that_ask_the_same_are_answered_by_one_call(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b")
    project.suite({"a": None, "b": None}, name="again", target='{ model = "candidate" }')
    assert project.run().ret == 0
    assert Counter(project.asked(server)) == {"a": 1, "b": 1}
    assert project.verdict["accounting"]["passed"] == 4


def test_an_edited_prompt_sends_its_own_calls_alone_and_the_cache_says_why(
    project: Project, server: ScriptedServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("prompt.md", "Briefly: {{ input }}")
    project.model_suite(server, "a", "b", target='{ model = "candidate", prompt = "prompt.md" }')
    project.suite({"c": None}, name="plain", target='{ model = "candidate" }')
    project.run()
    project.write("prompt.md", "Kindly: {{ input }}")
    project.run()
    assert Counter(project.asked(server)[3:]) == {"Kindly: a": 1, "Kindly: b": 1}
    monkeypatch.chdir(project.path)
    capsys.readouterr()
    assert main(["cache", "why", "faq::a"]) == 0
    assert 'payload.messages[0].content: "Briefly: a" -> "Kindly: a"' in capsys.readouterr().out


_BROKEN_TEST = "import nowhere\n"


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        *(("model", args) for args in ("--collect-only", "--setup-only", "--setup-plan", "--eval-estimate")),
        *(("model", f"{args} -n2") for args in ("--collect-only", "--eval-estimate")),
        *(("python", args) for args in ("--setup-plan", "--eval-estimate")),
    ],
)
def test_what_only_looks_calls_nothing(project: Project, server: ScriptedServer, kind: str, args: str) -> None:
    if kind == "model":
        project.model_suite(server, "a", "b")
    else:
        project.python_suite("def answer(question):\n    note(question)\n    return 'yes'\n", "a", "b")
    assert project.run(*args.split()).ret == 0
    assert (server.calls, project.calls) == (0, [])
    assert not project.has_verdict


@pytest.mark.parametrize("args", [(), ("-n2",), ("--continue-on-collection-errors", "-n2")], ids=" ".join)
def test_what_cannot_be_collected_stops_every_call(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    project.model_suite(server, "a", "b")
    project.write("test_it.py", _BROKEN_TEST)
    assert project.run(*args).ret != 0
    assert server.calls == 0
    assert project.verdict["verdict"] == "invalid"


def test_a_selection_sends_only_what_it_selects(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "ant", "bee", "cow")
    assert project.run("-k", "bee or cow").ret == 12
    assert sorted(project.asked(server)) == ["bee", "cow"]
    assert project.verdict["verdict"] == "not_evaluated"


@pytest.mark.parametrize(
    "args",
    ["-n4", "-n2 --dist loadscope", "-n2 --dist loadfile", "-n2 --dist loadgroup", "-n2 --dist worksteal"],
)
def test_every_distribution_sends_each_call_once(project: Project, server: ScriptedServer, args: str) -> None:
    project.model_suite(server, *"abcdef")
    project.write("test_it.py", "def test_one():\n    pass\ndef test_two():\n    pass\n")
    assert project.run(*args.split()).ret == 0
    assert Counter(project.asked(server)) == dict.fromkeys("abcdef", 1)
    assert project.verdict["calls"]["sent"] == 6


def test_f31_workers_that_ask_the_same_at_the_same_time_send_it_once(project: Project, server: ScriptedServer) -> None:
    server.script(Behaviour.text("yes", latency_s=0.3))
    project.model_suite(server, *"abcdef")
    project.suite(dict.fromkeys("abcdef"), name="again", target='{ model = "candidate" }')
    project.configure('xdist = "spread"')
    assert project.run("-n2").ret == 0
    assert Counter(project.asked(server)) == dict.fromkeys("abcdef", 1)
    assert project.verdict["accounting"]["passed"] == 12


def test_a_missed_case_stops_a_session_that_stops_at_the_first_failure(
    project: Project, server: ScriptedServer
) -> None:
    project.model_suite(server, *(f"case-{number:02}" for number in range(40)), model={"max_concurrency": "1"})
    server.script(Behaviour.text("no", latency_s=1))
    assert project.run("--eval-fail-cases", "-x").ret == 1
    assert project.verdict["accounting"]["missed"] == 1
    assert project.verdict["accounting"]["not_run"] == 39
    assert project.verdict["verdict"] == "not_evaluated"
    assert server.calls < 40


def test_without_it_a_missed_case_stops_nothing(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b")
    server.script(Behaviour.text("no"))
    assert project.run("-x").ret == 1
    assert project.verdict["accounting"]["missed"] == server.calls == 2


def test_an_ordinary_test_that_fails_stops_the_calls(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, *(f"case-{number:02}" for number in range(40)), model={"max_concurrency": "1"})
    server.script(Behaviour.text("yes", latency_s=1))
    project.write("aaa/test_it.py", "def test_it():\n    assert False\n")
    assert project.run("-x", "aaa", "golden").ret == 1
    assert server.calls < 40
    assert project.verdict["accounting"]["not_run"] == 40


def test_whoever_waits_is_told_how_far_the_calls_are(
    project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PLAIN_EVERY_S", 0.0)
    project.model_suite(server, "a", "b", "c")
    server.answer_with(_by_question(
        a=Behaviour.text("yes"), b=Behaviour.text("no"), c=Behaviour.text("yes", latency_s=1.2)
    ))  # fmt: skip
    result = project.run("--eval-budget-usd", "1")
    result.stdout.fnmatch_lines(["eval 2/3 67% | * | ok 1 missed 1 err 0 | 2 sent, 0 cached | US$0.00/1.00"])
