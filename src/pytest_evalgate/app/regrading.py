"""Outputs of a stored run as a target: they are graded again by the scorers of now, and no target is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import MissingOutput, RunFileError, SettingsError
from pytest_evalgate.records.calls import ApplicationFailure
from pytest_evalgate.records.results import Output
from pytest_evalgate.runs import codec, run_file
from pytest_evalgate.targets import RecordedTargetRunner, Recording
from pytest_evalgate.text.wording import first_few

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.config import RunTarget
    from pytest_evalgate.records.results import CaseResult

LAST: Final = "last"
_NAMED: Final = 5


def stored_outputs(spec: RunTarget, suite: str, *, state: Path) -> RecordedTargetRunner:
    """Return a target with the outputs of ``suite`` in a stored run, one recording for each trial.

    Latencies are those of the run; its calls are not counted again. A failure of the target in that run is one again.

    Raises:
        SettingsError: There is no such run, it cannot be read, or it has no such suite; lists what there is.
    """
    place = f"--eval-target run:{spec.run}"
    path = _path_of(spec, state, place)
    try:
        run = run_file.read(path)
    except RunFileError as error:
        raise SettingsError(f"{place}: {error}") from None
    found = next((one for one in run.suites if one.plan.name == suite), None)
    if found is None:
        known = ", ".join(one.plan.name for one in run.suites) or "none"
        raise SettingsError(f"{place}: run {run.id} has no suite {suite!r} (its suites: {known})")
    trials = max((len(result.trials) for result in found.results), default=0)
    recordings = tuple(Recording(f"run {run.id}", {}) for _ in range(max(1, trials)))
    for row in run_file.rows(path):  # `read` has checked the rows, and has left out their outputs
        if row["suite"] == suite:
            _add(recordings, codec.decode_result(row, codec.decode_case(row)))
    return RecordedTargetRunner(recordings)


def _add(recordings: tuple[Recording, ...], result: CaseResult) -> None:
    case_id = result.case.id
    for trial, recording in zip(result.trials, recordings, strict=False):
        recording.questions[case_id] = result.question.get("input")
        output, why = trial.output, trial.reason or "no reason given"
        if output is not None:
            recording.outputs[case_id] = Output(
                output.value, output.metadata, output.latency_s, output.finish, reasoning=output.reasoning
            )
        elif trial.value is None:
            recording.failures[case_id] = MissingOutput(f"{recording.name} has no output: {why}", is_final=True)
        else:
            recording.failures[case_id] = ApplicationFailure(why)


def _path_of(spec: RunTarget, state: Path, place: str) -> Path:
    paths = run_file.newest_first(state)
    if spec.run == LAST and paths:
        return paths[0]
    wanted = next((path for path in paths if path.parent.name == spec.run), None)
    if wanted is None:
        stored = first_few([path.parent.name for path in paths], _NAMED)
        advice = f"the stored runs are: {stored}" if paths else "no run is stored: run first with: pytest --eval-gate"
        raise SettingsError(f"{place}: no such run; {advice}")
    return wanted
