"""``similar``: the cosine of embeddings, which equals numpy's, and the cases without one."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scorers.asked import EMB, MOD, ScriptedClient, asked_by, context_of, score

from pytest_evalgate.config import Model
from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.records.calls import CallFailed, CallRecord, Reply, RunStopped
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import build, local_embeddings
from pytest_evalgate.scorers.cosines import cosine

SPEC = {"kind": "similar", "threshold": 0.8}
NUMBERS = st.floats(-1e6, 1e6).filter(lambda number: abs(number) > 1e-6)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(*[st.lists(NUMBERS, min_size=n, max_size=n)] * 2)))
def test_the_cosine_is_that_of_numpy(pair: tuple[list[float], list[float]]) -> None:
    one, other = map(np.array, pair)
    wanted = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
    assert cosine(*pair) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ([1.0, 0.0], [1.0, 0.0], 1.0),
        ([1.0, 0.0], [0.0, 3.0], 0.0),
        ([1.0, 2.0], [-2.0, -4.0], -1.0),
        ([1e200, 1e200], [1e200, 0.0], 0.5**0.5),  # squares overflow
        ([1e-200, 1e-200], [1.0, 1.0], 1.0),  # squares are 0
    ],
)
def test_the_cosine_of_vectors_of_any_length(one: list[float], other: list[float], wanted: float) -> None:
    assert cosine(one, other) == pytest.approx(wanted)


def test_the_best_reference_counts() -> None:
    script = {"14 days": [1.0, 0.0], "two weeks": [0.6, 0.8], "a month": [0.0, 1.0]}
    found = score(SPEC, "14 days", script, expected_any=("a month", "two weeks"))
    assert found.value == pytest.approx(0.6)
    assert found.passed is False
    assert found.reason == 'cosine 0.600 with "two weeks"'
    assert len(found.calls) == 3
    assert score({**SPEC, "value": ["14 days", "a month"]}, "14 days", script).passed is True
    assert score({**SPEC, "threshold": 0.6}, "14 days", script, expected="two weeks").passed is True


def test_each_text_is_one_call_that_is_the_same_in_every_trial() -> None:
    client = ScriptedClient({"a": [1.0], "b": [1.0]})
    scorer: Any = asked_by({**SPEC, "value": ["b", "a", "b"]}, client)
    case = Case("q1")
    asyncio.run(scorer.score(case, Output("a")))
    assert client.texts == ["a", "b"]
    assert [*scorer.calls_of(case, Output("a"))] == client.calls
    [call, _] = client.calls
    assert (call.kind, call.endpoint, call.model, call.trial) == ("embeddings", EMB.base_url, "emb-1", 0)
    assert call.payload == {"dimensions": 2, "model": "emb-1", "input": "a"}
    assert (call.route, call.purpose, call.label) == ("emb", "scorer:similar", "scorer:similar::q1")


def test_the_negation_passes_below_the_threshold() -> None:
    script = {"a": [1.0, 0.0], "b": [0.8, 0.6]}
    spec = {"kind": "not-similar", "value": "b", "threshold": 0.8}
    assert score(spec, "a", script).passed is False  # at the threshold
    found = score({**spec, "threshold": 0.81}, "a", script)
    assert (found.name, found.passed) == ("not-similar", True)
    assert found.value == pytest.approx(0.2)


def test_a_negative_cosine_counts_as_0() -> None:
    assert score(SPEC, "a", {"a": [1.0], "b": [-1.0]}, expected="b").value == 0


def test_a_part_of_the_output_is_compared() -> None:
    spec = {**SPEC, "field": "answer", "value": "b"}
    assert score(spec, '{"answer": "a"}', {"a": [1.0], "b": [1.0]}).passed is True
    assert score(spec, '{"other": "a"}', {}).reason == "the output has no answer"


def test_an_empty_output_is_not_sent() -> None:
    found = score(SPEC, " ", {}, expected="b")
    assert (found.value, found.reason, found.calls) == (0, "the output is empty", ())


@pytest.mark.parametrize(
    ("reply", "reason", "may_change"),
    [
        (CallFailed("no reply", CallRecord("scorer:similar", "emb-1", 5)), "no reply", True),
        (CallFailed("refused", is_final=True), "refused", False),
        (Reply("too long", "context_length"), "the prompt is longer than the model's context", False),
        ([1.0, 2.0, 3.0], "the endpoint returned embeddings of 1 and 3 numbers", False),
    ],
)
def test_without_a_vector_the_score_is_unknown(reply: Any, reason: str, *, may_change: bool) -> None:
    found = score(SPEC, "a", {"a": [1.0], "b": reply}, expected="b")
    assert (found.value, found.passed, found.may_change) == (None, None, may_change)
    assert found.reason.startswith(reason)
    assert found.calls[0].tokens_in == 3


def test_the_end_of_the_run_ends_the_scorer() -> None:
    with pytest.raises(RunStopped):
        score(SPEC, "a", {"a": [1.0], "b": RunStopped("the budget is spent")}, expected="b")


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({}, 'nothing to compare with: add "expected" to the case'),
        ({"expected": " "}, 'the reference is empty: set "expected"'),
        ({"expected": {"a": 1}}, "is an object, which is not text"),
    ],
)
def test_a_case_without_a_reference_is_refused_before_the_run(case: dict[str, Any], message: str) -> None:
    scorer: Any = asked_by(SPEC, ScriptedClient({}))
    assert message in scorer.case_problem(Case("q1", **case))
    with pytest.raises(ScorerError, match='case "q1": scorer "similar": '):
        asyncio.run(scorer.score(Case("q1", **case), Output("x")))
    assert scorer.reads(Case("q1")) == {"expected", "expected_any"}


@pytest.mark.parametrize(
    ("spec", "models", "message"),
    [
        ({"kind": "similar"}, {}, "similar: threshold is missing: write the least cosine that passes"),
        ({**SPEC, "model": "mod"}, {}, 'similar: models.mod.api is "moderations": set api = "embeddings"'),
        ({**SPEC, "model": "embb"}, {}, 'similar: no model is named "embb"; did you mean "emb"?'),
        ({**SPEC, "vlaue": "x"}, {}, 'similar: vlaue: unknown key; did you mean "value"?'),
        ({**SPEC, "value": []}, {}, "similar: value: "),
        (SPEC, {"mod": MOD}, 'similar asks a model: add a table [models.NAME] with api = "embeddings"'),
        (SPEC, {"a": EMB, "b": EMB}, 'similar: several models have api = "embeddings" (a, b): add model = "NAME"'),
        (
            SPEC,
            {"a": Model(model="m", api="embeddings", params={"input": "x"})},
            "similar: models.a.params.input: the scorer sets it: remove it",
        ),
    ],
)
def test_a_specification_that_cannot_be_used_is_refused(spec: Any, models: dict[str, Model], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(spec, context=context_of(ScriptedClient({}), **models))
    assert str(caught.value).startswith(f"scorers: {message}")


def test_without_the_extra_the_local_model_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordllama", None)
    local_embeddings._model.cache_clear()
    with pytest.raises(SettingsError, match=r"wordllama is not installed: pip install 'pytest-evalgate\[embed\]'"):
        build({**SPEC, "model": "wordllama"}, context=context_of(ScriptedClient({})))


def test_the_local_model_is_that_of_the_package_and_downloads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    wordllama = pytest.importorskip("wordllama")
    local_embeddings._model.cache_clear()

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    spec = {"kind": "similar", "model": "wordllama", "threshold": 0.4}
    expected = "You get your money back within two weeks."
    near, far = "The refund takes 14 days.", "Cats like fish."
    vectors = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True).embed(
        [near, expected]
    )
    wanted = float(vectors[0] @ vectors[1] / (np.linalg.norm(vectors[0]) * np.linalg.norm(vectors[1])))
    found = score(spec, near, {}, expected=expected)
    assert (found.passed, found.calls) == (True, ())
    assert found.value == pytest.approx(wanted, abs=1e-6)
    assert score(spec, far, {}, expected=expected).passed is False
    assert score({**spec, "kind": "not-similar"}, far, {}, expected=expected).passed is True
    scorer: Any = asked_by(spec, ScriptedClient({}))
    assert scorer.waits is False
    assert scorer.case_problem(Case("q1")).startswith("nothing to compare with")


@pytest.mark.parametrize("spec", [{"kind": "similar", "value": "ref", "threshold": 0.9}, {"kind": "moderation"}])
def test_a_scorer_that_warns_decides_nothing(spec: Any) -> None:
    flags = {"flagged": True, "categories": {"hate": True}}
    script = {"a": [1.0, 0.0] if spec["kind"] == "similar" else flags, "ref": [0.0, 1.0]}
    assert [score({**spec, **more}, "a", script).counts for more in ({}, {"severity": "warn"})] == [True, False]
