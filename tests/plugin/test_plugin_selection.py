"""A configured suite that nothing runs is no pass, and a suite runs whatever pytest calls its path."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project

_OUTPUTS = {"a": "yes", "b": "yes"}
_MARKED = "test_code(case):\n    return 'yes'\n"
_NO_TEST = "suites.code: no target: its rows hold no recorded output, and no collected test"


def _marked(project: Project, name: str = "test_code.py", before: str = "") -> None:
    """Add a suite without a target, and the module of the test that is marked with it."""
    project.golden("golden/code.jsonl", "c")
    project.configure('golden = "golden/code.jsonl"\n', "suites.code")
    project.test(f"{before}def {_MARKED}", marker='suite="code"', name=name)


def _no_target(project: Project) -> None:
    _marked(project)
    (project.path / "test_code.py").unlink()


def _below_no_testpath(project: Project) -> None:
    project.pytester.makeini("[pytest]\ntestpaths = unit\n")
    project.write("unit/test_unit.py", "def test_unit():\n    pass\n")
    _marked(project, "evals/test_code.py")


def _renamed(project: Project) -> None:
    _marked(project)
    project.golden("golden/cod.jsonl", "c")
    project.test(f"def {_MARKED}", marker='"golden/cod.jsonl", suite="cod"')


def _not_a_test_any_more(project: Project) -> None:
    _marked(project)
    project.test(f"def check_{_MARKED}", marker='suite="code"')


def _in_a_file_that_is_no_test(project: Project) -> None:
    _marked(project, "code_checks.py")


def _skipped_at_import(project: Project) -> None:
    _marked(project)
    project.write("test_code.py", "import pytest\npytest.importorskip('no_such_module')\n")


def _ignored(project: Project) -> None:
    _marked(project)
    project.write("conftest.py", "collect_ignore = ['test_code.py']\n")


def _path_in_addopts(project: Project) -> None:
    project.pytester.makeini("[pytest]\naddopts = unit\n")
    project.write("unit/test_unit.py", "def test_unit():\n    pass\n")
    _marked(project)


_UNMARKED = [_no_target, _renamed, _not_a_test_any_more, _in_a_file_that_is_no_test,
             _skipped_at_import, _ignored]  # fmt: skip


@pytest.mark.parametrize("lose", _UNMARKED)
def test_a_suite_that_no_collected_test_is_marked_with_is_invalid(
    project: Project, lose: Callable[[Project], None]
) -> None:
    project.suite(_OUTPUTS)
    lose(project)
    result = project.run()
    assert result.ret == 4
    assert project.verdict["verdict"] == "invalid"
    project.listed(result).fnmatch_lines([f"*{_NO_TEST}*"])
    assert project.verdict["accounting"]["passed"] == 0


@pytest.mark.parametrize("place", [_below_no_testpath, _path_in_addopts])
def test_the_marked_test_of_a_suite_runs_wherever_it_is(project: Project, place: Callable[[Project], None]) -> None:
    project.suite(_OUTPUTS)
    place(project)
    assert project.run().ret == 0
    assert project.verdict["accounting"]["passed"] == 3


def test_the_message_names_what_was_skipped_and_the_nearest_suite(project: Project) -> None:
    _renamed(project)
    project.write("test_skipped.py", "import pytest\npytest.skip('later', allow_module_level=True)\n")
    said = project.listed(project.run()).str()
    assert 'did you mean "cod"?' in said
    assert "skipped: test_skipped.py" in said
    assert '@pytest.mark.golden_set(suite="code")' in said


@pytest.mark.parametrize("lose", [_no_target, _skipped_at_import])
def test_workers_of_xdist_refuse_it_as_well(project: Project, lose: Callable[[Project], None]) -> None:
    project.suite(_OUTPUTS)
    lose(project)
    result = project.run("-n", "2")
    assert result.ret == 4
    assert _NO_TEST in "; ".join(project.verdict["problems"])
    assert project.verdict["accounting"]["passed"] == 0


def _collect_ignore(project: Project) -> tuple[str, ...]:
    project.write("conftest.py", "collect_ignore_glob = ['golden/more*']\n")
    return ()


def _ignore_glob(_: Project) -> tuple[str, ...]:
    return ("--ignore-glob=*more.jsonl",)


def _hook(project: Project) -> tuple[str, ...]:
    project.write(
        "conftest.py",
        "def pytest_ignore_collect(collection_path):\n    return 'more' in collection_path.name or None\n",
    )
    return ()


@pytest.mark.parametrize("exclude", [_collect_ignore, _ignore_glob, _hook])
def test_one_excluded_file_of_a_suite_is_invalid(
    project: Project, exclude: Callable[[Project], tuple[str, ...]]
) -> None:
    project.suite(_OUTPUTS, golden='["golden/faq.jsonl", "golden/more.jsonl"]')
    project.golden("golden/more.jsonl", "c")
    result = project.run(*exclude(project))
    assert result.ret == 4
    project.listed(result).fnmatch_lines(["*suite faq was not collected: golden/more.jsonl: *excluded by*"])


def test_a_suite_of_which_lf_leaves_the_file_out_makes_the_run_partial(project: Project) -> None:
    project.suite(_OUTPUTS)
    project.write("test_unit.py", "def test_unit():\n    assert False\n")
    assert project.run(cache=True).ret == 1
    project.write("test_unit.py", "def test_unit():\n    pass\n")
    assert project.run("--lf", cache=True).ret == 5  # no case ran
    assert project.verdict["verdict"] == "not_evaluated"


@pytest.mark.parametrize("args", [("golden/faq.jsonl",), ("golden",)])
def test_a_path_that_the_user_gave_selects_suites(project: Project, args: tuple[str, ...]) -> None:
    project.suite(_OUTPUTS)
    _no_target(project)
    assert project.run(*args).ret == 0
    assert project.verdict["suites_not_run"] == ["code"]


_ODD = ["gold [v1]/g.jsonl", "a::b/g.jsonl", "[id]/[slug].jsonl", "golden/G.JSONL", "golden/g.txt", "golden/rows",
        "größe/ä b.jsonl"]  # fmt: skip


@pytest.mark.parametrize("path", _ODD)
def test_a_suite_runs_whatever_its_path_is_called(project: Project, path: str) -> None:
    project.suite(_OUTPUTS, golden=f'"{path}"')
    (project.path / path).parent.mkdir(exist_ok=True)
    shutil.move(project.path / "golden/faq.jsonl", project.path / path)
    assert project.run().ret == 0
    project.run(path).assert_outcomes(passed=2)


def test_brackets_below_no_testpath_run_in_workers_too(project: Project) -> None:
    project.pytester.makeini("[pytest]\ntestpaths = unit\n")
    project.write("unit/test_unit.py", "def test_unit():\n    pass\n")
    project.suite(_OUTPUTS, golden='"gold [v1]/g.jsonl"')
    (project.path / "gold [v1]").mkdir()
    shutil.move(project.path / "golden/faq.jsonl", project.path / "gold [v1]/g.jsonl")
    project.run("-n", "2").assert_outcomes(passed=3)
    assert project.verdict["accounting"]["passed"] == 2


def test_brackets_below_norecursedirs_are_an_error(project: Project) -> None:
    project.pytester.makeini("[pytest]\ntestpaths = unit\nnorecursedirs = gold*\n")
    project.write("unit/test_unit.py", "def test_unit():\n    pass\n")
    project.suite(_OUTPUTS, golden='"gold [v1]/g.jsonl"')
    (project.path / "gold [v1]").mkdir()
    shutil.move(project.path / "golden/faq.jsonl", project.path / "gold [v1]/g.jsonl")
    result = project.run()
    assert result.ret == 4
    project.listed(result).fnmatch_lines(["*suite faq was not collected: gold [[]v1]/g.jsonl*"])


def test_a_golden_set_in_addopts_needs_a_target(project: Project) -> None:
    project.pytester.makeini("[pytest]\naddopts = golden/faq.jsonl\n")
    project.golden("golden/faq.jsonl", "a")
    result = project.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*golden/faq.jsonl: no target: *"])
    project.golden("golden/faq.jsonl", "a", output="yes")
    project.run().assert_outcomes(passed=1)


def test_golden_sets_outside_of_testpaths_run_from_any_folder(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.pytester.makeini("[pytest]\ntestpaths = evals\n")
    project.suite(_OUTPUTS)
    _marked(project, "evals/test_code.py")
    project.run().assert_outcomes(passed=3)
    monkeypatch.chdir(project.path / "evals")
    project.run().assert_outcomes(passed=3)
