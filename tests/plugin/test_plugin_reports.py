from __future__ import annotations

import base64
import csv
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.plugin.conftest import KEY

from pytest_evalgate.cli import main
from pytest_evalgate.plugin.verdict import _list_limits
from pytest_evalgate.reports.terminal_lists import ListLimits

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer

_FORMATS = 'report.formats = ["html", "markdown", "csv", "json", "junit"]'
_FILES = {"report.html", "summary.md", "comment.md", "cases.csv", "report.json", "junit.xml"}
_BOTH = pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])


@pytest.fixture
def compared(project: Project) -> Project:
    """A project of which one case got worse since its baseline."""
    project.configure(_FORMATS)
    project.suite(
        {"a": "yes", "b": "yes, or so", "c": "no"}, gates='{ kind = "pass-rate", min = 0.9, bound = "point" }'
    )
    before = project.path / "golden" / "faq.out.jsonl"
    now = before.read_text()
    before.write_text(now.replace("yes, or so", "yes"))
    project.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.path)
        assert main(["baseline", "promote", "--reason", "first"]) == 0
    before.write_text(now)
    return project


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()} & _FILES


@_BOTH
def test_the_reports_lie_in_the_state_folder_and_the_screen_names_the_page(
    compared: Project, args: tuple[str, ...]
) -> None:
    result = compared.run(*args)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["report: .evalgate/report.html"])
    assert _names(compared.state) == _FILES
    assert "faq" in (compared.state / "summary.md").read_text("utf-8")
    with (compared.state / "cases.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert {name: row["change"] for name, row in rows.items()} == {"a": "same", "b": "regressed", "c": "same"}
    assert rows["b"]["output"] == "yes, or so"
    assert rows["b"]["input"] == "b"
    assert rows["b"]["expected"] == "yes"
    document = json.loads((compared.state / "report.json").read_bytes())
    assert document["verdict"] == compared.verdict


@_BOTH
def test_a_case_that_fails_as_a_test_stands_beside_what_its_baseline_answered(
    compared: Project, args: tuple[str, ...]
) -> None:
    result = compared.run("--eval-fail-cases", *args)
    result.stdout.fnmatch_lines(["baseline   pass    yes", "candidate  MISSED  yes, or so", "reason   | *"])


def test_the_baseline_keeps_what_its_cases_answered(compared: Project) -> None:
    kept = (compared.state / "baselines" / "faq.outputs.jsonl").read_text("ascii")
    assert [json.loads(line) for line in kept.splitlines()] == [
        {"id": "a", "output": "yes"},
        {"id": "b", "output": "yes"},
        {"id": "c", "output": "no"},
    ]


def test_another_folder_for_the_reports(compared: Project) -> None:
    (compared.state / "report.html").unlink()
    result = compared.run("--eval-report", "out/here")
    result.stdout.fnmatch_lines(["report: out/here/report.html"])
    assert _names(compared.path / "out" / "here") == _FILES
    assert "report.html" not in _names(compared.state)


def test_a_folder_that_is_a_file_is_refused(compared: Project) -> None:
    compared.write("out", "")
    result = compared.run("--eval-report", "out")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--eval-report out: this is a file, give a folder*"])


def test_a_session_that_breaks_off_leaves_no_older_page(compared: Project) -> None:
    compared.run()
    assert (compared.state / "report.html").exists()
    compared.write("golden/faq.jsonl", "{")
    assert compared.run().ret == 4
    assert not (compared.state / "report.html").exists()


@pytest.mark.parametrize("content", ["excerpt", "none"])
def test_how_much_of_the_cases_is_shown_can_be_limited(compared: Project, content: str) -> None:
    said = "a longer answer " * 30
    compared.configure(f'report.content = "{content}"')
    compared.write("golden/faq.out.jsonl", "".join(json.dumps({"id": n, "output": said}) + "\n" for n in "abc"))
    result = compared.run()
    shown = result.stdout.str() + "".join((compared.state / name).read_text("utf-8") for name in _FILES)
    assert said not in shown
    assert (said[:100] in shown) == (content == "excerpt")


def test_a_run_is_rendered_again_from_what_is_kept_beside_it(
    compared: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compared.run()
    before = {name: (compared.state / name).read_bytes() for name in _FILES}
    for path in (compared.state / "baselines").iterdir():
        path.unlink()
    (compared.state / "history.jsonl").unlink()
    monkeypatch.chdir(compared.path)
    formats = [f"--format={name}" for name in ("html", "markdown", "csv", "json", "junit", "terminal")]
    assert main(["report", *formats, "--out", "again"]) == 0
    assert "evalgate: FAIL" in capsys.readouterr().out
    again = {name: (compared.path / "again" / name).read_bytes() for name in _FILES}
    assert {name: text.replace(b"again/report", b".evalgate/report") for name, text in again.items()} == before


def test_reports_of_a_run_that_is_not_there_or_was_not_judged(
    compared: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(compared.path)
    assert main(["report", "20200101T000000Z-none"]) == 4
    assert "no run is stored in" in capsys.readouterr().err
    for path in (compared.state / "runs").glob("*/verdict.json"):
        path.unlink()
    assert main(["report"]) == 4
    assert "was not decided" in capsys.readouterr().err


_HOOK = """
def pytest_evalgate_report(report):
    missed = [f"{case.id}: {case.reason}" for case in report.cases if case.outcome == "missed"]
    return {"missed.txt": "\\n".join([report.verdict.verdict, *missed])}
"""


def test_a_report_of_the_users_own(compared: Project) -> None:
    compared.write("conftest.py", _HOOK)
    assert compared.run().ret == 1
    assert (compared.state / "missed.txt").read_text().splitlines()[0] == "fail"
    assert "b: exact: wanted" in (compared.state / "missed.txt").read_text()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            'return {"../out.txt": ""}',
            "*pytest_evalgate_report: ValueError: '../out.txt' is not a plain file name*",
        ),
        ('raise RuntimeError("mine")', "*pytest_evalgate_report: RuntimeError: mine"),
        ('return {"a.txt": 1}', "*pytest_evalgate_report: *Error: *"),
    ],
)
def test_a_report_of_the_users_own_that_breaks_changes_no_verdict(compared: Project, body: str, said: str) -> None:
    compared.write("conftest.py", f"def pytest_evalgate_report(report):\n    {body}\n")
    result = compared.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines([said, "evalgate: FAIL*"])
    assert _names(compared.state) == _FILES


