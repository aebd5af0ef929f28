"""Every example of ``--help`` runs as printed, in a repository that holds what the examples name."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.docs_players import PLAYERS
from tests.docs_reader import environment_of
from tests.docs_scenes import SCENES
from tests.support import forked
from tests.support.printed import examples
from tests.support.server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="some commands compare with a branch"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="sessions are forked, and review asks on a terminal"),
]

_COMMANDS: Final[list[str]] = sorted(set(examples()))
_NO_SUCCESS: Final = {2, 3, 4}
"""Exit codes of a command that did not run: usage, internal error, something has to be changed first."""

_RUN_ID: Final = "20261121T101500Z-3f9c"
_SUITES: Final = ("example", "faq", "support")
_CASES: Final = ("refund-014", *(f"case-{number}" for number in range(8)))
_JUDGE: Final = """[judges.faq]
model = "candidate"
rubric = "correctness"
calibration = "calibration/faq.json"
report_only = true
"""
_BOT: Final = "WORSE = {worse}\n\n\ndef answer(question):\n    return 'no' if question in WORSE else 'yes'\n"
_SHARDS: Final = 4


@dataclass(frozen=True)
class Workshop:
    """A repository in which there is everything that the examples name: suites, baselines, runs, shards, a judge."""

    folder: Path
    environment: dict[str, str]

    def run(self, command: str) -> tuple[int, str]:
        """Run one command where it makes sense; return its exit code and what it printed."""
        if command.startswith("pytest-evalgate init"):
            return self._run(command, self._empty())
        if command.startswith("pytest-evalgate import faq.csv"):
            folder = self._empty()
            shutil.copy(self.folder / "faq.csv", folder)
            return self._run(command, folder)
        if command.startswith("pytest-evalgate review"):
            return self._answer(command)
        if command.startswith("pytest-evalgate watch"):
            return self._watch(command)
        if command.startswith("pytest-evalgate view"):
            return self._view(command)
        return self._run(command.replace(_RUN_ID, self.newest.name), self.folder)

    @property
    def newest(self) -> Path:
        """The folder of the newest run."""
        return max(path.parent for path in (self.folder / ".evalgate" / "runs").glob("*/run.jsonl"))

    def _empty(self) -> Path:
        return self.folder.parent / tempfile.mkdtemp(dir=self.folder.parent)

    def _run(self, command: str, folder: Path) -> tuple[int, str]:
        return forked.run(shlex.split(command), folder, self.environment)

    def _start(self, command: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        code = "import sys; from pytest_evalgate.cli import main; sys.exit(main())"
        words = [sys.executable, "-c", code, *shlex.split(command)[1:]]
        return subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, encoding="utf-8",
        )  # fmt: skip

    def _answer(self, command: str) -> tuple[int, str]:
        """Run a command that asks on a terminal, and skip whatever it asks about."""
        ours, theirs = pty.openpty()
        with self._start(command, theirs) as process:
            os.write(ours, b"skip\n" * (len(_CASES) + 1))
            printed, _ = process.communicate(timeout=120)
        os.close(ours)
        os.close(theirs)
        return process.returncode, printed

    def _watch(self, command: str) -> tuple[int, str]:
        """Run a command that watches files, change one of them, and interrupt it after the run that follows."""
        printed = []
        with self._start(command) as process:
            assert process.stdout is not None
            stop = threading.Timer(120, process.kill)
            stop.start()
            for line in process.stdout:
                printed.append(line)
                if line.startswith("watching "):
                    threading.Thread(target=self._touch, args=(process,), daemon=True).start()
                if line.startswith("evalgate: ") and "(exit " in line:
                    process.send_signal(signal.SIGINT)
        stop.cancel()
        text = "".join(printed)
        assert "changed: bot.py" in text
        return process.returncode, text

    def _view(self, command: str) -> tuple[int, str]:
        """Run a command that serves pages, and interrupt it when it has printed its address."""
        with self._start(command) as process:
            assert process.stdout is not None
            stop = threading.Timer(120, process.kill)
            stop.start()
            printed = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            printed += process.stdout.read()
        stop.cancel()
        assert printed.startswith("http://127.0.0.1:")
        return process.returncode, printed

    def _touch(self, process: subprocess.Popen[str]) -> None:
        """Change the bot until the command sees it: it begins to watch after it has said so."""
        for number in range(600):
            self.write("bot.py", _BOT.format(worse="()") + f"# {number}\n")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
                return

    def must(self, command: str, *codes: int) -> None:
        """Run a command that has to end with 0, 1, or one of ``codes``."""
        code, text = self._run(command, self.folder)
        assert code in (0, 1, *codes), f"{command}: exit {code}\n{text}"

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, env=self.environment, check=True, capture_output=True)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def configure(self, base_url: str) -> None:
        """Write the configuration: every suite that an example names, the judge "faq", and the model "candidate"."""
        known = {"expected": "yes", "tags": ["lang:en"]}
        rows = "".join(json.dumps({"id": name, "input": f"Please check {name}", **known}) + "\n" for name in _CASES)
        tables = [
            f'[models.candidate]\nmodel = "m"\nbase_url = "{base_url}"\nclient = "http"\napi_key_env = ""\n',
            _JUDGE,
        ]
        for name in _SUITES:
            tables.append(
                f'[suites.{name}]\ngolden = "golden/{name}.jsonl"\ntarget = {{ python = "bot:answer" }}\n'
                f'baseline = "baselines/{name}.json"\ngates = [{{ kind = "no-regression", margin = 0.05 }}]\n'
                f'slices = ["lang"]\ntiers.smoke = {{ sample = 5 }}\n'
            )
            self.write(f"golden/{name}.jsonl", rows)
        self.write("evalgate.toml", "\n".join(tables))
        self.write("outputs/before.jsonl", "".join(f'{{"id": "{name}", "output": "yes"}}\n' for name in _CASES))
        for name, text in SCENES["probing"]().items():
            self.write(name.replace("anchors", "faq-anchors"), text)
        self.write("faq.csv", "Question,Answer\nHow long?,30 days\n")
        logged = [{"id": f"r{number}", "lang": "en", "input": f"Question {number}?"} for number in range(20)]
        self.write("log.jsonl", "".join(json.dumps(row) + "\n" for row in logged))
        shutil.copy(Path(__file__).parents[1] / "curation" / "files" / "argilla.json", self.folder / "export.json")
        self.write("outcomes.csv", "day,tickets\n2026-01-31,12\n2026-02-01,9\n")
        self.write("ticket.json", '{"input": "How long?", "expected": "30 days"}')
        self.write("bot.py", _BOT.format(worse="()"))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    home = tmp_path_factory.mktemp("examples")
    folder = home / "shop"
    folder.mkdir()
    with ScriptedServer(keeps_requests=False) as server:
        server.answer_with(PLAYERS["judge"])
        mlflow = {"MLFLOW_TRACKING_URI": (home / "mlruns").as_uri(), "MLFLOW_ALLOW_FILE_STORE": "true"}
        made = Workshop(
            folder, environment_of(home) | {"BROWSER": "true", "MLFLOW_DISABLE_TELEMETRY": "true", **mlflow}
        )
        made.configure(server.base_url)
        made.git("init", "-qb", "main")
        made.must("pytest --eval-gate -q")
        made.must('pytest-evalgate baseline promote --reason "first"')
        made.git("add", "-A")
        made.git("commit", "-qm", "base")
        made.git("update-ref", "refs/remotes/origin/main", "main")
        made.write("bot.py", _BOT.format(worse=tuple(f"Please check case-{number}" for number in range(6))))
        for number in range(1, _SHARDS + 1):
            made.must(f"pytest --eval-gate -q --eval-shard {number}/{_SHARDS}", 12)
        made.must("pytest --eval-gate -q --eval-trials 3")
        made.must("pytest-evalgate cache export replies.jsonl")
        made.must("pytest-evalgate drift faq --anchors labels/faq-anchors.jsonl --record")
        yield made


def _order(command: str) -> tuple[bool, bool, str]:
    """Put what changes the state last: what edits golden sets, merged runs, promotions, then sessions."""
    changes = re.search(r" (add|merge|promote|watch) ", command) is not None
    return command.startswith("pytest "), changes, command


_IN_ORDER: Final = sorted(_COMMANDS, key=_order)


@pytest.mark.parametrize("command", _IN_ORDER)
def test_an_example_runs(workshop: Workshop, command: str) -> None:
    if "--to mlflow" in command and importlib.util.find_spec("mlflow") is None:
        pytest.skip("MLflow is not installed: pip install mlflow-skinny")
    code, text = workshop.run(command)
    assert code not in _NO_SUCCESS, f"{command}\nexit {code}\n{text[-1500:]}"
    assert "Traceback (most recent call last)" not in text
