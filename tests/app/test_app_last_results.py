"""The last result of each case over several stored runs, and the baseline that makes some of them regressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.builders import baseline_of, run_of, suite_from

from pytest_evalgate.app.last_results import last_results
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.runs import run_file

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.verdicts import Baseline


def _store(state: Path, second: int, **suites: list[str]) -> str:
    run_id = f"20260101T00000{second}Z-aaaa"
    run = run_of(*(suite_from(words, name) for name, words in suites.items()), run_id=run_id)
    run_file.write(run, run_file.path_of(state, run_id))
    return run_id


def _nothing(_: str) -> Baseline | None:
    return None


def test_a_partial_run_leaves_the_results_of_the_other_cases(tmp_path: Path) -> None:
    _store(tmp_path, 1, faq=["m", "m", "m", "m"])
    _store(tmp_path, 2, faq=["P", "m", "?", "P", "S"])
    newest = _store(tmp_path, 3, faq=["m", "P", "-", "-", "-"])
    _store(tmp_path, 4, faq=["-", "-", "-", "-", "-"])
    [(name, found)] = last_results(tmp_path, {"faq"}, _nothing).items()
    assert (name, found.run_id, sorted(found.to_repeat)) == ("faq", newest, ["c0", "c2"])


def test_each_suite_has_its_own_last_run(tmp_path: Path) -> None:
    first = _store(tmp_path, 1, faq=["m"], sql=["m", "P"])
    second = _store(tmp_path, 2, faq=["P"])
    found = last_results(tmp_path, {"faq", "sql", "new"}, _nothing)
    assert {name: (last.run_id, last.to_repeat) for name, last in found.items()} == {
        "faq": (second, frozenset()),
        "sql": (first, {"c0"}),
    }


def test_a_case_that_passes_less_often_than_its_baseline_regressed(tmp_path: Path) -> None:
    _store(tmp_path, 1, faq=["PPm", "PPm", "PPP"])
    baseline = baseline_of({"c0": [1, 1, 1], "c1": [1, 0, 1], "c2": [1, 1, 1]})
    assert last_results(tmp_path, {"faq"}, lambda _: baseline)["faq"].to_repeat == {"c0"}


def test_damaged_files_are_skipped(tmp_path: Path) -> None:
    def unreadable(_: str) -> Baseline | None:
        raise BaselineError("damaged")

    _store(tmp_path, 1, faq=["m"])
    path = run_file.path_of(tmp_path, "20260101T000009Z-aaaa")
    path.parent.mkdir()
    path.write_text("not a run", "utf-8")
    assert last_results(tmp_path, {"faq"}, unreadable)["faq"].to_repeat == {"c0"}


@pytest.mark.parametrize("wanted", [set(), {"faq"}])
def test_without_a_run_nothing_is_known(tmp_path: Path, wanted: set[str]) -> None:
    assert last_results(tmp_path, wanted, _nothing) == {}
