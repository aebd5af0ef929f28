"""Workflows, the action and the files of other CIs: nothing is unpinned or spliced, and their scripts are run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.support import forked

from pytest_evalgate.cli import main
from pytest_evalgate.cli.init.detection import Detected
from pytest_evalgate.cli.init.placing import place_all
from pytest_evalgate.cli.init.proposal import Proposal
from pytest_evalgate.cli.init.workflow import Workflow
from pytest_evalgate.plugin.options import FLAGS, VALUES, environment_variable

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[1]
_ACTION = _ROOT / "action.yml"
_OWN = _ROOT / ".github" / "workflows" / "eval-gate.yml"
_PINNED = re.compile(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
_OTHER_VARIABLES = {"EVALGATE_CACHE_KEY", "EVALGATE_DIR"}
_BASH = shutil.which("bash")
_NODE = shutil.which("node")
_ZIZMOR = Path(sys.executable).with_name("zizmor")  # of the venv that runs the tests, whether it is active or not

_MODEL = """
[models.m]
model = "m-1"
price = { input_per_mtok = 1.0, output_per_mtok = 1.0 }
[suites.faq]
golden = "golden/faq.jsonl"
target = { model = "m" }
"""
_PYTHON = '[suites.faq]\ngolden = "golden/faq.jsonl"\ntarget = { python = "bot:answer" }\n'
_KEYS = _PYTHON.replace('"bot:answer"', '"bot:answer", env = ["BOT_TOKEN", "MODE"]') + _MODEL.replace("faq", "more")


class _Rendered(NamedTuple):
    """A project for which the files are rendered: its configuration, and the options of ``init``."""

    configuration: str | None
    shards: int = 1
    tiers: bool = False
    folder: str = ""


_RENDERED = {
    "none": _Rendered(None),
    "python": _Rendered(_PYTHON),
    "model": _Rendered(_MODEL),
    "keys-folder": _Rendered(_KEYS, folder="apps/bot"),
    "tiers": _Rendered(_MODEL, tiers=True),
    "shards": _Rendered(_PYTHON, shards=3),
    "shards-tiers": _Rendered(_MODEL, shards=2, tiers=True),
    "shards-keys-folder": _Rendered(_KEYS, shards=2, folder="apps/bot"),
}
_FOLDER = tempfile.TemporaryDirectory()
"""The rendered files: their texts are parameters of tests, so they are made when the module is imported."""


def _render() -> None:
    for name, given in _RENDERED.items():
        top = Path(_FOLDER.name) / name
        root = top / given.folder
        root.mkdir(parents=True)
        if given.configuration is not None:
            (root / "evalgate.toml").write_text(given.configuration, "utf-8")
        detected = Detected(root, {})
        vars(detected)["subfolder"] = given.folder  # there is no git repository
        workflow = Workflow(detected, given.shards, given.tiers)
        place_all([*workflow.github(), *workflow.gitlab(), *workflow.hooks()], top, force=False)


_render()


def _rendered(pattern: str) -> list[Path]:
    return sorted(Path(_FOLDER.name).glob(pattern))


def _gate(name: str) -> Path:
    return Path(_FOLDER.name) / name / ".github" / "workflows" / "eval-gate.yml"


_GATE = _gate("shards-tiers")
_COMMENT = _GATE.with_name("eval-gate-comment.yml")
_GITLAB = _rendered("*/.gitlab-ci.evalgate.yml")
_HOOKS = _rendered("*/.pre-commit-config.yaml")
_WORKFLOWS = [*_rendered("*/.github/workflows/eval-gate.yml"), _COMMENT, _OWN]
_GITHUB = [*_WORKFLOWS, _ACTION]
_EVERY = [*_GITHUB, *_GITLAB, *_HOOKS, *sorted((_ROOT / "docs").glob("git*.md"))]


def _by_name(paths: list[Path]) -> pytest.MarkDecorator:
    tops = (_ROOT, Path(_FOLDER.name))
    names = [path.relative_to(next(top for top in tops if path.is_relative_to(top))).as_posix() for path in paths]
    return pytest.mark.parametrize("path", paths, ids=names)


def _scripts(path: Path, key: str) -> list[str]:
    """Return the texts under every ``key: |`` of a file."""
    found = re.findall(rf"^( *)(?:- )?{key}: *\|\n((?:\1 +.*\n|\n)+)", path.read_text("utf-8"), re.MULTILINE)
    return [textwrap.dedent(text) for _, text in found]


def _script(path: Path, holding: str, key: str = "run") -> str:
    [found] = [script for script in _scripts(path, key) if holding in script]
    return found


def _job(path: Path, name: str) -> str:
    found = re.search(rf"^  {name}:\n((?:    .*\n|\n)+)", path.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.skipif(not _ZIZMOR.exists(), reason="zizmor is not installed (it is part of the extra dev)")
def test_zizmor_finds_nothing() -> None:
    inputs = [_ROOT / ".github" / "workflows", *_rendered("*/.github/workflows"), _ACTION]
    command = [str(_ZIZMOR), "--offline", "--color=never", "--no-progress", "--strict-collection", *map(str, inputs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.partition("(")[0].strip()) == (0, "No findings to report. Good job!")


@_by_name(_GITHUB)
def test_every_action_is_pinned_to_a_commit_with_its_version(path: Path) -> None:
    used = re.findall(r"\buses: (.+)", path.read_text("utf-8"))
    assert used
    assert [one for one in used if not one.startswith("./") and not _PINNED.fullmatch(one)] == []


def test_an_action_has_one_version_everywhere() -> None:
    pins: dict[str, set[str]] = {}
    for path in _GITHUB:
        for action, pin in re.findall(r"uses: ([\w-]+/[\w-]+)[\w/-]*@(.+)", path.read_text("utf-8")):
            pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@_by_name(_GITHUB)
def test_nothing_runs_with_the_rights_of_the_base_on_code_of_the_branch(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "pull_request_target" not in text
    assert "allow-unsafe-pr-checkout" not in text
    assert text.count("persist-credentials: false") == text.count("uses: actions/checkout@")


@_by_name([*_GITHUB, *_GITLAB])
def test_a_script_stops_at_its_first_fault_and_splices_nothing_in(path: Path) -> None:
    scripts = [*_scripts(path, "run"), *re.findall(r"- \|\n((?:      .*\n)+)", path.read_text("utf-8"))]
    commands = re.findall(r"\brun: (?!\|)(.+)", path.read_text("utf-8"))
    assert [*scripts, *commands]
    assert [script for script in scripts if script.split("\n")[0].strip() != "set -euo pipefail"] == []
    assert [command for command in commands if re.search(r"[|;&<>$]", command)] == []  # one command stops by itself
    spliced = [*scripts, *_scripts(path, "script")]
    assert [script for script in spliced if "${{" in script] == []


@_by_name([*_GITHUB, *_GITLAB])
def test_no_script_waves_a_fault_of_the_gate_through(path: Path) -> None:
    lines = [line for script in _scripts(path, "run") for line in script.splitlines()]
    ran = [line for line in lines if re.search(r"\bpytest(-evalgate merge)? ", line) and "||" in line]
    assert [line for line in ran if not line.endswith("|| code=$?")] == []


@_by_name(_WORKFLOWS)
def test_rights_are_given_job_by_job_and_jobs_end(path: Path) -> None:
    text = path.read_text("utf-8")
    jobs = text.partition("\njobs:\n")[2]
    names = re.findall(r"^  (\w+):$", jobs, re.MULTILINE)
    assert "\npermissions: {}\n" in text
    for name in names:
        assert re.search(r"^    permissions:$", _job(path, name), re.MULTILINE), name
        assert re.search(r"^    timeout-minutes: \d+$", _job(path, name), re.MULTILINE), name


def test_who_may_write_runs_no_program_and_has_no_checkout() -> None:
    assert [path.name for path in _WORKFLOWS if ": write #" in path.read_text("utf-8")] == [_COMMENT.name]
    assert ": write" not in _job(_COMMENT, "verify")
    tell = _job(_COMMENT, "tell")
    assert "pull-requests: write" in tell
    assert "run: |" not in tell
    assert "actions/checkout" not in tell


def test_a_project_without_keys_gets_no_secrets_and_no_cache() -> None:
    for name in ("none", "python", "shards"):
        assert "secrets." not in _gate(name).read_text("utf-8")
        assert "cache" not in _gate(name).read_text("utf-8").partition("\njobs:\n")[2]
    lines = _gate("python").read_text("utf-8").splitlines()
    assert len(lines) <= 34
    assert "OPENAI" not in "".join(lines)


def test_only_the_keys_that_the_configuration_names_are_passed() -> None:
    text = _gate("keys-folder").read_text("utf-8")
    assert sorted(re.findall(r"^ +(\w+): \$\{\{ secrets\.\1 \}\}$", text, re.MULTILINE)) == [
        "BOT_TOKEN",
        "EVALGATE_CACHE_KEY",
        "OPENAI_API_KEY",
    ]
    assert 'if [ -z "$BOT_TOKEN" ] || [ -z "$OPENAI_API_KEY" ]; then options+=(--eval-offline); fi' in text
    assert "working-directory: apps/bot" in text
    assert text.count("apps/bot/.evalgate/") == 5


def test_secrets_reach_the_shards_alone() -> None:
    assert "secrets." not in _job(_GATE, "gate")
    assert "secrets." not in _COMMENT.read_text("utf-8")
    assert re.findall(r"secrets\.\w+", _job(_GATE, "shard")) == [
        "secrets.EVALGATE_CACHE_KEY",
        "secrets.OPENAI_API_KEY",
    ]


def test_the_comment_reads_what_the_gate_left() -> None:
    [name] = re.findall(r"workflows: \[(.*)\]", _COMMENT.read_text("utf-8"))
    assert f"\nname: {name}\n" in _GATE.read_text("utf-8")
    uploaded = set(re.findall(r"name: (evalgate-[\w-]+)", _job(_GATE, "gate") + _job(_COMMENT, "verify")))
    for job in ("verify", "tell"):
        [wanted] = re.findall(r"uses: actions/download-artifact@.*\n +with:\n +name: (\S+)", _job(_COMMENT, job))
        assert wanted in uploaded


@_by_name(_EVERY)
def test_every_option_and_variable_is_one(path: Path) -> None:
    text = path.read_text("utf-8")
    known = {*FLAGS, *VALUES}
    assert [name for name in re.findall(r"--(?:no-)?eval-[a-z-]+", text) if name not in known] == []
    variables = {*map(environment_variable, VALUES), *_OTHER_VARIABLES}
    assert [name for name in re.findall(r"EVALGATE_[A-Z_]+", text) if name not in variables] == []


def _called() -> Iterator[Any]:
    lines = {line for path in _EVERY for line in re.findall(r"pytest-evalgate ([a-z].*)", path.read_text("utf-8"))}
    for verb in sorted({_verb(line) for line in lines}):
        options = {option for line in lines if _verb(line) == verb for option in re.findall(r"(--[a-z-]+)", line)}
        yield pytest.param(verb, options - {"--eval-gate"}, id=verb)


def _verb(line: str) -> str:
    """Return the verb that a line calls, with its action where it has some."""
    verb, action = [*line.partition("`")[0].split(), ""][:2]
    return f"{verb} {action}" if verb in {"baseline", "cache", "label"} and action.isalpha() else verb


@pytest.mark.parametrize(("verb", "options"), list(_called()))
def test_every_verb_takes_the_options_that_it_is_given(
    verb: str, options: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*verb.split(), "--help"])
    assert ended.value.code == 0
    help_text = capsys.readouterr().out
    assert [option for option in sorted(options) if option not in help_text] == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place_all(Proposal(Detected(tmp_path, {})).templates, tmp_path, force=False)
    return tmp_path


def _bash(script: str, folder: Path, **environment: str) -> tuple[int, str]:
    """Run a step as a runner does, with our programs first on the path."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EVALGATE", "GITHUB"))}
    path = os.pathsep.join([str(forked.programs()), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [str(_BASH), "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**inherited, "PATH": path, "CI": "true", "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_shards_and_gate_pass_with_the_starter(project: Path) -> None:
    tier = {"EVALGATE_TIER": "deep"}
    shard = _script(_GATE, "code=$?")
    for index in (1, 2):
        code, out = _bash(shard, project, EVALGATE_SHARD=f"{index}/2", OPENAI_API_KEY="", **tier)
        assert code == 0, out
    merge = _script(_GATE, "pytest-evalgate merge")
    code, out = _bash(merge, project, SHARDS="2", **tier)
    assert code == 0, out
    assert "evalgate: PASS  1 of 1 gate" in out
    (project / ".evalgate" / "shards" / "2-of-2.jsonl").unlink()
    code, out = _bash(merge, project, SHARDS="2", **tier)
    assert code == 4
    code, out = _bash(merge, project, SHARDS="", **tier)
    assert "no shard finished" in out
    assert code != 0


def _action(project: Path, **inputs: str) -> tuple[int, str]:
    outputs = project / "outputs.txt"
    outputs.unlink(missing_ok=True)
    given = {"ARGS": "-q", "BUDGET_USD": "", "PATHS": "", "SHARD": "", "TIER": "", **inputs}
    code, _ = _bash(_script(_ACTION, "--eval-gate"), project, GITHUB_OUTPUT=str(outputs), **given)
    return code, outputs.read_text()


def test_the_action_tells_the_verdict(project: Path) -> None:
    assert _action(project) == (0, "verdict=pass\n")
    assert _action(project, SHARD="1/2", BUDGET_USD="1") == (0, "verdict=not_evaluated\n")


def test_the_action_fails_as_the_gate_does(project: Path) -> None:
    recorded = project / "outputs" / "example.jsonl"
    recorded.write_text(recorded.read_text("utf-8").replace("14", "15"), "utf-8")
    assert _action(project, PATHS="golden") == (1, "verdict=fail\n")


def test_the_action_fails_without_a_verdict(project: Path) -> None:
    (project / "conftest.py").write_text("import os; os._exit(0)\n", "utf-8")
    (project / ".evalgate").mkdir()
    (project / ".evalgate" / "verdict.json").write_text('{"verdict": "pass"}', "utf-8")
    assert _action(project) == (1, "verdict=none\n")


_LEAVE = """
import json, os, pathlib
def pytest_unconfigure(config):
    left = %r
    if left is not None:
        pathlib.Path(".evalgate/verdict.json").write_text(json.dumps(left))
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("left", "code", "verdict"),
    [
        ({"verdict": "pass", "exit_code": 0}, 0, "pass"),
        ({"verdict": "inconclusive", "exit_code": 0}, 0, "inconclusive"),
        ({"verdict": "inconclusive", "exit_code": 10}, 10, "inconclusive"),
        ({"verdict": "fail", "exit_code": 1}, 1, "fail"),
        ({"verdict": "incomplete", "exit_code": 11}, 11, "incomplete"),
        ({"verdict": "not_evaluated", "exit_code": 12}, 12, "not_evaluated"),
        ({"verdict": "invalid", "exit_code": 4}, 4, "invalid"),
        ({"verdict": "pass", "exit_code": 2}, 2, "pass"),
        ({"verdict": "fail", "exit_code": 0}, 1, "none"),
        ({"verdict": "passed", "exit_code": 0}, 1, "none"),
        ({"verdict": "pass"}, 1, "none"),
        ({"verdict": "pass 0", "exit_code": 1}, 1, "none"),
        ({"verdict": "pass", "exit_code": "0; true"}, 1, "none"),
        ([], 1, "none"),
        (None, 0, "pass"),
    ],
    ids=str,
)
def test_the_action_decides_by_the_verdict_and_not_by_the_exit_code(
    project: Path, left: object, code: int, verdict: str
) -> None:
    (project / "conftest.py").write_text(_LEAVE % (left,), "utf-8")
    assert _action(project) == (code, f"verdict={verdict}\n")


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def _commit(folder: Path) -> None:
    _git(folder, "add", "-A")
    _git(folder, "commit", "-qm", "x")


@dataclass(frozen=True)
class Runner:
    """What the job that verifies has: the checkout of the base, and what a session of the branch left behind."""

    origin: Path
    checkout: Path
    temp: Path

    def leave(self, session: Path) -> None:
        """Have the branch be what stands in ``session``, and its run be the artifact."""
        _commit(session)
        _git(session, "push", "-q", "origin", "HEAD:refs/pull/12/head")
        state, kept = session / ".evalgate", self.temp / "session"
        kept.mkdir()
        shutil.copy(state / "verdict.json", kept)
        shutil.copytree(state / "runs", kept / "runs")

    def step(self, holding: str) -> tuple[int, str]:
        head = subprocess.run(
            ["git", "ls-remote", str(self.origin), "refs/pull/12/head"], capture_output=True, text=True, check=True
        )
        return _bash(
            _script(_COMMENT, holding),
            self.checkout,
            RUNNER_TEMP=str(self.temp),
            HEAD_SHA=head.stdout.split()[0],
            NUMBER="12",
            BASE="main",
            GITHUB_OUTPUT=str(self.temp / "outputs.txt"),
        )


@pytest.fixture
def runner(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    top = tmp_path_factory.mktemp("runner")
    origin, checkout, temp = (top / name for name in ("origin", "checkout", "temp"))
    temp.mkdir()
    _git(top, "init", "-q", "--bare", "-b", "main", str(origin))
    _git(project, "init", "-q", "-b", "main")
    (project / ".gitignore").write_text(".evalgate\n__pycache__\n.pytest_cache\n", "ascii")
    _commit(project)
    _git(project, "remote", "add", "origin", str(origin))
    _git(project, "push", "-q", "origin", "main")
    _git(top, "clone", "-q", str(origin), str(checkout))
    return Runner(origin, checkout, temp)


def test_a_branch_that_loosens_its_gate_is_judged_by_the_base(project: Path, runner: Runner) -> None:
    for name, old, new in (("outputs/example.jsonl", "14", "15"), ("evalgate.toml", "min = 0.8", "min = 0.2")):
        file = project / name
        file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")
    code, out = _bash("pytest --eval-gate -q", project)
    assert code == 0, out
    runner.leave(project)
    code, out = runner.step("git worktree add")
    assert code == 0, out
    code, out = runner.step("pytest-evalgate verify")
    assert code == 0, out
    told = runner.temp / "comment"
    assert (runner.temp / "outputs.txt").read_text() == "code=1\n"
    assert json.loads((told / "verify.json").read_text("utf-8"))["derived"]["verdict"] == "fail"
    assert (told / "comment.md").read_text("utf-8").startswith("<!-- evalgate -->\n")


def test_a_branch_cannot_lead_its_run_elsewhere(project: Path, runner: Runner) -> None:
    assert _bash("pytest --eval-gate -q", project)[0] == 0
    elsewhere = runner.temp / "elsewhere"
    elsewhere.mkdir()
    (project / ".evalgate").rename(project / "state")
    (project / ".gitignore").write_text("state\n", "ascii")
    (project / ".evalgate").symlink_to(elsewhere)
    shutil.copytree(project / "state", elsewhere, dirs_exist_ok=True)
    runner.leave(project)
    shutil.rmtree(elsewhere)
    elsewhere.mkdir()
    assert runner.step("git worktree add")[0] != 0
    assert list(elsewhere.iterdir()) == []


_HARNESS = """
const [, script, comments, run] = process.argv
const calls = []
const record = name => async argument => { calls.push([name, argument]) }
const rest = {
  repos: { createCommitStatus: record('status') },
  issues: { listComments: 'list', updateComment: record('update'), createComment: record('create') },
}
const github = { rest, paginate: async () => JSON.parse(comments) }
const context = { repo: { owner: 'o', repo: 'r' }, payload: { workflow_run: JSON.parse(run) } }
const body = Object.getPrototypeOf(async () => {}).constructor
new body('github', 'context', 'require', script)(github, context, require)
  .then(() => console.log(JSON.stringify(calls)))
"""
_RUN = {"head_sha": "8c1f2d0", "html_url": "https://example.org/run"}
_OURS = {"id": 7, "user": {"login": "github-actions[bot]"}, "body": "<!-- evalgate -->\nold"}


def _told(folder: Path, *, verified: Any, comments: list[Any], code: str, report: str) -> dict[str, Any]:
    """Run the script of the job that tells, and return what it asked GitHub for."""
    held = folder / "comment"
    held.mkdir()
    if verified is not None:
        (held / "verify.json").write_text(json.dumps(verified), "utf-8")
        (held / "comment.md").write_text(report, "utf-8")
    script = _script(_COMMENT, "createCommitStatus", "script")
    done = subprocess.run(
        [str(_NODE), "-e", _HARNESS, "--", script, json.dumps(comments), json.dumps(_RUN)],
        env={"PATH": os.environ["PATH"], "CODE": code, "NUMBER": "12", "RUNNER_TEMP": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


_needs_node = pytest.mark.skipif(_NODE is None, reason="node is not installed: it runs the script of the comment")


@_needs_node
def test_a_failure_is_told_in_a_new_comment_and_a_status(tmp_path: Path) -> None:
    verified = {"objections": [], "derived": {"verdict": "fail"}}
    report = "<!-- evalgate -->\n## Eval gate: FAIL\n"
    told = _told(tmp_path, verified=verified, comments=[], code="1", report=report)
    assert told["status"]["state"] == "failure"
    assert told["status"]["sha"] == "8c1f2d0"
    assert told["create"]["issue_number"] == 12
    assert told["create"]["body"] == (
        "<!-- evalgate -->\nBy the gates of the base branch: **fail** ([run](https://example.org/run))\n\n"
        "## Eval gate: FAIL"
    )


@_needs_node
def test_a_clean_pass_makes_no_new_comment_and_puts_an_old_one_right(tmp_path: Path) -> None:
    verified = {"objections": [], "derived": {"verdict": "pass"}}
    for number, comments in enumerate(([], [_OURS])):
        folder = tmp_path / str(number)
        folder.mkdir()
        told = _told(folder, verified=verified, comments=comments, code="0", report="Eval gate: pass")
        assert told["status"]["state"] == "success"
        assert set(told) == ({"status", "update"} if comments else {"status"})


@_needs_node
@pytest.mark.parametrize(
    "other",
    [
        {**_OURS, "user": {"login": "somebody"}},
        {**_OURS, "body": "as I said:\n<!-- evalgate -->"},
        {**_OURS, "user": None},
        {**_OURS, "body": None},
    ],
)
def test_only_a_comment_of_the_bot_that_begins_with_the_marker_is_ours(tmp_path: Path, other: Any) -> None:
    verified = {"objections": [], "derived": {"verdict": "fail"}}
    told = _told(tmp_path, verified=verified, comments=[other], code="1", report="x")
    assert "update" not in told


@_needs_node
def test_objections_stay_in_their_fence(tmp_path: Path) -> None:
    verified = {"objections": ["case ```` @everyone ![x](https://example.org)"], "derived": {"verdict": "pass"}}
    body = _told(tmp_path, verified=verified, comments=[], code="1", report="x")["create"]["body"]
    assert body.endswith("\n\n`````text\ncase ```` @everyone ![x](https://example.org)\n`````\n\nx")


@_needs_node
def test_a_session_that_left_nothing_is_a_failure(tmp_path: Path) -> None:
    told = _told(tmp_path, verified=None, comments=[], code="", report="")
    assert told["status"]["state"] == "failure"
    assert "no verdict" in told["create"]["body"]
