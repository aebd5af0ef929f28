"""How a run came about, as its run file says beside what came out: only runs alike in this can be merged."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_evalgate.config import DEFAULT_TIER
from pytest_evalgate.errors import RunFileError
from pytest_evalgate.records.results import Run, SuiteRun
from pytest_evalgate.runs import record_file
from pytest_evalgate.runs.shard import Shard
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.results import CaseResult, Json, StopRule, SuitePlan, Trial

_NOT_DECIDING = {"xdist", "history", "cache_auth", "budget_usd", "max_duration_s", "report"}
"""Keys that say how a run goes, not what is asked and how it is judged."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """How a run came about.

    Args:
        config_sha256: Digest of the configuration, as `config_sha256` makes it.
        target: What ``--eval-target`` said; None where each suite had its own.
        shard: Which part of the run it is; None for a whole run.
        facts: What a reader of a report wants to know of it, by name: targets, models, versions.
        tier: The tier that ran.
        notes: What its session had to say of it: the cache, the base branch, why it stopped.

    """

    config_sha256: str | None = None
    target: str | None = None
    shard: Shard | None = None
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)
    tier: str = DEFAULT_TIER
    notes: tuple[str, ...] = field(default=(), compare=False)


def config_sha256(settings: Settings) -> str:
    """Digest what the configuration asks, and how it judges."""
    return jsonl.digest(settings.model_dump(mode="json", exclude=_NOT_DECIDING))


def encode_run_info(origin: RunInfo) -> dict[str, Json]:
    """Return its fields of the head of a run file; what is unknown is left out."""
    shard = None if origin.shard is None else {"index": origin.shard.index, "count": origin.shard.count}
    fields = {
        "config_sha256": origin.config_sha256,
        "target": origin.target,
        "shard": shard,
        "tier": None if origin.tier == DEFAULT_TIER else origin.tier,
        "facts": dict(origin.facts) or None,
        "notes": list(origin.notes) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def decode_run_info(head: Mapping[str, Json]) -> RunInfo:
    """Read the head of a run file.

    Raises:
        ValueError: there is no such shard.

    """
    shard = head.get("shard")
    part = None if shard is None else Shard(**shard)
    return RunInfo(
        head.get("config_sha256"),
        head.get("target"),
        part,
        head.get("facts", {}),
        head.get("tier", DEFAULT_TIER),
        tuple(head.get("notes", ())),
    )


SCHEMA = 1
_KIND = "evalgate-run"
RUN_FILE = "run.jsonl"
_NOTHING: Mapping[str, StopRule] = MappingProxyType({})
_UNKNOWN = RunInfo()
_NO_KEYS = Redactor()
_LIMITS = jsonl.JsonLimits(line_bytes=64 << 20, depth=80, problems=20)  # an output at its own limits, escaped, fits


def path_of(state: Path, run_id: str) -> Path:
    """Return where the run file of ``run_id`` is kept in the state folder."""
    return state / "runs" / run_id / RUN_FILE


def newest(state: Path) -> Path:
    """Return the run file of the newest run.

    Raises:
        RunFileError: there is none.

    """
    found = list((state / "runs").glob(f"*/{RUN_FILE}"))
    if not found:
        raise RunFileError(f"no run is stored in {state / 'runs'}: run first with: pytest --eval-gate")
    return max(found, key=_age)


def _age(path: Path) -> tuple[str, int]:
    """Order runs by the second in their id, those of one second by when they were written."""
    return path.parent.name.partition("-")[0], path.stat().st_mtime_ns


def write(run: Run, path: Path, origin: RunInfo = _UNKNOWN) -> None:
    """Write ``run`` whole or not at all."""
    plans = [suite.plan for suite in run.suites]
    results = (map(record_file.dumps, map(record_file.encode_result, suite.results)) for suite in run.suites)
    stopped = {suite.plan.name: suite.stopped for suite in run.suites if suite.stopped is not None}
    write_stream(run, plans, results, path, stopped=stopped, origin=origin)


def write_stream(  # noqa: PLR0913 - what a run file is made of, by name
    head: Run,
    plans: Sequence[SuitePlan],
    results: Iterable[Iterable[str]],
    path: Path,
    *,
    stopped: Mapping[str, StopRule] = _NOTHING,
    origin: RunInfo = _UNKNOWN,
    redactor: Redactor = _NO_KEYS,
) -> Run:
    """Write a run whole or not at all as its results are handed over, and return it as the gates want it.

    Args:
        head: The run; its own suites are not looked at.
        plans: The plans of its suites.
        results: For each plan an encoded result as JSON for every planned case, in plan order; drawn once.
        path: The file.
        stopped: By which rule suites ended before their last case.
        origin: How the run came about.
        redactor: Takes out the keys that a result may hold.

    Returns:
        The run without outputs and scores' reasons: they can be larger than all the rest, and stay in the file.

    """
    suites: list[SuiteRun] = []
    alike: dict[tuple[Trial, ...], tuple[Trial, ...]] = {}

    def lines() -> Iterator[str]:
        yield redactor.redact(record_file.dumps({**_head(head, plans, stopped), **encode_run_info(origin)}))
        for plan, encoded in zip(plans, results, strict=True):
            kept: list[CaseResult] = []
            for case, result in zip(plan.cases, encoded, strict=True):
                cleaned = redactor.redact(result)
                planned = record_file.dumps({**record_file.encode_case(case), "suite": plan.name})
                yield f"{planned[:-1]},{cleaned[1:]}"  # both are objects: to put them together as such takes longer
                lean = record_file.decode_result(json.loads(cleaned), case, texts=False)
                kept.append(replace(lean, trials=alike.setdefault(lean.trials, lean.trials)))  # most cases pass alike
            suites.append(SuiteRun(plan, tuple(kept), stopped.get(plan.name)))

    files.write_atomically(path, (line.encode("ascii") + b"\n" for line in lines()))
    return replace(head, suites=tuple(suites))


def read(path: Path) -> Run:
    """Read a run file.

    Raises:
        RunFileError: it is missing, torn, malformed or of a newer schema.

    """
    return read_with_info(path)[0]


def read_with_info(path: Path) -> tuple[Run, RunInfo]:
    """Read a run file, and how its run came about.

    Raises:
        RunFileError: it is missing, torn, malformed or of a newer schema.

    """
    lines, problems = jsonl.read(path, name=str(path), limits=_LIMITS)
    if problems:
        raise RunFileError("\n".join(map(str, problems)))
    head = lines[0].value if lines else {}
    if head.get("kind") != _KIND or not isinstance(head.get("schema"), int):
        raise RunFileError(f"{path}:1: not a run file of pytest-evalgate")
    if head["schema"] > SCHEMA:
        raise RunFileError(f"{path}:1: schema {head['schema']} is newer than {SCHEMA}: upgrade pytest-evalgate")
    _check(lines, path)
    try:
        return _decode(head, [line.value for line in lines[1:]]), decode_run_info(head)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunFileError(f"{path}: not whole: {type(error).__name__} {error}; run again") from error


def rows(path: Path) -> Iterator[dict[str, Json]]:
    """Draw the lines behind the head of a run file one by one, as they stand there.

    They are not looked at: ``read`` does that, and files of this process's own making need none.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is torn.

    """
    with path.open(encoding="ascii") as file:
        next(file, None)
        for line in file:
            yield json.loads(line)


def _check(lines: Iterable[jsonl.JsonLine], path: Path) -> None:
    from pytest_evalgate.runs.record_file import StoredCase, StoredHead, check  # noqa: PLC0415 - 30 ms; most only write

    for number, line in enumerate(lines):
        try:
            check(StoredCase if number else StoredHead, line.value)
        except ValueError as error:
            raise RunFileError(f"{path}:{line.number}: {error}; run again") from None


def _suite_head(plan: SuitePlan, stopped: StopRule | None) -> Json:
    rule = {} if stopped is None else {"stopped": stopped}
    return {**record_file.encode_plan_head(plan), "planned": len(plan.cases), **rule}


def _head(run: Run, plans: Sequence[SuitePlan], stopped: Mapping[str, StopRule]) -> Json:
    return {
        "schema": SCHEMA,
        "kind": _KIND,
        "id": run.id,
        "created": run.created,
        "commit": run.commit,
        "duration_s": run.duration_s,
        "problems": list(run.problems),
        "refused": run.refused,
        "suites": [_suite_head(plan, stopped.get(plan.name)) for plan in plans],
    }


def _decode(head: dict[str, Json], rows: list[dict[str, Json]]) -> Run:
    results: dict[str, dict[str, CaseResult]] = {plan["name"]: {} for plan in head["suites"]}
    for row in rows:
        results[row["suite"]][row["id"]] = record_file.decode_result(row, record_file.decode_case(row))
    for plan in head["suites"]:
        if len(results[plan["name"]]) != plan["planned"]:
            raise ValueError(f"suite {plan['name']} has {len(results[plan['name']])} of {plan['planned']} cases")
    if len(rows) != sum(plan["planned"] for plan in head["suites"]):
        raise ValueError("a case or a suite stands there twice")
    return Run(
        id=head["id"],
        created=head["created"],
        commit=head["commit"],
        suites=tuple(_decode_suite(plan, tuple(results[plan["name"]].values())) for plan in head["suites"]),
        duration_s=head["duration_s"],
        problems=tuple(head["problems"]),
        refused=head.get("refused"),
    )


def _decode_suite(plan: dict[str, Json], results: tuple[CaseResult, ...]) -> SuiteRun:
    return SuiteRun(record_file.decode_plan(plan, [result.case for result in results]), results, plan.get("stopped"))
