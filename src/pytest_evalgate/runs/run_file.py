"""Run files: the results of a run as JSON Lines.

The first line is the head: the run, its suites and its `RunInfo`. Each further line is a planned case with its
result. Lines are written as results arrive, so that outputs need not fit in memory; gates get the run without outputs.
The head has a SHA-256 of the whole file; files of earlier versions lack it. The file of a shard has the same form. It
has the cases of that shard, each with its position in the plan; those of earlier versions have all cases.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import field, replace
from itertools import chain, pairwise, repeat
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field
from pydantic_core import from_json

from pytest_evalgate.config import DEFAULT_TIER
from pytest_evalgate.errors import LineProblem, RunFileError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.answers import agreement_of
from pytest_evalgate.records.results import PlanPart, Run, StopRule, SuitePlan, SuiteRun
from pytest_evalgate.runs import codec
from pytest_evalgate.runs.codec import Amount, Count  # noqa: TC001 - pydantic resolves the annotations of RunHead
from pytest_evalgate.runs.lean import LeanDecoder
from pytest_evalgate.runs.record_file import (
    RecordFile,
    check_filled,
    check_time,
    dumps,
)
from pytest_evalgate.runs.shard import Shard  # noqa: TC001 - as above
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.uncollected import without_garbage_collection

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import CaseResult
    from pytest_evalgate.runs.run_log import RunLog

RUN_FILE: Final = "run.jsonl"
_AGAIN: Final = "run again with: pytest --eval-gate"
_NOT_STOPPED: Final[Mapping[str, StopRule]] = MappingProxyType({})
_NO_REDACTION: Final = Redactor()
_NO_JUDGES: Final[Mapping[str, Collection[str]]] = MappingProxyType({})
_LIMITS: Final = jsonl.JsonLimits(line_bytes=64 << 20, depth=80, problems=20)  # fits the largest escaped output
_REPORTING: Final = ("notify", "release", "report", "telemetry", "store", "store_env", "store_texts")
_NOT_DIGESTED: Final = {"xdist", "history", "cache_auth", "budget_usd", "max_duration_s", *_REPORTING}
"""Keys that affect neither the results of a run nor its verdict."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The origin of a run. Shards are merged only if their origins are equal, apart from ``shard``.

    Args:
        config_sha256: Digest of the configuration, from `config_sha256`.
        target: The value of ``--eval-target``; None if each suite used its own target.
        shard: The part of the run; None for a whole run.
        facts: Facts for reports, by name: targets, models, versions.
        tier: The tier that ran.
        notes: Messages of the session about the cache, withheld keys and an early stop.
        labels: Labels of the run, from ``--eval-label``, for the store.
        branch: The branch that ran; None if it is unknown.
        traces: Trace context of the run; of a merged run, those of its shards. Empty if no spans are exported.
    """

    config_sha256: str | None = None
    target: str | None = None
    shard: Shard | None = None
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)
    tier: str = DEFAULT_TIER
    notes: tuple[str, ...] = field(default=(), compare=False)
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    branch: str | None = field(default=None, compare=False)
    traces: tuple[str, ...] = field(default=(), compare=False)


_UNKNOWN: Final = RunInfo()


def config_sha256(settings: Settings) -> str:
    """Return the digest of the settings that can change results or the verdict."""
    return jsonl.digest(settings.model_dump(mode="json", exclude=_NOT_DIGESTED))


def path_of(state: Path, run_id: str) -> Path:
    """Return the path of a run's file in the state folder."""
    return state / "runs" / run_id / RUN_FILE


def newest(state: Path) -> Path:
    """Return the run file of the newest run.

    Raises:
        RunFileError: There is none.
    """
    found = newest_first(state)
    if not found:
        raise RunFileError(f"no run is stored in {state / 'runs'}: run first with: pytest --eval-gate")
    return found[0]


def newest_first(state: Path) -> list[Path]:
    """Return the run files of all stored runs, the newest first."""
    # an id begins with the start time in seconds; runs that started in the same second are ordered by file time
    found = (state / "runs").glob(f"*/{RUN_FILE}")
    return sorted(found, key=lambda path: (path.parent.name.partition("-")[0], path.stat().st_mtime_ns), reverse=True)


