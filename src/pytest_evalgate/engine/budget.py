"""The budget of a run: what was spent, what is in flight, and no call that would not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import asyncio

    from pytest_evalgate.engine.halt import Halt

_FLOAT_NOISE = 1e-9


class Budget:
    """Holds what a call may cost while it is in flight, and charges what it did cost.

    A call that fits only without those in flight waits for them: most cost less than they hold. One that does not fit
    even so stops the run. Lives on the engine's loop, hence without locks.
    """

    def __init__(self, usd: float, halt: Halt) -> None:
        """Allow the run to spend ``usd``; ``halt`` is stopped when no further call fits."""
        halt.guard(self._look)
        self._limit_usd = usd
        self._halt = halt
        self._spent_usd = 0.0
        self._held: list[float] = []
        self._waiting: list[asyncio.Future[None]] = []
        self.exhausted: str | None = None
        """Why it let no further call pass; None as long as it does."""

    async def hold(self, usd: float) -> None:
        """Hold ``usd`` for a call, until ``settle`` is told what it cost.

        Raises:
            RunStopped: it does not fit, or the run has stopped for another reason.

        """
        self._halt.check()
        while self._held and not self._fits(usd + sum(self._held)):
            waiter = self._halt.waiter()
            self._waiting.append(waiter)
            await waiter
        if not self._fits(usd):
            self._reached(f", and the next call may cost US${usd:,.4f}")
            self._halt.check()
        self._held.append(usd)

    def settle(self, held_usd: float, spent_usd: float) -> None:
        """Charge a call that has ended, and let those that wait try again, the first one first."""
        self._held.remove(held_usd)
        self._spent_usd += spent_usd
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def refuse_unpriced(self, route: str) -> NoReturn:
        """Stop the run: a call whose price nobody knows cannot be held against a limit.

        Raises:
            RunStopped: always.

        """
        self._stop(
            f"cannot be held: no price is known of {route}. Give a model its price = {{ input_per_mtok = ..., "
            "output_per_mtok = ... }; for anything else take the budget out"
        )
        self._halt.check()
        raise AssertionError("a stopped run goes on")

    def _fits(self, usd: float) -> bool:
        return self._spent_usd + usd <= self._limit_usd + _FLOAT_NOISE

    def _look(self) -> None:
        """Stop calls that wait to be sent while others turn out dearer than what was held for them."""
        if not self._fits(0.0):
            self._reached()

    def _reached(self, and_what: str = "") -> None:
        self._stop(
            f"reached: US${self._spent_usd:,.4f} are spent{and_what}. What was answered is kept: raise budget_usd and "
            "run again"
        )

    def _stop(self, why: str) -> None:
        self.exhausted = f"budget of US${self._limit_usd:,.2f} {why}"
        self._halt.stop(self.exhausted)
