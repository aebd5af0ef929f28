from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.plugin.options import environment_variable
from pytest_evalgate.runs.state import StateFolder

if TYPE_CHECKING:
    from tests.plugin.conftest import Project
    from tests.support.server import ScriptedServer

_ANSWER = "def answer(question):\n    note(question)\n    return 'yes'\n"
_REGRESSION = '{ kind = "no-regression" }'


def _refused(project: Project, *args: str) -> str:
    """Run, expect that nothing ran and that no verdict is left, and return what was said."""
    project.write(".evalgate/verdict.json", '{"verdict": "pass"}')
    result = project.run(*args)
    assert result.ret == 4
    assert not project.has_verdict
    assert not project.calls
    with StateFolder(project.state).locked():
        pass  # it was released
    return "\n".join(result.errlines)


def _problem(project: Project, **options: str) -> str:
    """Return why the suite cannot be built, or its gates cannot decide."""
    with pytest.raises(UserError) as refused:
        project.check(**options)
    return str(refused.value)


@pytest.mark.parametrize("args", [("-n", "2"), ("golden/one.jsonl::a", "golden/two.jsonl")], ids=str)
def test_every_problem_of_every_golden_set_is_listed(project: Project, args: tuple[str, ...]) -> None:
    project.python_suite(_ANSWER, "a")
    table = 'golden = ["golden/one.jsonl", "golden/two.jsonl"]\ntarget = { python = "bot:answer" }\n'
    project.configure(table, "suites.two")
    one = ('{"id": "a", "input": 1}', '{"id": "a", "input": 2}', '{"id": "b", "input": 3, "inputs": 1}')
    two = ('{"id": "c::d", "input": 1}', '{"id": "e", "input": 1', '{"id": "f", "input": 1, "weight": -1}')
    project.write("golden/one.jsonl", "\n".join(one))
    project.write("golden/two.jsonl", "\n".join(two))
    said = _refused(project, *args)
    for line in ("golden/one.jsonl:2: duplicate id", "golden/one.jsonl:3: inputs:", "golden/two.jsonl:1: id:",
                 "golden/two.jsonl:2:", "golden/two.jsonl:3: weight:"):  # fmt: skip
        assert line in said


def test_every_suite_says_what_is_wrong_with_it(project: Project) -> None:
    project.python_suite(_ANSWER, "a")
    for name, key in (("one", 'scorers = ["exat"]'), ("two", 'target = { recorded = "none.jsonl" }')):
        project.golden(f"golden/{name}.jsonl", "a")
        project.configure(f'golden = "golden/{name}.jsonl"\n{key}\n', f"suites.{name}")
    project.write("golden/bad.jsonl", "{}")
    project.configure('golden = "golden/bad.jsonl"\n', "suites.bad")
    said = _refused(project)
    assert [text in said for text in ("exat", "none.jsonl", "golden/bad.jsonl:1")] == [True] * 3


