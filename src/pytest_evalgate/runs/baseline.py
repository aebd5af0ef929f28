"""Baselines: a promoted run of one suite, case by case, as a file that is committed or read at another commit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import BaselineError
from pytest_evalgate.records.results import Baseline, BaselineCase, Provenance
from pytest_evalgate.runs import git, record_file, run_file
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.records.results import CaseResult, Json, Run, SuitePlan, SuiteRun

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


def reject_sample(run: Run, plan: SuitePlan, tier: str) -> None:
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
        return files.resolve_inside(root, Path(spec))
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


_SUFFIX: Final = ".outputs.jsonl"


def outputs_path(baseline: Path) -> Path:
    """Return where the outputs of the baseline at ``baseline`` are kept."""
    return baseline.with_name(baseline.name.removesuffix(".json") + _SUFFIX)


def of_run(baseline: Baseline, run: Path) -> bytes:
    """Return the first trial's output of every case of ``baseline`` as lines, as the run file ``run`` holds them.

    Raises:
        OSError: the run file cannot be read.
        ValueError: a line of it is torn.

    """
    rows = (row for row in run_file.rows(run) if row["suite"] == baseline.suite and row["id"] in baseline.cases)
    outputs = {row["id"]: output for row in rows if (output := _first_output(row)) is not None}
    return b"".join(
        record_file.dumps({"id": name, "output": outputs[name]}).encode() + b"\n" for name in sorted(outputs)
    )


def find_outputs(baseline: Baseline, *, file: Path, root: Path, state: Path) -> bytes:
    """Return the outputs of ``baseline`` as lines: those beside it, else those of its run, else nothing.

    Args:
        baseline: The baseline, which knows whether it was read from a file or a commit.
        file: Where the suite's baseline is kept.
        root: The root folder.
        state: The state folder, where the run may still be.

    """
    kind, _, where = baseline.source.partition(":")
    try:
        if kind == "git":
            return git.show(root, where, files.relative_name(outputs_path(file), root))
        return outputs_path(root / where).read_bytes()
    except (BaselineError, OSError):
        pass
    try:
        return of_run(baseline, run_file.path_of(state, baseline.provenance.run_id))
    except (OSError, KeyError, ValueError):
        return b""


def write_outputs(outputs: bytes, baseline: Path) -> None:
    """Keep outputs beside the baseline at ``baseline``; where there are none, none are kept."""
    if outputs:
        files.write_atomically(outputs_path(baseline), outputs)
    else:
        outputs_path(baseline).unlink(missing_ok=True)


def read(baseline: Path) -> Mapping[str, Json]:
    """Read the outputs beside the baseline at ``baseline``, by case id; a file that cannot be read holds none."""
    try:
        return parse(outputs_path(baseline).read_bytes())
    except OSError:
        return {}


def parse(outputs: bytes) -> Mapping[str, Json]:
    """Return outputs by case id; lines that are torn or foreign hold none."""
    try:
        return dict(_lines(outputs))
    except (KeyError, TypeError, ValueError):
        return {}


def _lines(data: bytes) -> Iterator[tuple[str, Json]]:
    for line in data.splitlines():
        row = jsonl.loads(line)
        yield str(row["id"]), row["output"]


def _first_output(row: Mapping[str, Json]) -> Json:
    first: Mapping[str, Json] = next(iter(row.get("trials", ())), {})
    return first.get("output", {}).get("value")
