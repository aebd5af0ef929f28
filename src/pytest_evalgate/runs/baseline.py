"""Baselines: promoted runs of one suite, case by case, committed to git or read from another commit.

Beside a baseline, ``NAME.outputs.jsonl`` contains the output of each case for reports.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Final

from pytest_evalgate.config import owner_of
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.records.served import other_models
from pytest_evalgate.records.verdicts import Baseline, BaselineCase, Provenance
from pytest_evalgate.runs import git_tree, run_file
from pytest_evalgate.runs.record_file import RecordFile, check_filled, check_time, dumps
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import count, label_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import CaseResult, Run, SuitePlan, SuiteRun

_GIT: Final = "git:"
_OUTPUTS: Final = ".outputs.jsonl"


def find(spec: str | None, *, suite: str, file: Path, root: Path) -> Baseline | None:
    """Read the baseline of a suite; return None if ``spec`` is None and ``file`` does not exist yet.

    ``spec`` is the configured baseline: a file, ``git:REF`` for ``file`` at another commit, or None for ``file``.

    Raises:
        BaselineError: The baseline is configured and missing, outside of the root folder, cut, malformed, of a newer
            schema, or of another suite.
    """
    if spec is not None and spec.startswith(_GIT):
        source = spec
        data = git_tree.show(root, spec.removeprefix(_GIT), files.relative_name(file, root))
        baseline = _BASELINE.parse(data, source, source=source)
    else:
        path = file if spec is None else _inside(root, spec)
        if spec is None and not path.exists():
            return None
        source = f"file:{files.relative_name(path, root)}"
        baseline = _BASELINE.read(path, source, source=source)
    if owner_of(baseline.suite) != owner_of(suite):
        raise BaselineError(f"{source}: is the baseline of suite {baseline.suite!r}, not of {suite!r}")
    return baseline


def file_of(configured: str | None, *, suite: str, root: Path, state: Path) -> Path:
    """Return the file to which the baseline of ``suite`` is written; the default one if a commit is configured.

    The candidates of a suite share its baseline.

    Raises:
        BaselineError: It is outside of the root folder.
    """
    if configured is None or configured.startswith(_GIT):
        return state / "baselines" / f"{owner_of(suite)}.json"
    return _inside(root, configured)


def _inside(root: Path, spec: str) -> Path:
    return files.configured_path(root, spec, f"baseline {spec}", BaselineError)


def promote(run: Run, suite: SuiteRun, *, reason: str, now: str) -> Baseline:
    """Return the results of one suite as a baseline.

    Raises:
        BaselineError: The run is invalid, cases were not run or have no output, or the reason is empty.
    """
    if not reason.strip():
        raise BaselineError('a baseline needs a reason: --reason "..."')
    if run.problems:
        raise BaselineError(f"run {run.id} is invalid and cannot be promoted: {run.problems[0]}")
    name = suite.plan.name
    next_step = "run the whole suite again"
    if any(result.outcome == "unscored" for result in suite.results):
        next_step = f"calibrate its judge first: {label_command(name)}"
    if suite.stopped is not None:
        next_step = "the suite stopped early: run the remaining cases with: pytest --eval-gate --eval-stop never"
    for outcome, problem in _NOT_COMPLETE:
        affected = sum(result.outcome == outcome for result in suite.results)
        if affected:
            raise BaselineError(
                f"run {run.id} is not complete: {affected} of {len(suite.results)} cases of suite {name} {problem}; "
                f"{next_step}, then promote"
            )
    counted = [result for result in suite.results if result.outcome != "skipped" and result.case.side != "base"]
    cases = {result.case.id: _baseline_case(result) for result in counted}
    if not cases:
        raise BaselineError(f"run {run.id} has no case of suite {name} with an output")
    provenance = Provenance(
        run.id, run.created, now, run.commit, reason, suite.plan.golden_sha256, suite.plan.scorers_sha256
    )
    others = other_models(counted)
    return Baseline(name, "run", provenance, suite.plan.most_trials, cases, _scorer_names(suite.results), others)


_NOT_COMPLETE: Final = (
    ("not_run", "were not run"),
    ("errored", "have no output"),
    ("unscored", "are decided by nothing"),
)


def _baseline_case(result: CaseResult) -> BaselineCase:
    """Return the values of a case, and the scores of those scorers whose scores differ from them.

    A trial that was not graded, or that a scorer could not score, counts as 0.
    """
    values = tuple(trial.value for trial in result.trials if trial.value is not None)
    trials = [{score.name: score.value for score in trial.scores} for trial in result.trials]
    scores = {name: tuple(trial.get(name) or 0.0 for trial in trials) for name in _scorer_names([result])}
    differing = {name: column for name, column in scores.items() if column != values}
    return BaselineCase(result.case.fingerprint, values, differing, _readings(result), result.case.weight)


def _readings(result: CaseResult) -> Mapping[str, tuple[tuple[str | float | None, ...], ...]]:
    """Return the values that each metric read in every trial of a case."""
    read: dict[str, list[tuple[str | float | None, ...]]] = {}
    for trial in result.trials:
        for one in trial.readings:
            read.setdefault(one.metric, []).append(one.values)
    return {name: tuple(rows) for name, rows in read.items() if len(rows) == len(result.trials)}


def _scorer_names(results: Iterable[CaseResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(score.name for result in results for trial in result.trials for score in trial.scores))


def reject_sample(run: Run, plan: SuitePlan, tier: str) -> None:
    """Raise `BaselineError` if the tier of a run ran only a sample of a suite."""
    if plan.drawn_from is not None:
        raise BaselineError(
            f"run {run.id} is of tier {tier}, which runs {len(plan.cases):,} of {count(plan.drawn_from, 'case')} of "
            f"suite {plan.name}: run the default tier with: pytest --eval-gate, then promote"
        )


def write(baseline: Baseline, path: Path) -> None:
    """Write a baseline atomically, one line for each case, so that a review shows the changed cases."""
    _BASELINE.write(baseline, path)


def _encode(baseline: Baseline) -> dict[str, Json]:
    return {
        "suite": baseline.suite,
        "trials": baseline.trials,
        "scorers": list(baseline.scorers),
        **({"other_models": [dataclasses.asdict(one) for one in others]} if (others := baseline.other_models) else {}),
        "provenance": dataclasses.asdict(baseline.provenance),
        "cases": {case_id: _encode_case(case) for case_id, case in sorted(baseline.cases.items())},
    }


def _encode_case(case: BaselineCase) -> Json:
    encoded: Json = {"fingerprint": case.fingerprint, "values": _numbers(case.values)}
    if case.scores:
        encoded["scores"] = {name: _numbers(values) for name, values in case.scores.items()}
    if case.weight != 1:
        encoded["weight"] = case.weight
    if case.readings:
        encoded["readings"] = {name: [list(row) for row in rows] for name, rows in case.readings.items()}
    return encoded


def _numbers(values: tuple[float, ...]) -> list[float]:
    """Return 1 for 1.0: most values are 0 or 1, and people read the committed file."""
    return [int(value) if value.is_integer() else value for value in values]


def _check(baseline: Baseline) -> None:
    origin = baseline.provenance
    check_time("provenance.created", origin.created)
    check_time("provenance.promoted", origin.promoted)
    check_filled(suite=baseline.suite, run_id=origin.run_id, reason=origin.reason)
    check_filled(golden_sha256=origin.golden_sha256, scorers_sha256=origin.scorers_sha256, commit=origin.commit)
    if baseline.trials < 1:
        raise ValueError(f"trials must be at least 1, got {baseline.trials}")
    if not baseline.cases:
        raise ValueError("cases: empty")
    for case_id, case in baseline.cases.items():
        check_filled(id=case_id, fingerprint=case.fingerprint)
        _check_weight(case_id, case.weight)
        if len(case.values) > baseline.trials:
            raise ValueError(f"case {case_id}: {len(case.values)} values of {baseline.trials} trials")
        if not case.values or not all(0 <= value <= 1 for value in case.values):
            raise ValueError(f"case {case_id}: values must be in [0, 1], got {list(case.values)}")
        for name, scores in case.scores.items():
            if len(scores) != len(case.values) or not all(0 <= score <= 1 for score in scores):
                problem = f"scores of {name} must be in [0, 1], one for each trial, got {list(scores)}"
                raise ValueError(f"case {case_id}: {problem}")
        for name, rows in case.readings.items():
            if len(rows) != len(case.values):
                raise ValueError(f"case {case_id}: readings of {name} must be one for each trial, got {len(rows)}")


def _check_weight(case_id: str, weight: float) -> None:
    if not 0 < weight < math.inf:
        raise ValueError(f"case {case_id}: weight must be above 0, got {weight}")


_BASELINE: Final = RecordFile(
    Baseline,
    noun="a baseline",
    kind="evalgate-baseline",
    error=BaselineError,
    next_step="promote a run again, or restore the file from git",
    rows="cases",
    rows_digest=True,
    seal="if present",
    encode=_encode,
    check=_check,
)


def outputs_path(baseline: Path) -> Path:
    """Return the file of the outputs that belong to the baseline file ``baseline``."""
    return baseline.with_name(baseline.name.removesuffix(".json") + _OUTPUTS)


def outputs_of(baseline: Baseline, run: Path) -> bytes:
    """Return the first trial's output of every case of ``baseline``, as lines, from the run file ``run``.

    Raises:
        OSError: The run file cannot be read.
        ValueError: A line of it is cut.
    """
    outputs = {}
    for row in run_file.rows(run):
        if row["suite"] == baseline.suite and row["id"] in baseline.cases:
            first: Mapping[str, Json] = next(iter(row.get("trials", ())), {})
            output = first.get("output", {}).get("value")
            if output is not None:
                outputs[row["id"]] = output
    lines = (dumps({"id": name, "output": outputs[name]}) for name in sorted(outputs))
    return b"".join(line.encode("ascii") + b"\n" for line in lines)


def find_outputs(baseline: Baseline, *, file: Path, root: Path, state: Path) -> bytes:
    """Return the outputs of ``baseline`` as lines: those beside it, else those of its run, else none.

    ``file`` is the file of the suite's baseline; the state folder may still contain the run.
    """
    kind, _, where = baseline.source.partition(":")
    try:
        if kind == "git":
            return git_tree.show(root, where, files.relative_name(outputs_path(file), root))
        return files.read_bytes(outputs_path(root / where))
    except (BaselineError, OSError):
        pass
    try:
        return outputs_of(baseline, run_file.path_of(state, baseline.provenance.run_id))
    except (OSError, KeyError, ValueError):
        return b""


def write_outputs(outputs: bytes, baseline: Path) -> None:
    """Write outputs beside the baseline file ``baseline``; if there are none, remove those of an earlier baseline."""
    if outputs:
        files.write_atomically(outputs_path(baseline), outputs)
    else:
        files.remove(outputs_path(baseline))


def read_outputs(baseline: Path) -> Mapping[str, Json]:
    """Return the outputs beside the baseline file ``baseline``, by case id; empty if they cannot be read."""
    try:
        return parse_outputs(files.read_bytes(outputs_path(baseline)))
    except OSError:
        return {}


def parse_outputs(outputs: bytes) -> Mapping[str, Json]:
    """Return outputs by case id; empty if a line is malformed."""
    try:
        rows = map(jsonl.loads, outputs.splitlines())
        return {str(row["id"]): row["output"] for row in rows}
    except (KeyError, TypeError, ValueError):
        return {}
