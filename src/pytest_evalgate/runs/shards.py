"""Merging of shards into one run; every problem that prevents it is reported."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import CaseResult, PlanPart, Run, SuitePlan, SuiteRun
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.joined import MAX_LINE, JoinedShards, ShardFile
from pytest_evalgate.runs.shard import Shard, join_names
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import count as format_count

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.runs.run_file import RunInfo

    CaseKey = tuple[str, str]
    Plans = Mapping[str, SuitePlan]
    ResultsByCase = Mapping[CaseKey, Sequence[tuple["ShardRun", CaseResult]]]

_MAX_BYTES: Final = 1 << 30  # of all shards of earlier versions together: all of them are in memory at once
_MAX_JOINED: Final = 64 << 30  # of the others, which are read line by line
_RAN: Final = frozenset({"passed", "missed", "errored", "unscored"})


@dataclass(frozen=True, slots=True)
class ShardRun:
    """The run of one shard. The cases of other shards are ``not_run``."""

    path: str
    shard: Shard
    info: RunInfo
    run: Run


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """The shards of a folder, the problems of other files, and the numbers of shards that could not be read.

    ``files`` are the files of ``runs`` if their results are not read yet. Files of earlier versions are read at once.
    """

    runs: tuple[ShardRun, ...]
    problems: tuple[str, ...] = ()
    unread: frozenset[int] = frozenset()
    files: tuple[ShardFile, ...] = ()


def read_folder(folder: Path, count: int, shown: str = "") -> ShardFolder:
    """Read the shards of a run of ``count`` shards in a folder, not in its subfolders, ordered by number.

    ``shown`` is the name of the folder in messages, its path if empty.

    Raises:
        RunFileError: The folder does not exist, or contains no shard.
    """
    found = _find_shards(folder)
    if not found:
        raise RunFileError(
            f"{folder}: contains no shard (a file such as 1-of-{count}.jsonl); if each is in a subfolder, put them "
            "into one folder (actions/download-artifact: merge-multiple: true)"
        )
    others = [shard.file_name for shard in found if shard.count != count]
    problems = [f"{folder}: expected {count} shards, but it contains {join_names(others)}"] if others else []
    opened: list[ShardFile] = []
    unread: dict[int, str] = {}
    remaining = _MAX_JOINED
    for shard in found:
        if shard.count != count:
            continue
        name = f"{shown or folder}/{shard.file_name}"
        try:
            path = files.resolve_inside(folder, Path(shard.file_name))
            remaining -= path.stat().st_size
            opened.append(_open(path, name, remaining))
        except (OSError, ValueError) as error:
            unread[shard.index] = f"{name}: cannot be used: {error}"
        except RunFileError as error:
            unread[shard.index] = str(error)
    runs, joined, earlier = _runs_of(opened, unread)
    return ShardFolder(runs, (*problems, *unread.values(), *earlier), frozenset(unread), joined)


def _runs_of(
    opened: Sequence[ShardFile], unread: dict[int, str]
) -> tuple[tuple[ShardRun, ...], tuple[ShardFile, ...], list[str]]:
    """Return the runs of shard files, those that are joined line by line, and the files of earlier versions."""
    old = [file for file in opened if any(suite.own is None for suite in file.head.suites)]
    if any(file.head.suites for file in opened if file not in old):
        runs = tuple(_head_run(file) for file in opened)
        names = [file.shard.file_name for file in old]
        step = "run the shards again with one version of pytest-evalgate"
        return runs, tuple(opened), [f"{join_names(names)}: written by an earlier version: {step}"] if old else []
    whole: list[ShardRun] = []
    remaining = _MAX_BYTES
    for file in opened:
        remaining -= file.path.stat().st_size
        try:
            whole.append(_read(file, remaining))
        except RunFileError as error:
            unread[file.shard.index] = str(error)
    return tuple(whole), (), []


def _head_run(file: ShardFile) -> ShardRun:
    """Return the run of a shard without its cases."""
    head = file.head
    suites = tuple(
        SuiteRun(
            SuitePlan(
                *(suite.name, suite.golden, suite.golden_sha256, suite.scorers_sha256, suite.trials),
                cases=(),
                drawn_from=suite.drawn_from,
                part=PlanPart(suite.planned, (), suite.plan_sha256 or ""),
            ),
            (),
        )
        for suite in head.suites
    )
    run = Run(head.id, head.created, head.commit, suites, head.duration_s, head.problems, head.refused)
    return ShardRun(file.name, file.shard, run_file.info_of(head), run)


def _find_shards(folder: Path) -> list[Shard]:
    try:
        found = [shard for entry in folder.iterdir() if (shard := Shard.of_file(entry.name)) is not None]
    except OSError as error:
        raise RunFileError(f"{folder}: cannot be read: {error.strerror}; name the folder of the shards") from None
    return sorted(found, key=lambda shard: (shard.count, shard.index))


def _open(path: Path, name: str, remaining: int) -> ShardFile:
    """Read the head of a shard file."""
    if remaining < 0:
        raise RunFileError(f"{name}: not read: the shards are larger than {_MAX_JOINED >> 20:,} MiB")
    try:
        files.require_regular(path)
        with path.open("rb") as file:
            head = run_file.parse_head(file.readline(MAX_LINE), f"{name}:1")
    except (OSError, RunFileError):
        _explain(path, name)
        raise
    if head.shard is None:
        raise RunFileError(f"{name}: a whole run, not a shard; remove it")
    return ShardFile(path, name, head, head.shard)


def _explain(path: Path, name: str) -> None:
    """Raise the message about the whole file, which is more specific."""
    try:
        run_file.read(path)
    except RunFileError as error:
        raise RunFileError(str(error).replace(str(path), name)) from None


def _read(file: ShardFile, remaining: int) -> ShardRun:
    if remaining < 0:
        raise RunFileError(f"{file.name}: not read: the shards are larger than {_MAX_BYTES >> 20:,} MiB")
    try:
        run, info = run_file.read_with_info(file.path)
    except RunFileError as error:
        raise RunFileError(str(error).replace(str(file.path), file.name)) from None
    return ShardRun(file.name, file.shard, info, run)


def merge_into(
    folder: ShardFolder, count: int, path_of: Callable[[str], Path], keeps_texts: Callable[[str], bool]
) -> tuple[Run, RunInfo]:
    """Merge the shards of a run, write its file, and return the run and its origin.

    Args:
        folder: The shards.
        count: The number of shards of the run.
        path_of: Returns the path of the run file, from the id of the run.
        keeps_texts: Returns whether the gates of a suite need the texts of its outputs.

    Raises:
        RunFileError: as `merge`.
    """
    if not folder.files:
        run, info = merge(folder, count)
        run_file.write(run, path_of(run.id), info)
        return run, info
    shards = list(folder.runs)
    plans = _plans(shards)
    wrong, different = list(_wrong_shards(shards, count)), list(_differences(shards, plans))
    missing = list(_missing(shards, plans, folder.unread, count))
    problems = [*folder.problems, *wrong, *different, *missing]
    joined = None if wrong or different or folder.problems else JoinedShards(folder.files, keeps_texts)
    if joined is not None:
        problems += joined.problems
        problems += () if missing or joined.problems else joined.missing()
    if problems or joined is None:
        raise RunFileError("\n".join(problems))
    run = _merged_run(shards, plans, {})
    return joined.write(run, path_of(run.id)), _merged_info(shards)


def merge(folder: ShardFolder, count: int) -> tuple[Run, RunInfo]:
    """Merge the shards of a run.

    A problem of one shard is a problem of the run; if the calls of one shard were refused, the run is not evaluated.
    The result does not depend on the order of the shards.

    Raises:
        RunFileError: Shards are missing, incomplete, or of different runs. Lists every problem, one a line.
    """
    shards = sorted(folder.runs, key=lambda shard: (shard.shard.index, shard.path))
    plans = _plans(shards)
    results_by_case = _results_by_case(shards)
    wrong, different = list(_wrong_shards(shards, count)), list(_differences(shards, plans))
    problems = [*folder.problems, *wrong, *different, *_missing(shards, plans, folder.unread, count)]
    if not different:
        problems += _not_run(shards, plans, results_by_case)
        problems += () if wrong else _duplicate_results(results_by_case)
    if problems:
        raise RunFileError("\n".join(problems))
    return _merged_run(shards, plans, results_by_case), _merged_info(shards)


def _merged_info(shards: Sequence[ShardRun]) -> RunInfo:
    notes = tuple(dict.fromkeys(note for shard in shards for note in shard.info.notes))
    traces = tuple(trace for shard in shards for trace in shard.info.traces)
    return replace(shards[0].info, shard=None, notes=notes, traces=traces)


def _plans(shards: Iterable[ShardRun]) -> Plans:
    """Return the plan of each suite from the first shard that has it."""
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


def _wrong_shards(shards: Sequence[ShardRun], count: int) -> Iterator[str]:
    """Yield a message for files that are not one of ``count`` shards, and for files that contain the same shard."""
    paths: dict[Shard, list[str]] = defaultdict(list)
    for shard in shards:
        paths[shard.shard].append(shard.path)
    for part, same in paths.items():
        if part.count != count:
            yield f"{join_names(same)}: contains {part}, expected one of {count}"
        elif len(same) > 1:
            yield f"{join_names(same)}: each contains {part}; keep the one that belongs to this run"


def _differences(shards: Sequence[ShardRun], plans: Plans) -> Iterator[str]:
    """Yield a message for each field that should be equal in all shards of a run, but differs."""
    yield from _compare("commit", [(shard.path, shard.run.commit) for shard in shards])
    yield from _compare("tier", [(shard.path, shard.info.tier) for shard in shards])
    yield from _compare("config_sha256", [(shard.path, shard.info.config_sha256) for shard in shards])
    yield from _compare("--eval-target", [(shard.path, shard.info.target) for shard in shards])
    valid = [shard for shard in shards if not shard.run.problems]  # a suite that was not collected is not planned
    yield from _compare(
        "suites", [(shard.path, ", ".join(suite.plan.name for suite in shard.run.suites)) for shard in valid]
    )
    for name in plans:
        found = [(shard.path, suite.plan) for shard in shards for suite in shard.run.suites if suite.plan.name == name]
        prefix = f"suite {jsonl.escape_text(name)}: "
        yield from list(_compare_plans(prefix, found)) or _compare_cases(prefix, found)


def _compare_plans(prefix: str, plans: Sequence[tuple[str, SuitePlan]]) -> Iterator[str]:
    yield from _compare(f"{prefix}golden", [(path, ", ".join(plan.golden)) for path, plan in plans])
    for field in ("golden_sha256", "scorers_sha256", "trials", "size"):
        yield from _compare(f"{prefix}{field}", [(path, getattr(plan, field)) for path, plan in plans])
    parts = [(path, plan.part.plan_sha256) for path, plan in plans if plan.part is not None]
    yield from _compare(f"{prefix}plan_sha256", parts)


def _compare_cases(prefix: str, plans: Sequence[tuple[str, SuitePlan]]) -> Iterator[str]:
    """Yield the first case in which each plan differs from the first plan: in place, tags, slices or cluster."""
    (first, expected), *others = plans
    for path, plan in others:
        for one, other in zip_longest(expected.cases, plan.cases):
            if one != other:
                case = jsonl.escape_text((one or other).id)
                yield f"shards differ: {prefix}cases: {first} and {path} differ, first in {case}"
                break


def _compare(field: str, values: Iterable[tuple[str, Hashable]]) -> Iterator[str]:
    """Yield the values of a field and their files, unless all values are equal."""
    paths: dict[Hashable, list[str]] = defaultdict(list)
    for path, value in values:
        paths[value].append(path)
    if len(paths) > 1:
        each = (f"{jsonl.escape_text(str(value))} in {join_names(found)}" for value, found in paths.items())
        yield f"shards differ: {field}: {'; '.join(each)}"


def _missing(shards: Sequence[ShardRun], plans: Plans, unread: frozenset[int], count: int) -> Iterator[str]:
    """Yield a message for each missing shard, with its cases."""
    present = unread | {shard.shard.index for shard in shards}
    for index in range(1, count + 1):
        if index not in present:
            missing = Shard(index, count)
            cases = _cases_of(missing, plans)
            shared = sum(missing.share(plan) for plan in plans.values() if plan.part is not None)
            detail = f": {_format_cases(cases, ' not run')}" if cases else ""
            detail = f": {format_count(shared, 'case')} not run" if shared else detail
            yield f"{missing} is missing ({missing.file_name}){detail}"


def _duplicate_results(results_by_case: ResultsByCase) -> Iterator[str]:
    duplicates: dict[tuple[str, ...], list[CaseKey]] = defaultdict(list)
    for key, results in results_by_case.items():
        if len(results) > 1:
            duplicates[tuple(shard.path for shard, _ in results)].append(key)
    for paths, cases in duplicates.items():
        yield f"{join_names(paths)}: each contains a result of {_format_cases(cases)}"


def _not_run(shards: Iterable[ShardRun], plans: Plans, results_by_case: ResultsByCase) -> Iterator[str]:
    """Yield a message for each incomplete shard, with the cases that it did not run."""
    for shard in shards:
        if shard.run.problems or shard.run.refused is not None:
            continue  # reported by the merged run
        lost = [key for key in _cases_of(shard.shard, plans) if key not in results_by_case]
        if lost:
            yield f"{shard.path}: incomplete: {_format_cases(lost, ' not run')}; run {shard.shard} again"


def _cases_of(shard: Shard, plans: Plans) -> list[CaseKey]:
    cases: list[CaseKey] = []
    for name, plan in plans.items():
        own = shard.cases_of(plan)
        cases += [(name, case.id) for case in plan.cases if case.id in own and case.skip is None]
    return cases


def _format_cases(cases: Sequence[CaseKey], state: str = "") -> str:
    return f"{format_count(len(cases), 'case')}{state} ({join_names([f'{suite}/{case}' for suite, case in cases])})"


def _merged_run(shards: Sequence[ShardRun], plans: Plans, results_by_case: ResultsByCase) -> Run:
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
        results = results_by_case.get((plan.name, case.id))
        if case.skip is not None:
            yield CaseResult(case, "skipped", reason=case.skip)
        elif results is None:
            yield CaseResult(case, "not_run")
        else:
            yield results[0][1]
