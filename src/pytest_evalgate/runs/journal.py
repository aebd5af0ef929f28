"""The journal of a run: its plan, on disk before anything is paid, and later how it ended.

``<state>/runs/<run id>/journal.jsonl``: a head, a line for each planned case, and a last line once the run was judged.
A run without that line broke off.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_evalgate.records.results import SuitePlan

SCHEMA = 1
_KIND = "evalgate-journal"
_NAME = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class JournalHead:
    """What a later run has to know of this one.

    Args:
        run: The id of the run.
        lineage: The run whose answers it went on with, or its own id: answers of an application that has no version
            are kept under it.
        work_sha256: Digest of what was to be done: the configuration, the options, the state of the working tree.
        cases: How many cases were planned.

    """

    run: str
    lineage: str
    work_sha256: str
    cases: int


def begin(state: Path, head: JournalHead, plans: Iterable[SuitePlan]) -> None:
    """Write the journal of a run that is about to start; it is on the disk when this returns.

    Raises:
        OSError: it cannot be written.

    """
    lines = [{"schema": SCHEMA, "kind": _KIND, **asdict(head)}, *_cases(plans)]
    files.write_atomically(_path(state, head.run), [_line(line) for line in lines])


def is_started(state: Path, run: str) -> bool:
    """Tell whether the journal of a run is there: from then on calls may be sent."""
    return _path(state, run).exists()


def finish(state: Path, run: str, *, whole: bool) -> None:
    """Note that the run was judged, and whether every planned case has its answer."""
    with _path(state, run).open("ab") as file:
        file.write(_line({"event": "judged", "whole": whole}))
        file.flush()
        os.fsync(file.fileno())


def find_interrupted(state: Path, work_sha256: str) -> JournalHead | None:
    """Return the newest run of the same work, if it broke off or lacks answers; a torn journal is passed over."""
    for path in sorted((state / "runs").glob(f"*/{_NAME}"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        head, whole = _read(path)
        if head is not None and head.work_sha256 == work_sha256:
            return None if whole else head
    return None


def claim(state: Path, run: str) -> bool:
    """Tell whether this process is the first to begin the work of a run: one that takes over begins nothing ahead."""
    folder = _path(state, run).parent
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / "begun").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _read(path: Path) -> tuple[JournalHead | None, bool]:
    try:
        first, *_, last = path.read_bytes().splitlines()
        head = json.loads(first)
        found = JournalHead(head["run"], head["lineage"], head["work_sha256"], head["cases"])
        return found, json.loads(last).get("whole") is True
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None, False


def _cases(plans: Iterable[SuitePlan]) -> Iterator[dict[str, object]]:
    for plan in plans:
        for case in plan.cases:
            yield {"suite": plan.name, "case": case.id, "fingerprint": case.fingerprint}


def _line(value: object) -> bytes:
    return jsonl.canonical(value).encode("ascii") + b"\n"


def _path(state: Path, run: str) -> Path:
    return state / "runs" / run / _NAME
