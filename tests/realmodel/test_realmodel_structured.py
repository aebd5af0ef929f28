from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.realmodel.conftest import Project, RealModel

pytestmark = pytest.mark.realmodel

_CAPITAL = """
params = { stop = [], max_tokens = 64 }
[suites.capitals.target.response_format]
type = "json_schema"

[suites.capitals.target.response_format.json_schema]
name = "capital"
strict = true

[suites.capitals.target.response_format.json_schema.schema]
type = "object"
properties = { city = { type = "string" } }
required = ["city"]
additionalProperties = false
"""


def test_a_schema_makes_the_answer_json(model: RealModel, project: Project, client: str) -> None:
    project.ask(model, client, scorers='["json-valid"]', more=_CAPITAL)
    project.golden({"France": "Paris", "Spain": "Madrid"})
    assert project.run().ret == 0
    assert {case: json.loads(text) for case, text in project.texts.items()} == {
        "France": {"city": "Paris"},
        "Spain": {"city": "Madrid"},
    }


def test_without_a_schema_it_is_a_miss(model: RealModel, project: Project) -> None:
    project.ask(model, "http", scorers='["json-valid"]')
    assert project.run().ret == 1
    assert set(project.outcomes.values()) == {"missed"}