def write(run: Run, path: Path, info: RunInfo = _UNKNOWN) -> None:
    """Write the run file of ``run`` atomically."""
    plans = [suite.plan for suite in run.suites]
    results = (map(dumps, map(codec.encode_result, suite.results)) for suite in run.suites)
    stopped = {suite.plan.name: suite.stopped for suite in run.suites if suite.stopped is not None}
    write_stream(run, plans, results, path, stopped=stopped, info=info)


def write_stream(  # noqa: PLR0913 - the parts of a run file, by name
    run: Run,
    plans: Sequence[SuitePlan],
    results: Iterable[Iterable[str]],
    path: Path,
    *,
    stopped: Mapping[str, StopRule] = _NOT_STOPPED,
    info: RunInfo = _UNKNOWN,
    redactor: Redactor = _NO_REDACTION,
    digests: Collection[str] = (),
    run_log: RunLog | None = None,
    judges: Mapping[str, Collection[str]] = _NO_JUDGES,
) -> Run:
    """Write a run file atomically, from results that arrive one by one.

    Args:
        run: The run. Its suites are ignored.
        plans: The plans of its suites.
        results: For each plan, one encoded result as JSON for each of its cases, in plan order. Iterated once.
        path: The file.
        stopped: The rule by which a suite ended before its last case, by suite.
        info: The origin of the run.
        redactor: Removes secrets that results may contain.
        digests: Suites whose gates ask whether outputs are those that people labelled.
        run_log: Gets each case.
        judges: The names of the scores of each suite's judges, whose reasons quote the output.

    Returns:
        The run without outputs and the reasons of scores, which can be large and which gates do not need. Whether the
        trials of a case agree is computed before.
    """
    suites: list[SuiteRun] = []
    decoders = {plan.name: LeanDecoder(digests=plan.name in digests) for plan in plans}

    def lines() -> Iterator[str]:
        yield redactor.redact(_HEAD.dumps(_head(run, plans, stopped, info)).decode("ascii"))
        for plan, encoded in zip(plans, results, strict=True):
            kept: list[CaseResult] = []
            for start, case, result in zip(_row_starts(plan), plan.cases, encoded, strict=True):
                redacted = redactor.redact(result)
                planned = dumps({**codec.encode_case(case), "suite": plan.name})
                # joins JSON objects; parsing the result takes longer
                yield f"{start}{planned[1:-1]},{redacted[1:]}\n"
                value = _parse_row(redacted)
                if run_log is not None:
                    run_log.add_case(plan.name, case.id, value)
                lean = decoders[plan.name].result(value, case)
                if len(lean.trials) > 1:
                    whole = codec.decode_result(value, case)
                    lean = replace(lean, agreement=agreement_of(whole, judges.get(plan.name, ())))
                kept.append(lean)
            suites.append(SuiteRun(plan, tuple(kept), stopped.get(plan.name)))

    _write_sealed(path, (line.encode("ascii") for line in lines()))
    return replace(run, suites=tuple(suites))


def write_rows(head: RunHead, rows: Iterable[bytes], path: Path) -> None:
    """Write a run file atomically: its head, and one line for each case of each suite, in plan order."""
    _write_sealed(path, chain([_HEAD.dumps(replace(head, sha256=_ZEROS))], rows))


def _write_sealed(path: Path, lines: Iterable[bytes]) -> None:
    seal = _Seal()
    files.write_atomically(path, seal.over(lines), patch=seal.patch)


def _row_starts(plan: SuitePlan) -> Iterator[str]:
    """Yield the beginning of the line of each case; that of a shard is fixed, so that a merge can cut it off."""
    part = plan.part
    if part is None:
        yield from repeat("{", len(plan.cases))
    elif not part.rows_sha256:
        yield from (f'{{"at":{at},' for at in part.at)
    else:
        for at, case, sha256 in zip(part.at, plan.cases, part.rows_sha256, strict=True):
            yield f'{{"at":{at},"row":{dumps([case.id, sha256])},'


