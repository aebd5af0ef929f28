"""Files written by the code of November 2026, before the record files were merged into one class.

Each is read by today's code. Written back, it has the same bytes, apart from the digests that its format has gained.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.engine.cache import entries
from pytest_evalgate.errors import UserError
from pytest_evalgate.judges import calibration, drift
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import PlannedCase, SuitePlan
from pytest_evalgate.runs import baseline, history, journal, kept, run_file
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.runs.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_evalgate.records.cases import Json

_STORED = Path(__file__).parents[1] / "data" / "stored"


def _run(source: Path, target: Path) -> None:
    run, info = run_file.read_with_info(source)
    run_file.write(run, target, info)


def _baseline(source: Path, target: Path) -> None:
    found = baseline.find(None, suite="faq", file=source, root=source.parent)
    assert found is not None
    baseline.write(found, target)


def _history(source: Path, target: Path) -> None:
    history.append(target, history.read(source).rows)


def _verdict(source: Path, target: Path) -> None:
    kept.write(kept.read(source), target)


def _calibration(source: Path, target: Path) -> None:
    calibration.write(calibration.read(source), target)


def _drift(source: Path, target: Path) -> None:
    record = drift.read_drift(source)
    assert record is not None
    drift.write_drift(record, target)


def _verdicts(source: Path, target: Path) -> None:
    drift.write_verdicts(drift.read_verdicts(source, name=source.name), target)


def _cassette(source: Path, target: Path) -> None:
    target.write_bytes(b"".join(entries.lines(entries.read([source], root=source.parent).values())))


_COPIES: dict[str, Callable[[Path, Path], None]] = {
    "run.jsonl": _run,
    "shard.jsonl": _run,
    "baseline.json": _baseline,
    "history.jsonl": _history,
    "verdict.json": _verdict,
    "calibration.json": _calibration,
    "drift.json": _drift,
    "verdicts.json": _verdicts,
    "cassette.jsonl": _cassette,
}

_NEW_DIGESTS = {
    "run.jsonl": rb',"sha256":"[0-9a-f]{64}"',
    "shard.jsonl": rb',"sha256":"[0-9a-f]{64}"',
    "baseline.json": rb' "sha256": "[0-9a-f]{64}",\n',
    "drift.json": rb',"sha256":"[0-9a-f]{64}"',
    "verdicts.json": rb' "sha256": "[0-9a-f]{64}",\n',
    "cassette.jsonl": rb',"sha256":"[0-9a-f]{64}"',
}


@pytest.mark.parametrize("name", [name for name in _COPIES if name != "verdict.json"])
def test_a_stored_file_is_read_and_written_back_unchanged(tmp_path: Path, name: str) -> None:
    _COPIES[name](_STORED / name, tmp_path / name)
    written, old = (tmp_path / name).read_bytes(), (_STORED / name).read_bytes()
    new_digest = _NEW_DIGESTS.get(name)
    assert (written if new_digest is None else re.sub(new_digest, b"", written)) == old
    assert new_digest is None or written != old
    (tmp_path / "again").mkdir()
    _COPIES[name](tmp_path / name, tmp_path / "again" / name)
    assert (tmp_path / "again" / name).read_bytes() == written


def test_a_stored_verdict_is_read_and_its_new_fields_say_nothing(tmp_path: Path) -> None:
    """The fields of 2026-11-30 and later: each gate's own change, corrected rates, reruns, resumed runs."""
    stored = kept.read(_STORED / "verdict.json")
    kept.write(stored, tmp_path / "verdict.json")
    assert kept.read(tmp_path / "verdict.json") == stored
    before, now = (json.loads(path.read_bytes()) for path in (_STORED / "verdict.json", tmp_path / "verdict.json"))
    assert {**now, **before, "suites": now["suites"]} == now
    new = {name: now[name] for name in now.keys() - before.keys()}
    assert new == {"resumed": None, "side_by_side": []}
    for name, suite in before["suites"].items():
        assert set(suite) < set(now["suites"][name])


def test_a_stored_journal_is_found_and_written_back_unchanged(tmp_path: Path) -> None:
    stored = (_STORED / "journal.jsonl").read_bytes()
    path = tmp_path / "runs" / "20260101T120000Z-1f2e3d4c" / "journal.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(stored)
    now = datetime(2026, 1, 1, 11, 59, tzinfo=UTC)
    assert journal.find_interrupted(tmp_path, "f" * 64, now) is None  # its last line is that of a run that ended
    *begun, _ = stored.splitlines(keepends=True)
    path.write_bytes(b"".join(begun))
    head = journal.find_interrupted(tmp_path, "f" * 64, now)
    assert head is not None
    cases = tuple(PlannedCase(f"sql-{n}", Place("golden/sql.jsonl", n), f"g{n}") for n in (1, 2))
    journal.begin(tmp_path, head, [SuitePlan("sql", ("golden/sql.jsonl",), "c" * 64, "d" * 64, 1, cases)])
    assert path.read_bytes() == b"".join(begun)


