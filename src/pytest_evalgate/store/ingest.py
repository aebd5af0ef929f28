"""Ingestion of one run: the run, its verdict and its results become rows, in one transaction, once for each run id.

The cases are read from the run file one by one, so that a run of 100,000 cases needs no more memory than a small one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import field
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.store.aggregates import aggregate_rows, history_rows
from pytest_evalgate.store.case_outcomes import COLUMNS, CaseOutcomes
from pytest_evalgate.store.drivers import StoreError
from pytest_evalgate.store.stored_run import SuiteSums, clean
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.verdicts import HistoryRow
    from pytest_evalgate.store.database import Database
    from pytest_evalgate.store.stored_run import StoredSource, TextRule
    from pytest_evalgate.text.redaction import Redactor

_BATCH: Final = 2_000
_PLANNED: Final = ("tags", "slices", "skip", "cluster", "side", "weight", "planned_trials", "variant_of")

_run_id: Final = attrgetter("run_id")
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make an encoder for each case

RUN_COLUMNS: Final = (
    *("run_id", "project", "created", "duration_s", "commit_id", "branch", "tier", "verdict", "exit_code"),
    *("config_sha256", "cost_usd", "unknown_price", "tokens_in", "tokens_out", "calls_sent", "calls_cached"),
    *("calls_retried", "facts", "problems", "source"),
)
CASE_COLUMNS: Final = ("case_sha256", "suite", "case_id", "file", "line", "fingerprint", "planned")
_RESULTS: Final = (
    *("run_id", "suite", "place", "trial", "case_id", "case_sha256", "outcome", "passed", "latency_s", "tokens_in"),
    *("tokens_out", "cost_usd", "attempts", "error", "input", "output"),
)
_SCORES: Final = ("run_id", "suite", "place", "trial", "scorer", "value", "passed", "counts", "reason")


def push(database: Database, source: StoredSource, *, again: bool = False) -> bool:
    """Store a run; return False if it is stored already, unless it is to be stored ``again``.

    Raises:
        StoreError: The id is that of another run.
    """
    with suppress(*database.driver.conflicts):
        return _push(database, source, again=again)
    # two writers waited for each other's cases; this one was ended, and begins again when no other writes
    return _push(database, source, again=again, alone=True)


def _push(database: Database, source: StoredSource, *, again: bool, alone: bool = False) -> bool:
    run = source.run
    with database.transaction(exclusive=alone):
        if not _insert_run(database, source, again=again):
            return False
        tables = _Tables(database, run.id, again=again)
        labels = [(run.id, source.message(f"{key}={value}")) for key, value in source.info.labels.items()]
        tables.insert("labels", ("run_id", "label"), labels)
        sums: dict[str, SuiteSums] = defaultdict(SuiteSums)
        _insert_cases(tables, source, sums)
        for table, columns, rows in aggregate_rows(source, sums):
            tables.insert(table, columns, rows)
        tables.finish()
        for suite in sorted({suite.plan.name for suite in run.suites}):
            key = {"project": source.project, "suite": suite, "first_run_id": run.id}
            database.change("eval_insert", **key)
            if (found := source.evals.get(suite)) is not None:
                told = {name: text and source.message(text) for name, text in found.texts.items()}
                database.change("eval_update", **key, **told)
    return True


@dataclass(slots=True)
class _Tables:
    """The tables of a run, and the number of its rows in each: `check_rows.sql` finds those that were lost."""

    database: Database
    run_id: str
    again: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows of the run."""
        self.database.insert(table, columns, rows)
        self.counts[table] += len(rows)

    def finish(self) -> None:
        """Insert the numbers of rows."""
        rows = [(self.run_id, table, count) for table, count in sorted(self.counts.items()) if count]
        self.database.insert("contents", ("run_id", "table_name", "row_count"), rows)


def _insert_run(database: Database, source: StoredSource, *, again: bool) -> bool:
    run, verdict, calls = source.run, source.verdict, source.verdict.calls
    row = (
        *(run.id, source.project, run.created, run.duration_s, run.commit, source.info.branch, source.info.tier),
        *(verdict.verdict, verdict.exit_code, source.info.config_sha256, calls.cost_usd, calls.unknown_price),
        *(calls.tokens_in, calls.tokens_out, calls.sent, calls.cached, calls.retried),
        *(
            *map(source.message, (jsonl.canonical(dict(source.info.facts)), jsonl.canonical(list(run.problems)))),
            "run",
        ),
    )
    known = next(iter(database.query("run_known", run_id=run.id)), None)
    if known is not None and (known["project"], known["created"]) != (source.project, run.created):
        raise StoreError(
            f"{database.place.name}: run {run.id} is stored already, of project {known['project']} at "
            f"{known['created']}: this one is of {source.project} at {run.created}"
        )
    if again or (known is not None and known["source"] == "history"):  # a run replaces its row of the history
        database.change("delete_run", run_id=run.id)
    return bool(database.change("run_insert", **dict(zip(RUN_COLUMNS, row, strict=True))))


def _insert_cases(tables: _Tables, source: StoredSource, sums: dict[str, SuiteSums]) -> None:
    outcomes: dict[str, CaseOutcomes] = defaultdict(CaseOutcomes)
    batch = _Batch()
    for row in source.rows():
        suite = row["suite"]
        planned = _case_row(row, source.redactor)
        key = (source.run.id, suite, len(outcomes[suite]))
        outcomes[suite].add(planned[2], planned[5], row["outcome"], has_trial=bool(row.get("trials")))
        # a row is dropped at once: collecting 2,000 of them as garbage takes as long as storing them
        batch.cases[planned[0]] = planned
        batch.results += _result_rows(key, row, planned, source.texts, sums[suite])
        batch.scores += _score_rows(key, row, source.texts)
        if len(batch.results) >= _BATCH:
            batch.insert(tables)
            batch = _Batch()
    batch.insert(tables)
    # not among the contents: `store check` adds them to runs without them
    texts = [(source.run.id, suite, *found.texts) for suite, found in outcomes.items()]
    tables.database.insert("outcomes", COLUMNS, texts)


