from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.engine.cache.leases import Leases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ONE, _TWO = "0f" * 32, "f0" * 32

_HOLDER = """
import sys
from pathlib import Path
from pytest_evalgate.engine.cache.leases import Leases
leases = Leases(Path(sys.argv[1]))
with leases.exclusive(0) if sys.argv[2] == "exclusive" else __import__("contextlib").nullcontext():
    print(sys.argv[2] == "exclusive" or leases.acquire(sys.argv[2]), flush=True)
    sys.stdin.read(1)
"""


@contextmanager
def _held(path: Path, what: str) -> Iterator[subprocess.Popen[bytes]]:
    """Hold a lease in another process."""
    command = [sys.executable, "-c", _HOLDER, str(path), what]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    leases = Leases(tmp_path / "leases")
    yield leases
    leases.close()


def test_one_process_has_the_lease_and_the_others_do_not(leases: Leases, tmp_path: Path) -> None:
    with _held(tmp_path / "leases", _ONE):
        assert not leases.acquire(_ONE)
        assert leases.acquire(_TWO)
        with leases.exclusive(0) as acquired:
            assert acquired


def test_killing_the_holder_frees_the_lease(leases: Leases, tmp_path: Path) -> None:
    with _held(tmp_path / "leases", _ONE) as holder:
        holder.kill()
        holder.wait()
        assert leases.acquire(_ONE)


def test_a_lease_that_was_given_back_is_to_be_had(leases: Leases, tmp_path: Path) -> None:
    assert leases.acquire(_ONE)
    leases.release(_ONE)
    with _held(tmp_path / "leases", _ONE):
        assert not leases.acquire(_ONE)


def test_two_processes_do_not_open_a_cache_at_once(leases: Leases, tmp_path: Path) -> None:
    with _held(tmp_path / "leases", "exclusive"):
        with leases.exclusive(0.05) as acquired:
            assert not acquired
        assert leases.acquire(_ONE)
    with leases.exclusive(60) as acquired:
        assert acquired


def test_the_lease_file_holds_nothing(leases: Leases, tmp_path: Path) -> None:
    leases.acquire(_ONE)
    assert (tmp_path / "leases").read_bytes() == b""


def test_closed_leases_hinder_nobody(leases: Leases) -> None:
    leases.close()
    assert leases.acquire(_ONE)
    leases.release(_ONE)
    leases.close()


def test_a_lease_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="link"):
        Leases(tmp_path / "link")
