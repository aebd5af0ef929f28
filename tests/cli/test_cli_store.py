"""The verbs of the store: what they print, page by page, and their exit codes."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from tests.builders import planned, result_of, run_of, suite_of

from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.runs import kept, run_file
from pytest_evalgate.runs.run_file import RunInfo

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command


@pytest.fixture
def shop(folder: Path) -> Path:
    """A project with two decided runs that are not stored yet."""
    (folder / "evalgate.toml").write_text('[suites.faq]\ngolden = "g.jsonl"\n')
    for number, letters in enumerate(("PPPm", "PPmm"), 1):
        cases = [planned(f"c{at}", at + 1, slices=(("lang", "en_US"),)) for at in range(len(letters))]
        run = run_of(suite_of(map(result_of, letters, cases)), run_id=f"2026010{number}T000000Z-aaaa")
        path = run_file.path_of(folder / ".evalgate", run.id)
        run_file.write(run, path, RunInfo(labels={"team": f"t{number}"}))
        verdict = decide(run, {"faq": SuiteRules(record_without_baseline=True)}, warn_inconclusive=True)
        kept.write(verdict, path.with_name("verdict.json"))
    return folder


def _push(evalgate: Command) -> None:
    code, out, err = evalgate("store", "push", ".evalgate/runs")
    assert (code, err) == (0, "")
    assert "stored 2 runs, 0 stored already" in out


def _json(evalgate: Command, *words: str) -> Any:
    code, out, err = evalgate(*words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


@pytest.mark.usefixtures("shop")
def test_runs_are_pushed_once_and_listed(evalgate: Command) -> None:
    _push(evalgate)
    assert "stored 0 runs, 2 stored already" in evalgate("store", "push", ".evalgate/runs")[1]
    first = _json(evalgate, "runs", "list", "--limit", "1")
    assert (len(first["rows"]), first["after"]) == (1, "20260102T000000Z-aaaa")
    rest = _json(evalgate, "runs", "list", "--limit", "1", "--after", first["after"])
    assert [row["labels"] for row in (*first["rows"], *rest["rows"])] == [["team=t2"], ["team=t1"]]
    shown = evalgate("runs", "show", "--run", "20260101T000000Z-aaaa")[1]
    assert "faq  inconclusive  75.0%  4 planned  3 passed  1 missed" in shown


def test_the_owner_of_a_suite_is_stored_and_shown(shop: Path, evalgate: Command) -> None:
    config = '[suites.faq]\ngolden = "g.jsonl"\nowner = "search team"\ndescription = "answers of the shop"\n'
    (shop / "evalgate.toml").write_text(config)
    _push(evalgate)
    assert "  faq, search team: answers of the shop" in evalgate("runs", "show")[1].splitlines()
    assert _json(evalgate, "runs", "show")["suites"][0]["owner"] == "search team"
    notes = ["owner: search team", "description: answers of the shop"]
    assert _json(evalgate, "query", "point", "faq", "pass_rate")["notes"] == notes
    (shop / "evalgate.toml").write_text(config.replace("search team", "checkout team"))
    evalgate("store", "push", "--again", ".evalgate/runs")
    assert _json(evalgate, "query", "point", "faq", "pass_rate")["notes"][0] == "owner: checkout team"


@pytest.mark.usefixtures("shop")
def test_questions_are_answered_as_table_json_and_csv(evalgate: Command) -> None:
    _push(evalgate)
    assert evalgate("query", "point", "faq", "pass_rate", "--label", "team=t1")[1].splitlines()[1].split()[2] == "0.75"
    assert [row["value"] for row in _json(evalgate, "query", "series", "faq", "pass_rate")["rows"]] == [0.75, 0.5]
    slices = list(csv.DictReader(io.StringIO(evalgate("query", "slices", "faq", "--by", "lang", "--csv")[1])))
    assert [(row["lang"], row["passed"], row["n"]) for row in slices] == [("en", "2", "4"), ("en_US", "2", "4")]
    failed = _json(evalgate, "query", "cases", "faq", "--failed")["rows"]
    assert [row["case_id"] for row in failed] == ["c2", "c3"]
    assert [row["case_id"] for row in _json(evalgate, "query", "cases", "faq", "--flaky")["rows"]] == ["c2"]
    assert "2 complete runs of the 15" in evalgate("query", "trend", "faq", "pass_rate")[1]
    (compared,) = _json(evalgate, "query", "compare", "previous", "newest")["suites"]
    assert (compared["delta"]["losses"], compared["delta"]["gains"]) == (1, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("query", "series", "faq", "pass_rat"), 'did you mean "pass_rate"?'),
        (("query", "series", "faq", "pass_rate", "--since", "soon"), "'soon' is no time: write 30d"),
        (("query", "series", "faq", "pass_rate", "--label", "team"), "--label team: write key=value"),
        (("query", "compare", "nope", "newest"), 'run "nope" is not stored with its results'),
        (("query", "cases", "faq", "--after", "x"), "--after x: give the number"),
        (("store", "push", "nowhere"), "nowhere: there is no run (run.jsonl) in this folder"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_a_question_that_cannot_be_answered_ends_with_4(
    evalgate: Command, words: tuple[str, ...], message: str
) -> None:
    _push(evalgate)
    code, _, err = evalgate(*words)
    assert code == 4
    assert message in err


@pytest.mark.usefixtures("shop")
def test_a_store_without_runs_names_the_command(evalgate: Command) -> None:
    code, _, err = evalgate("runs", "list")
    assert (code, "store runs with: pytest-evalgate store push .evalgate/runs" in err) == (4, True)


def test_a_run_that_was_not_decided_is_not_pushed(shop: Path, evalgate: Command) -> None:
    (shop / ".evalgate/runs/20260102T000000Z-aaaa/verdict.json").unlink()
    code, _, err = evalgate("store", "push", ".evalgate/runs/20260102T000000Z-aaaa")
    assert (code, "the run was not decided" in err) == (4, True)


def test_a_check_adds_the_outcomes_that_an_older_version_did_not_store(shop: Path, evalgate: Command) -> None:
    _push(evalgate)
    with closing(sqlite3.connect(shop / ".evalgate/store.db")) as connection:
        before = connection.execute("SELECT * FROM outcomes").fetchall()
        connection.executescript(
            "DROP TABLE outcomes; DROP TABLE shard_files; DROP TABLE shard_pieces;"
            "DELETE FROM schema_versions WHERE version >= 4"
        )
        code, out, _ = evalgate("store", "check")
        after = connection.execute("SELECT * FROM outcomes").fetchall()
    assert (code, out.splitlines()[-1]) == (0, "sound")
    assert before == after
    assert len(before) > 1


def test_a_store_is_checked_and_pruned(shop: Path, evalgate: Command) -> None:
    _push(evalgate)
    code, out, _ = evalgate("store", "check")
    assert (code, out.splitlines()[-1]) == (0, "sound")
    with closing(sqlite3.connect(shop / ".evalgate/store.db")) as connection:
        connection.execute("DELETE FROM results WHERE case_id = 'c1' AND run_id LIKE '20260101%'")
        connection.commit()
    code, out, _ = evalgate("store", "check")
    assert code == 1
    assert "run 20260101T000000Z-aaaa: 3 of 4 rows of results" in out
    command = out.rpartition("pytest-evalgate ")[2].split()
    assert command == ["store", "push", "--again", ".evalgate/runs/20260101T000000Z-aaaa"]
    assert "stored 1 run, 0 stored already" in evalgate(*command)[1]
    assert evalgate("store", "check")[0] == 0
    assert _json(evalgate, "store", "prune", "--keep-days", "1")["removed"] == 2


def test_a_promotion_is_stored_with_its_author_and_what_got_worse(
    shop: Path, evalgate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(shop / "gitconfig"))
    (shop / "gitconfig").write_text("[user]\nname = Ada\n")
    _push(evalgate)
    assert evalgate("baseline", "promote", "--run", "20260101T000000Z-aaaa")[0] == 0
    assert evalgate("baseline", "promote", "--run", "20260102T000000Z-aaaa", "--reason", "new prompt")[0] == 0
    with closing(sqlite3.connect(shop / ".evalgate/store.db")) as connection:
        sql = "SELECT author, reason, run_id, old_run_id, worse FROM promotions ORDER BY run_id"
        rows = connection.execute(sql).fetchall()
    assert rows == [
        ("Ada", "first baseline", "20260101T000000Z-aaaa", None, "[]"),
        ("Ada", "new prompt", "20260102T000000Z-aaaa", "20260101T000000Z-aaaa", '["c2"]'),
    ]
    marks = [row["marks"] for row in _json(evalgate, "query", "series", "faq", "pass_rate")["rows"]]
    assert marks == [["promoted by Ada: first baseline"], ["promoted by Ada: new prompt"]]


def test_a_store_that_is_off_is_named(shop: Path, evalgate: Command) -> None:
    (shop / "evalgate.toml").write_text('store = "off"\n[suites.faq]\ngolden = "g.jsonl"\n')
    code, _, err = evalgate("runs", "list")
    assert (code, 'store = "off": remove the line' in err) == (4, True)


def test_runs_are_exported_once(shop: Path, evalgate: Command) -> None:
    _push(evalgate)
    code, out, err = evalgate("export", "--format", "csv", "--out", "warehouse", "--label", "team=t1")
    assert (code, err) == (0, "")
    assert out.startswith("warehouse: 1 run exported, 0 there already; ")
    found = _json(evalgate, "export", "--format", "csv", "--out", "warehouse")
    assert (found["runs"], found["known"]) == (["20260102T000000Z-aaaa"], 1)
    assert all((shop / "warehouse" / name).is_file() for name in found["files"])
    assert _json(evalgate, "export", "--format", "csv", "--out", "warehouse")["files"] == []


@pytest.mark.parametrize("words", [(), ("--format", "csv"), ("--out", "warehouse")])
@pytest.mark.usefixtures("shop")
def test_an_export_without_format_or_folder_names_both(evalgate: Command, words: tuple[str, ...]) -> None:
    _push(evalgate)
    code, _, err = evalgate("export", *words)
    assert (code, "--format csv --out warehouse" in err) == (4, True)
