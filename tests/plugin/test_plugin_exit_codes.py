from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project

_PASSING = "def test_ordinary():\n    pass\n"
_FAILING = "def test_ordinary():\n    assert False\n"
_BROKEN_FIXTURE = """
import pytest
@pytest.fixture
def broken():
    raise OSError("no database")
@pytest.mark.golden_set("golden/code.jsonl")
def test_code(case, broken):
    return "yes"
"""


@dataclass(frozen=True)
class Row:
    outputs: dict[str, str | None]
    verdict: str
    code: int
    tests: str = _PASSING
    max_error_rate: float = 0.0
    args: tuple[str, ...] = ()
    code_under_xdist: int | None = None


_GOOD: dict[str, str | None] = {"a": "yes", "b": "yes", "c": "yes", "d": "no"}
_BAD: dict[str, str | None] = {"a": "yes", "b": "no", "c": "no", "d": "no"}
_ONE_MISSING: dict[str, str | None] = {"a": "yes", "b": "yes", "c": "yes", "d": None}

ROWS = {
    "gate passes": Row(_GOOD, "pass", 0),
    "gate fails": Row(_BAD, "fail", 1),
    "gate passes, an ordinary test fails": Row(_GOOD, "pass", 1, tests=_FAILING),
    "a fixture fails": Row(_GOOD, "incomplete", 1, tests=_BROKEN_FIXTURE),
    "missing answers within the budget": Row(_ONE_MISSING, "pass", 0, max_error_rate=0.25),
    "missing answers beyond the budget": Row(_ONE_MISSING, "incomplete", 11, max_error_rate=0.2),
    "gate fails, an ordinary test fails": Row(_BAD, "fail", 1, tests=_FAILING),
    # xdist ends a -x session as interrupted, after what was already sent to the workers
    "-x stops at an ordinary test": Row(
        _GOOD, "not_evaluated", 1, tests=_FAILING, args=("-x", "test_it.py", "golden"), code_under_xdist=2
    ),
}


_UNDER_XDIST = ("gate fails", "a fixture fails", "-x stops at an ordinary test")


@pytest.mark.parametrize(
    ("row", "workers"),
    [
        *(pytest.param(row, 0, id=name) for name, row in ROWS.items()),
        *(pytest.param(ROWS[name], 2, id=f"{name}, n2") for name in _UNDER_XDIST),
    ],
)
def test_verdict_and_exit_code(
    project: Project, last_line: Callable[[pytest.RunResult], str], row: Row, workers: int
) -> None:
    project.suite(row.outputs)
    project.configure(f"max_error_rate = {row.max_error_rate}")
    project.golden("golden/code.jsonl", "x")
    project.write("test_it.py", row.tests)

    result = project.run(*(("-n", str(workers)) if workers else ()), *row.args)

    code = row.code if not workers or row.code_under_xdist is None else row.code_under_xdist
    verdict = project.verdict
    assert (verdict["verdict"], verdict["exit_code"], result.ret) == (row.verdict, code, code)
    accounting = verdict["accounting"]
    assert accounting["planned"] == sum(count for name, count in accounting.items() if name != "planned") >= 4
    assert last_line(result).startswith("evalgate:")
    assert f"(exit {code}" in last_line(result)


@pytest.mark.parametrize("workers", [0, 2], ids=["serial", "n2"])
def test_no_case_selected(project: Project, workers: int) -> None:
    project.suite(_GOOD)
    project.write("ordinary/test_it.py", _PASSING)
    result = project.run("ordinary", *(("-n", str(workers)) if workers else ()))
    assert result.ret == project.verdict["exit_code"] == 5
    assert project.verdict["verdict"] == "invalid"
    assert project.verdict["suites_not_run"] == ["faq"]
    result.stdout.fnmatch_lines(["evalgate: INVALID*no case was selected*(exit 5)"])


def test_nothing_left_by_k(project: Project) -> None:
    project.suite(_GOOD)
    assert project.run("-k", "nothing").ret == 5
    assert project.verdict["verdict"] == "not_evaluated"


def test_every_case_skipped_by_its_line(project: Project) -> None:
    project.suite({"a": "yes"})
    project.golden("golden/faq.jsonl", "a", "b", skip="quarantined")
    assert project.run().ret == 5
    assert project.verdict["verdict"] == "invalid"
    assert project.verdict["accounting"] == {
        "planned": 2, "passed": 0, "missed": 0, "errored": 0, "skipped": 2, "not_run": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("hook", "code"),
    [
        ("def pytest_sessionfinish(session):\n    session.exitstatus = 0\n", 1),
        ("def pytest_collection_modifyitems(items):\n    del items[:]\n", 5),
    ],
    ids=["status rewritten", "items thrown away"],
)
def test_a_conftest_cannot_turn_the_gate_green(project: Project, hook: str, code: int) -> None:
    project.suite(_BAD)
    project.write("conftest.py", hook)
    assert project.run().ret == code
    assert project.verdict["verdict"] != "pass"


def test_pytest_exit_with_code_0_is_not_a_pass(project: Project) -> None:
    project.golden("golden/code.jsonl", "a", "b")
    code = 'import pytest\n@pytest.mark.golden_set("golden/code.jsonl")\ndef test_it(case):\n'
    project.write("test_it.py", code + "    pytest.exit('bye', returncode=0)\n")
    assert project.run().ret == 5
    assert project.verdict["verdict"] == "not_evaluated"


@pytest.mark.parametrize(("policy", "code"), [("warn", 0), ("fail", 10)])
def test_inconclusive(project: Project, last_line: Callable[[pytest.RunResult], str], policy: str, code: int) -> None:
    project.suite(dict.fromkeys("abcdefghij", "yes") | {"j": "no"}, gates='{ kind = "pass-rate", min = 0.7 }')
    project.configure(f'on_inconclusive = "{policy}"')
    result = project.run()
    assert (result.ret, project.verdict["exit_code"], project.verdict["verdict"]) == (code, code, "inconclusive")
    assert last_line(result).startswith("evalgate: INCONCLUSIVE")


def test_an_advisory_suite_never_blocks(project: Project) -> None:
    project.suite(_BAD, mode='"advisory"')
    assert project.run().ret == 0
    assert project.verdict["suites"]["faq"]["verdict"] == "fail"