def no_texts(suite: str) -> bool:  # noqa: ARG001 - the argument of `read_with_info`
    """Return False: no texts of any suite are used."""
    return False


def read(path: Path, keeps_texts: Callable[[str], bool] = lambda _: True) -> Run:
    """Read a run file; as `read_with_info`."""
    return read_with_info(path, keeps_texts)[0]


def read_with_info(path: Path, keeps_texts: Callable[[str], bool] = lambda _: True) -> tuple[Run, RunInfo]:
    """Read a run file: the run and its origin.

    Args:
        path: The file.
        keeps_texts: Returns whether the texts of a suite are used, which take most of the time and memory. Results of
            several trials keep them, because the agreement of trials is computed from them.

    Raises:
        RunFileError: It is missing, cut, malformed or of a newer schema.
    """
    try:
        with without_garbage_collection():
            return _read(path, keeps_texts)
    except RunFileError:
        _, problems = jsonl.read(path, name=str(path), limits=_LIMITS)
        if problems:  # lines that are not JSON are more specific, and all of them are reported
            raise RunFileError("\n".join(map(str, problems))) from None
        raise


def _read(path: Path, keeps_texts: Callable[[str], bool]) -> tuple[Run, RunInfo]:
    lines = _lines(path)
    head = _HEAD.decode(next(lines, (1, {}))[1], f"{path}:1")
    try:
        suites = tuple(_read_suites(head, _checked(lines, path), keeps_texts))
    except ValueError as error:
        raise RunFileError(f"{path}: not a whole run: {error}; {_AGAIN}") from None
    if head.sha256 is not None and head.sha256 != _digest(path, head.sha256):
        raise RunFileError(f"{path}: the content does not match its digest: it was edited or cut; {_AGAIN}")
    run = Run(head.id, head.created, head.commit, suites, head.duration_s, head.problems, head.refused)
    return run, info_of(head)


def _checked(lines: Iterable[tuple[int, dict[str, Json]]], path: Path) -> Iterator[dict[str, Json]]:
    for number, row in lines:
        try:
            codec.check_row(row)
        except ValueError as error:
            raise RunFileError(f"{path}:{number}: {error}; {_AGAIN}") from None
        yield row


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """Yield number and object of each line.

    Raises:
        RunFileError: The file cannot be read, or a line is not valid JSON.
    """
    try:
        files.require_regular(path)
        with path.open("rb") as file:
            for number, _, value in jsonl.stream(file, name=str(path), limits=_LIMITS):
                if isinstance(value, LineProblem):
                    raise RunFileError(str(value))
                yield number, value
    except (OSError, ValueError) as error:  # ValueError: the path contains a NUL character
        raise RunFileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def info_of(head: RunHead) -> RunInfo:
    """Return the origin of a run from the head of its file."""
    return RunInfo(
        *(head.config_sha256, head.target, head.shard, head.facts, head.tier, head.notes, head.labels, head.branch),
        traces=head.traces,
    )


def parse_head(line: bytes, name: str) -> RunHead:
    """Parse the first line of a run file.

    Raises:
        RunFileError: It is malformed or of a newer schema; the message begins with ``name``.
    """
    return _HEAD.parse(line, name)


def read_info(path: Path) -> RunInfo:
    """Return the origin of a stored run from its first line.

    Raises:
        RunFileError: The line cannot be read.
    """
    try:
        return info_of(_HEAD.decode(next(_lines(path), (1, {}))[1], f"{path}:1"))
    except RunFileError:
        read(path)  # raises the message about the whole file, which is more specific
        raise


