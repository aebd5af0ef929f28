"""A project on disk that pytest runs in: golden sets, recorded outputs, configuration, tests."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

# pytester unloads the modules that a run imported, and numpy cannot be imported twice
import pytest_evalgate.app.view
import pytest_evalgate.engine.loop
import pytest_evalgate.engine.routes
import pytest_evalgate.gates
import pytest_evalgate.plugin.session
import pytest_evalgate.plugin.xdist
import pytest_evalgate.reports.github
import pytest_evalgate.reports.html
import pytest_evalgate.reports.view  # noqa: F401 - the same
from pytest_evalgate import config, scorers
from pytest_evalgate.app.wiring import RunContext, Wiring
from pytest_evalgate.engine import combine_trials, run_trial
from pytest_evalgate.plugin.assembly import Assembly
from pytest_evalgate.plugin.decider import SessionDecider
from pytest_evalgate.plugin.requested import Options, read_options
from pytest_evalgate.runs.state import state_of
from pytest_evalgate.scorers.suite_sources import ModelSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.records.results import CaseResult

    Json = Any

_QUIET = ("-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:asyncio", "-p", "no:anyio")
_UNCACHED = ("-p", "no:cacheprovider")

KEY_VARIABLE = "CANDIDATE_KEY"
KEY = "sk-canary/7f3b+41c9=e2"
"""The key of the model: it may stand in no file and on no screen, in whatever form."""

POINT_GATE = '{ kind = "pass-rate", min = 0.5, bound = "point" }'


def jsonl(rows: list[Json]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


_NOTING = """
import pathlib

CALLS = pathlib.Path(__file__).with_name("calls")

def note(question):
    with CALLS.open("a") as file:
        file.write(f"{question}\\n")

