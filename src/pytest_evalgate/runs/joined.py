"""Joining of shard files into the file of one run, line by line: memory holds the run without texts only.

Each file is read twice. The first pass checks its digest and collects the positions of its cases, so that problems of
the files are known before the joined file is written. The second pass takes the lines of all files in plan order.
"""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import PlanPart, Run, SuitePlan, SuiteRun
from pytest_evalgate.runs import codec, run_file
from pytest_evalgate.runs.lean import LeanDecoder
from pytest_evalgate.runs.record_file import dumps
from pytest_evalgate.runs.shard import join_names
from pytest_evalgate.text.wording import count as format_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_evalgate.records.results import CaseResult, PlannedCase
    from pytest_evalgate.runs.run_file import RunHead, SuiteHead
    from pytest_evalgate.runs.shard import Shard

MAX_LINE: Final = 64 << 20
_START: Final = re.compile(rb'\{"at":(0|[1-9]\d{0,9}),(?:"row":(\["(?:[^"\\]|\\.)+","[0-9a-f]{64}"\]),)?')
_ROW_END: Final = len('","') + 64 + len('"]')  # of ["case-1","<sha256>"]
_NONE: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class ShardFile:
    """A shard file of the present form: where it is, its name in messages, its head and its shard."""

    path: Path
    name: str
    head: RunHead
    shard: Shard

    def lines(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield the lines after the head.

        Raises:
            RunFileError: A line is too long.
        """
        file.readline()
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), start=2):
            if len(line) > MAX_LINE:
                raise RunFileError(f"{self.name}:{number}: longer than {MAX_LINE:,} bytes")
            yield line


class JoinedShards:
    """Files of shards whose heads are known to be of the same run, ordered by shard.

    Args:
        files: The files.
        keeps_texts: Returns whether the gates of a suite need the texts of its outputs.
    """

    def __init__(self, files: Sequence[ShardFile], keeps_texts: Callable[[str], bool] = lambda _: False) -> None:
        """Read the files once; `problems` has what is wrong with them."""
        self._files = files
        self._keeps_texts = keeps_texts
        self._may_lack = any(file.head.problems or file.head.refused is not None for file in files)
        names = dict.fromkeys(suite.name for file in files for suite in file.head.suites)
        self._suites = {name: _JoinedSuite(name, self._heads_of(name)) for name in names}
        self.problems: list[str] = []
        for number, file in enumerate(files):
            try:
                self._scan(number, file)
            except RunFileError as error:
                self.problems.append(str(error))

    def _heads_of(self, name: str) -> list[SuiteHead]:
        return [suite for file in self._files for suite in file.head.suites if suite.name == name]

    def not_run(self) -> int:
        """Return the number of planned cases that no file contains."""
        return sum(suite.owners.count(_NONE) for suite in self._suites.values())

    def _scan(self, number: int, file: ShardFile) -> None:
        """Check the digest of a file, and note which of its lines are which cases.

        Raises:
            RunFileError: The file was edited or cut, or a line lacks its position.
        """
        sha256 = file.head.sha256 or ""
        with file.path.open("rb") as opened:
            digest = run_file.digest_of_head(opened.readline(), sha256)
            opened.seek(0)
            lines = file.lines(opened)
            for suite in file.head.suites:
                self._suites[suite.name].add(number, file, _starts(file, islice(lines, suite.own), digest), suite)
            if next(lines, None) is not None:
                raise RunFileError(f"{file.name}: not a whole shard: it contains more cases than its head lists")
        if digest.hexdigest() != sha256:
            raise RunFileError(f"{file.name}: the content does not match its digest: it was edited or cut")
        for joined in self._suites.values():
            self.problems += joined.repeated(number, self._files)

    def missing(self) -> Iterator[str]:
        """Yield the suites that lack cases, if no shard has a reason to lack them."""
        for suite in self._suites.values():
            lost = suite.owners.count(_NONE)
            if lost and not self._may_lack:
                yield f"suite {suite.name}: {format_count(lost, 'case')} of {len(suite.owners):,} in no shard"

    def write(self, run: Run, path: Path) -> Run:
        """Write the run file of all shards, and return the run without texts.

        Args:
            run: The merged run. Its suites are ignored.
            path: The file.

        Raises:
            RunFileError: A line is malformed, or a shard did not run one of its cases. Nothing is written.
        """
        first = self._files[0].head
        notes = tuple(dict.fromkeys(note for file in self._files for note in file.head.notes))
        suites = tuple(suite.head_of_run() for suite in self._suites.values())
        head = replace(first, id=run.id, created=run.created, duration_s=run.duration_s, suites=suites, shard=None)
        traces = tuple(trace for file in self._files for trace in file.head.traces)
        head = replace(head, problems=run.problems, refused=run.refused, notes=notes, traces=traces)
        with ExitStack() as opened:
            lines = [file.lines(opened.enter_context(file.path.open("rb"))) for file in self._files]
            run_file.write_rows(head, self._joined(lines), path)
        return replace(run, suites=tuple(suite.run() for suite in self._suites.values()))

    def _joined(self, lines: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
        not_run: dict[int, list[str]] = {}
        for suite in self._suites.values():
            for owner, case, line in suite.join(lines, self._files, texts=self._keeps_texts(suite.name)):
                if case.outcome == "not_run":
                    not_run.setdefault(owner, []).append(f"{suite.name}/{case.case.id}")
                yield line
        problems = [
            f"{file.name}: incomplete: {format_count(len(cases), 'case')} not run ({join_names(cases)}); "
            f"run {file.shard} again"
            for number, cases in sorted(not_run.items())
            if not ((file := self._files[number]).head.problems or file.head.refused is not None)
        ]
        if problems:
            raise RunFileError("\n".join(problems))


def _starts(file: ShardFile, lines: Iterable[bytes], digest: hashlib._Hash) -> Iterator[re.Match[bytes]]:
    """Yield the beginning of each line, and add the lines to ``digest``."""
    for number, line in enumerate(lines, start=1):
        digest.update(line if line.endswith(b"}\n") else line.rstrip(b"\r\n") + b"\n")
        found = _START.match(line)
        if found is None:
            raise RunFileError(f"{file.name}: case {number} of a suite does not begin with its position")
        yield found


class _JoinedSuite:
    """One suite of all shards: which file contains which case, and the cases that have been read.

    ``owners`` has the number of the file for each position of the plan.
    """

    def __init__(self, name: str, heads: Sequence[SuiteHead]) -> None:
        self.name = name
        self.owners = array("H", [_NONE]) * heads[0].planned
        self._head = heads[0]
        self._rows: list[bytes] = []
        self._repeated: dict[int, Counter[int]] = {}
        self._results: list[CaseResult] = []
        self._plan_sha256 = hashlib.sha256()

    def add(self, number: int, file: ShardFile, starts: Iterable[re.Match[bytes]], head: SuiteHead) -> None:
        """Note the cases of a file.

        Raises:
            RunFileError: They are fewer than its head lists, or not in ascending order.
        """
        before, found, has_rows = -1, 0, head.plan_sha256 is None
        for start in starts:
            at, row = int(start[1]), start[2]
            if not before < at < len(self.owners) or (row is None) is has_rows:
                raise RunFileError(f"{file.name}: suite {self.name}: the positions of its cases are wrong")
            if self.owners[at] != _NONE:
                self._repeated.setdefault(number, Counter())[self.owners[at]] += 1
            self.owners[at] = number
            if row is not None:
                self._rows.append(row)
            before, found = at, found + 1
        if found != head.own:
            raise RunFileError(f"{file.name}: not a whole shard: suite {self.name} has {found} of {head.own} cases")

    def repeated(self, number: int, files: Sequence[ShardFile]) -> Iterator[str]:
        """Yield a message for each file that has cases of another file."""
        for other, cases in sorted(self._repeated.get(number, Counter()).items()):
            names = f"{files[other].name}, {files[number].name}"
            yield f"{names}: each contains a result of {format_count(cases, 'case')} of suite {self.name}"

    def head_of_run(self) -> SuiteHead:
        """Return the suite in the head of the run; computes the digest of its golden set."""
        sha256 = _set_digest(self._rows) if self._rows else self._head.golden_sha256
        self._rows.clear()
        self._head = replace(self._head, golden_sha256=sha256, own=None, stopped=None)
        cases = len(self.owners) - self.owners.count(_NONE)
        return replace(self._head, plan_sha256=None, planned=cases)

    def join(
        self, lines: Sequence[Iterator[bytes]], files: Sequence[ShardFile], *, texts: bool
    ) -> Iterator[tuple[int, CaseResult, bytes]]:
        """Yield the file, the result and the line of each case, in plan order.

        Raises:
            RunFileError: A line is malformed, or the cases are not those of the plan.
        """
        decoder, texts = LeanDecoder(), texts or self._head.trials > 1
        for at, owner in enumerate(self.owners):
            if owner == _NONE:
                continue
            line = next(lines[owner])
            try:
                result, text = self._read(line, decoder, texts=texts)
            except ValueError as error:
                raise RunFileError(f"{files[owner].name}: case {at} of suite {self.name}: {error}") from None
            self._results.append(result)
            yield owner, result, text
        found, expected = self._plan_sha256.hexdigest(), self._head.plan_sha256
        if expected not in (None, found) and _NONE not in self.owners:
            raise RunFileError(f"suite {self.name}: the cases of the shards are not those of its plan")

    def _read(self, line: bytes, decoder: LeanDecoder, *, texts: bool) -> tuple[CaseResult, bytes]:
        found = _START.match(line)
        start = 0 if found is None else found.end()
        text = b"{%b\n" % line[start:].rstrip(b"\r\n")
        value = json.loads(text)
        codec.check_row(value)
        if value["suite"] != self.name:
            raise ValueError(f"it is of suite {value['suite']}")
        case = decoder.case(value)
        if self._head.plan_sha256 is not None:
            self._plan_sha256.update(plan_line(case))
        if texts or value.get("planned_trials", 1) > 1:
            return codec.decode_result(value, case), text
        return decoder.result(value, case), text

    def run(self) -> SuiteRun:
        """Return the suite of the merged run."""
        head, results = self._head, tuple(self._results)
        self._results.clear()
        plan = SuitePlan(
            *(head.name, head.golden, head.golden_sha256, head.scorers_sha256, head.trials),
            cases=tuple(result.case for result in results),
            drawn_from=head.drawn_from,
        )
        return SuiteRun(plan, results)


def part_of(plan: SuitePlan, shard: Shard) -> SuitePlan:
    """Return the plan with the cases of one shard."""
    if plan.part is not None:
        return plan
    at = shard.deal(plan.name, (case.slices for case in plan.cases))
    part = PlanPart(len(plan.cases), tuple(at), plan_digest(plan.cases))
    return replace(plan, cases=tuple(plan.cases[index] for index in at), part=part)


def plan_line(case: PlannedCase) -> bytes:
    """Return a planned case as a line for the digest of its plan."""
    return dumps(codec.encode_case(case)).encode("ascii") + b"\n"


def plan_digest(cases: Iterable[PlannedCase]) -> str:
    """Return the digest of a whole plan."""
    digest = hashlib.sha256()
    for case in cases:
        digest.update(plan_line(case))
    return digest.hexdigest()


def _set_digest(rows: list[bytes]) -> str:
    """Return the digest of a golden set from the ids and digests of its rows, as `golden.record.set_digest` does.

    Each row is the canonical text of its pair. Pairs are ordered by id, so escaped ids are decoded first.
    """
    if any(b"\\" in row for row in rows):
        rows.sort(key=json.loads)
    else:
        rows.sort(key=lambda row: (row[2:-_ROW_END], row))
    digest = hashlib.sha256(b"[")
    for number, row in enumerate(rows):
        digest.update(b"," + row if number else row)
    digest.update(b"]")
    return digest.hexdigest()
