"""Baselines: a promoted run of one suite, case by case, as a file that is committed or read at another commit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import files, jsonl
from pytest_evalgate.data import Baseline, BaselineCase, Provenance
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.runs import git
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_evalgate.data import CaseResult, Json, Run, SuitePlan, SuiteRun

SCHEMA = 1
_KIND = "evalgate-baseline"
_GIT = "git:"


def find(spec: str | None, *, suite: str, file: Path, root: Path) -> Baseline | None:
    """Read the baseline that ``spec`` names: a file, or ``git:REF`` for ``file`` at REF; ``file`` where it is None.

    Returns None where the suite's own ``file`` does not exist yet.

    Raises:
        BaselineError: it cannot be used: missing though it was asked for, outside of the root folder, torn, malformed,
            newer, or of another suite.

    """
    if spec is not None and spec.startswith(_GIT):
        data = git.show(root, spec.removeprefix(_GIT), files.relative_name(file, root))
        return _parse(data, source=spec, suite=suite)
    path = file if spec is None else _inside(root, spec)
    if spec is None and not path.exists():
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BaselineError(f"baseline {spec or path}: cannot be read: {error.strerror}") from None
    return _parse(data, source=f"file:{files.relative_name(path, root)}", suite=suite)


def file_of(configured: str | None, *, suite: str, root: Path, state: Path) -> Path:
    """Return the file in which the baseline of ``suite`` is kept; the default one where a commit is configured.

    Raises:
        BaselineError: it lies outside of the root folder.

    """
    if configured is None or configured.startswith(_GIT):
        return state / "baselines" / f"{suite}.json"
    return _inside(root, configured)


def promote(run: Run, suite: SuiteRun, *, reason: str, now: str) -> Baseline:
    """Make a baseline of one suite of a whole, complete run.

    Raises:
        BaselineError: cases were not run or have no answer, or there is no reason.

    """
    if not reason.strip():
        raise BaselineError('a baseline needs a reason: --reason "..."')
    if run.problems:
        raise BaselineError(f"run {run.id} is invalid and cannot be promoted: {run.problems[0]}")
    name = suite.plan.name
    for outcome, word in (("not_run", "were not run"), ("errored", "have no answer")):
        count = sum(result.outcome == outcome for result in suite.results)
        if count:
            raise BaselineError(
                f"run {run.id} is not whole: {count} of {len(suite.results)} cases of suite {name} {word}; "
                f"{_next_step(suite)}, then promote"
            )
    counted = [result for result in suite.results if result.outcome != "skipped" and result.case.side != "base"]
    cases = {result.case.id: _baseline_case(result) for result in counted}
    if not cases:
        raise BaselineError(f"run {run.id} holds no answered case of suite {name}")
    provenance = Provenance(
        run.id, run.created, now, run.commit, reason, suite.plan.golden_sha256, suite.plan.scorers_sha256
    )
    return Baseline(name, "run", provenance, suite.plan.trials, cases, _names(suite.results))


def refuse_sample(run: Run, plan: SuitePlan, tier: str) -> None:
    """See to it that a tier that is not the default one has run the whole of a suite: its sample is no baseline.

    Raises:
        BaselineError: it has run a sample.

    """
    if plan.drawn_from is not None:
        raise BaselineError(
            f"run {run.id} is of tier {tier}, which runs {len(plan.cases):,} of {count(plan.drawn_from, 'case')} of "
            f"suite {plan.name}: run the default tier with: pytest --eval-gate, then promote"
        )


def _next_step(suite: SuiteRun) -> str:
    if suite.stopped is None:
        return "run the whole suite again"
    return "the suite has stopped early: send what is missing with: pytest --eval-gate --eval-stop never"


def write(baseline: Baseline, path: Path) -> None:
    """Write a baseline whole or not at all, one line a case so that a review shows what changed."""
    cases = {case_id: _encode_case(case) for case_id, case in sorted(baseline.cases.items())}
    head = {
        "schema": SCHEMA,
        "kind": _KIND,
        "suite": baseline.suite,
        "trials": baseline.trials,
        "scorers": list(baseline.scorers),
        "provenance": dataclasses.asdict(baseline.provenance),
        "cases_sha256": jsonl.digest(cases),
    }
    lines = [f" {jsonl.canonical(name)}: {jsonl.canonical(value)}" for name, value in head.items()]
    rows = [f"  {jsonl.canonical(case_id)}: {jsonl.canonical(case)}" for case_id, case in cases.items()]
    text = "{\n" + ",\n".join(lines) + ',\n "cases": {\n' + ",\n".join(rows) + "\n }\n}\n"
    files.write_atomically(path, text.encode("ascii"))


def _inside(root: Path, spec: str) -> Path:
    try:
        return files.inside(root, Path(spec))
    except ValueError as error:
        raise BaselineError(f"baseline {spec}: {error}") from None


def _baseline_case(result: CaseResult) -> BaselineCase:
    values = tuple(trial.value for trial in result.trials if trial.value is not None)
    return BaselineCase(result.case.fingerprint, values, _scores(result, values))


def _scores(result: CaseResult, values: tuple[float, ...]) -> dict[str, tuple[float, ...]]:
    """Return each scorer's marks, one a trial, where they are not those of the case; 0 where nothing was graded."""
    marks = [{score.name: score.value for score in trial.scores} for trial in result.trials]
    columns = {name: tuple(trial.get(name) or 0.0 for trial in marks) for name in _names([result])}
    return {name: column for name, column in columns.items() if column != values}


