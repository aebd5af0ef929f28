from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_HINT = "evalgate: golden sets are not run by plain pytest; run them with: pytest --eval-gate"
_HEAVY = {"scipy", "numpy", "openai", "httpx", "pydantic", "jinja2", "diskcache", "asyncio", "tenacity", "xdist"}


def test_plain_pytest_skips_golden_set_tests_and_collects_no_golden_set(project: Project) -> None:
    project.suite({"a": "yes"})
    project.test("return 'yes'", marker='"golden/missing.jsonl"')
    project.write("test_it.py", "def test_ordinary():\n    pass\n")
    result = project.run("--strict-markers", "--strict-config", gate=False)
    result.assert_outcomes(passed=1, skipped=1)
    assert (result.ret, result.outlines.count(_HINT)) == (0, 1)
    assert not project.state.exists()


@pytest.mark.parametrize(
    "code",
    [
        '@pytest.mark.golden_set("x.jsonl")\ndef test_it():\n    raise OSError\n',
        '@pytest.mark.golden_set("x.jsonl")\nclass TestIt:\n    def test_it(self, case):\n        raise OSError\n',
        """
from unittest import TestCase
@pytest.mark.golden_set("x.jsonl")
class TestIt(TestCase):
    def test_it(self):
        raise OSError
""",
        'pytestmark = pytest.mark.golden_set("x.jsonl")\nasync def test_it(case, evalgate):\n    raise OSError\n',
    ],
    ids=["takes no case", "class", "unittest", "async module"],
)
def test_plain_pytest_skips_every_kind_of_marked_test(project: Project, code: str) -> None:
    project.write("test_it.py", "import pytest\n" + code)
    result = project.run(gate=False)
    result.assert_outcomes(skipped=1)
    assert result.ret == 0
    assert _HINT in result.outlines


def test_nothing_is_said_in_a_project_without_golden_sets(project: Project) -> None:
    project.write("test_it.py", "def test_ordinary():\n    pass\n")
    project.write("pyproject.toml", "[tool.other]\n")
    result = project.run(gate=False)
    assert result.ret == 0
    assert not [line for line in result.outlines if "evalgate:" in line]


@pytest.mark.parametrize(("args", "said"), [((), 1), (("-q",), 1), (("-qq",), 0), (("-p", "no:terminal"), 0)])
def test_the_hint_follows_the_verbosity(project: Project, args: tuple[str, ...], said: int) -> None:
    project.suite({"a": "yes"})
    project.write("test_it.py", "def test_ordinary():\n    pass\n")
    result = project.run(*args, gate=False)
    assert (result.ret, result.outlines.count(_HINT)) == (0, said)


def test_a_pyproject_with_our_table_brings_the_hint(project: Project) -> None:
    project.write("pyproject.toml", '[tool.evalgate.suites.faq]\ngolden = "faq.jsonl"\n')
    project.write("test_it.py", "def test_ordinary():\n    pass\n")
    assert _HINT in project.run(gate=False).outlines


def _modules_of_a_plain_session(project: Project, *args: str) -> set[str]:
    modules = project.path / "modules.json"
    project.write(
        "conftest.py",
        "import json, sys\n"
        "def pytest_unconfigure(config):\n"
        f"    open({str(modules)!r}, 'w').write(json.dumps(sorted(sys.modules)))\n",
    )
    # nothing but pytest and this plugin: what others load would hide what we load
    command = (sys.executable, "-m", "pytest", "--disable-plugin-autoload", "-p", "no:cacheprovider", *args)
    assert project.pytester.run(*command).ret == 0
    return set(json.loads(modules.read_text()))


def test_a_plain_session_loads_nothing_heavy(project: Project) -> None:
    project.suite({"a": "yes"})
    project.write(
        "test_code.py", 'import pytest\n@pytest.mark.golden_set("x.jsonl")\ndef test_code(case):\n    pass\n'
    )
    project.write("test_it.py", "def test_ordinary():\n    pass\n")
    without = _modules_of_a_plain_session(project, "test_it.py") | {"test_code"}
    with_us = _modules_of_a_plain_session(project, "-p", "pytest_evalgate.plugin")
    added = with_us - without
    assert not {name for name in added if name.partition(".")[0] in _HEAVY}
    ours = {name for name in added if name.startswith("pytest_evalgate")}
    light = ("", ".plugin", ".plugin.options", ".plugin.server_fixture", ".hookspec")
    assert ours <= {f"pytest_evalgate{name}" for name in light}
    assert {name.partition(".")[0] for name in added - ours} <= sys.stdlib_module_names


def test_our_modules_are_imported_as_they_are_written(project: Project) -> None:
    project.suite({"a": "yes"})
    project.write(
        "conftest.py",
        "import sys\n"
        "def pytest_unconfigure(config):\n"
        "    ours = [sys.modules[name] for name in sorted(sys.modules) if name.startswith('pytest_evalgate.')]\n"
        "    rewritten = {module.__name__ for module in ours if 'Rewriting' in type(module.__loader__).__name__}\n"
        "    print(len(ours) > 50, sorted(rewritten))\n",
    )
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", "--eval-gate")
    result = project.pytester.run(*command, "--disable-plugin-autoload", "-p", "pytest_evalgate.plugin")
    assert result.ret == 0
    early = ["", ".options", ".server_fixture"]
    assert f"True {[f'pytest_evalgate.plugin{name}' for name in early]}" in result.outlines


def test_the_option_needs_the_plugin(project: Project) -> None:
    result = project.run("-p", "no:pytest_evalgate")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*unrecognized arguments: --eval-gate*"])
