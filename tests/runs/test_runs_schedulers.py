from __future__ import annotations

import re

import pytest

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.runs.schedulers import recognised_shard

_SLURM = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX")


def _environ(text: str) -> dict[str, str]:
    """Return the variables of ``A=1 B=2``; the four of Slurm are written as ``slurm=ID,COUNT,MIN,MAX``."""
    pairs = [word.partition("=")[::2] for word in text.split()]
    found = {name: value for name, value in pairs if name != "slurm"}
    for name, value in pairs:
        if name == "slurm":
            found |= zip(_SLURM, value.split(","), strict=True)
    return found


@pytest.mark.parametrize(
    ("variables", "shard"),
    [
        ("CI=true GITLAB_CI=true CI_NODE_INDEX=1 CI_NODE_TOTAL=4", "1/4"),
        ("CI_NODE_INDEX=4 CI_NODE_TOTAL=4", "4/4"),
        ("GITLAB_CI=true CI_NODE_TOTAL=1", "1/1"),
        ("CIRCLE_NODE_INDEX=0 CIRCLE_NODE_TOTAL=3", "1/3"),
        ("CIRCLE_NODE_INDEX=2 CIRCLE_NODE_TOTAL=3", "3/3"),
        ("BUILDKITE_PARALLEL_JOB=0 BUILDKITE_PARALLEL_JOB_COUNT=2", "1/2"),
        ("BUILDKITE_PARALLEL_JOB=1 BUILDKITE_PARALLEL_JOB_COUNT=2", "2/2"),
        ("JOB_COMPLETION_INDEX=15 EVALGATE_SHARDS=16", "16/16"),
        ("JOB_COMPLETION_INDEX=0 EVALGATE_SHARDS=1000", "1/1000"),
        ("GITHUB_ACTIONS=true EVALGATE_SHARD_INDEX=0 EVALGATE_SHARDS=4", "1/4"),
        ("AIRFLOW_CTX_DAG_ID=evals EVALGATE_SHARD_INDEX=3 EVALGATE_SHARDS=4", "4/4"),
        ("slurm=7,16,0,15", "8/16"),
        ("slurm=1,4,1,4", "1/4"),
        ("slurm=8,4,0,12 SLURM_ARRAY_TASK_STEP=4", "3/4"),
        ("slurm=8,4,0,15 SLURM_ARRAY_TASK_STEP=4", "3/4"),
        ("CI_NODE_INDEX=2 CI_NODE_TOTAL=4 EVALGATE_SHARDS=4", "2/4"),
        ("CI_NODE_INDEX=2 CI_NODE_TOTAL=4 JOB_COMPLETION_INDEX=1 EVALGATE_SHARDS=4", "2/4"),
    ],
)
def test_the_variables_of_a_scheduler_name_the_shard(variables: str, shard: str) -> None:
    found = recognised_shard(_environ(variables))
    assert f"{found.index}/{found.count}" == shard


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ("", "none of CI_NODE_INDEX, CIRCLE_NODE_INDEX, BUILDKITE_PARALLEL_JOB, JOB_COMPLETION_INDEX, EVALGATE_"),
        ("EVALGATE_SHARDS=4", "none of CI_NODE_INDEX"),
        ("GITHUB_ACTIONS=true", "EVALGATE_SHARD: ${{ matrix.index }}/${{ strategy.job-total }}"),
        (
            "GITHUB_ACTIONS=true",
            "EVALGATE_SHARD_INDEX: ${{ strategy.job-index }} and EVALGATE_SHARDS: ${{",
        ),
        ("JENKINS_URL=http://ci", "Jenkins sets no variable"),
        ("JENKINS_URL=http://ci", "name an axis of the matrix EVALGATE_SHARD"),
        ("AIRFLOW_CTX_DAG_ID=evals", "EVALGATE_SHARD_INDEX to {{ ti.map_index }}"),
        ("EVALGATE_SHARD_INDEX=1", "set EVALGATE_SHARDS to the number of tasks"),
        ("EVALGATE_SHARD_INDEX=4 EVALGATE_SHARDS=4", "the workflow numbers its tasks from 0 to 3"),
        ("EVALGATE_SHARD_INDEX=1 JOB_COMPLETION_INDEX=2 EVALGATE_SHARDS=4", "Kubernetes: 3/4; the workflow: 2/4"),
        ("CI_NODE_INDEX=1", "CI_NODE_TOTAL is not set"),
        ("CI_NODE_TOTAL=4", "CI_NODE_INDEX is not set"),
        ("CI_NODE_INDEX=0 CI_NODE_TOTAL=4", "CI_NODE_INDEX=0: with CI_NODE_TOTAL=4, GitLab CI/CD numbers its tasks"),
        ("CI_NODE_INDEX=5 CI_NODE_TOTAL=4", "from 1 to 4"),
        ("CIRCLE_NODE_INDEX=3 CIRCLE_NODE_TOTAL=3", "from 0 to 2"),
        ("CIRCLE_NODE_INDEX=-1 CIRCLE_NODE_TOTAL=3", 'CIRCLE_NODE_INDEX="-1": not a whole number'),
        ("CIRCLE_NODE_INDEX= CIRCLE_NODE_TOTAL=3", 'CIRCLE_NODE_INDEX="": not a whole number'),
        ("CIRCLE_NODE_TOTAL=1", "CIRCLE_NODE_INDEX is not set"),
        ("BUILDKITE_PARALLEL_JOB=1 BUILDKITE_PARALLEL_JOB_COUNT=x", 'BUILDKITE_PARALLEL_JOB_COUNT="x"'),
        ("BUILDKITE_PARALLEL_JOB=0 BUILDKITE_PARALLEL_JOB_COUNT=0", "BUILDKITE_PARALLEL_JOB=0: with"),
        ("JOB_COMPLETION_INDEX=3", "set EVALGATE_SHARDS to the completions of the job"),
        ("JOB_COMPLETION_INDEX=3 EVALGATE_SHARDS=3", "from 0 to 2"),
        ("JOB_COMPLETION_INDEX=3 EVALGATE_SHARDS=2000", "EVALGATE_SHARDS=2000: at most 1,000 shards"),
        ("SLURM_ARRAY_TASK_ID=3", "SLURM_ARRAY_TASK_COUNT is not set"),
        ("slurm=3,3,1,7", "use an array without gaps"),
        ("slurm=20,16,0,15", "SLURM_ARRAY_TASK_ID=20: not a task of the array"),
        ("slurm=5,4,0,12 SLURM_ARRAY_TASK_STEP=4", "SLURM_ARRAY_TASK_ID=5: not a task"),
        ("CI_NODE_INDEX=2 CI_NODE_TOTAL=4 EVALGATE_SHARDS=8", "EVALGATE_SHARDS=8, and CI_NODE_TOTAL=4"),
        ("CI_NODE_INDEX=1 CI_NODE_TOTAL=4 slurm=3,4,0,3", "GitLab CI/CD: 1/4; Slurm: 4/4"),
        (f"CI_NODE_INDEX=1 CI_NODE_TOTAL={'9' * 5000}", "CI_NODE_TOTAL="),
    ],
)
def test_wrong_or_partial_variables_are_errors_that_name_them(variables: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)) as error:
        recognised_shard(_environ(variables))
    assert str(error.value).startswith("--eval-shard auto: ")
