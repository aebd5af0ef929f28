"""Sessions of pytest in forked processes, which share the imports of pytest and of large libraries.

A session of a page then takes half a second less. Nothing of this package and no plugin of pytest is imported before
the fork: pytest rewrites the asserts of plugins, and prints a warning about those that are already imported.
``python -m tests.support.forked`` reads one session per line of its standard input, and prints its exit code.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHARED: Final = (
    "asyncio",
    "concurrent.futures",
    "diskcache",
    "email.message",
    "execnet",
    "h11",
    "jinja2.sandbox",
    "numpy",
    "pydantic",
    "pygments",
    "pytest",
    "regex",
    "scipy.special",
    "scipy.stats",
    "sqlite3",
    "ssl",
)
_ROOT: Final = Path(__file__).parents[2]


def run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run ``pytest`` with ``arguments`` in ``folder``; return its exit code and what it printed."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.NamedTemporaryFile() as output:
        task = {"argv": [*arguments], "folder": str(folder), "environment": {**environment}, "output": output.name}
        server.stdin.write(json.dumps(task) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return code, Path(output.name).read_text("utf-8")


@functools.cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a fork has only the thread that forked
    )
    atexit.register(server.kill)
    return server


def _main() -> None:
    for name in _SHARED:
        importlib.import_module(name)
    sys.path.remove(str(_ROOT))  # a session finds the project of its own folder only
    for line in sys.stdin:
        task = json.loads(line)
        child = os.fork()
        if not child:
            _session(task)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the reply


def _session(task: dict[str, Any]) -> None:
    """Become a session of pytest; does not return."""
    code = 70
    try:
        output, nothing = os.open(task["output"], os.O_WRONLY), os.open(os.devnull, os.O_RDONLY)
        for file, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(file, target)
        os.chdir(task["folder"])
        os.environ.clear()
        os.environ.update(task["environment"])
        import pytest  # noqa: PLC0415 - shared

        code = int(pytest.main(task["argv"]))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _main()
