"""The first hour of four projects: ``init``, a green pull request, a baseline, and a red pull request.

The steps of the job in the generated workflow are run as a runner runs them, with one exception: the command that
installs the project is compared and not run, because this environment has the package and its dependencies already.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour
from tests.support.replies import last_user_text
from tests.support.server import ScriptedServer

from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.support.replies import Request

_BASH = shutil.which("bash")
_KEY = "sk-first-pull-request-0123456789"
_CASES = 40
_GOLDEN = "".join(
    json.dumps({"id": f"q{number}", "input": f"What is {number} + 1?", "expected": f"{number + 1}."}) + "\n"
    for number in range(_CASES)
)
_BOT = 'def answer(question: str) -> str:\n    number = int(question.split()[2])\n    return f"It is {number + 1}."\n'


def _outputs(step: int) -> str:
    rows = ({"id": f"q{number}", "output": f"It is {number + step}."} for number in range(_CASES))
    return "".join(json.dumps(row) + "\n" for row in rows)


@dataclass(frozen=True)
class Story:
    """A project.

    Args:
        files: Its files before the gate.
        worse: The files that the second pull request changes.
        target: The target that ``init`` has to find.
        install: The command that the job has to install it with.
        environ: The variables of a laptop that show its endpoint; ``{server}`` is the scripted server.
        path: Path of the requests; None if none are sent.
    """

    files: Mapping[str, str]
    worse: Mapping[str, str]
    target: str
    install: str = "pip install pytest-evalgate"
    environ: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets of the repository."""
        return {name: value for name, value in self.environ.items() if value == _KEY}


_PROMPT = {"prompts/sum.md": "Answer with one sentence.\n\n{{ input }}\n"}
_WORSE_PROMPT = {"prompts/sum.md": "Answer carelessly.\n\n{{ input }}\n"}
_STORIES = {
    "python without a key": Story(
        {"shop/bot.py": _BOT, "shop/__init__.py": "", "requirements.txt": ""},
        # of another size: Python takes the compiled file if second and size of the source are equal
        {"shop/bot.py": _BOT.replace("number + 1}", "number + 10}")},
        'target = { python = "shop.bot:answer" }',
        "pip install pytest-evalgate -r requirements.txt",
    ),
    "openai": Story(
        _PROMPT,
        _WORSE_PROMPT,
        'target = { model = "candidate", prompt = "prompts/sum.md" }',
        environ={"OPENAI_BASE_URL": "{server}", "OPENAI_API_KEY": _KEY, "OPENAI_MODEL": "m-1"},
        path="/v1/chat/completions",
    ),
    "azure with a query": Story(
        _PROMPT,
        _WORSE_PROMPT,
        'target = { model = "candidate", prompt = "prompts/sum.md" }',
        environ={
            "AZURE_OPENAI_ENDPOINT": "{server}?api-version=preview",
            "AZURE_OPENAI_API_KEY": _KEY,
            "AZURE_OPENAI_DEPLOYMENT": "d-1",
        },
        path="/openai/v1/chat/completions?api-version=preview",
    ),
    "recorded outputs": Story(
        {"outputs.jsonl": _outputs(1)}, {"outputs.jsonl": _outputs(2)}, 'target = { recorded = "outputs.jsonl" }'
    ),
}


def _reply(request: Request) -> Behaviour:
    """Return the sum, or a wrong one if the prompt is careless."""
    text = last_user_text(request)
    [number] = map(int, re.findall(r"What is (\d+)", text))
    return Behaviour.text(f"It is {number + 1 + ('carelessly' in text)}.")