"""


@dataclass(frozen=True)
class Project:
    """The folder of one test's project; every golden set wants "yes"."""

    pytester: pytest.Pytester

    @property
    def path(self) -> Path:
        return self.pytester.path

    @property
    def state(self) -> Path:
        return self.path / ".evalgate"

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def golden(self, name: str, *ids: str, **more: Json) -> Path:
        """Write a golden set; ``more`` is added to every row."""
        return self.write(name, jsonl([{"id": id_, "input": id_, "expected": "yes", **more} for id_ in ids]))

    def suite(
        self, outputs: Mapping[str, str | None], *, name: str = "faq", gates: str = POINT_GATE, **more: str
    ) -> None:
        """Add a suite with recorded outputs to the configuration; a case whose output is None has no row."""
        self.golden(f"golden/{name}.jsonl", *outputs)
        rows: list[Json] = [{"id": id_, "output": output} for id_, output in outputs.items() if output is not None]
        self.write(f"golden/{name}.out.jsonl", jsonl(rows))
        settings = {
            "golden": f'"golden/{name}.jsonl"',
            "target": f'{{ recorded = "golden/{name}.out.jsonl" }}',
            "gates": f"[{gates}]",
            **more,
        }
        self.configure("".join(f"{key} = {value}\n" for key, value in settings.items()), table=f"suites.{name}")

    def python_suite(self, code: str, *ids: str, gates: str = POINT_GATE) -> None:
        """Add the suite "faq" whose target is ``answer`` in ``code``, where ``note`` notes what it was asked."""
        self.suite(dict.fromkeys(ids), gates=gates, target='{ python = "bot:answer" }')
        self.write_bot(code)

    def write_bot(self, code: str) -> None:
        """Write the module "bot", in which ``note`` notes what it was asked."""
        self.write("bot.py", _NOTING + code)

    def model_suite(
        self,
        server: ScriptedServer,
        *ids: str,
        name: str = "faq",
        gates: str = POINT_GATE,
        model: Mapping[str, str] = MappingProxyType({}),
        **more: str,
    ) -> None:
        """Add a suite that asks ``server`` through the model "candidate"; ``model`` goes over the model's settings."""
        self.suite(dict.fromkeys(ids), name=name, gates=gates, **{"target": '{ model = "candidate" }', **more})
        settings = {
            "model": '"gpt-x-mini"',
            "base_url": f'"{server.base_url}"',
            "api_key_env": f'"{KEY_VARIABLE}"',
            "price": "{ input_per_mtok = 1.0, output_per_mtok = 2.0 }",
            **model,
        }
        table = "".join(f"{key} = {value}\n" for key, value in settings.items())
        self.configure(table, table="models.candidate")

    def test(self, body: str, *, marker: str = '"golden/code.jsonl"', name: str = "test_code.py") -> None:
        """Write a module with one golden_set test, whose indented lines are ``body``."""
        head = f"import asyncio\nimport pytest\n\n\n@pytest.mark.golden_set({marker})\n"
        self.write(name, head + (body if "def " in body else f"def test_code(case):\n    {body}\n"))

    def configure(self, text: str, table: str | None = None) -> None:
        """Append to evalgate.toml, or put in front what belongs to no table."""
        path = self.path / "evalgate.toml"
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        self.write("evalgate.toml", f"{before}[{table}]\n{text}" if table else f"{text}\n{before}")

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Run pytest in a process of its own, that is not waited for."""
        command = [sys.executable, "-m", "pytest", *_QUIET, *_UNCACHED, "--eval-gate", *args]
        return subprocess.Popen(
            command,
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def run(self, *args: str, gate: bool = True, cache: bool = False) -> pytest.RunResult:
        """Run pytest in this process."""
        return self.pytester.runpytest_inprocess(
            *_QUIET, *(() if cache else _UNCACHED), *(("--eval-gate",) if gate else ()), *args
        )

    @staticmethod
    def listed(result: pytest.RunResult) -> pytest.LineMatcher:
        """Return the screen as one line, since problems are wrapped. Nothing on it may be repeated on stderr."""
        assert not any(line.startswith("ERROR") for line in result.errlines)
        return pytest.LineMatcher([" ".join(result.stdout.str().split())])

    # -- below pytest: for what a part of a session decides

    def assembly(self, **options: Json) -> Assembly:
        """Return the builder of this project's suites in a session with ``options``."""
        root, chosen = self.path.resolve(), Options(gate=True, **options)
        state = state_of(root, None)
        state.prepare()
        all_tiers = config.load(root)
        settings = config.for_tier(all_tiers, config.chosen_tier(all_tiers, chosen.tier))
        wiring = Wiring(
            root, settings, state, RunContext("run", "run", offline=chosen.offline, budget_usd=chosen.budget_usd)
        )
        asked = ModelSource(settings.models, lambda: wiring.client)
        scoring = scorers.Context(rules=scorers.registry({}), roots=(root,), judge=wiring.judge, models=asked)
        return Assembly(root, settings, chosen, scoring, wiring)

    def options(self, *args: str) -> Options:
        """Return the options of a session with these arguments."""
        return read_options(self.pytester.parseconfig(*_QUIET, *args))

    def decider(self, **options: Json) -> SessionDecider:
        """Return the decider of a session with ``options``."""
        assembly = self.assembly(**options)
        return SessionDecider(assembly, assembly.wiring.state, "run")

    def check(self, *suites: str, **options: Json) -> None:
        """Build suites and check their gates, as a session does before it runs anything."""
        decider = self.decider(**options)
        try:
            decider.check_gates([decider.assembly.ready(name) for name in suites or ("faq",)])
        finally:
            decider.assembly.wiring.close()

    def answer(self, suite: str = "faq") -> dict[str, CaseResult]:
        """Run the cases of a suite on the engine, and return their results by id."""
        assembly = self.assembly()
        engine = assembly.wiring.engine
        try:
            ready = assembly.ready(suite)
            queue = engine.work_queue(suite, ready.window)
            futures = {
                case.id: queue.submit(partial(run_trial, ready.required_target, ready.grading_of(case), case, 0))
                for golden_set in ready.sets
                for case in golden_set
            }
            return {id_: combine_trials(ready.planned[id_], [engine.wait(future)]) for id_, future in futures.items()}
        finally:
            assembly.wiring.close()

    @staticmethod
    def asked(server: ScriptedServer) -> list[str]:
        """Return the last message of each request, in the order of their arrival."""
        return [request.body["messages"][-1]["content"] for request in server.requests]

    @property
    def verdict(self) -> Json:
        return json.loads((self.state / "verdict.json").read_text(encoding="utf-8"))

    @property
    def has_verdict(self) -> bool:
        return (self.state / "verdict.json").exists()

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of each case, from the newest run file."""
        return {case_id: row["outcome"] for case_id, row in self.rows.items()}

    @property
    def rows(self) -> dict[str, Json]:
        """The stored result of each case, from the newest run file."""
        newest = max((self.state / "runs").glob("*/run.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        lines = [json.loads(line) for line in newest.read_text(encoding="ascii").splitlines()]
        return {line["id"]: line for line in lines[1:]}

    @property
    def calls(self) -> list[str]:
        """What a target of this project noted in the file "calls"."""
        path = self.path / "calls"
        return path.read_text(encoding="utf-8").split() if path.exists() else []


class _ReadOnce:
    """A distribution whose files are read and parsed once."""

    def __init__(self, distribution: importlib.metadata.Distribution) -> None:
        self._distribution = distribution

    def __getattr__(self, name: str) -> Any:
        value = self.__dict__[name] = getattr(self._distribution, name)
        return value


@pytest.fixture(scope="session")
def _distributions() -> Iterator[None]:
    """Read the installed distributions once: a session of pytest reads all of them twice, which takes 6 of 47 ms."""
    read = importlib.metadata.distributions
    of_path = functools.lru_cache(lambda _: [*map(_ReadOnce, read())])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.metadata, "distributions", lambda: of_path(tuple(sys.path)))
        yield


@pytest.fixture
def project(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, _forked_workers: None, _distributions: None
) -> Project:
    for name in [name for name in os.environ if name.startswith("EVALGATE_")]:
        monkeypatch.delenv(name)
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        monkeypatch.delenv(name)
    for name in ("CI", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv("COLUMNS", "300")  # sentences stay on one line
    monkeypatch.setenv("XDG_CONFIG_HOME", str(pytester.path / ".config"))  # where the key of the cache is made
    pytester.makeini("[pytest]\n")
    return Project(pytester)


@pytest.fixture(scope="session")
def _loaded_clients() -> None:
    """Load what the first request would load: loaded anew, its exceptions would be others than are caught."""
    import httpx  # noqa: PLC0415 - for those alone who send something
    import openai  # noqa: PLC0415 - the same

    httpx.Client().close()
    openai.OpenAI(api_key="none").close()


@pytest.fixture
def server(_loaded_clients: None) -> Iterator[ScriptedServer]:
    """Replies "yes" to everything."""
    with ScriptedServer() as server:
        server.script(Behaviour.text("yes"))
        yield server


@pytest.fixture
def key() -> str:
    """The key that `Project.model_suite` sends."""
    return KEY


@pytest.fixture
def last_line() -> Callable[[pytest.RunResult], str]:
    return lambda result: next(line for line in reversed(result.outlines) if line)