_MORE = """

def none():
    return "yes"

def two(question, context):
    return "yes"

def lines(question, output=None):
    yield "yes"

def prints(question) -> None:
    print("yes")

class Bot:
    def __init__(self, question, output=None):
        pass
"""
_PYTHON = "target = { python = 'bot:answer' }"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("gold = 1", 'evalgate.toml:1: gold: unknown key; did you mean "golden", in [suites.NAME]?'),
        ("on_inconclusive = 'never'", "evalgate.toml:1: on_inconclusive: "),
        ("max_error_rate = nan", "evalgate.toml:1: max_error_rate: "),
        ("[suites.faq", "evalgate.toml:1: not TOML: "),
        ("[suites.faq]\ngolden = '../faq.jsonl'", "suites.faq.golden: "),
        ("[suites.faq]\ngolden = 'golden/none.jsonl'", "golden/none.jsonl"),
    ],
)
def test_a_wrong_table(project: Project, config: str, said: str) -> None:
    project.python_suite(_ANSWER, "a")
    project.write("evalgate.toml", config)
    assert said in _problem(project)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("scorer = ['exact']", 'suites.faq.scorer: unknown key; did you mean "scorers"?'),
        ("target = {}", "suites.faq.target: a target has exactly one of"),
        (f"scorers = ['exat']\n{_PYTHON}", '"exact"'),
        ("target = { python = 'bot:anwser' }", 'did you mean "answer"?'),
        ("target = { recorded = 'none.jsonl' }", "none.jsonl"),
        ("target = { recorded = '../x.jsonl' }", "suites.faq.target.recorded: ../x.jsonl leads to"),
        ("target = { recorded = 'twice.jsonl' }", 'twice.jsonl:2: id: duplicate id "a" (first at line 1)'),
        ("trials = 3\ntarget = { recorded = 'once.jsonl' }", "suites.faq.trials: 3 requested, but 1 recorded"),
        (f"{_PYTHON}\ngates = [{{ kind = 'pass-rate', min = 0.9 }}]", "at least 29 cases"),
        (f"{_PYTHON}\ngates = []", "suites.faq.gates: an empty list does not switch"),
        (f"{_PYTHON}\n[suites.faq.tiers.quick]\ngates = []", "suites.faq.tiers.quick.gates: an empty list"),
        (f"{_PYTHON}\nslices = ['lang']", 'suites.faq.slices: no case has a slice by "lang": tag the cases'),
        (f"{_PYTHON}\ngates = [{{ kind = 'must-pass', tags = ['x'] }}]", 'must-pass: no case has the tag "x"'),
        (f"{_PYTHON}\ngates = [{{ kind = 'mean-score', scorer = 'exat', min = 0.1 }}]", 'did you mean "exact"?'),
        (f"{_PYTHON}\nscorers = ['number']", "golden/faq.jsonl:1: number: the expected value"),
        ("target = { python = 'bot:none' }", 'python = "bot:none" takes (): too many positional arguments'),
        ("target = { python = 'bot:two' }", "takes (question, context): missing a required argument: 'context'"),
        ("target = { python = 'bot:Bot' }", 'python = "bot:Bot" is a class'),
        ("target = { python = 'bot:lines' }", 'python = "bot:lines" is a generator'),
        ("target = { python = 'bot:prints' }", 'python = "bot:prints" returns None by its annotation'),
        (f"{_PYTHON}\nscorers = [{{ python = 'bot:Bot' }}]", 'suites.faq.scorers[0]: python = "bot:Bot" is a class'),
        (f"{_PYTHON}\nscorers = [{{ python = 'bot:lines' }}]", 'python = "bot:lines" is a generator'),
        (
            "target = { command = ['python', 'app.py', '{{ input }}'] }",
            '"{{ input }}" is passed to the program unchanged',
        ),
        (
            "target = { command = ['python', 'app.py', '--q={input}'] }",
            '"--q={input}" is passed to the program unchanged',
        ),
        (
            "target = { http = { url = 'http://h', headers = { X-Q = '{{ input }}' }, body = '{{ input }}' } }",
            "headers.X-Q: headers are sent unchanged",
        ),
        (
            "target = { http = { url = 'http://127.0.0.1:9', body = { q = '{input}' } } }",
            "would send the same request",
        ),
        (
            "target = { http = { url = 'http://127.0.0.1:9', body = { q = '{input}', id = '{{ case.id }}' } } }",
            "golden/faq.jsonl:1: suites.faq.target: no question reaches the application",
        ),
    ],
)
def test_a_wrong_suite(project: Project, keys: str, said: str) -> None:
    project.python_suite(_ANSWER + _MORE, "a")
    project.write("twice.jsonl", '{"id": "a", "output": "yes"}\n' * 2)
    project.write("once.jsonl", '{"id": "a", "output": "yes"}\n')
    project.write("evalgate.toml", f"[suites.faq]\ngolden = 'golden/faq.jsonl'\n{keys}\n")
    assert said in _problem(project)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ("--eval-target", "bot:answer"),
            "--eval-target bot:answer: write python:bot:answer for a function; the forms are",
        ),
        (("-n", "2", "--dist", "each"), "--dist each"),
    ],
)
def test_a_wrong_option(project: Project, args: tuple[str, ...], said: str) -> None:
    project.python_suite(_ANSWER, "a")
    assert said in _refused(project, *args)


