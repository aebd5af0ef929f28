"""Times of ``pytest-evalgate view``: each page and answer alone, then 50 clients for 30 s; and its memory.

RUNS=1000 fills a store with 3,000,000 scores (two minutes); by default it has 100 runs. STORE is the SQLite file or
the address of a PostgreSQL database that benchmarks.store_sizes has filled before, which is read instead.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.store_sizes import RUNS, make_source, renamed

from pytest_evalgate.store import Database, StorePlace
from pytest_evalgate.store.ingest import push

if TYPE_CHECKING:
    from collections.abc import Iterator

STORE = os.environ.get("STORE", "")
CLIENTS = 50
OK = 200
SECONDS = float(os.environ.get("SECONDS_OF_LOAD", "30"))
REPEATS = 20
CODE = "import sys; from pytest_evalgate.cli import main; sys.exit(main())"
PATHS = (
    "/",
    "/suites/faq",
    "/runs/{run}",
    "/compare?a=previous&b=newest",
    "/suites/faq/cases/case-000007",
    "/v1/runs",
    "/v1/runs/{run}",
    "/v1/suites",
    "/v1/suites/faq/point",
    "/v1/suites/faq/series?limit=1000",
    "/v1/suites/faq/slices?by=lang",
    "/v1/suites/faq/cases",
    "/v1/suites/faq/cases?which=flaky",
    "/v1/suites/faq/cases/case-000007",
    "/v1/suites/faq/trend",
    "/v1/compare?a=previous&b=newest",
    "/v1/openapi.json",
)


def write_project(root: Path) -> dict[str, str]:
    """Write a project with a store, and return the variables of its environment."""
    state = root / ".evalgate"
    state.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "bench"\nversion = "1"\n', "utf-8")
    if "://" in STORE:
        (root / "evalgate.toml").write_text('store_env = "EVALGATE_STORE"\n', "utf-8")
        return {"EVALGATE_STORE": STORE}
    if STORE:
        (state / "store.db").symlink_to(Path(STORE).resolve())
        return {}
    source = make_source(1000, root)
    with Database.open(StorePlace.at(state / "store.db")) as database:
        for number in range(RUNS):
            push(database, renamed(source, number))
    return {}


def p95(times: list[float]) -> float:
    return sorted(times)[int(0.95 * len(times))]


def cpu_ms(process: subprocess.Popen[str]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def alone(client: httpx.Client, paths: list[str], process: subprocess.Popen[str]) -> None:
    for path in paths:
        client.get(path)  # imports and templates
        times, size, before = [], 0, cpu_ms(process)
        for _ in range(REPEATS):
            started = time.perf_counter()
            response = client.get(path)
            times.append(1000 * (time.perf_counter() - started))
            size = len(response.content)
            assert response.status_code == OK, (path, response.text[:300])
        used = (cpu_ms(process) - before) / REPEATS
        wall = f"p95 {p95(times):6.1f} ms, median {statistics.median(times):6.1f}"
        print(f"  {path:42} {wall}, {used:5.1f} ms CPU, {size:,} bytes")


async def together(url: str, paths: list[str]) -> None:
    times: list[float] = []
    errors: list[str] = []
    end = time.perf_counter() + SECONDS
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits, trust_env=False) as client:

        async def ask(seed: int) -> None:
            draw = random.Random(seed)  # noqa: S311 - the order of requests
            while time.perf_counter() < end:
                path = draw.choice(paths)
                started = time.perf_counter()
                try:
                    response = await client.get(path)
                except httpx.HTTPError as error:
                    errors.append(f"{path}: {error!r}")
                    continue
                times.append(1000 * (time.perf_counter() - started))
                if response.status_code != OK:
                    errors.append(f"{path}: {response.status_code}")

        await asyncio.gather(*(ask(number) for number in range(CLIENTS)))
    rate = len(times) / SECONDS
    print(
        f"  {CLIENTS} clients for {SECONDS:g} s: {len(times):,} answers ({rate:.0f} a second), {len(errors)} errors, "
        f"p50 {statistics.median(times):.0f} ms, p95 {p95(times):.0f} ms"
    )
    assert not errors, errors[:5]


def memory(process: subprocess.Popen[str]) -> Iterator[str]:
    for line in Path(f"/proc/{process.pid}/status").read_text("ascii").splitlines():
        if line.startswith(("VmRSS", "VmHWM")):
            yield f"{line.split(':')[0]} {int(line.split()[1]) / 1024:.0f} MB"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        environ = os.environ | write_project(root)
        words = [sys.executable, "-c", CODE, "view", "--port", "0", "--no-open", "--json"]
        with subprocess.Popen(words, cwd=root, env=environ, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            printed = "".join(itertools.takewhile(lambda line: line != "}\n", server.stdout))
            url = json.loads(printed + "}")["url"]
            try:
                with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
                    newest = client.get("/v1/runs?limit=1").json()["rows"][0]["run_id"]
                    paths = [path.format(run=newest) for path in PATHS]
                    alone(client, paths, server)
                print("  server:", ", ".join(memory(server)))
                asyncio.run(together(url, paths))
                print("  server:", ", ".join(memory(server)))
            finally:
                server.send_signal(signal.SIGINT)
        print(f"  the server ended with {server.returncode}")


if __name__ == "__main__":
    main()
