from __future__ import annotations

import asyncio
import importlib.util
import re
from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_evalgate.config import Suite
from pytest_evalgate.engine.trial import run_sync
from pytest_evalgate.errors import UserError
from pytest_evalgate.plugin.marked import BodyOutputs, GoldenTest, Recorder, grade_trial, read_marker

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.conftest import Project

    from pytest_evalgate.records.results import Trial


@pytest.fixture
def code(project: Project) -> Project:
    """A project with one golden set, of the cases a and b."""
    project.golden("golden/code.jsonl", "a", "b")
    return project


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
def test_what_a_body_does(code: Project, body: str, outcome: str, code_: int, reason: str) -> None:
    code.test(body)
    assert code.run().ret == code_
    assert code.outcomes == {"a": outcome, "b": outcome}
    assert reason in code.rows["a"].get("reason", "")


def _raise(error: BaseException) -> NoReturn:
    raise error


def _graded(code: Project, *returned: object, body: Callable[[], object] = lambda: None) -> Trial | None:
    """Grade one trial: what its body records (``returned``) and returns or raises."""
    suite = code.assembly().ready_in_code("code", Suite(golden=("golden/code.jsonl",)))
    bodies = BodyOutputs()
    for value in returned:
        Recorder(bodies).record(value)
    with bodies.trial():
        bodies.add_returned(body())
    [produced] = bodies.produced
    [case, *_] = suite.sets[0]
    return run_sync(grade_trial(GoldenTest(suite, case, body), 0, produced, None))


@pytest.mark.parametrize(
    ("body", "value", "reason"),
    [
        (lambda: "yes", 1.0, ""),
        (lambda: "no", 0.0, "exact"),
        (lambda: _raise(OSError("host down")), 0.0, "OSError: host down"),
        (lambda: pytest.fail("too long"), 0.0, "too long"),
        (lambda: pytest.xfail("known"), 0.0, "known"),
        (lambda: 42, 0.0, "TypeError: the target returned int"),
        (lambda: _raise(asyncio.CancelledError()), 0.0, "CancelledError"),
        (lambda: _raise(BaseExceptionGroup("g", [KeyboardInterrupt()])), 0.0, "BaseExceptionGroup: g (1 sub-ex"),
    ],
)
def test_how_a_trial_is_graded(code: Project, body: Callable[[], object], value: float, reason: str) -> None:
    trial = _graded(code, body=body)
    assert trial is not None
    assert trial.value == value
    assert reason in trial.reason


def test_a_body_without_an_output_is_not_graded(code: Project) -> None:
    assert _graded(code) is None


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), SystemExit(0), pytest.skip.Exception("no GPU")])
def test_what_ends_a_test_passes_through(code: Project, ending: BaseException) -> None:
    with pytest.raises(type(ending)):
        _graded(code, body=lambda: _raise(ending))


@pytest.mark.parametrize("recorded", [["yes"], ["no", "yes"]])
def test_the_last_recorded_output_is_graded(code: Project, recorded: list[str]) -> None:
    trial = _graded(code, *recorded)
    assert trial is not None
    assert trial.value == 1


def test_a_test_records_its_output(code: Project) -> None:
    code.test("def test_code(case, evalgate):\n    evalgate.record('no'); evalgate.record('yes')\n")
    assert code.run().ret == 0
    assert code.outcomes == {"a": "passed", "b": "passed"}


def test_the_fixture_belongs_to_marked_tests(code: Project) -> None:
    code.test("return 'yes'")
    code.write("test_other.py", "def test_other(evalgate):\n    evalgate.record('yes')\n")
    result = code.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*the evalgate fixture is only for tests marked golden_set*"])


@pytest.mark.parametrize(
    ("mark", "exit_code", "outcome"),
    [
        ("@pytest.mark.xfail(strict=False)", 0, "missed"),
        ("@pytest.mark.skip(reason='flaky')", 11, "errored"),
        ("@pytest.mark.skipif(True, reason='flaky')", 11, "errored"),
        ("@pytest.mark.xfail(run=False)", 11, "errored"),
    ],
)
def test_no_mark_takes_a_case_out_of_the_denominator(code: Project, mark: str, exit_code: int, outcome: str) -> None:
    code.test(f"{mark}\ndef test_code(case):\n    return 'no'\n")
    assert code.run().ret == exit_code
    assert code.outcomes == {"a": outcome, "b": outcome}


def test_classes_and_fixtures(code: Project) -> None:
    code.test(
        "class TestCode:\n"
        "    @pytest.fixture\n    def bot(self, case):\n        return {'a': 'yes', 'b': 'no'}[case.id]\n"
        "    def test_code(self, case, bot, tmp_path):\n        assert tmp_path.exists()\n        return bot\n"
    )
    assert code.run().ret == 0
    assert code.outcomes == {"a": "passed", "b": "missed"}


