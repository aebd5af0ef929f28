"""Everything that writes, with each of its operations on the disk failing in turn.

After a failure there is one sentence, every file is the old one or the new one as a whole, and nothing else is left.
"""

from __future__ import annotations

import errno
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.faulty_io import FaultyIO

from pytest_evalgate.engine.cache import entries
from pytest_evalgate.errors import StorageError
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.judges import calibration, drift
from pytest_evalgate.plugin.collection import Pins
from pytest_evalgate.plugin.collection import write as write_pins
from pytest_evalgate.reports.writing import write_files
from pytest_evalgate.runs import baseline, history, journal, kept, run_file
from pytest_evalgate.runs.journal import JournalHead
from pytest_evalgate.runs.kept import RunFolder
from pytest_evalgate.runs.state import StateFolder
from pytest_evalgate.text import files
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import Verdict

    Write = Callable[[Path, Run, str], object]

_STORED = Path(__file__).parents[1] / "data" / "stored"
_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE, errno.ENOTDIR, errno.EISDIR)


def _verdict(run: Run) -> Verdict:
    return decide(run, {"faq": SuiteRules()}, warn_inconclusive=True)


def _baseline(folder: Path, run: Run, what: str) -> None:
    made = baseline.promote(run, run.suites[0], reason=what, now="2026-01-01T00:01:00Z")
    baseline.write(made, folder / "faq.json")
    baseline.write_outputs(f'{{"id":"c1","output":"{what}"}}\n'.encode(), folder / "faq.json")


def _calibration(folder: Path, _: Run, what: str) -> None:
    found = calibration.read(_STORED / "calibration.json")
    calibration.write(replace(found, labels=what), folder / "tone.json")


def _drift(folder: Path, _: Run, what: str) -> None:
    found = drift.read_drift(_STORED / "drift.json")
    assert found is not None
    drift.write_drift(replace(found, anchors=what), folder / "tone.drift.json")


def _anchors(folder: Path, _: Run, what: str) -> None:
    found = drift.read_verdicts(_STORED / "verdicts.json", name="verdicts.json")
    drift.write_verdicts(replace(found, anchors_sha256=what), folder / "anchors.verdicts.json")


def _cassette(folder: Path, _: Run, what: str) -> None:
    found = entries.read([_STORED / "cassette.jsonl"], root=_STORED)
    files.write_atomically(folder / "tape.jsonl", entries.lines(replace(entry, run=what) for entry in found.values()))


def _history(folder: Path, _: Run, what: str) -> None:
    rows = history.read(_STORED / "history.jsonl").rows
    history.append(folder / "history.jsonl", [replace(row, run_id=f"{row.run_id}{what}") for row in rows])


def _journal(folder: Path, run: Run, what: str) -> None:
    journal.begin(folder, JournalHead("r", what, "w" * 64, 3), [run.suites[0].plan])


def _journal_end(folder: Path, _: Run, what: str) -> None:
    journal.finish(folder, "r", interrupted=what == "new")


def _prepare(folder: Path, run: Run, what: str) -> None:
    StateFolder(folder).prepare()
    kept.write(replace(_verdict(run), tier=what), StateFolder(folder).verdict)


def _keep(folder: Path, run: Run, what: str) -> None:
    made = baseline.promote(run, run.suites[0], reason=what, now="2026-01-01T00:01:00Z")
    rows = [replace(row, suite="faq") for row in history.read(_STORED / "history.jsonl").rows]
    outputs = f'{{"id":"c1","output":"{what}"}}\n'.encode()
    RunFolder(folder).keep(replace(_verdict(run), tier=what), {"faq": (made, outputs)}, rows, Redactor())


_WRITES: dict[str, Write] = {
    "bytes": lambda folder, _, what: files.write_atomically(folder / "deep" / "a", what.encode()),
    "parts": lambda folder, _, what: files.write_atomically(folder / "a", (part.encode() for part in what)),
    "state folder": _prepare,
    "run file": lambda folder, run, what: run_file.write(replace(run, problems=(what,)), folder / "run.jsonl"),
    "verdict": lambda folder, run, what: (
        kept.write(replace(_verdict(run), tier=what), folder / "verdict.json") and None
    ),
    "folder of a run": _keep,
    "baseline and outputs": _baseline,
    "calibration": _calibration,
    "drift record": _drift,
    "verdicts of anchors": _anchors,
    "cassette": _cassette,
    "history": _history,
    "journal": _journal,
    "end of the journal": _journal_end,
    "pins": lambda folder, _, what: write_pins(folder, "r", Pins((what,))),
    "reports of a hook": lambda folder, _, what: write_files({"a.txt": what, "b.txt": what}, folder),
}


def _content(folder: Path) -> dict[str, bytes]:
    found = folder.rglob("*")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found if path.is_file()}


def _message(write: Write, folder: Path, run: Run) -> str:
    try:
        write(folder, run, "new")
    except StorageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("write", _WRITES.values(), ids=_WRITES.keys())
def test_each_operation_may_fail(tmp_path: Path, run: Run, write: Write) -> None:
    old_folder, new_folder = tmp_path / "old", tmp_path / "new"
    write(old_folder, run, "old")
    shutil.copytree(old_folder, new_folder)
    write(new_folder, run, "new")
    old, new = _content(old_folder), _content(new_folder)
    assert old != new
    for at in range(1, 200):
        code = _CODES[at % len(_CODES)]
        folder = tmp_path / f"failed {at} [x]"
        shutil.copytree(old_folder, folder)
        faults = FaultyIO(folder, at, code)
        with faults.installed():
            message = _message(write, folder, run)
        assert re.fullmatch(rf"{re.escape(str(folder))}.*: cannot be .*: .*", message) or _content(folder) == new
        if faults.failed is None:
            assert not message
            assert at > 3  # it was written by more than one operation
            return
        for name, content in _content(folder).items():
            assert content in (old.get(name), new.get(name)), f"{name} after {faults.failed}"
    raise AssertionError("it never succeeded")
