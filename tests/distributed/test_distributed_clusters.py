"""The Ray script on Ray's local cluster, and the DAG in a real Airflow; skipped where they are not installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.distributed.conftest import EXAMPLES

_ROOT = Path(__file__).parents[2]
_MOST_S = 300

_IMPORT_DAG = """
import json, sys
sys.path.insert(0, sys.argv[1])
import airflow_dag
gate = airflow_dag.gate
shard = gate.dag.get_task("shard")
print("DAG", json.dumps([sorted(gate.dag.task_ids), sorted(gate.upstream_task_ids), shard.expand_input.value["env"]]))
"""


def _python(name: str) -> str:
    """Return the interpreter of ``make cluster`` that has a package; RAY_PYTHON or AIRFLOW_PYTHON names another."""
    path = Path(os.environ.get(f"{name.upper()}_PYTHON", _ROOT / ".venv" / name / "bin" / "python"))
    if not path.exists():
        pytest.skip(f"{name} is not installed: make cluster")
    return str(path)


def test_airflow_imports_the_dag(tmp_path: Path) -> None:
    python = _python("airflow")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path)}
    command = [python, "-c", _IMPORT_DAG, str(EXAMPLES)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=_MOST_S
    )
    assert done.returncode == 0, done.stderr[-2000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("DAG "))
    tasks, before_gate, environments = json.loads(line.removeprefix("DAG "))
    assert (tasks, before_gate) == (["gate", "shard"], ["shard"])
    assert [one["EVALGATE_SHARD"] for one in environments] == ["1/4", "2/4", "3/4", "4/4"]
    assert {one["EVALGATE_SHARDS_TO"] for one in environments} == {
        "s3://evals/runs/{{ run_id | replace(':', '') | replace('+', '') }}/"
    }


def test_ray_runs_the_shards(tmp_path: Path) -> None:
    python = _python("ray")
    project = tmp_path / "evals"
    shutil.copytree(EXAMPLES, project, ignore=shutil.ignore_patterns(".evalgate", "__pycache__"))
    environment = {
        "PATH": os.pathsep.join((str(Path(python).parent), os.environ["PATH"])),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(_ROOT / "src"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ADDRESS": "local",
    }
    command = [python, "ray_shards.py", f"file://{tmp_path}/shards", "2"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=project, timeout=_MOST_S
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    verdict: Any = json.loads((project / ".evalgate" / "verdict.json").read_text())
    assert (verdict["verdict"], verdict["accounting"]["planned"]) == ("pass", 40)
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == ["1-of-2.jsonl", "2-of-2.jsonl"]


def test_the_dag_and_the_script_are_python() -> None:
    for name in ("airflow_dag.py", "ray_shards.py"):
        compile((EXAMPLES / name).read_text("utf-8"), name, "exec")
