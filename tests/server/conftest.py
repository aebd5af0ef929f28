"""A project with a store of sixteen runs, and servers of it on loopback: open, and with a token."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from tests.builders import VALUES, planned, result_of, run_of, suite_of
from tests.store.conftest import source_of

from pytest_evalgate.app.project import Project
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.records.results import Score, Trial
from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.ingest import push
from pytest_evalgate.store.stored_run import TextRule

pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install 'pytest-evalgate[view]'")
from pytest_evalgate.server.access import Access
from pytest_evalgate.server.serving import bound_socket, make_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_evalgate.records.results import CaseResult, PlannedCase

RUNS: Final = 16
NEWEST: Final = f"run-{RUNS:02}"
TOKEN: Final = "token-of-the-tests-0123"  # noqa: S105 - no secret
KEY: Final = "sk-live-0123456789abcdefghij"
ODD_SUITE: Final = "a/b ü"
_TOML: Final = """
[models.candidate]
model = "m-1"
base_url = "http://127.0.0.1:9/v1"
api_key_env = "SHOP_KEY"
client = "http"
[suites.faq]
golden = "golden.jsonl"
target = { model = "candidate", prompt = "prompt.md" }
scorers = ["exact"]
"""


@dataclass
class Served:
    """A running server."""

    port: int
    client: httpx.Client  # one for all requests: creating one takes 15 ms
    lines: list[str] = field(default_factory=list)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.send("GET", path, **options)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        found = self.client.request(method, path, **options)
        self.client.cookies.clear()
        return found

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are, and return the response until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose metric drops in its ninth run, with labels, branches, texts, and a suite with an odd name."""
    root = tmp_path_factory.mktemp("shop")
    (root / "evalgate.toml").write_text(_TOML, "utf-8")
    (root / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n', "utf-8")
    (root / "golden.jsonl").write_text('{"id": "c0", "input": "a", "expected": "b"}\n', "utf-8")
    (root / "prompt.md").write_text("{{ input }}", "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        project = Project.find()
    fill(project, StorePlace.at(project.state.path / "store.db"))
    return project


def fill(project: Project, place: StorePlace) -> None:
    """Store the sixteen runs."""
    with Database.open(place) as database:
        for number in range(1, RUNS + 1):
            push(database, _source(project.root, number))


def _result(letter: str, case: PlannedCase) -> CaseResult:
    value = VALUES[letter]
    scores = () if value is None else (Score("exact", value, bool(value), "wanted more"),)
    return combine_trials(case, [Trial(0, value, scores=scores, reason="" if value else "timeout")])


def _source(root: Path, number: int) -> Any:
    letters = "P" * 37 + "mPm" if number <= RUNS // 2 else "P" * 15 + "m" * 25
    letters = f"{letters[:-1]}?" if number == RUNS else letters
    cases = [
        planned(f"c{at}", at + 1, slices=(("lang", "en_US" if at % 2 else "de"), ("kind", "a.b" if at % 3 else "a.c")))
        for at in range(len(letters))
    ]
    suites = [suite_of(map(_result, letters, cases), golden_sha256=("g" if number < 5 else "h") * 64)]
    if number == RUNS:
        suites.append(suite_of([result_of("P", planned("only/one"))], name=ODD_SUITE))
    run = run_of(*suites, run_id=f"run-{number:02}", commit=f"{number:040x}")
    return source_of(
        replace(run, created=f"2026-01-{1 + number // 2:02}T{number:02}:00:00Z"),
        root / "sources" / run.id,
        branch="main" if number % 2 else "feature",
        tier="nightly" if number % 4 == 0 else "default",
        labels={"team": "search", "region": "eu"} if number % 2 else {"team": "shop"},
        texts=TextRule(lambda _, value: f"{value} {KEY}"),
    )


@contextlib.contextmanager
def serving(project: Project, token: str | None = None, host: str = "127.0.0.1") -> Iterator[Served]:
    """Serve a project in a thread."""
    listening = bound_socket(host, 0)
    port = listening.getsockname()[1]
    served = Served(port, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60))
    server = make_server(project, Access(host, served.port, token), served.lines.append)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield served
    finally:
        served.client.close()
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture(scope="session")
def served(shop: Project) -> Iterator[Served]:
    with serving(shop) as found:
        yield found
        assert found.lines == []  # no answer was an error of the server


@pytest.fixture(scope="session")
def locked(shop: Project) -> Iterator[Served]:
    """A server with a token."""
    with serving(shop, TOKEN) as found:
        yield found
