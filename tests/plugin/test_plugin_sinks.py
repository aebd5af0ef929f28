"""Untrusted text in every sink of pytest: no command of a runner and no control sequence reaches the log."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_HOSTILE = (
    "later\n::stop-commands::tok\r::add-mask::a ##[error]forged "
    "\x1b]0;title\x07\x1b[31mred \u202eevil\u2028::set-env name=A::b"
)
_COMMAND = re.compile(r"^\s*::(?:stop-commands|add-mask|set-env)|##\[(?:error|add)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]")
_TARGET = f"""
def answer(text):
    print({_HOSTILE!r})
    if text == "raises":
        raise ValueError({_HOSTILE!r})
    return {_HOSTILE!r}
"""


@pytest.fixture
def hostile(project: Project) -> Project:
    """A project whose golden set, target and scorer write hostile text into every field that pytest shows."""
    scorers = '["exact", { python = "rules:strict" }]'
    project.suite({"a": None}, target='{ python = "bot:answer" }', scorers=scorers)
    project.write_bot(_TARGET)
    project.write("rules.py", f"def strict(case, output):\n    return (0.0, {_HOSTILE!r})\n")
    rows = [
        {"id": "a", "input": _HOSTILE, "expected": _HOSTILE, "tags": ["x"]},
        {"id": "raises", "input": "raises", "expected": "x"},
        {"id": "skipped", "input": "x", "expected": "x", "skip": _HOSTILE},
    ]
    project.write("golden/faq.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return project


def _assert_inert(text: str) -> None:
    lines = text.split("\n")
    assert [line for line in lines if _COMMAND.search(line)] == []
    assert [line for line in lines if _CONTROL.search(line)] == []


@pytest.mark.parametrize(
    "options",
    [("-rA",), ("-v",), ("-vv", "-rs"), ("--eval-fail-cases", "-ra"), ("--eval-fail-cases", "-l", "--tb=long")]
    + [("--eval-fail-cases", f"--tb={style}") for style in ("short", "line", "native", "no")]
    + [("--durations=0", "-vv"), ("--eval-fail-cases", "-v", "-n2"), ("--eval-fail-cases", "--capture=sys", "-rP")],
    ids=" ".join,
)
def test_no_sink_of_pytest_shows_commands_or_control_characters(
    hostile: Project, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = hostile.run(*options)
    _assert_inert(str(result.stdout) + "\n" + str(result.stderr))


_PRINTS_LATE = f"""
import pathlib
import sys
import threading

ASKED, PRINTED = threading.Event(), threading.Event()

def answer(question):
    if question == "b":
        ASKED.wait(60)
        print({_HOSTILE!r})
        print({_HOSTILE!r}, file=sys.stderr)
        PRINTED.set()
    return "no"
"""
_BETWEEN_TESTS = """
import bot

def pytest_runtest_logfinish(nodeid):
    if nodeid.endswith("::a"):
        bot.ASKED.set()
        assert bot.PRINTED.wait(60)
"""


@pytest.mark.parametrize("capture", ["fd", "sys", "tee-sys"])
def test_what_a_target_prints_between_two_tests_is_captured(project: Project, capture: str) -> None:
    project.suite({"a": None, "b": None}, target='{ python = "bot:answer" }')
    project.write_bot(_PRINTS_LATE)
    project.write("conftest.py", _BETWEEN_TESTS)
    result = project.run("--eval-fail-cases", f"--capture={capture}")
    shown = str(result.stdout) + "\n" + str(result.stderr)
    if capture != "tee-sys":  # which shows what it captures, as it comes
        _assert_inert(shown)
    assert "Captured stdout" in shown


def test_junit_files_hold_no_control_characters(hostile: Project) -> None:
    hostile.run("--eval-fail-cases", "--junitxml=junit.xml", "-o", "junit_logging=all")
    _assert_inert((hostile.path / "junit.xml").read_text("utf-8"))


def test_a_marked_test_is_skipped_with_an_inert_reason(hostile: Project) -> None:
    row = {"id": "s", "input": "x", "skip": _HOSTILE}
    hostile.write("golden/code.jsonl", json.dumps(row) + "\n")
    hostile.test('    return "x"\n')
    _assert_inert(str(hostile.run("-rs").stdout))


@pytest.mark.parametrize("pad", ["a", "a ", "a-"])
def test_a_reason_that_pytest_wraps_is_inert(hostile: Project, pad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    reasons = [pad * (width // len(pad)) + "::stop-commands::tok" for width in range(20, 100)]
    rows = [{"id": f"s{at}", "input": "x", "expected": "x", "skip": reason} for at, reason in enumerate(reasons)]
    hostile.write("golden/code.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    hostile.test('    return "x"\n')
    result = hostile.run("-vv")
    assert "test_code[s0] SKIPPED" in str(result.stdout)
    _assert_inert(str(result.stdout))


def test_the_reason_of_an_expected_failure_is_inert(hostile: Project) -> None:
    hostile.write("golden/code.jsonl", json.dumps({"id": "s", "input": "x", "expected": "x"}) + "\n")
    hostile.test(f"    pytest.xfail({'a ' * 30 + _HOSTILE!r})\n")
    result = hostile.run("--eval-fail-cases", "-vv", "-rx")
    assert "test_code[s] MISSED (" in str(result.stdout)
    _assert_inert(str(result.stdout))


@pytest.mark.parametrize("name", ["a ##[stop-commands]tok", "##[add-mask]a"])
def test_an_id_that_a_runner_obeys_is_refused(project: Project, name: str) -> None:
    project.suite({"a": "yes"})
    project.golden("golden/faq.jsonl", name)
    result = project.run()
    assert result.ret == 4
    _assert_inert(str(result.stdout) + "\n" + str(result.stderr))
    assert 'contains "##\\[", which starts a command of GitHub runners' in str(result.stdout) + str(result.stderr)
