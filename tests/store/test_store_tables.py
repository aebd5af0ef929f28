"""Exported files: what is in them, on both databases, and that an export is whole, once, and never changed."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.dataset
import pytest

from pytest_evalgate.app.warehouse import Warehouse
from pytest_evalgate.errors import SettingsError, StorageError
from pytest_evalgate.runs.session_lock import SessionLock
from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.filters import RunFilter
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.tables import OF_RUN, tables
from pytest_evalgate.text import files
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.app.warehouse import Exported, FileFormat
    from pytest_evalgate.store.stored_run import StoredSource

    Make = Callable[..., StoredSource]

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "warehouse.md"
ALL = RunFilter("shop")
FORMATS: tuple[FileFormat, ...] = ("parquet", "csv", "jsonl")


def _push(place: StorePlace, *sources: StoredSource) -> None:
    with Database.open(place) as database:
        for source in sources:
            push(database, source)


def _export(place: StorePlace, folder: Path, kind: FileFormat, chosen: RunFilter = ALL) -> Exported:
    with Database.reading(place) as database:
        return Warehouse(folder, kind, Redactor()).add(database, chosen)


def _rows(folder: Path, table: str, kind: str) -> list[dict[str, Any]]:
    found = sorted(folder.glob(f"{table}/day=*/*.{kind}"))
    if kind == "parquet":
        return pyarrow.dataset.dataset(folder / table, partitioning="hive").to_table().to_pylist() if found else []
    if kind == "csv":
        return [row for path in found for row in csv.DictReader(path.read_text("utf-8").splitlines())]
    return [json.loads(line) for path in found for line in path.read_text("utf-8").splitlines()]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_has_every_row_once_and_a_second_one_changes_no_byte(
    place: StorePlace, make_source: Make, tmp_path: Path, kind: FileFormat
) -> None:
    folder = tmp_path / "warehouse"
    first = make_source("PPm?", "r1", created="2026-11-29T23:00:00Z", labels={"team": "search"})
    second = make_source("PPPm", "r2", created="2026-11-30T01:00:00Z")
    _push(place, first, second)
    found = _export(place, folder, kind)
    assert (found.runs, found.known) == (("r1", "r2"), 0)
    assert f"runs/day=2026-11-29/r1.{kind}" in found.files
    before = _bytes(folder)
    assert _export(place, folder, kind).files == ()
    assert _bytes(folder) == before

    _push(place, make_source("Pmmm", "r3", created="2026-11-30T02:00:00Z"))
    later = _export(place, folder, kind)
    assert (later.runs, later.known) == (("r3",), 2)
    assert _bytes(folder).items() >= before.items()
    assert [row["run_id"] for row in _rows(folder, "runs", kind)] == ["r1", "r2", "r3"]
    assert len(_rows(folder, "results", kind)) == 12
    assert len(_rows(folder, "scores", kind)) == 11
    assert [row["label"] for row in _rows(folder, "labels", kind)] == ["team=search"]
    assert {str(row["passed"]) for row in _rows(folder, "results", kind)} == {
        "1.0",
        "0.0",
        "" if kind == "csv" else "None",
    }


def test_both_databases_export_the_same_bytes(postgres: StorePlace, make_source: Make, tmp_path: Path) -> None:
    sqlite = StorePlace.at(tmp_path / "same.db")
    source = make_source("Pm?P", "r1", labels={"team": "a"})
    for name, place in (("one", postgres), ("other", sqlite)):
        _push(place, source)
        _export(place, tmp_path / name, "csv")
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "other")


def test_filters_choose_the_runs_and_rows_of_the_history_are_left_out(
    place: StorePlace, make_source: Make, tmp_path: Path
) -> None:
    _push(place, make_source("PP", "r1", branch="main"), make_source("PP", "r2", branch="topic"))
    assert _export(place, tmp_path / "w", "jsonl", replace(ALL, branch="topic")).runs == ("r2",)
    assert _export(place, tmp_path / "w", "jsonl", replace(ALL, suite="other")).runs == ()
    assert _export(place, tmp_path / "w", "jsonl").runs == ("r1",)


def test_promotions_are_exported_when_they_happen(place: StorePlace, make_source: Make, tmp_path: Path) -> None:
    _push(place, make_source("PP", "r1"))
    _export(place, tmp_path / "w", "jsonl")
    names = ("project", "suite", "promoted", "run_id", "author", "reason", "old_run_id", "old_sha256", "new_sha256")
    values = ("shop", "faq", "2026-12-01T08:00:00Z", "r1", "Ada", "first", None, None, "d" * 64)
    with Database.open(place) as database:
        database.change("promotion_insert", **dict(zip(names, values, strict=True)), worse="[]")
    assert _export(place, tmp_path / "w", "jsonl").files == ("promotions/day=2026-12-01/20261201T080000Z-r1.jsonl",)
    assert [row["author"] for row in _rows(tmp_path / "w", "promotions", "jsonl")] == ["Ada"]
    assert _export(place, tmp_path / "w", "jsonl").files == ()


def test_the_rest_of_an_interrupted_export_is_replaced(
    make_source: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, folder = StorePlace.at(tmp_path / "store.db"), tmp_path / "w"
    _push(place, make_source("Pm", "r1", created="2026-11-30T01:00:00Z"))
    write = files.write_atomically

    def full(path: Path, *args: Any, **options: Any) -> None:
        if path.parts[-3] == "scores":
            raise StorageError(path, "disk full")
        write(path, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_atomically", full)
        with pytest.raises(StorageError):
            _export(place, folder, "jsonl")
    assert (len(_rows(folder, "results", "jsonl")), _rows(folder, "runs", "jsonl")) == (2, [])
    _push(place, make_source("Pm", "r2", created="2026-11-30T02:00:00Z"))
    assert _export(place, folder, "jsonl").runs == ("r1", "r2")
    assert len(_rows(folder, "results", "jsonl")) == 4
    assert list(folder.rglob("*.tmp")) == []


def test_two_exports_at_once_into_one_folder_are_refused(make_source: Make, tmp_path: Path) -> None:
    place, folder = StorePlace.at(tmp_path / "store.db"), tmp_path / "w"
    _push(place, make_source("P"))
    _export(place, folder, "csv")
    lock = SessionLock(folder / ".evalgate-export.lock")
    lock.acquire()
    try:
        with pytest.raises(SettingsError, match="another export writes there"):
            _export(place, folder, "csv")
    finally:
        lock.release()


def test_a_run_id_that_is_a_path_stays_in_the_folder(make_source: Make, tmp_path: Path) -> None:
    place = StorePlace.at(tmp_path / "store.db")
    source = make_source("P", "r1")
    _push(place, replace(source, run=replace(source.run, id="../../../away")))
    found = _export(place, tmp_path / "deep" / "w", "csv")
    assert all(re.fullmatch(r"\w+/day=\d{4}-\d\d-\d\d/[0-9a-f]{32}\.csv", name) for name in found.files)
    assert list(tmp_path.glob("away*")) == []


def test_cells_of_csv_files_are_no_formulas_and_other_formats_have_the_exact_text(
    make_source: Make, tmp_path: Path
) -> None:
    place = StorePlace.at(tmp_path / "store.db")
    _push(place, make_source("P", "r1", labels={"team": "x"}, branch="=1+1\n\u00fc"))
    for kind in FORMATS:
        _export(place, tmp_path / "w", kind)
    (written,) = (tmp_path / "w").glob("runs/*/r1.csv")
    assert "\"'=1+1\n" in written.read_text("utf-8")
    for kind in ("jsonl", "parquet"):
        found = [row["branch"] for row in _rows_of(tmp_path / "w", kind)]
        assert found == ["=1+1\n\u00fc"]


def _rows_of(folder: Path, kind: str) -> list[dict[str, Any]]:
    if kind == "parquet":
        source = pyarrow.dataset.dataset([str(path) for path in folder.glob("runs/*/*.parquet")])
        found: list[dict[str, Any]] = source.to_table().to_pylist()
        return found
    return _rows(folder, "runs", kind)


def test_api_keys_are_not_exported(make_source: Make, tmp_path: Path) -> None:
    place = StorePlace.at(tmp_path / "store.db")
    _push(place, make_source("P", "r1", branch="sk-secret-key-12345"))
    with Database.reading(place) as database:
        Warehouse(tmp_path / "w", "jsonl", Redactor(("sk-secret-key-12345",))).add(database, ALL)
    assert b"sk-secret" not in b"".join(_bytes(tmp_path / "w").values())


def test_duckdb_that_is_missing_is_named(make_source: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = StorePlace.at(tmp_path / "store.db")
    _push(place, make_source("P"))
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(SettingsError, match=re.escape("pip install 'pytest-evalgate[warehouse]'")):
        _export(place, tmp_path / "w", "parquet")


def test_tables_are_those_of_the_schema(place: StorePlace) -> None:
    with Database.open(place) as database:
        for name in (*OF_RUN, "promotions"):
            table = tables()[name]
            assert table.rows(database, "none") == []
            assert set(table.key) <= set(table.columns)
    assert tables()["runs"].key == ("run_id",)
    assert tables()["scores"].key == ("run_id", "suite", "place", "trial", "scorer")


def test_the_ten_queries_of_the_page_run_in_duckdb_as_printed(
    make_source: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import duckdb  # noqa: PLC0415 - 0.1 s, only here

    place = StorePlace.at(tmp_path / "store.db")
    for number, letters in enumerate(("PPPP", "PPPm", "PmPm"), 1):
        created = f"2026-11-2{number}T02:00:00Z"
        _push(place, make_source(letters, f"r{number}", created=created, labels={"team": "search"}))
    monkeypatch.chdir(tmp_path)
    _export(place, Path("warehouse"), "parquet")
    queries = dict(re.findall(r"^### ([^\n]+)\n\n```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE))
    with duckdb.connect() as connection:
        found = {title: connection.execute(sql).fetchall() for title, sql in queries.items()}
    assert len(found) == 10
    assert found["Cases that passed in the run before the newest and miss in it"] == [("faq", "c1", None)]
    assert [row[1] for row in found["Flakiest cases of the last 20 runs"]] == ["c1", "c3"]
    assert [row[:3] for row in found["Weakest slices of the newest run"]] == [
        ("faq", "lang", "en_US"),
        ("faq", "lang", "de"),
    ]
    ((label, _, cost, _),) = found["Cost of each label, for chargeback"]
    assert (label, cost) == ("team=search", 0)
    without = {title for title, rows in found.items() if not rows}
    assert without <= {"Latency of each model by day", "Gates that fail most often"}
