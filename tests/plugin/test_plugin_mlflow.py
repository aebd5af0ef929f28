"""Decided runs in an experiment of a real MLflow with a file store.

The verb runs in a process of its own: MLflow imports importlib_metadata, which replaces a finder of the interpreter
that pytester needs.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.plugin.conftest import Project

_SECRET = "hunter2-of-the-tracking-server"  # noqa: S105 - a canary
_HAS_MLFLOW = importlib.util.find_spec("mlflow") is not None

_SESSION = """
import contextlib, io, json, os, sys
from pytest_evalgate.cli import main

def export(*args):
    shown, problems = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(problems):
        code = main(["export", "--to", "mlflow", "--json", *args])
    return [code, shown.getvalue() + problems.getvalue()]

def runs(experiment):
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return [
        {
            "id": run.info.run_id, "name": run.info.run_name, "status": run.info.status,
            "metrics": run.data.metrics, "params": run.data.params, "tags": run.data.tags,
            "artefacts": sorted(file.path for file in client.list_artifacts(run.info.run_id)),
            "verdict": open(client.download_artifacts(run.info.run_id, "verdict.json")).read(),
            "points": len(client.get_metric_history(run.info.run_id, "faq/pass_rate")),
        }
        for run in found
    ]

steps = json.loads(sys.argv[1])
results = []
for step in steps:
    if step[0] == "refuse":
        os.environ["MLFLOW_TRACKING_URI"] = step[1]
        results.append(export())
    elif step[0] == "export":
        results.append(export(*step[1:]))
    else:
        from mlflow.tracking import MlflowClient
        client = MlflowClient()
        if step[0] == "interrupt":
            client.set_terminated(json.loads(results[-1][1])["runs"][0]["mlflow_id"], "RUNNING")
        results.append(runs(step[1]))
print("RESULTS " + json.dumps(results))
"""


@pytest.fixture
def decided(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Project:
    """A project with two decided runs: 3 of 4 cases passed."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", _SECRET)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    project.suite({"a": "yes", "b": "yes", "c": "yes", "d": "no"})
    project.configure('formats = ["html"]\n', table="report")
    project.write("pyproject.toml", '[project]\nname = "support-bot"\n')
    assert project.run("--eval-label", "team=billing").ret == 0
    assert project.run("--eval-label", "team=search").ret == 0
    monkeypatch.chdir(project.path)
    return project


def _play(project: Project, *steps: Sequence[str]) -> list[Any]:
    """Run the steps in one process; exports return their code and their JSON, or the text if it is none."""
    command = [sys.executable, "-c", _SESSION, json.dumps(steps)]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False, env=dict(os.environ))
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULTS ")), None)
    assert line is not None, done.stdout + done.stderr
    return list(json.loads(line.removeprefix("RESULTS ")))


@pytest.mark.skipif(not _HAS_MLFLOW, reason="MLflow is not installed: pip install mlflow-skinny")
def test_runs_in_an_experiment(decided: Project) -> None:
    newest = decided.verdict["run_id"]
    (earlier,) = {path.name for path in (decided.state / "runs").iterdir()} - {newest}
    results = _play(
        decided,
        ("export",),
        ("runs", "support-bot"),
        ("export",),
        ("interrupt", "support-bot"),
        ("export",),
        ("runs", "support-bot"),
        ("export", "--suite", "faq", "--experiment", "of-tests"),
        ("export", "--label", "team=billing", "--experiment", "of-tests"),
        ("export", "--label", "team=nobody"),
        ("refuse", f"nowhere://user:{_SECRET}@host"),
    )
    first, (run,), second, _, third, after, both, labelled, none, (code, refused) = results
    assert json.loads(first[1]) == {
        "experiment": "support-bot",
        "runs": [{"run_id": newest, "mlflow_id": run["id"], "is_new": True}],
    }
    suite, metrics = decided.verdict["suites"]["faq"], run["metrics"]
    assert metrics["faq/pass_rate"] == suite["pass_rate"] == 0.75
    assert [metrics["faq/pass_rate.lower"], metrics["faq/pass_rate.upper"]] == suite["interval"]
    assert (metrics["faq/passed"], metrics["faq/missed"], metrics["exit_code"]) == (3, 1, 0)
    assert metrics["faq/score exact"] == 0.75
    assert run["params"]["tier"] == "default"
    assert "golden/faq.out.jsonl" in run["params"]["faq_ target"]
    tags = run["tags"]
    assert (tags["evalgate.run_id"], tags["evalgate.verdict"], tags["team"]) == (newest, "pass", "search")
    assert (run["status"], run["name"], run["points"]) == ("FINISHED", newest, 1)
    assert run["artefacts"] == ["report.html", "verdict.json"]
    assert json.loads(run["verdict"]) == decided.verdict
    assert json.loads(second[1])["runs"] == [{"run_id": newest, "mlflow_id": run["id"], "is_new": False}]
    (again,) = json.loads(third[1])["runs"]  # the second export had been interrupted: sent again, once
    assert again["is_new"]
    assert [one["id"] for one in after] == [again["mlflow_id"]] != [run["id"]]
    assert {one["run_id"] for one in json.loads(both[1])["runs"]} == {earlier, newest}  # made in the same second
    assert [(one["run_id"], one["is_new"]) for one in json.loads(labelled[1])["runs"]] == [(earlier, False)]
    assert json.loads(none[1])["runs"] == []
    assert code == 4
    assert "MLflow: " in refused
    assert "check MLFLOW_TRACKING_URI" in refused
    assert _SECRET not in refused


@pytest.mark.usefixtures("decided")
def test_a_missing_client_names_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mlflow", "mlflow.tracking", "mlflow.exceptions"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["export", "--to", "mlflow"]) == 4
    assert "pip install mlflow-skinny" in capsys.readouterr().err