def read_facts(path: Path) -> Mapping[str, str]:
    """Return the facts of a stored run, from its first line only; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            return _HEAD.parse(file.readline(_LIMITS.line_bytes), f"{path}:1").facts
    except (OSError, RunFileError):
        return {}


def rows(path: Path, numbers: Collection[int] | None = None) -> Iterator[dict[str, Json]]:
    """Yield the cases of a run file one by one, as JSON; with ``numbers`` only those at these positions.

    Rows are not validated: use this only for files that this process has written.

    Raises:
        OSError: The file cannot be read.
        ValueError: A line is cut.
    """
    with path.open(encoding="ascii") as file:
        next(file, None)
        for number, line in enumerate(file):
            if numbers is None or number in numbers:
                yield _parse_row(line)


def _parse_row(line: str) -> dict[str, Json]:
    """Parse a row with pydantic's parser, which takes half the time of ``json``: 5 ms per 1,000 cases, not 12 ms.

    It refuses a lone surrogate, and values nested more than 200 levels deep: such a row is parsed with ``json``.
    """
    try:
        row: dict[str, Json] = from_json(line)
    except ValueError:
        row = json.loads(line)
    return row


@dataclass(frozen=True, slots=True, eq=False)
class SuiteHead:
    """A suite in the head. ``planned`` is the number of its cases, so that a cut file is detected.

    In the file of a shard, ``own`` is the number of the cases that it contains, and ``plan_sha256`` the digest of the
    whole plan, if the shard has read it.
    """

    name: str
    golden: tuple[str, ...]
    golden_sha256: str
    scorers_sha256: str
    trials: Annotated[int, Field(ge=1)]
    planned: Count
    drawn_from: Annotated[int, Field(ge=1)] | None = None
    stopped: StopRule | None = None
    own: Count | None = None
    plan_sha256: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RunHead:
    """The first line: a run without its results, and its `RunInfo`."""

    id: str
    created: str
    commit: str | None
    duration_s: Amount
    suites: tuple[SuiteHead, ...]
    problems: tuple[str, ...]
    refused: str | None = None
    config_sha256: str | None = None
    target: str | None = None
    shard: Shard | None = None
    facts: dict[str, str] = field(default_factory=dict)
    tier: str = DEFAULT_TIER
    notes: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    branch: str | None = None
    traces: tuple[str, ...] = ()
    sha256: str | None = None


_ZEROS: Final = "0" * 64


class _Seal:
    """SHA-256 of a run file, computed with 64 zeros in its place, because the head is written before the results."""

    def __init__(self) -> None:
        """Start with an empty digest."""
        self._digest = hashlib.sha256()
        self._offset = 0

    def over(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the lines and add them to the digest. The first one is the head."""
        for number, line in enumerate(lines):
            if not number:
                self._offset = line.index(f'"sha256":"{_ZEROS}"'.encode()) + len('"sha256":"')
            self._digest.update(line)
            yield line

    def patch(self) -> tuple[int, bytes]:
        """Return the offset of the zeros, and the digest to write there."""
        return self._offset, self._digest.hexdigest().encode()


def _digest(path: Path, sha256: str) -> str:
    """Return the digest of a run file whose head has ``sha256``; a copy with other line ends has the same digest."""
    with path.open("rb") as file:
        digest = digest_of_head(file.readline(), sha256)
        for line in file:
            digest.update(line if line.endswith(b"}\n") else line.rstrip(b"\r\n") + b"\n")
    return digest.hexdigest()


def digest_of_head(line: bytes, sha256: str) -> hashlib._Hash:
    """Return the begun digest of a file whose first line is ``line`` and has ``sha256``; add the other lines to it."""
    text = line.rstrip(b"\r\n") + b"\n"
    return hashlib.sha256(text.replace(f'"sha256":"{sha256}"'.encode(), f'"sha256":"{_ZEROS}"'.encode()))


def _check_head(head: RunHead) -> None:
    check_time("created", head.created)
    check_filled(id=head.id, commit=head.commit, config_sha256=head.config_sha256, target=head.target, tier=head.tier)
    for suite in head.suites:
        check_filled(name=suite.name, golden_sha256=suite.golden_sha256, scorers_sha256=suite.scorers_sha256)
        if suite.own is not None and suite.own > suite.planned:
            raise ValueError(f"suite {suite.name}: own {suite.own} is more than planned {suite.planned}")
        if suite.drawn_from is not None and suite.drawn_from < suite.planned:
            raise ValueError(f"suite {suite.name}: drawn_from {suite.drawn_from} is less than planned {suite.planned}")