def _names(results: Iterable[CaseResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(score.name for result in results for trial in result.trials for score in trial.scores))


def _encode_case(case: BaselineCase) -> Json:
    encoded: Json = {"fingerprint": case.fingerprint, "values": _numbers(case.values)}
    if case.scores:
        encoded["scores"] = {name: _numbers(values) for name, values in case.scores.items()}
    return encoded


def _numbers(values: tuple[float, ...]) -> list[float]:
    return [int(value) if value.is_integer() else value for value in values]


def _parse(data: bytes, *, source: str, suite: str) -> Baseline:
    try:
        value = jsonl.loads(data)
    except ValueError as error:
        raise BaselineError(f"{source}: {error}; promote a run again, or restore the file from git") from None
    if not isinstance(value, dict) or value.get("kind") != _KIND or not isinstance(value.get("schema"), int):
        raise BaselineError(f"{source}: not a baseline of pytest-evalgate")
    if value["schema"] > SCHEMA:
        raise BaselineError(f"{source}: schema {value['schema']} is newer than {SCHEMA}: upgrade pytest-evalgate")
    if value.get("suite") != suite:
        raise BaselineError(f"{source}: holds suite {value.get('suite')!r}, wanted {suite!r}")
    if jsonl.digest(value.get("cases")) != value.get("cases_sha256"):
        raise BaselineError(
            f"{source}: the cases do not match their digest: the file was edited or torn; promote again"
        )
    try:
        return _decode(value, source)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BaselineError(f"{source}: malformed: {type(error).__name__} {error}; promote again") from None


def _decode(value: dict[str, Json], source: str) -> Baseline:
    cases = {case_id: _decode_case(case_id, case) for case_id, case in value["cases"].items()}
    provenance = Provenance(**value["provenance"])
    return Baseline(value["suite"], source, provenance, value["trials"], cases, tuple(value.get("scorers", ())))


def _decode_case(case_id: str, case: dict[str, Json]) -> BaselineCase:
    values = tuple(float(item) for item in case["values"])
    if not values or not all(0 <= item <= 1 for item in values):
        raise ValueError(f"case {case_id}: values must lie in [0, 1], got {case['values']}")
    scores = {name: tuple(map(float, marks)) for name, marks in case.get("scores", {}).items()}
    for name, marks in scores.items():
        if len(marks) != len(values) or not all(0 <= mark <= 1 for mark in marks):
            raise ValueError(f"case {case_id}: scores of {name} must be one in [0, 1] a trial, got {list(marks)}")
    return BaselineCase(case["fingerprint"], values, scores)
