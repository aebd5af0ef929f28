"""``golden_set(..., target=...)``: the engine asks the target ahead, the body looks at its output."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.support.behaviours import Behaviour

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.plugin.marked import read_marker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer

_NOTING = (
    "import pathlib\n"
    "def note(what):\n    with pathlib.Path(__file__).with_name('noted').open('a') as file:\n"
    "        file.write(f'{what}\\n')\n"
)
_TARGET = '"golden/code.jsonl", target="bot:answer"'
_YES = "def answer(question):\n    note(question)\n    return 'yes'\n"
_A = '{"id": "a", "output": "yes"}\n'
_MAX_CHECKS = "def test_code(case, output):\n    assert output.value == 'yes', 'not polite'\n"


def noted(project: Project) -> list[str]:
    """Return what the code of the project noted, in order."""
    path = project.path / "noted"
    return path.read_text(encoding="utf-8").split() if path.exists() else []


@pytest.fixture
def code(project: Project) -> Callable[..., Project]:
    """Write a project whose marked test has the target ``answer`` of bot.py."""

    def write(body: str = _MAX_CHECKS, bot: str = _YES, *ids: str, more: str = "") -> Project:
        project.golden("golden/code.jsonl", *(ids or "ab"))
        project.write("bot.py", _NOTING + bot)
        project.test(body, marker=_TARGET + more)
        return project

    return write


def test_the_output_is_graded_where_the_body_returns_nothing(code: Callable[..., Project]) -> None:
    project = code(
        "def test_code(case):\n    pass\n", "def answer(question):\n    return {'a': 'yes'}.get(question, 'no')\n"
    )
    assert project.run().ret == 0
    assert project.outcomes == {"a": "passed", "b": "missed"}
    assert project.rows["b"]["reason"].startswith("exact")


def test_the_body_may_assert_on_the_output(code: Callable[..., Project]) -> None:
    project = code("def test_code(case, output):\n    assert case.id == 'a', f'not polite: {output.value}'\n")
    assert project.run().ret == 0
    assert project.outcomes == {"a": "passed", "b": "missed"}
    assert project.rows["b"]["reason"] == "AssertionError: not polite: yes"
    assert project.rows["b"]["trials"][0]["output"]["value"] == "yes"


@pytest.mark.parametrize("body", ["return output.value + 's'", "evalgate.record(output.value + 's')"])
def test_an_output_of_the_bodys_own_is_graded_in_place_of_the_targets(code: Callable[..., Project], body: str) -> None:
    project = code(f"def test_code(case, output, evalgate):\n    {body}\n", "def answer(question):\n    return 'ye'\n")
    assert project.run().ret == 0
    assert project.outcomes == {"a": "passed", "b": "passed"}
    assert project.rows["a"]["trials"][0]["latency_s"] > 0


def test_async_bodies_look_at_outputs_too(code: Callable[..., Project]) -> None:
    project = code(
        "async def test_code(case, output):\n    await asyncio.sleep(0)\n    assert output.value == case.id\n"
    )
    assert project.run().ret == 0
    assert project.rows["a"]["reason"].startswith("AssertionError")


def test_a_table_is_a_target_as_in_the_configuration(project: Project) -> None:
    project.golden("golden/code.jsonl", "a", "b")
    project.write("first.jsonl", _A + _A.replace('"a"', '"b"'))
    project.write("second.jsonl", _A)
    project.test(
        "def test_code(case, output):\n    assert output.value == 'yes'\n",
        marker='"golden/code.jsonl", target={"recorded": ["first.jsonl", "second.jsonl"]}',
    )
    assert project.run().ret == 11
    assert project.outcomes == {"a": "passed", "b": "errored"}
    assert len(project.rows["a"]["trials"]) == 2
    assert project.rows["b"]["reason"].startswith("no recorded output in second.jsonl: set trials of the suite")


def test_more_trials_than_recordings_are_refused(project: Project) -> None:
    project.golden("golden/code.jsonl", "a")
    project.write("first.jsonl", _A)
    mark = pytest.mark.golden_set("golden/code.jsonl", trials=2, target={"recorded": "first.jsonl"})
    with pytest.raises(SettingsError, match="suite code: 2 trials requested, but 1 recorded"):
        read_marker(mark.mark, project.assembly(), noted, project.path)


def test_all_targets_are_asked_before_the_first_body_runs(code: Callable[..., Project]) -> None:
    project = code(
        "def test_code(case, output):\n    assert output.value == 'together'\n    return 'yes'\n",
        "import threading\nbarrier = threading.Barrier(4, timeout=60)\n"
        "def answer(question):\n    barrier.wait()\n    return 'together'\n",
        *"abcd",
    )
    assert project.run().ret == 0
    assert set(project.outcomes.values()) == {"passed"}


_NUMBERED = (
    "from collections import Counter\nasked = Counter()\n"
    "async def answer(question):\n    asked[question] += 1\n    note(question)\n    return str(asked[question])\n"
)


def test_each_trial_shows_the_body_its_own_output(code: Callable[..., Project]) -> None:
    project = code(
        "def test_code(case, output, seen=[]):\n    seen.append(output.value)\n"
        "    assert output.value != '2', 'two'\n    return 'yes'\n",
        _NUMBERED,
        more=", trials=3",
    )
    assert project.run().ret == 0
    assert [trial["value"] for trial in project.rows["a"]["trials"]] == [1, 0, 1]
    assert project.rows["a"]["trials"][1]["reason"] == "AssertionError: two"
    assert Counter(noted(project)) == {"a": 3, "b": 3}


@pytest.mark.parametrize(
    "fixture",
    [
        "@pytest.fixture\ndef text(output):\n    return output.value\n",
        "@pytest.fixture(name='output')\ndef text(output):\n    return output.value\n",
    ],
)
def test_a_fixture_may_ask_for_the_output_of_a_single_trial(code: Callable[..., Project], fixture: str) -> None:
    name = "output" if "name=" in fixture else "text"
    project = code(f"def test_code(case, {name}):\n    assert {name} == 'yes'\n{fixture}")
    assert project.run().ret == 0
    assert project.outcomes == {"a": "passed", "b": "passed"}
    project.test(f"def test_code(case, {name}):\n    pass\n{fixture}", marker=f"{_TARGET}, trials=2")
    result = project.run()
    assert result.ret == 4
    project.listed(result).fnmatch_lines([f"*test_code: fixture {name} would return the output of the first trial*"])


def test_missing_answers_leave_out_body_and_fixtures(code: Callable[..., Project]) -> None:
    project = code(
        "def test_code(case, dear):\n    note('body')\n"
        "from bot import note\n"
        "@pytest.fixture\ndef dear(output):\n    note('fixture')\n    return output.value\n",
        "from pytest_evalgate import MissingOutput\n"
        "def answer(question):\n    if question == 'a':\n        raise MissingOutput('line is dead')\n"
        "    if question == 'b':\n        raise OSError('broken')\n    return 'yes'\n",
        *"abc",
    )
    assert project.run().ret == 11
    assert project.outcomes == {"a": "errored", "b": "missed", "c": "passed"}
    assert (project.rows["a"]["reason"], project.rows["b"]["reason"]) == ("line is dead", "OSError: broken")
    assert noted(project) == ["fixture", "body"]


def test_a_trial_that_is_missing_leaves_out_its_own_body_alone(code: Callable[..., Project]) -> None:
    project = code(
        "def test_code(case, output):\n    assert output.value in '13'\n    return 'yes'\n",
        _NUMBERED.replace("    return", "    if asked[question] == 2:\n        raise OSError('second')\n    return"),
        more=", trials=3",
    )
    assert project.run().ret == 0
    assert [trial["value"] for trial in project.rows["a"]["trials"]] == [1, 0, 1]
    assert project.rows["a"]["trials"][1]["reason"] == "OSError: second"


def test_a_scorer_that_breaks_is_an_error_of_the_set_up(code: Callable[..., Project]) -> None:
    project = code(
        more=', scorers=[{"python": "bot:score"}]', bot=_YES + "def score(case, output):\n    return 1 / 0\n"
    )
    result = project.run()
    assert result.ret == 1
    result.assert_outcomes(errors=2)
    assert "ZeroDivisionError" in project.rows["a"]["reason"]


def test_fail_cases_shows_the_assertion_or_the_case(code: Callable[..., Project]) -> None:
    project = code(
        "def test_code(case, output):\n    assert case.id != 'a', 'not polite'\n",
        "def answer(question):\n    return 'no'\n",
    )
    result = project.run("--eval-fail-cases")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*not polite*", "*expected   yes*"])
    result.assert_outcomes(failed=2)


@pytest.mark.parametrize("mark", ["skip(reason='later')", "skipif(True, reason='later')", "xfail(run=False)"])
def test_what_is_skipped_is_not_asked(code: Callable[..., Project], mark: str) -> None:
    project = code(f"@pytest.mark.{mark}\n{_MAX_CHECKS}")
    assert project.run().ret == 11
    assert noted(project) == []


def test_a_golden_line_that_is_skipped_is_not_asked(code: Callable[..., Project]) -> None:
    project = code()
    project.golden("golden/code.jsonl", "a", "b", skip="later")
    project.golden("golden/more.jsonl", "c")
    project.test(_MAX_CHECKS, marker=f'"golden/more.jsonl", {_TARGET}')
    project.run()
    assert noted(project) == ["c"]


@pytest.mark.parametrize(
    "args",
    [["--setup-only"], ["--setup-plan"], ["--eval-estimate"]],
    ids=" ".join,
)
def test_nothing_is_asked_where_nothing_runs(code: Callable[..., Project], args: list[str]) -> None:
    project = code(
        "def test_code(case, text):\n    pass\n@pytest.fixture\ndef text(output):\n    return output.value\n"
    )
    project.run(*args)
    assert noted(project) == []


def test_nothing_is_asked_after_an_error_of_collection(code: Callable[..., Project]) -> None:
    project = code()
    project.write("test_broken.py", "import nowhere\n")
    assert project.run().ret == 2
    assert noted(project) == []


def test_lf_asks_only_for_what_was_missed(code: Callable[..., Project]) -> None:
    project = code("def test_code(case):\n    assert case.id != 'b'\n", _YES, *"abc")
    project.run(cache=True)
    assert sorted(noted(project)) == ["a", "b", "c"]
    project.run("--lf", cache=True)
    assert sorted(noted(project)) == ["a", "b", "b", "c"]


def test_a_first_failure_ends_the_asking(code: Callable[..., Project]) -> None:
    project = code(
        bot="import asyncio\nasync def answer(question):\n    note(question)\n"
        "    await asyncio.sleep(0 if question == 'a' else 60)\n"
    )
    project.write("test_a.py", "def test_a():\n    assert False\n")
    assert project.run("-x").ret == 1
    assert set(project.outcomes.values()) == {"not_run"}


def test_without_the_gate_nothing_is_asked(code: Callable[..., Project]) -> None:
    project = code()
    project.run(gate=False).assert_outcomes(skipped=1)
    assert noted(project) == []


def test_the_output_fixture_belongs_to_tests_with_a_target(project: Project) -> None:
    project.golden("golden/code.jsonl", "a")
    project.test("def test_code(case, output):\n    return 'yes'\n")
    result = project.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*the output fixture is only for tests marked golden_set with target=*"])


@pytest.mark.parametrize("dist", ["load", "loadgroup", "worksteal"])
def test_under_xdist_one_worker_asks_and_each_case_once(code: Callable[..., Project], dist: str) -> None:
    project = code(
        "@pytest.mark.xdist_group('some')\ndef test_code(case, output, worker_id):\n    return output.value\n",
        "import os\ndef answer(question):\n    note(f'{question}:{os.getpid()}')\n    return 'yes'\n",
        *"abcdef",
    )
    project.write("test_it.py", "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_it(n):\n    pass\n")
    assert project.run("-n2", "--dist", dist).ret == 0
    assert set(project.outcomes.values()) == {"passed"}
    asked, workers = zip(*(call.split(":") for call in noted(project)), strict=True)
    assert sorted(asked) == list("abcdef")
    assert len(set(workers)) == 1


def test_a_body_that_crashes_its_worker_asks_nothing_twice(code: Callable[..., Project]) -> None:
    project = code(
        "def test_code(case, output):\n    (case.id == 'c') and __import__('os')._exit(0)\n", _YES, *"abcdef"
    )
    assert project.run("-n2").ret == 1
    assert project.outcomes == dict.fromkeys("abdef", "passed") | {"c": "errored"}
    assert Counter(noted(project)) == dict.fromkeys("abcdef", 1)


def test_a_target_that_crashes_its_worker_costs_its_own_case(code: Callable[..., Project]) -> None:
    project = code(
        "def test_code(case):\n    pass\n",
        _YES.replace("    return", "    question == 'c' and __import__('os')._exit(0)\n    return"),
        *"abcdef",
    )
    assert project.run("-n2").ret == 1
    assert project.outcomes == dict.fromkeys("abdef", "passed") | {"c": "errored"}
    assert max(Counter(noted(project)).values()) <= 2


@pytest.fixture
def model(project: Project, server: ScriptedServer) -> Project:
    """A project whose marked test has a model as its target."""
    project.golden("golden/code.jsonl", *"abcd")
    project.configure(
        f'model = "gpt-x-mini"\nbase_url = "{server.base_url}"\napi_key_env = "CANDIDATE_KEY"\n'
        "price = { input_per_mtok = 1.0, output_per_mtok = 2.0 }\n",
        table="models.candidate",
    )
    project.test(_MAX_CHECKS, marker='"golden/code.jsonl", target={"model": "candidate"}')
    return project


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
def test_a_model_is_asked_once_a_case_and_remembered(
    model: Project, server: ScriptedServer, args: tuple[str, ...]
) -> None:
    assert model.run(*args).ret == 0
    assert model.outcomes == dict.fromkeys("abcd", "passed")
    assert sorted(model.asked(server)) == list("abcd")
    assert model.verdict["calls"]["sent"] == 4
    assert model.run(*args).ret == 0
    assert model.verdict["calls"]["cached"] == 4
    assert server.calls == 4


def test_the_estimate_counts_the_calls_of_marked_tests(model: Project, server: ScriptedServer) -> None:
    result = model.run("--eval-estimate")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["code *4*"])
    assert server.calls == 0


def test_an_application_behind_http_is_a_target(project: Project, server: ScriptedServer) -> None:
    url = server.base_url.replace("/v1", "/ask")
    project.golden("golden/code.jsonl", "a", "b")
    server.script(Behaviour.reply({"answer": "yes"}))
    request = {"url": url, "body": "{{ input }}", "output": "answer"}
    project.test(_MAX_CHECKS, marker=f'"golden/code.jsonl", target={{"http": {request}}}')
    assert project.run().ret == 0
    assert project.outcomes == {"a": "passed", "b": "passed"}
    assert server.calls == 2
    assert project.run().ret == 0
    assert server.calls == 4  # nothing says that its code is the same


_LOST = (
    "def missing(question):\n    import pytest_evalgate\n    raise pytest_evalgate.MissingOutput('lost: run again')\n"
)


def test_outputs_of_code_without_a_version_are_not_those_of_an_earlier_run(code: Callable[..., Project]) -> None:
    project = code(bot="def answer(question):\n    note(question)\n    return 'no'\n")
    project.suite({"x": "yes"}, target='{ python = "bot:missing", version = "1" }')
    project.write("bot.py", (project.path / "bot.py").read_text() + _LOST)
    assert project.run().ret == 11
    project.write("bot.py", (project.path / "bot.py").read_text().replace("'no'", "'yes'"))
    assert project.run().ret == 11
    assert (project.outcomes["a"], sorted(noted(project))) == ("passed", ["a", "a", "b", "b"])


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_pytest_asyncio_runs_bodies_only_where_there_is_an_output(code: Callable[..., Project], mode: str) -> None:
    pytest.importorskip("pytest_asyncio")
    project = code(
        "@pytest.mark.asyncio\nasync def test_code(case, output):\n    await asyncio.sleep(0)\n"
        "    return output.value\n",
        "def answer(question):\n    assert question == 'a', 'lost'\n    return 'yes'\n",
    )
    args = ("-p", "asyncio", f"--asyncio-mode={mode}", "-o", "asyncio_default_fixture_loop_scope=function")
    result = project.run(*args)
    assert result.ret == 0
    result.assert_outcomes(passed=1)
    assert project.outcomes == {"a": "passed", "b": "missed"}
    assert project.rows["b"]["reason"].startswith("AssertionError: lost")


def test_methods_of_classes_get_outputs(code: Callable[..., Project]) -> None:
    project = code("class TestCode:\n    def test_code(self, output, case):\n        assert output.value == 'yes'\n")
    assert project.run().ret == 0
    assert project.outcomes == {"a": "passed", "b": "passed"}


def test_a_target_of_the_command_line_stands_in_for_the_markers(code: Callable[..., Project]) -> None:
    project = code(bot=_YES + "def other(question):\n    note('other')\n    return 'yes'\n")
    assert project.run("--eval-target", "python:bot:other").ret == 0
    assert noted(project) == ["other", "other"]


def test_a_missing_key_is_refused_before_anything_runs(
    model: Project, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CANDIDATE_KEY")
    result = model.run()
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*INVALID: *CANDIDATE_KEY*"])
    assert server.calls == 0