def test_reports_that_cannot_be_written_change_no_verdict(compared: Project) -> None:
    (compared.state / "report.html").unlink()
    (compared.state / "summary.md").unlink()
    (compared.state / "summary.md").mkdir()
    result = compared.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["evalgate: the reports could not be written: *", "evalgate: FAIL*"])


def test_on_github_summary_output_and_annotations_are_written(
    compared: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.setenv(name, str(compared.path / name))
    result = compared.run()
    assert re.search(r"^::error file=golden/faq.jsonl,line=2,", result.stdout.str(), re.MULTILINE)
    assert "faq" in (compared.path / "GITHUB_STEP_SUMMARY").read_text("utf-8")
    assert re.match(r"verdict<<(\S+)\nfail\n\1\n", (compared.path / "GITHUB_OUTPUT").read_text("utf-8"))
    assert result.stdout.lines[-1].startswith("evalgate: FAIL")


_SPILLING = """
import base64, os, pytest, sys, urllib.parse

@pytest.mark.golden_set("golden/code.jsonl", scorers=["exact"])
def test_code(case):
    key = os.environ["CANDIDATE_KEY"]
    print("captured", key)
    if case.id == "raises":
        raise RuntimeError(base64.b64encode(key.encode()).decode())
    if case.id == "asserts":
        assert key == "another"
    return {"plain": key, "url": urllib.parse.quote(key, safe="")}
"""


@_BOTH
@pytest.mark.parametrize(
    "more", [(), ("--eval-fail-cases", "-l", "-vv", "-rA", "--junitxml=junit-of-pytest.xml")], ids=len
)
def test_a31_a_key_stands_in_no_report_and_on_no_screen(
    project: Project, server: ScriptedServer, args: tuple[str, ...], more: tuple[str, ...]
) -> None:
    project.configure(_FORMATS)
    project.model_suite(server, "a")
    project.golden("golden/code.jsonl", "raises", "asserts", "returns")
    project.write("test_code.py", _SPILLING)
    result = project.run(*args, *more)
    assert result.ret in {0, 1}
    shown = result.stdout.str() + result.stderr.str()
    kept = [path for path in project.path.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.name for path in kept} >= _FILES
    encoded = base64.b64encode(KEY.encode()).decode().rstrip("=")
    for form in (KEY, quote(KEY, safe=""), encoded):
        assert form not in shown
        assert [path.name for path in kept if form.encode() in path.read_bytes()] == []
    assert "***" in (project.state / "report.json").read_text("utf-8")


def test_a_crash_of_the_application_is_one_line_and_has_its_traceback(project: Project) -> None:
    project.python_suite("def answer(input):\n    return {}[input]\n", "a", "b", "c")
    result = project.run()
    result.stdout.fnmatch_lines(
        ["  WORST 1 of 3: miss  a *", "    reason   | KeyError: 'a' (bot.py:* in answer)", "  MISSED *"]
    )
    result.stdout.fnmatch_lines(["  a *golden/faq.jsonl:1  miss  3x KeyError: 'a' (bot.py:* in answer)"])
    assert sum("KeyError" in line for line in result.outlines) == 4  # three worst cases, and one line for all of them
    result = project.run("--eval-fail-cases", "-rN")
    result.stdout.fnmatch_lines(["raised     bot.py:* in answer", "traceback| Traceback (most recent call last):"])
    result.stdout.fnmatch_lines(["  3 cases missed", "look: pytest --eval-gate --eval-fail-cases -k faq"])
    assert not any(line.startswith("  MISSED") for line in result.outlines)
    result = project.run("--eval-fail-cases", "--tb=line")
    assert not any(line.startswith("traceback") for line in result.outlines)


@pytest.mark.parametrize(
    ("chars", "listed"), [("fE", 10), ("", 10), ("a", 100), ("fEA", 100), ("m", 100), ("N", 0), ("w", 10)]
)
def test_the_option_r_chooses_the_length_of_lists(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, chars: str, listed: int
) -> None:
    monkeypatch.setattr(pytestconfig.option, "reportchars", chars)
    for on_github in (False, True):
        monkeypatch.setenv("GITHUB_ACTIONS", str(on_github).lower())
        assert _list_limits(pytestconfig) == ListLimits(listed, folds=on_github)
