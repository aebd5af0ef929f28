"""Schedulers: which shard this task is, from the variables of CI systems and clusters.

A scheduler starts the same command several times and numbers the tasks. Only ``--eval-shard auto`` reads the numbers:
these variables are also set where the tasks do something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs.shard import MOST_SHARDS, Shard
from pytest_evalgate.text.jsonl import quote_text

if TYPE_CHECKING:
    from collections.abc import Mapping

COUNT_VARIABLE: Final = "EVALGATE_SHARDS"
"""The number of shards, for schedulers that do not set it."""

INDEX_VARIABLE: Final = "EVALGATE_SHARD_INDEX"
"""The number of the task, from 0, for workflows that know it and schedulers that set no variable."""

_MOST_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Scheduler:
    """The variables of one scheduler.

    Attributes:
        name: For messages.
        index: Variable with the number of the task.
        count: Variable with the number of tasks.
        first: Number of the first task.
        source: Where the variables are documented.
        lone: Whether ``index`` is missing in a job that is the only one.
        tasks: What `COUNT_VARIABLE` has to be set to, if that is ``count``.
    """

    name: str
    index: str
    count: str
    first: int
    source: str
    lone: bool = False
    tasks: str = "the number of tasks"


SCHEDULERS: Final = (
    Scheduler(
        "GitLab CI/CD",
        "CI_NODE_INDEX",
        "CI_NODE_TOTAL",
        1,
        "https://docs.gitlab.com/ci/variables/predefined_variables/",
        lone=True,
    ),
    Scheduler(
        "CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0, "https://circleci.com/docs/reference/variables/"
    ),
    Scheduler(
        "Buildkite",
        "BUILDKITE_PARALLEL_JOB",
        "BUILDKITE_PARALLEL_JOB_COUNT",
        0,
        "https://buildkite.com/docs/pipelines/configure/environment-variables",
    ),
    Scheduler(
        "Kubernetes",
        "JOB_COMPLETION_INDEX",
        COUNT_VARIABLE,
        0,
        "https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode",
        tasks="the completions of the job",
    ),
    # GitHub has the numbers as contexts only, which a workflow can pass on; its expressions cannot add 1
    Scheduler(
        "the workflow",
        INDEX_VARIABLE,
        COUNT_VARIABLE,
        0,
        "https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#strategy-context",
    ),
)

SLURM_SOURCE: Final = "https://slurm.schedmd.com/job_array.html"

_SLURM_ID: Final = "SLURM_ARRAY_TASK_ID"
_SLURM_COUNT: Final = "SLURM_ARRAY_TASK_COUNT"
_SLURM_MIN: Final = "SLURM_ARRAY_TASK_MIN"
_SLURM_MAX: Final = "SLURM_ARRAY_TASK_MAX"
_SLURM_STEP: Final = "SLURM_ARRAY_TASK_STEP"


@dataclass(frozen=True, slots=True)
class Unnumbered:
    """A scheduler that sets no variable with the number of a task.

    Attributes:
        name: For messages.
        variable: A variable that it sets; empty if there is none.
        step: What the workflow has to set.
        source: Where that is documented.
    """

    name: str
    variable: str
    step: str
    source: str


UNNUMBERED: Final = (
    Unnumbered(
        "GitHub Actions",
        "GITHUB_ACTIONS",
        f"set {INDEX_VARIABLE}: ${{{{ strategy.job-index }}}} and {COUNT_VARIABLE}: ${{{{ strategy.job-total }}}} in "
        "env, or EVALGATE_SHARD: ${{ matrix.index }}/${{ strategy.job-total }}, as pytest-evalgate init --github "
        "--shards 4 writes it",
        "https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#strategy-context",
    ),
    Unnumbered(
        "Jenkins",
        "JENKINS_URL",
        "name an axis of the matrix EVALGATE_SHARD, with the values 1/4 to 4/4, or set EVALGATE_SHARD to I/N in each "
        "parallel branch",
        "https://www.jenkins.io/doc/book/pipeline/syntax/#declarative-matrix",
    ),
    Unnumbered(
        "Airflow",
        "AIRFLOW_CTX_DAG_ID",
        f"set EVALGATE_SHARD to I/N in the env of each mapped task, or {INDEX_VARIABLE} to {{{{ ti.map_index }}}} and "
        f"{COUNT_VARIABLE} to the number of tasks",
        "https://airflow.apache.org/docs/apache-airflow/stable/authoring-and-scheduling/dynamic-task-mapping.html",
    ),
    Unnumbered(
        "Ray",
        "",
        "set EVALGATE_SHARD to I/N in the environment of each task, as examples/distributed/ray_shards.py does",
        "https://docs.ray.io/en/latest/ray-core/tasks.html",
    ),
)


def recognised_shard(environ: Mapping[str, str]) -> Shard:
    """Return the shard of this task.

    Raises:
        SettingsError: no scheduler is recognised, its variables are incomplete or wrong, or two schedulers disagree.
    """
    found = {one.name: _shard_of(one, environ) for one in SCHEDULERS if _has(one, environ)}
    if _SLURM_ID in environ:
        found["Slurm"] = _slurm(environ)
    if not found:
        ours = next((one for one in UNNUMBERED if environ.get(one.variable)), None)
        known = None if ours is None else f"{ours.name} sets no variable with the number of a task: {ours.step}"
        names = ", ".join((*(one.index for one in SCHEDULERS), _SLURM_ID))
        raise _error(known or f"none of {names} is set: give I/N, such as --eval-shard 2/4")
    shards = {(shard.index, shard.count): name for name, shard in found.items()}
    if len(shards) > 1:
        numbers = "; ".join(f"{name}: {shard.index}/{shard.count}" for name, shard in found.items())
        raise _error(f"two schedulers number this task differently ({numbers}): give I/N")
    return next(iter(found.values()))


def _has(scheduler: Scheduler, environ: Mapping[str, str]) -> bool:
    own_count = scheduler.count != COUNT_VARIABLE and scheduler.count in environ
    return scheduler.index in environ or own_count


def _shard_of(scheduler: Scheduler, environ: Mapping[str, str]) -> Shard:
    if scheduler.count not in environ:
        step = f"set {COUNT_VARIABLE} to {scheduler.tasks}" if scheduler.count == COUNT_VARIABLE else "set it"
        raise _error(f"{scheduler.name} set {scheduler.index}, and {scheduler.count} is not set: {step}")
    count = _number(scheduler.count, environ)
    if scheduler.index not in environ:
        if scheduler.lone and count == 1:
            return _shard(1, 1, scheduler.count, environ)
        raise _error(f"{scheduler.name} set {scheduler.count}, and {scheduler.index} is not set: set it, or give I/N")
    index = _number(scheduler.index, environ)
    last = scheduler.first + count - 1
    if not scheduler.first <= index <= last:
        raise _error(
            f"{scheduler.index}={index}: with {scheduler.count}={count}, {scheduler.name} numbers its tasks from "
            f"{scheduler.first} to {last}"
        )
    return _shard(index - scheduler.first + 1, count, scheduler.count, environ)


def _slurm(environ: Mapping[str, str]) -> Shard:
    """Return the shard of a task of a Slurm job array; see `SLURM_SOURCE`."""
    for name in (_SLURM_COUNT, _SLURM_MIN, _SLURM_MAX):
        if name not in environ:
            raise _error(f"Slurm set {_SLURM_ID}, and {name} is not set: set it, or give I/N")
    task, count = _number(_SLURM_ID, environ), _number(_SLURM_COUNT, environ)
    lowest, highest = _number(_SLURM_MIN, environ), _number(_SLURM_MAX, environ)
    step = _number(_SLURM_STEP, environ) if _SLURM_STEP in environ else 1
    if step < 1 or (highest - lowest) // step + 1 != count:
        raise _error(
            f"{_SLURM_COUNT}={count}: the array from {lowest} to {highest} in steps of {step} has another number of "
            "tasks; use an array without gaps, such as --array=0-15"
        )
    place, rest = divmod(task - lowest, step)
    if rest or not 0 <= place < count:
        raise _error(f"{_SLURM_ID}={task}: not a task of the array from {lowest} to {highest} in steps of {step}")
    return _shard(place + 1, count, _SLURM_COUNT, environ)


def _shard(index: int, count: int, variable: str, environ: Mapping[str, str]) -> Shard:
    if COUNT_VARIABLE in environ and (wanted := _number(COUNT_VARIABLE, environ)) != count:
        raise _error(f"{COUNT_VARIABLE}={wanted}, and {variable}={count}: remove {COUNT_VARIABLE}, or correct it")
    if count > MOST_SHARDS:
        raise _error(f"{variable}={count}: at most {MOST_SHARDS:,} shards")
    return Shard(index, count)


def _number(name: str, environ: Mapping[str, str]) -> int:
    text = environ[name].strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise _error(f"{name}={quote_text(text)}: not a whole number")
    return int(text)


def _error(message: str) -> SettingsError:
    return SettingsError(f"--eval-shard auto: {message}")
