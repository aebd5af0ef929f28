from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.realmodel.conftest import Project, RealModel

pytestmark = pytest.mark.realmodel


def test_answers_pass_the_gate_and_the_second_run_sends_nothing(
    model: RealModel, project: Project, client: str
) -> None:
    project.ask(model, client)
    before = model.tokens
    assert project.run().ret == 0
    assert project.texts == project.capitals
    assert project.attempts == [1, 1, 1]
    assert project.tokens == model.tokens - before
    assert project.tokens["tokens_in"] > project.tokens["tokens_out"] >= 3

    first, before = project.outputs, model.tokens
    assert project.run().ret == 0
    assert project.outputs == first
    assert project.attempts == [0, 0, 0]
    assert model.tokens == before


def test_both_clients_get_the_same_answers_and_share_what_is_remembered(model: RealModel, project: Project) -> None:
    project.ask(model, "openai")
    project.run()
    from_sdk = project.outputs

    project.ask(model, "http")
    project.run()
    assert project.attempts == [0, 0, 0]

    shutil.rmtree(project.state)
    project.run()
    assert project.attempts == [1, 1, 1]
    assert project.outputs == from_sdk


def test_a_wrong_answer_is_missed(model: RealModel, project: Project) -> None:
    project.ask(model, "http")
    project.golden({**project.capitals, "Spain": "Barcelona"})
    assert project.run().ret == 1
    assert project.outcomes == {"France": "passed", "Germany": "passed", "Spain": "missed"}


def test_the_responses_api_brings_the_same_answers(model: RealModel, project: Project, client: str) -> None:
    project.ask(model, client, api="responses")
    before = model.tokens
    assert project.run().ret == 0
    assert project.texts == project.capitals
    assert project.tokens == model.tokens - before
