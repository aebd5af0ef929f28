"""Ingestion of one run: the run, its verdict and its results become rows, in one transaction, once for each run id.

The cases are read from the run file one by one, so that a run of 100,000 cases needs no more memory than a small one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.store.aggregates import aggregate_rows, history_rows
from pytest_evalgate.store.drivers import StoreError
from pytest_evalgate.store.stored_run import SuiteSums, clean
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.verdicts import HistoryRow
    from pytest_evalgate.store.database import Database
    from pytest_evalgate.store.stored_run import StoredSource, TextRule

_LONGEST_ERROR: Final = 500
_BATCH: Final = 2_000
_PLANNED: Final = ("tags", "slices", "skip", "cluster", "side", "weight", "planned_trials", "variant_of")

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make an encoder for each case

RUN_COLUMNS: Final = (
    *("run_id", "project", "created", "duration_s", "commit_id", "branch", "tier", "verdict", "exit_code"),
    *("config_sha256", "cost_usd", "unknown_price", "tokens_in", "tokens_out", "calls_sent", "calls_cached"),
    *("calls_retried", "facts", "problems", "source"),
)
_CASES: Final = ("case_sha256", "suite", "case_id", "file", "line", "fingerprint", "planned")
_RESULTS: Final = (
    *("run_id", "suite", "place", "trial", "case_id", "case_sha256", "outcome", "passed", "latency_s", "tokens_in"),
    *("tokens_out", "cost_usd", "attempts", "error", "input", "output"),
)
_SCORES: Final = ("run_id", "suite", "place", "trial", "scorer", "value", "passed", "counts", "reason")


def push(database: Database, source: StoredSource) -> bool:
    """Store a run; return False if it is stored already.

    Raises:
        StoreError: The id is that of another run.
    """
    run = source.run
    with database.transaction():
        if not _insert_run(database, source):
            return False
        labels = [(run.id, clean(f"{key}={value}")) for key, value in source.info.labels.items()]
        database.insert("labels", ("run_id", "label"), labels)
        sums: dict[str, SuiteSums] = defaultdict(SuiteSums)
        _insert_cases(database, source, sums)
        for table, columns, rows in aggregate_rows(source, sums):
            database.insert(table, columns, rows)
        evals = [(source.project, suite.plan.name, run.id) for suite in run.suites]
        database.insert("evals", ("project", "suite", "first_run_id"), sorted(evals), new_only=True)
    return True


def _insert_run(database: Database, source: StoredSource) -> bool:
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
    values = dict(zip(RUN_COLUMNS, row, strict=True))
    if database.change("run_insert", **values):
        return True
    known = database.query("run_known", run_id=run.id)[0]
    if (known["project"], known["created"]) != (source.project, run.created):
        raise StoreError(
            f"{database.place.name}: run {run.id} is stored already, of project {known['project']} at "
            f"{known['created']}: this one is of {source.project} at {run.created}"
        )
    if known["source"] == "history":  # the run itself replaces its row of the history
        database.change("delete_run", run_id=run.id)
        return bool(database.change("run_insert", **values))
    return False


def _insert_cases(database: Database, source: StoredSource, sums: dict[str, SuiteSums]) -> None:
    places = Counter[str]()
    batch = _Batch()
    for row in source.rows():
        suite = row["suite"]
        planned = _case_row(row)
        key = (source.run.id, suite, places[suite])
        places[suite] += 1
        # a row is dropped at once: collecting 2,000 of them as garbage takes as long as storing them
        batch.cases[planned[0]] = planned
        batch.results += _result_rows(key, row, planned[0], source.texts, sums[suite])
        batch.scores += _score_rows(key, row, source.texts)
        if len(batch.results) >= _BATCH:
            batch.insert(database)
            batch = _Batch()
    batch.insert(database)


@dataclass(slots=True)
class _Batch:
    """Rows that are inserted together."""

    cases: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    results: list[tuple[Any, ...]] = field(default_factory=list)
    scores: list[tuple[Any, ...]] = field(default_factory=list)

    def insert(self, database: Database) -> None:
        """Insert them."""
        database.insert("cases", _CASES, sorted(self.cases.values()), new_only=True)
        database.insert("results", _RESULTS, self.results)
        database.insert("scores", _SCORES, self.scores)


def _case_row(row: Mapping[str, Json]) -> tuple[Any, ...]:
    planned = {name: row[name] for name in _PLANNED if name in row}
    text = _encode(planned)
    names, place = tuple(map(clean, (row["suite"], row["id"], row["file"]))), (row["line"], row["fingerprint"], text)
    return (case_digest((*names, *place)), *names, *place)


def case_digest(case: Sequence[Any]) -> str:
    """Return the key of a case: 128 bits over suite, id, file, line, fingerprint and its plan."""
    parts = list(map(str, case))
    sizes = " ".join([str(len(part)) for part in parts])  # no two cases have the same text
    return hashlib.sha256(f"{sizes} {''.join(parts)}".encode()).hexdigest()[:32]


def _result_rows(
    key: tuple[str, str, int], row: Mapping[str, Json], case: str, texts: TextRule, sums: SuiteSums
) -> Iterator[tuple[Any, ...]]:
    asked = texts.of("input", (row.get("question") or {}).get("input"))
    of_case = (clean(row["id"]), case, row["outcome"])
    trials = row.get("trials", ())
    if not trials:
        error = clean(row["reason"][:_LONGEST_ERROR]) if row.get("reason") else None
        yield (*key, 0, *of_case, None, None, None, None, None, 0, error, asked, None)
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
        error = None if trial["value"] is not None else clean(trial.get("reason", "")[:_LONGEST_ERROR]) or None
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
        kept = [row for row in rows if row.run_id in imported]
        for table, columns, found in history_rows(kept):
            database.insert(table, columns, found)
        evals = {row.suite: (project, row.suite, row.run_id) for row in reversed(kept)}
        database.insert("evals", ("project", "suite", "first_run_id"), sorted(evals.values()), new_only=True)
    return len(imported)
