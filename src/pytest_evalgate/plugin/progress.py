"""How far the evals are: one line rewritten in place on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    """How many trials were begun, and how those that are done ended."""

    begun: int = 0
    passed: int = 0
    missed: int = 0
    errored: int = 0

    @property
    def done(self) -> int:
        """How many are done."""
        return self.passed + self.missed + self.errored

    def add(self, future: Future[Trial]) -> None:
        """Count a trial when its future is done."""
        self.begun += 1
        future.add_done_callback(self._count)

    def _count(self, future: Future[Trial]) -> None:
        value = None if future.exception() is not None else future.result().value
        if value is None:
            self.errored += 1
        elif value:
            self.passed += 1
        else:
            self.missed += 1


class Progress:
    """Shows a tally while items wait."""

    def __init__(
        self,
        config: pytest.Config,
        usage_text: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Show on the terminal of ``config``.

        Args:
            config: pytest's.
            usage_text: Returns what else belongs on the line: what was spent, and how the limits stand.
            clock: Seconds that never go back.

        """
        self.tally = Tally()
        self._config = config
        self._usage_text = usage_text
        self._clock = clock
        self._started = self._shown = clock()
        self._is_live = False

    def tick(self) -> None:
        """Show the line if it is time."""
        reporter: pytest.TerminalReporter | None = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None or self._config.get_verbosity() < 0:
            return
        now = self._clock()
        on_terminal = reporter.isatty
        pause = _PLAIN_EVERY_S if not on_terminal else _LIVE_EVERY_S if self._is_live else _LIVE_AFTER_S
        if now - self._shown < pause:
            return
        self._shown = now
        with self._uncaptured():
            if on_terminal:
                self._write_live(reporter, self.line()[: reporter._tw.fullwidth - 1])  # noqa: SLF001 - its own width
            else:
                reporter.ensure_newline()
                reporter.write_line(self.line())

    def clear(self) -> None:
        """Put back what pytest had on the line."""
        reporter: pytest.TerminalReporter | None = self._config.pluginmanager.get_plugin("terminalreporter")
        if self._is_live and reporter is not None:
            self._is_live = False
            with self._uncaptured():
                self._write(reporter, _ERASE + reporter._tw._current_line)  # noqa: SLF001 - see _write

    def line(self) -> str:
        """Say how far the trials are."""
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

    def _write_live(self, reporter: pytest.TerminalReporter, text: str) -> None:
        self._is_live = True
        self._write(reporter, _ERASE + text)

    def _write(self, reporter: pytest.TerminalReporter, text: str) -> None:
        """Write past pytest's writer, which has to go on believing in the line that it wrote itself."""
        file = reporter._tw._file  # noqa: SLF001 - it offers no way to write what it shall forget
        file.write(text)
        file.flush()

    def _uncaptured(self) -> AbstractContextManager[None]:
        capture = self._config.pluginmanager.get_plugin("capturemanager")
        return nullcontext() if capture is None else capture.global_and_fixture_disabled()


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"
