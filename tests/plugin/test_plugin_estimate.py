"""The estimate of a run, and budgets before and during it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.behaviours import Behaviour

from pytest_evalgate.app.estimating import estimate_calls, why_not_cached

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer

    from pytest_evalgate.app.estimating import Selected
    from pytest_evalgate.app.wiring import Wiring

_DEAR = Behaviour.text("yes", usage=(1_000_000, 0))  # a dollar, a thousand times what was estimated
_WORKERS = pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])


def _unpriced(project: Project) -> None:
    toml = project.path / "evalgate.toml"
    toml.write_text("".join(line for line in toml.read_text().splitlines(keepends=True) if "price =" not in line))


def test_the_estimate_is_a_screen_and_nothing_else(
    project: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.model_suite(server, "a", "b")
    monkeypatch.delenv("CANDIDATE_KEY")  # it costs nothing, and needs no key
    result = project.run("--eval-estimate", "--eval-budget-usd", "5")
    assert result.ret == 0
    assert server.calls == 0
    assert not project.has_verdict
    assert not list(project.state.glob("runs/*"))
    result.stdout.fnmatch_lines([
        "*eval gate: estimate (nothing sent)*",
        "suite  cases  calls  cached  to send *",
        "faq        2      2       0        2 *",
        "this run will make 2 calls, about US$*",
        "*budget: US$5.00",
    ])  # fmt: skip


def _selected(project: Project) -> tuple[Selected, Wiring]:
    assembly = project.assembly()
    ready = assembly.ready("faq")
    return [(ready, [case for golden_set in ready.sets for case in golden_set])], assembly.wiring


def test_the_estimate_knows_what_is_cached(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "ant")
    project.answer()
    project.golden("golden/faq.jsonl", "ant", "bee")
    estimate = estimate_calls(*_selected(project))
    assert estimate is not None
    assert (estimate.calls, estimate.to_send, server.calls) == (2, 1, 1)


def test_the_estimate_says_why_calls_are_not_cached(project: Project, server: ScriptedServer) -> None:
    project.write("prompt.md", "Answer: {{ input }}")
    project.model_suite(server, "ant", "bee", target='{ model = "candidate", prompt = "prompt.md" }')
    project.answer()
    project.golden("golden/faq.jsonl", "ant", "bee", "cow")
    assert why_not_cached(*_selected(project)) == "1 new"
    project.write("prompt.md", "Answer kindly: {{ input }}")
    assert why_not_cached(*_selected(project)) == "2 payload.messages[0].content changed, 1 new"
    result = project.run("--eval-estimate")
    result.stdout.fnmatch_lines(["why not cached: 2 payload.messages[[]0].content changed, 1 new"])


def test_recorded_outputs_have_nothing_to_estimate(project: Project) -> None:
    project.suite({"a": "yes"})
    result = project.run("--eval-estimate")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["no selected suite sends calls*"])


def test_the_estimate_and_the_run_count_the_calls_of_a_function(project: Project) -> None:
    project.python_suite("def answer(question):\n    return 'yes'\n", "a", "b")
    assert project.run("--eval-estimate").ret == 0
    said = "2 calls of your function (cost unknown)"
    project.run("--eval-estimate").stdout.fnmatch_lines([f"this run will make {said}"])
    project.run().stdout.fnmatch_lines([f"{said}, 0 cached, *s"])
    assert project.verdict["calls"]["local"] == 2


@_WORKERS
def test_the_total_stands_before_a_paid_run(project: Project, server: ScriptedServer, args: tuple[str, ...]) -> None:
    project.model_suite(server, "a", "b")
    lines = project.run(*args).outlines
    total = next(
        i for i, line in enumerate(lines) if line.startswith("evalgate: this run will make 2 calls, about US$")
    )
    assert total < next(i for i, line in enumerate(lines) if "100%" in line)


@_WORKERS
def test_a_budget_that_is_too_small_is_refused_before_anything_is_sent(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    project.model_suite(server, "a", "b")
    result = project.run("--eval-budget-usd", "0.0001", *args)
    assert result.ret == project.verdict["exit_code"] == 12
    assert server.calls == 0
    assert project.verdict["verdict"] == "not_evaluated"
    assert project.verdict["refused"].startswith("budget of US$0.0001 is too small: 2 calls, about US$0.0010")
    result.stdout.fnmatch_lines(["NOT EVALUATED: budget of US$0.0001 is too small*Raise budget_usd*"])


@_WORKERS
def test_a_budget_that_is_reached_stops_the_run_and_keeps_what_was_answered(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    project.model_suite(server, *"abcdef", model={"max_concurrency": "1"})
    project.configure("max_error_rate = 0.9")
    server.script(_DEAR)
    result = project.run("--eval-budget-usd", "1.5", *args)
    assert result.ret == project.verdict["exit_code"] == 12
    assert project.asked(server) == ["a", "b"]
    assert project.verdict["verdict"] == "not_evaluated"
    assert "budget of US$1.50 reached: US$2.0000 spent" in project.verdict["refused"]
    assert list(project.outcomes.values()) == ["passed"] * 2 + ["errored"] * 4
    assert project.verdict["calls"]["cost_usd"] == 2
    result.stdout.fnmatch_lines(["NOT EVALUATED: budget of US$1.50 reached*Raise budget_usd and run again*"])
    assert project.run("--eval-budget-usd", "9").ret == 0
    assert project.asked(server) == list("abcdef")


def test_workers_that_spread_the_calls_share_the_budget(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, *"abcdefgh", model={"max_concurrency": "1"})
    project.configure('xdist = "spread"')
    server.script(_DEAR)
    assert project.run("-n2", "--eval-budget-usd", "2.5").ret == 12
    assert server.calls <= 4  # each worker has US$1.25, and learns what a call costs when it has paid it
    assert "budget of US$1.25 reached" in project.verdict["refused"]


def test_a_budget_cannot_be_held_where_a_price_is_unknown(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b")
    _unpriced(project)
    result = project.run("--eval-budget-usd", "5")
    assert result.ret == project.verdict["exit_code"] == 12
    assert server.calls == 0
    assert 'the price of 2 calls to "candidate" is unknown' in project.verdict["refused"]


def test_what_is_cached_fits_every_budget(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", "b")
    project.run()
    assert project.run("--eval-budget-usd", "0").ret == 0
    assert server.calls == 2


def test_the_budget_of_the_command_line_goes_before_the_others(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.suite({"a": "yes"})
    project.configure("budget_usd = 0.5")
    assert project.assembly().wiring.budget_usd == 0.5
    assert project.assembly(budget_usd=1.0).wiring.budget_usd == 1
    monkeypatch.setenv("EVALGATE_BUDGET_USD", "0.25")
    assert project.options().budget_usd == 0.25
    assert project.options("--eval-budget-usd", "1").budget_usd == 1


@pytest.mark.parametrize(
    ("limit", "code", "says"),
    [("2.0", 0, "cost US$2.00 for 2 calls, at most US$2.00 allowed"), ("1.5", 1, "cost US$2.00, at most US$1.50")],
)
def test_the_budget_gate_judges_what_was_spent(
    project: Project, server: ScriptedServer, limit: str, code: int, says: str
) -> None:
    project.model_suite(server, "a", "b", gates=f'{{ kind = "budget", max_cost_usd = {limit} }}')
    server.script(_DEAR)
    assert project.run().ret == code
    (gate,) = project.verdict["suites"]["faq"]["gates"]
    assert says in gate["message"]


def test_the_budget_gate_does_not_trust_an_unknown_price(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", gates='{ kind = "budget", max_cost_usd = 1.0 }')
    _unpriced(project)
    assert project.run().ret == 4
    assert "the cost of 1 call to gpt-x-mini is unknown" in project.verdict["suites"]["faq"]["gates"][0]["message"]


def test_the_last_line_says_what_was_refused(
    project: Project, server: ScriptedServer, last_line: Callable[[pytest.RunResult], str]
) -> None:
    project.model_suite(server, "a")
    result = project.run("--eval-budget-usd", "0.0001")
    assert last_line(result).startswith("evalgate: NOT EVALUATED  ")
    assert last_line(result).endswith("(exit 12)")
