"""Tables of the store for other tools: their columns as the schema declares them, and their rows of one run."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.store.database import migrations
from pytest_evalgate.store.drivers import statements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.store.database import Database
    from pytest_evalgate.store.drivers import Row

RUNS: Final = "runs"
PROMOTIONS: Final = "promotions"
OF_RUN: Final = (
    *("labels", "suites", "metrics", "histograms", "slices", "gates", "judges", "results", "scores"),
    RUNS,
)
"""Tables with rows of a run. ``runs`` is the last: a run that is in it is in all others."""

_TABLE: Final = re.compile(r"CREATE TABLE (\w+) \((.*)\)", re.DOTALL)
_ADDED: Final = re.compile(r"ALTER TABLE (\w+) ADD COLUMN (\w+) (TEXT|INTEGER|BIGINT|DOUBLE PRECISION)")
_COLUMN: Final = re.compile(r"(\w+) (TEXT|INTEGER|BIGINT|DOUBLE PRECISION|BYTEA)\b(.*)", re.DOTALL)
_KEY: Final = re.compile(r"PRIMARY KEY \(([\w, ]+)\)")
_OF_CASE: Final = ("file", "line", "fingerprint", "planned")
"""Columns of ``cases`` that the rows of ``results`` have as well: cases are shared by runs."""


@dataclass(frozen=True, slots=True)
class StoreTable:
    """A table: the type of each column, by name and in order, and the columns of its key."""

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]

    def rows(self, database: Database, run_id: str) -> list[Row]:
        """Return the rows of a run, in the order of the key."""
        of_case = self.name == "results"
        columns = ", ".join(f"c.{name}" if of_case and name in _OF_CASE else f"x.{name}" for name in self.columns)
        joined = " JOIN cases c ON c.case_sha256 = x.case_sha256" if of_case else ""
        order = ", ".join(f"x.{name}" for name in self.key)
        sql = f"SELECT {columns} FROM {self.name} x{joined} WHERE x.run_id = :run_id ORDER BY {order}"  # noqa: S608 - names of our schema
        return database.driver.rows(sql, {"run_id": run_id})


@cache
def tables() -> Mapping[str, StoreTable]:
    """Return the tables of the schema by name."""
    columns: dict[str, dict[str, str]] = {}
    keys: dict[str, tuple[str, ...]] = {}
    for file in migrations():
        text = resources.files("pytest_evalgate.store").joinpath("schema", file).read_text("utf-8")
        for statement in statements(text):
            if (added := _ADDED.match(statement)) is not None:
                columns[added[1]][added[2]] = added[3]
            elif (made := _TABLE.match(statement)) is not None:
                columns[made[1]], keys[made[1]] = _parsed(made[2])
    columns["results"] |= {name: columns["cases"][name] for name in _OF_CASE}
    return {name: StoreTable(name, columns[name], keys[name]) for name in columns}


def _parsed(body: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the columns and the key of the body of a CREATE TABLE."""
    key = _KEY.search(body)
    columns, primary = {}, [] if key is None else [name.strip() for name in key[1].split(",")]
    for part in _KEY.sub("", body).split(","):
        if (column := _COLUMN.match(part.strip())) is not None:
            columns[column[1]] = column[2]
            if "PRIMARY KEY" in column[3]:
                primary.append(column[1])
    return columns, tuple(primary)