def test_a_fixture_that_fails_is_a_red_test_and_no_answer(code: Project) -> None:
    code.test("def test_code(case, bot):\n    return 'yes'\n@pytest.fixture\ndef bot():\n    raise OSError('down')\n")
    result = code.run()
    assert result.ret == 1
    result.assert_outcomes(errors=2)
    assert code.outcomes == {"a": "errored", "b": "errored"}


def test_a_failing_teardown_is_red_and_the_answer_stays(code: Project) -> None:
    code.test(
        "def test_code(case, bot):\n    return 'yes'\n@pytest.fixture\ndef bot():\n    yield\n    raise OSError\n"
    )
    assert code.run().ret == 1
    assert code.outcomes == {"a": "passed", "b": "passed"}


def test_a_method_of_unittest_is_refused(code: Project) -> None:
    code.test("class TestCode(__import__('unittest').TestCase):\n    def test_code(self):\n        assert False\n")
    result = code.run()
    assert result.ret == 4
    code.listed(result).fnmatch_lines(
        ["*TestCode::test_code: unittest.TestCase methods take no cases: mark a function*"]
    )


@pytest.mark.parametrize("workers", [0, 2], ids=["serial", "n2"])
def test_another_parametrize_multiplies_the_cases(code: Project, workers: int) -> None:
    code.test("@pytest.mark.parametrize('x', [1, 2])\ndef test_code(case, x):\n    return 'yes'\n")
    result = code.run(*(("-n", str(workers)) if workers else ()))
    assert result.ret == 4
    assert "case a of suite code is run by " in result.stdout.str() + result.stderr.str()


def test_two_tests_of_one_golden_set_need_names(code: Project) -> None:
    code.test("return 'yes'")
    code.test("return 'yes'", name="test_more.py")
    assert code.run().ret == 4
    code.test("return 'yes'", name="test_more.py", marker='"golden/code.jsonl", suite="more"')
    assert code.run().ret == 0
    assert list(code.verdict["suites"]) == ["code", "more"]


