"""Shards -> the run that they are parts of; or everything that keeps them from being one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.records.results import CaseResult, Run, SuiteRun
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.runs.shard import Shard
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import count as counted

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.results import SuitePlan

    CaseKey = tuple[str, str]
    ResultsByCase = Mapping[CaseKey, Sequence[tuple["ShardRun", CaseResult]]]

_MOST_BYTES = 1 << 30
"""All shards together: they are held in memory."""

_LISTED = 5


@dataclass(frozen=True, slots=True)
class ShardRun:
    """What a shard left: its run, in which the cases of other shards are not run."""

    path: str
    shard: Shard
    origin: RunInfo
    run: Run


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """The shards of a folder, and what is wrong with the others; ``unread`` are the numbers of those."""

    runs: tuple[ShardRun, ...]
    problems: tuple[str, ...] = ()
    unread: frozenset[int] = frozenset()


def read_folder(folder: Path, count: int) -> ShardFolder:
    """Read the shards that lie directly in a folder, in the order of their numbers.

    Args:
        folder: The folder; what lies in folders below it is not looked at.
        count: How many shards the run has: those of another number are not read.

    Raises:
        RunFileError: there is no such folder, or no shard in it.

    """
    found = _shards_in(folder)
    if not found:
        raise RunFileError(
            f"{folder}: holds no shard (a file such as 1-of-{count}.jsonl); where each lies in a folder of its own, "
            "put them into one (actions/download-artifact: merge-multiple: true)"
        )
    others = [shard.file_name for shard in found if shard.count != count]
    problems = [f"{folder}: expected are {count} shards, but there is {join_names(others)}"] if others else []
    return _read_all(folder, [shard for shard in found if shard.count == count], problems)


def join_names(names: Sequence[str]) -> str:
    """Join names for a message; of many the first."""
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(jsonl.escape_text(name) for name in names[:_LISTED]) + more


def _read_all(folder: Path, shards: Sequence[Shard], problems: Sequence[str]) -> ShardFolder:
    runs: list[ShardRun] = []
    unread: dict[int, str] = {}
    room = _MOST_BYTES
    for shard in shards:
        try:
            path, size = _locate(folder, shard.file_name)
            room -= size
            runs.append(_read(path, folder / shard.file_name, room))
        except RunFileError as error:
            unread[shard.index] = str(error)
    return ShardFolder(tuple(runs), (*problems, *unread.values()), frozenset(unread))


def _shards_in(folder: Path) -> list[Shard]:
    try:
        found = [shard for entry in folder.iterdir() if (shard := Shard.of_file(entry.name)) is not None]
    except OSError as error:
        raise RunFileError(f"{folder}: cannot be read: {error.strerror}; name the folder of the shards") from None
    return sorted(found, key=lambda shard: (shard.count, shard.index))


def _locate(folder: Path, name: str) -> tuple[Path, int]:
    """Return the path of a file, symbolic links resolved, and its size in bytes."""
    try:
        path = files.resolve_inside(folder, Path(name))
        return path, path.stat().st_size
    except (OSError, ValueError) as error:
        raise RunFileError(f"{folder / name}: cannot be used: {error}") from None


def _read(path: Path, name: Path, room: int) -> ShardRun:
    if room < 0:
        raise RunFileError(f"{name}: not read: the shards hold more than {_MOST_BYTES >> 20:,} MiB")
    run, origin = run_file.read_with_info(path)
    if origin.shard is None:
        raise RunFileError(f"{name}: a whole run, not a shard; remove it")
    return ShardRun(str(name), origin.shard, origin, run)


_RAN = frozenset({"passed", "missed", "errored"})


def merge(folder: ShardFolder, count: int) -> tuple[Run, RunInfo]:
    """Put the shards of a run together.

    What made a shard invalid makes the whole run invalid, and where one shard was refused its calls, the run was.

    Args:
        folder: The shards that were found.
        count: How many shards the run has.

    Returns:
        The run, and how it came about; both depend on the shards alone, in whatever order they come.

    Raises:
        RunFileError: they are not all of it, or not of one run; says everything that is wrong, one a line.

    """
    shards = sorted(folder.runs, key=lambda shard: (shard.shard.index, shard.path))
    plans = _plans(shards)
    results_by_case = _results_by_case(shards)
    foreign, mixed = list(_foreign(shards, count)), list(_mixed(shards, plans))
    problems = [*folder.problems, *foreign, *mixed, *_missing(shards, plans, folder.unread, count)]
    if not mixed:
        problems += _not_run(shards, plans, results_by_case)
        problems += () if foreign else _answered_twice(results_by_case)
    if problems:
        raise RunFileError("\n".join(problems))
    origin = shards[0].origin
    notes = tuple(dict.fromkeys(note for shard in shards for note in shard.origin.notes))
    merged = RunInfo(origin.config_sha256, origin.target, facts=origin.facts, tier=origin.tier, notes=notes)
    return _merged(shards, plans, results_by_case), merged


def _plans(shards: Iterable[ShardRun]) -> dict[str, SuitePlan]:
    """Return each suite's plan, as the first shard has it."""
    plans: dict[str, SuitePlan] = {}
    for shard in shards:
        for suite in shard.run.suites:
            plans.setdefault(suite.plan.name, suite.plan)
    return plans


