"""The lock of a session, held by this process and by others."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import StorageError, UserError
from pytest_evalgate.runs import session_lock
from pytest_evalgate.runs.session_lock import SessionLock

if TYPE_CHECKING:
    from pathlib import Path

_HOLDER = """
import os, sys, time
from pathlib import Path
from pytest_evalgate.runs.session_lock import SessionLock
lock = SessionLock(Path(sys.argv[1]))
lock.acquire()
if "fork" in sys.argv and not os.fork():
    os.write(1, b"ready\\n")
    time.sleep(60)
os.write(1, b"ready\\n")
time.sleep(60)
"""


def _holder(path: Path, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _HOLDER, str(path), *args]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert holder.stdout is not None
    for _ in range(2 if args else 1):
        assert holder.stdout.readline() == "ready\n"
    return holder


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("args", [(), ("fork",)], ids=["alone", "with a child that lives on"])
@pytest.mark.parametrize("state", ["zombie", "reaped"])
def test_the_kernel_releases_the_lock_of_a_killed_session(tmp_path: Path, state: str, args: tuple[str, ...]) -> None:
    path = tmp_path / "lock"
    holder = _holder(path, *args)
    lock = SessionLock(path)
    try:
        with pytest.raises(UserError, match=rf"another session \(process {holder.pid} on .*\) uses .*: wait for it"):
            lock.acquire()
        lock.release()
        holder.kill()
        if state == "reaped":
            holder.wait()
        else:
            os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and keeps its process id
        assert lock.acquire() is None
    finally:
        lock.release()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(holder.pid, signal.SIGKILL)
        holder.communicate()


def test_the_file_names_the_process_while_it_is_locked_and_stays(tmp_path: Path) -> None:
    lock = SessionLock(tmp_path / "lock")
    lock.acquire()
    assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")
    lock.release()
    assert (tmp_path / "lock").read_text() == ""


def test_a_refused_session_does_not_change_the_file(tmp_path: Path) -> None:
    held, refused = SessionLock(tmp_path / "lock"), SessionLock(tmp_path / "lock")
    held.acquire()
    before = (tmp_path / "lock").read_text()
    with pytest.raises(UserError, match="another session"):
        refused.acquire()
    refused.release()
    assert (tmp_path / "lock").read_text() == before
    held.release()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def no_locks(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(session_lock, "_lock", no_locks)
    lock = SessionLock(tmp_path / "lock")
    note = lock.acquire()
    assert note is not None
    assert f"is on a file system without locks ({os.strerror(code)}): do not run two sessions at once" in note
    lock.release()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_a_lock_that_is_no_file_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        (tmp_path / "target").write_text("precious")
        path.symlink_to(tmp_path / "target")
    with pytest.raises(StorageError, match=r"lock: cannot be locked: .*: (move the .* in the way|remove the sym)"):
        SessionLock(path).acquire()
    assert kind != "link" or (tmp_path / "target").read_text() == "precious"


def test_an_error_of_the_disk_is_no_other_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(session_lock, "_lock", broken)
    with pytest.raises(StorageError, match="lock: cannot be locked: Input/output error: check the disk"):
        SessionLock(tmp_path / "lock").acquire()


def test_the_owner_of_a_lock_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    held = SessionLock(tmp_path / "lock")
    held.acquire()
    (tmp_path / "lock").write_bytes(b"\x1b[31m\n::error::x" + b"y" * 10_000)
    with pytest.raises(UserError) as caught:
        SessionLock(tmp_path / "lock").acquire()
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1_000
    held.release()
