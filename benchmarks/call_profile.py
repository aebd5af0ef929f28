"""Where the time of a call goes: both threads of a run under cProfile, their own time by package.

The profiler makes everything slower, small functions most: read shares, not seconds. What a thread waits for is left
out. ``--client http|openai``.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from benchmarks import processes, projects

CASES: Final = 1000
CONCURRENCY: Final = 64
LATENCY_S: Final = 0.2
SHOWN: Final = 18

_WAITING: Final = ("method 'acquire'", "method 'poll'", "method 'control'", "select.epoll")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", choices=("http", "openai"), default="http")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside:
        return _profiled()
    print(f"where the time goes: {chosen.client}, {CASES:,} cases of two calls, {CONCURRENCY} at a time")
    with processes.scripted_server(LATENCY_S) as server, tempfile.TemporaryDirectory() as folder:
        asked = projects.Asked(server.base_url, chosen.client, CONCURRENCY, trials=2)
        project = projects.write(Path(folder, "project"), CASES, asked.toml())
        used = processes.run([sys.executable, "-m", "benchmarks.call_profile", "--inside"], project)
    print(used.output.rpartition("== profile\n")[2])
    return 0


def _profiled() -> int:
    """Run the gate in this process, and print what both of its threads have done."""
    import pytest  # noqa: PLC0415 - what is measured

    from pytest_evalgate.usercode.loop_thread import LoopThread  # noqa: PLC0415 - the same

    ours, engines = cProfile.Profile(), cProfile.Profile()
    live = LoopThread._run  # noqa: SLF001 - the only place that sees the thread

    def watched(engine: LoopThread) -> None:
        engines.runcall(live, engine)

    LoopThread._run = watched  # type: ignore[assignment,method-assign]  # noqa: SLF001 - the same
    arguments = ["-q", "-p", "no:cacheprovider", "-p", "pytest_evalgate", "--eval-gate", projects.GOLDEN]
    code = ours.runcall(pytest.main, arguments)
    print("== profile")
    for name, profile in (("the engine's thread", engines), ("pytest's thread", ours)):
        _print(name, profile)
    return int(code)


def _print(name: str, profile: cProfile.Profile) -> None:
    own: Counter[str] = Counter()
    for (file, _, function), (_, _, own_s, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if not any(word in function for word in _WAITING):
            own[_package(file, function)] += own_s
    whole = sum(own.values())
    print(f"  {name}: {whole:.2f} s under the profiler, {1000 * whole / CASES:.2f} ms a case")
    for package, own_s in own.most_common(SHOWN):
        print(f"    {own_s / whole:6.1%}  {package}")


def _package(file: str, function: str) -> str:
    parts = Path(file).parts
    if "pytest_evalgate" in parts:
        return ".".join(parts[parts.index("pytest_evalgate") :][:2])
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    if file.startswith("<frozen importlib"):
        return "imports"
    return function.strip("<>") if file == "~" else f"python {Path(file).parent.name if 'asyncio' in parts else 'lib'}"


if __name__ == "__main__":
    os.environ.setdefault("COLUMNS", "100")
    sys.exit(main())
