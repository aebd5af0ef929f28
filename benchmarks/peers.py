"""The same work in other tools: a target's and a judge's call a case, 200 ms each, against the same local server.

    python -m benchmarks.peers --folder /var/tmp/peers --page

installs each tool into an environment of its own in that folder, if it is not there yet, runs every tool at every size
and concurrency in turn, and with ``--page`` writes docs/reference/how-fast.md. A figure is the least of the rounds.

No tool sends anything: telemetry is switched off by each tool's own variables, and connections to anything but this
machine are refused: in Python by an audit hook (`benchmarks.peer_work`), in Node by a proxy that does not exist. A
proxy in Python would cost two TLS contexts more for each new client, 30 ms a case in deepeval.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes, projects
from benchmarks.processes import ROOT, Used

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.processes import Server

LATENCY_S: Final = 0.2
TIMEOUT_S: Final = 240.0
PAGE: Final = ROOT / "docs" / "reference" / "how-fast.md"

NODE: Final = {"promptfoo": "promptfoo@0.121.20"}  # the newest that runs on Node 20
PYTHON: Final = {
    "pydantic-evals": ("pydantic-evals", "pydantic-ai-slim[openai]"),
    "inspect-ai": ("inspect-ai", "openai"),
    "deepeval": ("deepeval", "openai"),
}
BARE: Final = {"bare aiohttp": "aiohttp", "bare AsyncOpenAI": "openai"}
OURS: Final = {"pytest-evalgate (http)": "http", "pytest-evalgate (openai)": "openai"}

QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
    "DEEPEVAL_UPDATE_WARNING_OPT_IN": "NO",
    "ERROR_REPORTING": "NO",
    "LOGFIRE_SEND_TO_LOGFIRE": "false",
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "PROMPTFOO_DISABLE_SHARING": "1",
    "OPENAI_API_KEY": "sk-benchmark-0123456789",
}
"""Variables that switch off telemetry, looking for updates and reports of errors."""


@dataclass(frozen=True, slots=True)
class Work:
    """One tool at one size."""

    tool: str
    cases: int
    concurrency: int

    @property
    def limit_s(self) -> float:
        return math.ceil(self.cases / self.concurrency) * 2 * LATENCY_S


@dataclass(frozen=True, slots=True)
class Cell(Work):
    """What it took, or None if it did not end within `TIMEOUT_S` or failed."""

    used: Used | None
    requests: int


def main() -> int:
    chosen = arguments()
    folder = Path(chosen.folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    load = os.getloadavg()[0]
    versions = {tool: version for tool in chosen.tools.split(",") for version in _installed(folder, tool)}
    print(f"{processes.machine()}; {', '.join(f'{tool} {version}' for tool, version in versions.items())}")
    cells = []
    with processes.judging_server(LATENCY_S) as server:
        for cases in map(int, chosen.sizes.split(",")):
            for concurrency in map(int, chosen.concurrency.split(",")):
                for tool in versions:
                    cells.append(_cell(server, folder, Work(tool, cases, concurrency), chosen.rounds))
                    print(_told(cells[-1]), flush=True)
    if chosen.page:
        PAGE.write_text(page(cells, versions, load, chosen.rounds), encoding="utf-8")
        print(f"wrote {PAGE}")
    return 0


def _cell(server: Server, folder: Path, work: Work, rounds: int) -> Cell:
    found, requests = [], 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            try:
                found.append(_run(server, folder, work, Path(name, "project")))
            except AssertionError as error:
                print(f"{work}: {str(error)[-1500:]}", file=sys.stderr)
        requests = server.counts().calls
    used = processes.least(found) if found else None
    return Cell(work.tool, work.cases, work.concurrency, used, requests)


def _run(server: Server, folder: Path, work: Work, project: Path) -> Used:
    tool, cases, concurrency = work.tool, str(work.cases), str(work.concurrency)
    if tool in OURS:
        asked = projects.Asked(server.base_url, OURS[tool], work.concurrency, judged=True)
        return processes.gate(projects.write(project, work.cases, asked.toml()), projects.GOLDEN)
    project.mkdir()
    if tool in BARE:
        loop = ("-m", "benchmarks.bare", BARE[tool], server.base_url, cases, "2", concurrency)
        return processes.python_run(project, *loop)
    python = sys.executable if tool in NODE else str(folder / tool / "bin" / "python")
    promptfoo = {"PROMPTFOO": str(folder / tool / "node_modules/.bin/promptfoo"), "PROMPTFOO_CONFIG_DIR": str(project)}
    return processes.run(
        [python, "-m", "benchmarks.peer_work", tool, server.base_url, cases, concurrency],
        project,
        timeout_s=TIMEOUT_S,
        variables={**QUIET, **promptfoo, "PYTHONPATH": str(ROOT)},
    )


def _installed(folder: Path, tool: str) -> Iterator[str]:
    """Install a tool if it is not there, and yield its version; yield nothing if it cannot be run here."""
    where = folder / tool
    if tool in OURS:
        yield _version(sys.executable, "pytest-evalgate")
    elif tool in BARE:
        yield _version(sys.executable, BARE[tool])
    elif tool in NODE:
        npm = shutil.which("npm")
        if npm is None:
            print(f"{tool}: npm is missing, left out")
            return
        package = where / "node_modules" / tool / "package.json"
        if not package.exists():
            where.mkdir(exist_ok=True)
            subprocess.run([npm, "install", "--prefix", where, NODE[tool], "--no-audit", "--no-fund"], check=True)
        yield str(json.loads(package.read_text(encoding="utf-8"))["version"])
    else:
        python = where / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", where], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PYTHON[tool]], check=True)
        yield _version(str(python), tool)


def _version(python: str, package: str) -> str:
    code = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    return subprocess.run([python, "-c", code, package], check=True, capture_output=True, text=True).stdout.strip()


def _told(cell: Cell) -> str:
    name = f"{cell.tool:<36} N = {cell.cases:>5,}  c = {cell.concurrency:>3}"
    if cell.used is None:
        return f"{name}  failed, or not done in {TIMEOUT_S:.0f} s"
    used = cell.used
    return (
        f"{name}  {used.wall_s:6.2f} s = {used.wall_s / cell.limit_s:5.2f} x limit  CPU {used.cpu_s:6.2f} s  "
        f"{used.peak_mb:5.0f} MiB  {cell.requests:,} requests  others {used.others:.1f} cores"
    )


TEXT: Final = """\
# How fast

