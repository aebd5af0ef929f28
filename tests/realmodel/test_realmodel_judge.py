"""The smallest model as a judge: nobody can read what it says, so calibration refuses it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.realmodel.conftest import Project, RealModel

pytestmark = pytest.mark.realmodel

_EVALGATE = Path(sys.executable).with_name("pytest-evalgate")
_CAPITALS = {"France": "Paris", "Spain": "Madrid"}
_JUDGE = """
[judges.capital]
model = "gemma"
rubric = "correctness"
params = { max_tokens = 120, stop = [] }
calibration = "calibration/capital.json"
"""


def _labels() -> str:
    """Label the capital of each country as right, and that of the next one as wrong."""
    wrong = ["Madrid", "Paris"]
    rows = [
        {"id": f"{country}-{label}", "input": country, "expected": right, "output": f"It is {said}.", "label": label}
        for (country, right), other in zip(_CAPITALS.items(), wrong, strict=True)
        for label, said in (("pass", right), ("fail", other))
    ]
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def test_a_worthless_judge_is_refused_by_calibration_and_by_the_run(model: RealModel, project: Project) -> None:
    project.ask(model, "http", scorers='[{ judge = "capital" }]', more=_JUDGE)
    project.write("labels.jsonl", _labels())
    calibrated = project.pytester.run(_EVALGATE, "calibrate", "capital", "--labels", "labels.jsonl", timeout=200)
    assert calibrated.ret == 4
    calibrated.stderr.fnmatch_lines(["*the judge gave no readable score for any of 4 rows: no verdict: *"])
    assert not (project.pytester.path / "calibration").exists()
    spent = model.tokens
    result = project.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*judge capital may not gate: calibration/capital.json does not exist yet*"])
    assert model.tokens == spent
