"""The reports for programs: CSV and JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.attacks import ALL, SPREADSHEET, case_of, view_of

from pytest_evalgate.records.cases import Place
from pytest_evalgate.reports.tables import COLUMNS, render_csv, render_json
from pytest_evalgate.reports.view import CaseView
from pytest_evalgate.runs import kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.reports.conftest import Screen

    from pytest_evalgate.reports.view import ReportView


_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def _rows(view: ReportView) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(render_csv(view)), newline=""), strict=True))


def test_every_case_is_a_row(screen: Screen, tmp_path: Path) -> None:
    scene = screen.scene(["PP", "Pm", "??"], ["PP"] * 4, tags={0: ("en", "new")}, slices={0: (("lang", "en"),)})
    rows = _rows(screen.view(scene, stored=tmp_path / "run.jsonl"))
    assert [tuple(row.values())[:11] for row in rows] == [
        ("support-faq", "refund-001", scene.file, "1", "passed", "same", "1", "1", "2", "en;new", "lang=en"),
        ("support-faq", "refund-002", scene.file, "2", "missed", "regressed", "1", "0.5", "2", "", ""),
        ("support-faq", "refund-003", scene.file, "3", "errored", "regressed", "1", "", "2", "", ""),
        ("support-faq", "refund-004", "", "", "not_run", "removed", "1", "", "0", "", ""),
    ]
    assert rows[0]["output"] == "text | text"
    assert rows[0]["input"] == "How long do I have to return item 1?"


def test_scores_latencies_and_costs_of_trials_share_a_cell() -> None:
    [row] = _rows(view_of("exact"))
    assert row["scores"] == "exact=0.5 | "
    assert (row["latency_s"], row["cost_usd"], row["now"]) == ("0.25 | ", "0.001 | ", "0.5")


def test_the_first_line_names_the_columns_and_lines_end_as_in_rfc_4180() -> None:
    head, *lines = render_csv(view_of('a\nb,"c"'))
    assert head == ",".join(COLUMNS) + "\r\n"
    assert all(line.endswith("\r\n") for line in lines)
    assert '"a\nb,""c"""' in lines[0]


def test_the_rows_are_drawn_one_by_one() -> None:
    drawn: list[int] = []

    class Cases:
        def __iter__(self) -> Iterator[CaseView]:
            for number in range(3):
                drawn.append(number)
                yield CaseView("s", f"c-{number}", Place("f", 1), "passed")

    lines = render_csv(replace(view_of("x"), cases=Cases()))
    next(lines)
    assert drawn == []
    next(lines)
    assert drawn == [0]


@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_every_attack_is_text_in_its_cell(text: str) -> None:
    [row] = _rows(view_of(text))
    assert list(row) == list(COLUMNS)
    for value in row.values():
        assert not [char for char in value if unicodedata.category(char) in _HIDDEN and char not in "\t\r\n"]


@pytest.mark.parametrize("text", SPREADSHEET, ids=ascii)
def test_no_cell_is_a_formula(text: str) -> None:
    [row] = _rows(view_of(text))
    assert not [value for value in row.values() if re.match("\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]", value)]


def test_long_outputs_are_not_truncated() -> None:
    text = "=1 MB" * 200_000
    [line] = list(render_csv(replace(view_of("x"), cases=[case_of(text, Place("f", 1))])))[1:]
    assert line.count(text) >= 10


def test_the_document_has_verdict_facts_and_cases(screen: Screen, tmp_path: Path) -> None:
    view = screen.view(screen.scene("Pm", "PP", ({"kind": "no-regression"},)), stored=tmp_path / "run.jsonl")
    view = dataclasses.replace(view, facts=(("model", "gpt-x"),))
    found = json.loads("".join(render_json(view)))
    assert list(found) == ["schema", "kind", "verdict", "facts", "cases"]
    assert (found["schema"], found["kind"], found["facts"]) == (1, "evalgate-report", {"model": "gpt-x"})
    assert found["verdict"] == json.loads(json.dumps(kept.encode(view.verdict)))
    assert [case["id"] for case in found["cases"]] == ["refund-001", "refund-002"]
    assert found["cases"][1]["place"] == {"file": "golden_sets/support.jsonl", "line": 2}
    assert found["cases"][1]["trials"][0]["output"] == "text"


def test_each_case_is_one_line(screen: Screen, tmp_path: Path) -> None:
    lines = "".join(render_json(screen.view(screen.scene("PmP"), stored=tmp_path / "run.jsonl"))).splitlines()
    assert [json.loads(line.rstrip(","))["id"] for line in lines[1:-1]] == ["refund-001", "refund-002", "refund-003"]


def test_a_run_without_cases_is_a_document_too(screen: Screen) -> None:
    assert json.loads("".join(render_json(screen.view(not_run=["tone"]))))["cases"] == []


@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    document = "".join(render_json(view_of(text)))
    assert document.isascii()
    [case] = json.loads(document)["cases"]
    assert (case["id"], case["input"], case["trials"][0]["scores"][0]["name"]) == (text, text, text)