def _results_by_case(shards: Iterable[ShardRun]) -> ResultsByCase:
    results_by_case: dict[CaseKey, list[tuple[ShardRun, CaseResult]]] = defaultdict(list)
    for shard in shards:
        for suite in shard.run.suites:
            for result in suite.results:
                if result.outcome in _RAN:
                    results_by_case[suite.plan.name, result.case.id].append((shard, result))
    return results_by_case


def _foreign(shards: Sequence[ShardRun], count: int) -> Iterator[str]:
    """Yield what is not one of ``count`` shards, and what is there twice."""
    paths: dict[Shard, list[str]] = defaultdict(list)
    for shard in shards:
        paths[shard.shard].append(shard.path)
    for part, held in paths.items():
        if part.count != count:
            yield f"{join_names(held)}: holds {part}, expected are {count} shards"
        elif len(held) > 1:
            yield f"{join_names(held)}: each holds {part}; keep the one that belongs to this run"


def _mixed(shards: Sequence[ShardRun], plans: Mapping[str, SuitePlan]) -> Iterator[str]:
    """Yield the fields in which shards differ that are of one run."""
    yield from _differing("commit", [(shard.path, shard.run.commit) for shard in shards])
    yield from _differing("tier", [(shard.path, shard.origin.tier) for shard in shards])
    yield from _differing("config_sha256", [(shard.path, shard.origin.config_sha256) for shard in shards])
    yield from _differing("--eval-target", [(shard.path, shard.origin.target) for shard in shards])
    sound = [shard for shard in shards if not shard.run.problems]  # what could not be collected is not planned
    yield from _differing("suites", [(shard.path, _names(shard)) for shard in sound])
    for name in plans:
        held = [(shard.path, suite.plan) for shard in shards for suite in shard.run.suites if suite.plan.name == name]
        found = list(_mixed_heads(f"suite {jsonl.escape_text(name)}: ", held))
        yield from found or _mixed_cases(f"suite {jsonl.escape_text(name)}: ", held)


def _names(shard: ShardRun) -> str:
    return ", ".join(suite.plan.name for suite in shard.run.suites)


def _mixed_heads(suite: str, held: Sequence[tuple[str, SuitePlan]]) -> Iterator[str]:
    yield from _differing(f"{suite}golden", [(path, ", ".join(plan.golden)) for path, plan in held])
    yield from _differing(f"{suite}golden_sha256", [(path, plan.golden_sha256) for path, plan in held])
    yield from _differing(f"{suite}scorers_sha256", [(path, plan.scorers_sha256) for path, plan in held])
    yield from _differing(f"{suite}trials", [(path, plan.trials) for path, plan in held])


