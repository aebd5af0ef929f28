from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import StorageError
from pytest_evalgate.text.file_lock import exclusive

if TYPE_CHECKING:
    from pathlib import Path


def test_one_thread_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            with exclusive(tmp_path / "made" / "one.lock"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_the_lock_is_released_by_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "one.lock"):
        raise ZeroDivisionError
    with exclusive(tmp_path / "one.lock"):
        pass


def test_a_lock_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(StorageError, match="cannot be"), exclusive(tmp_path / "file" / "one.lock"):
        pytest.fail("the lock was made")