@dataclass(slots=True)
class _Batch:
    """Rows that are inserted together."""

    cases: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    results: list[tuple[Any, ...]] = field(default_factory=list)
    scores: list[tuple[Any, ...]] = field(default_factory=list)

    def insert(self, tables: _Tables) -> None:
        """Insert them. Cases are shared by runs, and stay as they are, unless the run is stored again."""
        for key in self.cases if tables.again else ():
            tables.database.change("case_delete", case_sha256=key)
        tables.database.insert("cases", CASE_COLUMNS, sorted(self.cases.values()), new_only=True)
        tables.insert("results", _RESULTS, self.results)
        tables.insert("scores", _SCORES, self.scores)


def _case_row(row: Mapping[str, Json], redactor: Redactor) -> tuple[Any, ...]:
    planned = {name: row[name] for name in _PLANNED if name in row}
    text = redactor.redact(_encode(planned))
    names = (clean(row["suite"]), clean(redactor.redact(row["id"])), clean(row["file"]))
    place = (row["line"], row["fingerprint"], text)
    return (case_digest((*names, *place)), *names, *place)


def case_digest(case: Sequence[Any]) -> str:
    """Return the key of a case: 128 bits over suite, id, file, line, fingerprint and its plan."""
    return hashlib.sha256(_encode(tuple(case)).encode("ascii")).hexdigest()[:32]


def _result_rows(
    key: tuple[str, str, int], row: Mapping[str, Json], planned: tuple[Any, ...], texts: TextRule, sums: SuiteSums
) -> Iterator[tuple[Any, ...]]:
    asked = texts.of("input", (row.get("question") or {}).get("input"))
    of_case = (planned[2], planned[0], row["outcome"])
    trials = row.get("trials", ())
    if not trials:
        yield (*key, 0, *of_case, None, None, None, None, None, 0, texts.error(row.get("reason")), asked, None)
    for number, trial in enumerate(trials, 1):
        calls = trial.get("calls", ())
        latency = trial.get("latency_s")
        tokens_in, tokens_out = _sum(calls, "tokens_in"), _sum(calls, "tokens_out")
        cost = _sum(calls, "cost_usd")
        sums.tokens_in += tokens_in or 0
        sums.tokens_out += tokens_out or 0
        sums.cost_usd += cost or 0.0
        sums.unknown_price += sum(call["attempts"] > 0 and call.get("cost_usd") is None for call in calls)
        if latency is not None:
            sums.latencies.append(latency)
        sums.models.update(call["model"] for call in calls if call["purpose"] == "target" and call.get("model"))
        error = None if trial["value"] is not None else texts.error(trial.get("reason"))
        output = texts.of("output", (trial.get("output") or {}).get("value"))
        attempts = sum(call["attempts"] for call in calls)
        yield (
            *(*key, number, *of_case, trial["value"], latency, tokens_in, tokens_out, cost, attempts, error),
            *(asked, output),
        )


def _score_rows(key: tuple[str, str, int], row: Mapping[str, Json], texts: TextRule) -> Iterator[tuple[Any, ...]]:
    for number, trial in enumerate(row.get("trials", ()), 1):
        seen: dict[str, int] = {}
        for score in trial.get("scores", ()):
            name = clean(score["name"])
            seen[name] = number_of = seen.get(name, 0) + 1
            again = "" if number_of == 1 else f" ({number_of})"  # scorers of one suite may share a name
            passed = None if score["passed"] is None else int(score["passed"])
            reason = texts.of("reason", score.get("reason"))
            yield (*key, number, f"{name}{again}", score["value"], passed, int(score.get("counts", True)), reason)


def _sum(calls: Sequence[Mapping[str, Json]], name: str) -> Any:
    """Return the sum of a number over calls; None if no call reports it."""
    known = [call[name] for call in calls if call.get(name) is not None]
    return sum(known) if known else None


def push_history(database: Database, project: str, rows: Sequence[HistoryRow]) -> int:
    """Store the rows of a history file as runs without results, once for each project; return their number.

    A run that is pushed later replaces its row.
    """
    if not rows or database.query("project_known", project=project):
        return 0
    with database.transaction():
        imported = set()
        for row in rows:
            known: dict[str, Any] = dict.fromkeys(RUN_COLUMNS)
            known.update(run_id=row.run_id, project=project, created=row.created, commit_id=row.commit)
            known.update(dict.fromkeys(("duration_s", "cost_usd"), 0.0), tier="", source="history")
            known.update(dict.fromkeys(("unknown_price", "tokens_in", "tokens_out"), 0), facts="{}", problems="[]")
            known.update(dict.fromkeys(("calls_sent", "calls_cached", "calls_retried"), 0))
            if database.change("run_insert", **known):
                imported.add(row.run_id)
        for run_id, of_run in groupby(sorted(rows, key=_run_id), _run_id):
            if run_id in imported:
                tables = _Tables(database, run_id)
                for table, columns, found in history_rows(list(of_run)):
                    tables.insert(table, columns, found)
                tables.finish()
        evals = {row.suite: row.run_id for row in reversed(rows) if row.run_id in imported}
        for suite, run_id in sorted(evals.items()):
            database.change("eval_insert", project=project, suite=suite, first_run_id=run_id)
    return len(imported)