def _encode_head(head: RunHead) -> dict[str, Json]:
    value = dataclasses.asdict(head)
    for name in ("config_sha256", "target", "shard", "facts", "notes", "labels", "branch", "traces", "sha256"):
        if not value[name]:
            del value[name]
    if head.tier == DEFAULT_TIER:
        del value["tier"]
    value["suites"] = [{name: item for name, item in suite.items() if item is not None} for suite in value["suites"]]
    return value


_HEAD: Final = RecordFile(
    RunHead,
    noun="a run file",
    kind="evalgate-run",
    error=RunFileError,
    next_step=_AGAIN,
    extra="forbid",
    encode=_encode_head,
    check=_check_head,
)


def _head(run: Run, plans: Sequence[SuitePlan], stopped: Mapping[str, StopRule], info: RunInfo) -> RunHead:
    suites = (
        SuiteHead(
            *(plan.name, plan.golden, plan.golden_sha256, plan.scorers_sha256, plan.trials),
            planned=plan.size,
            drawn_from=plan.drawn_from,
            stopped=stopped.get(plan.name),
            own=None if plan.part is None else len(plan.cases),
            plan_sha256=None if plan.part is None else plan.part.plan_sha256 or None,
        )
        for plan in plans
    )
    return RunHead(
        *(run.id, run.created, run.commit, run.duration_s, tuple(suites), run.problems, run.refused),
        *(info.config_sha256, info.target, info.shard, dict(info.facts), info.tier, info.notes),
        *(dict(info.labels), info.branch, info.traces),
        sha256=_ZEROS,
    )


def _read_suites(
    head: RunHead, rows: Iterable[Mapping[str, Json]], keeps_texts: Callable[[str], bool]
) -> Iterator[SuiteRun]:
    suites = {suite.name: _StoredSuite(suite, texts=keeps_texts(suite.name)) for suite in head.suites}
    count = 0
    for row in rows:
        if row["suite"] not in suites:
            raise ValueError(f"the head does not list suite {jsonl.quote_text(row['suite'])}")
        suites[row["suite"]].add(row)
        count += 1
    if count > sum(map(len, suites.values())) or len(suites) < len(head.suites):
        raise ValueError("it contains a case or a suite twice")
    for suite in suites.values():
        yield suite.run()


class _StoredSuite:
    """The results of one suite of a file, by case id. Texts are kept if ``texts`` is True."""

    def __init__(self, head: SuiteHead, *, texts: bool) -> None:
        self._head = head
        self._texts = texts or head.trials > 1
        self._decoder = LeanDecoder()
        self._results: dict[str, CaseResult] = {}
        self._at: list[int] = []
        self._rows_sha256: list[str] = []

    def __len__(self) -> int:
        return len(self._results)

    def add(self, row: Mapping[str, Json]) -> None:
        """Add a row; raises ValueError if it cannot be decoded."""
        case = self._decoder.case(row)
        keeps = self._texts or row.get("planned_trials", 1) > 1
        self._results[case.id] = codec.decode_result(row, case) if keeps else self._decoder.result(row, case)
        if self._head.own is not None:
            self._at.append(row.get("at", -1))
            if "row" in row:
                self._rows_sha256.append(row["row"][1])

    def run(self) -> SuiteRun:
        """Return the suite; raises ValueError if the head lists other cases."""
        head, found = self._head, tuple(self._results.values())
        expected = head.planned if head.own is None else head.own
        if len(found) != expected:
            raise ValueError(f"suite {head.name} has {len(found)} of {expected} cases")
        plan = SuitePlan(
            *(head.name, head.golden, head.golden_sha256, head.scorers_sha256, head.trials),
            cases=tuple(result.case for result in found),
            drawn_from=head.drawn_from,
            part=None if head.own is None else self._part(),
        )
        return SuiteRun(plan, found, head.stopped)

    def _part(self) -> PlanPart:
        if any(one >= other for one, other in pairwise((-1, *self._at, self._head.planned))):
            raise ValueError(f"suite {self._head.name}: the positions of its cases are not ascending")
        return PlanPart(self._head.planned, tuple(self._at), self._head.plan_sha256 or "", tuple(self._rows_sha256))
