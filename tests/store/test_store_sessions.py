"""Sessions and their store: what a run leaves, and that no failure of a store changes a verdict."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# pytester forgets what a run imported, and numpy cannot be imported twice
import pytest_evalgate.app.storing
import pytest_evalgate.app.view
import pytest_evalgate.gates
import pytest_evalgate.plugin.session  # noqa: F401 - the same
from pytest_evalgate.cli import main
from pytest_evalgate.store import Database, StorePlace, drivers
from pytest_evalgate.store.database import migrations

if TYPE_CHECKING:
    from collections.abc import Callable

_EXAMPLES = Path(__file__).parents[2] / "examples" / "golden_sets"
_QUIET = ("-p", "no:randomly", "-p", "no:asyncio", "-p", "no:anyio", "-p", "no:cacheprovider", "-q")
_CONFIG = """{store}
[suites.faq]
golden = "g.jsonl"
target = {{ recorded = "o.jsonl" }}
scorers = ["exact"]
gates = [{{ kind = "pass-rate", min = 0.9, bound = "point" }}]
"""
_FAILED = 1
"""Exit code of the session below: 7 of 10 cases pass, and 9 have to."""

Session = "Callable[..., list[str]]"


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that runs a session whose gate fails; it returns the lines about the store."""
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_BASE_REF", "GITHUB_REF_NAME"):
        monkeypatch.delenv(name, raising=False)
    rows = [{"id": f"c{number}", "input": "q", "expected": "yes"} for number in range(10)]
    outputs = [{"id": f"c{number}", "output": "yes" if number < 7 else "no"} for number in range(10)]
    for file, lines in (("g.jsonl", rows), ("o.jsonl", outputs)):
        (pytester.path / file).write_text("".join(json.dumps(line) + "\n" for line in lines))

    def run(store: str = "", *arguments: str) -> list[str]:
        (pytester.path / "evalgate.toml").write_text(_CONFIG.format(store=store))
        result = pytester.runpytest_inprocess(*_QUIET, "--eval-gate", *arguments)
        verdict = json.loads((pytester.path / ".evalgate" / "verdict.json").read_text())
        assert (result.ret, verdict["verdict"], verdict["exit_code"]) == (_FAILED, "fail", _FAILED)
        return [line for line in result.outlines + result.errlines if "stored" in line]

    return run


def _stored(pytester: pytest.Pytester, sql: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(pytester.path / ".evalgate" / "store.db")) as connection:
        return connection.execute(sql).fetchall()