_MARK = pytest.mark.golden_set
_CODE = "golden/code.jsonl"


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        (
            _MARK(_CODE, judge="x"),
            "golden_set: judge: write golden_set(*paths, suite=, scorers=, trials=, target=, concurrent=)",
        ),
        (_MARK("golden/none.jsonl"), "golden/none.jsonl"),
        (_MARK("../outside.jsonl"), "outside.jsonl"),
        (_MARK(_CODE, trials=0), "trials"),
        (_MARK(_CODE, scorers=["exat"]), "exact"),
        (_MARK(), "name a golden set, or a configured suite with suite="),
        (_MARK(suite="none"), "name a golden set, or a configured suite with suite="),
        (_MARK(42), "golden_set: 42: write golden_set("),
        (_MARK(_CODE, concurrent=1), "golden_set: concurrent=1: write golden_set("),
        (_MARK(_CODE, concurrent=True), "golden_set: concurrent=True needs an async def"),
        (_MARK(_CODE, target=True), "golden_set: target=True: write golden_set("),
        (_MARK(_CODE, target="answer"), "golden_set: target.python: "),
        (_MARK(_CODE, target={}), "golden_set: target: a target has exactly one of"),
        (_MARK(_CODE, target="nowhere:answer"), "nowhere"),
        (_MARK(_CODE, target={"model": "none"}), "no model is named 'none'"),
    ],
    ids=str,
)
def test_a_wrong_marker(code: Project, mark: pytest.MarkDecorator, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        read_marker(mark.mark, code.assembly(), _raise, code.path)


def test_a_wrong_marker_runs_nothing(code: Project) -> None:
    code.test("raise KeyboardInterrupt", marker='"golden/code.jsonl", trials=0')
    result = code.run()
    assert result.ret == 4
    code.listed(result).fnmatch_lines(["*INVALID: *trials*"])
    assert code.verdict["verdict"] == "invalid"


def test_plain_bodies_run_in_the_main_thread_one_after_the_other(code: Project) -> None:
    code.test(
        "def test_code(case, busy=[]):\n    import threading\n    assert not busy\n    busy.append(case)\n"
        "    busy.clear()\n    assert threading.current_thread() is threading.main_thread()\n    return 'yes'\n"
    )
    assert code.run().ret == 0
    assert code.outcomes == {"a": "passed", "b": "passed"}


def test_async_bodies_run_on_one_loop_of_the_main_thread(code: Project) -> None:
    code.test(
        "async def test_code(case, loops=set()):\n    import threading\n    loops.add(asyncio.get_running_loop())\n"
        "    assert threading.current_thread() is threading.main_thread()\n    assert len(loops) == 1\n"
        "    return 'yes'\n"
    )
    assert code.run().ret == 0
    assert code.outcomes == {"a": "passed", "b": "passed"}


def test_a_wrong_marker_under_xdist(code: Project) -> None:
    code.test("raise KeyboardInterrupt", marker='"golden/none.jsonl"')
    code.suite({"x": "yes"})
    assert code.run("-n", "2").ret == 4
    assert code.verdict["verdict"] == "invalid"
    assert "golden/none.jsonl" in code.verdict["problems"][0]
    assert code.outcomes == {"x": "not_run"}


def test_a_configured_suite_lends_scorers_gates_and_trials(code: Project) -> None:
    code.configure(
        'golden = "golden/code.jsonl"\nscorers = ["contains"]\ntrials = 3\n'
        'gates = [{ kind = "pass-rate", min = 1.0, bound = "point" }]\n',
        "suites.chat",
    )
    code.test("return f'oh yes, {case.input}'", marker='suite="chat"')
    assert code.run().ret == 0
    suite = code.verdict["suites"]["chat"]
    assert (suite["trials"], suite["scores"]["contains"]["n"], suite["gates"][0]["kind"]) == (3, 6, "pass-rate")


def test_a_path_finds_its_configured_suite(code: Project) -> None:
    code.configure('golden = "golden/code.jsonl"\nscorers = ["contains"]\n', "suites.chat")
    code.test("return 'oh yes'")
    assert code.run().ret == 0
    assert code.verdict["suites"]["chat"]["passed"] == 2


def test_trials_of_the_marker(code: Project) -> None:
    code.test(
        "def test_code(case, seen=[]):\n    seen.append(case.id)\n    return 'yes' if len(seen) % 3 else 'no'\n",
        marker='"golden/code.jsonl", trials=3',
    )
    assert code.run().ret == 0
    assert [trial["value"] for trial in code.rows["a"]["trials"]] == [1, 1, 0]
    assert code.outcomes == {"a": "passed", "b": "passed"}


def test_an_output_missing_in_one_trial_is_an_error_of_the_test(code: Project) -> None:
    code.test(
        "def test_code(case, seen=[]):\n    seen.append(case.id)\n    return 'yes' if len(seen) % 3 else None\n",
        marker='"golden/code.jsonl", trials=3',
    )
    result = code.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*returned no output in 1 of 3 trials*"])
    assert code.outcomes == {"a": "errored", "b": "errored"}


def test_the_golden_lines_skip_skips(code: Project) -> None:
    code.golden("golden/code.jsonl", "a", "b", skip="wrong answer wanted")
    code.golden("golden/more.jsonl", "c")
    code.test("return 'yes'", marker='"golden/code.jsonl", "golden/more.jsonl"')
    code.run().assert_outcomes(skipped=2, passed=1)
    assert code.outcomes == {"a": "skipped", "b": "skipped", "c": "passed"}


_ASYNC = "async def test_code(case):\n    await asyncio.sleep(0)\n    return {'a': 'yes', 'b': 'no'}[case.id]\n"
_ANYIO = "@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n\n"


@pytest.mark.parametrize(
    ("plugin", "head", "args"),
    [
        (None, "", ()),
        ("pytest_asyncio", "", ("--asyncio-mode=strict",)),
        ("pytest_asyncio", "@pytest.mark.asyncio\n", ("--asyncio-mode=strict",)),
        ("pytest_asyncio", "", ("--asyncio-mode=auto",)),
        ("anyio", "@pytest.mark.anyio\n", ()),
    ],
    ids=["no plugin", "asyncio strict unmarked", "asyncio strict", "asyncio auto", "anyio"],
)
def test_async_bodies(code: Project, plugin: str | None, head: str, args: tuple[str, ...]) -> None:
    if plugin and importlib.util.find_spec(plugin) is None:
        pytest.skip(f"{plugin} is not installed")
    code.test(head + _ASYNC + (_ANYIO if plugin == "anyio" else ""))
    if plugin == "pytest_asyncio":
        args = ("-p", "asyncio", *args, "-o", "asyncio_default_fixture_loop_scope=function")
    result = code.run(*args, *(("-p", "anyio") if plugin == "anyio" else ()))
    assert result.ret == 0
    assert code.outcomes == {"a": "passed", "b": "missed"}


def test_an_async_body_that_raises(code: Project) -> None:
    code.test("async def test_code(case):\n    assert await asyncio.sleep(0, False), 'no'\n")
    assert code.run().ret == 0
    assert code.rows["a"]["reason"] == "AssertionError: no"


def test_a_missed_body_under_fail_cases_shows_where_it_failed(code: Project) -> None:
    code.test("assert case.id == 'a', 'not polite'\n    return 'yes'")
    result = code.run("--eval-fail-cases")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*not polite*", "test_code.py:7: AssertionError"])
    result.assert_outcomes(passed=1, failed=1)
