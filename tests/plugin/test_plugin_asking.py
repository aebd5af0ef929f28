"""Scorers that ask a model, and those that compare cases, through the whole plugin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.plugin.conftest import Project
    from tests.support.replies import Request
    from tests.support.server import ScriptedServer

_WORKERS = pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
_SIMILAR = '[{ kind = "similar", model = "emb", threshold = 0.8 }]'
_VECTORS = {"yes": [1.0, 0.0], "yep": [0.9, 0.1], "no": [0.0, 1.0], "nope": [0.1, 0.9]}
_OUTPUTS: dict[str, str | None] = {"c1": "yep", "c2": "nope", "c3": "yes"}


def _texts(request: Request) -> list[str]:
    given = request.body["input"]
    return given if isinstance(given, list) else [given]


def _embeddings(request: Request) -> Behaviour:
    texts = _texts(request)
    data = [{"index": at, "embedding": _VECTORS[text]} for at, text in enumerate(texts)]
    tokens = 10 * len(texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Behaviour.reply({"object": "list", "model": request.body["model"], "data": data, "usage": usage})


def _moderations(request: Request) -> Behaviour:
    found = [{"flagged": "no" in text, "categories": {"rude": "no" in text}} for text in _texts(request)]
    return Behaviour.reply({"id": "m", "model": request.body["model"], "results": found})


def _model(project: Project, server: ScriptedServer, name: str, api: str, *more: str) -> None:
    lines = [
        f'model = "{name}-1"',
        f'base_url = "{server.base_url}"',
        'api_key_env = "CANDIDATE_KEY"',
        f'api = "{api}"',
    ]
    project.configure("\n".join([*lines, *more, ""]), table=f"models.{name}")


@pytest.fixture
def asking(project: Project, server: ScriptedServer) -> Project:
    """A suite of three recorded outputs, which are compared by embeddings."""
    server.answer_with(_embeddings)
    project.suite(_OUTPUTS, scorers=_SIMILAR)
    _model(project, server, "emb", "embeddings", "price = { input_per_mtok = 1000, output_per_mtok = 0 }")
    return project


@_WORKERS
def test_outputs_are_compared_and_each_text_is_paid_once(
    asking: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    asking.run(*args)
    assert asking.outcomes == {"c1": "passed", "c2": "missed", "c3": "passed"}
    sent = [text for request in server.requests for text in _texts(request)]
    assert sorted(sent) == ["nope", "yep", "yes"]  # the reference of all cases is one of the outputs
    calls = asking.verdict["calls"]
    assert calls["sent"] == len(server.requests) < len(sent)
    assert (calls["tokens_in"], calls["cost_usd"]) == (30, pytest.approx(0.03))
    assert all(request.body["model"] == "emb-1" for request in server.requests)
    assert asking.verdict["suites"]["faq"]["scores"]["similar"]["n"] == 3


@pytest.mark.parametrize("client", ["openai", "http"])
def test_both_clients_send_them(project: Project, server: ScriptedServer, client: str) -> None:
    server.answer_with(_embeddings)
    project.suite(_OUTPUTS, scorers=_SIMILAR)
    _model(project, server, "emb", "embeddings", f'client = "{client}"', "params = { dimensions = 2 }")
    project.run()
    assert project.outcomes["c1"] == "passed"
    assert {request.path for request in server.requests} == {"/v1/embeddings"}
    assert all(request.body["dimensions"] == 2 for request in server.requests)
    assert all(request.headers["authorization"].endswith("e2") for request in server.requests)


def test_a_second_run_sends_nothing_and_an_offline_run_neither(asking: Project, server: ScriptedServer) -> None:
    asking.run()
    sent = len(server.requests)
    asking.run("--eval-offline")
    assert len(server.requests) == sent
    assert asking.outcomes == {"c1": "passed", "c2": "missed", "c3": "passed"}


def test_an_offline_run_without_the_vectors_is_no_verdict(asking: Project, server: ScriptedServer) -> None:
    result = asking.run("--eval-offline")
    assert (int(result.ret), server.requests) == (12, ())
    assert asking.verdict["verdict"] == "not_evaluated"


def test_the_estimate_counts_and_prices_each_text_and_sends_nothing(asking: Project, server: ScriptedServer) -> None:
    result = asking.run("--eval-estimate")
    assert server.requests == ()
    asking.listed(result).fnmatch_lines(["*faq 3 3 0 3 *why not cached: 3 new*"])
    asking.run()
    asking.listed(asking.run("--eval-estimate")).fnmatch_lines(["*faq 3 3 3 0 *"])


def test_a_budget_that_the_texts_exceed_refuses_the_run(asking: Project, server: ScriptedServer) -> None:
    result = asking.run("--eval-budget-usd", "0.0001")
    assert (int(result.ret), server.requests) == (12, ())


def test_a_missing_key_is_refused_before_the_run(
    asking: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CANDIDATE_KEY")
    result = asking.run()
    assert (int(result.ret), server.requests) == (4, ())
    result.stdout.fnmatch_lines(["INVALID: *models.emb.api_key_env*CANDIDATE_KEY*"])


def test_a_reply_of_another_shape_makes_the_case_missing(asking: Project, server: ScriptedServer) -> None:
    server.script(Behaviour.reply({"data": []}))
    result = asking.run()
    assert int(result.ret) == 11
    assert set(asking.outcomes.values()) == {"errored"}
    assert "data has 0 members for" in asking.rows["c1"]["reason"]


def test_scorers_that_cost_nothing_come_first(project: Project, server: ScriptedServer) -> None:
    server.answer_with(_embeddings)
    project.suite(_OUTPUTS, scorers='[{ kind = "similar", threshold = 0.8 }, "exact"]')
    _model(project, server, "emb", "embeddings")
    project.run()
    assert [text for request in server.requests for text in _texts(request)] == ["yes"]
    assert project.outcomes == {"c1": "missed", "c2": "missed", "c3": "passed"}


def test_another_model_grades_other_cases(asking: Project) -> None:
    before = asking.assembly().ready("faq").plan.scorers_sha256
    path = asking.path / "evalgate.toml"
    path.write_text(path.read_text().replace("emb-1", "emb-2"))
    assert asking.assembly().ready("faq").plan.scorers_sha256 != before


@pytest.mark.parametrize(
    ("scorers", "message"),
    [
        ('[{ kind = "similar", threshold = 0.8, model = "em" }]', 'scorers[0]: similar: no model is named "em"'),
        ('[{ kind = "similar", threshold = 0.8, model = "chat" }]', 'similar: models.chat.api is "chat": set api = '),
        ('[{ kind = "similar" }]', "similar: threshold is missing"),
    ],
)
def test_a_scorer_that_cannot_ask_is_refused_with_its_line(
    asking: Project, server: ScriptedServer, scorers: str, message: str
) -> None:
    _model(asking, server, "chat", "chat")
    path = asking.path / "evalgate.toml"
    path.write_text(path.read_text().replace(_SIMILAR, scorers))
    result = asking.run()
    assert (int(result.ret), server.requests) == (4, ())
    assert message in (text := result.stderr.str())
    assert "evalgate.toml:" in text


def test_a_model_for_scorers_is_no_target_and_no_judge(asking: Project) -> None:
    asking.configure('golden = "golden/faq.jsonl"\ntarget = { model = "emb" }\n', table="suites.other")
    result = asking.run()
    assert int(result.ret) == 4
    result.stderr.fnmatch_lines(['*evalgate.toml:*: suites.other.target.model: models.emb.api is "embeddings"*'])


def test_moderation_flags_outputs_and_costs_nothing_at_a_price_of_0(project: Project, server: ScriptedServer) -> None:
    server.answer_with(_moderations)
    gates = '{ kind = "budget", max_cost_usd = 0.01 }, { kind = "must-pass", tags = [] }'
    project.suite(_OUTPUTS, scorers='["moderation"]', gates=gates)
    _model(project, server, "mod", "moderations", "price = { input_per_mtok = 0, output_per_mtok = 0 }")
    project.run()
    assert project.outcomes == {"c1": "passed", "c2": "missed", "c3": "passed"}
    assert project.rows["c2"]["reason"] == "moderation: flagged: rude"
    assert {request.path for request in server.requests} == {"/v1/moderations"}
    budget = project.verdict["suites"]["faq"]["gates"][0]
    assert (budget["kind"], budget["result"]) == ("budget", "pass")
    assert "local" not in project.verdict["calls"]  # and they are not those of a function of the user


def test_an_assert_of_promptfoo_is_asked_for_in_the_row(project: Project, server: ScriptedServer) -> None:
    server.answer_with(_embeddings)
    rows = [
        {"vars": {"q": id_}, "description": id_, "providerOutput": output, "assert": [entry]}
        for id_, output, entry in [
            ("c1", "yep", {"type": "similar", "value": ["no", "yes"], "threshold": 0.9}),
            ("c2", "nope", {"type": "not-similar", "value": "yes"}),
            ("c3", "nope", {"type": "similar", "value": "yes"}),
        ]
    ]
    project.write("golden/foo.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    project.configure('golden = "golden/foo.jsonl"\nscorers = []\n', table="suites.foo")
    _model(project, server, "emb", "embeddings")
    project.run()
    assert project.outcomes == {"c1": "passed", "c2": "passed", "c3": "missed"}


# -- same-as


def _variants(project: Project, outputs: dict[str, Any], scorers: str = '["same-as"]') -> None:
    project.suite(outputs, scorers=scorers)
    _write_variants(project, outputs)


def _write_variants(project: Project, ids: Iterable[str]) -> None:
    rows = [
        {"id": id_, "input": id_, "expected": "yes"}
        | ({"metadata": {"variant_of": id_.partition("~")[0]}} if "~" in id_ else {})
        for id_ in ids
    ]
    project.write("golden/faq.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


@_WORKERS
def test_variants_are_compared_with_recorded_outputs_of_their_originals(
    project: Project, args: tuple[str, ...]
) -> None:
    outputs = {"b~1": "no", "a": "yes", "b": "no", "a~1": "yes", "a~2": "yep"}
    _variants(project, outputs, '["same-as", { kind = "length", min = 1 }]')
    project.run(*args)
    assert project.outcomes == {"b~1": "passed", "a": "passed", "b": "passed", "a~1": "passed", "a~2": "missed"}
    assert project.rows["a~2"]["reason"] == 'same-as: wanted "yes", got "yep"'
    assert [score["name"] for score in project.rows["a"]["trials"][0]["scores"]] == ["length"]


@_WORKERS
def test_each_original_is_asked_once_whatever_the_order(
    project: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    server.answer_with(lambda request: Behaviour.text("no" if "a~2" in str(request.body) else "yes"))
    ids = ["a~1", "a~2", "b~1", "b", "a"]
    project.model_suite(server, *ids, scorers='["same-as", "exact"]')
    _write_variants(project, ids)
    project.run("--eval-trials", "2", *args)
    assert len(server.requests) == 2 * len(ids)
    assert project.outcomes == {"a~1": "passed", "a~2": "missed", "b~1": "passed", "b": "passed", "a": "passed"}
    assert project.verdict["calls"]["sent"] == 2 * len(ids)


def test_a_missing_original_makes_its_variants_missing(project: Project) -> None:
    _variants(
        project, {"a": None, "a~1": "yes", "b": "yes", "b~1": "yes"}, '["same-as", { kind = "length", min = 1 }]'
    )
    result = project.run()
    assert int(result.ret) == 11
    assert project.outcomes == {"a": "errored", "a~1": "errored", "b": "passed", "b~1": "passed"}
    assert 'the original "a" has no output' in project.rows["a~1"]["reason"]


def test_a_name_that_no_case_has_is_refused_with_its_line(project: Project) -> None:
    _variants(project, {"a": "yes", "z~1": "yes"}, '["same-as", { kind = "length", min = 1 }]')
    result = project.run()
    assert int(result.ret) == 4
    result.stderr.fnmatch_lines(
        ['*golden/faq.jsonl:2: same-as: metadata.variant_of = "z": the suite has no such case*']
    )


def test_a_suite_of_originals_that_nothing_else_grades_is_refused(project: Project) -> None:
    _variants(project, {"a": "yes", "a~1": "yes"})
    result = project.run()
    assert int(result.ret) == 4
    result.stderr.fnmatch_lines(["*golden/faq.jsonl:1: nothing decides it*"])


def test_a_marked_test_cannot_be_compared(project: Project) -> None:
    project.golden("golden/code.jsonl", "a")
    project.test('return "yes"', marker='"golden/code.jsonl", scorers=["same-as", "exact"]')
    result = project.run()
    assert int(result.ret) != 0
    assert "same-as: the output of a test's body is known to that test alone" in " ".join(
        (result.stdout.str() + result.stderr.str()).split()
    )
