from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.realmodel.conftest import Project, RealModel

pytestmark = pytest.mark.realmodel


def test_an_answer_that_is_cut_off_is_missed_and_asked_again(model: RealModel, project: Project, client: str) -> None:
    project.ask(model, client, max_tokens=1)
    for _ in range(2):
        before = model.tokens
        assert project.run().ret == 1
        assert set(project.outcomes.values()) == {"missed"}
        assert {output["finish"] for output in project.outputs.values()} == {"length"}
        assert project.texts["France"] == "Paris"  # right as far as it goes
        assert project.attempts == [1, 1, 1]
        assert model.tokens - before == project.tokens
    assert project.cache("stats")["entries"] == 0


def test_a_question_that_is_too_long_is_missing_and_the_others_are_answered(
    model: RealModel, project: Project, client: str
) -> None:
    project.ask(model, client)
    too_long = "Spain " * 2_400
    project.golden({"France": "Paris", too_long: "Madrid"}, ids=("short", "long"))
    assert project.run().ret not in (0, 1)
    assert project.outcomes == {"short": "passed", "long": "errored"}
    assert "exceeds the available context size (2048 tokens)" in project.rows["long"]["reason"]


def test_a_wrong_key_is_no_answer_and_names_the_variable(
    serving: Callable[..., AbstractContextManager[RealModel]], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(project.key_variable, "another-key")
    with serving("the-key-of-the-server") as model:
        project.ask(model, "openai")
        result = project.run()
    assert result.ret not in (0, 1)
    assert project.outcomes == dict.fromkeys(project.capitals, "errored")
    assert project.rows["France"]["reason"].endswith(f"check the environment variable {project.key_variable}")
    assert "another-key" not in str(result.stdout)
