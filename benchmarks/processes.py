"""Whole processes, as a user starts them: wall, CPU and memory of each, and how busy others kept the machine."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
"""The tree that contains the scripts."""

TREE_VARIABLE = "BENCH_TREE"
"""Folder that contains the package to measure; without it, ``src`` of `ROOT`, whatever is installed. ``make bench``
sets it to the wheel's, whose templates are compiled."""

BARE_LIBRARIES: Final = Path(sys.prefix) / "bare"
"""What bare loops use and users lack: openai imports aiohttp if it finds it, which takes 0.1 s."""

KEY_VARIABLE = "BENCH_KEY"


@dataclass(frozen=True, slots=True)
class Used:
    """What one process took: seconds, seconds of CPU with its children, MiB at its peak, and what it printed.

    ``others`` is how many cores the rest of the machine kept busy meanwhile, the scripted server included.
    ``started_at`` is in monotonic seconds.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    others: float
    output: str
    started_at: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What the scripted server has counted."""

    calls: int
    refused: int
    peak_in_flight: int
    connections: int
    first_at: float | None


@dataclass(frozen=True, slots=True)
class Server:
    """A scripted server in a process of its own."""

    base_url: str

    def counts(self) -> Counts:
        """Return its counts, and set them to zero."""
        found = Counts(**self._ask("GET", "/_stats"))
        self._ask("POST", "/_reset")
        return found

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        request = urllib.request.Request(self.base_url.removesuffix("/v1") + path, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - the same
            return dict(json.load(response))


@contextlib.contextmanager
def scripted_server(latency_s: float, *limits: str) -> Iterator[Server]:
    """Run ``python -m tests.support`` with these limits."""
    with _served("tests.support", "--latency", str(latency_s), *limits) as server:
        yield server


@contextlib.contextmanager
def judging_server(latency_s: float) -> Iterator[Server]:
    """Run ``python -m benchmarks.judging_server``."""
    with _served("benchmarks.judging_server", str(latency_s)) as server:
        yield server


@contextlib.contextmanager
def _served(*arguments: str) -> Iterator[Server]:
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(Path.cwd())
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip())
        finally:
            process.stdin.close()  # it ends with its input


PYTEST: Final = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
GATE: Final = (*PYTEST, "-p", "pytest_evalgate", "--eval-gate")
VERB: Final = ("-c", "import sys; from pytest_evalgate.cli import main; sys.exit(main(sys.argv[1:]))")
"""Arguments of Python for pytest without foreign plugins, for the gate, and for a verb of the command line tool."""


def gate(folder: Path, *arguments: str, code: int = 0) -> Used:
    """Run ``pytest --eval-gate`` in ``folder``, and expect that exit code."""
    return python_run(folder, *GATE, *arguments, code=code)


def pytest_run(folder: Path, *arguments: str, code: int = 0) -> Used:
    """Run pytest in ``folder`` without foreign plugins, and expect that exit code."""
    return python_run(folder, *PYTEST, *arguments, code=code)


def python_run(folder: Path, *arguments: str, code: int = 0, timeout_s: float = 600.0) -> Used:
    """Run Python in ``folder`` with these arguments, and expect that exit code."""
    return run([sys.executable, *arguments], folder, code=code, timeout_s=timeout_s)


def run(
    command: Sequence[str],
    folder: Path,
    *,
    code: int = 0,
    timeout_s: float = 120.0,
    variables: Mapping[str, str] | None = None,
) -> Used:
    """Run ``command`` in ``folder`` with more ``variables``, and expect that exit code within ``timeout_s``."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        busy, started = _busy_s(), time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment(folder), **(variables or {})},
        )
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s, busy = time.monotonic() - started, _busy_s() - busy
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    assert process.returncode == code, f"{' '.join(command)}: exit code {process.returncode}\n{text[-3000:]}"
    cpu_s = usage.ru_utime + usage.ru_stime
    return Used(wall_s, cpu_s, usage.ru_maxrss / 1024, max(0.0, busy - cpu_s) / wall_s, text, started)


def environment(folder: Path) -> dict[str, str]:
    """Return a user's environment without settings of pytest, Python or the build, and with ``folder`` as the home."""
    tree = Path(os.environ.get(TREE_VARIABLE) or ROOT / "src")
    assert (tree / "pytest_evalgate").is_dir(), f"{tree} does not contain the package: see {TREE_VARIABLE}"
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "LC_ALL", "TMPDIR"}}
    return {
        **kept,
        "HOME": str(folder),
        "PYTHONPATH": os.pathsep.join(map(str, (tree, ROOT, folder))),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        KEY_VARIABLE: "sk-benchmark-0123456789",
    }


def machine() -> str:
    """Say how busy the machine is."""
    one, five, _ = os.getloadavg()
    return f"{os.cpu_count()} cores, load average {one:.2f} (5 minutes: {five:.2f})"


def least(runs: Sequence[Used]) -> Used:
    """Return the least of each figure: on a shared machine the rest is what others took."""
    figures = [asdict(one) for one in runs]
    return Used(**{name: min(figure[name] for figure in figures) for name in figures[0]})


def _busy_s() -> float:
    """Return the seconds for which the machine's cores have worked, all together; 0 where nobody counts them."""
    with contextlib.suppress(OSError):
        user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
        return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
    return 0.0
