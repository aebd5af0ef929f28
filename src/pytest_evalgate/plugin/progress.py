"""Progress line: rewritten in place on a terminal, else a plain line every 30 s."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.plugin.context import reporter_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    import pytest

    from pytest_evalgate.records.results import Trial

_PLAIN_EVERY_S = 30.0
_LIVE_AFTER_S = 1.5
_LIVE_EVERY_S = 0.5
_ERASE = "\r\x1b[2K"


@dataclass(slots=True)
class Tally:
    """Number of trials that were begun, and of those that passed, missed or had an error."""

    begun: int = 0
    passed: int = 0
    missed: int = 0
    errored: int = 0

    @property
    def done(self) -> int:
        """Number of finished trials."""
        return self.passed + self.missed + self.errored

    def add(self, future: Future[Trial]) -> None:
        """Count a trial as begun now, and by its result when its future is done."""
        self.begun += 1
        future.add_done_callback(self._count)

    def _count(self, future: Future[Trial]) -> None:
        trial = None if future.exception() is not None else future.result()
        if trial is None or (trial.value is None and not trial.is_unscored):
            self.errored += 1
        elif trial.value or trial.is_unscored:  # an unscored output is complete, and nothing is wrong with it
            self.passed += 1
        else:
            self.missed += 1


class Progress:
    """Line with the tally, which is printed while items wait."""

    def __init__(
        self,
        config: pytest.Config,
        usage_text: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Print to the terminal of ``config``.

        Args:
            config: The configuration of pytest.
            usage_text: Returns the rest of the line: calls, cost and limits.
            clock: Monotonic clock, in seconds.
        """
        self.tally = Tally()
        self._config = config
        self._usage_text = usage_text
        self._clock = clock
        self._started = self._shown = clock()
        self._is_live = False

    def tick(self) -> None:
        """Print the line if its interval has passed."""
        reporter = reporter_of(self._config)
        if reporter is None:
            return
        on_terminal = reporter.isatty
        if self._config.get_verbosity() < (-1 if on_terminal else 0):  # -q still has the line on a terminal, -qq not
            return
        now = self._clock()
        pause = _PLAIN_EVERY_S if not on_terminal else _LIVE_EVERY_S if self._is_live else _LIVE_AFTER_S
        if now - self._shown < pause:
            return
        self._shown = now
        with self._uncaptured():
            if on_terminal:
                self._is_live = True
                self._write(reporter, _ERASE + self.line()[: reporter._tw.fullwidth - 1])  # noqa: SLF001 - its own width
            else:
                reporter.ensure_newline()
                reporter.write_line(self.line())

    def clear(self) -> None:
        """Restore pytest's own line."""
        reporter = reporter_of(self._config)
        if self._is_live and reporter is not None:
            self._is_live = False
            with self._uncaptured():
                self._write(reporter, _ERASE + reporter._tw._current_line)  # noqa: SLF001 - see _write

    def line(self) -> str:
        """Return the line."""
        tally, seconds = self.tally, max(self._clock() - self._started, 1e-9)
        rate = tally.done / seconds
        left = f"ETA {_minutes((tally.begun - tally.done) / rate)}" if rate else "ETA unknown"
        parts = [
            f"eval {tally.done:,}/{tally.begun:,} {tally.done / max(tally.begun, 1):.0%}",
            f"{rate:.1f}/s {left}",
            f"ok {tally.passed:,} missed {tally.missed:,} err {tally.errored:,}",
            self._usage_text(),
        ]
        return " | ".join(part for part in parts if part)

    def _write(self, reporter: pytest.TerminalReporter, text: str) -> None:
        """Write past pytest's writer, which computes its columns from the line that it wrote itself."""
        file = reporter._tw._file  # noqa: SLF001 - there is no public way to write text that it does not count
        file.write(text)
        file.flush()

    def _uncaptured(self) -> AbstractContextManager[None]:
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        return nullcontext() if capture is None else capture.global_and_fixture_disabled()


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"
