"""``golden_set(..., concurrent=True)``: async bodies run together, ahead of their items."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.plugin.together import serial_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project

_MARKER = '"golden/code.jsonl", concurrent=True'
_HELPERS = """
import asyncio, os, pathlib, threading

def note(what):
    with pathlib.Path(__file__).with_name("noted").open("a") as file:
        file.write(f"{what}\\n")

class Meeting:
    '''Where bodies wait for each other: alone, each of them waits in vain.'''

    def __init__(self, wanted):
        self.wanted = wanted
        self.came = self.here = self.most = 0

    async def meet(self):
        self.came += 1
        for _ in range(1000):
            if self.came >= self.wanted:
                return "yes"
            await asyncio.sleep(0.01)
        return "nobody came"

    async def visit(self):
        self.here += 1
        self.most = max(self.most, self.here)
        await asyncio.sleep(0.01)
        self.here -= 1
        return str(self.most)

meeting = Meeting(4)
"""
_MEETS = "async def test_code(case):\n    return await meeting.meet()\nfrom helpers import *\n"
_COUNTS = (
    "async def test_code({}):\n    return 'yes' if await meeting.visit() == '1' else 'together'\n"
    "from helpers import *\n"
)


def noted(project: Project) -> list[str]:
    """Return what the code of the project noted, in order."""
    path = project.path / "noted"
    return path.read_text(encoding="utf-8").split() if path.exists() else []


@pytest.fixture
def code(project: Project) -> Callable[..., Project]:
    """Write a project whose marked test runs its bodies together."""

    def write(body: str = _MEETS, *ids: str, marker: str = _MARKER) -> Project:
        project.golden("golden/code.jsonl", *(ids or "abcd"))
        project.write("helpers.py", _HELPERS)
        project.test(body, marker=marker)
        return project

    return write


_STRICT = ("-W", "error", "-W", "ignore::pytest.PytestAssertRewriteWarning")  # the plugins are imported here already
_ASYNCIO = ("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function")


@pytest.mark.parametrize(
    ("plugin", "mark", "args"),
    [
        (None, "", ()),
        ("pytest_asyncio", "", (*_ASYNCIO, "--asyncio-mode=strict", *_STRICT)),
        ("pytest_asyncio", "@pytest.mark.asyncio\n", (*_ASYNCIO, "--asyncio-mode=strict", *_STRICT)),
        ("pytest_asyncio", "", (*_ASYNCIO, "--asyncio-mode=auto", *_STRICT)),
        ("anyio", "@pytest.mark.anyio\n", ("-p", "anyio", *_STRICT)),
        ("anyio", "", ("-p", "anyio", "-o", "anyio_mode=auto", *_STRICT)),
    ],
    ids=["no plugin", "asyncio strict unmarked", "asyncio strict", "asyncio auto", "anyio", "anyio auto"],
)
def test_bodies_run_together_whatever_plugin_is_there(
    code: Callable[..., Project], plugin: str | None, mark: str, args: tuple[str, ...]
) -> None:
    if plugin and importlib.util.find_spec(plugin) is None:
        pytest.skip(f"{plugin} is not installed")
    backend = (
        "@pytest.fixture(scope='module')\ndef anyio_backend():\n    return 'asyncio'\n" if plugin == "anyio" else ""
    )
    project = code(mark + _MEETS + backend)
    result = project.run(*args)
    assert project.outcomes == dict.fromkeys("abcd", "passed")
    assert result.ret == 0
    result.assert_outcomes(passed=4)
    assert "one case after the other" not in result.stdout.str()


def test_trials_run_together_too(code: Callable[..., Project]) -> None:
    project = code(_MEETS, "a", "b", marker=f"{_MARKER}, trials=2")
    assert project.run().ret == 0
    assert [len(project.rows[id_]["trials"]) for id_ in "ab"] == [2, 2]
    assert project.outcomes == {"a": "passed", "b": "passed"}


def test_at_most_the_window_runs_at_a_time(code: Callable[..., Project]) -> None:
    project = code(
        "async def test_code(case):\n    return 'yes' if int(await meeting.visit()) <= 2 else 'crowd'\n"
        "from helpers import *\n",
        *"abcdefgh",
    )
    assert project.run("--eval-max-concurrency=2").ret == 0
    assert set(project.outcomes.values()) == {"passed"}


@pytest.mark.parametrize(
    ("body", "outcome", "code_", "reason"),
    [
        ("return 'yes'", "passed", 0, ""),
        ("assert case.id == 'c', 'not polite'", "missed", 0, "AssertionError: not polite"),
        ("return None", "errored", 1, "returned no output"),
        ("pytest.skip('no GPU')", "errored", 11, "no GPU"),
        ("raise SystemExit(0)", "errored", 1, "SystemExit"),
    ],
)
def test_what_a_body_does(code: Callable[..., Project], body: str, outcome: str, code_: int, reason: str) -> None:
    project = code(f"async def test_code(case):\n    {body}\n", "a", "b")
    assert project.run().ret == code_
    assert project.outcomes == {"a": outcome, "b": outcome}
    assert reason in project.rows["a"].get("reason", "")


def test_an_output_missing_in_one_trial_is_an_error_of_the_test(code: Callable[..., Project]) -> None:
    project = code(
        "async def test_code(case, seen=[]):\n    seen.append(case)\n    return 'yes' if len(seen) > 1 else None\n",
        "a",
        marker=f"{_MARKER}, trials=3",
    )
    result = project.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*returned no output in 1 of 3 trials*"])


def test_fail_cases_shows_where_the_body_failed(code: Callable[..., Project]) -> None:
    project = code("async def test_code(case):\n    assert case.id == 'a', 'not polite'\n    return 'yes'\n", "a", "b")
    result = project.run("--eval-fail-cases")
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*not polite*", "test_code.py:7: AssertionError"])


def test_each_body_has_its_own_case_and_recorder(code: Callable[..., Project]) -> None:
    project = code(
        "async def test_code(case, evalgate):\n    await meeting.meet()\n"
        "    evalgate.record({'a': 'yes'}.get(case.id, 'no'))\n"
        "from helpers import *\n"
    )
    assert project.run().ret == 0
    assert project.outcomes == {"a": "passed"} | dict.fromkeys("bcd", "missed")


@pytest.mark.parametrize("scope", ["module", "class", "package", "session"])
def test_wider_fixtures_are_shared(code: Callable[..., Project], scope: str) -> None:
    project = code(
        "class TestCode:\n    async def test_code(self, case, bot):\n        assert bot.open\n"
        "        return await bot.meet()\n"
        f"@pytest.fixture(scope='{scope}')\ndef bot():\n    note('made')\n    meeting.open = True\n    yield meeting\n"
        "    meeting.open = False\nfrom helpers import *\n"
    )
    assert project.run().ret == 0
    assert project.outcomes == dict.fromkeys("abcd", "passed")
    assert noted(project) == ["made"]


def test_bodies_see_the_context_variables_of_fixtures(code: Callable[..., Project]) -> None:
    project = code(
        "async def test_code(case, name):\n    answer, _ = NAME.get(), NAME.set('changed')\n    return answer\n"
        "NAME = __import__('contextvars').ContextVar('NAME')\n"
        "@pytest.fixture(scope='module')\ndef name():\n    NAME.set('yes')\n"
    )
    assert project.run().ret == 0
    assert project.outcomes == dict.fromkeys("abcd", "passed")


_FIXTURE = "@pytest.fixture{}\n{}def own():\n    return 1\n"


@pytest.mark.parametrize(
    ("arguments", "more", "said"),
    [
        ("case, tmp_path", "", "fixture tmp_path has function scope: give it a wider scope"),
        ("case, request", "", "it uses request, which belongs to one item"),
        ("case, own", _FIXTURE.format("", ""), "fixture own has function scope"),
        ("case", _FIXTURE.format("(autouse=True)", ""), "fixture own has function scope"),
        ("case", "def setup_function():\n    pass\n", "fixture .*setup_function.* has function scope"),
    ],
)
def test_the_reason_of_a_serial_test(
    project: Project, monkeypatch: pytest.MonkeyPatch, arguments: str, more: str, said: str
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:asyncio -p no:anyio")
    case = "@pytest.fixture(scope='session')\ndef case():\n    return 1\n"
    body = f"async def test_code({arguments}):\n    pass\n"
    item = project.pytester.getitem(f"import pytest\n{case}{body}{more}", "test_code")
    assert isinstance(item, pytest.Function)
    assert re.fullmatch(f"{said}.*", serial_reason(item) or "")


@pytest.mark.parametrize(
    ("name", "more"), [("tmp_path", ""), ("evalgate", "@pytest.fixture\ndef evalgate():\n    pass\n")]
)
def test_fixtures_of_one_case_make_the_test_serial(code: Callable[..., Project], name: str, more: str) -> None:
    project = code(_COUNTS.format(f"case, {name}") + more)
    result = project.run()
    assert result.ret == 0
    assert project.outcomes == dict.fromkeys("abcd", "passed")
    said = f"fixture {name} has function scope: give it a wider scope"
    result.stdout.fnmatch_lines([f"evalgate: test_code.py::test_code runs one case after the other: {said}"])
    assert result.stdout.str().count("one case after the other") == 1


def test_async_fixtures_make_the_test_serial(code: Callable[..., Project]) -> None:
    pytest.importorskip("pytest_asyncio")
    project = code(
        _COUNTS.format("case, bot")
        + "import pytest_asyncio\n@pytest_asyncio.fixture(scope='module', loop_scope='module')\n"
        "async def bot():\n    return 1\n"
    )
    result = project.run(*_ASYNCIO, "--asyncio-mode=auto")
    assert result.ret == 0
    assert project.outcomes == dict.fromkeys("abcd", "passed")
    result.stdout.fnmatch_lines(["*::test_code runs one case after the other: fixture bot is async*"])


def test_a_target_and_its_body_run_together(code: Callable[..., Project]) -> None:
    project = code(
        "async def test_code(case, output):\n    assert output.value == case.id\n    return await meeting.meet()\n"
        "from helpers import *\n",
        marker=f'{_MARKER}, target="bot:answer"',
    )
    project.write(
        "bot.py", "from helpers import *\nasync def answer(question):\n    note(question)\n    return question\n"
    )
    assert project.run().ret == 0
    assert project.outcomes == dict.fromkeys("abcd", "passed")
    assert sorted(noted(project)) == list("abcd")


def test_a_target_without_an_answer_leaves_out_the_body(code: Callable[..., Project]) -> None:
    project = code(
        "async def test_code(case, output):\n    note(output.value)\nfrom helpers import *\n",
        marker=f'{_MARKER}, target="bot:answer"',
    )
    project.write("bot.py", "async def answer(question):\n    assert question == 'a', 'lost'\n    return 'yes'\n")
    assert project.run().ret == 0
    assert project.outcomes == {"a": "passed"} | dict.fromkeys("bcd", "missed")
    assert noted(project) == ["yes"]


_NOTES = "async def test_code(case):\n    note(case.id)\n    return 'yes'\nfrom helpers import *\n"


@pytest.mark.parametrize(
    "args",
    [["--setup-only"], ["--setup-plan"], ["--eval-estimate"]],
    ids=" ".join,
)
def test_no_body_runs_where_nothing_runs(code: Callable[..., Project], args: list[str]) -> None:
    project = code(_NOTES)
    project.run(*args)
    assert noted(project) == []


def test_no_body_runs_after_a_first_failure_or_an_error_of_collection(code: Callable[..., Project]) -> None:
    project = code(_NOTES)
    project.write("test_a.py", "def test_a():\n    assert False\n")
    assert project.run("-x").ret == 1
    project.write("test_a.py", "import nowhere\n")
    assert project.run().ret == 2
    assert noted(project) == []


def test_only_selected_cases_run(code: Callable[..., Project]) -> None:
    project = code(_NOTES)
    project.run("test_code.py::test_code[a]", "test_code.py::test_code[c]")
    assert sorted(noted(project)) == ["a", "c"]


def test_a_case_that_might_have_been_skipped_starts_itself_alone(code: Callable[..., Project]) -> None:
    project = code(_NOTES)
    project.write(
        "conftest.py",
        "import pytest\ndef pytest_collection_modifyitems(items):\n"
        "    items[1].add_marker(pytest.mark.skipif(False, reason='not here'))\n"
        "    items[2].add_marker(pytest.mark.skipif(True, reason='not here'))\n",
    )
    assert project.run().ret == 11
    assert sorted(noted(project)) == ["a", "b", "d"]


def test_a_scorer_that_breaks_is_an_error_of_the_test(code: Callable[..., Project]) -> None:
    project = code(
        _NOTES + "def score(case, output):\n    return 1 / 0\n",
        marker=f'{_MARKER}, scorers=[{{"python": "test_code:score"}}]',
    )
    assert project.run().ret == 1
    assert set(project.outcomes.values()) == {"errored"}


@pytest.mark.parametrize("dist", ["load", "loadgroup", "worksteal"])
def test_under_xdist_one_worker_runs_them_together(code: Callable[..., Project], dist: str) -> None:
    project = code(
        "@pytest.mark.xdist_group('some')\nasync def test_code(case):\n    note(f'{case.id}:{os.getpid()}')\n"
        "    return await meeting.meet()\nfrom helpers import *\n"
    )
    project.write("test_it.py", "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_it(n):\n    pass\n")
    assert project.run("-n2", "--dist", dist).ret == 0
    assert set(project.outcomes.values()) == {"passed"}
    ran, workers = zip(*(call.split(":") for call in noted(project)), strict=True)
    assert sorted(ran) == list("abcd")
    assert len(set(workers)) == 1


def test_under_xdist_the_controller_says_what_is_serial(code: Callable[..., Project]) -> None:
    project = code(_COUNTS.format("case, tmp_path"))
    result = project.run("-n2")
    assert result.ret == 0
    assert result.stdout.str().count("runs one case after the other: fixture tmp_path") == 1


def test_spread_over_workers_each_case_runs_once(code: Callable[..., Project]) -> None:
    project = code(_NOTES, *"abcdef")
    project.configure('xdist = "spread"')
    assert project.run("-n2").ret == 0
    assert Counter(noted(project)) == dict.fromkeys("abcdef", 1)


def test_a_crash_costs_the_case_that_crashes_and_no_other(code: Callable[..., Project]) -> None:
    project = code(
        "async def test_code(case):\n    note(case.id)\n    (case.id == 'c') and os._exit(0)\n    return 'yes'\n"
        "from helpers import *\n",
        *"abcdef",
    )
    assert project.run("-n2").ret == 1
    assert project.outcomes == dict.fromkeys("abdef", "passed") | {"c": "errored"}
    assert max(Counter(noted(project)).values()) <= 2  # once beside the others, once more on its own