@pytest.mark.parametrize(
    "option", ["--collect-only", "--co", "--setup-plan", "--setup-only", "--markers", "--eval-estimate"]
)
def test_an_option_in_addopts_with_which_nothing_runs(project: Project, option: str) -> None:
    project.python_suite(_ANSWER, "a")
    project.write("options", option)
    project.write("pytest.ini", "[pytest]\naddopts = @options\n")
    assert f"with {option} no case runs" in _refused(project)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("EVALGATE_BASE_REF", "HEAD"), ("GITHUB_BASE_REF", ""), ("GITHUB_BASE_REF", "topic"), ("GITHUB_SHA", "0" * 40)],
)
@pytest.mark.parametrize("hook", ["", "def pytest_configure():\n    "])
def test_a_base_that_the_branch_replaces(
    project: Project, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, hook: str
) -> None:
    for name in ("EVALGATE_BASE_REF", "GITHUB_SHA"):
        monkeypatch.setenv(name, "")  # restores what the conftest sets
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    project.python_suite(_ANSWER, "a")
    project.write("conftest.py", f"import os\n{hook}os.environ['{variable}'] = '{value}'\n")
    assert f"{variable}: changed since pytest started" in _refused(project)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--eval-trials=0", "--eval-trials 0: give a whole number from 1"),
        ("--eval-trials=many", "--eval-trials many: give a whole number from 1"),
        ("--eval-sample=0", "--eval-sample 0: give a whole number from 1"),
        ("--eval-sample=-3", "--eval-sample -3: give a whole number from 1"),
        ("--eval-sample=some", "--eval-sample some: give a whole number from 1"),
        ("--eval-budget-usd=-1", "--eval-budget-usd -1: give an amount in US dollars"),
        ("--eval-stop=soon", "--eval-stop soon: write one of certainty, never"),
        *(
            (f"--eval-shard={shard}", f"--eval-shard {shard}: give I/N such as 2/4")
            for shard in ("0/4", "5/4", "x", "1/1001")
        ),
    ],
)
@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_value_that_cannot_be_read(
    project: Project, monkeypatch: pytest.MonkeyPatch, option: str, said: str, by: str
) -> None:
    name, _, value = option.partition("=")
    if by == "variable":
        monkeypatch.setenv(environment_variable(name), value)
    with pytest.raises(SettingsError, match=re.escape(said)):
        project.options(*([option] if by == "option" else []))


@pytest.mark.parametrize("spec", ["none.json", "git:no-such-branch"])
def test_a_baseline_that_is_not_there(project: Project, spec: str) -> None:
    project.python_suite(_ANSWER, "a")
    assert f"suites.faq.baseline: {f'file:{spec}' if spec == 'none.json' else ''}" in _problem(project, baseline=spec)


def test_two_configurations_are_refused(project: Project) -> None:
    project.suite({"a": "yes"})
    project.write("pyproject.toml", "[tool.evalgate]\n")
    assert "both present" in _refused(project)


def _with_baseline(project: Project, gates: str = _REGRESSION) -> None:
    project.python_suite(_ANSWER, "a", "b", gates=gates)
    assert project.run().ret == 0
    assert main(["baseline", "promote", "--reason", "first"]) == 0
    (project.path / "calls").unlink()


