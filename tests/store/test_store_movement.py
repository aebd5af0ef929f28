from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.case_outcomes import OutcomeTable, add_missing
from pytest_evalgate.store.filters import RunFilter
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.movement import RATES, Movement, movement
from pytest_evalgate.store.soundness import damaged_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate.store.stored_run import StoredSource

ALL = RunFilter("shop")


def _push_all(place: StorePlace, make_source: Callable[..., StoredSource], misses: list[int]) -> None:
    with Database.open(place) as database:
        for number, missed in enumerate(misses):
            letters, created = "P" * (20 - missed) + "m" * missed, f"2026-01-{number + 1:02}T00:00:00Z"
            branch = "main" if number < 10 else "new-prompt"
            push(database, make_source(letters, f"r{number:02}", created=created, branch=branch))


def test_a_drop_is_found_at_its_run_with_what_changed_in_it(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    _push_all(place, make_source, [1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 6, 7, 6, 6, 7, 6])
    with Database.reading(place) as database:
        found = movement(database, "faq", "pass_rate", ALL)
    assert (found.direction, found.since, found.previous, found.runs) == ("down", "r10", "r09", 16)
    assert found.causes == ("branch: main -> new-prompt",)
    assert found.sentence.startswith("down from 0.935 to 0.6833 since run r10 of 2026-01-11T00:00:00Z (p=")


def test_runs_that_differ_by_chance_have_no_direction(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    _push_all(place, make_source, [1, 2, 1, 3, 2, 1, 1, 2, 3, 1, 2, 1, 2, 3, 1, 2])
    with Database.reading(place) as database:
        found = movement(database, "faq", "pass_rate", ALL)
        assert (found.direction, found.causes) == ("none", ())
        few = movement(database, "faq", "pass_rate", replace(ALL, limit=14))
    assert (few.direction, few.sentence) == ("unknown", "14 complete runs of the 15 that a trend needs")


def test_a_change_of_some_cases_is_found_at_its_run_with_their_ids(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    """Cases 0 to 2 are lost in the 13th run. The flips of the others are as large: the rates have no clear step."""
    rng = np.random.default_rng(7)
    with Database.open(place) as database:
        for number in range(24):
            flips = rng.random(40) < 0.2
            letters = "".join("m" if (flips[at] and at > 5) or (number >= 12 and at < 3) else "P" for at in range(40))
            push(database, make_source(letters, f"r{number:02}", created=f"2026-01-{number + 1:02}T00:00:00Z"))
    with Database.reading(place) as database:
        found = movement(database, "faq", "pass_rate", replace(ALL, limit=60))
        of_scores = movement(database, "faq", "score.exact", replace(ALL, limit=60))
    assert (found.since, found.previous, found.lost, found.gained) == ("r12", "r11", ("c0", "c1", "c2"), ())
    assert [signal.name for signal in found.signals] == ["step", "cusum", "mann-kendall", "volume", "outlier"]
    assert [signal.name for signal in of_scores.signals][3:5] == ["ks", "jensen-shannon"]
    assert found.signals[0].line == "step (level): ALARM, p=0.001; 0.25 false alarms in 100 looks"


def test_outcomes_are_the_same_from_texts_and_from_results(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    """Runs of several plans, with errors, cases that come and go, and one that was edited in the middle."""
    rng = np.random.default_rng(3)
    with Database.open(place) as database:
        for number in range(64):
            letters = "".join(
                rng.choice(list("PPPPm?" if number % 8 == 0 else "PPPPm")) for _ in range(8 + number // 16)
            )
            letters = letters.replace("P", "m", 2) if number >= 40 else letters
            created = f"2026-{1 + number // 28:02}-{1 + number % 28:02}T00:00:00Z"
            push(database, _edited(make_source(letters, f"r{number:02}", created=created), is_edited=number >= 30))
        parameters = {**replace(ALL, suite="faq", limit=62).parameters(), "metric": "pass_rate"}
        expected = _of_results(database, parameters)

        def found() -> tuple[dict[tuple[str, tuple[float, ...]], int], Movement]:
            table = OutcomeTable.of(database, parameters)
            assert table.passed is not None
            names = [table.names(database, "faq", [column], 30)[0] for column in range(len(table.places))]
            columns = [tuple(np.nan_to_num(column, nan=-1)) for column in table.passed.T]
            return Counter(zip(names, columns, strict=True)), movement(database, "faq", "pass_rate", chosen)

        chosen = replace(ALL, limit=62)
        of_texts = found()
        assert of_texts[0] == expected
        database.driver.change("DELETE FROM outcomes WHERE run_id < 'r35'", {})
        assert found() == of_texts
        database.driver.change("DELETE FROM outcomes", {})
        assert found() == of_texts
        assert add_missing(database) == 64
        assert (add_missing(database), found()) == (0, of_texts)
        assert list(damaged_runs(database)) == []
    assert of_texts[1].runs >= 40


def _edited(source: StoredSource, *, is_edited: bool) -> StoredSource:
    """Return the run with another fingerprint of case c3."""
    changed = {"fingerprint": "edited"} if is_edited else {}
    rows = [{**row, **changed} if row["id"] == "c3" else row for row in source.rows()]
    return replace(source, rows=lambda: rows)


def _of_results(database: Database, parameters: Mapping[str, Any]) -> dict[tuple[str, tuple[float, ...]], int]:
    """Return the number of cases by id and outcomes, oldest run first; -1 is no outcome."""
    runs = [row["run_id"] for row in reversed(database.query("outcomes", **parameters))]
    sql = """
      SELECT x.run_id, c.case_id, c.fingerprint, x.outcome FROM results x JOIN cases c ON c.case_sha256 = x.case_sha256
      WHERE x.trial = 1 AND x.outcome IN ('passed', 'missed')
    """
    of_case: dict[tuple[str, str], list[float]] = {}
    for run_id, case_id, fingerprint, outcome in database.driver.tuples(sql, {}):
        if run_id in runs:
            row = of_case.setdefault((case_id, fingerprint), [-1.0] * len(runs))
            row[runs.index(run_id)] = float(outcome == "passed")
    return Counter((case_id, tuple(row)) for (case_id, _), row in of_case.items())


def test_changed_cases_are_named_surest_first_and_equally_sure_ones_by_id(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    """Cases 7, 5 and 3 are lost for good, case 1 passes again twice, and case 10 is gained."""
    with Database.open(place) as database:
        for number in range(24):
            lost = {3, 5, 7} | (set() if number in {15, 20} else {1}) if number >= 12 else {10}
            letters = "".join("m" if at in lost or at == 20 + number % 8 else "P" for at in range(40))
            push(database, make_source(letters, f"r{number:02}", created=f"2026-01-{number + 1:02}T00:00:00Z"))
        found = movement(database, "faq", "pass_rate", replace(ALL, limit=60))
    assert (found.since, found.lost, found.gained) == ("r12", ("c3", "c5", "c7", "c1"), ("c10",))


def test_a_trend_reads_no_results_unless_a_case_changed(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    _push_all(place, make_source, [1, 2, 1, 3, 2, 1, 1, 2, 3, 1, 2, 1, 2, 3, 1, 2])
    with Database.open(place) as database:
        before = movement(database, "faq", "pass_rate", ALL)
        database.driver.change("DELETE FROM results", {})
        assert movement(database, "faq", "pass_rate", ALL) == before
    assert before.direction == "none"


def test_outcomes_of_a_run_go_with_it(place: StorePlace, make_source: Callable[..., StoredSource]) -> None:
    with Database.open(place) as database:
        push(database, make_source("PPm", "r1", created="2026-01-01T00:00:00Z"))
        push(database, make_source("PPm", "r2", created="2026-02-01T00:00:00Z"))
        assert push(database, make_source("Pmm?", "r2", created="2026-02-01T00:00:00Z"), again=True)
        database.change("prune", project="shop", before="2026-01-15T00:00:00Z")
        rows = database.driver.rows("SELECT run_id, suite, marks FROM outcomes", {})
    assert rows == [{"run_id": "r2", "suite": "faq", "marks": "100-"}]


def test_a_slow_decline_has_a_direction_and_no_run(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    _push_all(place, make_source, [run // 2 for run in range(24)])
    with Database.reading(place) as database:
        found = movement(database, "faq", "pass_rate", ALL)
    assert (found.direction, found.since) == ("down", None)
    assert found.sentence == "down little by little over 24 runs, at no single run"
    assert {"cusum", "mann-kendall"} <= {signal.name for signal in found.alarms}


def test_the_newest_run_is_an_outlier_or_of_another_volume(
    place: StorePlace, make_source: Callable[..., StoredSource]
) -> None:
    with Database.open(place) as database:
        for number in range(20):
            letters = "P" * 20 if number < 19 else "P" * 5 + "m" * 5
            push(database, make_source(letters, f"r{number:02}", created=f"2026-01-{number + 1:02}T00:00:00Z"))
    with Database.reading(place) as database:
        found = movement(database, "faq", "pass_rate", ALL)
    assert {signal.name for signal in found.alarms} >= {"volume", "outlier"}
    assert found.signals[-1].z == pytest.approx(-5, abs=1.5)
    assert "but an alarm of: " in found.sentence


def test_the_rates_of_all_tests_sum_to_one_alarm_in_a_hundred_looks() -> None:
    assert sum(RATES.values()) <= 0.01