def _mixed_cases(suite: str, held: Sequence[tuple[str, SuitePlan]]) -> Iterator[str]:
    """Yield the first case in which a plan differs from the first one: in its place, tags, slices or cluster."""
    (first, wanted), *others = held
    for path, plan in others:
        for one, other in zip_longest(wanted.cases, plan.cases):
            if one != other:
                case = jsonl.escape_text((one or other).id)
                yield f"not of one run: {suite}cases: {first} and {path} differ, first in {case}"
                break


def _differing(field: str, values: Iterable[tuple[str, Hashable]]) -> Iterator[str]:
    """Say which files hold which value of a field, unless all hold the same."""
    paths: dict[Hashable, list[str]] = defaultdict(list)
    for path, value in values:
        paths[value].append(path)
    if len(paths) > 1:
        said = "; ".join(f"{jsonl.escape_text(str(value))} in {join_names(held)}" for value, held in paths.items())
        yield f"not of one run: {field}: {said}"


def _missing(
    shards: Sequence[ShardRun], plans: Mapping[str, SuitePlan], unread: frozenset[int], count: int
) -> Iterator[str]:
    """Yield the shards that are not there, with the cases that nobody ran for that."""
    there = unread | {shard.shard.index for shard in shards}
    for index in range(1, count + 1):
        if index not in there:
            missing = Shard(index, count)
            cases = [key for name, plan in plans.items() for key in _cases_of(missing, name, plan)]
            lost = f": nobody ran {_described(cases)}" if cases else ""
            yield f"{missing} is missing ({missing.file_name}){lost}"


def _answered_twice(results_by_case: ResultsByCase) -> Iterator[str]:
    twice: dict[tuple[str, ...], list[CaseKey]] = defaultdict(list)
    for key, held in results_by_case.items():
        if len(held) > 1:
            twice[tuple(shard.path for shard, _ in held)].append(key)
    for paths, cases in twice.items():
        yield f"{join_names(paths)}: each holds a result of {_described(cases)}"


def _not_run(
    shards: Iterable[ShardRun], plans: Mapping[str, SuitePlan], results_by_case: ResultsByCase
) -> Iterator[str]:
    """Yield the shards that are not whole, with the cases that nobody ran for that."""
    for shard in shards:
        if shard.run.problems or shard.run.refused is not None:
            continue  # the run says so itself
        cases = [key for name, plan in plans.items() for key in _cases_of(shard.shard, name, plan)]
        lost = [key for key in cases if key not in results_by_case]
        if lost:
            yield f"{shard.path}: not whole: nobody ran {_described(lost)}; run {shard.shard} again"


def _cases_of(shard: Shard, name: str, plan: SuitePlan) -> list[CaseKey]:
    """Return the cases that a shard has to run, in plan order."""
    mine = shard.cases_of(plan)
    return [(name, case.id) for case in plan.cases if case.id in mine and case.skip is None]


def _described(cases: Sequence[CaseKey]) -> str:
    return f"{counted(len(cases), 'case')} ({join_names([f'{suite}/{case}' for suite, case in cases])})"


def _merged(shards: Sequence[ShardRun], plans: Mapping[str, SuitePlan], results_by_case: ResultsByCase) -> Run:
    runs = [shard.run for shard in shards]
    created = max(run.created for run in runs)
    stamp = created.replace("-", "").replace(":", "")
    refused = [f"{shard.shard}: {shard.run.refused}" for shard in shards if shard.run.refused is not None]
    return Run(
        id=f"{stamp}-{jsonl.digest([run.id for run in runs])[:8]}",
        created=created,
        commit=runs[0].commit,
        suites=tuple(SuiteRun(plan, tuple(_results(plan, results_by_case))) for plan in plans.values()),
        duration_s=max(run.duration_s for run in runs),
        problems=tuple(dict.fromkeys(problem for run in runs for problem in run.problems)),
        refused="; ".join(refused) or None,
    )


def _results(plan: SuitePlan, results_by_case: ResultsByCase) -> Iterator[CaseResult]:
    for case in plan.cases:
        held = results_by_case.get((plan.name, case.id))
        if case.skip is not None:
            yield CaseResult(case, "skipped", reason=case.skip)
        elif held is None:
            yield CaseResult(case, "not_run")
        else:
            yield held[0][1]