def test_a_session_stores_its_run_with_its_labels(
    session: Callable[..., list[str]], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALGATE_LABELS", "team=search, region=eu")
    monkeypatch.setenv("GITHUB_HEAD_REF", "feature")
    assert session("", "--eval-label", "region=us", "--eval-label", "provider=x") == []
    assert _stored(pytester, "SELECT label FROM labels ORDER BY label") == [
        ("provider=x",),
        ("region=us",),
        ("team=search",),
    ]
    assert _stored(pytester, "SELECT verdict, branch, source FROM runs") == [("fail", "feature", "run")]
    assert _stored(pytester, "SELECT passed, missed FROM suites") == [(7, 3)]


def test_a_store_that_is_off_leaves_no_file(session: Callable[..., list[str]], pytester: pytest.Pytester) -> None:
    assert session('store = "off"') == []
    assert not (pytester.path / ".evalgate" / "store.db").exists()


def test_the_history_is_stored_before_the_first_run(
    session: Callable[..., list[str]], pytester: pytest.Pytester
) -> None:
    session('store = "off"')
    session()
    assert _stored(pytester, "SELECT source FROM runs ORDER BY source") == [("history",), ("run",)]


def _only_line(lines: list[str]) -> str:
    (line,) = lines
    assert "the verdict stands" in line
    assert line.startswith("evalgate: results not stored: ")
    return line


def test_a_database_that_is_away(session: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    monkeypatch.setenv("MY_STORE", "postgresql://me:hunter2secret@127.0.0.1:1/x")
    line = _only_line(session('store_env = "MY_STORE"'))
    assert "$MY_STORE: connection" in line
    assert "store them with: pytest-evalgate store push .evalgate/runs/" in line
    assert "hunter2secret" not in line


def test_a_variable_that_is_not_set(session: Callable[..., list[str]]) -> None:
    assert "$MY_STORE is not set: set it to postgresql://" in _only_line(session('store_env = "MY_STORE"'))


def test_a_server_that_never_answers(session: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("MY_STORE", f"postgresql://me@127.0.0.1:{port}/x?connect_timeout=2")
        assert "timeout" in _only_line(session('store_env = "MY_STORE"'))


def test_a_server_that_is_slow(
    session: Callable[..., list[str]], postgres: StorePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg  # noqa: PLC0415 - skipped above where it is missing

    monkeypatch.setenv("MY_STORE", postgres.url)
    assert session('store_env = "MY_STORE"') == []
    monkeypatch.setattr(drivers, "STATEMENT_WAIT_MS", 300)
    with psycopg.connect(postgres.url) as other:
        other.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        assert "statement timeout" in _only_line(session('store_env = "MY_STORE"'))


def test_a_server_that_is_read_only(
    session: Callable[..., list[str]], postgres: StorePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_STORE", f"{postgres.url}%20-cdefault_transaction_read_only%3Don")
    assert "read-only transaction: connect to a server that accepts writes" in _only_line(
        session('store_env = "MY_STORE"')
    )


def test_a_server_whose_disk_is_full(
    session: Callable[..., list[str]], postgres: StorePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error and its text are those of a server whose disk is full; the last table of a run raises it."""
    import psycopg  # noqa: PLC0415 - skipped above where it is missing

    monkeypatch.setenv("MY_STORE", postgres.url)
    assert session('store_env = "MY_STORE"') == []
    with psycopg.connect(postgres.url, autocommit=True) as server:
        server.execute(
            """CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = '53100';
            END $$"""
        )
        server.execute("CREATE TRIGGER filled BEFORE INSERT ON contents EXECUTE FUNCTION fill()")
        line = _only_line(session('store_env = "MY_STORE"'))
        assert "No space left on device" in line
        assert "free some space on the database server" in line
        counts = [server.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("runs", "results")]  # noqa: S608
        assert counts == [(1,), (10,)]


def test_a_server_that_answers_after_a_while(
    session: Callable[..., list[str]], postgres: StorePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session waits up to a minute; another one lets it go on as soon as the server reports that it waits."""
    import psycopg  # noqa: PLC0415 - skipped above where it is missing

    monkeypatch.setenv("MY_STORE", postgres.url)
    assert session('store_env = "MY_STORE"') == []
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'runs'::regclass "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with psycopg.connect(postgres.url) as holder, psycopg.connect(postgres.url, autocommit=True) as watcher:
        holder.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")

        def release() -> None:
            while watcher.execute(waiting).fetchone() == (0,):
                pass
            holder.rollback()

        thread = threading.Thread(target=release)
        thread.start()
        assert session('store_env = "MY_STORE"') == []
        thread.join()
        assert watcher.execute("SELECT count(*) FROM runs").fetchone() == (2,)


def test_a_file_that_another_process_writes(
    session: Callable[..., list[str]], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session() == []
    monkeypatch.setattr(drivers, "SQLITE_WAIT_S", 0.0)
    with contextlib.closing(sqlite3.connect(pytester.path / ".evalgate" / "store.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "database is locked: wait for the other process that writes it" in _only_line(session())


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_newer_schema(
    session: Callable[..., list[str]], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    setting = ""
    if kind == "postgres":
        place = request.getfixturevalue("postgres")
        setting = 'store_env = "MY_STORE"'
        monkeypatch.setenv("MY_STORE", place.url)
    else:
        place = StorePlace.at(Path.cwd() / ".evalgate" / "store.db")
    known = len(migrations())
    with Database.open(place) as database:
        database.insert("schema_versions", ("version", "file"), [(known + 1, "later.sql")])
    line = _only_line(session(setting))
    assert f"schema {known + 1} is newer than {known}: upgrade pytest-evalgate to use this store" in line


@pytest.mark.parametrize(
    ("pragma", "message"),
    [
        ("max_page_count = 8", "database or disk is full: free some space"),
        ("query_only = ON", "attempt to write a readonly database: give this user the permission"),
    ],
)
def test_a_file_that_is_full_or_read_only(
    session: Callable[..., list[str]],
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    pragma: str,
    message: str,
) -> None:
    opened = drivers.SqliteDriver.__init__

    def limited(self: drivers.SqliteDriver, *args: Any, **options: Any) -> None:
        opened(self, *args, **options)
        self._connection.execute(f"PRAGMA {pragma}")

    monkeypatch.setattr(drivers.SqliteDriver, "__init__", limited)
    assert message in _only_line(session())
    assert _stored(pytester, "SELECT count(*) FROM sqlite_master") == [(0,)]


@pytest.mark.parametrize("in_the_way", ["folder", "text"])
def test_something_else_in_the_place_of_the_file(
    session: Callable[..., list[str]], pytester: pytest.Pytester, in_the_way: str
) -> None:
    path = pytester.path / ".evalgate" / "store.db"
    if in_the_way == "folder":
        path.mkdir(parents=True)
    else:
        path.parent.mkdir()
        path.write_text("no database " * 100)
    assert "store.db: " in _only_line(session())


def test_a_run_that_was_not_stored_can_be_pushed_later(
    session: Callable[..., list[str]], pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    line = _only_line(session('store_env = "MY_STORE"'))
    command = line.partition("store them with: pytest-evalgate ")[2].split()
    session('store = "off"')
    capsys.readouterr()
    (pytester.path / "evalgate.toml").write_text(_CONFIG.format(store=""))
    for expected in ("stored 1 run, 0 stored already", "stored 0 runs, 1 stored already"):
        assert main(command) == 0
        assert expected in capsys.readouterr().out


_SECRET = "sk-planted-0123456789"  # noqa: S105 - of nothing
_SECRETS = """store_texts = true
report.redact = ["input.customer"]
{report}
[models.m]
model = "m"
base_url = "http://127.0.0.1:9"
api_key_env = "MY_KEY"
[suites.faq]
golden = "g.jsonl"
target = {{ python = "planted_bot:answer" }}
slices = ["metadata.team"]
scorers = ["exact"]
gates = [{{ kind = "slice", by = "metadata.team", min = 0.9, min_n = 1, bound = "point" }}]
owner = "team {secret}"
description = "keeps {secret}"
"""


def _planted(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, report: str) -> dict[str, list[Any]]:
    """Return all texts of a store, by column, of a run in which a key and the name of a customer are everywhere."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("MY_KEY", _SECRET)
    monkeypatch.setenv("EVALGATE_LABELS", f"key={_SECRET}")
    pytester.makepyfile(
        planted_bot=f"""
        def answer(input):
            if input["raises"]:
                raise ValueError("{_SECRET} of Customer-4711")
            return {{"said": "{_SECRET}", "to": input["customer"]}}
        """
    )
    rows = [
        {
            "id": f"{_SECRET}-{number}",
            "input": {"raises": bool(number), "customer": "Customer-4711", "key": _SECRET},
            "expected": f"never {_SECRET}",
            "tags": [_SECRET],
            "metadata": {"team": _SECRET},
        }
        for number in range(2)
    ]
    (pytester.path / "g.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (pytester.path / "evalgate.toml").write_text(_SECRETS.format(report=report, secret=_SECRET))
    result = pytester.runpytest_inprocess(*_QUIET, "--eval-gate", f"--eval-label=branch={_SECRET}")
    assert result.ret == _FAILED
    found: dict[str, list[Any]] = {}
    for (table,) in _stored(pytester, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        columns = [row[1] for row in _stored(pytester, f"PRAGMA table_info({table})")]
        for row in _stored(pytester, f"SELECT * FROM {table}"):  # noqa: S608 - the names of the schema
            for column, value in zip(columns, row, strict=True):
                found.setdefault(f"{table}.{column}", []).append(value)
    return found


def test_keys_and_redacted_fields_reach_no_column(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _planted(pytester, monkeypatch, 'report.content = "full"')
    assert [column for column, values in found.items() if _SECRET in str(values)] == []
    assert all("***" in text for text in found["results.input"])
    assert "***" in found["results.output"][0]
    assert "Customer-4711" not in str(found["results.input"] + found["scores.reason"])
    assert found["evals.owner"] == ["team ***"]


def test_texts_that_reports_leave_out_are_not_stored(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _planted(pytester, monkeypatch, 'report.content = "none"')
    assert set(found["results.input"]) == {"(left out)"}
    assert [column for column, values in found.items() if "Customer-4711" in str(values)] == []


@pytest.fixture
def examples(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)
    ignore = shutil.ignore_patterns(".evalgate", "__pycache__")
    shutil.copytree(_EXAMPLES, pytester.path, dirs_exist_ok=True, ignore=ignore)
    return pytester.path


def test_query_compare_is_the_test_of_the_gate(
    examples: Path, pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    older = "--eval-target=recorded:gsm8k/outputs.6b_finetuning.jsonl"
    pytester.runpytest_inprocess(*_QUIET, "--eval-gate", "gsm8k", older)
    pytester.runpytest_inprocess(*_QUIET, "--eval-gate", "gsm8k")
    by_the_gate = json.loads((examples / ".evalgate" / "verdict.json").read_text())["suites"]["gsm8k"]["delta"]
    shutil.rmtree(examples / ".evalgate" / "runs")  # the store alone answers
    capsys.readouterr()
    assert main(["query", "compare", "previous", "newest", "--json"]) == 0
    (suite,) = json.loads(capsys.readouterr().out)["suites"]
    assert by_the_gate["losses"] + by_the_gate["gains"] == 357
    assert {**suite["delta"], "baseline": ""} == {**by_the_gate, "baseline": ""}