def test_stored_outputs_of_a_baseline_are_read() -> None:
    assert baseline.read_outputs(_STORED / "baseline.json") == {
        "refund-1": "30 days",
        "refund-2": "Ein Monat \u2013 30 Tage",
    }


def test_the_head_of_a_stored_run_file_is_read() -> None:
    run, info = run_file.read_with_info(_STORED / "run.jsonl")
    assert (run.problems, run.refused) == (("a worker died",), "over the budget of US$1.00")
    assert [suite.stopped for suite in run.suites] == [None, "certainty"]
    assert (info, info.facts, info.notes) == (
        RunInfo("e" * 64, "model:candidate", tier="smoke"),
        {"models": "app, critic"},
        ("2 calls were cached",),
    )
    assert run_file.read_with_info(_STORED / "shard.jsonl")[1].shard == Shard(1, 2)


# --- every field of every stored file, changed


_REMOVED = object()
_TWICE = object()
_VALUES: tuple[Json, ...] = (None, "", "x", -1, 10**30, 1.5, True, [], [{}], {}, {"x": 1}, _REMOVED, _TWICE)
_INVALID = ("NaN", "1e999", "-Infinity", "1e-999999999999999999999")
_MARK = "\x7fmutated\x7f"


def _places(value: Json, *before: str | int) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every field in a JSON value, those inside of others too."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*before, key)
        yield from _places(member, *before, key)


def _changed(text: str, place: tuple[str | int, ...], new: Json) -> str:
    """Return a JSON text with the field at ``place`` replaced, removed or doubled."""
    value = json.loads(text)
    *way, last = place
    parent = value
    for step in way:
        parent = parent[step]
    if new is _REMOVED:
        del parent[last]
    elif new is _TWICE:
        field = f"{json.dumps(last)}: {json.dumps(parent[last])}"
        if not isinstance(parent, dict):
            parent.insert(int(last), parent[last])
        else:
            parent[last] = _MARK
            return json.dumps(value).replace(f"{json.dumps(last)}: {json.dumps(_MARK)}", f"{field}, {field}")
    else:
        parent[last] = new
    return json.dumps(value)


def _mutants(text: str) -> Iterator[str]:
    for place in _places(json.loads(text)):
        for new in _VALUES:
            yield _changed(text, place, new)
        marked = _changed(text, place, _MARK)
        for invalid in _INVALID:
            yield marked.replace(json.dumps(_MARK), invalid)
    half = len(text) // 2
    yield from (text[:half], text + text, f"[{text}]", text.replace('"schema": 1', '"schema": 0'), "\x00" + text)


def _documents(name: str, text: str) -> list[str]:
    return text.splitlines() if name.endswith(".jsonl") else [text]


def _join(name: str, documents: list[str]) -> bytes:
    return ("\n".join(documents) + "\n" * name.endswith(".jsonl")).encode()


def _problem(copy: Callable[[Path, Path], None], source: Path, target: Path) -> str:
    """Return the message if a file is refused, and "" if it is read and written back."""
    try:
        copy(source, target)
    except UserError as error:
        return str(error)
    return ""


_CHANGED_LINES = {"run.jsonl": (0, 2, -1), "shard.jsonl": (0,)}
"""Indexes of the lines to change; all lines of the other files."""


@pytest.mark.parametrize(
    ("name", "sealed"),
    [*((name, True) for name in _COPIES if name != "history.jsonl"), *((name, False) for name in _NEW_DIGESTS)],
)
def test_a_changed_field_is_refused_or_without_effect(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    sealed: bool,  # noqa: FBT001 - of the table
) -> None:
    """A file with a digest is refused, or means the same; without one, at least nothing but a UserError is raised."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    copy = _COPIES[name]
    source = tmp_path / name
    if sealed:
        copy(_STORED / name, source)
    else:
        source.write_bytes((_STORED / name).read_bytes())
    documents = _documents(name, source.read_text("ascii"))
    copy(source, tmp_path / "original")
    original = (tmp_path / "original").read_bytes()
    accepted, tried = 0, 0
    for number in _CHANGED_LINES.get(name, range(len(documents))):
        for mutant in _mutants(documents[number]):
            tried += 1
            changed = [*documents]
            changed[number] = mutant
            source.write_bytes(_join(name, changed))
            if problem := _problem(copy, source, tmp_path / "copy"):
                assert name in problem, mutant
                continue
            accepted += 1
            if sealed and name != "verdict.json":
                assert (tmp_path / "copy").read_bytes() == original, mutant
    assert tried > 100
    assert accepted < 0.5 * tried


def test_a_changed_row_of_the_history_raises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    first, *_ = (_STORED / "history.jsonl").read_text("ascii").splitlines()
    for mutant in _mutants(first):
        path.write_bytes(mutant.encode() + b"\n")
        found = history.read(path)
        assert found.notes or all(0 <= row.pass_rate <= 1 and row.cases >= 1 for row in found.rows)