@dataclass(frozen=True)
class Repository:
    """A clone of a repository, and what its runner and its secrets are."""

    folder: Path
    secrets: Mapping[str, str]

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text, "utf-8")

    def push(self, branch: str, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        self.git("push", "-q", "origin", branch)

    def merge(self, branch: str) -> None:
        self.git("checkout", "-q", "main")
        self.git("merge", "-q", "--no-edit", branch)
        self.git("push", "-q", "origin", "main")

    def job(self, install: str, secrets: Mapping[str, str]) -> tuple[int, str]:
        """Run the steps of the job for a pull request, and return the exit code of the first that fails."""
        text = (self.folder / ".github/workflows/eval-gate.yml").read_text("utf-8")
        steps = [step for step in text.partition("\n    steps:\n")[2].split("\n      - ") if "run: " in step]
        scripts = [_script(step) for step in steps]
        assert scripts[0] == install
        [script], [step] = scripts[1:], steps[1:]
        environment = dict(re.findall(r"^          (\w+): (.+)$", step, re.MULTILINE))
        wanted = {name: secrets.get(name, "") for name, value in environment.items() if f"secrets.{name} " in value}
        assert {name: value for name, value in environment.items() if "secrets." not in value} == {}
        return self._bash(script, wanted)

    def _bash(self, script: str, environment: Mapping[str, str]) -> tuple[int, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("HOME", "TMPDIR", "LANG", "PYTHONPATH")}
        done = subprocess.run(
            [str(_BASH), "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env={
                **kept,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_BASE_REF": "main",
                "GITHUB_EVENT_NAME": "pull_request",
                "GITHUB_STEP_SUMMARY": str(self.folder.parent / "summary.md"),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    @property
    def verdict(self) -> Any:
        return json.loads((self.folder / ".evalgate/verdict.json").read_text("utf-8"))


def _script(step: str) -> str:
    if (line := re.search(r"\brun: (?!\|)(.+)", step)) is not None:
        return line[1]
    return textwrap.dedent(step.partition("run: |\n")[2])


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.answer_with(_reply)
        yield server


Laptop = tuple[Repository, "Callable[..., list[str]]"]


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Laptop:
    """A clone of an empty repository, and the console script in it, which returns the lines that it printed."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(tmp_path / "origin")], check=True)
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(tmp_path / "origin"), str(folder)], check=True, capture_output=True)
    repository = Repository(folder, {})
    repository.git("checkout", "-qb", "main")
    monkeypatch.chdir(folder)
    for name in [*os.environ]:
        if name == "CI" or name.startswith(("EVALGATE", "GITHUB", "OPENAI", "AZURE", "OLLAMA", "VLLM")):
            monkeypatch.delenv(name)

    def script(*arguments: str) -> list[str]:
        assert main(arguments) == 0
        return capsys.readouterr().out.splitlines()

    return repository, script


@pytest.mark.parametrize("story", _STORIES.values(), ids=_STORIES)
def test_the_first_pull_request_is_green_and_a_worse_one_is_red(
    story: Story, server: ScriptedServer, laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, script = laptop
    origin = server.base_url.replace("/v1", "/openai/v1") if "azure" in str(story.environ).lower() else server.base_url
    for name, value in story.environ.items():
        monkeypatch.setenv(name, value.replace("{server}", origin))
    repository.write({**story.files, "golden/sums.jsonl": _GOLDEN, "pytest.ini": "[pytest]\n"})
    repository.push("main", "the application")

    repository.git("checkout", "-qb", "gate")
    printed = [*script("init"), *script("init", "--github")]
    assert _KEY not in "".join(printed)
    assert story.target in (repository.folder / "evalgate.toml").read_text("utf-8")
    repository.push("gate", "the gate")
    code, out = repository.job(story.install, story.secrets)
    assert code == 0, out
    assert "no baseline yet" in out
    assert repository.verdict["accounting"]["passed"] == _CASES
    assert {request.path for request in server.requests} == ({story.path} if story.path else set())
    repository.merge("gate")
    script(*shlex.split('baseline promote --reason "first baseline"'))
    repository.push("main", "the baseline")

    repository.git("checkout", "-qb", "worse")
    repository.write(story.worse)
    repository.push("worse", "a worse application")
    code, out = repository.job(story.install, story.secrets)
    assert code == 1, out
    assert re.search(r"^evalgate: FAIL  sums .*\(exit 1\)$", out, re.MULTILINE), out
    assert repository.verdict["suites"]["sums"]["delta"]["losses"] == _CASES
    assert "sums" in (repository.folder.parent / "summary.md").read_text("utf-8")


def test_a_pull_request_without_the_secret_is_not_evaluated(
    server: ScriptedServer, laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, script = laptop
    story = _STORIES["openai"]
    for name, value in story.environ.items():
        monkeypatch.setenv(name, value.replace("{server}", server.base_url))
    repository.write({**story.files, "golden/sums.jsonl": _GOLDEN, "pytest.ini": "[pytest]\n"})
    repository.push("main", "the application")
    script("init")
    script("init", "--github")
    code, out = repository.job(story.install, {})
    assert (code, server.calls) == (12, 0), out
