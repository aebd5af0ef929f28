"""The page about PostgreSQL: its statements make two roles on a server, one that writes and one that only reads."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.postgres import BINARIES

from pytest_evalgate.store import Database, StoreError, StorePlace, questions
from pytest_evalgate.store.filters import RunFilter
from pytest_evalgate.store.ingest import push

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.store.stored_run import StoredSource

_PAGE = (Path(__file__).parents[2] / "docs" / "postgresql.md").read_text("utf-8")
_BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", _PAGE, re.DOTALL | re.MULTILINE)


def _blocks(language: str) -> list[str]:
    return [text for name, text in _BLOCKS if name == language]


def test_the_page_s_roles_write_and_read(
    postgres_server: str, make_source: Callable[..., StoredSource], tmp_path: Path
) -> None:
    import psycopg  # noqa: PLC0415 - skipped by the fixture where it is missing

    set_up, asked = _blocks("sql")
    *first, last = re.findall(r"[^;]+;", set_up)
    in_database = postgres_server.replace("/postgres?", "/evals?")
    with psycopg.connect(postgres_server, autocommit=True) as administrator:
        for statement in first:
            administrator.execute(statement.encode())
    with psycopg.connect(in_database, autocommit=True) as administrator:
        administrator.execute(last.encode())
    writer, reader = (
        StorePlace("$EVALGATE_STORE", None, in_database.replace("//postgres@", f"//{role}@"))
        for role in ("evalgate", "evalgate_reader")
    )
    with Database.open(writer) as database:
        push(database, make_source("PPm?", branch="main"))
    with Database.reading(reader) as database:
        (run,) = questions.runs(database, RunFilter("shop")).rows
        assert run["run_id"] == "r1"
        (row,) = database.driver.rows(asked, {})
        assert (row["suite"], row["owner"]) == ("faq", None)
    with pytest.raises(StoreError, match="permission denied"), Database.open(reader) as database:
        push(database, make_source("PPm?", "r2"))
    assert BINARIES is not None
    command = _blocks("console")[0].splitlines()[0].removeprefix("$ pg_dump ").replace('"$EVALGATE_STORE"', writer.url)
    subprocess.run([BINARIES / "pg_dump", *command.split()], check=True, cwd=tmp_path)
    restored = StorePlace("$EVALGATE_STORE", None, writer.url.replace("/evals?", "/restored?"))
    with psycopg.connect(postgres_server, autocommit=True) as administrator:
        administrator.execute("CREATE DATABASE restored OWNER evalgate")
    subprocess.run([BINARIES / "pg_restore", f"--dbname={restored.url}", "evals.dump"], check=True, cwd=tmp_path)
    with Database.reading(restored) as database:
        assert database.query("check_counts")[0]["results"] == 4
