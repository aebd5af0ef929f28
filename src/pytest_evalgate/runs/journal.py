"""Journal: the plan of a run, written before the first call is sent, and the end of the run.

``<state>/runs/<run id>/journal.jsonl`` has a head, one line for each planned case, and a last line when the run is
decided. A run without a last line, or with ``interrupted`` in it, can be resumed. Other runs are never resumed, even
if they ran a part of their cases or lack outputs.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs.record_file import RecordFile, check_filled
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.records.results import SuitePlan

_NAME: Final = "journal.jsonl"
_OWN: Final = "EVALGATE_"
_INSTALLED: Final = (".dist-info", ".egg-info", ".egg-link", ".pth")

MAX_AGE: Final = timedelta(hours=24)
"""Age from which an interrupted run is not resumed, because things outside of the project may have changed."""


@dataclass(frozen=True, slots=True)
class JournalHead:
    """The first line of a journal: the fields that a later run needs to resume this one.

    Args:
        run: The id of the run.
        lineage: The id of the first run of a chain of resumed runs; the id of this run if it resumes none. Outputs of
            applications without a version are cached under it.
        work_sha256: Digest of the configuration, the options, the working tree and the environment. Only a run with
            the same digest resumes this one.
        cases: The number of planned cases.
    """

    run: str
    lineage: str
    work_sha256: str
    cases: int


_HEAD: Final = RecordFile(
    JournalHead,
    noun="a journal",
    kind="evalgate-journal",
    error=RunFileError,
    next_step="start a new run",
    check=lambda head: check_filled(run=head.run, lineage=head.lineage, work_sha256=head.work_sha256),
)


def begin(state: Path, head: JournalHead, plans: Iterable[SuitePlan]) -> None:
    """Write the journal of a run that is about to start, with fsync.

    Raises:
        StorageError: It cannot be written.
    """
    cases = (
        _line({"suite": plan.name, "case": case.id, "fingerprint": case.fingerprint})
        for plan in plans
        for case in plan.cases
    )
    files.write_atomically(_path(state, head.run), [_HEAD.dumps(head), *cases])


def is_started(state: Path, run: str) -> bool:
    """Return whether a run has a journal; no call is sent before it exists."""
    return _path(state, run).exists()


def finish(state: Path, run: str, *, interrupted: bool) -> None:
    """Record that the run was decided. ``interrupted`` means that something ended it before its last case.

    Raises:
        StorageError: It cannot be written.
    """
    files.append_lines(_path(state, run), [_line({"event": "judged", "interrupted": interrupted})])


def find_interrupted(state: Path, work_sha256: str, now: datetime) -> JournalHead | None:
    """Return the newest run of the same work if it was interrupted, and if its answers are at most a day old.

    Malformed journals are skipped.
    """
    for path in sorted((state / "runs").glob(f"*/{_NAME}"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            first, *_, last = files.read_bytes(path).splitlines()
            head = _HEAD.parse(first, str(path))
            end = json.loads(last)
        except (OSError, ValueError, RunFileError):
            continue
        if head.work_sha256 == work_sha256:
            ended = isinstance(end, dict) and end.get("event") == "judged" and end.get("interrupted") is not True
            return None if ended or not _is_recent(head, now) else head
    return None


def _is_recent(head: JournalHead, now: datetime) -> bool:
    """Return whether the first run of the chain, whose answers are the oldest, began less than a day ago."""
    try:
        began = datetime.strptime(head.lineage.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return timedelta(0) <= now - began < MAX_AGE


def claim(state: Path, run: str) -> bool:
    """Return whether this process is the first to start the calls of a run.

    With xdist, the worker that gets True starts all calls ahead of their tests. A worker that replaces it after a
    crash gets False, and sends each call when its test runs.
    """
    begun = _path(state, run).with_name("begun")
    try:
        begun.parent.mkdir(parents=True, exist_ok=True)
        begun.touch(exist_ok=False)
    except OSError:  # it exists, or the controller reports that it cannot be written
        return False
    return True


def _line(value: object) -> bytes:
    return jsonl.canonical(value).encode("ascii") + b"\n"


def _path(state: Path, run: str) -> Path:
    return state / "runs" / run / _NAME


def environment_sha256(environ: Mapping[str, str], declared: Iterable[str], path: Iterable[str] | None = None) -> str:
    """Return a digest of the declared variables, of all ``EVALGATE_*`` ones, and of the installed distributions.

    Args:
        environ: The environment.
        declared: Names of the variables that decide outputs (``target.env``). A missing one differs from an empty one.
        path: Folders with distributions; by default those of ``sys.path``.
    """
    own = (name for name in environ if name.startswith(_OWN))
    variables = {name: environ.get(name) for name in sorted({*declared, *own})}
    installed = sorted(_installed(sys.path if path is None else path))
    return jsonl.digest([variables, sys.version, installed])


def _installed(folders: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield name and time of the metadata of each distribution; an update replaces both (1 ms for 200)."""
    for folder in dict.fromkeys(folders):
        try:
            with os.scandir(folder or ".") as entries:
                for entry in entries:
                    if entry.name.endswith(_INSTALLED):
                        yield os.path.join(folder, entry.name), entry.stat().st_mtime_ns  # noqa: PTH118 - no Path each
        except OSError:  # nothing can be imported from an unreadable path
            continue
