"""Stored runs against outcomes of commits, releases and days."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.builders import run_of, suite_from

from pytest_evalgate.app.correlating import conclusion
from pytest_evalgate.cli import main
from pytest_evalgate.errors import UserError
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.verdicts import HistoryRow
from pytest_evalgate.runs import history, kept, run_file
from pytest_evalgate.runs.outcomes import read_outcomes
from pytest_evalgate.stats.association import Association
from pytest_evalgate.stats.intervals import Interval

if TYPE_CHECKING:
    from pathlib import Path

    from tests.app.conftest import Repository

_FEW = "too few; 5 are the fewest with which anything can be shown"
_RATES = (0.90, 0.86, 0.95, 0.80, 0.84, 0.92, 0.88)


def _row(number: int, rate: float, commit: str | None = None, suite: str = "faq", golden: str = "g") -> HistoryRow:
    return HistoryRow(
        f"r{number}", f"2026-02-{number + 1:02}T08:00:00Z", commit or f"{number:x}" * 40, suite, 100, 1, rate, None,
        golden * 64, "s" * 64, None, "pass",
    )  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with seven releases, one a day."""
    monkeypatch.delenv("EVALGATE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evalgate.toml").write_text('suites.faq.golden = "g.jsonl"\n', "utf-8")
    history.append(tmp_path / ".evalgate" / "history.jsonl", [_row(at, rate) for at, rate in enumerate(_RATES)])
    return tmp_path


def _outcomes(folder: Path, key: str, values: list[float], names: list[str] | None = None) -> None:
    names = names or [f"{at:x}" * 8 for at in range(len(values))]
    lines = [f"{name},{value}" for name, value in zip(names, values, strict=True)]
    (folder / "outcomes.csv").write_text("\n".join([f"{key},tickets", *lines, ""]), "utf-8")


def _correlate(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main(["correlate", "--outcomes", "outcomes.csv", *more]) == 0
    return capsys.readouterr().out


def test_seven_releases_are_too_few(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _outcomes(shop, "commit", [12, 9, 8, 15, 11, 13, 10])
    text = _correlate(capsys)
    assert text.startswith("faq: pass_rate against tickets, joined by commit, 7 runs\n")
    last = text.splitlines()[-3]
    assert last.startswith("n = 7 releases: an interval of -")
    assert last.endswith(" says nothing yet")
    ET.parse(shop / ".evalgate" / "correlate.svg")  # noqa: S314 - our own file


def test_a_strong_association_is_reported_with_its_direction(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _outcomes(shop, "commit", [1 - rate for rate in _RATES])
    found = json.loads(_correlate(capsys, "--json", "--max-lag", "2"))
    assert found["spearman"]["value"] == pytest.approx(-1.0)
    assert found["kendall"]["p"] == pytest.approx(2 / 5040)
    assert found["conclusion"].startswith("n = 7 releases: more pass_rate goes with less tickets")
    assert [lag["n"] for lag in found["lags"]] == [7, 6, 5]
    assert all(lag["p_adjusted"] >= lag["p"] for lag in found["lags"])


def test_days_are_joined_by_the_mean_of_their_runs(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.append(shop / ".evalgate" / "history.jsonl", [replace(_row(0, 0.8), run_id="again")])
    _outcomes(shop, "day", [3, 4], ["2026-02-01", "2026-03-09"])
    found = json.loads(_correlate(capsys, "--json"))
    assert [(point["metric"], point["runs"]) for point in found["points"]] == [(pytest.approx(0.85), 2)]
    assert found["without_run"] == 1
    assert found["conclusion"].startswith("n = 1 day: too few")


def test_releases_are_tags_of_git(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository.root)
    repository.git("tag", "v1.0")
    history.append(repository.state / "history.jsonl", [_row(1, 0.9, repository.git("rev-parse", "HEAD"))])
    _outcomes(repository.root, "release", [3], ["v1.0"])
    assert json.loads(_correlate(capsys, "--json"))["points"][0]["metric"] == 0.9
    _outcomes(repository.root, "release", [3], ["v9.9"])
    assert main(["correlate", "--outcomes", "outcomes.csv"]) == 4
    assert "outcomes.csv:2: release 'v9.9': no such branch, tag or commit here" in capsys.readouterr().err


def test_a_scorer_is_a_metric_as_long_as_its_run_is_stored(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(suite_from("PPm"), run_id="r1")
    verdict = decide(run, {"faq": SuiteRules()}, warn_inconclusive=True)
    kept.write(verdict, kept.RunFolder(run_file.path_of(shop / ".evalgate", "r1").parent).verdict_file)
    _outcomes(shop, "commit", [1, 2])
    assert main(["correlate", "--outcomes", "outcomes.csv", "--metric", "exakt"]) == 4
    assert "no stored run has the metric 'exakt'" in capsys.readouterr().err


def test_golden_sets_that_differ_are_named(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.append(shop / ".evalgate" / "history.jsonl", [_row(9, 0.9, golden="h")])
    _outcomes(shop, "commit", list(range(10)))
    assert "the runs have 2 golden sets: their numbers are not comparable" in _correlate(capsys)


def test_one_of_several_suites_has_to_be_named(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.append(shop / ".evalgate" / "history.jsonl", [_row(9, 0.9, suite="tone")])
    _outcomes(shop, "commit", [1])
    assert main(["correlate", "--outcomes", "outcomes.csv"]) == 4
    assert "name one with --suite: faq, tone" in capsys.readouterr().err
    _correlate(capsys, "--suite", "tone")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: no column is named commit, release or day"),
        ("sha,tickets\nabc,1\n", "rename one of sha, tickets"),
        ("commit\nabcdef1\n", "name the column of the outcomes with --outcome"),
        ("commit,a,b\nabcdef1,1,2\n", "one of a, b"),
        ("commit,a\nabcdef1,x\n", ':2: a: "x" is not a number'),
        ("commit,a\nabcdef1,nan\n", ':2: a: "nan" is not a number'),
        ("commit,a\nHEAD,1\n", ':2: commit: "HEAD": give 7 or more digits'),
        ("day,a\n31.01.2026,1\n", "write it as 2026-01-31"),
        ("day,a\n2026-01-31,1\n2026-01-31,2\n", ':3: day "2026-01-31" is repeated'),
    ],
)
def test_a_wrong_file_is_an_error_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError) as error:
        read_outcomes(path)
    assert message in str(error.value)


def test_rows_without_a_value_and_a_byte_order_mark_are_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_bytes(b"\xef\xbb\xbfday,a\r\n2026-01-31,1\r\n2026-02-01,\r\n,3\r\n")
    assert [(row.key, row.value) for row in read_outcomes(path).rows] == [("2026-01-31", 1.0)]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Association(7, 0.4, Interval(-0.2, 0.9), 0.2, "exact"), "an interval of -0.2 to 0.9 says nothing yet"),
        (Association(7, 0.4, Interval(-0.01, 0.9), 0.2, "exact"), "an interval of 0.0 to 0.9 says nothing yet"),
        (Association(7, 0.4, Interval(0.1, 0.9), 0.2, "exact"), "p = 0.2 says nothing yet"),
        (
            Association(4, 1.0, Interval(1, 1), 0.08, "exact"),
            _FEW,
        ),
        (Association(9, None, None, None, "exact"), "m or o is the same in all of them, so nothing can be shown"),
    ],
)
def test_the_conclusion_is_modest(found: Association, sentence: str) -> None:
    assert conclusion(found, "release", "m", "o") == f"n = {found.n} releases: {sentence}"