Measured by `benchmarks/peers.py`, which writes this page.

N cases, each with a call of the target and then a call of an LLM judge; a local server answers every call after
{latency_ms:.0f} ms. A figure is the wall of the whole process, start-up included, from an empty cache, in seconds. The
number in brackets is its multiple of the limit, ceil(N / c) x 2 latencies, which no client can beat. Each tool runs as
its documentation shows, with c as its concurrency. A dash: it failed, or did not end within {timeout_s:.0f} s.

{table}

CPU and memory are those of the largest N at c = {least}. CPU includes the start-up; memory is that of the largest
process. The bare rows are loops with nothing around them: no cache, no retries, no scores, no report. deepeval's
`evaluate()` calls no target: the targets are called before it, in the same process. Telemetry of every tool is off,
and no request can leave the machine.

Taken on {day}: {python}, {system}, {cores} cores, load average {load:.1f} at the start; least of {rounds}.

<!-- elsewhere: it installs other tools, and takes minutes -->
```
python -m benchmarks.peers --folder /var/tmp/peers --page
```
"""


def page(cells: Sequence[Cell], versions: Mapping[str, str], load: float, rounds: int) -> str:
    """Return the page with the figures."""
    columns = sorted({(cell.cases, cell.concurrency) for cell in cells})
    return TEXT.format(
        latency_ms=1000 * LATENCY_S,
        timeout_s=TIMEOUT_S,
        table="\n".join(_table(cells, versions, columns)),
        least=min(concurrency for _, concurrency in columns),
        day=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.system(),
        cores=os.cpu_count(),
        load=load,
        rounds=f"{rounds} round{'s' if rounds > 1 else ''}",
    )


def _table(cells: Sequence[Cell], versions: Mapping[str, str], columns: Sequence[tuple[int, int]]) -> Iterator[str]:
    by_place = {(cell.tool, cell.cases, cell.concurrency): cell for cell in cells}
    heads = " | ".join(f"N = {cases:,}, c = {concurrency}" for cases, concurrency in columns)
    yield f"| tool | version | {heads} | CPU a case | memory |"
    yield f"| --- | --- | {' | '.join('---:' for _ in columns)} | ---: | ---: |"
    tool = next(iter(versions))
    yield f"| the limit | | {' | '.join(f'{by_place[tool, *column].limit_s:.2f}' for column in columns)} | | |"
    size = max(cases for cases, _ in columns)
    least = min(concurrency for _, concurrency in columns)
    for tool, version in versions.items():
        row = " | ".join(_cell_text(by_place[tool, *column]) for column in columns)
        used = by_place[tool, size, least].used
        costs = "- | -" if used is None else f"{1000 * used.cpu_s / size:.1f} ms | {used.peak_mb:.0f} MiB"
        yield f"| {tool} | {version} | {row} | {costs} |"


def _cell_text(cell: Cell) -> str:
    return "-" if cell.used is None else f"{cell.used.wall_s:.2f} ({cell.used.wall_s / cell.limit_s:.2f})"


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="where each tool has its environment, 2 GB in all")
    parser.add_argument("--sizes", default="200,1000", help="cases")
    parser.add_argument("--concurrency", default="32,64", help="calls at a time")
    parser.add_argument("--tools", default=",".join((*BARE, *OURS, *PYTHON, *NODE)))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--page", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
