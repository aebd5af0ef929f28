"""The writer: one thread that commits what is handed to it, as many entries in one transaction as are waiting."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_evalgate.engine.cache.entries import Entry

_MOST: Final = 256
"""Entries of one transaction: other processes wait while it lasts."""

_GATHERED_S: Final = 0.005
"""Answers that come together are committed together: a commit costs 0.4 ms, whatever it holds."""

_FAREWELL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Order:
    entry: Entry
    done: asyncio.Future[None]


class Writer:
    """Hands entries to ``commit`` on a thread of its own, which starts with the first of them."""

    def __init__(self, commit: Callable[[Sequence[Entry]], None], leave: Callable[[], None]) -> None:
        """Keep what writes entries in one transaction, and what the thread does last."""
        self._commit = commit
        self._leave = leave
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def write(self, entry: Entry) -> None:
        """Return when ``entry`` is committed; it will be, also where nobody waits for it any more."""
        done = asyncio.get_running_loop().create_future()
        self._orders.put(_Order(entry, done))
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, name="evalgate-cache", daemon=True)
            self._thread.start()
        await done

    def close(self) -> None:
        """Commit what is left and end the thread."""
        if self._thread is not None:
            self._orders.put(None)
            self._thread.join(_FAREWELL_S)
            self._thread = None

    def _live(self) -> None:
        orders: list[_Order | None] = []
        while None not in orders:
            orders = self._waiting()
            self._settle([order for order in orders if order is not None])
        self._leave()

    def _waiting(self) -> list[_Order | None]:
        """Return what is waiting, at least one order, and nothing after the None that ends the thread."""
        found = [self._orders.get()]
        if found[0] is not None:
            time.sleep(_GATHERED_S)
        with suppress(queue.Empty):
            while found[-1] is not None and len(found) < _MOST:
                found.append(self._orders.get_nowait())
        return found

    def _settle(self, orders: Sequence[_Order]) -> None:
        try:
            if orders:
                self._commit([order.entry for order in orders])
        except BaseException as error:  # noqa: BLE001 - whoever waits would wait for ever
            _answer(orders, error)
        else:
            _answer(orders, None)


def _answer(orders: Sequence[_Order], error: BaseException | None) -> None:
    """Wake those who wait: each loop once, since that takes a system call."""
    for loop, those in groupby(orders, lambda order: order.done.get_loop()):
        with suppress(RuntimeError):  # closed: nobody waits any more
            loop.call_soon_threadsafe(_wake, tuple(those), error)


def _wake(orders: Sequence[_Order], error: BaseException | None) -> None:
    for order in orders:
        if order.done.done():  # cancelled: nobody waits for it any more
            continue
        if error is None:
            order.done.set_result(None)
        else:
            order.done.set_exception(error)
