from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import SettingsError, StorageError
from pytest_evalgate.records.verdicts import Accounting, Baseline, Delta, HistoryRow, Provenance, SuiteVerdict
from pytest_evalgate.runs import history

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.results import Run

_ROW = HistoryRow(
    "r1", "2026-01-01T00:00:00Z", "8c1f2d0", "faq", 3, 2, 0.75, 0.5, "g" * 64, "s" * 64, "r0", "inconclusive"
)


def _rows(*ids: str, suite: str = "faq") -> list[HistoryRow]:
    return [replace(_ROW, run_id=name, suite=suite) for name in ids]


def _skipped(read: history.History, path: Path) -> int:
    [note] = read.notes
    said, _, lines = note.removesuffix(")").partition("; remove the line to end this warning (lines skipped: ")
    assert said.startswith(f"{path}: ")
    return int(lines)


def _ids(path: Path) -> list[str]:
    return [row.run_id for row in history.read(path).rows]


def test_no_file_yet_is_an_empty_history(tmp_path: Path) -> None:
    assert history.read(tmp_path / "history.jsonl") == history.History()


def test_rows_are_read_as_they_were_appended(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    bare = replace(_ROW, run_id="r2", commit=None, discordance=None, baseline_run_id=None, pass_rate=1.0)
    history.append(path, [_ROW])
    history.append(path, [bare])
    assert history.read(path) == history.History((_ROW, bare))


def test_a_row_is_one_line_with_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, [_ROW])
    [line] = path.read_text("ascii").splitlines()
    assert json.loads(line)["schema"] == 1
    assert json.loads(line)["baseline_run_id"] == "r0"
    optional = {"work_sha256", "stopped"}
    assert set(json.loads(line)) == {"schema", *(field.name for field in fields(HistoryRow))} - optional


def test_a_run_is_not_appended_twice(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, _rows("r1"))
    before = path.read_bytes()
    history.append(path, _rows("r1"))
    assert path.read_bytes() == before
    history.append(path, [*_rows("r1", "r2"), *_rows("r1", suite="tone")])
    assert [(row.suite, row.run_id) for row in history.read(path).rows] == [
        ("faq", "r1"),
        ("faq", "r2"),
        ("tone", "r1"),
    ]


def test_a_duplicate_row_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, _rows("r1", "r2"))
    path.write_bytes(path.read_bytes() * 2)
    assert sorted(_ids(path)) == ["r1", "r2"]


def test_appending_no_rows_creates_no_file(tmp_path: Path) -> None:
    history.append(tmp_path / "h.jsonl", [])
    assert not (tmp_path / "h.jsonl").exists()


def test_a_cut_last_line_is_skipped_and_the_next_row_is_read(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, _rows("r1", "r2"))
    path.write_bytes(path.read_bytes()[:-20])
    read = history.read(path)
    assert read.rows == tuple(_rows("r1"))
    assert _skipped(read, path) == 1
    history.append(path, _rows("r3"))
    assert _ids(path) == ["r1", "r3"]


def test_a_last_line_without_its_line_feed_is_preserved(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, _rows("r1"))
    path.write_bytes(path.read_bytes()[:-1])
    history.append(path, _rows("r2"))
    assert _ids(path) == ["r1", "r2"]
    assert history.read(path).notes == ()


def test_rows_of_a_newer_schema_are_skipped_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, _rows("r1"))
    with path.open("a") as file:
        file.write('{"schema":2,"run":"r2"}\n' * 2)
    read = history.read(path)
    assert [row.run_id for row in read.rows] == ["r1"]
    newer = "schema 2 is newer than 1: upgrade pytest-evalgate to read it"
    assert read.notes == (f"{path}: {newer} (lines skipped: 2)",)


