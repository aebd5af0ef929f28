"""Programs in forked processes, which share the imports of pytest, its plugins, this package and large libraries.

A session of pytest then takes a second less. The programs are ``pytest``, ``pytest-evalgate`` and ``worker``, the
Python that xdist starts. A first session imports this package and the plugins of pytest: pytest rewrites their
asserts, and prints a warning about those that were imported without that. Each program has a process of its own, and
ends as it would otherwise, `os._exit` and signals included. `programs` is a folder for the ``PATH`` of a shell.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.fork_client import CODE, LENGTH, STREAMS, ask

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
_FIRST_SESSION: Final = {
    "conftest.py": """
import importlib
import pkgutil

import pytest_evalgate

for module in pkgutil.walk_packages(pytest_evalgate.__path__, "pytest_evalgate."):
    importlib.import_module(module.name)
""",
    "golden.jsonl": '{"id": "a", "input": "a", "expected": "yes", "output": "yes"}\n',
}
_PROGRAMS: Final = ("pytest", "pytest-evalgate", "worker")
_CLIENT: Final = Path(__file__).with_name("fork_client.py")
_ROOT: Final = Path(__file__).parents[2]


def run(words: Sequence[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a program with its arguments in ``folder``; return its exit code and what it printed."""
    with tempfile.TemporaryFile() as output, Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), output.fileno(), output.fileno())
        code = ask(str(_server() / "socket"), [*words], str(folder), {**environment}, streams)
        output.seek(0)
        return code, output.read().decode("utf-8")


def programs() -> Path:
    """Return a folder with a program for each that can be forked, for the ``PATH`` of a shell."""
    return _server() / "bin"


@functools.cache
def _server() -> Path:
    """Start the server, and return its folder."""
    folder = Path(tempfile.mkdtemp(prefix="forked"))
    (folder / "bin").mkdir()
    for name in _PROGRAMS:
        words = (sys.executable, "-IS", str(_CLIENT), str(folder / "socket"), name)
        program = folder / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', "utf-8")
        program.chmod(0o700)
    server = subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder / "socket")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a fork has only the thread that forked
    )
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(server.kill)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    return folder


def _main(path: str) -> None:
    for name in _SHARED:
        importlib.import_module(name)
    sys.path.remove(str(_ROOT))  # a session finds the project of its own folder only
    _import_in_a_session()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)  # noqa: T201 - the reply
        while True:
            connection, _ = listener.accept()
            if not os.fork():
                listener.close()
                _serve(connection)
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _import_in_a_session() -> None:
    """Run a session that imports what all sessions import, and leave nothing else of it in this process."""
    import pytest  # noqa: PLC0415 - the processes that only ask do without

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, text in _FIRST_SESSION.items():
            Path(name).write_text(text, "utf-8")
        with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
            code = pytest.main(["--eval-gate", "-p", "no:cacheprovider", "-W", "ignore", "golden.jsonl"])
        assert code == 0, f"the first session ended with {code}"
    del sys.modules["conftest"]
    sys.path[:] = [entry for entry in sys.path if entry != folder]


def _serve(connection: socket.socket) -> None:
    """Run what one client asks for, and send the exit code; does not return."""
    try:
        header, streams, _, _ = socket.recv_fds(connection, LENGTH.size, STREAMS)
        [length] = LENGTH.unpack(header)
        task = b""
        while len(task) < length:
            task += connection.recv(length - len(task))
        program = os.fork()
        if not program:
            connection.close()
            _become(task.decode("utf-8", "surrogateescape").split("\0"), streams)
        _, status = os.waitpid(program, 0)
        connection.sendall(CODE.pack(os.waitstatus_to_exitcode(status)))
    finally:
        os._exit(0)


def _become(task: list[str], streams: list[int]) -> None:
    """Become the program of a task; does not return."""
    code: Any = 70
    try:
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        folder, count = task[0], int(task[1])
        os.chdir(folder)
        sys.argv = task[2 : 2 + count]
        os.environ.clear()
        for variable in task[2 + count :]:
            name, _, value = variable.partition("=")
            os.environ[name] = value
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:0] = [path for path in paths if path and path not in sys.path]
        code = _run(sys.argv[0])
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    finally:
        for printed in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                printed.flush()
        os._exit(code if isinstance(code, int) else 1)


def _run(program: str) -> int:
    if program == "worker":
        exec(eval(sys.stdin.readline()))  # noqa: S102, S307 - the command with which execnet starts a Python
        return 0
    if program == "pytest":
        import pytest  # noqa: PLC0415 - shared

        return int(pytest.main())
    from pytest_evalgate.cli import main  # noqa: PLC0415 - shared

    return main()


if __name__ == "__main__":
    _main(sys.argv[1])
