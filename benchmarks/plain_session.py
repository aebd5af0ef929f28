"""What the installed plugin costs a plain ``pytest`` session that does not use it, beside one without it.

CPU of whole processes without other plugins, taken in turn (with, without, with, ...); the figure is the median of the
differences.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes
from benchmarks.profiled import again
from benchmarks.rows import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS: Final = 25
BOUND_MS: Final = 3.0

SESSION: Final = """
import importlib, pytest, sys, time
pytest.main(["-q", "-p", "no:cacheprovider"], plugins=[importlib.import_module(name) for name in sys.argv[1:]])
print(1000 * time.process_time())
"""
IMPORT: Final = """
import pytest, time
start = time.process_time()
import pytest_evalgate.plugin
print(1000 * (time.process_time() - start))
"""
PLUGIN: Final = "pytest_evalgate.plugin"


def main() -> int:
    return print_rows(rows(), f"plain pytest, one trivial test; {processes.machine()}; median of {ROUNDS} pairs")


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_one.py").write_text("def test_one():\n    pass\n", encoding="utf-8")
        pairs = [(_cpu_ms(folder, SESSION, PLUGIN), _cpu_ms(folder, SESSION)) for _ in range(ROUNDS)]
        used, bare = (statistics.median(each) for each in zip(*pairs, strict=True))
        yield Row(
            "plain session, the plugin",
            statistics.median(one - other for one, other in pairs),
            BOUND_MS,
            "ms CPU",
            note=f"{used:.1f} ms with it, {bare:.1f} ms without",
            profile=lambda: again(("-c", SESSION, PLUGIN), folder),
        )
        imported = statistics.median(_cpu_ms(folder, IMPORT) for _ in range(ROUNDS))
        yield Row("  its import, after pytest", imported, None, "ms CPU")


def _cpu_ms(folder: Path, code: str, *plugins: str) -> float:
    """Run with ``plugins`` only, handed over: by their name pytest would search every distribution for them.

    The process reads its own clock: what the parent is told of a child comes in steps of 10 ms.
    """
    command = [sys.executable, "-c", code, *plugins]
    done = subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, env=processes.environment(folder)
    )
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    sys.exit(main())