def test_blank_lines_and_unknown_fields_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, _rows("r1"))
    path.write_text("\n\r\n" + json.dumps({**json.loads(path.read_text()), "mood": "fine"}) + "\r\n\n")
    assert history.read(path) == history.History(tuple(_rows("r1")))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run_id", 1),
        ("created", None),
        ("commit", 7),
        ("suite", ["faq"]),
        ("cases", 0),
        ("cases", 2.5),
        ("trials", True),
        ("pass_rate", 1.01),
        ("pass_rate", "0.9"),
        ("pass_rate", None),
        ("discordance", -0.1),
        ("golden_sha256", None),
        ("scorers_sha256", {}),
        ("baseline_run_id", 1),
        ("verdict", "incomplete"),
        ("verdict", []),
        ("schema", "1"),
    ],
)
def test_a_row_with_an_invalid_value_is_skipped(tmp_path: Path, field: str, value: Any) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, _rows("r1"))
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    assert _skipped(history.read(path), path) == 1


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"null", b"1", b'"schema"', b"\xff", b"{}", b'{"schema":1}', b"[" * 999]
)
def test_a_malformed_line_is_skipped(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(line)
    assert _skipped(history.read(path), path) == 1


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_skipped_and_the_next_row_is_read(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("history") / "h.jsonl"
    path.write_bytes(junk)
    assert history.read(path).rows == ()
    history.append(path, _rows("r1"))
    assert _ids(path) == ["r1"]


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
_shares = st.floats(0, 1)


@given(
    st.builds(
        HistoryRow,
        *(
            _texts,
            st.just("2026-01-01T00:00:00Z"),
            st.none() | _texts,
            _texts,
            st.integers(1, 10**6),
            st.integers(1, 1000),
            _shares,
        ),
        *(st.none() | _shares, _texts, _texts, st.none() | _texts, st.sampled_from(["pass", "fail", "inconclusive"])),
    )
)
def test_any_row_survives(tmp_path_factory: pytest.TempPathFactory, row: HistoryRow) -> None:
    path = tmp_path_factory.mktemp("history") / "h.jsonl"
    history.append(path, [row])
    assert history.read(path) == history.History((row,))


def test_an_unreadable_file_is_a_note(tmp_path: Path) -> None:
    assert history.read(tmp_path).notes == (f"{tmp_path}: cannot be read: Is a directory; reports have no trend",)


def test_an_unwritable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Is a directory"):
        history.append(tmp_path, _rows("r1"))


def test_the_newest_rows_of_each_suite_are_read(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    names = [f"r{number}" for number in range(history.MAX_ROWS + 20)]
    history.append(path, [*_rows("old", suite="tone"), *_rows(*names)])
    assert _ids(path) == ["old", *names[20:]]


def test_only_the_end_of_a_huge_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, _rows(*(f"r{number}" for number in range(10))))
    size = path.stat().st_size // 10
    monkeypatch.setattr(history, "_MAX_READ_BYTES", int(3.5 * size))
    assert history.read(path) == history.History(tuple(_rows("r7", "r8", "r9")))


def test_the_file_of_the_history(tmp_path: Path) -> None:
    state = tmp_path / ".evalgate"
    assert history.file_of(None, root=tmp_path, state=state) == state / "history.jsonl"
    assert history.file_of("ci/h.jsonl", root=tmp_path, state=state) == tmp_path.resolve() / "ci" / "h.jsonl"
    with pytest.raises(SettingsError, match=r"^history: \.\./h\.jsonl leads to .* outside of"):
        history.file_of("../h.jsonl", root=tmp_path, state=state)


_DELTA = Delta("file:b.json", 0.8, 10, 2, 1, -0.1, 0.5, -0.3, 0.1, "mcnemar-midp", "inconclusive", None)
_BASELINE = Baseline("faq", "file:b.json", Provenance("r0", "c", "p", None, "why", "g", "s"), 1, {})


def _judged(**changes: Any) -> SuiteVerdict:
    accounting = Accounting(planned=3, passed=1, missed=1, skipped=1)
    judged = SuiteVerdict(2, 2, 1, 0.75, (0.2, 0.9), "g" * 64, "pass", "blocking", accounting, {}, _DELTA, (), ())
    return replace(judged, **changes)


def test_the_row_of_a_decided_suite(run: Run) -> None:
    assert history.row_of(run, run.suites[0], _judged(), _BASELINE) == HistoryRow(
        run.id, run.created, run.commit, "faq", 2, 2, 0.75, 0.3, "g" * 64, "s" * 64, "r0", "pass"
    )


@pytest.mark.parametrize("delta", [None, replace(_DELTA, pairs=0, losses=0, gains=0)])
def test_without_pairs_the_discordance_is_unknown(run: Run, delta: Delta | None) -> None:
    row = history.row_of(run, run.suites[0], _judged(delta=delta), None)
    assert row is not None
    assert (row.discordance, row.baseline_run_id) == (None, None)


@pytest.mark.parametrize("verdict", ["pass", "fail", "inconclusive"])
def test_every_decided_verdict_is_stored(run: Run, verdict: str) -> None:
    row = history.row_of(run, run.suites[0], _judged(verdict=verdict), None)
    assert row is not None
    assert row.verdict == verdict


@pytest.mark.parametrize(
    "judged",
    [
        {"verdict": "incomplete"},
        {"verdict": "invalid"},
        {"verdict": "not_evaluated"},
        {"pass_rate": None},
        {"accounting": Accounting(planned=3, passed=2, errored=1)},
        {"accounting": Accounting(planned=3, passed=2, not_run=1)},
    ],
)
def test_an_incomplete_or_undecided_suite_has_no_row(run: Run, judged: dict[str, Any]) -> None:
    assert history.row_of(run, run.suites[0], _judged(**judged), None) is None


@pytest.mark.parametrize("broken", [{"problems": ("a worker died",)}, {"refused": "over the budget"}])
def test_an_invalid_or_refused_run_has_no_row(run: Run, broken: dict[str, Any]) -> None:
    assert history.row_of(replace(run, **broken), run.suites[0], _judged(), None) is None


def test_a_suite_that_ended_early_is_an_attempt_and_no_part_of_the_trend(run: Run, tmp_path: Path) -> None:
    stopped = replace(run.suites[0], stopped="certainty")
    decided = replace(_judged(), pass_rate=None, accounting=Accounting(planned=10, passed=3, missed=1, not_run=6))
    row = history.row_of(run, stopped, decided, None, "w")
    assert row is not None
    assert (row.stopped, row.pass_rate, row.work_sha256) == (True, 0.75, "w")
    history.append(tmp_path / "history.jsonl", [row])
    found = history.read(tmp_path / "history.jsonl")
    assert (found.attempts, found.rows) == ((row,), ())
    history.append(tmp_path / "history.jsonl", [row])
    assert history.read(tmp_path / "history.jsonl").attempts == (row,)


_OWN = replace(_ROW, run_id="now", work_sha256="w")


@pytest.mark.parametrize(
    ("changed", "counts"),
    [
        ({}, True),
        ({"trials": 5}, True),
        ({"stopped": True}, True),
        ({"verdict": "fail"}, True),
        ({"commit": "other"}, False),
        ({"golden_sha256": "other"}, False),
        ({"scorers_sha256": "other"}, False),
        ({"work_sha256": "other"}, False),
        ({"work_sha256": None}, False),
        ({"suite": "other"}, False),
    ],
)
def test_attempts_are_decided_runs_of_the_same_commit_and_work(changed: dict[str, Any], *, counts: bool) -> None:
    row = replace(_OWN, run_id="before", **changed)
    assert history.earlier_attempts([row], _OWN) == ((row,) if counts else ())


def test_an_attempt_counts_the_ones_before_it() -> None:
    rows = [replace(_OWN, run_id=f"r{number}") for number in range(3)]
    assert history.earlier_attempts(rows, rows[1]) == (rows[0],)
    assert history.earlier_attempts(rows, _OWN) == tuple(rows)
    assert history.earlier_attempts(rows, replace(_OWN, commit=None)) == ()
