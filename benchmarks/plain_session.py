"""What the installed plugin costs a plain ``pytest`` session that does not use it, beside one without it.

CPU of whole processes without other plugins, taken in turn (with, without, with, ...); the median difference is
printed beside its bound.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 25
BOUND_MS = 5.0

SESSION = """
import importlib, pytest, sys, time
pytest.main(["-q", "-p", "no:cacheprovider"], plugins=[importlib.import_module(name) for name in sys.argv[1:]])
print(1000 * time.process_time())
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_one.py").write_text("def test_one():\n    pass\n", encoding="utf-8")
        pairs = [(_cpu_ms(folder, "pytest_evalgate.plugin"), _cpu_ms(folder)) for _ in range(ROUNDS)]
    used = statistics.median(one for one, _ in pairs)
    bare = statistics.median(other for _, other in pairs)
    over = statistics.median(one - other for one, other in pairs)
    print("plain pytest, one trivial test, CPU of the whole process (median of pairs)")
    print(f"  with the plugin {used:7.1f} ms   without {bare:7.1f} ms   over {over:+6.1f} ms   bound {BOUND_MS} ms")
    print(f"  import of pytest_evalgate.plugin after pytest: {_import_ms():.2f} ms CPU (median of {ROUNDS})")
    return 0


def _cpu_ms(folder: str, *plugins: str) -> float:
    """Run with ``plugins`` only, handed over: by their name pytest would search every distribution for them.

    The process reads its own clock: what the parent is told of a child comes in steps of 10 ms.
    """
    command = [sys.executable, "-c", SESSION, *plugins]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, env=_environment())
    return float(done.stdout.split()[-1])


def _import_ms() -> float:
    code = (
        "import pytest, time; start = time.process_time(); "
        "import pytest_evalgate.plugin; print(1000 * (time.process_time() - start))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], check=True, capture_output=True) for _ in range(ROUNDS)]
    return statistics.median(float(run.stdout) for run in runs)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST", "PYTHON"))}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


if __name__ == "__main__":
    sys.exit(main())
