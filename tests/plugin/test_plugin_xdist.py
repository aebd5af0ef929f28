from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_ORDINARY = "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_ordinary(n):\n    pass\n"


def _both_doors(project: Project) -> None:
    """A suite of each door, with a case of every outcome; tests sync and async, with a group for --dist loadgroup."""
    project.suite({"a": "yes", "b": "no", "c": None}, gates='{ kind = "pass-rate", min = 0.3, bound = "point" }')
    rows = project.path / "golden/faq.jsonl"
    rows.write_text(rows.read_text() + '{"id": "d", "input": 1, "skip": "later"}\n')
    project.configure("max_error_rate = 0.5")
    project.golden("golden/code.jsonl", "e", "f")
    project.golden("golden/slow.jsonl", "g", "h")
    project.test(
        "@pytest.mark.xdist_group('bots')\ndef test_code(case):\n    return {'e': 'yes', 'f': 'no'}[case.id]\n"
    )
    project.test(
        "class TestSlow:\n    async def test_slow(self, case):\n        await asyncio.sleep(0)\n"
        "        assert case.id == 'g'\n        return 'yes'\n",
        marker='"golden/slow.jsonl"',
        name="test_slow.py",
    )
    project.write("test_it.py", _ORDINARY)


def _stable(verdict: dict[str, Any]) -> dict[str, Any]:
    suites = {name: {**suite, "trend": None} for name, suite in verdict["suites"].items()}  # it grows with the runs
    return {key: value for key, value in verdict.items() if key not in {"run_id", "duration_s"}} | {"suites": suites}


def test_the_verdict_does_not_depend_on_the_distribution(project: Project) -> None:
    _both_doors(project)
    assert project.run().ret == 0
    wanted, outcomes = _stable(project.verdict), list(project.outcomes.items())
    assert wanted["accounting"] == {
        "planned": 8, "passed": 3, "missed": 3, "errored": 1, "skipped": 1, "not_run": 0
    }  # fmt: skip
    for args in ("-n1", "-n2", "-n4", "-n2 --dist loadfile", "-n2 --dist loadscope", "-n2 --dist loadgroup",
                 "-n2 --dist worksteal"):  # fmt: skip
        assert project.run(*args.split()).ret == 0, args
        assert _stable(project.verdict) == wanted, args
        assert list(project.outcomes.items()) == outcomes, args


_CRASHING = """
def answer(question):
    note(question)
    if question == "c":
        import os
        os._exit(0)
    return "yes"
"""


@pytest.mark.parametrize("args", ["-n2", "-n1"])
def test_a_crash_costs_the_case_that_crashes_and_no_other(project: Project, args: str) -> None:
    project.python_suite(_CRASHING, *"abcdef")
    project.write("test_it.py", _ORDINARY)
    result = project.run(args)
    assert result.ret == project.verdict["exit_code"] == 1
    assert "could not be written" not in result.stdout.str()
    assert project.verdict["verdict"] == "incomplete"
    assert project.outcomes == dict.fromkeys("abdef", "passed") | {"c": "errored"}
    assert "crashed while running" in project.rows["c"]["reason"]
    assert max(Counter(project.calls).values()) <= 2  # once ahead of its item, once more on its own


def test_a_crash_without_another_worker_leaves_the_rest_unrun(project: Project) -> None:
    project.python_suite(_CRASHING, *"abcdef")
    assert project.run("-n2", "--max-worker-restart=0").ret != 0
    assert project.verdict["verdict"] in {"incomplete", "not_evaluated"}
    assert max(Counter(project.calls).values()) <= 2


def test_a_crash_of_an_in_code_case(project: Project) -> None:
    project.golden("golden/code.jsonl", *"abcd")
    project.test("(case.id == 'b') and __import__('os')._exit(0)\n    return 'yes'")
    assert project.run("-n2").ret == 1
    assert project.verdict["verdict"] == "incomplete"
    assert project.outcomes == {"a": "passed", "b": "errored", "c": "passed", "d": "passed"}


def test_an_error_of_collection_in_the_workers_is_invalid(project: Project) -> None:
    project.suite({"a": "yes"})
    project.write("test_it.py", "import nowhere\n")
    result = project.run("-n2")
    assert result.ret not in {0, 5}
    assert project.verdict["verdict"] == "invalid"
    assert project.verdict["problems"] == ["test_it.py could not be collected"]
    assert project.outcomes == {"a": "not_run"}


_HOSTILE = {
    "decimal": "{'value': decimal.Decimal('1.5')}",
    "nan": "{'value': float('nan')}",
    "surrogate": "'\\udc80 \\ud800'",
    "nul": "'a\\0b'",
    "nested": "{'a\\0': ['\\ud800', {'\\udc80': '\\0'}]}",
    "metadata-decimal": "Output('yes', metadata={'cost': decimal.Decimal('0.1')})",
    "metadata-nan": "Output('yes', metadata={'cost': float('nan')})",
    "metadata-surrogate": "Output('yes', metadata={'\\ud800': '\\udc80\\0'})",
    "latency": "Output('yes', latency_s=decimal.Decimal('0.1'))",
    "raises": "raise_(ValueError('\\udc80\\0\\x1b[31m'))",
    "cyclic": "cyclic()",
    "object": "object()",
    "bytes": "b'yes'",
}


@pytest.mark.parametrize("args", [(), ("-n2",), ("-n2", "--eval-fail-cases")], ids=" ".join)
def test_hostile_values_lose_no_case(project: Project, args: tuple[str, ...]) -> None:
    answers = ",\n".join(f"    {name!r}: lambda: {code}" for name, code in _HOSTILE.items())
    project.python_suite(
        "import decimal\nfrom pytest_evalgate import Output\n"
        "def raise_(error):\n    raise error\n"
        "def cyclic():\n    loop = {}\n    loop['loop'] = loop\n    return loop\n"
        f"ANSWERS = {{\n{answers}\n}}\n"
        "def answer(question):\n    note(question)\n    return ANSWERS.get(question, lambda: 'yes')()\n",
        *_HOSTILE,
        "plain",
    )
    result = project.run(*args)
    assert result.ret == project.verdict["exit_code"] == 1
    assert project.verdict["verdict"] == "fail"
    assert sorted(project.calls) == sorted([*_HOSTILE, "plain"])
    assert set(project.outcomes.values()) <= {"passed", "missed"}
    assert project.outcomes["plain"] == "passed"
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
