from __future__ import annotations

import io
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest

from pytest_evalgate.plugin.progress import Progress
from pytest_evalgate.records.results import Trial


@dataclass
class _Writer:
    fullwidth: int = 60
    _current_line: str = "golden.jsonl ..."
    _file: io.StringIO = field(default_factory=io.StringIO)


@dataclass
class _Reporter:
    isatty: bool
    _tw: _Writer = field(default_factory=_Writer)
    lines: list[str] = field(default_factory=list)

    def ensure_newline(self) -> None:
        self.lines.append("")

    def write_line(self, line: str) -> None:
        self.lines.append(line)


@dataclass
class _Config:
    reporter: _Reporter | None
    verbosity: int = 0

    @property
    def pluginmanager(self) -> _Config:
        return self

    def get_plugin(self, name: str) -> Any:
        return self.reporter if name == "terminalreporter" else None

    def get_verbosity(self) -> int:
        return self.verbosity


class _Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _progress(config: _Config, *values: float | None, begun: int = 0) -> tuple[Progress, _Clock]:
    clock = _Clock()
    progress = Progress(config, lambda: "US$0.41 spent", clock)  # type: ignore[arg-type]  # as much of it as is used
    for value in values:
        future: Future[Trial] = Future()
        progress.tally.add(future)
        future.set_result(Trial(0, value))
    for _ in range(begun):
        progress.tally.add(Future())
    return progress, clock


def test_the_line_counts_rates_and_forecasts() -> None:
    progress, clock = _progress(_Config(None), 1.0, 1.0, 0.0, None, begun=12)
    clock.now += 2
    assert progress.line() == "eval 4/16 25% | 2.0/s ETA 0:06 | ok 2 missed 1 err 1 | US$0.41 spent"


def test_before_the_first_answer_nothing_is_forecast() -> None:
    progress, clock = _progress(_Config(None), begun=3)
    clock.now += 5
    assert progress.line() == "eval 0/3 0% | 0.0/s ETA unknown | ok 0 missed 0 err 0 | US$0.41 spent"


def test_work_that_raised_counts_as_an_error() -> None:
    progress, _ = _progress(_Config(None))
    future: Future[Trial] = Future()
    progress.tally.add(future)
    future.set_exception(ValueError())
    assert progress.tally.errored == 1


def test_without_a_terminal_a_plain_line_comes_every_half_minute() -> None:
    reporter = _Reporter(isatty=False)
    progress, clock = _progress(_Config(reporter), 1.0, begun=1)
    for _ in range(160):
        clock.now += 0.25
        progress.tick()
    assert [line[:8] for line in reporter.lines] == ["", "eval 1/2"]


def test_on_a_terminal_the_line_is_rewritten_and_pytests_own_is_put_back() -> None:
    reporter = _Reporter(isatty=True)
    progress, clock = _progress(_Config(reporter), 1.0, begun=1)
    for _ in range(9):
        clock.now += 0.25
        progress.tick()
    written = reporter._tw._file.getvalue().split("\r\x1b[2K")[1:]
    assert len(written) == 2
    assert all(text.startswith("eval 1/2 50%") and len(text) < 60 for text in written)
    progress.clear()
    progress.clear()
    assert reporter._tw._file.getvalue().split("\r\x1b[2K")[3:] == ["golden.jsonl ..."]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_quiet_session_shows_progress_on_a_terminal_only(*, is_terminal: bool) -> None:
    reporter = _Reporter(isatty=is_terminal)
    progress, clock = _progress(_Config(reporter, verbosity=-1), 1.0, begun=1)
    clock.now += 60
    progress.tick()
    assert bool(reporter._tw._file.getvalue()) == is_terminal


@pytest.mark.parametrize("config", [_Config(None), _Config(_Reporter(isatty=True), verbosity=-2)])
def test_quiet_sessions_and_workers_show_nothing(config: _Config) -> None:
    progress, clock = _progress(config, 1.0)
    clock.now += 60
    progress.tick()
    assert config.reporter is None or not config.reporter._tw._file.getvalue()