def test_a_baseline_that_is_there_is_compared_with(project: Project) -> None:
    _with_baseline(project)
    assert project.run().ret == 0
    assert project.verdict["suites"]["faq"]["delta"]["pairs"] == 2
    assert project.verdict["verdict"] == "pass"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"values":[1]', '"values":[0]', "does not match its digest"),
        ('"schema": 1', '"schema": 99', "schema 99 is newer"),
        ('"suite": "faq"', '"suite": "other"', "is the baseline of suite 'other', not of 'faq'"),
        ('"kind": "evalgate-baseline"', '"kind": "x"', "not a baseline"),
        (" }\n}\n", "", "promote a run again"),
    ],
    ids=["edited", "newer", "of another suite", "of another kind", "torn"],
)
def test_a_baseline_that_cannot_be_used(project: Project, old: str, new: str, said: str) -> None:
    _with_baseline(project)
    file = project.state / "baselines" / "faq.json"
    text = file.read_text()
    assert old in text
    text = re.sub(r' "sha256": "[0-9a-f]{64}",\n', "", text)  # as of an earlier version: its digest would differ
    file.write_text(text.replace(old, new))
    assert said in _problem(project)


def test_the_baseline_of_an_in_code_suite_is_checked_before_anything_runs(project: Project) -> None:
    project.golden("golden/code.jsonl", "a")
    project.test("raise KeyboardInterrupt")
    project.write(".evalgate/baselines/code.json", "{}")
    result = project.run()
    assert result.ret == 4
    project.listed(result).fnmatch_lines(["*suites.code.baseline: *not a baseline*"])


def test_the_first_run_is_recorded(project: Project) -> None:
    project.suite({"a": "yes"}, gates=_REGRESSION)
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*no baseline yet: *", "evalgate: *no baseline yet: pytest-evalgate baseline promote*(exit 0*"]
    )


@pytest.mark.parametrize(
    ("ci", "policy", "gates", "code"),
    [
        ("true", None, _REGRESSION, 4),
        ("true", "record", _REGRESSION, 0),
        ("true", None, None, 0),
        ("false", None, _REGRESSION, 0),
        ("", "fail", _REGRESSION, 4),
    ],
)
def test_a_missing_baseline(
    project: Project, monkeypatch: pytest.MonkeyPatch, ci: str, policy: str | None, gates: str | None, code: int
) -> None:
    monkeypatch.setenv("CI", ci)
    project.suite({"a": "yes"}, gates=gates or _REGRESSION)
    if gates is None:
        file = project.path / "evalgate.toml"
        file.write_text(file.read_text().replace(f"gates = [{_REGRESSION}]\n", ""))
    if policy:
        project.configure(f'on_missing_baseline = "{policy}"')
    assert project.run().ret == code
    assert project.verdict["verdict"] == ("invalid" if code else "inconclusive")


