"""A configured suite and a marked test with the same golden set: the test is the target of the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_BOT = "def answer(question):\n    note(question)\n    return 'no'\n"
_BODY = "return 'yes'"


@pytest.fixture
def both(project: Project) -> Project:
    """A suite with a Python target, which answers wrongly, and ordinary tests in ``testpaths``."""
    project.python_suite(_BOT, "a", "b")
    project.pytester.makeini("[pytest]\ntestpaths = unit\n")
    project.write("unit/test_unit.py", "def test_unit():\n    pass\n")
    return project


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "n2"])
@pytest.mark.parametrize("marker", ['"golden/faq.jsonl"', 'suite="faq"'], ids=["path", "suite"])
def test_the_marked_test_is_the_target_of_its_suite(both: Project, marker: str, workers: tuple[str, ...]) -> None:
    both.test(_BODY, marker=marker, name="evals/test_faq.py")
    both.write("evals/test_more.py", "def test_not_asked_for():\n    assert False\n")
    result = both.run(*workers)
    assert result.ret == 0, result.stdout.str()
    assert (both.outcomes, both.calls) == ({"a": "passed", "b": "passed"}, [])
    result.assert_outcomes(passed=3)
    assert list(both.verdict["suites"]) == ["faq"]


@pytest.mark.parametrize(
    ("args", "planned", "passed"),
    [
        (("golden/faq.jsonl",), 2, 2),
        (("golden",), 2, 2),
        (("golden/faq.jsonl::a",), 2, 1),
        (("evals",), 2, 2),
        (("evals/test_faq.py::test_code",), 2, 2),
    ],
    ids=str,
)
def test_every_path_of_the_suite_leads_to_its_test(
    both: Project, args: tuple[str, ...], planned: int, passed: int
) -> None:
    both.test(_BODY, marker='"golden/faq.jsonl"', name="evals/test_faq.py")
    both.run(*args)
    accounting = both.verdict["accounting"]
    assert (accounting["planned"], accounting["passed"], both.calls) == (planned, passed, [])


def test_another_target_of_the_command_line_replaces_the_test(both: Project) -> None:
    both.test("raise KeyboardInterrupt", marker='"golden/faq.jsonl"', name="evals/test_faq.py")
    both.write("golden/old.jsonl", '{"id": "a", "output": "yes"}\n{"id": "b", "output": "no"}\n')
    result = both.run("--eval-target", "recorded:golden/old.jsonl", "golden/faq.jsonl", "evals")
    assert both.outcomes == {"a": "passed", "b": "missed"}, result.stdout.str()
    result.assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "n2"])
def test_two_tests_of_one_suite_are_an_error_that_names_both(both: Project, workers: tuple[str, ...]) -> None:
    for name in ("evals/test_one.py", "evals/test_two.py"):
        both.test(_BODY, marker='"golden/faq.jsonl"', name=name)
    result = both.run(*workers)
    assert result.ret == 4
    said = result.stdout.str() + result.stderr.str()
    assert "suite faq is run by two tests, evals/test_one.py:5: test_code and evals/test_two.py:5: test_code: " in said
    assert "case a" not in said


def test_a_marker_that_is_known_too_late_is_refused(both: Project) -> None:
    both.write(
        "unit/test_faq.py",
        'import pytest\ngolden = pytest.mark.golden_set("golden/faq.jsonl")\n@golden\ndef test_faq(case): ...\n',
    )
    result = both.run()
    assert result.ret == 4
    both.listed(result).fnmatch_lines(
        ["*unit/test_faq.py:3: test_faq is marked with suite faq, which has a target: put *"]
    )
    assert both.calls == []


def test_a_marker_that_leaves_out_a_golden_set_is_an_error(both: Project) -> None:
    both.golden("golden/more.jsonl", "c")
    text = (both.path / "evalgate.toml").read_text("utf-8")
    both.write("evalgate.toml", text.replace('"golden/faq.jsonl"', '["golden/faq.jsonl", "golden/more.jsonl"]'))
    both.test(_BODY, marker='"golden/faq.jsonl"', name="evals/test_faq.py")
    result = both.run()
    assert result.ret == 4
    both.listed(result).fnmatch_lines(
        ["*not collected: golden/more.jsonl: evals/test_faq.py:5: test_code names other *"]
    )


def test_a_marked_test_without_a_configured_suite_is_collected_outside_of_testpaths(both: Project) -> None:
    (both.path / "evalgate.toml").unlink()
    both.golden("golden/code.jsonl", "x")
    both.test(_BODY, name="evals/test_code.py")
    both.write("other/test_code.py", "import pytest\n@pytest.mark.golden_set('x.jsonl')\ndef check(case): ...\n")
    both.pytester.makeini("[pytest]\ntestpaths = unit\nnorecursedirs = skipped\n")
    both.test(_BODY, name="skipped/test_skipped.py")
    both.run().assert_outcomes(passed=2)
    assert list(both.verdict["suites"]) == ["code"]


def test_a_golden_set_of_two_suites_needs_the_name_of_one(both: Project) -> None:
    both.configure('golden = "golden/faq.jsonl"\ntarget = { python = "bot:answer" }\n', "suites.strict")
    both.test(_BODY, marker='"golden/faq.jsonl"', name="evals/test_faq.py")
    result = both.run()
    assert result.ret == 4
    both.listed(result).fnmatch_lines(['*its golden set is that of the suites faq, strict: add suite="faq"*'])
    both.test(_BODY, marker='suite="faq"', name="evals/test_faq.py")
    assert both.run().ret == 0
    assert {name: suite["passed"] for name, suite in both.verdict["suites"].items()} == {"faq": 2, "strict": 0}


@pytest.mark.parametrize("marker", ['suite="faq", target="bot:answer"', 'suite="faq", trials=2'])
def test_the_marker_sets_what_its_suite_does_not(both: Project, marker: str) -> None:
    body = "assert output is None or output.value == 'no'\n    return 'yes'" if "target" in marker else _BODY
    head = "def test_faq(case, output):" if "target" in marker else "def test_faq(case):"
    both.test(f"{head}\n    {body}\n", marker=marker, name="evals/test_faq.py")
    assert both.run().ret == 0
    assert both.outcomes == {"a": "passed", "b": "passed"}
    assert sorted(both.calls) == (["a", "b"] if "target" in marker else [])
