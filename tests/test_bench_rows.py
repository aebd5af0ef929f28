"""benchmarks/rows.py: verdicts, the table, the exit code, and when a row is run again under the profiler."""

import math

import pytest
from benchmarks.rows import Row, print_rows


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("wall", 1.12, 1.12, "x limit"), "ok"),
        (Row("wall", 1.13, 1.12, "x limit"), "MISSED"),
        (Row("rate", 40.0, 40.0, "MB/s", at_least=True), "ok"),
        (Row("rate", 39.0, 40.0, "MB/s", at_least=True), "MISSED"),
        (Row("lost", math.nan, 1.0, "x"), "MISSED"),
        (Row("shown", 99.0, None, "s"), "-"),
    ],
)
def test_a_verdict_is_the_figure_held_against_its_bound(row: Row, verdict: str) -> None:
    assert row.verdict == verdict


def test_a_table_has_the_bare_loop_the_bound_and_the_note_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_rows([Row("http, c = 64", 1.1, 1.12, "x limit", 1.04, "7.0 s"), Row("MB", 12345.6, None, "MB")]) == 0
    _, first, second = capsys.readouterr().out.splitlines()
    assert " ".join(first.split()) == "http, c = 64 1.100 1.040 <= 1.12 x limit ok 7.0 s"
    assert " ".join(second.split()) == "MB 12,346 MB -"


def test_a_missed_row_is_profiled_before_the_next_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    seen = []

    def rows() -> object:
        yield Row("slow", 2.0, 1.0, "s", profile=lambda: seen.append("profiled") or "its profile")  # type: ignore[func-returns-value]
        seen.append("next")
        yield Row("quick", 0.5, 1.0, "s", profile=lambda: pytest.fail("it is not missed"))

    assert print_rows(rows(), "title") == 1  # type: ignore[arg-type]
    assert seen == ["profiled", "next"]
    title, _, slow, quick, _, head, profile = capsys.readouterr().out.splitlines()
    assert (title, head, profile) == ("title", "  slow, once more under a profiler:", "its profile")
    assert "MISSED" in slow
    assert "ok" in quick


def test_rows_of_one_command_are_profiled_once(capsys: pytest.CaptureFixture[str]) -> None:
    calls = []

    def profile() -> str:
        calls.append(1)
        return "its profile"

    assert print_rows([Row("wall", 2.0, 1.0, "s", profile=profile), Row("  CPU", 2.0, 1.0, "s", profile=profile)]) == 1
    assert len(calls) == 1
    assert capsys.readouterr().out.count("under a profiler") == 1
