"""What all tests share: pytester, and properties that try the same examples every time."""

from __future__ import annotations

import compileall
import gc
import importlib
import os
import pkgutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import execnet.gateway_io
import pytest
from hypothesis import settings
from tests.support import forked

import pytest_evalgate
import pytest_evalgate.stats.ufuncs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

# a build must not fail on an example that the last one did not try (EXPLORE=1 looks for new ones), nor on being slow
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("default" if os.environ.get("EXPLORE") else "repeatable")


_WRITES_NO_BYTECODE: Final = "PYTHONDONTWRITEBYTECODE"
_PACKAGE: Final = Path(pytest_evalgate.__file__).parent
_CHILDREN: Final = ("tests/support", "benchmarks")  # of which tests start programs

# Without cached bytecode each of some 300 child processes compiles the package and rewrites its asserts: 0.65 s for a
# session of pytest, 2 s with -n 2. Modules that tests write are compiled without a cache: a file that is written twice
# in one second with the same size is not distinguished.
sys.dont_write_bytecode = False
os.environ[_WRITES_NO_BYTECODE] = "1"


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts background jobs so, and children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Complete the bytecode of the package, and keep the collected items out of each collection of garbage."""
    if getattr(session.config, "workerinput", {"workerid": "gw0"})["workerid"] == "gw0":  # the first, if distributed
        for folder in (_PACKAGE, *(session.config.rootpath / name for name in _CHILDREN)):
            compileall.compile_dir(folder, quiet=2)
    for module in pkgutil.walk_packages(pytest_evalgate.__path__, f"{pytest_evalgate.__name__}."):
        importlib.import_module(module.name)
    sys.dont_write_bytecode = True
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_key_in_the_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the key of the cache made in a folder of the tests'."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture
def _forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the workers of xdist that this process starts, which takes 0.4 s less than starting a Python."""
    monkeypatch.setattr(execnet.gateway_io, "popen_args", lambda _: [str(forked.programs() / "worker")])
