"""DAG of Airflow 3: one mapped task for each shard, then one task that decides. Copy it into the folder of your DAGs.

Airflow sets no variable with the map index of a task, so each mapped task gets its shard in its environment.
"""

from __future__ import annotations

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

SHARDS = 4
PROJECT = "/opt/evals"
FOLDER = "s3://evals/runs/{{ run_id | replace(':', '') | replace('+', '') }}/"

with DAG("evals", schedule=None, catchup=False):
    shards = BashOperator.partial(
        task_id="shard",
        # a stored shard exits with 12, because only the merge decides
        bash_command="pytest --eval-gate; code=$?; exit $((code == 12 ? 0 : code))",
        cwd=PROJECT,
        append_env=True,
    ).expand(
        env=[
            {
                "EVALGATE_SHARD": f"{index}/{SHARDS}",
                "EVALGATE_SHARDS_TO": FOLDER,
                "EVALGATE_DIR": f"/tmp/evals-{index}",  # noqa: S108 - tasks on one worker must not share a state
            }
            for index in range(1, SHARDS + 1)
        ]
    )
    gate = BashOperator(
        task_id="gate",
        bash_command=f"pytest-evalgate merge {FOLDER} --expect-shards {SHARDS} --gate",
        cwd=PROJECT,
        append_env=True,
    )
    shards >> gate