def test_the_environment_speaks_where_the_command_line_is_silent(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.python_suite(_ANSWER, "a")
    monkeypatch.setenv("EVALGATE_TRIALS", "3")
    assert project.run().ret == 0
    assert project.calls == ["a"] * 3
    assert project.run("--eval-trials", "2").ret == 0
    assert len(project.rows["a"]["trials"]) == 2
    assert json.dumps(project.verdict["suites"]["faq"]["trials"]) == "2"


def test_a_prompt_without_the_input_costs_no_call(project: Project, server: ScriptedServer) -> None:
    project.write("p.md", "Answer the question of the customer: {input}")
    project.model_suite(server, "a", "b", target='{ model = "candidate", prompt = "p.md" }')
    said = _refused(project)
    assert "no question reaches the application" in said
    assert 'put {{ input }} into p.md; "{input}" is sent unchanged' in said
    assert not server.requests


def test_what_scorers_lack_costs_no_call(project: Project, server: ScriptedServer) -> None:
    project.model_suite(server, "a", scorers='["icontains"]')
    rows = [{"id": f"a{number}", "input": "q", "expected_content": "x"} for number in range(3)]
    project.write("golden/faq.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    said = _refused(project)
    for line in (1, 2, 3):
        assert f'golden/faq.jsonl:{line}: icontains: nothing to compare with: add "expected"' in said
    assert not server.requests


@pytest.mark.parametrize("marker", ['"golden/code.jsonl"', '"golden/code.jsonl", target="bot:answer"'])
def test_what_scorers_of_a_marked_test_lack_is_found_before_it_runs(project: Project, marker: str) -> None:
    project.write_bot(_ANSWER)
    project.write("golden/code.jsonl", '{"id": "a", "input": "q"}\n')
    project.test("raise KeyboardInterrupt", marker=marker)
    result = project.run()
    assert result.ret == 4
    project.listed(result).fnmatch_lines(["*golden/code.jsonl:1: exact: nothing to compare with*"])
    assert not project.calls


def test_fields_that_nothing_grades_are_a_warning_before_and_after_the_run(project: Project) -> None:
    project.suite({"a": "yes"})
    project.golden("golden/faq.jsonl", "a", must_not_contain="no", expected_tools=["search"])
    result = project.run()
    assert result.ret == 0
    message = "golden/faq.jsonl: expected_tools, must_not_contain: nothing grades them (1 case)*"
    result.stdout.fnmatch_lines([f"evalgate: {message}", f"*{message}"])
    quiet = project.run("-q", "-n", "2")
    quiet.stdout.fnmatch_lines([f"*{message}"])


_HTTP = (
    "[suites.faq]\ngolden = 'golden/faq.jsonl'\n[suites.faq.target.http]\nurl = 'http://h'\nbody = '{{{{ input }}}}'\n"
)
_SECRET = "sk-" + "proj-Ab1Cd2Ef3Gh4Ij5Kl6Mn7"


@pytest.mark.parametrize(
    "table",
    [
        "[models.c]\nmodel = 'm'\napi_key_env = '{}'",
        "[models.c]\nmodel = 'm'\nclient = '{}'",
        "[models.c]\nmodel = 'm'\nbase_url = '{}'",
        "[models.c]\nmodel = 'm'\nbase_url = 'https://host/v1?key={}'",
        "[models.c]\nmodel = 'm'\nmax_concurrency = '{}'",
        "[models.c]\nmodel = 'm'\n{} = 1",
        "[models.'{}']\nmodel = 1",
        "[suites.faq]\ngolden = 'golden/faq.jsonl'\ntarget = {{ model = '{}' }}",
        "[suites.faq]\ngolden = 'golden/faq.jsonl'\nscorers = ['{}']",
        "[suites.faq]\ngolden = 'golden/faq.jsonl'\nscorers = [{{ judge = '{}' }}]",
        "[suites.faq]\ngolden = '{}'",
        _HTTP + "headers = {{ Authorization = 'Bearer {}' }}",
        _HTTP + "headers_env = {{ Authorization = '{}' }}",
        "[suites.faq]\ngolden = 'golden/faq.jsonl'\nscorers = [{{ kind = 'exact', strip = '{}' }}]",
    ],
)
def test_no_message_prints_a_key(project: Project, table: str) -> None:
    project.python_suite(_ANSWER, "a")
    project.write("evalgate.toml", table.format(_SECRET))
    result = project.run()
    assert result.ret == 4
    assert "sk-proj" not in "\n".join((*result.outlines, *result.errlines))


def test_a_table_is_refused_with_the_command_that_imports_it(project: Project) -> None:
    project.suite({"a": "yes"})
    project.write("golden/more.csv", "question,expected\na,yes\n")
    command = "pytest-evalgate import golden/more.csv --to golden/more.jsonl"
    assert command in _refused(project, "golden/more.csv")
    project.write("promptfooconfig.yaml", "prompts: [a]\n")
    assert "pytest-evalgate import promptfooconfig.yaml" in _refused(project, "promptfooconfig.yaml")
    project.configure('golden = "golden/more.csv"\n', "suites.more")
    assert f"golden/more.csv: a table, not JSON Lines: make a golden set of it, and name that instead: {command}" in (
        _refused(project)
    )
